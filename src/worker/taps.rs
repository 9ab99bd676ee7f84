//! The captures that are on at a worker, and its recorder.
//!
//! Owns [`Taps`]: the taps and the tape, the frame that is being decided about as it came, and how it is found out what came of it: by
//! what has been queued and counted meanwhile, so that what a record says is what the counters say. Nothing here is touched while
//! neither is on, but for [`Taps::is_on`], once a burst. Nothing is allocated, also when one begins or ends, and nothing waits. The tape
//! is written on in some turns and in others not, where frames come faster than it may be.

use super::allowance::Allowance;
use super::counters::Counters;
use super::meant::Meant;
use super::tap::{CAPTURES, Fate, Known, Seen, Side, Tap, Workspace};
use super::tape::{KEPT, PACE, Tape};
use crate::engine::{DropReason, Engine, IgnoreReason, Lookup, PuntReason};
use crate::flow::FlowName;
use crate::io::Frame;
use crate::policy::Snapshot;
use crate::policy::intent::PortId;
use crate::policy::snapshot::AddressClass;
use crate::time::Instant;
use crate::wire::{Packet, Ports};
use std::net::Ipv4Addr;

/// Among taps that have a record, the tape's place.
const TAPE: u8 = 1 << CAPTURES;

/// What is known of a packet before it is decided about.
#[derive(Clone, Copy)]
pub(super) struct Arrived<'p> {
    pub packet: &'p Packet,
    pub lookup: &'p Lookup,
    /// Where it came in.
    pub port: PortId,
}

/// All that are on.
#[derive(Default)]
pub(super) struct Taps {
    open: [Option<Box<Tap>>; CAPTURES],
    on: usize,
    /// The recorder's, while it is on.
    tape: Option<Box<Tape>>,
    /// It is written on in this turn.
    is_recording: bool,
    allowance: Allowance<PACE>,
    /// Frames that came in turns in which the recorder did not write. One that is handed to another worker counts at both.
    passed_over: u64,
    /// A capture is on, or the recorder writes.
    is_on: bool,
    /// A packet that is meant has one of these addresses as it comes.
    addresses: Meant<Ipv4Addr>,
    /// Or one of these ports, as it comes or as it leaves.
    ports: Meant<u16>,
    /// The burst that is decided about was only glanced over.
    pub is_glanced: bool,
    /// When the present turn began.
    now: Instant,
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

    /// A turn begins: whether the recorder writes in it.
    #[inline]
    pub(super) fn begin_turn(&mut self, now: Instant) {
        self.now = now;
        if self.tape.is_some() {
            self.record_or_not();
        }
    }

    fn record_or_not(&mut self) {
        let was_recording = std::mem::replace(&mut self.is_recording, self.allowance.renew(self.now));
        if was_recording && !self.is_recording {
            // What begins to wait meanwhile is not known.
            self.forget_waiting(TAPE);
        }
        self.look_whether_on();
    }

    /// Whether any capture is on, or the recorder writes in this turn.
    #[inline(always)]
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// So many frames are decided about in this turn.
    #[inline(always)]
    pub(super) fn meet(&mut self, frames: usize) {
        if !self.is_recording {
            self.passed_over += frames as u64;
        }
    }

    /// None of these has a record of what waits.
    fn forget_waiting(&mut self, taps: u8) {
        self.work.waiting.values_mut().for_each(|(_, recorded)| *recorded &= !taps);
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
        self.forget_waiting(1 << at);
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
        self.forget_waiting(TAPE);
        self.is_recording = self.tape.is_some() && self.allowance.renew(self.now);
        self.look_whether_on();
        old
    }

    fn equip(&mut self, workspace: &mut Workspace) {
        if self.work.is_missing() {
            std::mem::swap(&mut self.work, workspace);
        }
    }

    fn look_whether_on(&mut self) {
        self.is_on = self.on != 0 || self.is_recording;
        if !self.is_on {
            self.work.waiting.clear();
        }
    }

    /// Another capture is on, or one less, or another file is in force: what nobody can mean is known anew.
    pub(super) fn learn(&mut self, snapshot: &Snapshot) {
        (self.addresses, self.ports) = (Meant::default(), Meant::default());
        for tap in self.open.iter().flatten() {
            match tap.known(snapshot) {
                Some(Known::Addresses(addresses)) => addresses.iter().for_each(|one| self.addresses.add(*one)),
                Some(Known::Ports(ports)) => ports.iter().for_each(|one| self.ports.add(*one)),
                None => self.addresses = Meant::ANY,
            }
        }
    }

    /// The one port of which a packet has to have it, as it comes or as it leaves, to be meant. `None`: something else is asked.
    #[inline(always)]
    pub(super) fn only_port(&self) -> Option<u16> {
        self.ports.one().filter(|_| self.addresses.is_none() && !self.is_recording)
    }

    /// No capture can mean any of these; `None`: what cannot be read. Of one host or one port, as is usual, nothing is asked but whether
    /// it is it.
    #[inline]
    pub(super) fn pass_over_all<'p>(&self, all: impl Iterator<Item = Option<Arrived<'p>>>, engine: &Engine) -> bool {
        if self.is_recording {
            return false;
        }
        match (self.addresses.one(), self.ports.one()) {
            (Some(one), None) if self.ports.is_none() => {
                are_all(all, |Arrived { packet, .. }| packet.src() != one && packet.dst() != one)
            }
            (None, Some(one)) if self.addresses.is_none() => {
                are_all(all, |arrived| has_no_port(arrived, engine, |ports| ports.src() != one && ports.dst() != one))
            }
            _ => are_all(all, |arrived| self.pass_over(arrived, engine)),
        }
    }

    /// No capture can mean this packet, whatever is done with it: by its addresses as it came, for translation makes none but our own and
    /// the members' of them; and by its ports, where it is sure which it leaves with.
    #[inline]
    pub(super) fn pass_over(&self, arrived: &Arrived<'_>, engine: &Engine) -> bool {
        let Arrived { packet, .. } = arrived;
        let is_other = |ports: Ports| !self.ports.may_hold([ports.src(), ports.dst()]);
        !self.is_recording
            && !self.addresses.may_hold([packet.src(), packet.dst()])
            && (self.ports.is_none() || has_no_port(arrived, engine, is_other))
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
        engine: &Engine,
        is_elsewhere: bool,
    ) {
        let (mut fate, mut reason) = self.fate(counters, queues);
        if self.handed_off_whole {
            (fate, reason) = (Fate::Wait, None);
        }
        if !is_elsewhere || self.handed_off_whole {
            let mut recorded = self.write_tape(fate, reason, queues);
            recorded |= if self.on == 0 { 0 } else { self.record(fate, reason, queues, engine) };
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
            flow: None,
            bytes,
            length: bytes.len(),
        };
        self.write_one(&seen);
        for tap in self.open.iter_mut().flatten() {
            let meant = tap.may_match(Fate::Originate, None)
                && tap.concerns(None, headers.as_ref())
                && tap.matches(bytes, bytes.len());
            if meant {
                tap.record(&seen);
            }
        }
    }

    /// What has been counted before the frame that is looked at: whatever is counted meanwhile, but is not of it, has to be counted here
    /// as well. `None`: nothing looks.
    pub(super) fn counters_before(&mut self) -> Option<&mut Counters> {
        self.is_on().then_some(&mut self.counted)
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
        let (member, flow, fate) = (None, None, Fate::Drop);
        let seen = Seen { packet, side, at, port, fate, reason, member, flow, bytes, length };
        self.write_one(&seen);
        for tap in self.open.iter_mut().flatten() {
            let meant =
                tap.may_match(fate, reason) && tap.concerns(headers.as_ref(), None) && tap.matches(bytes, length);
            if meant {
                tap.record(&seen);
            }
        }
    }

    /// Writes a frame on the tape that nobody has decided about.
    fn write_one(&mut self, seen: &Seen<'_>) {
        if let Some(tape) = self.tape.as_mut().filter(|_| self.is_recording) {
            tape.write(seen, self.passed_over);
            self.allowance.spend();
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
        if !self.is_recording {
            return 0;
        }
        let Taps { tape, now, work, length, kept, before, queued, allowance, passed_over, .. } = self;
        let Some(tape) = tape else { return 0 };
        let mut write = |seen: &Seen<'_>| {
            tape.write(seen, *passed_over);
            allowance.spend();
        };
        let seen = before.seen(fate, reason, &work.scratch[..*kept], *length);
        let is_shown = before.come == Come::HandedIn || before.recorded & TAPE != 0;
        if !(is_shown && fate.leaves_or_waits()) {
            write(&seen);
        }
        for (port, frame) in new_frames(queues, queued) {
            let (bytes, fate) = (frame.bytes(), if fate == Fate::Drop { Fate::Answer } else { fate });
            let (packet, length) = (number_of(work, bytes).unwrap_or(before.number), bytes.len());
            write(&Seen { packet, side: Side::After, at: *now, port, fate, bytes, length, ..seen });
        }
        TAPE
    }

    /// Records the frame, and what has been queued, where they match. Says which taps have a record of it.
    fn record<F: Frame>(&mut self, fate: Fate, reason: Option<&'static str>, queues: &[Vec<F>], engine: &Engine) -> u8 {
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
            let Facts { came, went, member, flow } = facts.get_or_insert_with(|| Facts::of(bytes, left(), engine));
            if tap.needs_headers() && !tap.concerns(came.as_ref(), went.as_ref()) {
                continue;
            }
            let seen = Seen { member: *member, flow: *flow, ..before.seen(fate, reason, bytes, length) };
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
    fn seen<'b>(&self, fate: Fate, reason: Option<&'static str>, bytes: &'b [u8], length: usize) -> Seen<'b> {
        let Before { number: packet, at, port, .. } = *self;
        Seen { packet, side: Side::Before, at, port, fate, reason, member: None, flow: None, bytes, length }
    }
}

/// What the headers say of a packet that matches.
struct Facts {
    came: Option<Packet>,
    went: Option<Packet>,
    member: Option<Ipv4Addr>,
    flow: Option<FlowName>,
}

impl Facts {
    fn of<'f, F: Frame + 'f>(bytes: &[u8], mut left: impl Iterator<Item = (PortId, &'f F)>, engine: &Engine) -> Facts {
        let came = Packet::parse(bytes).ok();
        let went = left.next().and_then(|(_, frame)| Packet::parse(frame.bytes()).ok());
        let mut addresses = went.iter().chain(&came).flat_map(|packet| [packet.src(), packet.dst()]);
        let class = |address: Ipv4Addr| engine.snapshot().class(address);
        let member = addresses.find(|address| matches!(class(*address), AddressClass::Member(..)));
        let flow = engine.flow_name(came.as_ref(), went.as_ref());
        Facts { came, went, member, flow }
    }
}

/// The frames that were queued since, and where.
fn new_frames<'q, F>(queues: &'q [Vec<F>], queued: &'q [usize]) -> impl Iterator<Item = (PortId, &'q F)> {
    queues.iter().zip(queued).enumerate().flat_map(|(port, (queue, before))| {
        queue.get(*before..).unwrap_or_default().iter().map(move |frame| (PortId(port as u8), frame))
    })
}

/// Each of them could be read, and is so.
#[inline(always)]
fn are_all<'p>(mut all: impl Iterator<Item = Option<Arrived<'p>>>, is_so: impl Fn(&Arrived<'p>) -> bool) -> bool {
    all.all(|arrived| arrived.is_some_and(|arrived| is_so(&arrived)))
}

/// Neither as it came nor as it leaves has the packet a port that is meant, nor has anything that is sent because of it. Of what may get
/// other ports, and of what has none, that is not known.
#[inline(always)]
fn has_no_port(arrived: &Arrived<'_>, engine: &Engine, is_other: impl Fn(Ports) -> bool) -> bool {
    let Arrived { packet, lookup, port } = *arrived;
    is_other(packet.ports) && engine.ports_after(packet, port, lookup).is_some_and(is_other)
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
