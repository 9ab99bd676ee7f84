//! A capture's place at one worker, and the ring from there.
//!
//! Owns [`Selection`] (which packets are meant), [`Record`] (a frame as it was seen), and the two ends of a capture: [`Tap`], the
//! worker's, and [`TapEnd`], that of whoever reads. All buffers are made with the ring and go round in it: a record is written into one
//! that was read. Where none is free the frame is not recorded and counted as lost; nobody waits. What was matched is what was written
//! and what was lost, always. [`Workspace`] comes with them: a worker that looks at frames needs memory, which it does not ask for.
//! Decides nothing about packets; when a frame is looked at, [`super::tapping`] says.

use crate::flow::{FlowName, MOST_FRAGMENTS};
use crate::policy::Snapshot;
use crate::policy::intent::{Listen, PortId};
use crate::time::Instant;
use crate::wire::bpf::Program;
use crate::wire::{Endpoint, Packet, Protocol};
use ipnet::Ipv4Net;
use rtrb::{Consumer, Producer, RingBuffer};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Captures at once, at most.
pub const CAPTURES: usize = 4;

/// What came of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was forwarded.
    Forward,
    /// It was answered, or its sender was told why it was dropped: this is that answer, or what was answered.
    Answer,
    /// The appliance made it from nothing.
    Originate,
    /// It was dropped.
    Drop,
    /// It was never for us.
    Ignore,
    /// It went to management.
    Punt,
    /// It waits: for a MAC, for the rest of its datagram, for somebody who may take it.
    Wait,
}

impl Fate {
    /// All of them.
    pub const ALL: [Fate; 7] =
        [Fate::Forward, Fate::Answer, Fate::Originate, Fate::Drop, Fate::Ignore, Fate::Punt, Fate::Wait];

    /// It leaves, itself or as an answer, or will be seen again: what is recorded as it came need not be a second time.
    pub(super) const fn leaves_or_waits(self) -> bool {
        matches!(self, Fate::Forward | Fate::Answer | Fate::Originate | Fate::Wait)
    }

    /// As an operator reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Fate::Forward => "forward",
            Fate::Answer => "answer",
            Fate::Originate => "originate",
            Fate::Drop => "drop",
            Fate::Ignore => "ignore",
            Fate::Punt => "punt",
            Fate::Wait => "wait",
        }
    }
}

/// Whether a frame is as it came or as it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// As received.
    Before,
    /// As sent.
    After,
}

/// Which packets are recorded. Everything that is set must hold, of the packet as it came or as it left.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Either frame matches; `None`: all do.
    pub program: Option<Program>,
    /// One of its addresses is in there.
    pub client: Option<Ipv4Net>,
    /// One of its addresses is this.
    pub member: Option<Ipv4Addr>,
    /// It came to the service, or left from it.
    pub service: Option<(Ipv4Addr, Vec<Listen>)>,
    /// This came of it.
    pub fate: Option<Fate>,
    /// For this reason, by its name.
    pub reason: Option<String>,
    /// Only frames of this side are recorded.
    pub side: Option<Side>,
    /// Bytes of a frame that are recorded, at most.
    pub snap: usize,
    /// What every packet that is meant has.
    pub only: Only,
}

/// What every packet that is meant has one of, where it can be named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// These addresses, as it comes or as it leaves.
    pub addresses: Option<Vec<Ipv4Addr>>,
    /// These ports, as it comes or as it leaves: it is a whole datagram of TCP, UDP or SCTP, or the first fragment of one.
    pub ports: Option<Vec<u16>>,
}

/// By what it is known beforehand that a packet is not meant.
pub(super) enum Known<'a> {
    /// It comes with none of these addresses.
    Addresses(&'a [Ipv4Addr]),
    /// It has none of these ports.
    Ports(&'a [u16]),
}

/// A frame as it was seen.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which packet of this worker's: frames of one packet have the same number. 0: a frame whose packet is not known any more.
    pub packet: u64,
    /// How it was seen.
    pub side: Side,
    /// When the turn began that received it, or in which it left.
    pub at: Instant,
    /// Where it came in, or leaves.
    pub port: PortId,
    /// What came of the packet.
    pub fate: Fate,
    /// Why, by the name of its counter.
    pub reason: Option<&'static str>,
    /// The member it concerns.
    pub member: Option<Ipv4Addr>,
    /// The packet's flow.
    pub flow: Option<FlowName>,
    /// How many frames were lost before it, since the record before.
    pub lost: u64,
    /// The frame's length, of which `bytes` may have only the beginning.
    pub length: u32,
    kept: usize,
    buffer: Box<[u8]>,
}

impl Record {
    /// Of no frame, with room for so many bytes.
    fn blank(snap: usize) -> Record {
        Record {
            packet: 0,
            side: Side::Before,
            at: Instant::ZERO,
            port: PortId(0),
            fate: Fate::Wait,
            reason: None,
            member: None,
            flow: None,
            lost: 0,
            length: 0,
            kept: 0,
            buffer: vec![0; snap].into(),
        }
    }

    /// The frame, or its beginning.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.kept]
    }
}

/// What is known of a frame that is recorded.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub packet: u64,
    pub side: Side,
    pub at: Instant,
    pub port: PortId,
    pub fate: Fate,
    pub reason: Option<&'static str>,
    pub member: Option<Ipv4Addr>,
    pub flow: Option<FlowName>,
    pub bytes: &'a [u8],
    pub length: usize,
}

/// The longest frame that is looked at whole; the filter sees no more of a longer one.
const SCRATCH: usize = 16 << 10;
/// Frames that wait whose numbers are remembered, at most: one that leaves without has a number of its own.
const WAITING: usize = 4_096;

/// What a worker needs to look at frames, made by whoever wants it to.
#[derive(Default)]
pub(super) struct Workspace {
    /// A frame as it came.
    pub scratch: Box<[u8]>,
    /// By the place of its bytes: the number of a packet that waits, and which taps have a record of it.
    pub waiting: HashMap<usize, (u64, u8)>,
    /// Of the frames of one datagram.
    pub places: Vec<usize>,
}

impl Workspace {
    pub fn new() -> Workspace {
        Workspace {
            scratch: vec![0; SCRATCH].into(),
            // Twice as many: a map that is nearly full of what has gone would ask for memory where it could tidy up.
            waiting: HashMap::with_capacity(2 * WAITING),
            places: Vec::with_capacity(usize::from(MOST_FRAGMENTS)),
        }
    }

    /// It was never made.
    pub fn is_missing(&self) -> bool {
        self.scratch.is_empty()
    }

    /// Remembers a packet that waits. Never more of them than there is memory for: then all others are forgotten.
    pub fn remember(&mut self, place: usize, number: u64, recorded: u8) {
        if self.waiting.len() >= WAITING {
            self.waiting.clear();
        }
        self.waiting.insert(place, (number, recorded));
    }
}

/// What the two ends tell each other beside the records. Each field has one writer.
#[derive(Debug, Default)]
struct Shared {
    /// By the worker: frames that matched.
    matched: AtomicU64,
    /// By the worker: those of them that found no room.
    lost: AtomicU64,
    /// By the worker: nothing comes any more.
    ended: AtomicBool,
    /// By the reader: nothing is wanted any more.
    stop: AtomicBool,
}

/// The worker's end.
pub struct Tap {
    /// Of which capture.
    pub capture: u64,
    selection: Arc<Selection>,
    records: Producer<Record>,
    free: Consumer<Record>,
    shared: Arc<Shared>,
    matched: u64,
    lost: u64,
    /// Not yet said by a record.
    unsaid: u64,
    /// For a worker that has none yet.
    pub(super) workspace: Workspace,
}

/// The reader's end.
pub struct TapEnd {
    records: Consumer<Record>,
    free: Producer<Record>,
    shared: Arc<Shared>,
}

/// A tap with room for `room` frames.
pub fn tap(capture: u64, selection: Arc<Selection>, room: usize) -> (Box<Tap>, TapEnd) {
    let (records, read) = RingBuffer::new(room);
    let (mut returned, free) = RingBuffer::new(room);
    for _ in 0..room {
        _ = returned.push(Record::blank(selection.snap));
    }
    let shared = Arc::<Shared>::default();
    let tap = Tap {
        capture,
        selection,
        records,
        free,
        shared: Arc::clone(&shared),
        matched: 0,
        lost: 0,
        unsaid: 0,
        workspace: Workspace::new(),
    };
    (Box::new(tap), TapEnd { records: read, free: returned, shared })
}

impl Tap {
    /// What may be asked before any byte is looked at.
    pub(super) fn may_match(&self, fate: Fate, reason: Option<&'static str>) -> bool {
        let Selection { fate: wanted, reason: because, .. } = &*self.selection;
        wanted.is_none_or(|wanted| wanted == fate) && because.as_deref().is_none_or(|because| reason == Some(because))
    }

    /// Whose packet it is, by its headers as it came and as it left.
    pub(super) fn concerns(&self, before: Option<&Packet>, after: Option<&Packet>) -> bool {
        let Selection { client, member, service, .. } = &*self.selection;
        let any = |holds: &dyn Fn(Ipv4Addr) -> bool| {
            before.into_iter().chain(after).any(|packet| holds(packet.src()) || holds(packet.dst()))
        };
        client.is_none_or(|client| any(&|address| client.contains(&address)))
            && member.is_none_or(|member| any(&|address| address == member))
            && service.as_ref().is_none_or(|at| is_of(at, before, after))
    }

    /// By what packets are told apart that nobody means. An address that translation makes, a packet may have only as it leaves.
    pub(super) fn known(&self, snapshot: &Snapshot) -> Option<Known<'_>> {
        let Only { addresses, ports } = &self.selection.only;
        let comes_so = |all: &&Vec<Ipv4Addr>| !all.iter().any(|one| snapshot.may_make(*one));
        match addresses.as_ref().filter(comes_so) {
            Some(addresses) => Some(Known::Addresses(addresses)),
            None => ports.as_deref().map(Known::Ports),
        }
    }

    pub(super) fn needs_headers(&self) -> bool {
        let Selection { client, member, service, .. } = &*self.selection;
        client.is_some() || member.is_some() || service.is_some()
    }

    /// The frame is what the filter says.
    pub(super) fn matches(&self, bytes: &[u8], length: usize) -> bool {
        self.selection.program.as_ref().is_none_or(|program| program.matches(bytes, length))
    }

    /// Writes a record of a frame that matches, unless its side is not wanted; or counts it as lost. Says whether it was wanted.
    pub(super) fn record(&mut self, seen: &Seen<'_>) -> bool {
        if self.selection.side.is_some_and(|side| side != seen.side) {
            return false;
        }
        self.matched += 1;
        let Ok(mut record) = self.free.pop() else {
            self.lost += 1;
            self.unsaid += 1;
            return true;
        };
        let kept = seen.bytes.len().min(record.buffer.len());
        record.buffer[..kept].copy_from_slice(&seen.bytes[..kept]);
        let Seen { packet, side, at, port, fate, reason, member, flow, length, .. } = *seen;
        let (lost, length, buffer) = (std::mem::take(&mut self.unsaid), length as u32, record.buffer);
        let full = Record { packet, side, at, port, fate, reason, member, flow, lost, length, kept, buffer };
        // There are as many places as records.
        if self.records.push(full).is_err() {
            self.lost += 1;
        }
        true
    }

    /// The reader learns what was counted.
    pub(super) fn publish(&self) {
        self.shared.matched.store(self.matched, Ordering::Relaxed);
        self.shared.lost.store(self.lost, Ordering::Relaxed);
    }

    /// Nobody reads any more, or wants to.
    pub(super) fn is_unwanted(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed) || self.records.is_abandoned()
    }

    /// Frames that matched, and those of them that were lost.
    pub fn counts(&self) -> (u64, u64) {
        (self.matched, self.lost)
    }

    /// Nothing is recorded from now on.
    pub(super) fn end(&self) {
        self.publish();
        self.shared.ended.store(true, Ordering::Release);
    }
}

/// The packet came to a service, or left from it: by address, and by port where it shows one.
fn is_of((address, listen): &(Ipv4Addr, Vec<Listen>), before: Option<&Packet>, after: Option<&Packet>) -> bool {
    let listens = |packet: &Packet, end: Endpoint| {
        let protocol = match packet.protocol {
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            _ => return true,
        };
        end.port == 0 || listen.iter().any(|listen| listen.is(protocol, end.port))
    };
    before.into_iter().chain(after).any(|packet| {
        let (src, dst) =
            (Endpoint::new(packet.src(), packet.src_port()), Endpoint::new(packet.dst(), packet.dst_port()));
        [src, dst].into_iter().any(|end| end.addr == *address && listens(packet, end))
    })
}

impl TapEnd {
    /// When the oldest record was made, if there is one.
    pub fn next_at(&self) -> Option<Instant> {
        self.records.peek().ok().map(|record| record.at)
    }

    /// Has the oldest record read, and its buffer back to the worker.
    pub fn read<T>(&mut self, read: impl FnOnce(&Record) -> T) -> Option<T> {
        let record = self.records.pop().ok()?;
        let said = read(&record);
        _ = self.free.push(record);
        Some(said)
    }

    /// Nothing is wanted any more; what was recorded can still be read.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// All was read, and nothing comes any more.
    pub fn is_over(&self) -> bool {
        let ended = self.shared.ended.load(Ordering::Acquire) || self.records.is_abandoned();
        ended && self.records.is_empty()
    }

    /// Frames that matched, and those of them that were lost, as of the end of the worker's last turn.
    pub fn counts(&self) -> (u64, u64) {
        (self.shared.matched.load(Ordering::Relaxed), self.shared.lost.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &[u8]) -> Seen<'_> {
        Seen {
            packet: 1,
            side: Side::Before,
            at: Instant::ZERO,
            port: PortId(0),
            fate: Fate::Forward,
            reason: None,
            member: None,
            flow: None,
            bytes,
            length: bytes.len(),
        }
    }

    #[test]
    fn what_matched_is_what_was_read_and_what_was_lost_whoever_is_slow() {
        let selection = Arc::new(Selection { snap: 4, ..Selection::default() });
        let (mut tap, mut end) = tap(1, selection, 3);
        let (mut read, mut said) = (0, 0);
        for round in 0..50u8 {
            for frame in 0..5 {
                assert!(tap.record(&seen(&[round, frame, 2, 3, 4, 5])));
            }
            // Whoever reads takes two at a time.
            for _ in 0..2 {
                let take = |record: &Record| {
                    assert_eq!((record.bytes().len(), record.length), (4, 6));
                    record.lost
                };
                if let Some(lost) = end.read(take) {
                    (read, said) = (read + 1, said + lost);
                }
            }
        }
        end.stop();
        assert!(tap.is_unwanted() && !end.is_over());
        tap.end();
        while let Some(lost) = end.read(|record| record.lost) {
            (read, said) = (read + 1, said + lost);
        }
        let (matched, lost) = end.counts();
        assert!(end.is_over());
        assert_eq!((matched, read + lost), (250, 250));
        // Those after the last record are only in the sum.
        assert!(said <= lost && lost - said <= 5, "{said} of {lost}");
    }

    #[test]
    fn a_reader_that_is_gone_is_noticed() {
        let (tap, end) = tap(1, Arc::new(Selection { snap: 64, ..Selection::default() }), 4);
        assert!(!tap.is_unwanted());
        drop(end);
        assert!(tap.is_unwanted());
    }

    #[test]
    fn only_the_side_that_is_wanted_is_recorded() {
        let (mut tap, end) =
            tap(1, Arc::new(Selection { snap: 64, side: Some(Side::After), ..Selection::default() }), 4);
        assert!(!tap.record(&seen(&[0; 60])));
        assert!(tap.record(&Seen { side: Side::After, ..seen(&[0; 60]) }));
        tap.publish();
        assert_eq!(end.counts(), (1, 0));
    }
}
