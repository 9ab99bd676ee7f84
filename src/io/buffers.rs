//! What packet buffers take of memory.
//!
//! Owns the one calculation that the file is checked by, that a machine is compared with, and that DPDK is started with.

/// Ethernet header and two VLAN tags, in bytes: what a frame has beside its MTU.
const FRAMING: u32 = 14 + 8;
/// The least room for a frame, in bytes, headroom not counted.
const LEAST_ROOM: u32 = 2048;
/// What DPDK leaves free in front of a frame, in bytes: its `RTE_PKTMBUF_HEADROOM`.
pub const HEADROOM: u32 = 128;
/// DPDK's own words about each buffer, in bytes: two cache lines, the pool's header and trailer, spreading over channels.
const OVERHEAD: u32 = 320;
/// Memory beside the buffers: rings, queues, tables of drivers, in MiB.
const OTHER_MIB: u32 = 192;

/// Room for a frame of `mtu` and its framing, headroom not counted, in bytes.
pub fn frame_room(mtu: u16) -> u32 {
    (u32::from(mtu) + FRAMING).next_multiple_of(64).max(LEAST_ROOM)
}

/// What a buffer for frames of `mtu` takes of DPDK's memory, in bytes.
pub fn buffer_bytes(mtu: u16) -> u32 {
    frame_room(mtu) + HEADROOM + OVERHEAD
}

/// How much memory DPDK needs for `mbufs` buffers for frames of `mtu`, and for all that it has beside them, in MiB.
pub fn memory_needed_mib(mbufs: u32, mtu: u16) -> u32 {
    let bytes = u64::from(mbufs) * u64::from(buffer_bytes(mtu));
    u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX - OTHER_MIB) + OTHER_MIB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_the_mtu_has_room_with_two_tags() {
        for mtu in [68, 1500, 2026, 2027, 9000] {
            assert!(frame_room(mtu) >= u32::from(mtu) + FRAMING, "{mtu}");
        }
        assert_eq!(frame_room(1500), 2048);
        assert!(frame_room(9000) < 9100);
    }

    /// 16,383 buffers of 2,496 bytes are 39 MiB; 65,535 of 9,472 are 592.
    #[test]
    fn memory_is_that_of_the_buffers_and_what_is_beside_them() {
        assert_eq!(memory_needed_mib(16_383, 1_500), 39 + 192);
        assert_eq!(memory_needed_mib(65_535, 9_000), 592 + 192);
        assert_eq!(memory_needed_mib(u32::MAX, u16::MAX), memory_needed_mib(u32::MAX, u16::MAX).max(1 << 20));
    }
}
