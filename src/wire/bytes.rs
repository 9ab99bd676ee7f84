//! Numbers and addresses in network byte order at an offset of a slice.
//!
//! On a slice whose length the compiler knows, the bounds checks vanish: readers take a fixed array at the door.

use super::addr::{Mac, Ports};
use std::net::Ipv4Addr;

/// The 16-bit number at `at`.
#[inline(always)]
pub(super) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The 32-bit number at `at`.
#[inline(always)]
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The four bytes at `at` in the order of memory: to be compared, mixed or written again, not counted with.
#[inline(always)]
pub(super) fn ne32(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// As [`ne32`], eight bytes.
#[inline(always)]
pub(super) fn ne64(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_ne_bytes(eight)
}

/// The ports at `at`.
#[inline(always)]
pub(super) fn ports(bytes: &[u8], at: usize) -> Ports {
    Ports::of_bits(ne32(bytes, at))
}

/// Changes the bits at `at` that are set in `bits`, which is in the order of memory.
#[inline(always)]
pub(super) fn flip32(bytes: &mut [u8], at: usize, bits: u32) {
    let flipped = ne32(bytes, at) ^ bits;
    bytes[at..at + 4].copy_from_slice(&flipped.to_ne_bytes());
}

/// As [`flip32`], in eight bytes.
#[inline(always)]
pub(super) fn flip64(bytes: &mut [u8], at: usize, bits: u64) {
    let flipped = ne64(bytes, at) ^ bits;
    bytes[at..at + 8].copy_from_slice(&flipped.to_ne_bytes());
}

/// The IPv4 address at `at`.
#[inline(always)]
pub(super) fn addr(bytes: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(be32(bytes, at))
}

/// The MAC address at `at`.
#[inline(always)]
pub(super) fn mac(bytes: &[u8], at: usize) -> Mac {
    let mut mac = [0; 6];
    mac.copy_from_slice(&bytes[at..at + 6]);
    Mac(mac)
}

/// Writes `value` at `at`.
#[inline(always)]
pub(super) fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Writes `value` at `at`.
#[inline(always)]
pub(super) fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// Writes `value` at `at`.
#[inline(always)]
pub(super) fn put_addr(bytes: &mut [u8], at: usize, value: Ipv4Addr) {
    bytes[at..at + 4].copy_from_slice(&value.octets());
}

/// Writes `value` at `at`.
#[inline(always)]
pub(super) fn put_mac(bytes: &mut [u8], at: usize, value: Mac) {
    bytes[at..at + 6].copy_from_slice(&value.0);
}
