//! Monitors, host stack and election together: a pair of SIP Servers over bytes (scenarios 16, 18, 29, 31, 32).

use super::datagrams::icmp_error;
use super::*;
use crate::monitor::Monitors;
use crate::monitor::election::{Ballot, Candidate, Choice, Keeps, choose};
use crate::policy::Intent;
use crate::policy::health::State;
use crate::policy::intent::*;

const B: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 12);
const MEMBERS: [Ipv4Addr; 2] = [A, B];

/// How a member behaves at an instant.
#[derive(Clone, Copy, PartialEq)]
enum Behaves {
    Answers,
    PortClosed,
    Silent,
}

struct Pair {
    host: HostStack,
    monitors: Monitors,
    intent: Intent,
    active: Option<MemberId>,
    /// What was chosen, when, and when the member that lost had last answered.
    choices: Vec<(Instant, Choice, Option<Instant>)>,
}

fn intent() -> Intent {
    let member = |name: &str, address| Member::new(name, address, PoolId(0), WIRE);
    let mut options = sip(SipTransport::Udp);
    options.name = "sip-options".into();
    (options.interval, options.timeout) = (Duration::from_millis(200), Duration::from_millis(200));
    (options.rise, options.fall) = (2, 2);
    Intent {
        ports: vec![],
        interfaces: vec![].into(),
        routes: vec![],
        monitors: vec![options].into(),
        pools: vec![Pool {
            name: "pair-1".into(),
            members: vec![MemberId(0), MemberId(1)],
            monitors: vec![MonitorId(0)],
            require: 1,
            ..Pool::default()
        }]
        .into(),
        members: vec![member("sip-a", A), member("sip-b", B)].into(),
        virtual_servers: vec![].into(),
        snats: vec![],
        direct_access: DirectAccess::default(),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
        sip: Default::default(),
        pair: None,
        learned: Default::default(),
        neighbours: vec![],
        lives: Default::default(),
    }
}

impl Pair {
    fn new(seed: u64) -> Pair {
        let (mut host, intent) = (HostStack::new(seed, Instant::ZERO), intent());
        host.set_addresses([(WIRE, US)].into_iter(), Instant::ZERO);
        let monitors = Monitors::new(&intent, seed, Instant::ZERO);
        Pair { host, monitors, intent, active: None, choices: Vec::new() }
    }

    fn elect(&mut self, now: Instant) {
        let candidates: Vec<Candidate<'_>> = (0..2)
            .map(|place| {
                let (member, verdict) = (MemberId(place), self.monitors.verdict(MemberId(place)));
                let name = self.intent.members[member.index()].name.as_str();
                let is_lost = verdict.state == State::Down;
                Candidate {
                    member,
                    name,
                    state: verdict.state,
                    reason: &verdict.reason,
                    is_lost,
                    says: verdict.says,
                    is_reserve: false,
                }
            })
            .collect();
        let pool = &self.intent.pools[0];
        let (fail_back, keeps) = (pool.fail_back, Keeps::Nobody);
        let ballot = Ballot { candidates: &candidates, current: self.active, forced: None, fail_back, keeps };
        let choice = choose(&ballot);
        let lost = self.active.and_then(|member| self.monitors.deciding(member)).and_then(|check| check.last_good);
        if choice.active != self.active || choice.alarm.is_some() {
            self.active = choice.active;
            self.choices.push((now, choice, lost));
        }
    }

    /// Runs from 0 to `end`, a millisecond a turn; `behaves` says how a member behaves.
    fn run(&mut self, end: u64, behaves: impl Fn(Ipv4Addr, u64) -> Behaves) {
        let mut answers: Vec<Vec<u8>> = Vec::new();
        for millis in 0..end {
            let now = Instant::from_millis(millis);
            for datagram in answers.drain(..) {
                deliver(&mut self.host, &datagram, now);
            }
            self.host.poll(now);
            let states = |monitors: &Monitors| [0, 1].map(|at| monitors.verdict(MemberId(at)).state);
            let before = states(&self.monitors);
            while let Some((probe, outcome)) = self.host.next_outcome() {
                self.monitors.on_outcome(probe, outcome, now);
            }
            while let Some(start) = self.monitors.poll(now) {
                let monitor = &self.intent.monitors[start.monitor.index()];
                self.host.start(start.probe, monitor, US, MEMBERS[start.member.index()], now);
            }
            if states(&self.monitors) != before {
                self.elect(now);
            }
            while let Some((_, datagram)) = self.host.next_transmit() {
                let Some(Received::Datagram { tuple, payload }) = read(&datagram) else { continue };
                answers.extend(match behaves(tuple.dst.addr, millis) {
                    Behaves::Answers => Some(packet::udp(tuple.dst, tuple.src, &sip_answer(payload, "200 OK"))),
                    Behaves::PortClosed => Some(icmp_error(tuple.dst.addr, 3, 3, &datagram, 8)),
                    Behaves::Silent => None,
                });
            }
        }
    }
}

#[test]
fn the_member_that_answers_becomes_active_and_the_reasons_say_so() {
    let mut pair = Pair::new(1);
    pair.run(1000, |member, _| if member == A { Behaves::Answers } else { Behaves::PortClosed });
    assert_eq!(pair.choices.len(), 1, "{:?}", pair.choices);
    let (when, choice, _) = &pair.choices[0];
    assert!(*when < Instant::from_millis(5), "after rise answers: {when:?}");
    assert_eq!((choice.active, choice.reason.as_str()), (Some(MemberId(0)), "sip-a answers: sip-options: 200 OK"));
    let verdict = pair.monitors.verdict(MemberId(1));
    let reason = "sip-options: port 5060/udp is closed (ICMP port unreachable) (2 of 2)";
    assert_eq!((verdict.state, verdict.reason.as_str()), (State::Down, reason));
}

#[test]
fn a_switchover_is_detected_within_700_ms_of_the_last_good_answer() {
    for (seed, death) in (0..12).map(|seed| (seed, if seed % 2 == 0 { Behaves::Silent } else { Behaves::PortClosed })) {
        let mut pair = Pair::new(seed);
        let died = 2000 + 17 * seed;
        pair.run(4000, |member, millis| match (member == A, millis < died) {
            (true, true) | (false, false) => Behaves::Answers,
            (true, false) => death,
            (false, true) => Behaves::PortClosed,
        });
        // B is asked as soon as A fails once, so it is known by the time A is down, or a millisecond later.
        let (_, lost, last_good) =
            pair.choices.iter().skip(1).find(|(_, choice, _)| choice.active != Some(MemberId(0))).unwrap();
        let expected = match death {
            Behaves::Silent => "sip-a is down (sip-options: no answer in 200ms (2 of 2))",
            _ => "sip-a is down (sip-options: port 5060/udp is closed (ICMP port unreachable) (2 of 2))",
        };
        assert!(lost.reason.contains(expected), "{}", lost.reason);
        let (when, choice, _) = pair.choices.last().unwrap();
        assert_eq!(choice.active, Some(MemberId(1)), "{:?}", pair.choices);
        let took = *when - last_good.unwrap();
        assert!(took < Duration::from_millis(700), "{took:?}");
    }
}

#[test]
fn a_standby_that_opens_its_port_without_answering_never_becomes_active() {
    let mut pair = Pair::new(3);
    pair.run(20_000, |member, millis| match (member == A, millis % 1000 < 50) {
        (true, _) => Behaves::Answers,
        (false, true) => Behaves::Silent,
        (false, false) => Behaves::PortClosed,
    });
    assert_eq!((pair.active, pair.choices.len()), (Some(MemberId(0)), 1), "{:?}", pair.choices);
    let row = pair.monitors.checks(MemberId(1)).next().unwrap();
    assert_eq!((row.state, row.last_good), (State::Down, None));
}

#[test]
fn one_lost_answer_moves_nobody_and_the_old_active_does_not_fail_back() {
    let mut pair = Pair::new(4);
    let lossy = |millis: u64| millis % 1000 < 200;
    pair.run(10_000, |member, millis| match (member == A, millis) {
        (true, 0..4000) if lossy(millis) => Behaves::Silent,
        (true, 5000..6000) => Behaves::PortClosed,
        (true, _) => Behaves::Answers,
        (false, 0..5000) => Behaves::PortClosed,
        (false, _) => Behaves::Answers,
    });
    let actives: Vec<Option<MemberId>> = pair.choices.iter().map(|(_, choice, _)| choice.active).collect();
    let (a, b) = (Some(MemberId(0)), Some(MemberId(1)));
    assert_eq!(actives.first(), Some(&a));
    assert_eq!(pair.active, b, "A recovers and does not come back by itself");
    let moves = actives.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(moves <= 2, "{:?}", pair.choices);
    let alarm = pair.choices.last().and_then(|(_, choice, _)| choice.alarm.clone());
    assert_eq!(
        alarm.as_deref(),
        Some("2 members answer (sip-a, sip-b); sip-b is active, the pair should agree on one")
    );
}
