//! Scenario 101: what would happen to a packet, and why, is asked of the whole appliance and read as an operator does.

use clap::Parser;
use fairlead::admin::explain::Explanation;
use fairlead::admin::request::FileText;
use fairlead::admin::rows::Wall;
use fairlead::admin::{Data, Request};
use fairlead::cli::commands::{Command, Question};
use fairlead::control::explain_by_file;
use fairlead::wire::sip::{Branch, Facts};
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File};

#[derive(Parser)]
struct Typed {
    #[command(subcommand)]
    command: Command,
}

fn question(words: &str) -> Result<Question, String> {
    let typed = Typed::try_parse_from(format!("fairlead {words}").split(' ')).map_err(|why| why.to_string())?;
    let Command::Ask(ask) = typed.command else { panic!("{words} asks nothing") };
    Ok(ask.question())
}

fn explained(bench: &mut Bench, words: &str) -> Explanation {
    match bench.ask(question(words).unwrap().request) {
        Ok(Data::Explanation(explanation)) => *explanation,
        other => panic!("{other:?}"),
    }
}

/// As an operator reads it.
fn printed(bench: &mut Bench, words: &str) -> String {
    let explanation = serde_json::to_value(explained(bench, words)).unwrap();
    let text = (question(words).unwrap().show)(explanation, Wall::default()).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 100 && line == line.trim_end()), "{text}");
    text
}

fn refused(bench: &mut Bench, words: &str) -> String {
    bench.ask(question(words).unwrap().request).expect_err(words)
}

/// A is active, and nothing has been seen yet.
fn begun(workers: usize) -> Bench {
    let mut bench = Bench::new(&File::two_arm(), workers, 1);
    bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-a"));
    bench
}

#[test]
fn s101_a_new_call_goes_to_the_active_member_and_why_it_is_active_is_said() {
    let mut bench = begun(1);
    insta::assert_snapshot!("new_call", printed(&mut bench, "explain udp 172.16.5.5:5060 10.20.0.100:5060"));
    // And so it does.
    bench.served_by(at(PHONE, 5060), HOST_A);
}

#[test]
fn s101_a_segment_of_a_connection_is_explained_by_its_flow() {
    let mut bench = begun(1);
    let mut connection = Connection::inward(&bench, at(PHONE, 40_000), 5061, HOST_A).open(&mut bench);
    let flows = bench.flows(Default::default());
    insta::assert_snapshot!(
        "existing_flow",
        printed(&mut bench, "explain tcp 172.16.5.5:40000 10.20.0.100:5061 --flags ack,psh")
    );
    // A reset that is only asked about ends nothing.
    let reset = explained(&mut bench, "explain tcp 172.16.5.5:40000 10.20.0.100:5061 --flags rst");
    assert_eq!((&*reset.verdict, reset.member.as_deref()), ("forward", Some("sip-a")));
    let states = |rows: &[fairlead::admin::rows::FlowRow]| rows.iter().map(|row| row.state.clone()).collect::<Vec<_>>();
    assert_eq!(states(&bench.flows(Default::default())), states(&flows));
    connection.exchange(&mut bench);
}

#[test]
fn s101_what_a_member_opens_outward_is_translated_or_excluded() {
    let mut bench = begun(1);
    insta::assert_snapshot!("outward", printed(&mut bench, "explain tcp 10.20.0.11:41000 172.16.9.9:80 --from sip-a"));
    insta::assert_snapshot!("excluded", printed(&mut bench, "explain udp 10.20.0.12:41000 172.16.2.7:514"));
    // No port was given away, though one was promised each time.
    assert_eq!(
        explained(&mut bench, "explain tcp 10.20.0.12:41000 172.16.9.9:80").translated.unwrap().src.port(),
        41_000
    );
    let Ok(Data::Snat(rows)) = bench.ask(Request::Snat {}) else { panic!("no rows") };
    assert!(rows.iter().all(|row| row.used == 0), "{rows:?}");
    // Who holds the port is named once somebody does.
    let _connection = Connection::outward(&bench, HOST_A, 41_000, at(PEER, 80)).open(&mut bench);
    let text = printed(&mut bench, "explain tcp 10.20.0.12:41000 172.16.9.9:80");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("as 10.20.0.11:41000 has 41000 there"), "{text}");
}

#[test]
fn s101_a_spoofed_source_is_named_with_its_remedy() {
    let mut bench = begun(1);
    insta::assert_snapshot!(
        "spoofed",
        printed(&mut bench, "explain udp 10.20.0.11:5060 10.20.0.100:5060 --interface clients")
    );
    assert_eq!(bench.counter("drop_spoofed_source"), 0, "nothing is counted");
}

#[test]
fn s101_nobody_is_active_and_it_is_said_what_follows() {
    let mut bench = Bench::new(&File::two_arm(), 1, 1);
    bench.members.iter_mut().for_each(|member| member.retire());
    bench.run(secs(20));
    assert_eq!(bench.active(), None);
    insta::assert_snapshot!("nobody", printed(&mut bench, "explain udp 172.16.5.5:5060 10.20.0.100:5060"));
}

#[test]
fn s101_the_worker_that_decides_is_asked_whichever_it_is() {
    let mut bench = begun(3);
    let mut workers = std::collections::BTreeSet::new();
    for port in 40_000..40_020 {
        let _connection = Connection::inward(&bench, at(PHONE, port), 5060, HOST_A).open(&mut bench);
        let said = explained(&mut bench, &format!("explain tcp 172.16.5.5:{port} 10.20.0.100:5060 --flags ack"));
        let flow = said.steps.iter().find(|step| step.step == "flow").expect("a flow");
        assert!(flow.says.starts_with("service, established"), "{said:#?}");
        workers.extend(said.worker);
    }
    assert_eq!(workers.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn s101_what_cannot_be_asked_is_refused_with_what_to_write() {
    let mut bench = begun(1);
    let unknown = refused(&mut bench, "explain udp 172.16.5.5:5060 10.20.0.100:5060 --from sip-c");
    assert_eq!(unknown, "there is no member `sip-c`; there are sip-a, sip-b");
    let interface = refused(&mut bench, "explain udp 172.16.5.5:5060 10.20.0.100:5060 --interface dmz");
    assert_eq!(interface, "there is no interface `dmz`; there are clients, servers");
    for (words, part) in [
        ("explain udp 172.16.5.5 10.20.0.100:5060", "add the port, such as 172.16.5.5:5060"),
        ("explain udp [2001:db8::1]:5060 10.20.0.100:5060", "write an IPv4 address"),
        ("explain icmp 2001:db8::1 10.20.0.100", "write an IPv4 address"),
        ("explain icmp 172.16.5.5:1 10.20.0.100", "without a port"),
        ("explain tcp 172.16.5.5:1 10.20.0.100:5060 --flags urg", "invalid value 'urg'"),
        ("explain sctp 172.16.5.5:1 10.20.0.100:5060", "unrecognized subcommand"),
    ] {
        let said = question(words).err().unwrap_or_else(|| panic!("{words} was taken"));
        assert!(said.contains(part), "{words}: {said}");
    }
}

#[test]
fn s101_where_there_is_no_route_to_the_source_it_is_said_what_to_add() {
    let file = File::two_arm().with("to = \"default\"", "to = \"172.16.0.0/12\"");
    let mut bench = Bench::new(&file, 1, 1);
    bench.until(secs(5), |bench| bench.active().is_some());
    assert_eq!(
        refused(&mut bench, "explain udp 198.51.100.7:5060 10.20.0.100:5060"),
        "there is no route to 198.51.100.7, which would say where it comes in: add --interface NAME, one of clients, servers"
    );
    let text = printed(&mut bench, "explain udp 198.51.100.7:5060 10.20.0.100:5060 --interface clients");
    assert!(text.contains("198.51.100.7: outside, there is no route to it"), "{text}");
    let out = printed(&mut bench, "explain udp 10.20.0.11:40000 198.51.100.7:80");
    assert!(out.contains("reject (no_route)") && out.contains("Remedy: add a [[route]]"), "{out}");
}

/// What is typed is written as a message that the data path reads.
#[test]
fn s101_what_a_message_says_is_typed_or_stands_in_a_file() {
    let ends = "explain udp 172.16.5.5:5060 10.20.0.100:5060";
    let content = |words: &str| {
        let question = question(format!("{ends} {words}").trim_end()).unwrap_or_else(|why| panic!("{why}"));
        let Request::Explain(packet) = question.request else { panic!("{words} asks something else") };
        (packet.content.map(|text| Facts::of(text.0.as_bytes())), question.file)
    };
    assert_eq!(content(""), (None, None));
    assert_eq!(content("--sip-file message.txt"), (None, Some("message.txt".into())));
    assert_eq!(content("--sip-file -"), (None, Some("-".into())));
    let facts = |words: &str| content(words).0.unwrap();
    let call = facts("--call-id a@b").call();
    assert!(call.is_some() && call != facts("--call-id a@c").call());
    for words in ["--call-id a@b", "--call-id a@b --request BYE"] {
        assert!(matches!(facts(words), Facts::Request { branch: Some(_), call: of } if of == call), "{words}");
    }
    let Facts::Answer { sent_by, is_final: true, call: of, .. } = facts("--call-id a@b --response") else { panic!() };
    assert_eq!((sent_by, of), (Some("10.20.0.100".parse().unwrap()), call));
    let of_b = facts("--call-id a@b --response=180 --via 10.20.0.12 --branch z9hG4bK7");
    let (sent_by, branch) = (Some("10.20.0.12".parse().unwrap()), Branch::of(b"z9hG4bK7"));
    assert_eq!(of_b, Facts::Answer { sent_by, branch, is_final: false, call });
    let lacks = ["--request BYE", "--response", "--via x", "--call-id a --branch x;y", "--call-id a --sip-file x"];
    for words in lacks.into_iter().chain(["--call-id a --request BYE --response"]) {
        assert!(question(&format!("{ends} {words}")).is_err(), "{words}");
    }
    assert!(question("explain tcp 172.16.5.5:5060 10.20.0.100:5060 --call-id a").is_err());
}

#[test]
fn s101_where_what_a_message_says_decides_that_is_said_until_it_is_told() {
    let shared = "[[pool]]\nmode = \"round-robin\"\npersistence = \"call-id\"";
    let mut bench = Bench::new(&File::two_arm().with("[[pool]]", shared), 1, 1);
    bench.run(secs(5));
    let words = "explain udp 172.16.5.5:5060 10.20.0.100:5060";
    insta::assert_snapshot!("content_unknown", printed(&mut bench, words));
    insta::assert_snapshot!("content_known", printed(&mut bench, &format!("{words} --call-id 7@phone")));
    let mut packet = match question(words).unwrap().request {
        Request::Explain(packet) => packet,
        other => panic!("{other:?}"),
    };
    packet.content = Some(FileText("x".repeat(65_001)));
    let refused = bench.ask(Request::Explain(packet)).expect_err("it is too long");
    assert!(refused.contains("65001 bytes, at most 65000"), "{refused}");
}

/// By a file that no appliance has, with everybody up.
#[test]
fn s101_a_candidate_file_is_explained_without_an_appliance() {
    let by_file = |text: &str, words: &str| {
        let file = fairlead::config::parse_for(64, "candidate.toml", text).unwrap_or_else(|errors| panic!("{errors}"));
        let Question { request: Request::Explain(packet), show, candidate: Some(_), .. } = question(words).unwrap()
        else {
            panic!("{words} asks no file")
        };
        let explanation = explain_by_file(&file, &packet).map_err(|error| error.message)?;
        Ok::<_, String>((show(serde_json::to_value(&explanation).unwrap(), Wall::default()).unwrap(), explanation))
    };
    let words = "explain tcp 172.16.5.5:40000 10.20.0.100:5061 --file candidate.toml";
    let (text, _) = by_file(testbench::TWO_ARM, words).unwrap();
    insta::assert_snapshot!("candidate", text);
    let shared = testbench::TWO_ARM.replacen("[[pool]]", "[[pool]]\nmode = \"round-robin\"", 1);
    let (_, explanation) = by_file(&shared, words).unwrap();
    assert_eq!(explanation.one_of, ["sip-a", "sip-b"]);
    assert!(explanation.member.is_some_and(|member| explanation.one_of.contains(&member)));
    let unknown = by_file(testbench::TWO_ARM, &words.replace("--file", "--from sip-z --file")).unwrap_err();
    assert_eq!(unknown, "there is no member `sip-z`; there are sip-a, sip-b");
}
