//! Two members with several services: whether they are a pair here, and what is said of it.

use super::*;
use crate::import::Finding;

const BASE: &str =
    "net vlan /Common/v {\ninterfaces {\n1.1 { }\n}\n}\nnet self /Common/s {\naddress 10.0.0.9/24\nvlan /Common/v\n}\n";

/// Pools of the same two members, each on a port of its own: what is set of the pool, and of its members.
fn joined(pools: &[(&str, [&str; 2])], of_servers: &str) -> Imported {
    imported(&[("bigip.conf", &text(pools, of_servers))])
}

fn text(pools: &[(&str, [&str; 2])], of_servers: &str) -> String {
    let of = |(at, (keys, each)): (usize, &(&str, [&str; 2]))| {
        let port = 5060 + at;
        let member =
            |last: usize| format!("/Common/10.0.0.{last}:{port} {{\naddress 10.0.0.{last}\n{}\n}}\n", each[last - 1]);
        format!(
            "ltm pool /Common/p{at} {{\nmembers {{\n{}{}}}\n{keys}\n}}\n\
             ltm virtual /Common/v{at} {{\ndestination /Common/10.0.0.100:{port}\nip-protocol udp\n{of_servers}\npool /Common/p{at}\n}}\n",
            member(1),
            member(2)
        )
    };
    let pools: String = pools.iter().enumerate().map(of).collect();
    format!("{BASE}{pools}")
}

fn mode(file: &Imported) -> Mode {
    let parsed = crate::config::parse("fairlead.toml", &file.text).unwrap_or_else(|errors| panic!("{errors}"));
    let [pool] = &parsed.intent.pools.iter().collect::<Vec<_>>()[..] else { panic!("{}", file.text) };
    pool.mode
}

/// What is said with these words in its message.
fn said<'i>(file: &'i Imported, words: &str) -> Vec<&'i Finding> {
    file.findings.iter().filter(|finding| finding.message.contains(words)).collect()
}

const NONE: [&str; 2] = [""; 2];
const UP: [&str; 2] = ["state up"; 2];
const ONE_UP: [&str; 2] = ["state down", "state up"];
const GROUPS: [&str; 2] = ["priority-group 1", "priority-group 2"];

#[test]
fn a_pair_is_guessed_only_if_no_pool_of_the_members_says_otherwise() {
    let turns = "load-balancing-mode round-robin";
    for (pools, expected) in [
        ([("", NONE), ("", NONE)], Mode::ActiveStandby),
        ([("", NONE), (turns, NONE)], Mode::RoundRobin),
        ([("load-balancing-mode least-connections-member", NONE), ("", NONE)], Mode::LeastConnections),
        ([("", NONE), ("min-active-members 2", GROUPS)], Mode::RoundRobin),
        ([("", NONE), ("min-active-members 1", NONE)], Mode::ActiveStandby),
        ([("", ONE_UP), (turns, ONE_UP)], Mode::RoundRobin),
    ] {
        assert_eq!(mode(&joined(&pools, "")), expected, "{pools:?}");
    }
}

#[test]
fn one_port_that_one_of_them_does_not_answer_counts_before_others_that_both_do() {
    for pools in [[("", UP), ("", ONE_UP)], [("", ONE_UP), ("", UP)]] {
        let file = joined(&pools, "");
        assert_eq!(
            (mode(&file), said(&file, "was up and the other down").len()),
            (Mode::ActiveStandby, 1),
            "{pools:?}"
        );
    }
    assert_eq!(mode(&joined(&[("", UP), ("", NONE)], "")), Mode::RoundRobin);
}

#[test]
fn joined_pools_are_compared_as_they_are_without_what_is_not_written() {
    let unlike = |pools: [(&str, [&str; 2]); 2]| {
        let file = joined(&pools, "");
        let [found] = &said(&file, "by which the joined pool goes")[..] else { return None };
        assert_eq!((found.severity, found.object.as_str()), (Severity::Check, "ltm pool /Common/p1"));
        found.message.rsplit(": ").next().map(str::to_owned)
    };
    let defaults = "load-balancing-mode round-robin\nslow-ramp-time 10\nmin-active-members 0";
    assert_eq!(unlike([("", NONE), (defaults, GROUPS)]), None, "groups that are off");
    assert_eq!(unlike([(defaults, ["ratio 1"; 2]), ("", NONE)]), None);
    let expected = "load-balancing-mode, slow-ramp-time, ratio of a member";
    let other = "load-balancing-mode ratio-member\nslow-ramp-time 30";
    assert_eq!(unlike([("", NONE), (other, ["ratio 2", ""])]).as_deref(), Some(expected));
    // So are those of a pair.
    assert_eq!(
        unlike([("", ONE_UP), ("slow-ramp-time 30", ["ratio 2", "state up"])]),
        None,
        "their shares do not matter"
    );
    let expected = Some("min-active-members, priority-group of a member");
    assert_eq!(unlike([("min-active-members 1", GROUPS), ("", NONE)]).as_deref(), expected);
    assert_eq!(unlike([("", NONE), ("min-active-members 1", GROUPS)]).as_deref(), expected);
}

#[test]
fn what_two_members_that_share_the_work_must_lose_to_be_a_pair_is_named() {
    let remedy = |keys: &str| {
        let file = joined(&[(keys, GROUPS)], "");
        let [found] = &said(&file, "BIG-IP shares the work between")[..] else { panic!("{}", shown(&file)) };
        (found.remedy.clone(), found.message.contains("all members that are up"), file.text.contains("priority = "))
    };
    let (with_groups, all, are_written) = remedy("min-active-members 2");
    assert!(with_groups.contains("remove mode, and priority, min_active, weight, slow_start and persistence"));
    assert_eq!((all, are_written), (false, true));
    let (without, all, are_written) = remedy("load-balancing-mode round-robin");
    assert!(without.contains("remove mode, and weight, slow_start and persistence"), "{without}");
    assert_eq!((all, are_written), (true, false));
}

#[test]
fn persistence_of_a_guessed_pair_is_to_be_looked_at_and_that_of_another_is_not() {
    let persist = |name: &str| format!("persist {{\n/Common/{name} {{\ndefault yes\n}}\n}}");
    let add = "for servers that all work at once, add persistence = ";
    for (name, remedy) in [
        ("source_addr", format!("{add}\"source\" to the [[pool]]")),
        ("sip_info", format!("{add}\"call-id\" to the [[pool]]")),
        ("cookie", "for servers that all work at once, choose `persistence` of the [[pool]]: ".into()),
    ] {
        let file = joined(&[("", NONE)], &persist(name));
        let [found] = &said(&file, "has no meaning where one member")[..] else { panic!("{}", shown(&file)) };
        assert_eq!((found.severity, found.object.as_str()), (Severity::Check, "ltm virtual /Common/v0"), "{name}");
        assert!(found.remedy.starts_with(&remedy), "{name}: {}", found.remedy);
        assert!(found.message.starts_with(&format!("persistence /Common/{name} ")), "{}", found.message);
        let file = joined(&[("min-active-members 1", GROUPS)], &persist(name));
        let [found] = &said(&file, "has no meaning where one member")[..] else { panic!("{}", shown(&file)) };
        assert_eq!((found.severity, found.remedy.as_str()), (Severity::Note, ""), "{name}");
    }
    let without = joined(&[("", NONE)], "");
    assert!(said(&without, "persistence").is_empty(), "{}", shown(&without));
}

#[test]
fn a_limit_of_connections_beside_priority_groups_is_to_be_looked_at() {
    let counts = |keys: &str, each: [&str; 2], of_node: &str| {
        let node = format!("ltm node /Common/10.0.0.1 {{\naddress 10.0.0.1\n{of_node}}}\n");
        let file = imported(&[("bigip.conf", &(text(&[(keys, each)], "") + &node))]);
        let found = said(&file, "here it counts for min_active all the same");
        assert!(found.iter().all(|found| found.severity == Severity::Check && !found.remedy.is_empty()));
        found.len()
    };
    let limited = ["priority-group 1", "priority-group 2\nconnection-limit 100"];
    let rated = ["priority-group 1", "priority-group 2\nrate-limit 100"];
    assert_eq!(counts("min-active-members 2", limited, ""), 1);
    assert_eq!(counts("min-active-members 2", GROUPS, "connection-limit 100\n"), 1, "of a node");
    assert_eq!(counts("min-active-members 2", GROUPS, ""), 0);
    assert_eq!(counts("min-active-members 2", rated, ""), 0);
    assert_eq!(counts("load-balancing-mode round-robin", limited, ""), 0, "groups are off");
}
