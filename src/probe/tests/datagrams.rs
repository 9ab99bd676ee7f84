//! Probes over UDP and ICMP, what ICMP errors mean to them, and what a probe leaves behind.

use super::*;
use proptest::prelude::*;
use smoltcp::wire::{IPV4_HEADER_LEN, Icmpv4Packet, Ipv4Packet};

fn udp(send: &str, receive: &str) -> Monitor {
    monitor(MonitorKind::Udp { port: 7, send: send.into(), receive: receive.into() })
}

fn echo_monitor() -> Monitor {
    monitor(MonitorKind::Icmp)
}

/// The answer to a datagram, from its own end.
fn reply(tuple: Tuple, payload: &[u8]) -> Vec<u8> {
    packet::udp(tuple.dst, tuple.src, payload)
}

/// A SIP Server over UDP that answers with `status`.
fn server(status: &'static str) -> Answers<impl FnMut(Received<'_>, &[u8]) -> Vec<Vec<u8>>> {
    Answers::new(move |received, _| match received {
        Received::Datagram { tuple, payload } => vec![reply(tuple, &sip_answer(payload, status))],
        _ => vec![],
    })
}

/// Turns an echo request into its reply after `change`.
fn echoed(datagram: &[u8], change: impl FnOnce(&mut Icmpv4Packet<&mut [u8]>)) -> Vec<u8> {
    let mut answer = datagram.to_vec();
    answer[12..20].rotate_left(4);
    let mut icmp = Icmpv4Packet::new_unchecked(&mut answer[IPV4_HEADER_LEN..]);
    icmp.set_msg_type(smoltcp::wire::Icmpv4Message::EchoReply);
    change(&mut icmp);
    icmp.fill_checksum();
    answer
}

/// An ICMP error from `from` that quotes the IP header and `bytes` bytes of `quoted`.
pub fn icmp_error(from: Ipv4Addr, kind: u8, code: u8, quoted: &[u8], bytes: usize) -> Vec<u8> {
    let quote = &quoted[..(IPV4_HEADER_LEN + bytes).min(quoted.len())];
    // The frame of an echo request serves as the mould: IP header, and eight bytes before the payload.
    let mut error = packet::echo(from, US, 0, quote);
    let mut icmp = Icmpv4Packet::new_unchecked(&mut error[IPV4_HEADER_LEN..]);
    icmp.set_msg_type(kind.into());
    icmp.set_msg_code(code);
    icmp.fill_checksum();
    error
}

#[test]
fn an_echo_is_good_only_with_its_own_payload_and_identifier() {
    let (mut bench, same) = (Bench::new(), |_: Received<'_>, datagram: &[u8]| vec![echoed(datagram, |_| {})]);
    let (outcome, took) = bench.probe(&echo_monitor(), &mut Answers::new(same));
    assert!(is_good_after(&outcome, "echo reply", 2), "{outcome:?}");
    assert_eq!(took, Duration::from_millis(2));
    let other = |_: Received<'_>, datagram: &[u8]| vec![echoed(datagram, |icmp| icmp.data_mut()[0] ^= 1)];
    let (outcome, _) = bench.probe(&echo_monitor(), &mut Answers::new(other));
    assert_eq!(outcome, failure("the echo reply does not carry what the request did"));
    let stranger = |_: Received<'_>, datagram: &[u8]| {
        vec![echoed(datagram, |icmp| icmp.set_echo_ident(icmp.echo_ident().wrapping_add(1)))]
    };
    assert_eq!(bench.probe(&echo_monitor(), &mut Answers::new(stranger)).0, Outcome::Timeout);
}

#[test]
fn a_datagram_probe_is_good_when_the_answer_contains_what_is_expected() {
    let mut echo = Answers::new(|received: Received<'_>, _: &[u8]| match received {
        Received::Datagram { tuple, payload } => vec![reply(tuple, payload)],
        _ => vec![],
    });
    let rows = [
        (udp("ping", ""), Ok("answer of 4 bytes")),
        (udp("ping", "in"), Ok("answer of 4 bytes")),
        (udp("", ""), Ok("answer of 0 bytes")),
        (udp("ping", "pong"), Err("an answer of 4 bytes does not contain what is expected")),
    ];
    for (monitor, expected) in rows {
        match (Bench::new().probe(&monitor, &mut echo).0, expected) {
            (Outcome::Good { detail, .. }, Ok(words)) => assert_eq!(detail, words),
            (outcome, Err(words)) => assert_eq!(outcome, failure(words)),
            (outcome, Ok(words)) => panic!("{outcome:?} instead of {words}"),
        }
    }
}

#[test]
fn a_sip_answer_is_judged_by_its_code() {
    let mut bench = Bench::new();
    let (outcome, took) = bench.probe(&sip(SipTransport::Udp), &mut server("200 OK"));
    assert!(is_good(&outcome, "200 OK") && took == Duration::from_millis(2), "{outcome:?} {took:?}");
    for (status, reason) in [
        ("404 Not Found", "404 Not Found is not among up_codes 1xx, 2xx, 3xx"),
        ("503 Service Unavailable", "503 Service Unavailable is not among up_codes 1xx, 2xx, 3xx"),
    ] {
        assert_eq!(bench.probe(&sip(SipTransport::Udp), &mut server(status)).0, failure(reason));
    }
}

#[test]
fn a_late_answer_to_an_earlier_probe_is_ignored_even_on_the_same_port() {
    let mut first: Option<Vec<u8>> = None;
    let mut stale = Answers::new(|received: Received<'_>, _: &[u8]| match received {
        Received::Datagram { tuple, payload } => {
            let old = first.get_or_insert_with(|| payload.to_vec());
            // Worn by the new probe's addresses and ports, but with the old Call-ID and branch (scenario 34).
            if old == payload { vec![] } else { vec![reply(tuple, &sip_answer(old, "200 OK"))] }
        }
        _ => vec![],
    });
    let mut bench = Bench::new();
    assert_eq!(bench.probe(&sip(SipTransport::Udp), &mut stale).0, Outcome::Timeout);
    let (outcome, _) = bench.probe(&sip(SipTransport::Udp), &mut stale);
    let told =
        matches!(&outcome, Outcome::Failed { reason } if reason.starts_with("an answer came whose branch is z9hG4bK"));
    assert!(told, "{outcome:?}");
    let ports: Vec<u16> = bench.sent.iter().map(|datagram| u16::from_be_bytes([datagram[20], datagram[21]])).collect();
    assert_ne!(ports[0], ports[1]);
}

const OTHER: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 13);

#[test]
fn an_answer_from_another_address_or_port_is_none_and_the_reason_names_both() {
    let udp_from = |from: (Ipv4Addr, u16), answer: fn(&[u8]) -> Vec<u8>| {
        Answers::new(move |received: Received<'_>, _: &[u8]| match received {
            Received::Datagram { tuple, payload } => {
                vec![packet::udp(Endpoint::new(from.0, from.1), tuple.src, &answer(payload))]
            }
            _ => vec![],
        })
    };
    let own = |request: &[u8]| sip_answer(request, "200 OK");
    let rows = [
        (sip(SipTransport::Udp), (A, 5099), "an answer came from 10.20.0.11:5099, not from 10.20.0.11:5060"),
        (sip(SipTransport::Udp), (OTHER, 5060), "an answer came from 10.20.0.13:5060, not from 10.20.0.11:5060"),
        (udp("ping", ""), (OTHER, 7), "an answer came from 10.20.0.13:7, not from 10.20.0.11:7"),
    ];
    for (monitor, from, reason) in rows {
        let answer = if matches!(monitor.kind, MonitorKind::Sip(_)) { own } else { |bytes: &[u8]| bytes.to_vec() };
        let (outcome, took) = Bench::new().probe(&monitor, &mut udp_from(from, answer));
        assert_eq!((outcome, took), (failure(reason), Duration::from_millis(400)));
    }
    let echo = |_: Received<'_>, datagram: &[u8]| {
        let mut reply = echoed(datagram, |_| {});
        reply[15] = 13;
        let mut ip = Ipv4Packet::new_unchecked(&mut reply[..]);
        ip.fill_checksum();
        vec![reply]
    };
    let (outcome, _) = Bench::new().probe(&echo_monitor(), &mut Answers::new(echo));
    assert_eq!(outcome, failure("an answer came from 10.20.0.13, not from 10.20.0.11"));
}

#[test]
fn an_answer_from_elsewhere_does_not_hide_the_right_one_or_what_the_right_place_said() {
    let stray_then = |text: &'static str| {
        Answers::new(move |received: Received<'_>, _: &[u8]| match received {
            Received::Datagram { tuple, payload } => {
                let answer = sip_answer(payload, "200 OK");
                let right = String::from_utf8(answer.clone()).unwrap().replace(" OPTIONS\r\n", text).into_bytes();
                let stray = packet::udp(Endpoint::new(OTHER, 5060), tuple.src, &answer);
                vec![stray.clone(), reply(tuple, &right), stray]
            }
            _ => vec![],
        })
    };
    let (outcome, _) = Bench::new().probe(&sip(SipTransport::Udp), &mut stray_then(" OPTIONS\r\n"));
    assert!(is_good(&outcome, "200 OK"), "{outcome:?}");
    let (outcome, _) = Bench::new().probe(&sip(SipTransport::Udp), &mut stray_then(" options\r\n"));
    let told = |reason: &str| reason.starts_with("an answer came whose CSeq is ") && reason.ends_with(" OPTIONS");
    assert!(matches!(&outcome, Outcome::Failed { reason } if told(reason)), "{outcome:?}");
}

#[test]
fn a_datagram_that_answers_nothing_of_ours_does_not_reach_a_reason() {
    let mut forged = Answers::new(|received: Received<'_>, _: &[u8]| match received {
        Received::Datagram { tuple, payload } => {
            let answer = String::from_utf8(sip_answer(payload, "200 OK")).unwrap().replace("z9hG4bK", "z9hG4bKx");
            vec![packet::udp(Endpoint::new(OTHER, 5060), tuple.src, answer.as_bytes())]
        }
        _ => vec![],
    });
    assert_eq!(Bench::new().probe(&sip(SipTransport::Udp), &mut forged).0, Outcome::Timeout);
}

#[test]
fn an_answer_with_a_wrong_checksum_is_no_answer_and_the_reason_says_so() {
    fn damage(mut datagram: Vec<u8>, at: usize) -> Vec<u8> {
        datagram[at] ^= 0x55;
        datagram
    }
    let reason = |protocol: &str| {
        format!(
            "an answer came whose {protocol} checksum is wrong: where the server's device leaves that to a NIC that is none, as a veth \
             does, `ethtool -K DEVICE tx off` there"
        )
    };
    let mut udp = Answers::new(|received: Received<'_>, _: &[u8]| match received {
        // In the UDP checksum, behind the IP header.
        Received::Datagram { tuple, payload } => vec![damage(reply(tuple, &sip_answer(payload, "200 OK")), 26)],
        _ => vec![],
    });
    assert_eq!(Bench::new().probe(&sip(SipTransport::Udp), &mut udp).0, failure(&reason("UDP")));
    // What else came from there tells more.
    let mut both = Answers::new(|received: Received<'_>, _: &[u8]| match received {
        Received::Datagram { tuple, payload } => {
            vec![reply(tuple, b"hello\r\n\r\n"), damage(reply(tuple, &sip_answer(payload, "200 OK")), 26)]
        }
        _ => vec![],
    });
    let (outcome, _) = Bench::new().probe(&sip(SipTransport::Udp), &mut both);
    assert!(matches!(&outcome, Outcome::Failed { reason } if reason.contains("something else")), "{outcome:?}");
}

#[test]
fn what_came_instead_of_an_answer_is_told() {
    let mut noise = Answers::new(|received: Received<'_>, _: &[u8]| match received {
        Received::Datagram { tuple, .. } => vec![reply(tuple, b"hello\r\n\r\n")],
        _ => vec![],
    });
    let (outcome, _) = Bench::new().probe(&sip(SipTransport::Udp), &mut noise);
    let reason = "no SIP answer in 400ms, but something else: the message does not begin with a line of SIP/2.0";
    assert_eq!(outcome, failure(reason));
}

/// Until the member's MAC is known nothing can be sent to it.
#[test]
fn a_probe_that_waited_is_timed_from_when_it_left() {
    for (monitor, good) in [(sip(SipTransport::Udp), "200 OK"), (udp("x", ""), "answer of 1 bytes")] {
        for answers in [true, false] {
            let mut bench = Bench::new();
            let id = bench.start(&monitor);
            let datagram = bench.host.next_transmit().unwrap().1;
            (0..30).for_each(|_| {
                bench.now += Duration::from_millis(10);
                bench.host.poll(bench.now);
            });
            bench.host.sent(&datagram, bench.now);
            bench.run(&mut Answers::new(|_: Received<'_>, _: &[u8]| vec![]), Duration::from_millis(390));
            assert_eq!(bench.host.next_outcome(), None, "390 ms after it left");
            if answers {
                let Some(Received::Datagram { tuple, payload }) = read(&datagram) else { panic!("no request") };
                let answer = if good == "200 OK" { sip_answer(payload, good) } else { b"y".to_vec() };
                deliver(&mut bench.host, &reply(tuple, &answer), bench.now);
                let outcome = bench.host.next_outcome().unwrap();
                assert!(outcome.0 == id && is_good_after(&outcome.1, good, 390), "{outcome:?}");
            } else {
                let silent = &mut Answers::new(|_: Received<'_>, _: &[u8]| vec![]);
                let ended = bench.run(silent, Duration::from_millis(10));
                assert_eq!(ended, [(id, Outcome::Timeout, bench.now)]);
            }
            bench.assert_empty();
        }
    }
}

#[test]
fn silence_while_the_appliance_was_away_decides_nothing() {
    let began = |monitor: &Monitor| {
        let mut bench = Bench::new();
        bench.start(monitor);
        bench.run(&mut Answers::new(|_: Received<'_>, _: &[u8]| vec![]), Duration::from_millis(20));
        bench
    };
    let ended = |bench: &mut Bench| {
        bench.host.poll(bench.now);
        let outcome = bench.host.next_outcome().map(|(_, outcome)| outcome);
        bench.run(&mut Answers::new(|_: Received<'_>, _: &[u8]| vec![]), Duration::from_secs(2));
        bench.assert_empty();
        outcome
    };
    for monitor in [sip(SipTransport::Udp), sip(SipTransport::Tcp), echo_monitor(), udp("x", "")] {
        let mut bench = began(&monitor);
        bench.now += Duration::from_millis(500);
        assert_eq!(ended(&mut bench), Some(Outcome::AWAY));
    }
    // The answer has lain unread, so it is not known when it came.
    let mut bench = began(&sip(SipTransport::Udp));
    let Some(Received::Datagram { tuple, payload }) = read(&bench.sent[0]) else { panic!("no request") };
    let answer = reply(tuple, &sip_answer(payload, "200 OK"));
    bench.now += Duration::from_millis(500);
    deliver(&mut bench.host, &answer, bench.now);
    assert_eq!(ended(&mut bench), Some(Outcome::AWAY));
    // What the member itself says counts whenever it is read.
    let mut bench = began(&sip(SipTransport::Udp));
    let closed = icmp_error(A, 3, 3, &bench.sent[0], 8);
    bench.now += Duration::from_millis(500);
    deliver(&mut bench.host, &closed, bench.now);
    assert_eq!(ended(&mut bench), Some(failure("port 5060/udp is closed (ICMP port unreachable)")));
    // A worker that did not turn neither sent the request nor brought an answer.
    let mut bench = began(&sip(SipTransport::Udp));
    let stalled = bench.now;
    for _ in 0..10 {
        bench.run(&mut Answers::new(|_: Received<'_>, _: &[u8]| vec![]), Duration::from_millis(35));
        bench.host.see_worker(0, stalled, bench.now);
    }
    bench.now += Duration::from_millis(40);
    assert_eq!(ended(&mut bench), Some(Outcome::AWAY));
}

#[test]
fn icmp_errors_fail_the_probe_they_quote_at_once_and_in_words() {
    let router = Ipv4Addr::new(10, 20, 0, 254);
    let rows = [
        (sip(SipTransport::Udp), A, 3, 3, "port 5060/udp is closed (ICMP port unreachable)"),
        (udp("x", ""), A, 3, 3, "port 7/udp is closed (ICMP port unreachable)"),
        (echo_monitor(), router, 3, 1, "unreachable (ICMP host unreachable from 10.20.0.254)"),
        (sip(SipTransport::Tcp), router, 3, 13, "filtered (ICMP administratively prohibited from 10.20.0.254)"),
        (monitor(MonitorKind::TcpHalfOpen { port: 9 }), A, 3, 3, "port 9/tcp is closed (ICMP port unreachable)"),
        (sip(SipTransport::Tls), A, 3, 2, "tcp is refused (ICMP protocol unreachable from 10.20.0.11)"),
        (sip(SipTransport::Udp), router, 3, 0, "unreachable (ICMP network unreachable from 10.20.0.254)"),
        (sip(SipTransport::Udp), router, 11, 0, "unreachable (ICMP time exceeded from 10.20.0.254)"),
    ];
    for (monitor, from, kind, code, reason) in rows {
        for quoted in [8, 600] {
            let error = |_: Received<'_>, datagram: &[u8]| vec![icmp_error(from, kind, code, datagram, quoted)];
            let (outcome, took) = Bench::new().probe(&monitor, &mut Answers::new(error));
            assert_eq!((outcome, took), (failure(reason), Duration::from_millis(2)));
        }
    }
}

#[test]
fn errors_that_end_nothing_or_quote_another_packet_are_ignored() {
    let errors = |_: Received<'_>, datagram: &[u8]| {
        let mut other_port = datagram.to_vec();
        other_port[21] ^= 1;
        let mut other_source = datagram.to_vec();
        other_source[15] ^= 1;
        let mut damaged = icmp_error(A, 3, 3, datagram, 8);
        damaged[30] ^= 0xff;
        vec![
            icmp_error(A, 3, 4, datagram, 8),
            icmp_error(A, 5, 1, datagram, 8),
            icmp_error(A, 3, 3, datagram, 7),
            icmp_error(A, 3, 3, &other_port, 8),
            icmp_error(A, 3, 3, &other_source, 8),
            damaged,
        ]
    };
    assert_eq!(Bench::new().probe(&sip(SipTransport::Udp), &mut Answers::new(errors)).0, Outcome::Timeout);
}

#[test]
fn an_unreachable_member_fails_its_own_probes_only() {
    let mut bench = Bench::new();
    let (to_a, other) = (bench.start(&sip(SipTransport::Udp)), ProbeId(77));
    let over_tcp = bench.start(&sip(SipTransport::Tcp));
    bench.host.start(other, &echo_monitor(), US, Ipv4Addr::new(10, 20, 0, 12), bench.now);
    bench.host.unreachable(NextHop { interface: WIRE, address: A }, "no answer to ARP", bench.now);
    let ended: Vec<_> = std::iter::from_fn(|| bench.host.next_outcome()).collect();
    assert_eq!(ended, vec![(to_a, failure("no answer to ARP")), (over_tcp, failure("no answer to ARP"))]);
    assert_eq!(bench.host.probes.len(), 1);
}

#[test]
fn who_is_asked_behind_a_router_is_asked_by_it_and_fails_with_it() {
    let (mut bench, far) = (Bench::new(), Ipv4Addr::new(172, 16, 9, 9));
    let router = NextHop { interface: InterfaceId(1), address: Ipv4Addr::new(192, 0, 2, 1) };
    bench.host.set_hops([(far, router)].into());
    bench.host.start(ProbeId(8), &echo_monitor(), US, far, bench.now);
    let near = bench.start(&echo_monitor());
    let hops: Vec<NextHop> = std::iter::from_fn(|| bench.host.next_transmit()).map(|(hop, _)| hop).collect();
    assert_eq!(hops, [router, NextHop { interface: WIRE, address: A }]);
    bench.host.unreachable(router, "no answer to ARP", bench.now);
    assert_eq!(bench.host.next_outcome(), Some((ProbeId(8), failure("no answer to ARP"))));
    assert_eq!((bench.host.next_outcome(), bench.host.probes.contains_key(&near)), (None, true));
}

#[test]
fn addresses_come_and_go() {
    let mut bench = Bench::new();
    let elsewhere = Ipv4Addr::new(10, 99, 0, 1);
    bench.host.start(ProbeId(5), &echo_monitor(), elsewhere, A, bench.now);
    assert_eq!(bench.host.next_deadline(bench.now), Some(bench.now), "an outcome waits to be taken");
    let reason = "10.99.0.1 is not a self-IP: no probe can leave from it";
    assert_eq!(bench.host.next_outcome(), Some((ProbeId(5), failure(reason))));

    let kept = bench.start(&echo_monitor());
    let both = [(WIRE, US), (WIRE, elsewhere)];
    bench.host.set_addresses(both.into_iter(), bench.now);
    assert_eq!((bench.host.probes.len(), bench.host.next_outcome()), (1, None));
    let connecting = bench.start(&sip(SipTransport::Tcp));
    bench.host.set_addresses(both.into_iter().skip(1), bench.now);
    for id in [kept, connecting] {
        assert_eq!(bench.host.next_outcome(), Some((id, failure("the self-IP 10.20.0.1 was taken away"))));
    }
    bench.assert_empty();
}

#[test]
fn every_kind_leaves_from_the_self_ip_with_sound_checksums_and_a_port_of_its_own() {
    let mut bench = Bench::new();
    let kinds = [MonitorKind::Icmp, MonitorKind::TcpHalfOpen { port: 1 }, MonitorKind::Tcp { port: 1 }];
    let monitors = kinds.map(monitor).into_iter().chain([sip(SipTransport::Udp), udp("x", ""), sip(SipTransport::Tls)]);
    let count = monitors.map(|monitor| bench.start(&monitor)).count();
    bench.run(&mut Answers::new(|_: Received<'_>, _: &[u8]| vec![]), Duration::from_millis(10));
    assert_eq!(bench.sent.len(), count);
    let mut ports = std::collections::HashSet::new();
    for datagram in &bench.sent {
        let ip = Ipv4Packet::new_checked(datagram).unwrap();
        assert_eq!((ip.src_addr(), ip.dst_addr(), ip.verify_checksum(), ip.hop_limit()), (US, A, true, 64));
        let ours = match read(datagram) {
            Some(Received::Datagram { tuple, .. } | Received::Segment { tuple, .. }) => tuple.src.port,
            _ => Icmpv4Packet::new_checked(ip.payload()).unwrap().echo_ident(),
        };
        assert!(ours >= 49_152 && ports.insert(ours), "{ours}");
    }
}

#[test]
fn ten_thousand_probes_leave_nothing_behind() {
    let mut bench = Bench::new();
    let monitors = [
        echo_monitor(),
        sip(SipTransport::Udp),
        monitor(MonitorKind::TcpHalfOpen { port: 5060 }),
        monitor(MonitorKind::Tcp { port: 5060 }),
        sip(SipTransport::Tcp),
    ];
    let mut turn = 0;
    let mut mixed = Answers::new(|received: Received<'_>, datagram: &[u8]| {
        turn += 1;
        match (turn % 4, received) {
            (0, _) => vec![],
            (1, _) => vec![icmp_error(A, 3, 3, datagram, 8)],
            (_, Received::Datagram { tuple, payload }) if !payload.is_empty() => {
                vec![reply(tuple, &sip_answer(payload, "200 OK"))]
            }
            (_, Received::Segment { tuple, .. }) => vec![packet::reset(tuple.dst, tuple.src, 1)],
            _ => vec![echoed(datagram, |_| {})],
        }
    });
    let mut ended = 0;
    for _ in 0..100 {
        let ids: Vec<ProbeId> = (0..100).map(|place| bench.start(&monitors[place % monitors.len()])).collect();
        assert_eq!((ids.len(), bench.host.probes.len()), (100, 100));
        ended += bench.run(&mut mixed, Duration::from_millis(1500)).len();
        bench.assert_empty();
        bench.sent.clear();
    }
    assert_eq!(ended, 10_000);
}

proptest! {
    #[test]
    fn no_bytes_from_the_wire_make_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..120), place in 0usize..60, cut in 0usize..200,
    ) {
        let mut bench = Bench::new();
        for monitor in [echo_monitor(), sip(SipTransport::Udp), sip(SipTransport::Tcp)] {
            bench.start(&monitor);
        }
        bench.host.poll(bench.now);
        for (_, datagram) in std::iter::from_fn(|| bench.host.next_transmit()).collect::<Vec<_>>() {
            let mut hostile = datagram.clone();
            hostile[12..20].rotate_left(4);
            if let Some(byte) = hostile.get_mut(place) {
                *byte ^= bytes.first().copied().unwrap_or(1);
            }
            hostile.truncate(cut);
            deliver(&mut bench.host, &hostile, bench.now);
            deliver(&mut bench.host, &icmp_error(A, 3, 3, &hostile, place), bench.now);
        }
        deliver(&mut bench.host, &bytes, bench.now);
        bench.host.poll(bench.now);
    }
}
