//! The pool all buffers come from.
//!
//! Owns its size and its end: the memory is freed only when every buffer is back, so that a frame may outlive the ports.

use super::eal::Eal;
use super::error::{Fault, errno, error_text};
use super::log;
use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Buffers a worker keeps for itself, so that it seldom touches the shared ring.
pub(super) const CACHE: u32 = 256;

/// Ethernet header and two VLAN tags, in bytes: what a frame has beside its MTU.
const FRAMING: u32 = 14 + 8;

/// The least room for a frame, in bytes, headroom not counted.
const LEAST_ROOM: u32 = 2048;

/// DPDK's own words about each buffer, in bytes: two cache lines, the pool's header and trailer, spreading over channels.
const OVERHEAD: u32 = 320;

/// Memory beside the buffers: rings, queues, tables of drivers, in MB.
const OTHER_MEMORY_MB: u32 = 192;

/// Every pool of the process has its own name.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A pool of buffers.
pub(super) struct Pool {
    pool: NonNull<dpdk_sys::rte_mempool>,
    eal: Eal,
}

// SAFETY: DPDK's pool takes and gives buffers on any thread; the pointer is never changed.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

/// Room for a frame of `mtu` and its framing, headroom not counted, in bytes.
fn room(mtu: u16) -> u32 {
    (u32::from(mtu) + FRAMING).next_multiple_of(64).max(LEAST_ROOM)
}

/// What a buffer for frames of `mtu` takes of DPDK's memory, in bytes.
fn footprint(mtu: u16) -> u32 {
    room(mtu) + dpdk_sys::RTE_PKTMBUF_HEADROOM + OVERHEAD
}

/// How much memory DPDK needs for `mbufs` buffers for frames of `mtu`, in MB: for `EalConfig::memory_mb`.
pub fn memory_mb(mbufs: u32, mtu: u16) -> u32 {
    let bytes = u64::from(mbufs) * u64::from(footprint(mtu));
    u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX - OTHER_MEMORY_MB) + OTHER_MEMORY_MB
}

impl Pool {
    /// `mbufs` buffers for frames of up to `mtu`, near the memory of NUMA node `socket` (-1: any).
    pub(super) fn new(eal: &Eal, mbufs: u32, mtu: u16, socket: i32) -> Result<Pool, Fault> {
        let name = CString::new(format!("fairlead-{}", MADE.fetch_add(1, Ordering::Relaxed))).unwrap_or_default();
        let whole = room(mtu) + dpdk_sys::RTE_PKTMBUF_HEADROOM;
        let megabytes = mbufs.div_ceil(1024) * footprint(mtu).div_ceil(1024);
        let (what, said) = (format!("a pool of {mbufs} buffers"), log::said);
        let Ok(whole) = u16::try_from(whole) else {
            return Err(Fault::NoMemory { what, megabytes, said: said() });
        };
        let cache = CACHE.min(mbufs * 2 / 3);
        log::forget();
        // SAFETY: DPDK is started; the name is a C string that outlives the call.
        let pool = unsafe { dpdk_sys::rte_pktmbuf_pool_create(name.as_ptr(), mbufs, cache, 0, whole, socket) };
        match NonNull::new(pool) {
            Some(pool) => Ok(Pool { pool, eal: eal.clone() }),
            None if errno() == libc::ENOMEM => {
                let what = format!("{what} (DPDK was given {} MB)", eal.memory_mb());
                Err(Fault::NoMemory { what, megabytes, said: said() })
            }
            None => Err(Fault::NotStarted { reason: format!("{what}: {}", error_text(errno())), said: said() }),
        }
    }

    /// DPDK's pool, for its own functions.
    pub(super) fn as_ptr(&self) -> *mut dpdk_sys::rte_mempool {
        self.pool.as_ptr()
    }

    /// How many buffers nobody holds.
    pub(super) fn available(&self) -> u32 {
        // SAFETY: the pool lives as long as this value; other threads may change it, the count is a snapshot.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.as_ptr()) }
    }

    /// How many buffers somebody holds.
    fn in_use(&self) -> u32 {
        // SAFETY: as above.
        unsafe { dpdk_sys::rte_mempool_in_use_count(self.as_ptr()) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.in_use() > 0 {
            self.eal.keep_memory();
            return;
        }
        // SAFETY: every buffer is back, and new ones come only from ports, which hold this value.
        unsafe { dpdk_sys::rte_mempool_free(self.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_the_mtu_has_room_with_two_tags() {
        for mtu in [68, 1500, 2026, 2027, 9000] {
            assert!(room(mtu) >= u32::from(mtu) + FRAMING, "{mtu}");
        }
        assert_eq!(room(1500), 2048);
        assert!(room(9000) < 9100);
    }
}
