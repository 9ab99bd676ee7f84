//! Packets in, packets out: who sits where, what a frame of theirs looks like, and what must have come of it.
//!
//! Every frame that the appliance forwards is compared whole: addresses, TTL, checksums, payload, padding.

pub use crate::places::*;

use super::seen::but_for_our_own_choices;
use super::{Bench, OURS, Seen, assert_same};
use fairlead::policy::intent::PortId;
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::wire::{Endpoint, Mac, Packet};

/// The address of a second pair, in the scenarios that have one.
pub const V2: &str = "10.20.0.101";

/// A neighbour on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Far {
    /// The router to everybody outside.
    Router,
    /// A host of the bench, by its place.
    Host(usize),
}

pub const ROUTER: Far = Far::Router;
pub const HOST_A: Far = Far::Host(0);
pub const HOST_B: Far = Far::Host(1);

pub fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A client's request over UDP.
pub fn request(from: Endpoint, to: &str) -> Build {
    Build::udp(from, at(to, 5060)).payload(b"OPTIONS sip:10.20.0.100 SIP/2.0\r\nMax-Forwards: 7\r\n\r\n")
}

/// A member's request over UDP from its service port. Both members write the virtual address into Via.
pub fn call(from: &str, to: Endpoint) -> Build {
    Build::udp(at(from, 5060), to).payload(format!("INVITE sip:b SIP/2.0\r\n{}", via(to)).as_bytes())
}

/// The answer to [`call`].
pub fn answer(from: Endpoint, to: &str) -> Build {
    Build::udp(from, at(to, 5060)).payload(format!("SIP/2.0 200 OK\r\n{}", via(from)).as_bytes())
}

fn via(peer: Endpoint) -> String {
    format!("Via: SIP/2.0/UDP {V};branch=z9hG4bK{}\r\nMax-Forwards: 7\r\n\r\n", peer.port)
}

impl Bench {
    /// The port, our MAC there, and a neighbour's.
    fn place(&self, far: Far) -> (PortId, Mac, Mac) {
        match far {
            Far::Router => (OUTER, OURS[0], self.router.mac),
            Far::Host(at) => (INNER, OURS[1], self.members[at].mac),
        }
    }

    /// The physical address of a host.
    pub fn ip(&self, far: Far) -> String {
        let Far::Host(at) = far else { panic!("{far:?} is no host") };
        self.members[at].address.to_string()
    }

    /// What `build` looks like when we send it to a neighbour.
    pub fn leaving(&self, far: Far, build: &Build) -> Vec<u8> {
        let (_, ours, theirs) = self.place(far);
        build.clone().macs(ours, theirs).bytes()
    }

    /// A neighbour sends a packet, which arrives at the next step.
    pub fn send(&mut self, from: Far, sent: &Build) {
        let (port, ours, theirs) = self.place(from);
        self.inject(port, &sent.clone().macs(theirs, ours).bytes());
    }

    /// What has left since the last look, but for ARP and probes.
    pub fn look(&mut self) -> Vec<Seen> {
        let mut seen = std::mem::take(&mut self.seen);
        seen.retain(|seen| !seen.is_errand());
        seen
    }

    /// A neighbour sends a packet: what left within three steps, but for ARP and probes.
    pub fn pass(&mut self, from: Far, sent: &Build) -> Vec<Seen> {
        let before = self.look();
        assert!(before.is_empty(), "{} frames were not expected, as {:?}", before.len(), before[0].headers());
        self.send(from, sent);
        (0..3).for_each(|_| self.turn());
        self.look()
    }

    /// Exactly one frame left, for `to`: this one, but for the identification of what leaves with a virtual address and may
    /// be cut on its way, which is the appliance's own (RFC 6864 5.3.1).
    #[track_caller]
    pub fn expect(&self, seen: &[Seen], to: Far, expected: &Build) {
        assert_eq!(seen.len(), 1, "one frame was to leave for {expected:?}; counted: {:?}", self.lead.counted());
        assert_eq!(seen[0].port, self.place(to).0, "the wrong port for {:?}", seen[0].headers());
        let (got, meant) = (seen[0].headers(), Packet::parse(&expected.bytes()).expect("it can be read"));
        let ours = [V, V2].iter().any(|address| at(address, 0).addr == meant.src()) && !meant.atomic;
        let expected = if ours { expected.clone().id(got.id(&seen[0].frame)) } else { expected.clone() };
        assert_same(&seen[0].frame, &self.leaving(to, &expected));
    }

    /// As [`Bench::expect`], for what is the appliance's own word.
    #[track_caller]
    pub fn expect_own(&self, seen: &[Seen], to: Far, expected: &Build) {
        assert_eq!(seen.len(), 1, "one answer was to leave; counted: {:?}", self.lead.counted());
        assert_eq!(seen[0].port, self.place(to).0, "the wrong port for {:?}", seen[0].headers());
        let expected = self.leaving(to, expected);
        assert_same(&but_for_our_own_choices(&seen[0].frame, &expected), &expected);
    }

    /// What `from` sends with a TTL of 64 reaches `to` as `expected`, one hop older, and is the only frame that leaves.
    #[track_caller]
    pub fn forwards(&mut self, from: Far, sent: Build, to: Far, expected: Build) {
        let seen = self.pass(from, &sent);
        self.expect(&seen, to, &expected.ttl(63));
    }

    /// What `from` sends reaches nobody.
    #[track_caller]
    pub fn swallows(&mut self, from: Far, sent: &Build) {
        let seen = self.pass(from, sent);
        assert!(seen.is_empty(), "nothing was to leave, but {:?}", seen[0].headers());
    }

    /// What `from` sends is answered by the appliance.
    #[track_caller]
    pub fn answers(&mut self, from: Far, sent: &Build, expected: Build) {
        let seen = self.pass(from, sent);
        self.expect_own(&seen, from, &expected);
    }

    /// A client's datagram to the VIP goes to this member, and its answer comes from the VIP.
    #[track_caller]
    pub fn served_by(&mut self, client: Endpoint, member: Far) {
        let own = self.ip(member);
        self.forwards(ROUTER, request(client, V), member, request(client, &own));
        self.forwards(member, call(&own, client), ROUTER, call(V, client));
    }

    /// A client's datagram to the VIP is answered with port unreachable from the VIP.
    #[track_caller]
    pub fn refused(&mut self, client: Endpoint) {
        let sent = request(client, V);
        self.answers(ROUTER, &sent, Build::icmp_error(V, client.addr, 3, 3, &sent));
    }
}
