//! What would be built, as `fairlead check` prints it.
//!
//! Owns the tables of a file that was accepted. Asks no appliance.

use super::grid::{Column, labelled, render};
use crate::config::{Configuration, Settings, bounds, count, duration_text, listen_text, network_text, words};
use crate::policy::intent::{Intent, Pool};
use Column::{Left, Prose, Right};

/// Everything `configuration` would build, and its warnings.
pub fn text(configuration: &Configuration) -> String {
    let Configuration { settings, intent, warnings } = configuration;
    let mut out = appliance(settings);
    out += &[ports(intent), interfaces(intent), routes(intent), monitors(intent)].concat();
    intent.pools.iter().for_each(|entry| out += &pool(intent, entry));
    out += &[virtual_servers(intent), snats(intent), "\n".into(), labelled(&bounds(intent))].concat();
    warnings.iter().for_each(|warning| out += &format!("\n{warning}"));
    out
}

fn appliance(settings: &Settings) -> String {
    let Settings { cores, dpdk, .. } = settings;
    let workers: Vec<String> = cores.workers.iter().map(usize::to_string).collect();
    let metrics = settings.metrics.map_or("none".into(), |metrics| metrics.to_string());
    let pages = if dpdk.hugepages { "huge pages" } else { "no huge pages" };
    let eal = if dpdk.eal.is_empty() { "none".into() } else { dpdk.eal.join(" ") };
    labelled(&[
        ("appliance", settings.name.clone()),
        ("admin socket", settings.admin_socket.display().to_string()),
        ("metrics", metrics),
        ("log", settings.log.to_string()),
        ("cores", format!("management {}, workers {}, idle {}", cores.management, workers.join(" "), cores.idle)),
        ("DPDK", format!("{pages}, {} packet buffers, {} MiB", dpdk.mbufs, dpdk.memory_mib)),
        ("EAL arguments", eal),
    ])
}

fn ports(intent: &Intent) -> String {
    let queues = |queues: Option<u16>| queues.map_or("one per worker".into(), |queues| queues.to_string());
    let rows = intent
        .ports
        .iter()
        .map(|port| vec![port.name.clone(), port.mtu.to_string(), queues(port.queues), port.device.clone()]);
    table(&[Left("PORT"), Right("MTU"), Left("QUEUES"), Prose("DEVICE")], rows.collect())
}

fn interfaces(intent: &Intent) -> String {
    let rows = intent.interfaces.iter().map(|entry| {
        let port = intent.ports.get(usize::from(entry.port.0)).map_or("?", |port| &port.name);
        let addresses: Vec<String> = entry.addresses.iter().map(ToString::to_string).collect();
        vec![
            entry.name.clone(),
            port.into(),
            entry.vlan.map_or("untagged".into(), |vlan| vlan.to_string()),
            entry.mtu.to_string(),
            addresses.join(", "),
        ]
    });
    table(&[Left("INTERFACE"), Left("PORT"), Left("VLAN"), Right("MTU"), Prose("ADDRESSES")], rows.collect())
}

fn routes(intent: &Intent) -> String {
    let rows = intent.routes.iter().map(|route| {
        let interface = intent.interfaces.get(route.interface.index()).map_or("?", |entry| &entry.name);
        vec![network_text(route.to), route.via.to_string(), interface.into()]
    });
    table(&[Left("ROUTE TO"), Left("VIA"), Left("INTERFACE")], rows.collect())
}

fn monitors(intent: &Intent) -> String {
    let rows = intent.monitors.iter().map(|monitor| {
        vec![
            monitor.name.clone(),
            duration_text(monitor.interval),
            duration_text(monitor.timeout),
            monitor.rise.to_string(),
            monitor.fall.to_string(),
            words::question(&monitor.kind),
            words::good_answer(&monitor.kind),
        ]
    });
    let heads = [
        Left("MONITOR"),
        Right("INTERVAL"),
        Right("TIMEOUT"),
        Right("RISE"),
        Right("FALL"),
        Left("PROBE"),
        Prose("UP WHEN"),
    ];
    table(&heads, rows.collect())
}

fn pool(intent: &Intent, pool: &Pool) -> String {
    let named = pool.monitors.iter().filter_map(|id| intent.monitors.get(id.index()));
    let monitors: Vec<&str> = named.map(|monitor| monitor.name.as_str()).collect();
    let rows =
        pool.members.iter().filter_map(|id| intent.members.get(id.index())).enumerate().map(|(place, member)| {
            let interface = intent.interfaces.get(member.interface.index()).map_or("?", |entry| &entry.name);
            let rank = if place == 0 { "preferred" } else { "" };
            vec![member.name.clone(), member.address.to_string(), interface.into(), rank.into()]
        });
    let needed = format!("{} of {} good: {}", pool.require, count(monitors.len(), "monitor"), monitors.join(", "));
    let policy = [
        ("member up", needed),
        ("fail back", pool.fail_back.to_string()),
        ("member lost", format!("UDP reselect, TCP {}", pool.on_down_tcp)),
        ("no member", pool.no_member.to_string()),
    ];
    let members = render(&[Left("MEMBER"), Left("ADDRESS"), Left("INTERFACE"), Left("")], &rows.collect::<Vec<_>>());
    let inside: String = (labelled(&policy) + &members).lines().map(|line| format!("  {line}\n")).collect();
    format!("\nPOOL {} (active-standby)\n{inside}", pool.name)
}

fn virtual_servers(intent: &Intent) -> String {
    let rows = intent.virtual_servers.iter().map(|server| {
        let pool = intent.pools.get(server.pool.index()).map_or("?", |pool| &pool.name);
        let holds =
            |entry: &&crate::policy::intent::Interface| entry.addresses.iter().any(|net| net.contains(&server.address));
        let network = intent.interfaces.iter().find(holds).map_or("its own", |entry| &entry.name);
        let state = if server.enabled { "enabled" } else { "disabled" };
        let listen = server.listen.iter().map(|listen| listen_text(*listen)).collect::<Vec<_>>().join(", ");
        let (icmp_echo, unmatched) = (server.icmp_echo.to_string(), server.unmatched.to_string());
        let cells = [&server.name, &server.address.to_string(), network, pool, state, &icmp_echo, &unmatched, &listen];
        cells.iter().map(|cell| (*cell).to_string()).collect()
    });
    let heads = [
        Left("VIRTUAL SERVER"),
        Left("ADDRESS"),
        Left("NETWORK"),
        Left("POOL"),
        Left("STATE"),
        Left("ICMP ECHO"),
        Left("UNMATCHED"),
        Prose("LISTEN"),
    ];
    table(&heads, rows.collect())
}

fn snats(intent: &Intent) -> String {
    let rows = intent.snats.iter().map(|snat| {
        let pool = intent.pools.get(snat.pool.index()).map_or("?", |pool| &pool.name);
        let mut except: Vec<String> = snat.exclude.iter().map(|net| network_text(*net)).collect();
        except.extend(snat.no_snat_udp_ports.iter().map(|port| format!("from udp/{port}")));
        let except = if except.is_empty() { "nothing".into() } else { except.join(", ") };
        vec![pool.into(), snat.address.to_string(), except]
    });
    table(&[Left("SNAT OF POOL"), Left("ADDRESS"), Prose("EXCEPT")], rows.collect())
}

/// An empty line and the rows under their heads; nothing when there is no row.
fn table(heads: &[Column], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() { String::new() } else { String::from("\n") + &render(heads, &rows) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_for;

    const FILE: &str = include_str!("../../dpdk-config/examples/two-arm.toml");

    const MORE: &str = r#"
[[monitor]]
name = "alive"
kind = "icmp"

[[monitor]]
name = "port-check"
kind = "tcp-half-open"

[[pool]]
name = "pair-2"
members = [{ name = "rm-1", address = "10.20.0.21" }, { name = "rm-2", address = "10.20.0.22" }]
monitors = ["sip-options", "alive", "port-check"]
require = 2
fail_back = "immediate"
on_down = { tcp = "drain" }
no_member = "keep-last"

[[virtual_server]]
name = "rm"
address = "203.0.113.7"
pool = "pair-2"
listen = ["udp/5070", "tcp/5070", "tcp/5071"]
enabled = false
icmp_echo = "selective"
unmatched = "drop"

[[snat]]
pool = "pair-2"
address = "203.0.113.7"
no_snat_udp_ports = [161, 123]
"#;

    #[test]
    fn what_would_be_built_fits_the_screen() {
        let exclude: Vec<String> = (0..24).map(|n| format!("\"172.20.{n}.0/24\"")).collect();
        let file = FILE.replace("\"172.16.2.0/24\"", &exclude.join(", ")) + MORE;
        let shown = text(&parse_for(64, "fairlead.toml", &file).unwrap_or_else(|errors| panic!("{errors}")));
        assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
        insta::assert_snapshot!("describe", shown);
    }
}
