//! What is said of objects: states of members, code points, pairs, and of each one whatever it has become.

use super::*;
use crate::import::Finding;

const SELECTIVE: [(&str, &str); 2] =
    [("bigip.conf", include_str!("selective.conf")), ("bigip_base.conf", include_str!("selective_base.conf"))];

#[test]
fn a_pair_behind_a_trunk_with_ports_for_some_networks_alone() {
    insta::assert_snapshot!(shown(&imported(&SELECTIVE)));
}

fn found<'i>(file: &'i Imported, words: &str) -> Vec<&'i Finding> {
    file.findings.iter().filter(|finding| finding.message.contains(words)).collect()
}

#[test]
fn of_each_object_it_is_said_what_it_has_become() {
    let shared = [("bigip.conf", SHARED)];
    for files in [&SELECTIVE[..], &PAIR, &shared] {
        let file = imported(files);
        for (title, place) in &file.places {
            let [explained] = &file.explain(title)[..] else { panic!("{title}") };
            // Only by another one do they mean anything, and it names them.
            let kinds = ["net interface", "ltm default-node-monitor", "ltm persistence", "ltm profile", "ltm rule"];
            let is_named = kinds.iter().any(|kind| title.starts_with(kind));
            assert!(
                !explained.becomes.is_empty() || !explained.findings.is_empty() || is_named,
                "{title} at {place}: {}",
                shown(&file)
            );
        }
    }
    let file = imported(&SELECTIVE);
    for (name, section) in [
        ("sip-b", "[[pool]]"),
        ("vs_outbound", "[[snat]]"),
        ("dg_no_snat", "[[snat]]"),
        ("sp_sip", "[[snat]]"),
        ("vs_inbound", "[direct_access]"),
        ("trunk1", "[[port]]"),
        ("1.1", "[[port]]"),
        ("dg_failover", "[pair]"),
        ("float_sip", "floating = [\"10.20.0.1/24\"]"),
    ] {
        let becomes: Vec<String> = file.explain(name).into_iter().flat_map(|it| it.becomes).collect();
        assert!(becomes.iter().any(|entry| entry.contains(section)), "{name}: {becomes:?}");
    }
}

#[test]
fn a_state_is_said_by_the_object_that_has_it() {
    let file = imported(&SELECTIVE);
    let [state] = &found(&file, "admin_state = \"draining\"")[..] else { panic!("{}", shown(&file)) };
    assert_eq!((state.severity, state.object.as_str()), (Severity::Check, "ltm node /Common/sip-b"));
    let at_port = SELECTIVE[0].1.replace("    session user-disabled\n", "").replace(
        "        /Common/sip-b:0 {\n",
        "        /Common/sip-b:0 {\n            session user-disabled\n            state user-down\n",
    );
    let file = imported(&[("bigip.conf", &at_port), SELECTIVE[1]]);
    let [state] = &found(&file, "admin_state = \"offline\"")[..] else { panic!("{}", shown(&file)) };
    assert_eq!((state.severity, state.object.as_str()), (Severity::Check, "ltm pool /Common/pool_sip"));
}

#[test]
fn floating_addresses_float_where_two_appliances_are_and_stay_where_one_is() {
    let of = |base: &str| {
        let file = imported(&[SELECTIVE[0], ("bigip_base.conf", base)]);
        let parsed = crate::config::parse("fairlead.toml", &file.text);
        let intent = parsed.unwrap_or_else(|errors| panic!("{errors}\n{}", shown(&file))).intent;
        let inner = intent.interfaces.iter().find(|it| it.name == "vlan_sip").cloned().unwrap();
        let said = found(&file, "it floats").len() + found(&file, "stand in for each other").len();
        assert!(
            file.findings
                .iter()
                .all(|it| it.severity != Severity::Severe || !it.object.starts_with("cm ") || !it.remedy.is_empty())
        );
        (intent.pair.is_some(), inner.addresses.len(), inner.floating.len(), said)
    };
    let base = SELECTIVE[1].1;
    assert_eq!(of(base), (true, 1, 1, 1));
    // Each BIG-IP has a group in which nothing fails over.
    assert_eq!(of(&base.replace("type sync-failover", "type sync-only")), (false, 2, 0, 2));
    assert_eq!(of(&base.replace("        /Common/lb2.example { }\n", "")), (false, 2, 0, 2));
    // No fixed one beside it.
    assert_eq!(of(&base.replace("address 10.20.0.2/24", "address 10.21.0.2/24")), (true, 2, 0, 2));
}

#[test]
fn code_points_are_named_with_the_key_that_sets_them() {
    let conf = |of_profile: &str, context: &str| {
        let text = SELECTIVE[0].1;
        let at = "    datagram-load-balancing enabled\n";
        text.replace(at, &format!("{at}    {of_profile}\n"))
            .replace("        /Common/udp_sip { }\n", &format!("        /Common/udp_sip {{ {context} }}\n"))
    };
    let of = |of_profile: &str, context: &str| {
        let file = imported(&[("bigip.conf", &conf(of_profile, context)), SELECTIVE[1]]);
        let found = found(&file, "ip-tos-to-");
        found.into_iter().map(|it| (it.severity, it.message.clone(), it.remedy.clone())).collect::<Vec<_>>()
    };
    for (value, message, remedy) in [
        ("184", "`ip-tos-to-client 184`, DSCP 46 (ef)", "write dscp = \"ef\" into the [[virtual_server]]"),
        ("96", "`ip-tos-to-client 96`, DSCP 24 (cs3)", "write dscp = \"cs3\" into the [[virtual_server]]"),
        ("0", "`ip-tos-to-client 0`, DSCP 0 (cs0)", "write dscp = \"cs0\" into the [[virtual_server]]"),
        ("200", "DSCP 50, which has no name", "write the nearest that has a name as dscp into the [[virtual_server]]"),
    ] {
        let [(severity, text, next)] = &of(&format!("ip-tos-to-client {value}"), "")[..] else { panic!("{value}") };
        assert_eq!((*severity, next.as_str()), (Severity::Check, remedy));
        assert!(text.contains(message), "{text}");
    }
    let [(severity, text, _)] = &of("ip-tos-to-server 184", "")[..] else { panic!("to members") };
    assert!(*severity == Severity::Check && text.contains("what goes to members"), "{text}");
    for (of_profile, context, count) in [
        ("ip-tos-to-client pass-through", "", 0),
        ("ip-tos-to-client 65535", "", 0),
        ("ip-tos-to-client mimic", "", 1),
        ("ip-tos-to-client 184", "context serverside", 0),
        ("ip-tos-to-client 184", "context clientside", 1),
        ("ip-tos-to-server 184", "context clientside", 0),
    ] {
        assert_eq!(of(of_profile, context).len(), count, "{of_profile} {context}");
    }
    // Members open what goes outward: they are the clients there.
    let text =
        SELECTIVE[0].1.replace("    loose-close enabled\n", "    ip-tos-to-server 104\n    loose-close enabled\n");
    let text = text.replace("        /Common/fastL4 { }\n", "        /Common/fastL4_sip { }\n");
    let file = imported(&[("bigip.conf", &text), SELECTIVE[1]]);
    let outward: Vec<_> =
        found(&file, "ip-tos-to-server 104").into_iter().filter(|it| it.object.ends_with("vs_outbound")).collect();
    let [outward] = &outward[..] else { panic!("{}", shown(&file)) };
    assert_eq!(outward.remedy, "write dscp = \"af31\" into the [[snat]] of the pools behind it");
    assert!(outward.message.contains("DSCP 26 (af31)"), "{}", outward.message);
}

#[test]
fn a_pool_and_a_member_of_one_name_get_two() {
    let conf = "ltm pool /Common/sip {\nmembers {\n/Common/sip:5060 {\naddress 10.0.0.1\n}\n}\n}\n\
                ltm virtual /Common/v {\ndestination /Common/10.0.9.1:5060\nip-protocol udp\npool /Common/sip\n}\n";
    let text = imported(&[("bigip.conf", conf)]).text;
    assert!(
        text.contains("name = \"sip\"\n") && text.contains("{ name = \"sip-2\", address = \"10.0.0.1\" }"),
        "{text}"
    );
}
