//! Probes over TCP and TLS.

use super::certificates::server;
use super::server::Says;
use super::*;
use crate::monitor::sip_answer::read_datagram;

fn tcp(port: u16) -> Monitor {
    monitor(MonitorKind::Tcp { port })
}

fn ok(request: &[u8]) -> Says {
    Says::Bytes(sip_answer(request, "200 OK"))
}

#[test]
fn a_connect_probe_is_good_at_the_syn_ack_and_closes_cleanly() {
    let (mut bench, mut member) = (Bench::new(), Server::new(5060, None, |_: &[u8]| Says::Nothing));
    let (outcome, took) = bench.probe(&tcp(5060), &mut member);
    assert!(is_good_after(&outcome, "connected", 2), "{outcome:?}");
    assert_eq!((took, member.accepted, member.closed_cleanly), (Duration::from_millis(2), 1, 1));
}

#[test]
fn a_refused_connection_fails_at_once() {
    let (mut bench, mut member) = (Bench::new(), Server::new(5060, None, |_: &[u8]| Says::Nothing));
    for kind in [MonitorKind::Tcp { port: 5070 }, MonitorKind::TcpHalfOpen { port: 5070 }] {
        let (outcome, took) = bench.probe(&monitor(kind), &mut member);
        assert_eq!(outcome, failure("port 5070/tcp is closed (connection refused)"));
        assert_eq!(took, Duration::from_millis(2));
    }
}

#[test]
fn a_half_open_probe_leaves_no_connection_behind() {
    let (mut bench, mut member) = (Bench::new(), Server::new(5060, None, |_: &[u8]| Says::Nothing));
    let (outcome, _) = bench.probe(&monitor(MonitorKind::TcpHalfOpen { port: 5060 }), &mut member);
    assert!(is_good_after(&outcome, "SYN-ACK", 2), "{outcome:?}");
    assert_eq!((member.accepted, bench.sent.len()), (0, 2), "a SYN and a reset, and nothing was accepted");
    let Some(Received::Segment { marks, .. }) = read(&bench.sent[1]) else { panic!("no segment") };
    assert!(marks.flags.rst() && !marks.flags.ack());
}

#[test]
fn a_silent_member_is_told_by_how_far_the_probe_came() {
    let mut nobody = Answers::new(|_: Received<'_>, _: &[u8]| vec![]);
    let (outcome, took) = Bench::new().probe(&tcp(5060), &mut nobody);
    assert_eq!((outcome, took), (failure("port 5060/tcp did not answer in 400ms"), Duration::from_millis(400)));
    let half = monitor(MonitorKind::TcpHalfOpen { port: 5060 });
    assert_eq!(Bench::new().probe(&half, &mut nobody).0, Outcome::Timeout);
    let mut deaf = Server::new(5060, None, |_: &[u8]| Says::Nothing);
    let (outcome, _) = Bench::new().probe(&sip(SipTransport::Tcp), &mut deaf);
    assert_eq!(outcome, failure("connected, but no answer in 400ms"), "31: an open port is not a living server");
    let mut deaf = Server::new(5061, None, |_: &[u8]| Says::Nothing);
    let (outcome, _) = Bench::new().probe(&sip(SipTransport::Tls), &mut deaf);
    assert_eq!(outcome, failure("connected, but the TLS handshake was not finished in 400ms"));
}

#[test]
fn sip_over_tcp_asks_and_closes_after_the_answer() {
    let (mut bench, mut member) = (Bench::new(), Server::new(5060, None, ok));
    let (outcome, took) = bench.probe(&sip(SipTransport::Tcp), &mut member);
    assert!(is_good_after(&outcome, "200 OK", 4), "{outcome:?}");
    assert_eq!((took, member.closed_cleanly), (Duration::from_millis(4), 1));
    let busy = |request: &[u8]| Says::Bytes(sip_answer(request, "503 Service Unavailable"));
    let (outcome, _) = bench.probe(&sip(SipTransport::Tcp), &mut Server::new(5060, None, busy));
    assert_eq!(outcome, failure("503 Service Unavailable is not among up_codes 1xx, 2xx, 3xx"));
}

#[test]
fn a_server_that_does_not_speak_tls_or_sip_fails_in_words() {
    let (mut bench, chatter) = (Bench::new(), |_: &[u8]| Says::Bytes(b"220 mail.example ESMTP\r\n".to_vec()));
    let (outcome, _) = bench.probe(&sip(SipTransport::Tls), &mut Server::new(5061, None, chatter));
    assert_eq!(outcome, failure("TLS failed: what the server sends is not TLS"));
    let (outcome, _) = bench.probe(&sip(SipTransport::Tcp), &mut Server::new(5060, None, chatter));
    assert_eq!(outcome, failure("answered, but not in SIP: the message does not begin with a line of SIP/2.0"));
}

#[test]
fn a_connection_lost_before_the_answer_fails_at_once() {
    let rows = [
        (SipTransport::Tcp, 5060, "connected, but the connection was reset before an answer came"),
        (SipTransport::Tcp, 5060, "connected, but the connection was closed by the member before an answer came"),
        (SipTransport::Tls, 5061, "connected, but the connection was reset in the TLS handshake"),
    ];
    for (transport, port, reason) in rows {
        let service = |_: &[u8]| if reason.contains("reset") { Says::Reset } else { Says::Close };
        let (outcome, took) = Bench::new().probe(&sip(transport), &mut Server::new(port, None, service));
        assert_eq!(outcome, failure(reason));
        assert!(took < Duration::from_millis(10), "{took:?}");
    }
}

#[test]
fn stale_answers_and_requests_on_a_connection_are_passed_over() {
    let mut old = None;
    let mut bench = Bench::new();
    let stale_first = |request: &[u8]| {
        let stale = old.replace(request.to_vec());
        let mut bytes = stale.map(|stale| sip_answer(&stale, "200 OK")).unwrap_or_default();
        bytes.extend_from_slice(b"\r\nOPTIONS sip:fairlead@10.20.0.1 SIP/2.0\r\nl: 0\r\n\r\n");
        bytes.extend(sip_answer(request, "404 Not Found"));
        Says::Bytes(bytes)
    };
    let mut member = Server::new(5060, None, stale_first);
    for _ in 0..2 {
        let (outcome, _) = bench.probe(&sip(SipTransport::Tcp), &mut member);
        assert_eq!(outcome, failure("404 Not Found is not among up_codes 1xx, 2xx, 3xx"));
    }
}

#[test]
fn what_came_over_a_connection_instead_of_an_answer_is_told() {
    type Spoil = fn(&str) -> String;
    let rows: [(Spoil, &str); 3] = [
        (|answer| answer.replace(" OPTIONS", " options"), "an answer came whose CSeq is "),
        (|answer| answer.replace("\r\n\r\n", "\r\n"), ", without an empty line after the header"),
        (|answer| answer.replace("Length: 0", "Length: 9"), ", fewer than its Content-Length says"),
    ];
    for (spoil, words) in rows {
        let service = |request: &[u8]| {
            Says::Bytes(spoil(&String::from_utf8(sip_answer(request, "200 OK")).unwrap()).into_bytes())
        };
        let (outcome, took) = Bench::new().probe(&sip(SipTransport::Tcp), &mut Server::new(5060, None, service));
        let told = |reason: &str| reason.starts_with("connected, but no answer in 400ms: ") && reason.contains(words);
        assert!(matches!(&outcome, Outcome::Failed { reason } if told(reason)), "{outcome:?}");
        assert_eq!(took, Duration::from_millis(400));
    }
}

#[test]
fn answers_with_bare_line_feeds_and_quoted_strings_are_read_over_tcp_and_tls() {
    for (transport, port) in [(SipTransport::Tcp, 5060), (SipTransport::Tls, 5061)] {
        let service = |request: &[u8]| {
            let answer = String::from_utf8(sip_answer(request, "200 OK")).unwrap();
            Says::Bytes(answer.replace(";rport", r#";x="a;b,c=d""#).replace("\r\n", "\n").into_bytes())
        };
        let tls = (transport == SipTransport::Tls).then(|| server(|_| {}));
        let (outcome, _) = Bench::new().probe(&sip(transport), &mut Server::new(port, tls, service));
        assert!(is_good(&outcome, "200 OK"), "{transport:?}: {outcome:?}");
    }
}

#[test]
fn a_provisional_answer_that_does_not_count_is_waited_out() {
    let mut monitor = sip(SipTransport::Tcp);
    let MonitorKind::Sip(probe) = &mut monitor.kind else { panic!("not SIP") };
    probe.up_codes.remove(0);
    let two =
        |request: &[u8]| Says::Bytes([sip_answer(request, "100 Trying"), sip_answer(request, "200 Fine")].concat());
    let (outcome, _) = Bench::new().probe(&monitor, &mut Server::new(5060, None, two));
    assert!(is_good(&outcome, "200 Fine"), "{outcome:?}");
}

#[test]
fn a_half_open_probe_heeds_only_what_acknowledges_its_syn() {
    let stale = |received: Received<'_>, datagram: &[u8]| {
        let Received::Segment { tuple, marks } = received else { return vec![] };
        if marks.flags.rst() {
            return vec![];
        }
        // A mirrored SYN, and a reset and a SYN that acknowledge nothing of ours.
        let mut mirrored = datagram.to_vec();
        mirrored[12..20].rotate_left(4);
        vec![mirrored, packet::reset(tuple.dst, tuple.src, 7), packet::syn(tuple.dst, tuple.src, 9)]
    };
    let (outcome, took) =
        Bench::new().probe(&monitor(MonitorKind::TcpHalfOpen { port: 5060 }), &mut Answers::new(stale));
    assert_eq!((outcome, took), (Outcome::Timeout, Duration::from_millis(400)));
}

#[test]
fn many_probes_at_once_each_get_their_own_answer() {
    let (mut bench, mut member) = (Bench::new(), Server::new(5060, None, ok));
    let monitor = Monitor { timeout: Duration::from_secs(30), ..sip(SipTransport::Tcp) };
    let ids: Vec<ProbeId> = (0..50).map(|_| bench.start(&monitor)).collect();
    assert_eq!(bench.host.probes.len(), 50);
    let outcomes = bench.run(&mut member, Duration::from_secs(40));
    let mut ended: Vec<ProbeId> = outcomes.iter().map(|(id, ..)| *id).collect();
    ended.sort();
    assert_eq!(ended, ids);
    assert!(outcomes.iter().all(|(_, outcome, _)| is_good(outcome, "200 OK")), "{outcomes:?}");
    bench.assert_empty();
}

#[test]
fn a_connection_whose_time_is_up_is_reset() {
    let (mut bench, mut member) = (Bench::new(), Server::new(5060, None, |_: &[u8]| Says::Nothing));
    let id = bench.start(&sip(SipTransport::Tcp));
    assert_eq!(bench.run(&mut member, Duration::from_millis(50)), vec![]);
    let outcomes = bench.run(&mut member, Duration::from_secs(2));
    assert!(matches!(outcomes[..], [(ended, Outcome::Failed { .. }, _)] if ended == id), "{outcomes:?}");
    let last = read(bench.sent.last().unwrap()).unwrap();
    assert!(matches!(last, Received::Segment { marks, .. } if marks.flags.rst()), "{last:?}");
    bench.assert_empty();
}

#[test]
fn a_member_that_never_closes_its_side_holds_nothing_of_ours_for_long() {
    // It acknowledges the FIN, and then its host dies.
    let (mut bench, mut member) = (Bench::new(), Server::new(5060, None, |_: &[u8]| Says::Nothing));
    bench.start(&tcp(5060));
    let outcomes = bench.run(&mut member, Duration::from_millis(2));
    assert!(outcomes.iter().all(|(_, outcome, _)| is_good(outcome, "connected")) && outcomes.len() == 1);
    bench.run(&mut Answers::new(|_: Received<'_>, _: &[u8]| vec![]), Duration::from_millis(1100));
    bench.assert_empty();
}

#[test]
fn two_requests_never_wear_the_same_identity() {
    let mut requests: Vec<Vec<u8>> = Vec::new();
    let mut bench = Bench::new();
    for _ in 0..3 {
        let keep = |request: &[u8]| {
            requests.push(request.to_vec());
            ok(request)
        };
        bench.probe(&sip(SipTransport::Tcp), &mut Server::new(5060, None, keep));
    }
    let answers: Vec<_> =
        requests.iter().map(|request| read_datagram(&sip_answer(request, "200 OK")).unwrap()).collect();
    for (place, one) in answers.iter().enumerate() {
        for other in &answers[place + 1..] {
            assert!(one.branch != other.branch && one.call_id != other.call_id);
        }
    }
}
