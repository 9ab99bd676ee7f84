//! Each packet is sent through the appliance and through the model, whole or in pieces, and what comes out is compared.

use crate::frames::{l3, port_seen, total_length};
use crate::model::{Choice, Dropped, Forwarded, Outcome, Reply};
use crate::packet::{Packet, What};
use crate::run::Run;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::policy::intent::PortId;
use fairlead::wire;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use fairlead::worker::Counters;
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
        self.model.half_open_give_way(packet);
        let outcome = self.outcome(packet, &out, &moved);
        if self.traces {
            let called = self.model.plan.served_at(packet.way.dst.addr);
            called.into_iter().for_each(|pair| println!("{}", self.model.knows(packet, pair)));
            println!("{packet:?}{}\n    {}", if size.is_some() { " in pieces" } else { "" }, outcome.in_words());
        }
        self.last = Some((packet.clone(), outcome.clone()));
        self.meets(packet, &outcome);
        let reassembled = size.map(|_| EngineEvent::Reassembled);
        let came = match outcome {
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
        };
        if came.is_none() {
            self.answer_is_lost(packet);
        }
        if self.traces {
            self.expect_counts();
        }
        came
    }

    /// A SIP answer did not come through; it may be remembered that it came.
    fn answer_is_lost(&mut self, packet: &Packet) {
        let Some(to) = self.model.plan.served_at(packet.way.dst.addr) else { return };
        let by = self.model.plan.who_is(packet.way.src.addr);
        let remote = by.map_or(packet.way.src, |who| Endpoint::new(vip(pair(who)), packet.way.src.port));
        self.model.asks.note_answer(to, remote, packet.sip, false);
    }

    /// What the model says, now that what came out shows which port and which member the appliance chose.
    fn outcome(&self, packet: &Packet, out: &Out, moved: &Moved) -> Outcome {
        let flows = &self.model.flows;
        let source =
            self.model.plan.who_is(packet.way.src.addr).map(|who| (packet.protocol(), who, packet.way.src.port));
        let own = source.filter(|source| flows.free(*source, source.2)).map_or(1, |source| source.2);
        let to = out.first().map(|(_, frame)| wire::Packet::parse(frame).expect("the rig has read it").dst());
        let limits = [DropReason::ConnectionLimit, DropReason::ConnectionRateLimit];
        let refused = moved.dropped.iter().any(|reason| limits.contains(reason));
        let member = to.filter(|_| !refused).and_then(|address| self.model.plan.who_is(address));
        let outcome = self.model.outcome(packet, Choice { port: own, member, refused });
        let source = source.filter(|_| !refused);
        let Some(port) = source.and_then(|source| port_seen(packet, vip(pair(source.1)), out)) else { return outcome };
        let chosen = self.model.outcome(packet, Choice { port, member, refused });
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
        let expected = expected.tos(self.leaves_with(packet, &forwarded.packet));
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
        self.same(out, forwarded.to, &frames);
        check_events(packet, &moved.events, &must, &may);
        self.identify(out);
        self.model.learn(packet, &forwarded);
        self.was_asked(packet, &forwarded);
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

    fn inject(&mut self, from: Far, frame: &[u8]) -> (Out, Moved) {
        self.packets += 1;
        self.model.now = self.lab.rig.now;
        let (out, moved) = self.lab.raw(from, frame);
        if self.traces {
            let Counters { handed_in, handed_off, held, .. } = self.lab.rig.counters();
            println!("{} bytes from {from:?}: {moved:?} {handed_off} {handed_in} {held}", frame.len());
        }
        (self.by_either_router(out, from != ROUTER), moved)
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
