//! Floor 2: the file in which one process leaves the next one what it remembers.
//!
//! Owns the format: a mark and a format number, then chunks of at most 64 KiB, each with its number and a digest, the first of which says
//! whose the file is and the last that it is whole. Reading believes nothing before all of it is verified. Owns as well who of what is told is
//! who of the file now: members by address and pool, pools by name, else by their members. Opens no file, reads no clock, and applies
//! nothing. Frames and
//! records are those of the stream from one appliance to another as well (`sync`). Read first: [`Writer`], then [`Contents`]; `coding`,
//! `frame` and `records` for the bytes.

mod chunk;
mod coding;
mod contents;
mod frame;
mod header;
mod records;
mod refusal;
mod remembered;
mod who;
mod writer;

#[cfg(test)]
mod tests;

pub use coding::{Put, Take};
pub use contents::{Contents, FlowAt};
pub use frame::{FRAME, Frame, PAYLOAD, put_frame, take_frame};
pub use header::{FORMAT, FRESH, Header, Here};
pub use records::Record;
pub use refusal::{LARGEST_FILE, Refusal};
pub use remembered::{Remembered, RememberedHop, RememberedMember, RememberedPool, RememberedRoute};
pub use who::Who;
pub use writer::{Counts, Writer};
