//! Each packet is sent through the appliance and through the model, whole or in pieces, and what comes out is compared.

use crate::model::{Choice, Dropped, Forwarded, Outcome, Reply};
use crate::packet::{Packet, What};
use crate::run::Run;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::policy::intent::PortId;
use fairlead::wire;
use fairlead::wire::build::{Build, mend_ip};
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use testbench::lab::*;
use testbench::plan::{pair, vip};

pub type Out = Vec<(PortId, Vec<u8>)>;

/// A datagram on its way in pieces.
pub struct Fragmented {
    pub packet: Packet,
    /// Bytes of IP payload in each piece but the last.
    size: usize,
    /// The pieces as they arrive, in order.
    frames: Vec<Vec<u8>>,
    /// Which of them the appliance holds.
    pub held: Vec<bool>,
    /// Which are still to be sent, the next one last.
    pub unsent: Vec<usize>,
}

/// Identifications the appliance gave to what may be cut on its way: none comes twice (RFC 6864 4.3).
#[derive(Default)]
pub struct Identifications(HashMap<(Ipv4Addr, Ipv4Addr, u8), HashSet<u16>>);

impl Identifications {
    /// After so many the numbers may begin again.
    const MEMORY: usize = 20_000;

    fn see(&mut self, frame: &[u8]) {
        let headers = wire::Packet::parse(frame).expect("the rig has read it");
        let id = headers.id(frame);
        let seen = self.0.entry((headers.src(), headers.dst(), headers.protocol)).or_default();
        assert!(seen.insert(id), "{} to {} had identification {} before", headers.src(), headers.dst(), id);
        if seen.len() > Self::MEMORY {
            seen.clear();
        }
    }
}

impl Run {
    /// Sends a packet whole; how it was forwarded, if it was.
    pub fn send(&mut self, packet: &Packet) -> Option<Forwarded> {
        if self.skips(packet) {
            return None;
        }
        let frame = self.arriving(packet);
        let (out, moved) = self.inject(packet.from, &frame);
        self.compare(packet, &[frame], None, out, moved)
    }

    /// Puts a packet on its way in pieces of `size`, in any order, some of them twice, some never.
    pub fn fragment(&mut self, packet: Packet, size: usize, lossy: bool) -> Fragmented {
        let frames = self.lab.dress(packet.from, &packet.build()).fragments(size);
        let frames: Vec<_> = frames.into_iter().map(|frame| self.by_its_router(&packet, frame)).collect();
        let mut unsent: Vec<usize> = (0..frames.len()).collect();
        for _ in 0..self.dice.roll(3) {
            unsent.push(self.dice.roll(frames.len() as u32) as usize);
        }
        for at in (1..unsent.len()).rev() {
            unsent.swap(at, self.dice.roll(at as u32 + 1) as usize);
        }
        if lossy && self.dice.once_in(8) {
            unsent.pop();
        }
        Fragmented { size, held: vec![false; frames.len()], packet, frames, unsent }
    }

    /// Sends the next piece of a datagram. Outer `None`: it is not complete, or it had no more pieces.
    pub fn send_fragment(&mut self, datagram: &mut Fragmented) -> Option<Option<Forwarded>> {
        let at = datagram.unsent.pop()?;
        let alone = self.passes_alone(&datagram.packet);
        if self.skips(&datagram.packet) {
            datagram.unsent.clear();
            return None;
        }
        if alone && self.is_translated(&datagram.packet) {
            // A standing flow and an exclusion that came later: for pieces of it the specification has no rule.
            datagram.unsent.clear();
            return None;
        }
        let (out, moved) = self.inject(datagram.packet.from, &datagram.frames[at].clone());
        if alone {
            self.expect_fragment_forwarded(datagram, at, out, moved);
            return None;
        }
        let again = std::mem::replace(&mut datagram.held[at], true);
        if again || !datagram.held.iter().all(|held| *held) {
            let dropped = if again { vec![DropReason::FragmentDuplicate] } else { vec![] };
            assert_eq!((out.as_slice(), moved), (&[][..], Moved { received: 1, dropped, ..Moved::default() }));
            return None;
        }
        datagram.held.fill(false);
        Some(self.compare(&datagram.packet, &datagram.frames, Some(datagram.size), out, moved))
    }

    /// Pieces of a visitor's do not wait for each other. What a member sends does: it may belong to a flow that is
    /// translated, whoever is excluded by now.
    pub fn passes_alone(&self, packet: &Packet) -> bool {
        let (plan, way) = (&self.model.plan, packet.way);
        plan.who_is(way.src.addr).is_none() && plan.who_is(way.dst.addr).is_some()
    }

    /// It belongs to a flow that is translated.
    pub fn is_translated(&self, packet: &Packet) -> bool {
        let known = self.model.flows.find(packet.protocol(), packet.way);
        known.is_some_and(|(at, _)| self.model.flows.get(at).member.is_some())
    }

    fn expect_fragment_forwarded(&mut self, datagram: &Fragmented, at: usize, out: Out, moved: Moved) {
        let Outcome::Forwarded(forwarded) = self.model.outcome(&datagram.packet, Choice::NONE) else {
            panic!("{:?} is only routed", datagram.packet)
        };
        let ours = self.lab.undress(forwarded.to, &datagram.packet.build().ttl(datagram.packet.ttl - 1));
        let frames = self.cut(forwarded.to, ours.fragments(datagram.size).swap_remove(at));
        let events = if frames.len() > 1 { vec![EngineEvent::Fragmented] } else { vec![] };
        assert_eq!(moved, Moved { received: 1, transmitted: frames.len() as u64, events, ..Moved::default() });
        self.same(&out, forwarded.to, &frames);
        if at == 0 {
            self.model.learn(&datagram.packet, &forwarded);
        }
    }

    /// The appliance has decided about a packet that came in these frames, in pieces if `size` says so.
    fn compare(
        &mut self,
        packet: &Packet,
        frames: &[Vec<u8>],
        size: Option<usize>,
        out: Out,
        moved: Moved,
    ) -> Option<Forwarded> {
        let outcome = self.outcome(packet, &out);
        if self.traces {
            println!("{packet:?}{}\n    {}", if size.is_some() { " in pieces" } else { "" }, outcome.in_words());
        }
        self.last = Some((packet.clone(), outcome.clone()));
        let reassembled = size.map(|_| EngineEvent::Reassembled);
        match outcome {
            Outcome::Answered => {
                let pong = packet.pong().build();
                let transmitted = frames.len() as u64;
                let counted =
                    Moved { received: 1, transmitted, events: reassembled.into_iter().collect(), ..Moved::default() };
                assert_eq!(moved, counted, "{packet:?}");
                match size {
                    Some(size) => self.same(&out, packet.from, &self.lab.undress(packet.from, &pong).fragments(size)),
                    None => self.lab.expect_own(&out, packet.from, pong),
                }
                None
            }
            Outcome::Dropped(Dropped { reasons, reply }) => {
                self.expect_dropped(packet, frames, reasons, reply, &out, &moved);
                None
            }
            Outcome::Forwarded(forwarded) => self.expect_forwarded(packet, frames, size, forwarded, &out, moved),
        }
    }

    /// What the model says, now that what came out shows which port and which member the appliance chose.
    fn outcome(&self, packet: &Packet, out: &Out) -> Outcome {
        let flows = &self.model.flows;
        let source =
            self.model.plan.who_is(packet.way.src.addr).map(|who| (packet.protocol(), who, packet.way.src.port));
        let own = source.filter(|source| flows.free(*source, source.2)).map_or(1, |source| source.2);
        let to = out.first().map(|(_, frame)| wire::Packet::parse(frame).expect("the rig has read it").dst());
        let member = to.and_then(|address| self.model.plan.who_is(address));
        let outcome = self.model.outcome(packet, Choice { port: own, member });
        let Some(port) = source.and_then(|source| port_seen(packet, vip(pair(source.1)), out)) else { return outcome };
        let chosen = self.model.outcome(packet, Choice { port, member });
        match &chosen {
            Outcome::Forwarded(Forwarded { maps: Some(source), .. }) => {
                if self.traces {
                    println!("{packet:?}: {source:?} is translated to port {port}");
                }
                flows.expect_port(*source, port);
                chosen
            }
            _ => outcome,
        }
    }

    fn expect_forwarded(
        &mut self,
        packet: &Packet,
        arrived: &[Vec<u8>],
        size: Option<usize>,
        forwarded: Forwarded,
        out: &Out,
        moved: Moved,
    ) -> Option<Forwarded> {
        let largest = arrived.iter().map(|frame| total_length(frame)).max().unwrap_or(0);
        if packet.ttl <= 1 {
            let hop = (11, 0, 0);
            self.expect_rejected(packet, DropReason::TtlExceeded, hop, out, &moved, &forwarded);
            return None;
        }
        if packet.df && largest > self.mtu(forwarded.to) {
            let narrow = (3, 4, self.mtu(forwarded.to) as u32);
            self.expect_rejected(packet, DropReason::TooBig, narrow, out, &moved, &forwarded);
            return None;
        }
        let Some((_, first)) = out.first() else {
            panic!("nothing came out of {packet:?}: {moved:?}, not {forwarded:?}")
        };
        let expected = forwarded.packet.build().ttl(packet.ttl - 1);
        let frames = match size {
            None => vec![self.lab.undress(forwarded.to, &self.lab.identified(expected, first)).bytes()],
            Some(size) => self.lab.undress(forwarded.to, &self.lab.identified_pieces(expected, first)).fragments(size),
        };
        let whole = frames.len();
        let frames: Vec<_> = frames.into_iter().flat_map(|frame| self.cut(forwarded.to, frame)).collect();
        assert_eq!(
            (moved.received, moved.transmitted, &moved.dropped[..]),
            (1, frames.len() as u64, &[][..]),
            "{packet:?}"
        );
        let (mut must, mut may) = (forwarded.events.clone(), forwarded.perhaps.clone());
        must.extend(size.map(|_| EngineEvent::Reassembled));
        match frames.len() - whole {
            0 => {}
            1 => must.push(EngineEvent::Fragmented),
            more => may.extend(vec![EngineEvent::Fragmented; more]),
        }
        check_events(packet, &moved.events, &must, &may);
        self.same(out, forwarded.to, &frames);
        self.identify(out);
        self.model.learn(packet, &forwarded);
        if let Some(who) = self.model.plan.who_is(forwarded.packet.way.dst.addr) {
            self.callees.insert((forwarded.packet.way.src, pair(who)), who);
        }
        Some(forwarded)
    }

    /// It would have been forwarded, but its sender gets an error instead; nothing is remembered.
    fn expect_rejected(
        &mut self,
        packet: &Packet,
        reason: DropReason,
        (kind, code, rest): (u8, u8, u32),
        out: &Out,
        moved: &Moved,
        forwarded: &Forwarded,
    ) {
        assert_eq!((moved.received, &moved.dropped[..]), (1, &[reason][..]), "{packet:?}");
        let may: Vec<_> = forwarded.events.iter().chain(&forwarded.perhaps).copied().collect();
        check_events(packet, &moved.events, &[], &may);
        if matches!(packet.what, What::Error { .. }) {
            assert_eq!(out, &[], "no error about an error (RFC 1812 4.3.2.7)");
            return;
        }
        let hop = if packet.from == ROUTER { self.lab.outer_ip() } else { testbench::rig::G };
        let error = Build::icmp_error(hop, packet.way.src.addr, kind, code, &packet.build()).rest(rest);
        self.lab.expect_own(out, packet.from, error);
    }

    fn expect_dropped(
        &self,
        packet: &Packet,
        frames: &[Vec<u8>],
        reasons: &[DropReason],
        reply: Reply,
        out: &Out,
        moved: &Moved,
    ) {
        let all = moved.dropped.iter().all(|reason| reasons.contains(reason));
        assert!(all && moved.dropped.len() == frames.len(), "{packet:?}: {moved:?}, not {reasons:?}");
        match (reply, &packet.what) {
            (Reply::Unspecified, _) => {
                let back = out.iter().all(|(port, _)| *port == self.lab.port(packet.from));
                assert!(out.len() <= 1 && back, "{packet:?} reached somebody");
            }
            (Reply::Closed(by), _) => {
                let mut quote = frames[0][l3(&frames[0])..][..total_length(&frames[0])].to_vec();
                quote.truncate(548);
                self.lab.expect_own(out, packet.from, Build::icmp(by, packet.way.src.addr, 3, 3).payload(&quote));
            }
            (Reply::Reset, What::Segment { flags, ack, .. }) if !flags.rst() => {
                assert_eq!(out.len(), 1, "{packet:?} is answered by a reset");
                let (back, seq) = (packet.way.back(), if flags.ack() { *ack } else { 0 });
                self.lab.expect_reset(&out[0], packet.from, back.src, back.dst, seq);
            }
            _ => assert_eq!(out, &[], "{packet:?} is dropped in silence"),
        }
    }

    /// What came out is these frames, for `to`.
    fn same(&self, out: &Out, to: Far, frames: &[Vec<u8>]) {
        assert_eq!(out.len(), frames.len(), "{:?}", self.lab.rig.counted());
        for ((port, got), expected) in out.iter().zip(frames) {
            assert_eq!(*port, self.lab.port(to), "the wrong port");
            assert_same(got, expected);
        }
    }

    /// What leaves with a virtual source and may be cut on its way has a number of its own.
    fn identify(&mut self, out: &Out) {
        let headers = wire::Packet::parse(&out[0].1).expect("the rig has read it");
        if (0..2).any(|pair| vip(pair) == headers.src()) && !headers.atomic {
            self.identifications.see(&out[0].1);
        }
    }

    /// The largest datagram that goes there.
    fn mtu(&self, to: Far) -> usize {
        if to == ROUTER && self.lab.layout != Layout::OneArm { 1500 } else { usize::from(self.model.plan.servers_mtu) }
    }

    /// A frame in pieces that fit, as simply as it can be written.
    fn cut(&self, to: Far, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let (l3, length, mtu) = (l3(&frame), total_length(&frame), self.mtu(to));
        if length <= mtu {
            return vec![frame];
        }
        let header = usize::from(frame[l3] & 0x0f) * 4;
        let place = u16::from_be_bytes([frame[l3 + 6], frame[l3 + 7]]);
        let payload = &frame[l3 + header..l3 + length];
        let (size, mut pieces) = ((mtu - header) / 8 * 8, Vec::new());
        for (at, part) in payload.chunks(size).enumerate() {
            let last = (at + 1) * size >= payload.len();
            let mut piece = frame[..l3 + header].to_vec();
            piece.extend_from_slice(part);
            piece[l3 + 2..l3 + 4].copy_from_slice(&((header + part.len()) as u16).to_be_bytes());
            let more = if last { place & 0x2000 } else { 0x2000 };
            let place = place & 0xdfff | more;
            piece[l3 + 6..l3 + 8].copy_from_slice(&(place + (at * size / 8) as u16).to_be_bytes());
            mend_ip(&mut piece, l3);
            piece.resize(piece.len().max(60), 0);
            pieces.push(piece);
        }
        pieces
    }

    fn inject(&mut self, from: Far, frame: &[u8]) -> (Out, Moved) {
        self.packets += 1;
        let (out, moved) = self.lab.raw(from, frame);
        if self.traces {
            println!("{} bytes from {from:?}: {moved:?}", frame.len());
        }
        (self.by_either_router(out, from != ROUTER), moved)
    }

    fn arriving(&self, packet: &Packet) -> Vec<u8> {
        self.by_its_router(packet, self.lab.arriving(packet.from, &packet.build()))
    }

    /// Who lives behind the other router sends by it.
    fn by_its_router(&self, packet: &Packet, mut frame: Vec<u8>) -> Vec<u8> {
        if packet.from == ROUTER && self.model.plan.takes_detour(packet.way.src.addr) {
            frame[6..12].copy_from_slice(&self.model.plan.other_router().1);
        }
        frame
    }

    /// What goes to somebody behind the other router goes to that router, `routed` or back to where its cause came from;
    /// from here on all are one router to us.
    pub fn by_either_router(&self, mut out: Out, routed: bool) -> Out {
        let first: [u8; 6] =
            self.lab.leaving(ROUTER, &Build::echo_request("10.0.0.1", "10.0.0.2", 1, 1))[..6].try_into().unwrap();
        for (_, frame) in &mut out {
            let at = l3(frame) + 16;
            let dst = Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3]);
            let other = frame[..6] == self.model.plan.other_router().1;
            if self.model.plan.takes_detour(dst) || other && !routed {
                assert!(other || !routed && frame[..6] == first, "by the other router");
                frame[..6].copy_from_slice(&first);
            }
        }
        out
    }
}

fn check_events(packet: &Packet, got: &[EngineEvent], must: &[EngineEvent], may: &[EngineEvent]) {
    let mut left = got.to_vec();
    for event in must {
        let at = left.iter().position(|one| one == event);
        left.swap_remove(at.unwrap_or_else(|| panic!("{packet:?}: {event:?} is not among {got:?}")));
    }
    assert!(left.iter().all(|event| may.contains(event)), "{packet:?} made {got:?}, not {must:?}");
}

/// The port or identifier with which the first frame left, if it left from this address.
fn port_seen(packet: &Packet, from: Ipv4Addr, out: &Out) -> Option<u16> {
    let (_, first) = out.first()?;
    let (address, l4) = (first.get(l3(first) + 12..)?.get(..4)?, first.get(l3(first) + 20..)?);
    let at = if matches!(packet.what, What::EchoRequest) { 4 } else { 0 };
    let port = l4.get(at..at + 2)?.try_into().ok()?;
    (address == from.octets()).then_some(u16::from_be_bytes(port))
}

fn l3(frame: &[u8]) -> usize {
    if frame[12..14] == [0x81, 0] { 18 } else { 14 }
}

fn total_length(frame: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([frame[l3(frame) + 2], frame[l3(frame) + 3]]))
}
