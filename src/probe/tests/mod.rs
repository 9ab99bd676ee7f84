//! The host stack against members made of bytes, with the clock in the test's hand.

mod certificates;
mod connections;
pub mod datagrams;
mod http;
mod pair;
mod server;
mod tls;

use super::*;
use crate::policy::intent::{CodeRange, SipProbe};
use crate::time::Duration;
use crate::wire::{Mac, compose};
pub use server::Server;

pub const US: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 1);
pub const A: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 11);
pub const WIRE: InterfaceId = InterfaceId(3);

/// A datagram as a member reads it, with the tuple it came in with.
#[derive(Debug)]
pub enum Received<'a> {
    Datagram { tuple: Tuple, payload: &'a [u8] },
    Segment { tuple: Tuple, marks: Segment },
}

/// Reads a datagram that is neither an echo nor an error.
pub fn read(datagram: &[u8]) -> Option<Received<'_>> {
    let packet = Packet::parse(&frame(datagram)).ok()?;
    match (packet.kind, packet.tuple()?) {
        (Kind::Udp, tuple) => {
            let payload = &datagram[usize::from(packet.l4 - packet.l3) + 8..usize::from(packet.end - packet.l3)];
            Some(Received::Datagram { tuple, payload })
        }
        (Kind::Tcp(marks), tuple) => Some(Received::Segment { tuple, marks }),
        _ => None,
    }
}

fn frame(datagram: &[u8]) -> Vec<u8> {
    compose::ip_frame(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]), None, datagram)
}

/// A datagram reaches the host stack, unless a worker drops it as malformed.
pub fn deliver(host: &mut HostStack, datagram: &[u8], now: Instant) {
    let frame = frame(datagram);
    if let Ok(packet) = Packet::parse(&frame) {
        host.receive(&packet, &frame, now, now);
    }
}

/// What stands on the other side of the wire.
pub trait Peer {
    /// A datagram reaches it.
    fn receive(&mut self, datagram: &[u8], now: Instant);
    /// What it sends now.
    fn send(&mut self, now: Instant) -> Vec<Vec<u8>>;
}

/// A member that is a function from a datagram to the answers to it.
pub struct Answers<F>(pub F, pub Vec<Vec<u8>>);

impl<F: FnMut(Received<'_>, &[u8]) -> Vec<Vec<u8>>> Answers<F> {
    pub fn new(answer: F) -> Answers<F> {
        Answers(answer, Vec::new())
    }
}

impl<F: FnMut(Received<'_>, &[u8]) -> Vec<Vec<u8>>> Peer for Answers<F> {
    fn receive(&mut self, datagram: &[u8], _: Instant) {
        // Seen with the member's eyes an echo request is no answer: it is told as an unread datagram.
        let received = read(datagram);
        let empty = Tuple::new(Protocol::Icmp, Endpoint::new(US, 0), Endpoint::new(A, 0));
        let received = received.unwrap_or(Received::Datagram { tuple: empty, payload: &[] });
        self.1.extend((self.0)(received, datagram));
    }
    fn send(&mut self, _: Instant) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.1)
    }
}

/// A host stack with one self-IP, a wire with a delay of one millisecond each way, and a clock.
pub struct Bench {
    pub host: HostStack,
    pub now: Instant,
    pub sent: Vec<Vec<u8>>,
    on_the_wire: VecDeque<(Instant, bool, Vec<u8>)>,
    next: u64,
}

impl Bench {
    pub fn new() -> Bench {
        let mut host = HostStack::new(42, Instant::ZERO);
        host.set_addresses([(WIRE, US)].into_iter(), Instant::ZERO);
        Bench { host, now: Instant::from_millis(5), sent: Vec::new(), on_the_wire: VecDeque::new(), next: 0 }
    }

    pub fn start(&mut self, monitor: &Monitor) -> ProbeId {
        self.next += 1;
        self.host.start(ProbeId(self.next), monitor, US, A, self.now);
        ProbeId(self.next)
    }

    /// Lets `span` pass; gives the outcomes and when they came.
    pub fn run(&mut self, member: &mut dyn Peer, span: Duration) -> Vec<(ProbeId, Outcome, Instant)> {
        let (end, mut outcomes, mut turns) = (self.now + span, Vec::new(), 0);
        loop {
            while self.on_the_wire.front().is_some_and(|(when, ..)| *when <= self.now) {
                let (_, to_us, datagram) = self.on_the_wire.pop_front().unwrap();
                if to_us {
                    deliver(&mut self.host, &datagram, self.now);
                } else {
                    member.receive(&datagram, self.now);
                }
            }
            self.host.poll(self.now);
            outcomes
                .extend(std::iter::from_fn(|| self.host.next_outcome()).map(|(id, outcome)| (id, outcome, self.now)));
            let arrival = self.now + Duration::from_millis(1);
            for (hop, datagram) in std::iter::from_fn(|| self.host.next_transmit()) {
                assert_eq!(hop, NextHop { interface: WIRE, address: A });
                self.sent.push(datagram.clone());
                self.on_the_wire.push_back((arrival, false, datagram));
            }
            self.on_the_wire.extend(member.send(self.now).into_iter().map(|datagram| (arrival, true, datagram)));
            let wire = self.on_the_wire.front().map(|(when, ..)| *when);
            let next = wire.into_iter().chain(self.host.next_deadline(self.now)).min();
            match next {
                Some(next) if next <= end => {
                    turns = if next > self.now { 0 } else { turns + 1 };
                    assert!(turns < 20, "the clock moves on");
                    self.now = next.max(self.now);
                }
                _ => break,
            }
        }
        self.now = end;
        outcomes
    }

    /// Starts one probe and runs until it is long over; its outcome, how long it took, and nothing is left behind.
    pub fn probe(&mut self, monitor: &Monitor, member: &mut dyn Peer) -> (Outcome, Duration) {
        let (id, began) = (self.start(monitor), self.now);
        let mut outcomes = self.run(member, Duration::from_secs(3));
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        let (ended, outcome, when) = outcomes.remove(0);
        assert_eq!(ended, id);
        self.assert_empty();
        (outcome, when - began)
    }

    pub fn assert_empty(&self) {
        let connections = self.host.stack.connections();
        let held = (self.host.probes.len(), self.host.by_port.len(), self.host.ports.taken(), connections);
        assert_eq!(held, (0, 0, 0, 0), "probes, their ports, ports, sockets");
    }
}

pub fn monitor(kind: MonitorKind) -> Monitor {
    let (interval, timeout) = (Duration::from_millis(500), Duration::from_millis(400));
    Monitor {
        name: "m".into(),
        kind,
        address: None,
        source: None,
        interval,
        timeout,
        rise: 1,
        fall: 1,
        patience: timeout,
    }
}

pub fn sip(transport: SipTransport) -> Monitor {
    let hundreds = |first: u16| CodeRange { first, last: first + 99 };
    let port = if transport == SipTransport::Tls { 5061 } else { 5060 };
    let up_codes = vec![hundreds(100), hundreds(200), hundreds(300)];
    monitor(MonitorKind::Sip(SipProbe {
        transport,
        port,
        host: None,
        user: None,
        to: None,
        from: None,
        user_agent: None,
        up_codes,
        down_codes: vec![],
        roles: Default::default(),
        tls: Default::default(),
    }))
}

/// A SIP Server's answer to a request: it copies what RFC 3261 8.2.6.2 says it must.
pub fn sip_answer(request: &[u8], status: &str) -> Vec<u8> {
    let text = std::str::from_utf8(request).unwrap();
    assert!(text.starts_with("OPTIONS sip:") && text.ends_with("\r\n\r\n"), "{text}");
    let copied = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let fields = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].map(copied).join("\r\n");
    format!("SIP/2.0 {status}\r\n{fields};tag=x\r\nContent-Length: 0\r\n\r\n")
        .replace("OPTIONS;tag=x", "OPTIONS")
        .into_bytes()
}

pub fn failure(reason: &str) -> Outcome {
    Outcome::Failed { reason: reason.into() }
}

/// A good answer that took so long.
pub fn is_good_after(outcome: &Outcome, expected: &str, millis: u64) -> bool {
    let after = Duration::from_millis(millis);
    is_good(outcome, expected) && matches!(outcome, Outcome::Good { rtt, .. } if *rtt == after)
}

pub fn is_good(outcome: &Outcome, expected: &str) -> bool {
    matches!(outcome, Outcome::Good { detail, .. } if detail == expected)
}
