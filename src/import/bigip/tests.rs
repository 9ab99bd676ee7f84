//! Files of the shapes that are found in public, with addresses of their own, and what each becomes.

mod access;
mod pairs;
mod said;
mod sources;

use crate::import::{Imported, Origin, Severity, Source, import};
use crate::policy::intent::{FailBack, Mode, Persistence};

const PAIR: [(&str, &str); 2] =
    [("bigip_base.conf", include_str!("tests/pair_base.conf")), ("bigip.conf", include_str!("tests/pair.conf"))];

fn imported(files: &[(&str, &str)]) -> Imported {
    let sources: Vec<Source> =
        files.iter().map(|(name, text)| Source { name: name.to_string(), text: text.to_string() }).collect();
    import(Origin::BigIp, &sources, "fairlead.toml").unwrap_or_else(|error| panic!("{error}"))
}

/// The file, what is said of it, and why it is refused if it is.
fn shown(imported: &Imported) -> String {
    let findings: String = imported.findings.iter().map(|finding| format!("{finding}\n")).collect();
    let refusal = imported.refusal.as_ref().map_or(String::new(), |why| format!("\n-- refused\n{why}"));
    format!("{}\n-- findings\n{findings}{refusal}", imported.text)
}

#[test]
fn a_pair_with_an_exclusion_irule() {
    insta::assert_snapshot!(shown(&imported(&PAIR)));
}

#[test]
fn names_without_partition_a_snat_object_and_a_monitor_with_codes() {
    insta::assert_snapshot!(shown(&imported(&[("bigip.conf", include_str!("tests/bare_names.conf"))])));
}

#[test]
fn a_trunk_a_route_domain_and_priority_groups() {
    insta::assert_snapshot!(shown(&imported(&[("bigip.conf", include_str!("tests/trunk.conf"))])));
}

#[test]
fn what_looks_into_connections_is_severe() {
    insta::assert_snapshot!(shown(&imported(&[("bigip.conf", include_str!("tests/layer7.conf"))])));
}

#[test]
fn two_pairs_in_partitions_on_one_arm() {
    insta::assert_snapshot!(shown(&imported(&[("bigip.conf", include_str!("tests/pairs.conf"))])));
}

const SHARED: &str = include_str!("tests/shared.conf");

#[test]
fn modes_ratios_priority_groups_slow_ramp_and_persistence_are_carried_over() {
    insta::assert_snapshot!(shown(&imported(&[("bigip.conf", SHARED)])));
}

#[test]
fn what_is_shared_is_shared_as_before_and_a_pair_is_a_pair() {
    let file = imported(&[("bigip.conf", SHARED)]);
    let intent = crate::config::parse("fairlead.toml", &file.text).unwrap_or_else(|errors| panic!("{errors}")).intent;
    let (turns, least) = (Mode::RoundRobin, Mode::LeastConnections);
    let (call, source, none) = (Persistence::CallId, Persistence::Source, Persistence::Endpoint);
    let expected = [
        ("managers", turns, call, 2, 30, &[(20, 10), (10, 10), (1, 5)][..]),
        ("by_node", turns, source, 1, 0, &[(3, 0), (1, 0)]),
        ("by_limit", least, none, 1, 3_600, &[(100, 0), (30, 0), (1, 0)]),
        ("observed", least, source, 1, 10, &[(1, 0); 3]),
        ("turns", turns, none, 1, 10, &[(1, 0); 2]),
        ("pair", Mode::ActiveStandby, none, 1, 0, &[(1, 0); 2]),
    ];
    for (name, mode, persistence, min_active, slow_start, members) in expected {
        let pool = intent.pools.iter().find(|pool| pool.name == name).unwrap_or_else(|| panic!("{name}"));
        let each: Vec<_> =
            pool.members.iter().map(|id| &intent.members[*id]).map(|it| (it.weight, it.priority)).collect();
        assert_eq!((pool.mode, pool.persistence, pool.min_active), (mode, persistence, min_active), "{name}");
        assert_eq!((pool.slow_start.as_secs(), &each[..]), (slow_start, members), "{name}");
        assert_eq!(pool.fail_back, FailBack::Never, "{name}");
    }
    assert_eq!(intent.pools.len(), 6);
}

#[test]
fn two_members_of_unlike_priority_are_a_pair_only_if_one_of_them_is_enough() {
    let of = |keys: &str| {
        let member = |last: u8, priority: u8| {
            format!("/Common/10.0.0.{last}:5060 {{\naddress 10.0.0.{last}\npriority-group {priority}\n}}\n")
        };
        let conf = format!(
            "net vlan /Common/v {{\ninterfaces {{\n1.1 {{ }}\n}}\n}}\nnet self /Common/s {{\naddress 10.0.0.9/24\nvlan /Common/v\n}}\n\
             ltm pool /Common/p {{\nmembers {{\n{}{}}}\n{keys}\n}}\n\
             ltm virtual /Common/v {{\ndestination /Common/10.0.0.100:5060\nip-protocol udp\npool /Common/p\n}}\n",
            member(1, 1),
            member(2, 2)
        );
        let file = imported(&[("bigip.conf", &conf)]);
        let parsed = crate::config::parse("fairlead.toml", &file.text).unwrap_or_else(|errors| panic!("{errors}"));
        let pool = parsed.intent.pools.iter().next().cloned().unwrap();
        let preferred = parsed.intent.members[pool.members[0]].address.octets()[3];
        (pool.mode, pool.fail_back, pool.min_active, preferred)
    };
    assert_eq!(of("min-active-members 1"), (Mode::ActiveStandby, FailBack::Immediate, 1, 2));
    assert_eq!(of("min-active-members 2"), (Mode::RoundRobin, FailBack::Never, 2, 2));
    assert_eq!(of("load-balancing-mode round-robin").0, Mode::RoundRobin, "it is written");
    assert_eq!(of("").0, Mode::ActiveStandby, "groups are off, and no mode is written");
    assert_eq!(of("").1, FailBack::Never);
    assert_eq!(of("load-balancing-mode least-connections-node").0, Mode::LeastConnections);
}

#[test]
fn without_the_base_file_the_new_one_is_refused_and_said_why() {
    let imported = imported(&[("bigip.conf", include_str!("tests/services_only.conf"))]);
    assert!(imported.refusal.is_some());
    insta::assert_snapshot!(shown(&imported));
}

#[test]
fn an_object_is_explained_by_title_name_or_last_part() {
    let imported = imported(&PAIR);
    for name in ["ltm pool /Common/p_sip", "/Common/p_sip", "p_sip"] {
        let [explained] = &imported.explain(name)[..] else { panic!("{name}") };
        assert_eq!((explained.place.as_str(), explained.becomes.len()), ("bigip.conf:39", 1), "{name}");
        assert!(explained.becomes[0].contains("name = \"p_sip\""), "{name}");
        assert!(explained.findings.iter().any(|finding| finding.severity == Severity::Check), "{name}");
    }
    assert!(imported.explain("p_si").is_empty());
}

#[test]
fn nothing_that_is_carried_over_is_lost_in_the_text() {
    let file = imported(&PAIR);
    let configuration = crate::config::parse("fairlead.toml", &file.text).unwrap_or_else(|errors| panic!("{errors}"));
    let intent = &configuration.intent;
    let excluded: Vec<String> = intent.snats[0].exclude.iter().map(ToString::to_string).collect();
    assert_eq!(excluded, ["172.16.1.20/32", "172.16.2.0/24"]);
    assert_eq!(intent.virtual_servers[0].listen.len(), 3);
    assert_eq!(configuration.settings.name, "lb-1");
}

/// Two ports of one address, and their members, with limits of each kind.
fn limited(protocol: &str, of_second: &str) -> Imported {
    let member = |port: u16, limits: &str| format!("/Common/10.0.0.1:{port} {{\naddress 10.0.0.1\n{limits}}}\n");
    let pool = |name: &str, member: String| format!("ltm pool /Common/{name} {{\nmembers {{\n{member}}}\n}}\n");
    let server = |name: &str, port: u16, limits: &str| {
        format!(
            "ltm virtual /Common/{name} {{\ndestination /Common/10.0.9.1:{port}\nip-protocol {protocol}\npool /Common/{name}\n{limits}}}\n"
        )
    };
    let text = [
        pool("one", member(5060, "connection-limit 300\nrate-limit 40\n")),
        pool("two", member(5061, of_second)),
        server("one", 5060, "connection-limit 1000\nrate-limit disabled\nrate-limit-mode object\n"),
        server("two", 5061, "connection-limit 500\nrate-limit 0\n"),
        "ltm node /Common/10.0.0.1 {\naddress 10.0.0.1\nrate-limit 70\n}\n".into(),
    ];
    imported(&[("bigip.conf", &text.concat())])
}

#[test]
fn limits_of_connections_are_carried_over() {
    let both = limited("tcp", "connection-limit 200\nrate-limit 60\n");
    for expected in ["connection_limit = 1500\n", "connection_limit = 500, ", "connection_rate_limit = 70 }"] {
        assert!(both.text.contains(expected), "{expected}: {}", shown(&both));
    }
    let counted = both.findings.iter().filter(|it| it.message.contains("the sum is the limit"));
    assert_eq!(counted.map(|it| it.severity).collect::<Vec<_>>(), [Severity::Check; 3], "{}", shown(&both));
    let one = limited("tcp", "rate-limit 20\n");
    assert!(!one.text.contains("connection_limit = 300") && one.text.contains("connection_rate_limit = 60 }"));
    let severe = |imported: &Imported, words: &str| {
        imported.findings.iter().any(|it| it.severity == Severity::Severe && it.message.contains(words))
    };
    assert!(severe(&one, "`connection-limit` of member /Common/10.0.0.1:5060 is on some of its ports only"));
    let udp = limited("udp", "");
    assert!(!udp.text.contains("connection_"), "{}", udp.text);
    assert!(severe(&udp, "`connection-limit` is not carried over: here UDP is in no connection"), "{}", shown(&udp));
}

#[test]
fn members_and_nodes_that_are_disabled_are_drained_or_offline() {
    let conf = |first: &str, second: &str, node: &str| {
        let member = |port: u16, keys: &str| format!("/Common/10.0.0.1:{port} {{\naddress 10.0.0.1\n{keys}}}\n");
        let pool = |name: &str, member: String| format!("ltm pool /Common/{name} {{\nmembers {{\n{member}}}\n}}\n");
        let server = |name: &str, port: u16| {
            format!(
                "ltm virtual /Common/{name} {{\ndestination /Common/10.0.9.1:{port}\nip-protocol tcp\npool /Common/{name}\n}}\n"
            )
        };
        let node = format!("ltm node /Common/10.0.0.1 {{\naddress 10.0.0.1\n{node}}}\n");
        [
            pool("one", member(5060, first)),
            pool("two", member(5061, second)),
            server("one", 5060),
            server("two", 5061),
            node,
        ]
        .concat()
    };
    let (disabled, down) = ("session user-disabled\n", "session user-disabled\nstate user-down\n");
    let up = "session monitor-enabled\nstate up\n";
    let rows = [
        ([up, up, ""], None, false),
        ([disabled, disabled, ""], Some("draining"), false),
        ([down, down, up], Some("offline"), false),
        ([down, disabled, ""], Some("draining"), false),
        ([disabled, up, ""], None, true),
        ([up, up, disabled], Some("draining"), false),
        ([disabled, up, down], Some("offline"), false),
    ];
    for ([first, second, node], expected, is_partly) in rows {
        let file = imported(&[("bigip.conf", &conf(first, second, node))]);
        let written =
            file.text.split_once("admin_state = ").map(|(_, rest)| rest.split('"').nth(1).unwrap_or_default());
        assert_eq!(written, expected, "{first}{second}{node}: {}", shown(&file));
        let said =
            file.findings.iter().any(|it| it.message.contains("is disabled on BIG-IP on some of its ports only"));
        assert_eq!(said, is_partly, "{first}{second}{node}: {}", shown(&file));
    }
}

#[test]
fn a_rate_limit_of_each_source_is_said_to_be_none_of_ours() {
    let conf = "ltm pool /Common/p {\nmembers {\n/Common/10.0.0.1:5060 {\naddress 10.0.0.1\n}\n}\n}\n\
                ltm virtual /Common/v {\ndestination /Common/10.0.9.1:5060\nip-protocol tcp\npool /Common/p\n\
                rate-limit 9\nrate-limit-mode object-source\n}\n";
    let text = shown(&imported(&[("bigip.conf", conf)]));
    assert!(text.contains("connection_rate_limit = 9\n"), "{text}");
    assert!(text.contains("`rate-limit-mode object-source` is not carried over"), "{text}");
}

#[test]
fn any_objects_are_carried_over_or_reported() {
    let words = [
        "ltm",
        "virtual",
        "pool",
        "net",
        "self",
        "vlan",
        "{",
        "}",
        "\n",
        "/Common/a",
        "destination",
        "10.1.1.1:5060",
        "address",
        "10.1.1.1/24",
        "members",
        "monitor",
        "sip",
    ];
    bolero::check!().with_type::<Vec<u8>>().for_each(|picks| {
        let text: Vec<&str> = picks.iter().map(|pick| words[usize::from(*pick) % words.len()]).collect();
        let source = Source { name: "bigip.conf".into(), text: text.join(" ") };
        _ = import(Origin::BigIp, &[source], "fairlead.toml");
    });
}

#[test]
fn a_member_is_not_lost_by_one_answer_because_it_is_asked_seldom_while_it_is_up() {
    let conf = "ltm monitor sip /Common/slow {\ninterval 5\ntimeout 16\nup-interval 60\n}\n\
                ltm pool /Common/p {\nmembers {\n/Common/10.0.0.1:5060 {\naddress 10.0.0.1\n}\n}\nmonitor /Common/slow\n}\n\
                ltm virtual /Common/v {\ndestination /Common/10.0.9.1:5060\nip-protocol udp\npool /Common/p\n}\n";
    let text = shown(&imported(&[("bigip.conf", conf)]));
    assert!(
        text.contains("interval = \"5s\"\nfall = 3 ") && text.contains("`up-interval 60` is not carried over"),
        "{text}"
    );
}
