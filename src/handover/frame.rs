//! The frame of a piece of a file, or of a stream from one appliance to the other.
//!
//! Owns its layout: kind, number, length, payload, and a CRC-32 over all of these, which finds every flipped byte and nearly every other
//! damage; and by the number, what is lost, doubled or in another place. Knows nothing of what stands in a payload.

use super::coding::{Put, Take};

/// The largest payload: with its frame a piece has 64 KiB.
pub const PAYLOAD: usize = (64 << 10) - FRAME;
/// Kind, number, length and digest.
pub const FRAME: usize = 1 + 4 + 4 + 4;

/// A piece whose digest is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: u8,
    /// What stands in it.
    pub payload: &'a [u8],
    /// How many bytes it has in all.
    pub size: usize,
}

/// Adds a piece to `buffer`, whose payload `fill` makes: at most [`PAYLOAD`] bytes.
pub fn put_frame(buffer: &mut Vec<u8>, kind: u8, number: u32, fill: impl FnOnce(&mut Put)) {
    let begin = buffer.len();
    let mut put = Put(buffer);
    put.u8(kind);
    put.u32(number);
    put.u32(0);
    fill(&mut put);
    let length = buffer.len() - begin - (FRAME - 4);
    debug_assert!(length <= PAYLOAD, "{length} bytes in one piece");
    buffer[begin + 5..begin + 9].copy_from_slice(&(length as u32).to_le_bytes());
    let digest = crc32fast::hash(&buffer[begin..]);
    Put(buffer).u32(digest);
}

/// The piece that `bytes` begin with, which must have this number; `None`: its end has not come yet.
///
/// # Errors
/// What is wrong with it.
pub fn take_frame(bytes: &[u8], number: u32) -> Result<Option<Frame<'_>>, &'static str> {
    let mut rest = Take(bytes);
    let (Some(kind), Some(found), Some(length)) = (rest.u8(), rest.u32(), rest.u32()) else { return Ok(None) };
    let length = length as usize;
    if length > PAYLOAD {
        return Err("its length cannot be");
    }
    let (Some(payload), Some(digest)) = (rest.bytes(length), rest.u32()) else { return Ok(None) };
    if crc32fast::hash(&bytes[..FRAME - 4 + length]) != digest {
        return Err("its digest is another one");
    }
    if found != number {
        return Err("its number is another one's");
    }
    Ok(Some(Frame { kind, payload, size: FRAME + length }))
}
