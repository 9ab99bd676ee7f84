//! Scenarios 33 to 35: which answers count, which are not ours, and what several monitors say together.

use crate::{with_a_active, with_workers};
use fairlead::admin::rows::MemberState;
use fairlead::wire::build::Build;
use fairlead::wire::{Endpoint, Packet};
use std::collections::HashSet;
use testbench::bench::frames::*;
use testbench::bench::{Bench, File, INNER, Seen, Service, answer_to, assert_same};

const INTERVAL: &str = "interval = \"500ms\"";

/// What sip-a comes to when it answers with `code`.
#[track_caller]
fn with_the_code(file: &File, code: u16, state: MemberState) {
    with_workers(file, |bench| {
        bench.members[0].udp = Service::Answers(code);
        bench.run(secs(3));
        let row = bench.row("sip-a");
        assert_eq!(row.state, state, "{code}: {row:?}");
        assert!(row.reason.contains(&code.to_string()), "{code}: {row:?}");
        assert_eq!(bench.active().is_some(), state == MemberState::Up);
    });
}

#[test]
fn s33_by_default_answers_below_400_are_good_and_those_that_only_ask_who_we_are() {
    for code in [403, 404, 481, 503, 600] {
        with_the_code(&File::two_arm(), code, MemberState::Down);
    }
    for code in [200, 302, 401, 405, 407] {
        with_the_code(&File::two_arm(), code, MemberState::Up);
    }
}

#[test]
fn s33_with_the_filter_any_every_answer_is_good() {
    let file = File::two_arm().with(INTERVAL, "interval = \"500ms\"\nup_codes = [\"any\"]");
    for code in [404, 405, 481, 503] {
        with_the_code(&file, code, MemberState::Up);
    }
}

#[test]
fn s33_a_code_that_is_listed_as_down_is_down_whatever_else_is_good() {
    let any_but = "interval = \"500ms\"\nup_codes = [\"any\"]\ndown_codes = [\"503\"]";
    let file = File::two_arm().with(INTERVAL, any_but);
    with_the_code(&file, 503, MemberState::Down);
    with_the_code(&file, 404, MemberState::Up);
}

/// What distinguishes one OPTIONS from another, as text.
fn marks(text: &str) -> [String; 3] {
    let header = |name: &str| {
        let found = text.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
        found.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
    };
    let parameter = |line: String, name: &str| {
        let value = line.split(';').find_map(|part| part.trim().strip_prefix(name).map(str::to_owned));
        value.unwrap_or_else(|| panic!("no {name} in {line}"))
    };
    [parameter(header("via:"), "branch="), header("call-id:"), parameter(header("from:"), "tag=")]
}

fn payload(frame: &[u8]) -> (Packet, String) {
    let headers = Packet::parse(frame).unwrap();
    let start = usize::from(headers.l4) + 8;
    (headers, String::from_utf8_lossy(&frame[start..usize::from(headers.end)]).into_owned())
}

#[test]
fn s34_no_two_options_share_a_branch_a_call_or_a_tag_and_all_come_from_the_gateway() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.run(secs(20));
        let (mut branches, mut calls, mut tags) = (HashSet::new(), HashSet::new(), HashSet::new());
        let heard: Vec<_> = bench.members.iter().flat_map(|member| member.probes.clone()).collect();
        assert!(heard.len() > 75, "{}", heard.len());
        for frame in &heard {
            let (headers, text) = payload(frame);
            assert_eq!((headers.src().to_string().as_str(), headers.tuple().unwrap().dst.port), (G, 5060));
            assert!(text.starts_with("OPTIONS sip:10.20.0.1"), "{text}");
            assert!(text.contains("\r\nMax-Forwards: ") && text.contains("\r\nCSeq: "), "RFC 3261 8.1.1: {text}");
            let [branch, call, tag] = marks(&text);
            assert!(branch.starts_with("z9hG4bK"), "RFC 3261 8.1.1.7: {branch}");
            assert!(branches.insert(branch.clone()) && calls.insert(call) && tags.insert(tag), "{text}");
        }
    });
}

#[test]
fn s34_the_answer_is_consumed_and_reaches_nobody() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.look();
        bench.run(secs(5));
        let forwarded = bench.look();
        assert!(forwarded.is_empty(), "{:?}", forwarded[0].headers());
        assert!(bench.probe_row("sip-a", "sip-options").ok >= 10);
        assert_eq!(bench.probe_row("sip-a", "sip-options").failed, 0);
    });
}

/// Lets sip-a answer each OPTIONS by hand: `answer` gets all OPTIONS so far, the last one last.
fn answering(bench: &mut Bench, rounds: usize, answer: impl Fn(&[(Packet, String)]) -> Option<(Endpoint, String)>) {
    bench.members[0].udp = Service::Swallows;
    for _ in 0..rounds {
        let heard = bench.members[0].probes.len();
        bench.until(secs(2), |bench| bench.members[0].probes.len() > heard);
        let asked: Vec<_> = bench.members[0].probes.iter().map(|frame| payload(frame)).collect();
        if let Some((to, text)) = answer(&asked) {
            bench.send(HOST_A, &Build::udp(at(A, 5060), to).payload(text.as_bytes()));
        }
        bench.run(ms(5));
    }
}

fn origin(asked: &(Packet, String)) -> Endpoint {
    asked.0.tuple().unwrap().src
}

#[test]
fn s34_a_stale_answer_is_ignored() {
    with_a_active(&File::two_arm(), |bench| {
        answering(bench, 6, |asked| {
            let (last, before) = (&asked[asked.len() - 1], &asked[asked.len() - 2]);
            Some((origin(last), answer_to(&before.1, 200)))
        });
        let row = bench.row("sip-a");
        assert_eq!(row.state, MemberState::Down, "{row:?}");
    });
}

#[test]
fn s34_an_answer_by_hand_to_the_last_question_is_good() {
    with_a_active(&File::two_arm(), |bench| {
        answering(bench, 6, |asked| {
            let last = asked.last().unwrap();
            Some((origin(last), answer_to(&last.1, 200)))
        });
        assert_eq!(bench.state("sip-a"), MemberState::Up);
    });
}

#[test]
fn s34_an_answer_of_somebody_else_is_ignored() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[0].udp = Service::Swallows;
        for _ in 0..6 {
            let heard = bench.members[0].probes.len();
            bench.until(secs(2), |bench| bench.members[0].probes.len() > heard);
            let asked = payload(bench.members[0].probes.last().unwrap());
            let answer = answer_to(&asked.1, 200);
            bench.send(HOST_B, &Build::udp(at(B, 5060), origin(&asked)).payload(answer.as_bytes()));
            bench.send(HOST_A, &Build::udp(at(A, 5099), origin(&asked)).payload(answer.as_bytes()));
        }
        bench.run(ms(500));
        assert_eq!(bench.state("sip-a"), MemberState::Down);
    });
}

#[test]
fn s34_an_answer_of_another_branch_call_or_sequence_is_ignored() {
    type Change = fn(&str) -> String;
    let changes: [Change; 4] = [
        |text| text.replace("branch=z9hG4bK", "branch=z9hG4bKx"),
        |text| text.replace("OPTIONS\r\n", "INVITE\r\n"),
        |text| text.replace("Call-ID: ", "Call-ID: x"),
        |text| text.replace("CSeq: ", "CSeq: 1"),
    ];
    for change in changes {
        with_a_active(&File::two_arm(), |bench| {
            answering(bench, 6, |asked| {
                let last = asked.last().unwrap();
                let text = answer_to(&last.1, 200);
                assert_ne!(change(&text), text);
                Some((origin(last), change(&text)))
            });
            assert_eq!(bench.state("sip-a"), MemberState::Down);
        });
    }
}

/// Pings and OPTIONS together, so many of which must be good.
fn both(require: &str) -> File {
    File::two_arm()
        .with("monitors = [\"sip-options\"]", &format!("monitors = [\"sip-options\", \"ping\"]\nrequire = {require}"))
        .and("[[monitor]]\nname = \"ping\"\nkind = \"icmp\"\n")
}

#[test]
fn s35_with_all_monitors_required_a_blocked_ping_makes_the_member_down_and_is_named() {
    with_a_active(&both("\"all\""), |bench| {
        bench.members[0].echo = false;
        bench.until(secs(3), |bench| bench.state("sip-a") == MemberState::Down);
        let row = bench.row("sip-a");
        assert!(row.reason.contains("ping") && !row.reason.starts_with("sip-options"), "{row:?}");
        let probe = |name: &str| row.probes.iter().find(|probe| probe.monitor == name).unwrap().state;
        assert_eq!((probe("sip-options"), probe("ping")), (MemberState::Up, MemberState::Down));
        bench.members[0].echo = true;
        bench.until(secs(3), |bench| bench.state("sip-a") == MemberState::Up);
    });
}

#[test]
fn s35_with_one_monitor_required_a_blocked_ping_changes_nothing() {
    with_a_active(&both("1"), |bench| {
        bench.members[0].echo = false;
        bench.run(secs(5));
        let row = bench.row("sip-a");
        assert_eq!((row.state, bench.active().as_deref()), (MemberState::Up, Some("sip-a")));
        let ping = row.probes.iter().find(|probe| probe.monitor == "ping").unwrap();
        assert_eq!(ping.state, MemberState::Down);
    });
}

#[test]
fn s35_the_ping_is_an_echo_request_of_the_gateway() {
    with_a_active(&both("\"all\""), |bench| {
        bench.run(secs(2));
        bench.seen.clear();
        bench.run(secs(1));
        let seen = std::mem::take(&mut bench.seen);
        let pings: Vec<&Seen> = seen.iter().filter(|seen| seen.frame[23] == 1 && seen.frame[34] == 8).collect();
        assert_eq!(pings.len(), 4, "two a second for each member");
        for ping in pings {
            let to = if ping.headers().dst().to_string() == A { HOST_A } else { HOST_B };
            let headers = ping.headers();
            let message = &ping.frame[usize::from(headers.l4)..usize::from(headers.end)];
            let rest = u32::from_be_bytes([message[4], message[5], message[6], message[7]]);
            let expected = Build::icmp(G, headers.dst(), 8, 0).rest(rest).payload(&message[8..]).ttl(ping.frame[22]);
            let expected = expected.id(u16::from_be_bytes([ping.frame[18], ping.frame[19]]));
            let expected = if headers.dont_fragment { expected.df() } else { expected };
            assert_eq!(ping.port, INNER);
            assert_same(&ping.frame, &bench.leaving(to, &expected.tos(ping.frame[15])));
        }
    });
}
