//! What stands in such a file, once all of it is verified.
//!
//! Owns the reading: every digest, every record and every count is looked at before anything is given out, so that no file is taken up by
//! halves. Moments are those of the reader's clock. Of several flows from one place of a worker the last one counts.

use super::chunk::{Chunk, Kind, chunks};
use super::coding::Take;
use super::header::{FORMAT, Header, Here};
use super::records::Record;
use super::refusal::{LARGEST_FILE, Refusal};
use super::remembered::Remembered;
use super::writer::Counts;
use crate::flow::{FlowRecord, SpeakerRecord, StaysRecord};
use crate::time::Duration;
use std::collections::BTreeMap;
use std::ops::Range;

/// A file that is whole.
#[derive(Debug)]
pub struct Contents {
    bytes: Vec<u8>,
    header: Header,
    remembered: Remembered,
    counts: Counts,
    parts: Vec<Part>,
}

/// Records of one worker.
#[derive(Debug)]
struct Part {
    kind: Kind,
    worker: u16,
    records: Range<usize>,
}

/// Where a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowAt(u32);

impl Contents {
    /// What `bytes`, all of a file, say.
    ///
    /// # Errors
    /// They are not what was written.
    pub fn read(bytes: Vec<u8>) -> Result<Contents, Refusal> {
        if bytes.len() as u64 > LARGEST_FILE {
            return Err(Refusal::TooLarge);
        }
        let chunks = chunks(&bytes, FORMAT)?;
        let damaged = |chunk: usize| Refusal::Damaged { chunk: chunk as u32, what: "nothing like that is written" };
        let payload = |chunk: &Chunk| &bytes[chunk.payload.clone()];
        let first = chunks.first().filter(|chunk| chunk.kind == Kind::Header);
        let header = first.and_then(|chunk| Header::take(payload(chunk))).ok_or_else(|| damaged(0))?;
        let (mut text, mut parts, mut found, mut counts) = (Vec::new(), Vec::new(), Counts::default(), None);
        for (number, chunk) in chunks.iter().enumerate().skip(1) {
            match chunk.kind {
                Kind::Header => return Err(damaged(number)),
                Kind::Remembered => text.extend_from_slice(payload(chunk)),
                Kind::End => counts = end(payload(chunk), number),
                _ => parts.push(part(&bytes, chunk, &mut found).ok_or_else(|| damaged(number))?),
            }
        }
        let last = chunks.len() - 1;
        if counts != Some(found) {
            return Err(damaged(last));
        }
        let remembered: Remembered = serde_json::from_slice(&text).map_err(|_| damaged(last.saturating_sub(1)))?;
        let remembered = remembered.moved(|at| header.moved(at));
        Ok(Contents { bytes, header, remembered, counts: found, parts })
    }

    /// Whose it is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How old it is, if it counts here and now.
    ///
    /// # Errors
    /// Why it does not.
    pub fn age(&self, here: &Here) -> Result<Duration, Refusal> {
        self.header.age(here)
    }

    /// What management remembers.
    pub fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    /// How many records there are.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Where the flows stand that count, in no order.
    pub fn flows(&self) -> impl Iterator<Item = FlowAt> + '_ {
        let mut known: BTreeMap<u16, Met> = BTreeMap::new();
        let of = |part: &Part| matches!(part.kind, Kind::Flows | Kind::Gone);
        self.parts.iter().rev().filter(move |part| of(part)).flat_map(move |part| {
            let known = known.entry(part.worker).or_default();
            let at = |at: usize, size: usize| self.bytes[at..at + size].last_chunk().map(|le| u32::from_le_bytes(*le));
            let size = if part.kind == Kind::Flows { FlowRecord::SIZE } else { u32::SIZE };
            let is_last = |begin: &usize| at(*begin, size).is_some_and(|place| known.take(place));
            let last: Vec<usize> = part.records.clone().step_by(size).rev().filter(is_last).collect();
            let flows = if part.kind == Kind::Flows { last } else { Vec::new() };
            flows.into_iter().map(|at| FlowAt(at as u32))
        })
    }

    /// The flow that stands there.
    ///
    /// # Panics
    /// When nothing of the kind stands there: a fault of the caller's.
    pub fn flow(&self, FlowAt(at): FlowAt) -> FlowRecord {
        let record = FlowRecord::take(&mut Take(&self.bytes[at as usize..]));
        record.expect("it was read before").moved(|at| self.header.moved(at))
    }

    /// The speakers, and whose they were, longest unrenewed first of each worker.
    pub fn speakers(&self) -> impl Iterator<Item = (u16, SpeakerRecord)> + '_ {
        self.records(Kind::Speakers)
    }

    /// The same where several members are active.
    pub fn askers(&self) -> impl Iterator<Item = (u16, SpeakerRecord)> + '_ {
        self.records(Kind::Askers)
    }

    /// The persistence records, and whose they were, likewise.
    pub fn stays(&self) -> impl Iterator<Item = (u16, StaysRecord)> + '_ {
        self.records(Kind::Stays)
    }

    fn records<R: Record>(&self, kind: Kind) -> impl Iterator<Item = (u16, R)> + '_ {
        self.parts.iter().filter(move |part| part.kind == kind).flat_map(|part| {
            let mut from = Take(&self.bytes[part.records.clone()]);
            let records = std::iter::from_fn(move || R::take(&mut from));
            records.map(|record| (part.worker, record.moved(|at| self.header.moved(at))))
        })
    }
}

/// Which places of a worker were met.
#[derive(Default)]
struct Met(Vec<u64>);

impl Met {
    /// It is met for the first time.
    fn take(&mut self, place: u32) -> bool {
        let (word, bit) = (place as usize / 64, 1 << (place % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_first = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_first
    }
}

/// What the last chunk counts, if it is behind so many.
fn end(payload: &[u8], number: usize) -> Option<Counts> {
    let mut from = Take(payload);
    (from.u32()? as usize == number).then(|| Counts::take(from.0))?
}

/// Where a chunk's records are, each of which was looked at and counted.
fn part(bytes: &[u8], chunk: &Chunk, counts: &mut Counts) -> Option<Part> {
    let payload = &bytes[chunk.payload.clone()];
    let mut from = Take(payload);
    let worker = from.u16()?;
    let (count, found) = match chunk.kind {
        Kind::Flows => (&mut counts.flows, count::<FlowRecord>(from)?),
        Kind::Gone => (&mut counts.gone, count::<u32>(from)?),
        Kind::Speakers => (&mut counts.speakers, count::<SpeakerRecord>(from)?),
        Kind::Askers => (&mut counts.askers, count::<SpeakerRecord>(from)?),
        Kind::Stays => (&mut counts.stays, count::<StaysRecord>(from)?),
        Kind::Header | Kind::Remembered | Kind::End => return None,
    };
    *count += found;
    Some(Part { kind: chunk.kind, worker, records: chunk.payload.start + 2..chunk.payload.end })
}

fn count<R: Record>(mut from: Take) -> Option<u64> {
    let mut count = 0;
    while !from.is_empty() {
        R::take(&mut from)?;
        count += 1;
    }
    Some(count)
}
