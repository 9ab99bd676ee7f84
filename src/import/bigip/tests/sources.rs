//! Virtual servers of one address that take different clients, or are off.

use super::*;

const POOLS: &str = "net vlan /Common/v {\ninterfaces {\n1.1 { }\n}\n}
net self /Common/s {\naddress 10.0.0.9/24\nvlan /Common/v\n}
ltm pool /Common/p {\nmembers {\n/Common/10.0.0.1:0 {\naddress 10.0.0.1\n}\n}\n}
ltm pool /Common/q {\nmembers {\n/Common/10.0.0.2:0 {\naddress 10.0.0.2\n}\n}\n}
";

/// Virtual servers of one address: protocol and port, and what else is set of them.
fn servers(all: &[(&str, &str)]) -> Imported {
    let one = |(at, (service, keys)): (usize, &(&str, &str))| {
        let (protocol, port) = service.split_once('/').unwrap();
        let pool = if keys.contains("pool ") { "" } else { "pool /Common/p\n" };
        format!(
            "ltm virtual /Common/v{at} {{\ndestination /Common/10.0.0.100:{port}\nip-protocol {protocol}\n{pool}{keys}\n}}\n"
        )
    };
    imported(&[("bigip.conf", &(POOLS.to_owned() + &all.iter().enumerate().map(one).collect::<String>()))])
}

/// Each virtual server of a file that `check` accepts: its ports, its clients, and whether it is enabled.
fn written(file: &Imported) -> Vec<(String, String, bool)> {
    let parsed = crate::config::parse("fairlead.toml", &file.text);
    assert!(parsed.is_ok(), "{}", shown(file));
    let table: toml::Table = toml::from_str(&file.text).unwrap();
    let list = |value: Option<&toml::Value>| -> String {
        let texts = value.and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_str);
        texts.collect::<Vec<_>>().join(" ")
    };
    let all = table["virtual_server"].as_array().unwrap().iter();
    all.map(|it| (list(it.get("listen")), list(it.get("allow")), it.get("enabled").is_none())).collect()
}

/// One that is enabled.
fn row(listen: &str, allow: &str) -> (String, String, bool) {
    (listen.to_owned(), allow.to_owned(), true)
}

fn said<'i>(file: &'i Imported, words: &str) -> Vec<(Severity, &'i str)> {
    let found = file.findings.iter().filter(|finding| finding.message.contains(words));
    found.map(|finding| (finding.severity, finding.object.as_str())).collect()
}

#[test]
fn each_port_is_for_the_clients_it_had() {
    for (services, expected) in [
        (
            &[("udp/5060", ""), ("tcp/5060", "source 172.16.0.0/12"), ("tcp/5061", "source 0.0.0.0/0")][..],
            vec![row("udp/5060 tcp/5061", ""), row("tcp/5060", "172.16.0.0/12")],
        ),
        (
            &[
                ("tcp/5060", "source 172.16.0.0/12"),
                ("tcp/5061", "source 10.9.0.0/16"),
                ("tcp/5062", "source 172.16.0.0/12"),
            ],
            vec![row("tcp/5060 tcp/5062", "172.16.0.0/12"), row("tcp/5061", "10.9.0.0/16")],
        ),
        // Of one port the clients are those of both.
        (
            &[
                ("tcp/5060", "source 172.16.0.0/12"),
                ("tcp/5060", "source 10.9.0.7/32"),
                ("tcp/5061", "source 172.16.0.0/12"),
            ],
            vec![row("tcp/5060", "10.9.0.7 172.16.0.0/12"), row("tcp/5061", "172.16.0.0/12")],
        ),
        (&[("tcp/5060", "source 172.16.0.0/12"), ("tcp/5060", "")], vec![row("tcp/5060", "")]),
    ] {
        let file = servers(services);
        assert_eq!(written(&file), expected, "{services:?}");
        assert!(said(&file, "different networks").is_empty(), "{}", shown(&file));
    }
}

#[test]
fn clients_of_one_port_in_two_pools_are_severe() {
    let file = servers(&[("tcp/5060", "source 172.16.0.0/12"), ("tcp/5060", "pool /Common/q")]);
    assert_eq!(written(&file), [row("tcp/5060", "172.16.0.0/12")]);
    assert_eq!(said(&file, "goes to another pool"), [(Severity::Severe, "ltm virtual /Common/v1")]);
}

#[test]
fn a_source_that_is_not_understood_opens_nothing() {
    let file = servers(&[("tcp/5060", "source 2001:db8::/32"), ("tcp/5061", "")]);
    assert_eq!(written(&file), [row("tcp/5061", "")]);
    assert_eq!(said(&file, "is no network of IPv4"), [(Severity::Severe, "ltm virtual /Common/v0")]);
}

#[test]
fn a_port_that_was_off_is_off() {
    let file = servers(&[("udp/5060", ""), ("tcp/5060", "disabled"), ("tcp/5061", "disabled")]);
    let expected = [row("udp/5060", ""), ("tcp/5060 tcp/5061".to_owned(), String::new(), false)];
    assert_eq!(written(&file), expected);
    let file = servers(&[("udp/5060", "disabled"), ("udp/5060", "source 172.16.0.0/12")]);
    assert_eq!(written(&file), [row("udp/5060", "172.16.0.0/12")]);
    assert_eq!(said(&file, "has its port"), [(Severity::Note, "ltm virtual /Common/v0")]);
}

#[test]
fn what_clients_are_limited_to_holds_for_answers_over_udp() {
    let file = servers(&[("udp/5060", "source 172.16.0.0/12"), ("tcp/5060", "source 172.16.0.0/12")]);
    assert_eq!(said(&file, "over UDP `allow` holds"), [(Severity::Check, "ltm virtual /Common/v0")]);
    assert!(said(&servers(&[("udp/5060", "")]), "over UDP `allow` holds").is_empty());
}

#[test]
fn an_address_that_is_not_translated_is_severe_and_a_port_is_as_before() {
    for (keys, expected) in [
        ("translate-address enabled\ntranslate-port disabled", 0),
        ("translate-address enabled\ntranslate-port enabled", 0),
        ("", 0),
        ("translate-address disabled\ntranslate-port disabled", 1),
        ("translate-address disabled", 1),
    ] {
        let file = servers(&[("udp/5060", keys)]);
        let found = said(&file, "does not translate");
        assert_eq!(found, vec![(Severity::Severe, "ltm virtual /Common/v0"); expected], "{keys}");
    }
}

#[test]
fn the_port_of_a_member_counts_only_where_ports_are_translated() {
    let conf = |keys: &str| {
        let text = POOLS.replace("10.0.0.1:0", "10.0.0.1:5070");
        format!(
            "{text}ltm virtual /Common/v {{\ndestination /Common/10.0.0.100:5060\nip-protocol udp\npool /Common/p\n{keys}\n}}\n"
        )
    };
    let of = |keys: &str| said(&imported(&[("bigip.conf", &conf(keys))]), "translates no service port").len();
    assert_eq!((of(""), of("translate-port enabled"), of("translate-port disabled")), (1, 1, 0));
}

#[test]
fn lists_of_addresses_and_policies_of_firewalls_are_severe() {
    let conf = "ltm virtual /Common/l {\nip-forward\ntraffic-matching-criteria /Common/l_tmc\n}\n\
                ltm virtual /Common/w {\ndestination /Common/0.0.0.0:0\nfw-enforced-policy /Common/fw\nip-forward\nmask any\n}\n\
                net packet-filter /Common/pf {\naction accept\n}\n";
    let file = imported(&[("bigip.conf", &(POOLS.to_owned() + conf))]);
    for (words, object) in [
        ("`traffic-matching-criteria`", "ltm virtual /Common/l"),
        ("firewall policy /Common/fw is not carried over", "ltm virtual /Common/w"),
        ("filters are not carried over", "net packet-filter"),
    ] {
        assert_eq!(said(&file, words), [(Severity::Severe, object)], "{}", shown(&file));
    }
    let file = servers(&[("udp/5060", "fw-enforced-policy /Common/fw")]);
    assert_eq!(said(&file, "firewall policy").len(), 1);
}
