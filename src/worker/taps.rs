//! The captures that are on at a worker.
//!
//! Owns [`Taps`]: the taps, the frame that is being decided about as it came, and how it is found out what came of it: by what has been
//! queued and counted meanwhile, so that what a record says is what the counters say. Nothing here is touched while no capture is on,
//! but for [`Taps::is_on`], once a burst. While one is, nothing is allocated and nothing waits.

use super::counters::Counters;
use super::tap::{CAPTURES, Fate, Seen, Side, Tap};
use crate::engine::{DropReason, IgnoreReason, PuntReason};
use crate::io::Frame;
use crate::policy::Snapshot;
use crate::policy::intent::PortId;
use crate::policy::snapshot::AddressClass;
use crate::time::Instant;
use crate::wire::Packet;
use std::collections::HashMap;
use std::net::Ipv4Addr;

/// The longest frame that is looked at whole; the filter sees no more of a longer one.
const SCRATCH: usize = 16 << 10;
/// Frames that wait whose numbers are remembered, at most: one that leaves without has a number of its own.
const WAITING: usize = 4_096;

/// All that are on.
#[derive(Default)]
pub(super) struct Taps {
    open: [Option<Box<Tap>>; CAPTURES],
    on: usize,
    /// Of the addresses of which a packet that is meant has one, the lower six bits.
    bits: u64,
    /// When the present turn began.
    pub now: Instant,
    /// Answers of our own that took a frame's place.
    pub answered: u64,
    /// Packets that were looked at.
    packets: u64,
    /// The frame as it came, and how long it is.
    scratch: Vec<u8>,
    length: usize,
    before: Before,
    /// What was counted and queued before it was decided about.
    counted: Counters,
    queued: Vec<usize>,
    /// By the place of its bytes: the number of a packet that waits, and which taps have a record of it.
    waiting: HashMap<usize, (u64, u8)>,
}

/// What is known of the frame as it came.
#[derive(Clone, Copy)]
struct Before {
    number: u64,
    /// Taps that recorded it when it began to wait.
    recorded: u8,
    at: Instant,
    port: PortId,
    /// Where its bytes are, and how many answers had been made.
    place: usize,
    answered: u64,
}

impl Default for Before {
    fn default() -> Before {
        Before { number: 0, recorded: 0, at: Instant::ZERO, port: PortId(0), place: 0, answered: 0 }
    }
}

impl Taps {
    /// Whether any capture is on.
    #[inline(always)]
    pub(super) fn is_on(&self) -> bool {
        self.on != 0
    }

    /// A capture begins. One for which there is no place is returned.
    pub(super) fn open(&mut self, tap: Box<Tap>) -> Option<Box<Tap>> {
        let Some(at) = self.open.iter().position(Option::is_none) else { return Some(tap) };
        if self.on == 0 {
            self.scratch.resize(SCRATCH, 0);
            self.waiting = HashMap::with_capacity(WAITING);
        }
        self.waiting.values_mut().for_each(|(_, recorded)| *recorded &= !(1 << at));
        self.open[at] = Some(tap);
        self.on += 1;
        None
    }

    /// Another capture is on, or one less, or another file is in force: what nobody can mean is known anew.
    pub(super) fn learn(&mut self, snapshot: &Snapshot) {
        self.bits = self.open.iter().flatten().fold(0, |bits, tap| bits | tap.address_bits(snapshot.life));
    }

    /// No capture can mean this packet, whatever is done with it: by its addresses as it came, for translation makes none but our own and
    /// the members' of them.
    #[inline]
    pub(super) fn pass_over(&self, packet: &Packet) -> bool {
        let bit = |address: Ipv4Addr| self.bits >> (u32::from(address) & 63);
        (bit(packet.src()) | bit(packet.dst())) & 1 == 0
    }

    /// Those that nobody wants any more, or all of them, one at a time.
    pub(super) fn next_ended(&mut self, all: bool) -> Option<Box<Tap>> {
        let ended =
            self.open.iter_mut().find(|tap| tap.as_ref().is_some_and(|tap| all || tap.is_unwanted()))?.take()?;
        ended.end();
        self.on -= 1;
        if self.on == 0 {
            self.waiting = HashMap::new();
            self.scratch = Vec::new();
        }
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

    /// Before this frame is decided about, which came in at `port`, and may have waited since.
    pub(super) fn note<F: Frame>(&mut self, frame: &F, port: PortId, at: Instant, waited: bool) {
        let bytes = frame.bytes();
        let (kept, place) = (bytes.len().min(self.scratch.len()), place(bytes));
        self.scratch[..kept].copy_from_slice(&bytes[..kept]);
        self.length = bytes.len();
        // What had its bytes where those of a new frame are is gone, of whatever it died.
        let (number, recorded) = self.waiting.remove(&place).filter(|_| waited).unwrap_or_else(|| {
            self.packets += 1;
            (self.packets, 0)
        });
        self.before = Before { number, recorded, at, port, place, answered: self.answered };
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
        let (fate, reason) = self.fate(counters, queues);
        if !is_elsewhere {
            self.record(fate, reason, queues, snapshot);
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
        for tap in self.open.iter_mut().flatten() {
            let meant = tap.may_match(Fate::Originate, None)
                && tap.concerns(None, headers.as_ref())
                && tap.matches(bytes, bytes.len());
            if meant {
                tap.record(&seen);
            }
        }
    }

    /// A frame that was on its way was dropped all the same.
    pub(super) fn lost_on_its_way<F: Frame>(&mut self, frame: &F, port: PortId, side: Side, reason: DropReason) {
        let (bytes, at) = (frame.bytes(), self.now);
        let (length, reason) = (bytes.len(), Some(reason.name()));
        let headers = Packet::parse(bytes).ok();
        let (packet, member, fate) = (0, None, Fate::Drop);
        let seen = Seen { packet, side, at, port, fate, reason, member, bytes, length };
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

    fn record<F: Frame>(&mut self, fate: Fate, reason: Option<&'static str>, queues: &[Vec<F>], snapshot: &Snapshot) {
        let Taps { open, now, scratch, length, before, queued, waiting, .. } = self;
        let (now, length, before) = (*now, *length, *before);
        let bytes = &scratch[..length.min(scratch.len())];
        let mut recorded = before.recorded;
        let mut facts = None;
        for (at, tap) in open.iter_mut().enumerate() {
            let Some(tap) = tap.as_mut().filter(|tap| tap.may_match(fate, reason)) else { continue };
            let left = || new_frames(queues, queued);
            let matches =
                tap.matches(bytes, length) || left().any(|(_, frame)| tap.matches(frame.bytes(), frame.bytes().len()));
            if !matches {
                continue;
            }
            // Read only of what matches: most does not.
            let Facts { came, went, member } = facts.get_or_insert_with(|| Facts::of(bytes, left(), snapshot));
            if tap.needs_headers() && !tap.concerns(came.as_ref(), went.as_ref()) {
                continue;
            }
            let (packet, member) = (before.number, *member);
            let seen = Seen {
                packet,
                side: Side::Before,
                at: before.at,
                port: before.port,
                fate,
                reason,
                member,
                bytes,
                length,
            };
            if recorded & 1 << at == 0 && tap.record(&seen) {
                recorded |= 1 << at;
            }
            for (port, frame) in left() {
                let (bytes, fate) = (frame.bytes(), if fate == Fate::Drop { Fate::Answer } else { fate });
                let packet = number_of(waiting, bytes).unwrap_or(packet);
                tap.record(&Seen {
                    packet,
                    side: Side::After,
                    at: now,
                    port,
                    fate,
                    bytes,
                    length: bytes.len(),
                    ..seen
                });
            }
        }
        if fate == Fate::Wait {
            // Numbers are left behind by what died while it waited.
            if waiting.len() >= WAITING {
                waiting.clear();
            }
            waiting.insert(before.place, (before.number, recorded));
        }
        // Of a datagram in fragments that was whole all have left.
        if !waiting.is_empty() && new_frames(queues, queued).nth(1).is_some() {
            new_frames(queues, queued).for_each(|(_, frame)| forget(waiting, frame.bytes()));
        }
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

fn place(bytes: &[u8]) -> usize {
    bytes.as_ptr() as usize
}

/// Where a frame's bytes were before it got a tag, or lost one.
fn places(bytes: &[u8]) -> [usize; 3] {
    let place = place(bytes);
    [place, place.wrapping_add(4), place.wrapping_sub(4)]
}

/// The number that a frame had when it began to wait.
fn number_of(waiting: &HashMap<usize, (u64, u8)>, bytes: &[u8]) -> Option<u64> {
    places(bytes).iter().find_map(|place| waiting.get(place)).map(|(number, _)| *number)
}

fn forget(waiting: &mut HashMap<usize, (u64, u8)>, bytes: &[u8]) {
    places(bytes).iter().for_each(|place| _ = waiting.remove(place));
}
