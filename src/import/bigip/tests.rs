//! Files of the shapes that are found in public, with addresses of their own, and what each becomes.

use crate::import::{Imported, Origin, Severity, Source, import};

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
