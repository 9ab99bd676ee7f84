//! What would be built, as `fairlead check` prints it.
//!
//! Owns the tables of a file that was accepted. Asks no appliance.

use super::grid::{Cell, grid, labelled, labelled_inside, left, prose, right};
use crate::config::{
    Configuration, LogFormat, Settings, bounds, count, duration_text, good_answer, listen_text, network_text, question,
};
use crate::events::EventName;
use crate::policy::intent::{AdminState, FailBack, Intent, Mode, NoMember, OnDownUdp, Persistence, Pool};
use std::time::Duration;

/// Everything `configuration` would build, and its warnings.
pub fn text(configuration: &Configuration) -> String {
    let Configuration { settings, intent, warnings } = configuration;
    let mut out = appliance(settings) + &links(intent) + &monitors(intent);
    intent.pools.iter().for_each(|entry| out += &pool(intent, entry));
    out += &[servers(intent), "\n".into(), labelled(&bounds(intent))].concat();
    warnings.iter().for_each(|warning| out += &format!("\n{warning}"));
    out
}

fn appliance(settings: &Settings) -> String {
    let Settings { cores, dpdk, .. } = settings;
    let workers = joined(&cores.workers, " ", usize::to_string);
    let metrics = settings.metrics.map_or("none".into(), |metrics| metrics.to_string());
    let pages = if dpdk.hugepages { "huge pages" } else { "no huge pages" };
    let eal = if dpdk.eal.is_empty() { "none".into() } else { dpdk.eal.join(" ") };
    let read_only = settings.admin_socket_ro.as_ref().map(|path| ("read-only socket", path.display().to_string()));
    let events = settings.notify.events.iter().map(EventName::to_string).collect::<Vec<_>>().join(", ");
    let notify = settings.notify.command.first().map(|program| ("notify", format!("{program} of {events}")));
    let log = match settings.log_format {
        LogFormat::Text => settings.log.to_string(),
        format => format!("{}, {format}", settings.log),
    };
    let first = [("appliance", settings.name.clone()), ("admin socket", settings.admin_socket.display().to_string())];
    let then = [
        ("metrics", metrics),
        ("log", log),
        ("cores", format!("management {}, workers {workers}, idle {}", cores.management, cores.idle)),
        ("DPDK", format!("{pages}, {} packet buffers, {} MiB", dpdk.mbufs, dpdk.memory_mib)),
        ("EAL arguments", eal),
    ];
    labelled(&first.into_iter().chain(read_only).chain(notify).chain(then).collect::<Vec<_>>())
}

/// Ports, interfaces and routes.
fn links(intent: &Intent) -> String {
    let ports = table(&intent.ports, |port| {
        let queues = port.queues.map_or("one per worker".into(), |queues| queues.to_string());
        [left("PORT", &port.name), right("MTU", port.mtu), left("QUEUES", queues), prose("DEVICE", &port.device)]
    });
    let interfaces = table(intent.interfaces.iter(), |entry| {
        [
            left("INTERFACE", &entry.name),
            left("PORT", &intent.ports[entry.port.index()].name),
            left("VLAN", entry.vlan.map_or("untagged".into(), |vlan| vlan.to_string())),
            right("MTU", entry.mtu),
            left("HOST", entry.host.as_deref().unwrap_or("-")),
            prose("ADDRESSES", joined(&entry.addresses, ", ", ToString::to_string)),
        ]
    });
    let routes = table(&intent.routes, |route| {
        let interface = &intent.interfaces[route.interface].name;
        [left("ROUTE TO", network_text(route.to)), left("VIA", route.via), left("INTERFACE", interface)]
    });
    ports + &interfaces + &routes
}

fn monitors(intent: &Intent) -> String {
    let monitors = table(intent.monitors.iter(), |monitor| {
        [
            left("MONITOR", &monitor.name),
            right("INTERVAL", duration_text(monitor.interval)),
            right("TIMEOUT", duration_text(monitor.timeout)),
            right("RISE", monitor.rise),
            right("FALL", monitor.fall),
            left("PROBE", question(&monitor.kind)),
            prose("UP WHEN", good_answer(&monitor.kind)),
        ]
    });
    let apart = intent.monitors.iter().filter(|monitor| monitor.address.or(monitor.source).is_some());
    let ends = table(apart, |monitor| {
        let address = monitor.address.map_or("each member".into(), |address| address.to_string());
        let source = monitor.source.map_or("the nearest self-IP".into(), |source| source.to_string());
        [left("MONITOR", &monitor.name), left("ADDRESS", address), left("SOURCE", source)]
    });
    monitors + &ends
}

fn pool(intent: &Intent, pool: &Pool) -> String {
    let all_enabled = pool.members.iter().all(|id| intent.members[*id].admin_state == AdminState::Enabled);
    let members = grid(pool.members.iter().map(|id| &intent.members[*id]), |member| {
        let is_first = intent.members[pool.members[0]] == *member;
        let [weight, priority] = match pool.is_shared() {
            true => [left("WEIGHT", member.weight), left("PRIORITY", member.priority)],
            false => [left("", if is_first { "preferred" } else { "" }), left("", "")],
        };
        let admin = if all_enabled { left("", "") } else { left("ADMIN", member.admin_state) };
        [
            left("MEMBER", &member.name),
            left("ADDRESS", member.address),
            left("INTERFACE", &intent.interfaces[member.interface].name),
            weight,
            priority,
            admin,
        ]
    });
    let monitors = joined(&pool.monitors, ", ", |id| intent.monitors[*id].name.clone());
    let up = format!("{} of {} good: {monitors}", pool.require, count(pool.monitors.len(), "monitor"));
    let mut rows = vec![("member up", up)];
    if pool.is_shared() {
        let groups = groups(intent, pool);
        rows.push(("new work", new_work(pool, groups.is_some())));
        rows.extend(groups.map(|groups| ("priorities", groups)));
        rows.extend((!pool.slow_start.is_zero()).then(|| ("slow start", slow_start(pool))));
    } else {
        rows.push(("fail back", fail_back(pool)));
    }
    rows.extend([
        ("member lost", format!("UDP {}, TCP {}", on_down_udp(pool), pool.on_down_tcp)),
        ("no member", no_member(pool)),
        ("held back", held_back(pool)),
    ]);
    let policy = labelled_inside(&rows, 2);
    let inside: String = (policy + &members).lines().map(|line| format!("  {line}\n")).collect();
    format!("\nPOOL {} ({})\n{inside}", pool.name, pool.mode)
}

/// What happens to the peers of a lost member: of a pair, that they go to the one that is active then.
fn on_down_udp(pool: &Pool) -> OnDownUdp {
    if pool.is_shared() { pool.on_down_udp } else { OnDownUdp::Reselect }
}

/// Which of several active members takes it: of all, or of some groups.
fn new_work(pool: &Pool, has_groups: bool) -> String {
    let all = if has_groups { "members of these priorities" } else { "all members that are up" };
    let whom = match pool.mode {
        Mode::LeastConnections => format!("to whoever has fewest flows for its weight, of {all}"),
        Mode::SourceHash => format!("by the client's address, to {all}"),
        Mode::ActiveStandby | Mode::RoundRobin => format!("in turn, to {all}"),
    };
    let together = match pool.persistence {
        Persistence::Endpoint => "",
        Persistence::Source => "; what one address begins stays together",
        Persistence::CallId => "; SIP over UDP by Call-ID, so that a call stays together",
    };
    format!("{whom}{together}")
}

/// When those of lower priority take part, if priorities differ.
fn groups(intent: &Intent, pool: &Pool) -> Option<String> {
    let priorities = pool.members.iter().map(|member| intent.members[*member].priority);
    let (least, most) = (priorities.clone().min()?, priorities.max()?);
    let lower = format!("the highest; lower ones while fewer than {} of the higher are up", pool.min_active);
    (least != most).then_some(lower)
}

/// How a member that has come up gets to its share.
fn slow_start(pool: &Pool) -> String {
    format!("a member that has come up gets its share little by little in {}", duration_text(pool.slow_start))
}

/// When the preferred member takes over again.
fn fail_back(pool: &Pool) -> String {
    let text = match (pool.fail_back, pool.fail_back_after) {
        (FailBack::Never, _) => return FailBack::Never.to_string(),
        (policy, Duration::ZERO) => policy.to_string(),
        (_, after) => format!("after {}", duration_text(after)),
    };
    text + &pool.fail_back_window.map_or_else(String::new, |window| format!(", {window} UTC"))
}

/// Which members are chosen only if nobody else is up.
fn held_back(pool: &Pool) -> String {
    let Pool { flap_count, flap_window, flap_quiet, manual_resume, .. } = pool;
    let (window, quiet) = (duration_text(*flap_window), duration_text(*flap_quiet));
    let flaps = format!("down {} in {window}, until quiet for {quiet}", count(*flap_count as usize, "time"));
    let lost = "once down, until enabled by hand";
    match (*flap_count > 0, *manual_resume) {
        (false, false) => "nobody".into(),
        (true, false) => flaps,
        (false, true) => lost.into(),
        (true, true) => format!("{flaps}; {lost}"),
    }
}

/// What happens while no member is up, and after how long.
fn no_member(pool: &Pool) -> String {
    match pool.no_member {
        NoMember::KeepLast => NoMember::KeepLast.to_string(),
        policy => format!("{policy} after {}", duration_text(pool.gap)),
    }
}

/// Virtual servers and SNAT.
fn servers(intent: &Intent) -> String {
    let servers = table(intent.virtual_servers.iter(), |server| {
        let mut links = intent.interfaces.iter();
        let link = links.find(|link| link.addresses.iter().any(|net| net.contains(&server.address)));
        [
            left("VIRTUAL SERVER", &server.name),
            left("ADDRESS", server.address),
            left("NETWORK", link.map_or("its own", |link| &link.name)),
            left("POOL", &intent.pools[server.pool].name),
            left("STATE", if server.enabled { "enabled" } else { "disabled" }),
            prose("LISTEN", joined(&server.listen, ", ", |listen| listen_text(*listen))),
        ]
    });
    let answers = table(intent.virtual_servers.iter(), |server| {
        [
            left("VIRTUAL SERVER", &server.name),
            left("ICMP ECHO", server.icmp_echo),
            left("UNMATCHED", server.unmatched),
            left("UNREACHABLE", server.unreachable),
            right("REDELIVER", redeliver(server.redeliver)),
        ]
    });
    let snats = table(&intent.snats, |snat| {
        let mut except: Vec<String> = snat.exclude.iter().map(|net| network_text(*net)).collect();
        except.extend(snat.no_snat_udp_ports.iter().map(|port| format!("from udp/{port}")));
        let except = if except.is_empty() { "nothing".into() } else { except.join(", ") };
        [left("SNAT OF POOL", &intent.pools[snat.pool].name), left("ADDRESS", snat.address), prose("EXCEPT", except)]
    });
    servers + &answers + &limits(intent) + &snats
}

/// Who has a limit of connections.
fn limits(intent: &Intent) -> String {
    let members = intent
        .members
        .iter()
        .map(|member| (format!("member {}", member.name), member.connection_limit, member.connection_rate_limit));
    let servers = intent.virtual_servers.iter().map(|server| {
        (format!("virtual server {}", server.name), server.connection_limit, server.connection_rate_limit)
    });
    let or_none = |limit: u32| if limit > 0 { limit.to_string() } else { "no limit".into() };
    let limited = servers.chain(members).filter(|(_, most, per_second)| (*most, *per_second) != (0, 0));
    table(limited, |(whose, most, per_second)| {
        [left("CONNECTIONS OF", whose), right("AT A TIME", or_none(most)), right("NEW A SECOND", or_none(per_second))]
    })
}

/// How old requests may be that the next member is given.
fn redeliver(most: Duration) -> String {
    if most.is_zero() { "never".into() } else { duration_text(most) }
}

fn joined<T>(items: &[T], between: &str, text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(between)
}

/// An empty line and the rows under their heads; nothing when there is no row.
fn table<T, const N: usize>(rows: impl IntoIterator<Item = T>, cells: impl Fn(T) -> [Cell; N]) -> String {
    let table = grid(rows, cells);
    if table.is_empty() { table } else { format!("\n{table}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_for;

    const FILE: &str = include_str!("../../dpdk-config/examples/two-arm.toml");

    const SECOND_PAIR: &str = include_str!("../config/tests/second_pair.toml");

    #[test]
    fn what_would_be_built_fits_the_screen() {
        let exclude: Vec<String> = (0..24).map(|n| format!("\"172.20.{n}.0/24\"")).collect();
        let file = FILE.replace("\"172.16.2.0/24\"", &exclude.join(", ")) + "\n" + SECOND_PAIR;
        let file = file.replacen("unmatched = \"drop\"", "unmatched = \"drop\"\nunreachable = \"forward\"", 1);
        let shown = text(&parse_for(64, "fairlead.toml", &file).unwrap_or_else(|errors| panic!("{errors}")));
        assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
        insta::assert_snapshot!("describe", shown);
    }

    #[test]
    fn limits_of_connections_are_shown_where_there_are_any() {
        let limited = |file: &str| {
            let shown = text(&parse_for(64, "fairlead.toml", file).unwrap_or_else(|errors| panic!("{errors}")));
            shown
                .lines()
                .skip_while(|line| !line.contains("CONNECTIONS OF"))
                .take(3)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(limited(FILE), [""; 0]);
        let file = FILE.replacen("{ name = \"sip-a\"", "{ connection_rate_limit = 50, name = \"sip-a\"", 1).replacen(
            "listen = ",
            "connection_limit = 2000\nlisten = ",
            1,
        );
        let expected = [
            "CONNECTIONS OF        AT A TIME  NEW A SECOND",
            "virtual server sip-1       2000      no limit",
            "member sip-a           no limit            50",
        ];
        assert_eq!(limited(&file), expected);
    }

    /// What is shown of the file, without its layout, which fits the screen.
    fn words(file: &str) -> String {
        let shown = text(&parse_for(64, "fairlead.toml", file).unwrap_or_else(|errors| panic!("{errors}")));
        assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
        shown.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn admin_states_are_shown_where_one_is_not_enabled() {
        assert!(!words(FILE).contains("ADMIN"));
        let drained = FILE.replacen("{ name = \"sip-a\"", "{ admin_state = \"draining\", name = \"sip-a\"", 1);
        let expected = "MEMBER ADDRESS INTERFACE ADMIN sip-a 10.20.0.11 servers preferred draining sip-b 10.20.0.12 servers enabled";
        assert!(words(&drained).contains(expected), "{}", words(&drained));
    }

    #[test]
    fn how_members_are_asked_and_held_back_is_shown() {
        let file = include_str!("../../dpdk-config/examples/health.toml")
            .replace("manual_resume = false", "manual_resume = true")
            .replace("\"licence\"]", "\"licence\", \"tls\"]")
            .replacen("pool = \"pair-1\"\n", "pool = \"pair-1\"\nredeliver = \"0\"\n", 1);
        let file = file
            + "\n[[monitor]]\nname = \"tls\"\nkind = \"sip\"\ntransport = \"tls\"\nport = 5061\nhandshake = \"enough\"\n\
                           address = \"10.20.0.99\"\nsource = \"10.20.0.1\"\n";
        let words = words(&file);
        for expected in [
            "; standby 503",
            "TLS handshake with port 5061",
            "MONITOR ADDRESS SOURCE management-page each member 10.20.0.1 tls 10.20.0.99 10.20.0.1 ",
            "held back down 3 times in 60s, until quiet for 5m; once down, until enabled by hand",
            "hold never",
        ] {
            assert!(words.contains(expected), "{expected}: {words}");
        }
    }

    #[test]
    fn groups_and_slow_start_of_members_that_share_the_work_are_shown() {
        let words = words(include_str!("../../dpdk-config/examples/managers.toml"));
        for expected in [
            "MEMBER ADDRESS INTERFACE WEIGHT PRIORITY rm-1 10.20.0.31 servers 2 10 ",
            "rm-3 10.20.0.33 servers 1 0 ",
            "new work in turn, to members of these priorities; SIP over UDP by Call-ID, so that a call stays together priorities the highest; lower ones while fewer than 2 of the higher are up",
            "slow start a member that has come up gets its share little by little in 30s",
        ] {
            assert!(words.contains(expected), "{expected}: {words}");
        }
    }
    #[test]
    fn whoever_takes_new_work_is_of_all_members_or_of_their_groups() {
        let managers = include_str!("../../dpdk-config/examples/managers.toml");
        let plain = managers.replace(", priority = 10", "");
        for (mode, whom) in [
            ("round-robin", "in turn, to "),
            ("least-connections", "to whoever has fewest flows for its weight, of "),
            ("source-hash", "by the client's address, to "),
        ] {
            for (file, of) in [(managers, "members of these priorities;"), (&plain, "all members that are up;")] {
                let words = words(&file.replace("round-robin", mode));
                assert!(words.contains(&format!("new work {whom}{of}")), "{mode}: {words}");
            }
        }
    }
}
