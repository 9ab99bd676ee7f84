//! What workers have counted of SIP, put together, and what is said of it.

use super::*;
use crate::admin::rows::{SipCountRow, SipReport, SipSide};
use crate::engine::Party;
use crate::policy::intent::{Listen, Mode, VirtualServer};

fn report(bench: &mut Bench) -> SipReport {
    match bench.ask(Request::Sip {}).expect("awake workers answer at once").unwrap().data {
        Data::Sip(report) => *report,
        other => panic!("{other:?}"),
    }
}

/// A reload of the file with this change.
fn change_file(bench: &mut Bench, change: impl FnOnce(&mut Configuration)) {
    let mut file = bench.controller.file.clone();
    change(&mut file);
    bench.give(Input::Reload { request_id: None, file: read_as("", Ok(file)) });
}

fn counting(sample: u32) -> Bench {
    let mut bench = Bench::settled();
    change_file(&mut bench, |file| file.intent.sip.sample = sample);
    bench.run(600);
    bench
}

/// A datagram to or from the first member's port 5060 is counted by a worker.
fn see(bench: &mut Bench, worker: usize, text: &str, remote: u8, is_from_member: bool) {
    let intent = bench.controller.intent();
    let server = intent.virtual_servers.iter().next().expect("a virtual server");
    let service = Endpoint::new(server.address, 5060);
    let member = intent.members.iter().next().map(|member| member.address);
    let remote = Endpoint::new([172, 16, 5, remote].into(), 5060);
    let now = bench.now;
    assert!(bench.sip(worker).is_on());
    bench.sip(worker).see(text.as_bytes(), &Party { service, member, remote, is_from_member }, now);
}

/// The same at another port, of one client.
fn see_at(bench: &mut Bench, port: u16, text: &str) {
    let intent = bench.controller.intent();
    let service = Endpoint::new(intent.virtual_servers[0].address, port);
    let member = intent.members.iter().next().map(|member| member.address);
    let remote = Endpoint::new([172, 16, 6, 1].into(), port);
    let now = bench.now;
    bench.sip(0).see(text.as_bytes(), &Party { service, member, remote, is_from_member: false }, now);
}

fn text(line: &str, call: &str) -> String {
    format!("{line}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{call}\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\r\n")
}

fn count(name: &str, count: u64) -> SipCountRow {
    SipCountRow { name: name.into(), count }
}

#[test]
fn while_it_is_off_workers_are_sent_nothing_and_the_report_says_so() {
    let mut bench = Bench::settled();
    bench.run(2_000);
    assert!(!bench.sip(0).is_on() && !bench.sip(1).is_on());
    let report = report(&mut bench);
    assert_eq!((report.sample, report.rows.len(), report.warnings.len()), (0, 0, 0));
}

#[test]
fn what_both_workers_counted_is_told_together_by_the_names_of_the_file() {
    let mut bench = counting(10);
    for worker in [0, 1] {
        see(&mut bench, worker, &text("INVITE sip:a@b SIP/2.0", "a"), 5, false);
        bench.run(40);
        see(&mut bench, worker, &text("SIP/2.0 486 Busy Here", "a"), 5, true);
    }
    see(&mut bench, 0, &text("BYE sip:a@b SIP/2.0", "b"), 5, true);
    bench.run(1_200);
    see(&mut bench, 1, &text("SIP/2.0 100 Trying", "c"), 6, true);
    let said = report(&mut bench);
    assert_eq!((said.sample, said.not_counted), (10, 0));
    let [clients, members] = said.rows.as_slice() else { panic!("{said:?}") };
    assert_eq!((clients.virtual_server.as_str(), clients.member.as_deref()), ("sip-1", Some("sip-a")));
    assert_eq!((clients.asked_by, members.asked_by), (SipSide::Clients, SipSide::Members));
    assert_eq!(clients.requests, [count("INVITE", 2)]);
    assert_eq!(clients.responses, [count("486", 2), count("1xx", 1)]);
    let times = &clients.first_response;
    assert_eq!((times.count, times.p50_ns, times.max_ns), (2, 40_000_000, 40_000_000));
    let within: Vec<u64> = times.buckets.iter().map(|bucket| bucket.count).collect();
    assert_eq!((within[4], within[5], within.last()), (0, 2, Some(&2)), "20 ms, 50 ms, 32 s");
    assert_eq!((members.requests.as_slice(), members.responses.len()), ([count("BYE", 1)].as_slice(), 0));
}

#[test]
fn another_sample_begins_anew_and_zero_takes_all_of_it_home() {
    let mut bench = counting(10);
    see(&mut bench, 0, &text("INVITE sip:a@b SIP/2.0", "a"), 5, false);
    assert_eq!(report(&mut bench).rows.len(), 1);
    see(&mut bench, 0, &text("INVITE sip:a@b SIP/2.0", "b"), 5, false);
    bench.run(700);
    let since = report(&mut bench).since;
    see(&mut bench, 0, &text("INVITE sip:a@b SIP/2.0", "c"), 5, false);
    change_file(&mut bench, |file| file.intent.sip.sample = 5);
    bench.run(1_200);
    let said = report(&mut bench);
    assert_eq!((said.sample, said.rows.len()), (5, 0), "what was counted by another sample is not among it");
    assert!(said.since > since);
    see(&mut bench, 0, &text("INVITE sip:a@b SIP/2.0", "d"), 5, false);
    assert_eq!(report(&mut bench).rows.len(), 1);
    change_file(&mut bench, |file| file.intent.timeouts.udp *= 2);
    bench.run(700);
    assert_eq!(report(&mut bench).rows.len(), 1, "another key changes nothing");
    change_file(&mut bench, |file| file.intent.sip.sample = 0);
    bench.run(1_200);
    assert!(!bench.sip(0).is_on() && !bench.sip(1).is_on());
    assert_eq!(report(&mut bench).rows.len(), 0);
    change_file(&mut bench, |file| file.intent.sip.sample = 1);
    bench.run(600);
    assert_eq!(report(&mut bench).rows.len(), 0);
}

/// Whoever reads sums from time to time takes one that falls for one that has begun anew.
#[test]
fn what_was_counted_at_a_port_stays_with_its_virtual_server_when_the_port_is_taken_out() {
    let mut bench = counting(1);
    let [second, third] = [5070, 5080].map(|port| Listen { port, protocol: Protocol::Udp });
    change_file(&mut bench, |file| file.intent.virtual_servers[0].listen.push(second));
    let ask = |bench: &mut Bench, port, call: &str| {
        see_at(bench, port, &text("INVITE sip:a@b SIP/2.0", call));
        see_at(bench, port, "\r\n\r\n");
        bench.now += Duration::from_secs(9);
        see_at(bench, port, "\r\n\r\n");
    };
    ask(&mut bench, 5060, "a");
    ask(&mut bench, 5070, "b");
    let seen = |bench: &mut Bench| {
        let said = report(bench);
        let requests: Vec<_> = said.rows.iter().flat_map(|row| row.requests.clone()).collect();
        (requests, said.refreshes.iter().map(|row| row.keep_alives).collect::<Vec<_>>())
    };
    assert_eq!(seen(&mut bench), (vec![count("INVITE", 2)], vec![2]));
    // This is returned when the port is gone.
    see_at(&mut bench, 5070, &text("INVITE sip:a@b SIP/2.0", "c"));
    change_file(&mut bench, |file| file.intent.virtual_servers[0].listen.retain(|listen| listen.port != 5070));
    assert_eq!(
        seen(&mut bench),
        (vec![count("INVITE", 3)], vec![1]),
        "how clients stay reachable is said of ports there are"
    );
    change_file(&mut bench, |file| file.intent.virtual_servers[0].listen.push(third));
    assert_eq!(seen(&mut bench).0, [count("INVITE", 3)], "after one more reload");
    change_file(&mut bench, |file| file.intent.virtual_servers[0].name = "sip-2".into());
    assert_eq!(seen(&mut bench).0, [count("INVITE", 1)], "it is another virtual server");
}

#[test]
fn names_are_those_of_the_file_when_another_virtual_server_is_gone() {
    let mut bench = Bench::settled();
    change_file(&mut bench, |file| {
        file.intent.sip.sample = 1;
        let first = file.intent.virtual_servers[0].clone();
        file.intent.virtual_servers.push(VirtualServer {
            name: "sip-2".into(),
            address: [10, 20, 0, 150].into(),
            ..first
        });
    });
    change_file(&mut bench, |file| {
        file.intent.virtual_servers.remove(0);
    });
    bench.run(600);
    let intent = bench.controller.intent();
    let names: Vec<_> = intent.virtual_servers.iter().map(|server| server.name.as_str()).collect();
    assert_eq!(names, ["sip-2"]);
    see(&mut bench, 0, &text("INVITE sip:a@b SIP/2.0", "a"), 5, false);
    see(&mut bench, 0, &text("SIP/2.0 200 OK", "a"), 5, true);
    let said = report(&mut bench);
    assert_eq!(said.rows.iter().map(|row| row.virtual_server.as_str()).collect::<Vec<_>>(), ["sip-2"]);
}

#[test]
fn a_worker_that_sleeps_holds_up_nobody_for_long() {
    let mut bench = counting(1);
    see(&mut bench, 0, &text("INVITE sip:a@b SIP/2.0", "a"), 5, false);
    bench.sleep(1, true);
    let answer = bench.ask_and_wait(Request::Sip {}, 2_100).unwrap();
    let Data::Sip(report) = answer.data else { panic!("{answer:?}") };
    assert_eq!(report.rows.len(), 1);
    bench.sleep(1, false);
}

/// What clients send: so many seconds lie between keep-alives of one client after another, so many are registered for as long, and so many
/// seconds pass in which nothing is seen.
struct Habits<'a> {
    spans: &'a [u64],
    expires: &'a [u32],
    quiet: u64,
}

fn warnings(habits: &Habits, is_shared: bool) -> Vec<String> {
    let mut bench = Bench::settled();
    change_file(&mut bench, |file| {
        file.intent.sip.sample = 1;
        if is_shared {
            file.intent.pools.iter_mut().for_each(|pool| pool.mode = Mode::RoundRobin);
        }
    });
    bench.run(600);
    for (client, span) in (1..).zip(habits.spans) {
        see(&mut bench, 0, "\r\n\r\n", client, false);
        bench.now += Duration::from_secs(*span);
        see(&mut bench, 0, "\r\n\r\n", client, false);
    }
    for (number, expires) in habits.expires.iter().enumerate() {
        let ok = format!(
            "SIP/2.0 200 OK\r\nCall-ID: r{number}\r\nCSeq: 1 REGISTER\r\nContact: <sip:1@h>;expires={expires}\r\n\r\n"
        );
        see(&mut bench, 0, &ok, 5, true);
    }
    bench.now += Duration::from_secs(habits.quiet);
    let report = report(&mut bench);
    for row in &report.refreshes {
        assert_eq!(row.udp_timeout_s, is_shared.then_some(300));
        assert_eq!((row.keep_alives, row.registrations), (habits.spans.len() as u64, habits.expires.len() as u64));
    }
    report.warnings
}

/// `[timeouts] udp` is 300 s.
#[test]
fn what_comes_too_seldom_for_udp_flows_is_a_warning_where_flows_carry_it() {
    let half = "half of the keep-alives that were seen come 312 s or more after the one before, [timeouts] udp is 300 s: too short by 12 s";
    let tenth = "one in ten of the keep-alives that were seen comes 302 s or more after the one before, [timeouts] udp is 300 s: too \
                 short by 2 s";
    let none = "in 600 s no keep-alive followed another, and half of the registrations that were seen last 3600 s or more, [timeouts] udp is 300 s: \
                too short by 3300 s";
    let mostly = |count: usize, often: u64, late: &[u64]| [&vec![often; count][..], late].concat();
    type Case<'c> = (&'c [u64], &'c [u32], u64, Option<&'c str>);
    let rows: [Case<'_>; 13] = [
        (&[312, 312, 312], &[], 0, Some(half)),
        (&[312, 312, 312], &[3_600], 0, Some(half)),
        (&[30, 300, 30], &[3_600], 0, None),
        // Registrations renew the flow by themselves.
        (&[312, 312, 312], &[60, 60, 3_600], 0, None),
        (&mostly(20, 30, &[310; 3]), &[300], 0, None),
        // One in ten, which is known to a sixteenth, and one alone.
        (&mostly(20, 30, &[310; 3]), &[], 0, Some(tenth)),
        (&mostly(20, 30, &[3_000]), &[], 0, None),
        (&[30, 30, 310], &[3_600], 0, None),
        (&[3_000], &[3_600], 0, None),
        // Nobody can say yet that none come.
        (&[], &[3_600], 0, None),
        (&[], &[3_600], 598, None),
        (&[], &[3_600], 600, Some(none)),
        (&[], &[300, 60, 3_600], 600, None),
    ];
    for (spans, expires, quiet, said) in rows {
        let habits = Habits { spans, expires, quiet };
        let remedy = "a client loses its flow in between, and may go to another member: write a longer [timeouts] udp, or have \
                      clients send more often";
        let expected: Vec<String> =
            said.map(|said| format!("virtual server sip-1: {said}; {remedy}")).into_iter().collect();
        assert_eq!(warnings(&habits, true), expected, "{spans:?} {expires:?} {quiet}");
        assert_eq!(warnings(&habits, false), [""; 0], "{spans:?} {expires:?} {quiet}");
    }
    let nobody = Habits { spans: &[], expires: &[], quiet: 9_000 };
    assert_eq!(warnings(&nobody, true), [""; 0], "nobody is there");
}
