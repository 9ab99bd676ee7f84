//! Whom forwarding virtual servers let in to members' own addresses, and what of that the file says.

use super::*;
use crate::import::Finding;
use Severity::{Check, Note, Severe};

/// Two pools on one link, the way out on another, and a link that leads nowhere else.
const BASE: &str = "net vlan /Common/inner {\ninterfaces {\n1.1 { }\n}\n}
net vlan /Common/outer {\ninterfaces {\n1.2 { }\n}\n}
net vlan /Common/admin {\ninterfaces {\n1.3 { }\n}\n}
net self /Common/i {\naddress 10.20.0.1/24\nvlan /Common/inner\n}
net self /Common/o {\naddress 192.0.2.2/24\nvlan /Common/outer\n}
net self /Common/a {\naddress 172.31.9.1/24\nvlan /Common/admin\n}
net route /Common/default {\ngw 192.0.2.1\nnetwork default\n}
ltm pool /Common/one {\nmembers {\n/Common/10.20.0.11:5060 {\naddress 10.20.0.11\n}\n/Common/10.20.0.12:5060 {\naddress 10.20.0.12\n}\n}\n}
ltm pool /Common/two {\nmembers {\n/Common/10.20.0.21:5060 {\naddress 10.20.0.21\n}\n}\n}
ltm virtual /Common/v1 {\ndestination /Common/10.20.0.100:5060\nip-protocol udp\npool /Common/one\n}
ltm virtual /Common/v2 {\ndestination /Common/10.20.0.200:5060\nip-protocol udp\npool /Common/two\n}
";

/// Virtual servers that forward, by destination and mask and what else is set of them.
fn with(forwarders: &[(&str, &str)]) -> Imported {
    let one = |(at, (to, keys)): (usize, &(&str, &str))| {
        let (address, mask) = to.split_once('/').unwrap_or((to, "any"));
        format!("ltm virtual /Common/f{at} {{\ndestination /Common/{address}\nip-forward\nmask {mask}\n{keys}\n}}\n")
    };
    imported(&[("bigip.conf", &(BASE.to_owned() + &forwarders.iter().enumerate().map(one).collect::<String>()))])
}

/// `allow`, and each rule as from, to and ports, of a file that `check` accepts.
fn written(file: &Imported) -> (String, String) {
    let parsed = crate::config::parse("fairlead.toml", &file.text);
    assert!(parsed.is_ok(), "{}", shown(file));
    let table: toml::Table = toml::from_str(&file.text).unwrap();
    let entry = &table["direct_access"];
    let list = |value: Option<&toml::Value>| -> String {
        let texts = value.and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_str);
        texts.collect::<Vec<_>>().join(" ")
    };
    let rules = entry.get("rules").and_then(toml::Value::as_array).into_iter().flatten();
    let rules = rules
        .map(|rule| format!("{} > {} > {}", list(rule.get("from")), list(rule.get("to")), list(rule.get("ports"))));
    (list(Some(&entry["allow"])), rules.collect::<Vec<_>>().join("; "))
}

/// What is said of direct access, by virtual server.
fn said(file: &Imported) -> Vec<(Severity, &str)> {
    let is_about = |finding: &&Finding| {
        finding.object.starts_with("ltm virtual /Common/f") && finding.message.contains("lets")
            || finding.message.starts_with("no virtual server forwards")
    };
    let found = file.findings.iter().filter(is_about);
    found.map(|finding| (finding.severity, finding.object.rsplit('/').next().unwrap_or_default())).collect()
}

const IN: &str = "10.20.0.0:0/255.255.255.0";
const ALL: &str = "0.0.0.0:0/any";

#[test]
fn nobody_is_let_in_by_an_import_whom_the_bigip_kept_out() {
    let nobody: &[(Severity, &str)] = &[(Note, "the new file")];
    for forwarders in [
        &[][..],
        &[(ALL, "source 10.20.0.0/24")],
        &[(ALL, "source 10.20.0.8/29")],
        // By the members' own link alone.
        &[(ALL, "source 0.0.0.0/0\nvlans {\n/Common/inner\n}\nvlans-enabled")],
        &[(ALL, "vlans {\n/Common/outer\n/Common/admin\n}\nvlans-disabled")],
        &[(IN, "disabled")],
        &[(IN, "reject")],
        &[("192.0.2.128:0/255.255.255.128", "")],
        // To gateways, whatever the destination.
        &[(ALL, "pool /Common/gateways")],
    ] {
        let file = with(forwarders);
        assert_eq!((written(&file), &said(&file)[..]), (Default::default(), nobody), "{forwarders:?}");
    }
}

#[test]
fn whoever_was_let_in_is_and_everybody_is_said_to_be() {
    for (forwarders, allow, expected) in [
        (&[(IN, "source 172.16.9.0/24")][..], "172.16.9.0/24", &[(Note, "f0")][..]),
        (&[(IN, "source 172.16.9.7/32")], "172.16.9.7", &[(Note, "f0")]),
        (&[(IN, "source 0.0.0.0/0")], "0.0.0.0/0", &[(Check, "f0")]),
        (&[(IN, "")], "0.0.0.0/0", &[(Check, "f0")]),
        (&[(ALL, "")], "0.0.0.0/0", &[(Check, "f0")]),
        // The way out is where everybody comes from.
        (&[(ALL, "vlans {\n/Common/outer\n}\nvlans-enabled")], "0.0.0.0/0", &[(Check, "f0")]),
        (&[(IN, "source 172.16.0.0/12\nvlans {\n/Common/outer\n}\nvlans-enabled")], "172.16.0.0/12", &[(Note, "f0")]),
        (&[(ALL, "vlans {\n/Common/admin\n}\nvlans-enabled")], "172.31.9.0/24", &[(Check, "f0")]),
        // A VLAN of no file may lead anywhere.
        (&[(IN, "vlans {\n/Common/tunnel\n}\nvlans-enabled")], "0.0.0.0/0", &[(Check, "f0")]),
        (
            &[(IN, "source 172.16.9.0/24"), (ALL, "source 10.20.0.0/24"), (IN, "source 172.16.0.0/12")],
            "172.16.0.0/12",
            &[(Note, "f0"), (Note, "f2")],
        ),
        // Beside one for every protocol another for UDP says nothing new.
        (
            &[(IN, "source 172.16.9.0/24\nip-protocol udp"), (IN, "source 172.16.0.0/12")],
            "172.16.0.0/12",
            &[(Note, "f1")],
        ),
    ] {
        let file = with(forwarders);
        assert_eq!((written(&file), said(&file)), ((allow.into(), String::new()), expected.to_vec()), "{forwarders:?}");
        assert!(file.explain("f0")[0].becomes.iter().any(|entry| entry.contains("[direct_access]")), "{forwarders:?}");
    }
}

#[test]
fn some_members_and_ports_are_rules() {
    for (forwarders, rules, severity) in [
        (
            &[("10.20.0.11:ssh/255.255.255.255", "ip-protocol tcp\nsource 172.16.9.0/24")][..],
            "172.16.9.0/24 > 10.20.0.11 > tcp/22",
            Note,
        ),
        (&[("10.20.0.8:161/255.255.255.248", "ip-protocol udp")], "0.0.0.0/0 > one > udp/161", Check),
        (&[("10.20.0.0:7000/255.255.255.0", "")], "0.0.0.0/0 > one two > udp/7000 tcp/7000", Check),
        (&[("10.20.0.21:0/255.255.255.255", "source 172.16.9.7/32")], "172.16.9.7 > two > ", Note),
    ] {
        let file = with(forwarders);
        assert_eq!(
            (written(&file), said(&file)),
            ((String::new(), rules.into()), vec![(severity, "f0")]),
            "{forwarders:?}"
        );
    }
    // What all may is no rule.
    let file = with(&[(IN, ""), ("10.20.0.11:22/255.255.255.255", "ip-protocol tcp")]);
    assert_eq!(written(&file), ("0.0.0.0/0".into(), String::new()));
}

#[test]
fn what_no_rule_can_say_lets_nobody_in_and_is_severe() {
    for (to, keys) in [
        (IN, "ip-protocol udp"),
        (IN, "ip-protocol icmp"),
        ("10.20.0.0:5060/255.255.255.0", "ip-protocol sctp"),
        (IN, "source 2001:db8::/32"),
        (IN, "source some-where"),
    ] {
        let file = with(&[(to, keys)]);
        assert_eq!(written(&file), Default::default(), "{to} {keys}");
        assert_eq!(said(&file), [(Severe, "f0"), (Note, "the new file")], "{to} {keys}");
    }
}

#[test]
fn answers_that_would_be_dropped_are_said() {
    let of_pool = |forwarders: &[(&str, &str)]| {
        let file = with(forwarders);
        let about = |finding: &&Finding| finding.object == "pool one";
        let found: Vec<Finding> = file.findings.iter().filter(about).cloned().collect();
        let [found] = &found[..] else { panic!("{}", shown(&file)) };
        (found.severity, found.message.contains("what answers it comes to their own addresses"))
    };
    assert_eq!(of_pool(&[]), (Check, true), "they sent nothing through the BIG-IP");
    assert_eq!(of_pool(&[(ALL, "source 10.20.0.0/24")]), (Severe, true));
    assert_eq!(of_pool(&[(ALL, "source 10.20.0.0/24"), (IN, "source 172.16.0.0/12")]), (Severe, true));
    assert_eq!(of_pool(&[(ALL, "")]), (Check, false), "everybody is let in");
}

#[test]
fn a_network_in_front_of_a_pool_is_no_forwarder() {
    let file = with(&[("198.51.100.0:0/255.255.255.0", "pool /Common/one")]);
    assert_eq!(written(&file), Default::default());
    let found = file.findings.iter().find(|finding| finding.message.contains("a [[virtual_server]] has one address"));
    assert_eq!(found.map(|finding| finding.severity), Some(Severe), "{}", shown(&file));
}
