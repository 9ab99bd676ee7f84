//! Chunks: what a file is made of.
//!
//! Owns the mark and the format number in front of the first one, which kinds there are, and that the last one is the end. (The file is
//! private to the appliance: against whoever can write it no digest helps.) Their frame is that of [`super::frame`].

use super::coding::{Put, Take};
use super::frame::{FRAME, PAYLOAD, put_frame, take_frame};
use super::refusal::{LARGEST_FILE, Refusal};
use std::io::{self, Write};

/// What every such file begins with.
pub(super) const MARK: [u8; 8] = *b"FLEADHO\n";

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Whose the file is.
    Header = 1,
    /// Flows of a worker.
    Flows = 2,
    /// Where a worker's flows that were written before are no more.
    Gone = 3,
    /// Speakers of a worker.
    Speakers = 4,
    /// The same where several members are active.
    Askers = 5,
    /// Persistence records of a worker.
    Stays = 6,
    /// A part of what management remembers.
    Remembered = 7,
    /// The file is whole.
    End = 8,
}

impl Kind {
    fn of(number: u8) -> Option<Kind> {
        use Kind::{Askers, End, Flows, Gone, Header, Remembered, Speakers, Stays};
        let all = [Header, Flows, Gone, Speakers, Askers, Stays, Remembered, End];
        all.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Writes chunks one after the other.
pub(super) struct ChunkWriter<W> {
    to: W,
    number: u32,
    written: u64,
    buffer: Vec<u8>,
}

impl<W: Write> ChunkWriter<W> {
    /// Writes the mark and the format.
    pub fn begin(mut to: W, format: u16) -> io::Result<ChunkWriter<W>> {
        to.write_all(&MARK)?;
        to.write_all(&format.to_le_bytes())?;
        Ok(ChunkWriter { to, number: 0, written: MARK.len() as u64 + 2, buffer: Vec::with_capacity(PAYLOAD + FRAME) })
    }

    /// One chunk, whose payload `fill` makes: at most [`PAYLOAD`] bytes.
    pub fn write(&mut self, kind: Kind, fill: impl FnOnce(&mut Put)) -> io::Result<()> {
        let buffer = &mut self.buffer;
        buffer.clear();
        put_frame(buffer, kind as u8, self.number, fill);
        self.number += 1;
        self.written += buffer.len() as u64;
        if self.written > LARGEST_FILE {
            return Err(io::Error::other(format!("it would be larger than {} MiB", LARGEST_FILE >> 20)));
        }
        self.to.write_all(buffer)
    }

    /// How many there are so far.
    pub fn count(&self) -> u32 {
        self.number
    }

    /// All are written.
    pub fn end(mut self) -> io::Result<W> {
        self.to.flush()?;
        Ok(self.to)
    }
}

/// A chunk whose digest is right: its kind, and where its payload is.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub kind: Kind,
    pub payload: std::ops::Range<usize>,
}

/// All chunks of a file, every one verified, the last of which is its only end.
pub(super) fn chunks(bytes: &[u8], format: u16) -> Result<Vec<Chunk>, Refusal> {
    let mut rest = Take(bytes);
    if rest.array() != Some(MARK) {
        return Err(Refusal::NotOurs);
    }
    match rest.u16() {
        Some(found) if found == format => {}
        Some(found) => return Err(Refusal::Format { found, known: format }),
        None => return Err(Refusal::Cut),
    }
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let number = chunks.len() as u32;
        if chunks.last().is_some_and(|chunk: &Chunk| chunk.kind == Kind::End) {
            return Err(Refusal::Damaged { chunk: number, what: "it stands behind the end" });
        }
        let at = bytes.len() - rest.0.len();
        chunks.push(chunk(&mut rest, number, at)?);
    }
    match chunks.last() {
        Some(Chunk { kind: Kind::End, .. }) => Ok(chunks),
        _ => Err(Refusal::Cut),
    }
}

/// The next chunk, which begins at `at` and must have this number.
fn chunk(rest: &mut Take, number: u32, at: usize) -> Result<Chunk, Refusal> {
    let damaged = |what| Refusal::Damaged { chunk: number, what };
    let frame = take_frame(rest.0, number).map_err(damaged)?.ok_or(Refusal::Cut)?;
    let begin = at + FRAME - 4;
    let payload = begin..begin + frame.payload.len();
    let kind = Kind::of(frame.kind).ok_or_else(|| damaged("its kind is unknown"))?;
    _ = rest.bytes(frame.size);
    Ok(Chunk { kind, payload })
}
