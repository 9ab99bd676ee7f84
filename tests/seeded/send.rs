//! Each letter is sent through the appliance and through the model, whole or in pieces, and what comes out is compared.

use crate::bench::World;
use crate::model::{End, Fate, Passage, Told};
use crate::packet::{Letter, What};
use fairlead::engine::{DropReason, Notice};
use fairlead::policy::intent::PortId;
use fairlead::wire::Packet;
use fairlead::wire::build::{Build, mend_ip};
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use testbench::lab::*;
use testbench::plan::{pair, vip};

pub type Out = Vec<(PortId, Vec<u8>)>;

/// A datagram on its way in pieces.
pub struct Parcel {
    pub letter: Letter,
    /// Bytes of IP payload in each piece but the last.
    size: usize,
    /// The pieces as they arrive, in order.
    frames: Vec<Vec<u8>>,
    /// Which of them the appliance holds.
    pub here: Vec<bool>,
    /// Which are still to be sent, the next one last.
    pub coming: Vec<usize>,
}

/// Identifications the appliance gave to what may be cut on its way: none comes twice (RFC 6864 4.3).
#[derive(Default)]
pub struct Identifications(HashMap<(Ipv4Addr, Ipv4Addr, u8), HashSet<u16>>);

impl Identifications {
    /// After so many the numbers may begin again.
    const MEMORY: usize = 20_000;

    fn see(&mut self, frame: &[u8]) {
        let headers = Packet::parse(frame).expect("the rig has read it");
        let id = headers.id(frame);
        let seen = self.0.entry((headers.src(), headers.dst(), headers.protocol)).or_default();
        assert!(seen.insert(id), "{} to {} had identification {} before", headers.src(), headers.dst(), id);
        if seen.len() > Self::MEMORY {
            seen.clear();
        }
    }
}

impl World {
    /// Sends a letter whole; how it went on, if it did.
    pub fn send(&mut self, letter: &Letter) -> Option<Passage> {
        if self.leaves_out(letter) {
            return None;
        }
        let frame = self.arriving(letter);
        let (out, moved) = self.inject(letter.from, &frame);
        self.settled(letter, &[frame], None, out, moved)
    }

    /// Puts a letter on its way in pieces of `size`, in any order, some of them twice, some never.
    pub fn parcel(&mut self, letter: Letter, size: usize, lossy: bool) -> Parcel {
        let frames = self.lab.dress(letter.from, &letter.build()).fragments(size);
        let frames: Vec<_> = frames.into_iter().map(|frame| self.by_its_router(&letter, frame)).collect();
        let mut coming: Vec<usize> = (0..frames.len()).collect();
        for _ in 0..self.dice.roll(3) {
            coming.push(self.dice.roll(frames.len() as u32) as usize);
        }
        for at in (1..coming.len()).rev() {
            coming.swap(at, self.dice.roll(at as u32 + 1) as usize);
        }
        if lossy && self.dice.once_in(8) {
            coming.pop();
        }
        Parcel { size, here: vec![false; frames.len()], letter, frames, coming }
    }

    /// Sends the next piece of a parcel. Outer `None`: it is not complete, or it had no more pieces.
    pub fn post(&mut self, parcel: &mut Parcel) -> Option<Option<Passage>> {
        let at = parcel.coming.pop()?;
        let alone = self.passes_alone(&parcel.letter);
        if self.leaves_out(&parcel.letter) {
            parcel.coming.clear();
            return None;
        }
        if alone && self.is_translated(&parcel.letter) {
            // A standing flow and an exclusion that came later: for pieces of it the specification has no word.
            parcel.coming.clear();
            return None;
        }
        let (out, moved) = self.inject(parcel.letter.from, &parcel.frames[at].clone());
        if alone {
            self.went_alone(parcel, at, out, moved);
            return None;
        }
        let again = std::mem::replace(&mut parcel.here[at], true);
        if again || !parcel.here.iter().all(|here| *here) {
            let dropped = if again { vec![DropReason::FragmentDuplicate] } else { vec![] };
            assert_eq!((out.as_slice(), moved), (&[][..], Moved { received: 1, dropped, ..Moved::default() }));
            return None;
        }
        parcel.here.fill(false);
        Some(self.settled(&parcel.letter, &parcel.frames, Some(parcel.size), out, moved))
    }

    /// Pieces of a visitor's do not wait for each other. What a member sends does: it may belong to a flow that is
    /// translated, whoever is excluded by now.
    pub fn passes_alone(&self, letter: &Letter) -> bool {
        let (plan, way) = (&self.model.plan, letter.way);
        plan.who_is(way.src.addr).is_none() && plan.who_is(way.dst.addr).is_some()
    }

    /// It belongs to a flow that is translated.
    pub fn is_translated(&self, letter: &Letter) -> bool {
        let known = self.model.flows.find(letter.protocol(), letter.way);
        known.is_some_and(|(at, _)| self.model.flows.get(at).member.is_some())
    }

    fn went_alone(&mut self, parcel: &Parcel, at: usize, out: Out, moved: Moved) {
        let Fate::Goes(passage) = self.model.fate(&parcel.letter, 0) else {
            panic!("{:?} is only routed", parcel.letter)
        };
        let ours = self.lab.undress(passage.to, &parcel.letter.build().ttl(parcel.letter.ttl - 1));
        let frames = self.cut(passage.to, ours.fragments(parcel.size).swap_remove(at));
        let noticed = if frames.len() > 1 { vec![Notice::Fragmented] } else { vec![] };
        assert_eq!(moved, Moved { received: 1, transmitted: frames.len() as u64, noticed, ..Moved::default() });
        self.same(&out, passage.to, &frames);
        if at == 0 {
            self.model.learn(&parcel.letter, &passage);
        }
    }

    /// The appliance has decided about a letter that came in these frames, in pieces if `size` says so.
    fn settled(
        &mut self,
        letter: &Letter,
        frames: &[Vec<u8>],
        size: Option<usize>,
        out: Out,
        moved: Moved,
    ) -> Option<Passage> {
        let fate = self.fate(letter, &out);
        if self.tells {
            println!("{letter:?}{}\n    {}", if size.is_some() { " in pieces" } else { "" }, fate.in_words());
        }
        self.last = Some((letter.clone(), fate.clone()));
        let gathered = size.map(|_| Notice::Reassembled);
        match fate {
            Fate::Answered => {
                let pong = letter.pong().build();
                let transmitted = frames.len() as u64;
                let told =
                    Moved { received: 1, transmitted, noticed: gathered.into_iter().collect(), ..Moved::default() };
                assert_eq!(moved, told, "{letter:?}");
                match size {
                    Some(size) => self.same(&out, letter.from, &self.lab.undress(letter.from, &pong).fragments(size)),
                    None => self.lab.expect_own(&out, letter.from, pong),
                }
                None
            }
            Fate::Dies(End { reasons, told }) => {
                self.died(letter, frames, reasons, told, &out, &moved);
                None
            }
            Fate::Goes(passage) => self.went(letter, frames, size, passage, &out, moved),
        }
    }

    /// What the model says, now that what came out tells which port the appliance chose.
    fn fate(&self, letter: &Letter, out: &Out) -> Fate {
        let flows = &self.model.flows;
        let source =
            self.model.plan.who_is(letter.way.src.addr).map(|who| (letter.protocol(), who, letter.way.src.port));
        let own = source.filter(|source| flows.free(*source, source.2)).map_or(1, |source| source.2);
        let fate = self.model.fate(letter, own);
        let (Fate::Goes(Passage { wears: Some(source), .. }), [(_, first), ..]) = (&fate, out.as_slice()) else {
            return fate;
        };
        if first[l3(first) + 12..][..4] != vip(pair(source.1)).octets() {
            return fate;
        }
        let l4 = l3(first) + 20;
        let chosen = match (&letter.what, &first[l4..]) {
            (What::EchoRequest, bytes) => u16::from_be_bytes([bytes[4], bytes[5]]),
            (_, bytes) => u16::from_be_bytes([bytes[0], bytes[1]]),
        };
        if self.tells {
            println!("{letter:?}: {source:?} wears {chosen}");
        }
        flows.may_wear(*source, chosen);
        self.model.fate(letter, chosen)
    }

    fn went(
        &mut self,
        letter: &Letter,
        arrived: &[Vec<u8>],
        size: Option<usize>,
        passage: Passage,
        out: &Out,
        moved: Moved,
    ) -> Option<Passage> {
        let largest = arrived.iter().map(|frame| total_length(frame)).max().unwrap_or(0);
        if letter.ttl <= 1 {
            let hop = (11, 0, 0);
            self.turned_back(letter, DropReason::TtlExceeded, hop, out, &moved, &passage);
            return None;
        }
        if letter.df && largest > self.mtu(passage.to) {
            let narrow = (3, 4, self.mtu(passage.to) as u32);
            self.turned_back(letter, DropReason::TooBig, narrow, out, &moved, &passage);
            return None;
        }
        let Some((_, first)) = out.first() else {
            panic!("nothing came out of {letter:?}: {moved:?}, not {passage:?}")
        };
        let expected = passage.letter.build().ttl(letter.ttl - 1);
        let frames = match size {
            None => vec![self.lab.undress(passage.to, &self.lab.identified(expected, first)).bytes()],
            Some(size) => self.lab.undress(passage.to, &self.lab.identified_pieces(expected, first)).fragments(size),
        };
        let whole = frames.len();
        let frames: Vec<_> = frames.into_iter().flat_map(|frame| self.cut(passage.to, frame)).collect();
        assert_eq!(
            (moved.received, moved.transmitted, &moved.dropped[..]),
            (1, frames.len() as u64, &[][..]),
            "{letter:?}"
        );
        let (mut must, mut may) = (passage.notices.clone(), passage.perhaps.clone());
        must.extend(size.map(|_| Notice::Reassembled));
        match frames.len() - whole {
            0 => {}
            1 => must.push(Notice::Fragmented),
            more => may.extend(vec![Notice::Fragmented; more]),
        }
        noticed(letter, &moved.noticed, &must, &may);
        self.same(out, passage.to, &frames);
        self.identify(out);
        self.model.learn(letter, &passage);
        if let Some(who) = self.model.plan.who_is(passage.letter.way.dst.addr) {
            self.callees.insert((passage.letter.way.src, pair(who)), who);
        }
        Some(passage)
    }

    /// It would have gone on, but its sender hears why not; nothing is remembered.
    fn turned_back(
        &mut self,
        letter: &Letter,
        reason: DropReason,
        (kind, code, rest): (u8, u8, u32),
        out: &Out,
        moved: &Moved,
        passage: &Passage,
    ) {
        assert_eq!((moved.received, &moved.dropped[..]), (1, &[reason][..]), "{letter:?}");
        let may: Vec<_> = passage.notices.iter().chain(&passage.perhaps).copied().collect();
        noticed(letter, &moved.noticed, &[], &may);
        if matches!(letter.what, What::Error { .. }) {
            assert_eq!(out, &[], "no error about an error (RFC 1812 4.3.2.7)");
            return;
        }
        let hop = if letter.from == ROUTER { self.lab.outer_ip() } else { testbench::rig::G };
        let told = Build::icmp_error(hop, letter.way.src.addr, kind, code, &letter.build()).rest(rest);
        self.lab.expect_own(out, letter.from, told);
    }

    fn died(&self, letter: &Letter, frames: &[Vec<u8>], reasons: &[DropReason], told: Told, out: &Out, moved: &Moved) {
        let all = moved.dropped.iter().all(|reason| reasons.contains(reason));
        assert!(all && moved.dropped.len() == frames.len(), "{letter:?}: {moved:?}, not {reasons:?}");
        match (told, &letter.what) {
            (Told::Perhaps, _) => {
                let back = out.iter().all(|(port, _)| *port == self.lab.port(letter.from));
                assert!(out.len() <= 1 && back, "{letter:?} reached somebody");
            }
            (Told::Closed(by), _) => {
                let mut quote = frames[0][l3(&frames[0])..][..total_length(&frames[0])].to_vec();
                quote.truncate(548);
                self.lab.expect_own(out, letter.from, Build::icmp(by, letter.way.src.addr, 3, 3).payload(&quote));
            }
            (Told::Reset, What::Segment { flags, ack, .. }) if !flags.rst() => {
                assert_eq!(out.len(), 1, "{letter:?} is answered by a reset");
                let (back, seq) = (letter.way.back(), if flags.ack() { *ack } else { 0 });
                self.lab.expect_reset(&out[0], letter.from, back.src, back.dst, seq);
            }
            _ => assert_eq!(out, &[], "{letter:?} dies in silence"),
        }
    }

    /// What came out is these frames, for `to`.
    fn same(&self, out: &Out, to: Far, frames: &[Vec<u8>]) {
        assert_eq!(out.len(), frames.len(), "{:?}", self.lab.rig.told());
        for ((port, got), expected) in out.iter().zip(frames) {
            assert_eq!(*port, self.lab.port(to), "the wrong port");
            assert_same(got, expected);
        }
    }

    /// What leaves with a virtual source and may be cut on its way has a number of its own.
    fn identify(&mut self, out: &Out) {
        let headers = Packet::parse(&out[0].1).expect("the rig has read it");
        if (0..2).any(|pair| vip(pair) == headers.src()) && !headers.is_atomic() {
            self.identifications.see(&out[0].1);
        }
    }

    /// The largest datagram that goes there.
    fn mtu(&self, to: Far) -> usize {
        if to == ROUTER && self.lab.layout != Layout::OneArm { 1500 } else { usize::from(self.model.plan.servers_mtu) }
    }

    /// A frame in pieces that fit, said as simply as it can be.
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
        if self.tells {
            println!("{} bytes from {from:?}: {moved:?}", frame.len());
        }
        (self.by_either_router(out, from != ROUTER), moved)
    }

    fn arriving(&self, letter: &Letter) -> Vec<u8> {
        self.by_its_router(letter, self.lab.arriving(letter.from, &letter.build()))
    }

    /// Who lives behind the other router sends by it.
    fn by_its_router(&self, letter: &Letter, mut frame: Vec<u8>) -> Vec<u8> {
        if letter.from == ROUTER && self.model.plan.takes_detour(letter.way.src.addr) {
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

fn noticed(letter: &Letter, got: &[Notice], must: &[Notice], may: &[Notice]) {
    let mut left = got.to_vec();
    for notice in must {
        let at = left.iter().position(|one| one == notice);
        left.swap_remove(at.unwrap_or_else(|| panic!("{letter:?}: {notice:?} is not among {got:?}")));
    }
    assert!(left.iter().all(|notice| may.contains(notice)), "{letter:?} made {got:?}, not {must:?}");
}

fn l3(frame: &[u8]) -> usize {
    if frame[12..14] == [0x81, 0] { 18 } else { 14 }
}

fn total_length(frame: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([frame[l3(frame) + 2], frame[l3(frame) + 3]]))
}
