//! What a worker has seen last: its part of the recorder.
//!
//! Owns [`Tape`]: places of one size, made with it, of which the newest frame overwrites the oldest. A worker only writes, and gives the
//! whole tape away for another one; whoever gets it reads. When a frame is looked at, and what came of it, [`super::taps`] says.

use super::tap::{Fate, Seen, Side, Workspace};
use crate::policy::intent::PortId;
use crate::time::Instant;

/// Bytes of a frame that are kept: Ethernet, IPv4, UDP, and where a SIP message begins.
pub const KEPT: usize = 128;

/// Frames that a worker writes a second, at most: more would cost it more than a hundredth of what it forwards. A packet that is
/// forwarded is written as it came and as it left.
pub const PACE: u64 = 200_000;

/// A frame as it was seen.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// As of a capture's record: which packet of this worker's; 0: not known.
    pub packet: u64,
    /// When the turn began that received it, or in which it left.
    pub at: Instant,
    /// Why it was dropped, ignored or punted, by the name of its counter.
    pub reason: Option<&'static str>,
    /// The frame's length.
    pub length: u32,
    /// Frames that had come by then and were not written: the lower half of the number.
    passed_over: u32,
    /// Where it came in, or leaves.
    pub port: PortId,
    /// How it was seen.
    pub side: Side,
    /// What came of the packet.
    pub fate: Fate,
    kept: u8,
    bytes: [u8; KEPT],
}

impl Slot {
    const BLANK: Slot = Slot {
        packet: 0,
        at: Instant::ZERO,
        reason: None,
        length: 0,
        passed_over: 0,
        port: PortId(0),
        side: Side::Before,
        fate: Fate::Wait,
        kept: 0,
        bytes: [0; KEPT],
    };

    /// The frame's beginning.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.kept)]
    }
}

/// See the head of this file.
pub struct Tape {
    /// As many as there is room for, once it is ready.
    slots: Vec<Slot>,
    room: usize,
    /// The place that is written next.
    next: usize,
    written: u64,
    /// For a worker that has none yet.
    pub(super) workspace: Workspace,
}

impl Tape {
    /// One of so many bytes, of which none was touched yet: it is not to be written on before [`Tape::grow`] says so.
    pub fn unready(memory: usize) -> Tape {
        let room = Tape::memory_of(memory) / size_of::<Slot>();
        Tape { slots: Vec::with_capacity(room), room, next: 0, written: 0, workspace: Workspace::default() }
    }

    /// Makes so many more bytes of it ready, which takes a while for each. Says whether all of it is.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let ready = self.slots.len().saturating_add(bytes / size_of::<Slot>()).min(self.room);
        self.slots.resize(ready, Slot::BLANK);
        ready == self.room
    }

    /// It is for a worker that has never looked at a frame: it brings along what is needed for that.
    pub fn equip(&mut self) {
        self.workspace = Workspace::new();
    }

    /// One that is ready, for a worker that has had one.
    pub fn new(memory: usize) -> Box<Tape> {
        let mut tape = Box::new(Tape::unready(memory));
        tape.grow(usize::MAX);
        tape
    }

    /// Likewise, for one that has had none.
    pub fn first(memory: usize) -> Box<Tape> {
        let mut tape = Tape::new(memory);
        tape.equip();
        tape
    }

    /// Bytes that the frames take on one of so many bytes: whole places, at least one.
    pub fn memory_of(memory: usize) -> usize {
        (memory / size_of::<Slot>()).max(1) * size_of::<Slot>()
    }

    /// Bytes that the frames on it take.
    pub fn memory(&self) -> usize {
        self.room * size_of::<Slot>()
    }

    /// Writes a frame, where there is no room over the oldest. `passed_over` have come by now and were not written.
    pub(super) fn write(&mut self, seen: &Seen<'_>, passed_over: u64) {
        let Some(slot) = self.slots.get_mut(self.next) else { return };
        let kept = seen.bytes.len().min(KEPT);
        slot.bytes[..kept].copy_from_slice(&seen.bytes[..kept]);
        let Seen { packet, side, at, port, fate, reason, length, .. } = *seen;
        (slot.packet, slot.at, slot.reason, slot.length) = (packet, at, reason, length as u32);
        (slot.port, slot.side, slot.fate, slot.kept) = (port, side, fate, kept as u8);
        slot.passed_over = passed_over as u32;
        self.next = if self.next + 1 < self.slots.len() { self.next + 1 } else { 0 };
        self.written += 1;
    }

    /// Writes a frame that was forwarded.
    #[cfg(test)]
    pub(crate) fn forwarded(&mut self, packet: u64, at: Instant, side: Side, bytes: &[u8]) {
        let (port, fate, reason, member, flow, length) = (PortId(0), Fate::Forward, None, None, None, bytes.len());
        self.write(&Seen { packet, side, at, port, fate, reason, member, flow, bytes, length }, 0);
    }

    /// How many frames are on it.
    pub fn len(&self) -> usize {
        usize::try_from(self.written).map_or(self.slots.len(), |written| written.min(self.slots.len()))
    }

    /// Nothing was written.
    pub fn is_empty(&self) -> bool {
        self.written == 0
    }

    /// One of the frames on it, from 0, oldest first.
    pub fn frame(&self, at: usize) -> Option<&Slot> {
        let (len, room) = (self.len(), self.slots.len());
        let oldest = if len < room { 0 } else { self.next };
        (at < len).then(|| &self.slots[(oldest + at) % room])
    }

    /// Frames that came between those that are on it, and are not because there were more than [`PACE`] a second.
    pub fn passed_over(&self) -> u64 {
        let newest = self.len().checked_sub(1).and_then(|at| self.frame(at));
        let ends = self.frame(0).zip(newest);
        ends.map_or(0, |(oldest, newest)| newest.passed_over.wrapping_sub(oldest.passed_over).into())
    }

    /// Nothing is on it any more.
    pub fn clear(&mut self) {
        (self.next, self.written) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tape: &mut Tape, frames: std::ops::Range<u64>) {
        for number in frames {
            let bytes = vec![number as u8; 60 + number as usize];
            tape.write(
                &Seen {
                    packet: number,
                    side: Side::After,
                    at: Instant::from_millis(number),
                    port: PortId(1),
                    fate: Fate::Drop,
                    reason: Some("no_route"),
                    member: None,
                    flow: None,
                    bytes: &bytes,
                    length: bytes.len(),
                },
                0,
            );
        }
    }

    fn packets(tape: &Tape) -> Vec<u64> {
        (0..).map_while(|at| tape.frame(at)).map(|slot| slot.packet).collect()
    }

    #[test]
    fn the_newest_overwrites_the_oldest_and_they_are_read_in_order() {
        let mut tape = Tape::new(5 * size_of::<Slot>() + 1);
        assert_eq!((tape.memory(), tape.is_empty()), (5 * size_of::<Slot>(), true));
        assert!(tape.frame(0).is_none());
        for last in 1..30 {
            written(&mut tape, last..last + 1);
            let oldest = if last > 5 { last - 4 } else { 1 };
            assert_eq!(packets(&tape), (oldest..=last).collect::<Vec<_>>());
            assert_eq!(tape.len() as u64, last.min(5));
        }
        tape.clear();
        assert_eq!((packets(&tape), tape.is_empty()), (vec![], true));
        written(&mut tape, 7..9);
        assert_eq!(packets(&tape), [7, 8], "what was there before is not seen again");
    }

    #[test]
    fn a_tape_is_made_ready_in_parts() {
        let mut tape = Tape::unready(10 * size_of::<Slot>());
        let part = 4 * size_of::<Slot>();
        assert_eq!([(); 3].map(|()| tape.grow(part)), [false, false, true]);
        written(&mut tape, 1..21);
        assert_eq!((packets(&tape), tape.memory()), ((11..21).collect(), 10 * size_of::<Slot>()));
        assert!(tape.workspace.is_missing() && !Tape::first(1).workspace.is_missing());
    }

    #[test]
    fn a_frame_is_kept_as_far_as_there_is_room_for_it() {
        let mut tape = Tape::new(0);
        for (number, kept) in [(4, 64), (68, 128), (200, 128)] {
            written(&mut tape, number..number + 1);
            let slot = tape.frame(0).expect("there is room for one");
            assert_eq!((slot.bytes(), slot.length), (&vec![number as u8; kept][..], 60 + number as u32));
            assert_eq!((slot.side, slot.fate, slot.reason), (Side::After, Fate::Drop, Some("no_route")));
            assert_eq!((slot.port, slot.at), (PortId(1), Instant::from_millis(number)));
            assert!(tape.frame(1).is_none());
        }
    }

    /// What lies between the oldest and the newest counts: what came before is of another time.
    #[test]
    fn frames_are_passed_over_between_those_that_are_on_it() {
        let bytes = [0; 60];
        let (packet, side, at, port) = (1, Side::Before, Instant::ZERO, PortId(0));
        let (fate, reason, member, flow, length) = (Fate::Forward, None, None, None, 60);
        let seen = Seen { packet, side, at, port, fate, reason, member, flow, bytes: &bytes, length };
        let mut tape = Tape::new(3 * size_of::<Slot>());
        assert_eq!(tape.passed_over(), 0);
        let before = u64::from(u32::MAX);
        for (over, between) in [(before - 9, 0), (before, 9), (before + 5, 14), (before + 6, 6), (before + 6, 1)] {
            tape.write(&seen, over);
            assert_eq!(tape.passed_over(), between);
        }
    }

    /// What README and reference count with.
    #[test]
    fn a_frame_takes_176_bytes() {
        assert_eq!(size_of::<Slot>(), 176);
    }
}
