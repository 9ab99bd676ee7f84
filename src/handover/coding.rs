//! Numbers, addresses and times in bytes: little-endian, without gaps.
//!
//! Owns [`Put`] and [`Take`]. Taking never reads beyond the end, and says so.

use crate::time::Instant;
use crate::wire::Endpoint;
use std::net::Ipv4Addr;

/// Adds values to bytes.
pub struct Put<'a>(pub &'a mut Vec<u8>);

#[expect(missing_docs, reason = "each adds what it is called")]
impl Put<'_> {
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn address(&mut self, address: Ipv4Addr) {
        self.0.extend_from_slice(&address.octets());
    }

    pub fn endpoint(&mut self, endpoint: Endpoint) {
        self.address(endpoint.addr);
        self.u16(endpoint.port);
    }

    pub fn instant(&mut self, at: Instant) {
        self.u64(at.nanos());
    }

    /// An address that may be missing; nobody has 0.0.0.0.
    pub fn member(&mut self, member: Option<Ipv4Addr>) {
        self.address(member.unwrap_or(Ipv4Addr::UNSPECIFIED));
    }

    /// Up to eight answers to yes or no, the first in the lowest bit.
    pub fn flags(&mut self, flags: impl IntoIterator<Item = bool>) {
        self.u8(flags.into_iter().zip(0..8).fold(0, |bits, (flag, at)| bits | u8::from(flag) << at));
    }
}

/// Takes values from bytes, in the order they were put; `None`: there are no more.
pub struct Take<'a>(pub &'a [u8]);

#[expect(missing_docs, reason = "each takes what it is called")]
impl<'a> Take<'a> {
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn address(&mut self) -> Option<Ipv4Addr> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    pub fn endpoint(&mut self) -> Option<Endpoint> {
        Some(Endpoint::new(self.address()?, self.u16()?))
    }

    pub fn instant(&mut self) -> Option<Instant> {
        self.u64().map(Instant::from_nanos)
    }

    pub fn member(&mut self) -> Option<Option<Ipv4Addr>> {
        self.address().map(|address| Some(address).filter(|address| !address.is_unspecified()))
    }

    /// As [`Put::flags`] had them, of which no more than `N` may be set.
    pub fn flags<const N: usize>(&mut self) -> Option<[bool; N]> {
        let bits = self.u8()?;
        (usize::from(bits) >> N == 0).then(|| std::array::from_fn(|at| bits >> at & 1 == 1))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
