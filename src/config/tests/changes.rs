//! What differs between two files.

use super::{GOOD, edited};
use crate::config::{Change, ChangeKind, Configuration, difference, parse_for};

const SECOND_PAIR: &str = include_str!("second_pair.toml");

fn good(text: &str) -> Configuration {
    parse_for(64, "fairlead.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn changed(edits: &[(&str, &str)]) -> String {
    let changes = difference(&good(GOOD), &good(&edited(edits)));
    changes.iter().map(|change| format!("{change}\n")).collect()
}

#[test]
fn the_same_file_has_no_difference() {
    assert_eq!(changed(&[]), "");
    assert_eq!(changed(&[("interval = \"500ms\"\n", "")]), "");
}

#[test]
fn reload_prints_what_changes() {
    insta::assert_snapshot!(
        "reload",
        changed(&[
            ("interval = \"500ms\"", "interval = \"200ms\"\nfall = 2"),
            ("{ name = \"sip-b\", address = \"10.20.0.12\" }", "{ name = \"sip-c\", address = \"10.20.0.13\" }"),
            ("address = \"10.20.0.11\"", "address = \"10.20.0.14\""),
            ("\"172.16.1.20/32\"", "\"172.16.1.21\""),
            ("\"tcp/5061\"", "\"tcp/5062\""),
            ("via = \"192.0.2.1\"", "via = \"192.0.2.254\""),
            ("vlan = 120", "vlan = 121\nhost = \"fl-clients\""),
            ("", SECOND_PAIR),
            ("", "[[neighbour]]\naddress = \"192.0.2.7\"\nmac = \"02:00:00:00:00:07\"\n"),
            ("[[snat]]", "unmatched = \"reject-now\"\n\n[[snat]]"),
            (
                "allow = [\"0.0.0.0/0\"]",
                "allow = [\"172.16.7.0/24\"]\n[[direct_access.rules]]\nfrom = [\"172.16.8.0/24\"]\nto = [\"pair-1\", \"sip-c\"]\nports = [\"tcp/22\", \"udp/161\"]",
            ),
            ("name = \"sip-1\"", "name = \"sip-1\"\nallow = [\"172.16.5.0/24\"]"),
            ("", "[timeouts]\nudp = \"10m\"\nreassembly = \"30s\"\n"),
            ("", "[limits]\nrejects_per_second = 100\nicmp_errors_per_second = 50\n"),
        ])
    );
}

#[test]
fn what_a_running_appliance_cannot_take_over_says_so() {
    let edits = [
        ("workers = [1]", "workers = [1, 2]\nidle = \"sleep\"\nstall_threshold = \"20ms\""),
        ("device = \"0000:3b:00.1\"", "device = \"0000:5e:00.1\"\nmtu = 9000"),
        (
            "",
            "[limits]\nflows_per_worker = 2000000\nfragments_per_worker = 64\n[dpdk]\nhugepages = true\n[appliance]\nadmin_socket = \"/run/lead.sock\"\n",
        ),
    ];
    insta::assert_snapshot!("restart", changed(&edits));
    let changes = difference(&good(GOOD), &good(&edited(&edits)));
    let live: Vec<_> = changes.into_iter().filter(|change| change.live).collect();
    let mtu = Change {
        kind: ChangeKind::Changed,
        what: "interface servers: mtu".into(),
        before: Some("1500".into()),
        after: Some("9000".into()),
        live: true,
    };
    assert_eq!(live, [mtu]);
}

#[test]
fn members_in_another_order_are_a_change() {
    let text = changed(&[
        ("name = \"sip-a\", address = \"10.20.0.11\"", "name = \"sip-b\", address = \"10.20.0.12\""),
        ("{ name = \"sip-b\", address = \"10.20.0.12\" },\n]", "{ name = \"sip-a\", address = \"10.20.0.11\" },\n]"),
    ]);
    assert_eq!(text, "pool pair-1: members order sip-a sip-b → sip-b sip-a\n");
}
