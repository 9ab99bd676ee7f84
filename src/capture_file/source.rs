//! Bytes of a file, one after the other, and how many there were.
//!
//! Owns where in the file we are. Memory grows with what is there, not with what a length says.

use super::error::{Fault, ReadError};
use std::io::{self, BufReader, Read};

/// Bytes that are read ahead.
pub(super) const READ_AHEAD: usize = 64 << 10;

/// A file that is read once from its beginning to its end.
#[derive(Debug)]
pub(super) struct Source<R> {
    inner: BufReader<R>,
    offset: u64,
}

impl<R: Read> Source<R> {
    pub fn new(inner: R) -> Self {
        Self { inner: BufReader::with_capacity(READ_AHEAD, inner), offset: 0 }
    }

    /// How many bytes were read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads `length` bytes into `buffer`, whose contents they replace, or fewer at the end of the file.
    pub fn read(&mut self, buffer: &mut Vec<u8>, length: usize) -> Result<(), ReadError> {
        buffer.clear();
        self.read_on(buffer, length)
    }

    /// Reads `length` bytes behind those of `buffer`, or fewer at the end of the file.
    pub fn read_on(&mut self, buffer: &mut Vec<u8>, length: usize) -> Result<(), ReadError> {
        let read = self.inner.by_ref().take(length as u64).read_to_end(buffer);
        self.count(read.map(|read| read as u64)).map(drop)
    }

    /// Passes over `length` bytes; says how many there were.
    pub fn skip(&mut self, length: u64) -> Result<u64, ReadError> {
        let skipped = io::copy(&mut self.inner.by_ref().take(length), &mut io::sink());
        self.count(skipped)
    }

    fn count(&mut self, read: io::Result<u64>) -> Result<u64, ReadError> {
        let read = read.map_err(|error| ReadError { offset: self.offset, fault: Fault::Io(error) })?;
        self.offset += read;
        Ok(read)
    }
}
