//! What would be built, as `fairlead check` prints it: tables no wider than 100 columns.

use super::report::{count, wrapped};
use super::value::duration_text;
use super::{Configuration, Settings, words};
use crate::policy::intent::{Intent, Limits, Pool};

/// Everything `configuration` would build, and its warnings.
pub fn describe(configuration: &Configuration) -> String {
    let Configuration { settings, intent, warnings } = configuration;
    let mut out = appliance(settings);
    for part in [ports(intent), interfaces(intent), routes(intent), monitors(intent)] {
        out += &part;
    }
    intent.pools.iter().for_each(|entry| out += &pool(intent, entry));
    for part in [virtual_servers(intent), snats(intent), timers(intent)] {
        out += &part;
    }
    warnings.iter().for_each(|warning| out += &format!("\n{warning}"));
    out
}

fn appliance(settings: &Settings) -> String {
    let Settings { cores, dpdk, .. } = settings;
    let workers: Vec<String> = cores.workers.iter().map(usize::to_string).collect();
    let metrics = settings.metrics.map_or("none".into(), |metrics| metrics.to_string());
    let pages = if dpdk.hugepages { "huge pages" } else { "no huge pages" };
    let eal = if dpdk.eal.is_empty() { "nothing extra".into() } else { dpdk.eal.join(" ") };
    let lines = [
        ("appliance", settings.name.clone()),
        ("admin socket", settings.admin_socket.display().to_string()),
        ("metrics", metrics),
        ("log", settings.log.to_string()),
        ("cores", format!("management {}, workers {}, idle {}", cores.management, workers.join(" "), cores.idle)),
        ("DPDK", format!("{pages}, {} packet buffers, {} MiB", dpdk.mbufs, dpdk.memory_mib)),
        ("EAL arguments", eal),
    ];
    lines.map(|(label, text)| labelled(label, &text)).concat()
}

fn ports(intent: &Intent) -> String {
    let queues = |queues: Option<u16>| queues.map_or("one a worker".into(), |queues| queues.to_string());
    let rows = intent
        .ports
        .iter()
        .map(|port| vec![port.name.clone(), port.mtu.to_string(), queues(port.queues), port.device.clone()]);
    table(&["PORT", "MTU", "QUEUES", "DEVICE"], rows.collect())
}

fn interfaces(intent: &Intent) -> String {
    let rows = intent.interfaces.iter().map(|entry| {
        let port = intent.ports.get(usize::from(entry.port.0)).map_or("?", |port| &port.name);
        let addresses: Vec<String> = entry.addresses.iter().map(ToString::to_string).collect();
        vec![entry.name.clone(), port.into(), words::vlan(entry), entry.mtu.to_string(), addresses.join(", ")]
    });
    table(&["INTERFACE", "PORT", "VLAN", "MTU", "ADDRESSES"], rows.collect())
}

fn routes(intent: &Intent) -> String {
    let rows = intent.routes.iter().map(|route| {
        let interface = intent.interfaces.get(route.interface.index()).map_or("?", |entry| &entry.name);
        vec![words::destination(route), route.via.to_string(), interface.into()]
    });
    table(&["ROUTE TO", "VIA", "INTERFACE"], rows.collect())
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
    table(&["MONITOR", "EVERY", "TIMEOUT", "RISE", "FALL", "ASKS", "GOOD ANSWER"], rows.collect())
}

fn pool(intent: &Intent, pool: &Pool) -> String {
    let monitors = words::monitor_names(intent, pool);
    let rows =
        pool.members.iter().filter_map(|id| intent.members.get(id.index())).enumerate().map(|(place, member)| {
            let interface = intent.interfaces.get(member.interface.index()).map_or("?", |entry| &entry.name);
            let rank = if place == 0 { "preferred" } else { "" };
            vec![member.name.clone(), member.address.to_string(), interface.into(), rank.into()]
        });
    let mut out = String::from("\n");
    out += &labelled("POOL", &format!("{} (active-standby)", pool.name));
    let needed = format!("{} of {} good: {}", pool.require, count(monitors.len(), "monitor"), monitors.join(", "));
    out += &labelled("  member up", &needed);
    out += &labelled("  fail back", words::fail_back(pool));
    out += &labelled("  member lost", &format!("UDP reselect, TCP {}", words::on_down_tcp(pool)));
    out += &labelled("  no member", words::no_member(pool));
    out += &aligned(
        &["  MEMBER", "ADDRESS", "INTERFACE", ""],
        rows.map(|mut row: Vec<String>| {
            row[0].insert_str(0, "  ");
            row
        })
        .collect(),
    );
    out
}

fn virtual_servers(intent: &Intent) -> String {
    let rows = intent.virtual_servers.iter().map(|server| {
        let pool = intent.pools.get(server.pool.index()).map_or("?", |pool| &pool.name);
        let holds =
            |entry: &&crate::policy::intent::Interface| entry.addresses.iter().any(|net| net.contains(&server.address));
        let network = intent.interfaces.iter().find(holds).map_or("its own", |entry| &entry.name);
        let state = if server.enabled { "enabled" } else { "disabled" };
        let listen = words::listens(&server.listen).join(", ");
        let (echo, unmatched) = (words::echo(server.echo), words::unmatched(server.unmatched));
        let cells = [&server.name, &server.address.to_string(), network, pool, state, echo, unmatched, &listen];
        cells.iter().map(|cell| (*cell).to_string()).collect()
    });
    let heads = ["VIRTUAL SERVER", "ADDRESS", "NETWORK", "POOL", "STATE", "ECHO", "UNMATCHED", "LISTEN"];
    table(&heads, rows.collect())
}

fn snats(intent: &Intent) -> String {
    let rows = intent.snats.iter().map(|snat| {
        let pool = intent.pools.get(snat.pool.index()).map_or("?", |pool| &pool.name);
        let mut except: Vec<String> = snat.exclude.iter().map(|net| words::network(*net)).collect();
        except.extend(snat.untranslated_udp_ports.iter().map(|port| format!("from udp/{port}")));
        let except = if except.is_empty() { "nothing".into() } else { except.join(", ") };
        vec![pool.into(), snat.address.to_string(), except]
    });
    table(&["SNAT OF POOL", "WEARS", "EXCEPT"], rows.collect())
}

fn timers(intent: &Intent) -> String {
    let times = words::timeouts(intent).map(|(name, span)| format!("{name} {span}")).join(", ");
    let Limits { flows_per_worker, rejects_per_second, icmp_errors_per_second, fragments_per_worker } = intent.limits;
    let limits = format!(
        "for each worker {flows_per_worker} flows, {fragments_per_worker} pieces of datagrams held, \
         {rejects_per_second} rejects a second, {icmp_errors_per_second} ICMP errors passed on a second"
    );
    String::from("\n") + &labelled("timeouts", &times) + &labelled("limits", &limits)
}

fn labelled(label: &str, text: &str) -> String {
    wrapped(&format!("{label:<15}"), text, &" ".repeat(15)) + "\n"
}

/// An empty line and the rows under their heads; nothing when there is no row.
fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() { String::new() } else { String::from("\n") + &aligned(heads, rows) }
}

/// Rows in columns two spaces apart; the last column is broken into lines.
fn aligned(heads: &[&str], mut rows: Vec<Vec<String>>) -> String {
    rows.insert(0, heads.iter().map(|head| (*head).to_string()).collect());
    let last = heads.len() - 1;
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..last).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        let head = cells.concat();
        let line = wrapped(&head, &row[last], &" ".repeat(head.chars().count()));
        out += line.trim_end();
        out.push('\n');
    }
    out
}
