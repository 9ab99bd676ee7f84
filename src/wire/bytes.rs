//! Numbers and addresses in network byte order at an offset of a slice.
//!
//! On a slice whose length the compiler knows, the bounds checks vanish: readers take a fixed array at the door.

use super::addr::Mac;
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

/// The 64-bit number at `at`.
#[inline(always)]
pub(super) fn be64(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(eight)
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
pub(super) fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
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
