//! A rig with its surroundings: who sits where, what a frame of theirs looks like, and what must have been counted.
//!
//! A row says who sends what and who gets what; [`LabOn`] adds MAC addresses, tags and the lowered TTL, compares whole
//! frames, and compares every counter. Nothing here knows how the appliance decides.

pub use crate::places::*;
use crate::rig::*;
use fairlead::control::Taken;
use fairlead::engine::{DropReason, EngineEvent, IgnoreReason, PuntReason};
use fairlead::policy::intent::*;
use fairlead::time::Duration;
use fairlead::wire::build::{Build, mend_icmp, mend_ip};
use fairlead::wire::facts::Link;
use fairlead::wire::{Endpoint, Kind, Mac, Packet};
use fairlead::worker::tap::{Selection, tap};
use fairlead::worker::{Command, Counters};
use std::sync::Arc;

/// How the appliance is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A port for clients and one for servers, neither tagged.
    TwoArm,
    /// As before, the server port tagged.
    TaggedServers,
    /// One port, clients and servers on VLANs of it.
    OnePort,
    /// Two arms without VLANs, whose neighbours send priority tags.
    PriorityTags,
    /// One interface holds servers, VIP and router.
    OneArm,
}

/// A neighbour on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Far {
    /// The router to everybody outside.
    Router,
    /// The host 10.20.0.x on the server network.
    Server(u8),
}

pub const ROUTER: Far = Far::Router;
pub const HOST_A: Far = Far::Server(11);
pub const HOST_B: Far = Far::Server(12);
pub const HOSTS: [Far; 2] = [HOST_A, HOST_B];

impl Far {
    /// Its address on the server network.
    pub fn ip(self) -> &'static str {
        match self {
            HOST_A => A,
            HOST_B => B,
            other => panic!("{other:?} is no member of the first pair"),
        }
    }
}

/// What one row did to the counters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub received: u64,
    pub transmitted: u64,
    pub dropped: Vec<DropReason>,
    pub ignored: Vec<IgnoreReason>,
    pub punted: Vec<PuntReason>,
    pub events: Vec<EngineEvent>,
}

impl Moved {
    /// From one reading to a later one; a reason stands as often as it was counted.
    pub fn between(before: &Counters, after: &Counters) -> Moved {
        fn each<R: Copy>(all: &[R], times: impl Fn(R) -> u64) -> Vec<R> {
            all.iter().flat_map(|&reason| std::iter::repeat_n(reason, times(reason) as usize)).collect()
        }
        Moved {
            received: after.received - before.received,
            transmitted: after.transmitted - before.transmitted,
            dropped: each(DropReason::ALL, |r| after.drops(r) - before.drops(r)),
            ignored: each(IgnoreReason::ALL, |r| after.ignores(r) - before.ignores(r)),
            punted: each(PuntReason::ALL, |r| after.punts(r) - before.punts(r)),
            events: each(EngineEvent::ALL, |r| after.events(r) - before.events(r)),
        }
    }
}

/// What a row runs on: ports of some kind, and a number of workers.
pub trait Setting {
    type Ports: TestPorts + Default;
    const WORKERS: usize;

    /// An appliance for `intent`.
    fn rig(intent: Intent) -> Rig<Self::Ports> {
        Rig::new(Self::Ports::default(), intent, Self::WORKERS)
    }
}

/// So many workers on ports in memory.
pub struct InMemory<const WORKERS: usize>;

impl<const WORKERS: usize> Setting for InMemory<WORKERS> {
    type Ports = Memory;
    const WORKERS: usize = WORKERS;
}

/// One worker on ports in memory, with two captures of everything on whose records nobody reads: soon all are lost.
pub struct Captured;

impl Setting for Captured {
    type Ports = Memory;
    const WORKERS: usize = 1;

    fn rig(intent: Intent) -> Rig<Memory> {
        let mut rig = Rig::new(Memory::default(), intent, 1);
        for room in [4, 64] {
            let selection = Selection { snap: 256, ..Selection::default() };
            let (tap, end) = tap(0, Arc::new(selection), room);
            // It would end if the end were gone.
            std::mem::forget(end);
            rig.give([Command::Capture(tap)]);
        }
        rig
    }
}

/// One worker on ports in memory, and how it is connected.
pub type Lab = LabOn<InMemory<1>>;

/// A rig, and how it is connected.
pub struct LabOn<S: Setting> {
    pub rig: Rig<S::Ports>,
    pub layout: Layout,
}

impl<S: Setting> LabOn<S> {
    pub fn new(layout: Layout) -> Self {
        LabOn { rig: S::rig(intent_of(layout)), layout }
    }

    /// Two arms, with a change to what the operator wrote.
    pub fn with(change: impl FnOnce(&mut Intent)) -> Self {
        let mut intent = two_arm();
        change(&mut intent);
        LabOn { rig: S::rig(intent), layout: Layout::TwoArm }
    }

    /// The process ends, and another one starts with a file that is changed so, a second later and perhaps with another number of
    /// workers; also says what it has taken up.
    pub fn restart<T: Setting>(self, change: impl FnOnce(&mut Intent)) -> (LabOn<T>, Taken) {
        self.restart_after(|_| {}, change)
    }

    /// The same, and something happens while the flows are written.
    pub fn restart_after<T: Setting>(
        mut self,
        meanwhile: impl FnOnce(&mut Self),
        change: impl FnOnce(&mut Intent),
    ) -> (LabOn<T>, Taken) {
        let left = self.leave(meanwhile);
        let (mut intent, now, layout) = (self.rig.intent.clone(), self.rig.now, self.layout);
        drop(self);
        change(&mut intent);
        let mut lab = LabOn { rig: T::rig(intent), layout };
        lab.rig.now = now + Duration::from_secs(1);
        let taken = lab.rig.take_up(left);
        (lab, taken)
    }

    fn leave(&mut self, meanwhile: impl FnOnce(&mut Self)) -> Vec<u8> {
        let writing = self.rig.begin_to_leave();
        meanwhile(self);
        self.rig.end(writing)
    }

    /// The appliance's own address towards clients.
    pub fn outer_ip(&self) -> &'static str {
        if self.layout == Layout::OneArm { G } else { E }
    }

    /// Where a neighbour hangs: the port, its tag, our MAC there, its MAC.
    fn place(&self, far: Far) -> (PortId, Option<u16>, Mac, Mac) {
        let router = far == Far::Router;
        let mac = match far {
            Far::Router if self.layout == Layout::OneArm => Mac([2, 0, 0, 0, 0, 254]),
            Far::Router => MAC_R,
            Far::Server(last) => Mac([2, 0, 0, 0, 0, last]),
        };
        match (self.layout, router) {
            (Layout::OneArm, _) => (OUTER, None, MAC_OUTER, mac),
            (Layout::OnePort, true) => (OUTER, Some(120), MAC_OUTER, mac),
            (Layout::OnePort, false) => (OUTER, Some(200), MAC_OUTER, mac),
            (Layout::TaggedServers, false) => (INNER, Some(200), MAC_INNER, mac),
            (_, true) => (OUTER, None, MAC_OUTER, mac),
            (_, false) => (INNER, None, MAC_INNER, mac),
        }
    }

    /// `build` with the link header it has when a neighbour sends it to us.
    pub fn dress(&self, far: Far, build: &Build) -> Build {
        let (_, tag, ours, theirs) = self.place(far);
        let build = build.clone().macs(theirs, ours);
        match tag {
            Some(id) => build.vlan(id),
            None if self.layout == Layout::PriorityTags => build.priority(5),
            None => build,
        }
    }

    /// `build` with the link header it has when we send it to a neighbour.
    pub fn undress(&self, far: Far, build: &Build) -> Build {
        let (_, tag, ours, theirs) = self.place(far);
        let build = build.clone().macs(ours, theirs);
        if let Some(id) = tag { build.vlan(id) } else { build }
    }

    /// What `build` looks like when a neighbour sends it to us.
    pub fn arriving(&self, far: Far, build: &Build) -> Vec<u8> {
        self.dress(far, build).bytes()
    }

    /// What `build` looks like when we send it to a neighbour.
    pub fn leaving(&self, far: Far, build: &Build) -> Vec<u8> {
        self.undress(far, build).bytes()
    }

    pub fn port(&self, far: Far) -> PortId {
        self.place(far).0
    }

    /// `from` sends a frame as it stands: what came out and what was counted.
    pub fn raw(&mut self, from: Far, frame: &[u8]) -> (Vec<(PortId, Vec<u8>)>, Moved) {
        let before = self.rig.counters();
        let port = self.port(from);
        let out = self.rig.pass(port, frame);
        (out, Moved::between(&before, &self.rig.counters()))
    }

    /// As [`LabOn::raw`], for a packet.
    pub fn send(&mut self, from: Far, sent: &Build) -> (Vec<(PortId, Vec<u8>)>, Moved) {
        let frame = self.arriving(from, sent);
        self.raw(from, &frame)
    }

    /// What `from` sends with a TTL of 64 reaches `to` as `expected` and one hop older; no event is counted.
    #[track_caller]
    pub fn forwards(&mut self, from: Far, sent: Build, to: Far, expected: Build) {
        self.forwards_noting(&[], from, sent, to, expected);
    }

    /// As [`LabOn::forwards`], and exactly these events are made.
    #[track_caller]
    pub fn forwards_noting(&mut self, events: &[EngineEvent], from: Far, sent: Build, to: Far, expected: Build) {
        let (out, moved) = self.send(from, &sent);
        let counted = Moved { received: 1, transmitted: 1, events: events.to_vec(), ..Moved::default() };
        assert_eq!(moved, counted, "{sent:?} made {} frames", out.len());
        self.expect(&out, to, expected.ttl(63));
    }

    /// Exactly one frame came out, for `to`: this one, but for an identification that is the appliance's to choose.
    #[track_caller]
    pub fn expect(&self, out: &[(PortId, Vec<u8>)], to: Far, expected: Build) {
        assert_eq!(out.len(), 1, "one frame was to come out; counted: {:?}", self.rig.counted());
        assert_eq!(out[0].0, self.port(to), "the wrong port");
        let expected = self.leaving(to, &self.identified(expected, &out[0].1));
        assert_same(&out[0].1, &expected);
    }

    /// What leaves with a virtual address as source, and may be cut into pieces on its way, has an identification of the
    /// appliance's own (RFC 6864 5.3.1): `expected` with that of `got`.
    pub fn identified(&self, expected: Build, got: &[u8]) -> Build {
        let (sent, frame) = (Packet::parse(got).unwrap(), expected.bytes());
        let Ok(meant) = Packet::parse(&frame) else { return expected };
        let virtual_source = self.rig.intent.virtual_servers.iter().any(|server| server.address == meant.src());
        if virtual_source && !meant.atomic { expected.id(sent.id(got)) } else { expected }
    }

    /// The same for a datagram of which `got` is a piece.
    pub fn identified_pieces(&self, expected: Build, got: &[u8]) -> Build {
        let sent = Packet::parse(got).unwrap();
        let virtual_source = self.rig.intent.virtual_servers.iter().any(|server| server.address == sent.src());
        if virtual_source { expected.id(sent.id(got)) } else { expected }
    }

    /// What `from` sends is translated as [`LabOn::forwards`] says but for a port (or echo identifier) of our choice,
    /// which is returned. `expected` makes the packet for a port.
    #[track_caller]
    pub fn forwards_as(&mut self, from: Far, sent: Build, to: Far, expected: impl Fn(u16) -> Build) -> u16 {
        let (out, moved) = self.send(from, &sent);
        assert_eq!(moved, Moved { received: 1, transmitted: 1, ..Moved::default() });
        let chosen = source_port(&out[0].1);
        self.expect(&out, to, expected(chosen).ttl(63));
        chosen
    }

    /// What `from` sends is answered by the appliance to the neighbour it came from.
    #[track_caller]
    pub fn answers(&mut self, from: Far, sent: Build, expected: Build) {
        let (out, moved) = self.send(from, &sent);
        assert_eq!(moved, Moved { received: 1, transmitted: 1, ..Moved::default() });
        self.expect_own(&out, from, expected);
    }

    /// What `from` sends is dropped for `reason`, and its sender gets an error.
    #[track_caller]
    pub fn rejects(&mut self, from: Far, sent: Build, reason: DropReason, expected: Build) {
        let (out, moved) = self.send(from, &sent);
        assert_eq!(moved, Moved { received: 1, transmitted: 1, dropped: vec![reason], ..Moved::default() });
        self.expect_own(&out, from, expected);
    }

    /// What `from` sends is dropped for `reason`, in silence.
    #[track_caller]
    pub fn drops(&mut self, from: Far, sent: Build, reason: DropReason) {
        let frame = self.arriving(from, &sent);
        self.drops_frame(from, &frame, reason);
    }

    /// As [`LabOn::drops`], for a frame as it stands.
    #[track_caller]
    pub fn drops_frame(&mut self, from: Far, frame: &[u8], reason: DropReason) {
        let (out, moved) = self.raw(from, frame);
        assert_eq!(out, [], "nothing was to come out");
        assert_eq!(moved, Moved { received: 1, dropped: vec![reason], ..Moved::default() });
    }

    /// A frame of the link's background traffic is ignored for `reason`.
    #[track_caller]
    pub fn ignores_frame(&mut self, from: Far, frame: &[u8], reason: IgnoreReason) {
        let (out, moved) = self.raw(from, frame);
        assert_eq!(out, [], "nothing was to come out");
        assert_eq!(moved, Moved { received: 1, ignored: vec![reason], ..Moved::default() });
    }

    /// One frame of the appliance's own came out: this one, but for what is the appliance's to choose (TTL, IP
    /// identification, type of service).
    #[track_caller]
    pub fn expect_own(&self, out: &[(PortId, Vec<u8>)], to: Far, expected: Build) {
        assert_eq!(out.len(), 1, "one answer was to come out; counted: {:?}", self.rig.counted());
        assert_eq!(out[0].0, self.port(to), "the wrong port");
        let expected = self.leaving(to, &expected);
        assert_same(&own(&out[0].1, &expected), &expected);
    }

    /// `frame` is a bare reset for `to`, from and to these endpoints, with this sequence number.
    #[track_caller]
    pub fn expect_reset(&self, out: &(PortId, Vec<u8>), to: Far, src: Endpoint, dst: Endpoint, seq: u32) -> Packet {
        let (port, _, ours, theirs) = self.place(to);
        let headers = Packet::parse(&out.1).unwrap();
        let Kind::Tcp(segment) = headers.kind else { panic!("{headers:?} is no segment") };
        assert_eq!((out.0, Link::of(&out.1).src, headers.dst_mac()), (port, ours, theirs));
        let tuple = headers.tuple().unwrap();
        assert_eq!((tuple.src, tuple.dst), (src, dst));
        assert!(segment.flags.rst() && !segment.flags.syn() && !segment.flags.fin(), "{segment:?}");
        assert_eq!((segment.seq, segment.payload), (seq, 0));
        headers
    }

    /// A client's handshake through the VIP with `member`, ISN 1000 and 9000.
    #[track_caller]
    pub fn connect(&mut self, client: Endpoint, port: u16, member: Far) {
        let (vip, own) = (at(V, port), at(member.ip(), port));
        let syn = |dst| Build::tcp(client, dst, SYN, 1000, 0).tcp_options(&[2, 4, 5, 0xb4, 4, 2]).df();
        self.forwards(ROUTER, syn(vip), member, syn(own));
        let syn_ack = |src| Build::tcp(src, client, SYN_ACK, 9000, 1001).tcp_options(&[2, 4, 5, 0xb4]).df();
        self.forwards(member, syn_ack(own), ROUTER, syn_ack(vip));
        let ack = |dst| Build::tcp(client, dst, ACK, 1001, 9001).df();
        self.forwards(ROUTER, ack(vip), member, ack(own));
    }

    /// A member's handshake with a peer outside, ISN 500 and 700; the port is kept.
    #[track_caller]
    pub fn connect_out(&mut self, member: Far, port: u16, peer: Endpoint) {
        let (own, translated) = (at(member.ip(), port), at(V, port));
        let syn = |src| Build::tcp(src, peer, SYN, 500, 0);
        self.forwards(member, syn(own), ROUTER, syn(translated));
        let syn_ack = |dst| Build::tcp(peer, dst, SYN_ACK, 700, 501);
        self.forwards(ROUTER, syn_ack(translated), member, syn_ack(own));
        let ack = |src| Build::tcp(src, peer, ACK, 501, 701);
        self.forwards(member, ack(own), ROUTER, ack(translated));
    }

    /// A connection that is not translated carries a segment each way, unchanged.
    #[track_caller]
    pub fn exchange(&mut self, member: Far, own: Endpoint, other: Endpoint) {
        let there = Build::tcp(own, other, DATA, 5000, 6000).payload(b"tlib");
        self.forwards(member, there.clone(), ROUTER, there);
        let back = Build::tcp(other, own, DATA, 6000, 5004).payload(b"event");
        self.forwards(ROUTER, back.clone(), member, back);
    }
}

/// What the operator wrote for a layout.
pub fn intent_of(layout: Layout) -> Intent {
    let mut intent = two_arm();
    match layout {
        Layout::TwoArm | Layout::PriorityTags => {}
        Layout::TaggedServers => intent.interfaces[1] = interface("servers", INNER, Some(200), "10.20.0.1/24"),
        Layout::OnePort => {
            intent.ports.truncate(1);
            intent.interfaces[0] = interface("clients", OUTER, Some(120), "192.0.2.2/24");
            intent.interfaces[1] = interface("servers", OUTER, Some(200), "10.20.0.1/24");
        }
        Layout::OneArm => {
            intent.ports.truncate(1);
            intent.interfaces = vec![interface("lan", OUTER, None, "10.20.0.1/24")].into();
            intent.routes[0].via = addr("10.20.0.254");
            intent.members.iter_mut().for_each(|member| member.interface = InterfaceId(0));
        }
    }
    intent
}

fn l3(frame: &[u8]) -> usize {
    if frame[12..14] == [0x81, 0] { 18 } else { 14 }
}

/// The source port of a frame, or the identifier of its echo.
pub fn source_port(frame: &[u8]) -> u16 {
    let tuple = Packet::parse(frame).unwrap().tuple().unwrap();
    if tuple.src.port == 0 { tuple.dst.port } else { tuple.src.port }
}

/// `got` with those fields of `expected` that an appliance may choose for what it says itself.
fn own(got: &[u8], expected: &[u8]) -> Vec<u8> {
    let (mut frame, l3) = (got.to_vec(), l3(got));
    if got.len() < l3 + 20 || expected.len() < l3 + 20 || got[l3] != 0x45 {
        return frame;
    }
    assert!(got[l3 + 8] >= 64, "what we say ourselves starts with a fresh TTL");
    assert!([expected[l3 + 1], 0xc0].contains(&got[l3 + 1]), "RFC 1812 4.3.2.5: as received, or precedence 6");
    for field in [l3 + 1, l3 + 4, l3 + 5, l3 + 6, l3 + 8] {
        frame[field] = expected[field];
    }
    mend_ip(&mut frame, l3);
    frame
}

/// The frames are one and the same up to the datagram's end; what follows is zeros up to a frame's shortest length.
#[track_caller]
pub fn assert_same(got: &[u8], expected: &[u8]) {
    let l3 = l3(expected);
    let end = match expected[l3 - 2..l3] {
        [8, 0] => l3 + usize::from(u16::from_be_bytes([expected[l3 + 2], expected[l3 + 3]])),
        _ => expected.len(),
    };
    assert!(got.len() >= 60 && got.len() <= end.max(64), "{} bytes for {end}", got.len());
    let (datagram, meant) = (&got[..end.min(got.len())], &expected[..end]);
    assert!(datagram == meant, "came out:\n{}was meant:\n{}", shown(datagram), shown(meant));
    assert!(got[end..].iter().all(|byte| *byte == 0), "padding is zeros: {got:02x?}");
}

fn shown(bytes: &[u8]) -> String {
    bytes.chunks(16).map(|line| format!("{line:02x?}\n")).collect()
}

/// Changes an ICMP error by hand and makes its checksum right again.
pub fn altered(mut frame: Vec<u8>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let l3 = l3(&frame);
    change(&mut frame[l3..]);
    mend_icmp(&mut frame, l3);
    frame
}
