//! Writes such a file, from its first chunk to its last.
//!
//! Owns the order of the chunks and the counts that stand in the last one. Where it writes is the caller's.

use super::chunk::{ChunkWriter, Kind};
use super::coding::{Put, Take};
use super::frame::PAYLOAD;
use super::header::{FORMAT, Header};
use super::records::Record;
use super::remembered::Remembered;
use crate::flow::{FlowRecord, SpeakerRecord, StaysRecord};
use std::io::{self, Write};

/// How many records there are in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Flows as they were written, some of them twice.
    pub flows: u64,
    /// Flows of those that were no more at the end.
    pub gone: u64,
    /// Speakers.
    pub speakers: u64,
    /// The same where several members are active.
    pub askers: u64,
    /// Persistence records.
    pub stays: u64,
}

impl Counts {
    pub(super) fn put(&self, into: &mut Put) {
        let Counts { flows, gone, speakers, askers, stays } = *self;
        [flows, gone, speakers, askers, stays].into_iter().for_each(|count| into.u64(count));
    }

    pub(super) fn take(payload: &[u8]) -> Option<Counts> {
        let mut from = Take(payload);
        let counts = Counts {
            flows: from.u64()?,
            gone: from.u64()?,
            speakers: from.u64()?,
            askers: from.u64()?,
            stays: from.u64()?,
        };
        from.is_empty().then_some(counts)
    }
}

/// A file that is being written. `worker` is whose a record is.
pub struct Writer<W> {
    chunks: ChunkWriter<W>,
    counts: Counts,
}

impl<W: Write> Writer<W> {
    /// Says whose it is.
    ///
    /// # Errors
    /// As those that follow: what `to` says, and that the file would be too large.
    pub fn begin(to: W, header: &Header) -> io::Result<Writer<W>> {
        let mut chunks = ChunkWriter::begin(to, FORMAT)?;
        chunks.write(Kind::Header, |into| header.put(into))?;
        Ok(Writer { chunks, counts: Counts::default() })
    }

    /// Some flows: each takes the place of the one written before from the same place.
    ///
    /// # Errors
    /// See [`Writer::begin`].
    pub fn flows(&mut self, worker: u16, flows: &[FlowRecord]) -> io::Result<()> {
        self.counts.flows += flows.len() as u64;
        self.records(Kind::Flows, worker, flows)
    }

    /// The flows written before from these places are no more.
    ///
    /// # Errors
    /// See [`Writer::begin`].
    pub fn gone(&mut self, worker: u16, places: &[u32]) -> io::Result<()> {
        self.counts.gone += places.len() as u64;
        self.records(Kind::Gone, worker, places)
    }

    /// Some speakers.
    ///
    /// # Errors
    /// See [`Writer::begin`].
    pub fn speakers(&mut self, worker: u16, speakers: &[SpeakerRecord]) -> io::Result<()> {
        self.counts.speakers += speakers.len() as u64;
        self.records(Kind::Speakers, worker, speakers)
    }

    /// The same where several members are active.
    ///
    /// # Errors
    /// See [`Writer::begin`].
    pub fn askers(&mut self, worker: u16, askers: &[SpeakerRecord]) -> io::Result<()> {
        self.counts.askers += askers.len() as u64;
        self.records(Kind::Askers, worker, askers)
    }

    /// Some persistence records.
    ///
    /// # Errors
    /// See [`Writer::begin`].
    pub fn stays(&mut self, worker: u16, stays: &[StaysRecord]) -> io::Result<()> {
        self.counts.stays += stays.len() as u64;
        self.records(Kind::Stays, worker, stays)
    }

    /// What management remembers, and the end. Returns where it was written, and how many records.
    ///
    /// # Errors
    /// See [`Writer::begin`].
    pub fn end(mut self, remembered: &Remembered) -> io::Result<(W, Counts)> {
        let text = serde_json::to_vec(remembered).map_err(io::Error::other)?;
        for part in text.chunks(PAYLOAD) {
            self.chunks.write(Kind::Remembered, |into| into.0.extend_from_slice(part))?;
        }
        let (counts, before) = (self.counts, self.chunks.count());
        self.chunks.write(Kind::End, |into| {
            into.u32(before);
            counts.put(into);
        })?;
        Ok((self.chunks.end()?, counts))
    }

    fn records<R: Record>(&mut self, kind: Kind, worker: u16, records: &[R]) -> io::Result<()> {
        for part in records.chunks((PAYLOAD - 2) / R::SIZE) {
            self.chunks.write(kind, |into| {
                into.u16(worker);
                part.iter().for_each(|record| record.put(into));
            })?;
        }
        Ok(())
    }
}
