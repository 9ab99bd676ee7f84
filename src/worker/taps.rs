//! The captures that are on at a worker, and its recorder.
//!
//! Owns [`Taps`]: the taps and the tape, the frame that is being decided about as it came, and how it is found out what came of it: by
//! what has been queued and counted meanwhile, so that what a record says is what the counters say. Nothing here is touched while
//! neither is on, but for [`Taps::is_on`], once a burst. Nothing is allocated, also when one begins or ends, and nothing waits.

use super::counters::Counters;
use super::tap::{CAPTURES, Fate, Seen, Side, Tap, Workspace};
use super::tape::{KEPT, Tape};
use crate::engine::{DropReason, IgnoreReason, PuntReason};
use crate::io::Frame;
use crate::policy::Snapshot;
use crate::policy::intent::PortId;
use crate::policy::snapshot::AddressClass;
use crate::time::Instant;
use crate::wire::Packet;
use std::net::Ipv4Addr;

/// Among taps that have a record, the tape's place.
const TAPE: u8 = 1 << CAPTURES;
/// So many addresses are few.
const FEW: usize = 8;

/// A few addresses.
#[derive(Clone, Copy)]
struct Meant {
    addresses: [Ipv4Addr; FEW],
    count: usize,
}

impl Meant {
    const NOBODY: Meant = Meant { addresses: [Ipv4Addr::UNSPECIFIED; FEW], count: 0 };

    fn with(mut self, address: Ipv4Addr) -> Option<Meant> {
        *self.addresses.get_mut(self.count)? = address;
        self.count += 1;
        Some(self)
    }

    fn holds(&self, address: Ipv4Addr) -> bool {
        self.addresses[..self.count].contains(&address)
    }
}

/// All that are on.
#[derive(Default)]
pub(super) struct Taps {
    open: [Option<Box<Tap>>; CAPTURES],
    on: usize,
    /// The recorder's, while it is on.
    tape: Option<Box<Tape>>,
    /// A capture or the recorder is on.
    is_on: bool,
    /// Of the addresses of which a packet that is meant has one, the lower six bits.
    bits: u64,
    /// They themselves, if they are few; `None`: they are many, or not known.
    meant: Option<Meant>,
    /// When the present turn began.
    pub now: Instant,
    /// Answers of our own that took a frame's place.
    pub answered: u64,
    /// Packets that were looked at.
    packets: u64,
    /// Stays, once there is one: the frame as it came, and what waits.
    work: Workspace,
    length: usize,
    /// Bytes of it that were kept.
    kept: usize,
    before: Before,
    /// The frame that is decided about was the last of its datagram, which is another worker's.
    pub handed_off_whole: bool,
    /// What was counted and queued before it was decided about.
    counted: Counters,
    queued: Vec<usize>,
}

/// How a frame came to be decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Come {
    /// It has just come, or was just made.
    Now,
    /// It has waited here.
    Waited,
    /// Another worker has seen it as it came, and held it until its datagram was whole.
    HandedIn,
}

/// What is known of the frame as it came.
#[derive(Clone, Copy)]
struct Before {
    number: u64,
    /// Taps that recorded it when it began to wait.
    recorded: u8,
    come: Come,
    at: Instant,
    port: PortId,
    /// Where its bytes are, and how many answers had been made.
    place: usize,
    answered: u64,
}

impl Default for Before {
    fn default() -> Before {
        Before { number: 0, recorded: 0, come: Come::Now, at: Instant::ZERO, port: PortId(0), place: 0, answered: 0 }
    }
}

impl Taps {
    /// Of a worker with so many ports.
    pub(super) fn new(ports: usize) -> Taps {
        Taps { queued: Vec::with_capacity(ports), ..Taps::default() }
    }

    /// Whether any capture is on, or the recorder.
    #[inline(always)]
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether any capture is on.
    #[inline(always)]
    pub(super) fn has_captures(&self) -> bool {
        self.on != 0
    }

    /// A capture begins. One for which there is no place is returned.
    pub(super) fn open(&mut self, mut tap: Box<Tap>) -> Option<Box<Tap>> {
        let Some(at) = self.open.iter().position(Option::is_none) else { return Some(tap) };
        self.equip(&mut tap.workspace);
        self.work.waiting.values_mut().for_each(|(_, recorded)| *recorded &= !(1 << at));
        self.open[at] = Some(tap);
        self.on += 1;
        self.is_on = true;
        None
    }

    /// The recorder writes on this from now on, or nothing. Returns what it has written on.
    pub(super) fn exchange_tape(&mut self, tape: Option<Box<Tape>>) -> Option<Box<Tape>> {
        let old = std::mem::replace(&mut self.tape, tape);
        if let Some(mut tape) = self.tape.take() {
            self.equip(&mut tape.workspace);
            self.tape = Some(tape);
        }
        self.work.waiting.values_mut().for_each(|(_, recorded)| *recorded &= !TAPE);
        self.look_whether_on();
        old
    }

    fn equip(&mut self, workspace: &mut Workspace) {
        if self.work.is_missing() {
            std::mem::swap(&mut self.work, workspace);
        }
    }

    fn look_whether_on(&mut self) {
        self.is_on = self.on != 0 || self.tape.is_some();
        if !self.is_on {
            self.work.waiting.clear();
        }
    }

    /// Another capture is on, or one less, or another file is in force: what nobody can mean is known anew.
    pub(super) fn learn(&mut self, snapshot: &Snapshot) {
        let taps = self.open.iter().flatten().map(|tap| &**tap);
        let named = |meant: Option<Meant>, tap: &Tap| {
            tap.addresses(snapshot.life)?.iter().try_fold(meant?, |meant, address| meant.with(*address))
        };
        self.meant = if self.tape.is_some() { None } else { taps.clone().fold(Some(Meant::NOBODY), named) };
        let bits = |tap: &Tap| match tap.addresses(snapshot.life) {
            Some(addresses) => addresses.iter().fold(0, |bits, address| bits | 1 << low(*address)),
            None => u64::MAX,
        };
        self.bits = if self.tape.is_some() { u64::MAX } else { taps.fold(0, |all, tap| all | bits(tap)) };
    }

    /// No capture can mean any of these; `None`: what cannot be read. Of one host, as is usual, nothing is asked but whether it is it.
    #[inline]
    pub(super) fn pass_over_all<'p>(&self, mut packets: impl Iterator<Item = Option<&'p Packet>>) -> bool {
        match self.meant {
            Some(Meant { addresses: [one, ..], count: 1 }) => {
                packets.all(|packet| packet.is_some_and(|packet| packet.src() != one && packet.dst() != one))
            }
            _ => packets.all(|packet| packet.is_some_and(|packet| self.pass_over(packet))),
        }
    }

    /// No capture can mean this packet, whatever is done with it: by its addresses as it came, for translation makes none but our own and
    /// the members' of them.
    #[inline]
    pub(super) fn pass_over(&self, packet: &Packet) -> bool {
        let bit = |address: Ipv4Addr| self.bits >> low(address);
        (bit(packet.src()) | bit(packet.dst())) & 1 == 0 || !self.may_mean(packet)
    }

    /// Of one in thirty that share those bits with somebody who is meant, nearly all are nobody who is.
    fn may_mean(&self, packet: &Packet) -> bool {
        self.meant.is_none_or(|meant| meant.holds(packet.src()) || meant.holds(packet.dst()))
    }

    /// Those that nobody wants any more, or all of them, one at a time.
    pub(super) fn next_ended(&mut self, all: bool) -> Option<Box<Tap>> {
        let ended =
            self.open.iter_mut().find(|tap| tap.as_ref().is_some_and(|tap| all || tap.is_unwanted()))?.take()?;
        ended.end();
        self.on -= 1;
        self.look_whether_on();
        Some(ended)
    }

    /// Readers learn what was counted.
    pub(super) fn publish(&self) {
        self.open.iter().flatten().for_each(|tap| tap.publish());
    }

    /// Before some frames are decided about.
    pub(super) fn begin<F>(&mut self, counters: &Counters, queues: &[Vec<F>]) {
        self.counted.clone_from(counters);
        self.queued.clear();
        self.queued.extend(queues.iter().map(Vec::len));
    }

    /// Before this frame is decided about, which came in at `port`.
    pub(super) fn note<F: Frame>(&mut self, frame: &F, port: PortId, at: Instant, come: Come) {
        let (bytes, work) = (frame.bytes(), &mut self.work);
        // Nobody reads more of it where there is only the recorder.
        let most = if self.on == 0 { KEPT.min(work.scratch.len()) } else { work.scratch.len() };
        let (kept, place) = (bytes.len().min(most), place(bytes));
        work.scratch[..kept].copy_from_slice(&bytes[..kept]);
        work.places.clear();
        (self.length, self.kept) = (bytes.len(), kept);
        // What had its bytes where those of a new frame are is gone.
        let gone = if work.waiting.is_empty() { None } else { work.waiting.remove(&place) };
        let (number, recorded) = gone.filter(|_| come == Come::Waited).unwrap_or_else(|| {
            self.packets += 1;
            (self.packets, 0)
        });
        self.handed_off_whole = false;
        self.before = Before { number, recorded, come, at, port, place, answered: self.answered };
    }

    /// What is decided about is the datagram of these frames.
    pub(super) fn are_whole<F: Frame>(&mut self, frames: &[F]) {
        self.work.places.clear();
        if frames.len() > 1 {
            let most = self.work.places.capacity();
            self.work.places.extend(frames.iter().take(most).map(|frame| place(frame.bytes())));
        }
    }

    /// The frame was decided about. Records it, and what has been queued, where they match. Of one that another worker decides about
    /// there is nothing to say here.
    pub(super) fn conclude<F: Frame>(
        &mut self,
        counters: &Counters,
        queues: &[Vec<F>],
        snapshot: &Snapshot,
        is_elsewhere: bool,
    ) {
        let (mut fate, mut reason) = self.fate(counters, queues);
        if self.handed_off_whole {
            (fate, reason) = (Fate::Wait, None);
        }
        if !is_elsewhere || self.handed_off_whole {
            let mut recorded = self.write_tape(fate, reason, queues);
            recorded |= if self.on == 0 { 0 } else { self.record(fate, reason, queues, snapshot) };
            if fate == Fate::Wait && !self.handed_off_whole {
                self.work.remember(self.before.place, self.before.number, recorded);
            }
        }
        // What has left, been handed off or been dropped waits no more.
        if fate != Fate::Wait || is_elsewhere {
            let Workspace { waiting, places, .. } = &mut self.work;
            places.drain(..).for_each(|place| _ = waiting.remove(&place));
        }
        if self.counted.originated != counters.originated || fate != Fate::Forward {
            self.counted.clone_from(counters);
        }
        self.queued.clear();
        self.queued.extend(queues.iter().map(Vec::len));
    }

    /// A frame of our own was queued at `port`, as the last one.
    pub(super) fn originated<F: Frame>(&mut self, frame: &F, port: PortId) {
        self.packets += 1;
        let bytes = frame.bytes();
        let headers = Packet::parse(bytes).ok();
        let (packet, at) = (self.packets, self.now);
        let seen = Seen {
            packet,
            side: Side::After,
            at,
            port,
            fate: Fate::Originate,
            reason: None,
            member: None,
            bytes,
            length: bytes.len(),
        };
        self.tape.iter_mut().for_each(|tape| tape.write(&seen));
        for tap in self.open.iter_mut().flatten() {
            let meant = tap.may_match(Fate::Originate, None)
                && tap.concerns(None, headers.as_ref())
                && tap.matches(bytes, bytes.len());
            if meant {
                tap.record(&seen);
            }
        }
    }

    /// A frame that has waited is dropped, and not by what is decided about now: it may have given way to that.
    pub(super) fn lost_waiting<F: Frame>(&mut self, frame: &F, port: PortId, reason: DropReason) {
        // It is not what comes of another one.
        self.counted.dropped.0[reason as usize] += 1;
        let number = self.work.waiting.remove(&place(frame.bytes())).map_or(0, |(number, _)| number);
        self.lost(number, frame, port, Side::Before, reason);
    }

    /// A frame that was on its way was dropped all the same.
    pub(super) fn lost_on_its_way<F: Frame>(&mut self, frame: &F, port: PortId, side: Side, reason: DropReason) {
        self.lost(0, frame, port, side, reason);
    }

    fn lost<F: Frame>(&mut self, packet: u64, frame: &F, port: PortId, side: Side, reason: DropReason) {
        let (bytes, at) = (frame.bytes(), self.now);
        let (length, reason) = (bytes.len(), Some(reason.name()));
        let headers = Packet::parse(bytes).ok();
        let (member, fate) = (None, Fate::Drop);
        let seen = Seen { packet, side, at, port, fate, reason, member, bytes, length };
        self.tape.iter_mut().for_each(|tape| tape.write(&seen));
        for tap in self.open.iter_mut().flatten() {
            let meant =
                tap.may_match(fate, reason) && tap.concerns(headers.as_ref(), None) && tap.matches(bytes, length);
            if meant {
                tap.record(&seen);
            }
        }
    }

    /// What came of the frame, by what has changed.
    fn fate<F>(&self, counters: &Counters, queues: &[Vec<F>]) -> (Fate, Option<&'static str>) {
        let was = &self.counted;
        let queued = queues.iter().map(Vec::len).sum::<usize>() > self.queued.iter().sum::<usize>();
        // As nearly all frames.
        let answered = self.answered != self.before.answered;
        let left = (if answered { Fate::Answer } else { Fate::Forward }, None);
        if queued && counters.originated == was.originated {
            return left;
        }
        let grown = |now: &[u64], was: &[u64]| now.iter().zip(was).position(|(now, was)| now > was);
        if let Some(at) = grown(&counters.dropped.0, &was.dropped.0) {
            return (Fate::Drop, Some(DropReason::ALL[at].name()));
        }
        if queued {
            return left;
        }
        if let Some(at) = grown(&counters.ignored.0, &was.ignored.0) {
            return (Fate::Ignore, Some(IgnoreReason::ALL[at].name()));
        }
        match grown(&counters.punted.0, &was.punted.0) {
            Some(at) => (Fate::Punt, Some(PuntReason::ALL[at].name())),
            None => (Fate::Wait, None),
        }
    }

    /// Writes the frame, and what has been queued, on the tape. Says whether it has a record there, as a tap's.
    fn write_tape<F: Frame>(&mut self, fate: Fate, reason: Option<&'static str>, queues: &[Vec<F>]) -> u8 {
        let Taps { tape, now, work, length, kept, before, queued, .. } = self;
        let Some(tape) = tape else { return 0 };
        let seen = before.seen(fate, reason, None, &work.scratch[..*kept], *length);
        let is_shown = before.come == Come::HandedIn || before.recorded & TAPE != 0;
        if !(is_shown && fate.leaves_or_waits()) {
            tape.write(&seen);
        }
        for (port, frame) in new_frames(queues, queued) {
            let (bytes, fate) = (frame.bytes(), if fate == Fate::Drop { Fate::Answer } else { fate });
            let (packet, length) = (number_of(work, bytes).unwrap_or(before.number), bytes.len());
            tape.write(&Seen { packet, side: Side::After, at: *now, port, fate, bytes, length, ..seen });
        }
        TAPE
    }

    /// Records the frame, and what has been queued, where they match. Says which taps have a record of it.
    fn record<F: Frame>(
        &mut self,
        fate: Fate,
        reason: Option<&'static str>,
        queues: &[Vec<F>],
        snapshot: &Snapshot,
    ) -> u8 {
        let Taps { open, now, work, length, kept, before, queued, .. } = self;
        let (now, length, before) = (*now, *length, *before);
        let bytes = &work.scratch[..*kept];
        let mut recorded = before.recorded;
        let mut facts = None;
        for (at, tap) in open.iter_mut().enumerate() {
            let Some(tap) = tap.as_mut().filter(|tap| tap.may_match(fate, reason)) else { continue };
            let left = || new_frames(queues, queued);
            let came_matches = tap.matches(bytes, length);
            if !came_matches && !left().any(|(_, frame)| tap.matches(frame.bytes(), frame.bytes().len())) {
                continue;
            }
            // Read only of what matches: most does not.
            let Facts { came, went, member } = facts.get_or_insert_with(|| Facts::of(bytes, left(), snapshot));
            if tap.needs_headers() && !tap.concerns(came.as_ref(), went.as_ref()) {
                continue;
            }
            let seen = before.seen(fate, reason, *member, bytes, length);
            let is_shown = match before.come {
                // As it was there when it began to wait.
                Come::HandedIn => {
                    let tells_waiting = tap.may_match(Fate::Wait, None) && came_matches;
                    tells_waiting && (!tap.needs_headers() || tap.concerns(came.as_ref(), None))
                }
                _ => recorded & 1 << at != 0,
            };
            if !(is_shown && fate.leaves_or_waits()) && tap.record(&seen) {
                recorded |= 1 << at;
            }
            for (port, frame) in left() {
                let (bytes, fate) = (frame.bytes(), if fate == Fate::Drop { Fate::Answer } else { fate });
                let (packet, length) = (number_of(work, bytes).unwrap_or(before.number), bytes.len());
                tap.record(&Seen { packet, side: Side::After, at: now, port, fate, bytes, length, ..seen });
            }
        }
        recorded
    }
}

impl Before {
    /// As a record of it says.
    fn seen<'b>(
        &self,
        fate: Fate,
        reason: Option<&'static str>,
        member: Option<Ipv4Addr>,
        bytes: &'b [u8],
        length: usize,
    ) -> Seen<'b> {
        let Before { number: packet, at, port, .. } = *self;
        Seen { packet, side: Side::Before, at, port, fate, reason, member, bytes, length }
    }
}

/// What the headers say of a packet that matches.
struct Facts {
    came: Option<Packet>,
    went: Option<Packet>,
    member: Option<Ipv4Addr>,
}

impl Facts {
    fn of<'f, F: Frame + 'f>(
        bytes: &[u8],
        mut left: impl Iterator<Item = (PortId, &'f F)>,
        snapshot: &Snapshot,
    ) -> Facts {
        let came = Packet::parse(bytes).ok();
        let went = left.next().and_then(|(_, frame)| Packet::parse(frame.bytes()).ok());
        let addresses = went.iter().chain(&came).flat_map(|packet| [packet.src(), packet.dst()]);
        let mut members = addresses.filter(|address| matches!(snapshot.class(*address), AddressClass::Member(..)));
        let member = members.next();
        Facts { came, went, member }
    }
}

/// The frames that were queued since, and where.
fn new_frames<'q, F>(queues: &'q [Vec<F>], queued: &'q [usize]) -> impl Iterator<Item = (PortId, &'q F)> {
    queues.iter().zip(queued).enumerate().flat_map(|(port, (queue, before))| {
        queue.get(*before..).unwrap_or_default().iter().map(move |frame| (PortId(port as u8), frame))
    })
}

fn low(address: Ipv4Addr) -> u32 {
    u32::from(address) & 63
}

fn place(bytes: &[u8]) -> usize {
    bytes.as_ptr() as usize
}

/// Where a frame's bytes were before it got a tag, or lost one.
fn places(bytes: &[u8]) -> [usize; 3] {
    let place = place(bytes);
    [place, place.wrapping_add(4), place.wrapping_sub(4)]
}

/// The number that a frame had when it began to wait, if it is one of the datagram that has left.
fn number_of(work: &Workspace, bytes: &[u8]) -> Option<u64> {
    let place = places(bytes).into_iter().find(|place| work.places.contains(place))?;
    work.waiting.get(&place).map(|(number, _)| *number)
}
