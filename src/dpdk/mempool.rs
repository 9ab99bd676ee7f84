//! The pool all buffers come from.
//!
//! Owns its size and its end: the memory is freed only when every buffer is back, so that a frame may outlive the ports.

use super::eal::Eal;
use super::error::{Fault, errno, error_text};
use super::log;
use crate::io::{HEADROOM, buffer_bytes, frame_room};
use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Buffers a worker keeps for itself, so that it seldom touches the shared ring.
pub(super) const CACHE: u32 = 256;

const _: () = assert!(HEADROOM == dpdk_sys::RTE_PKTMBUF_HEADROOM);

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

impl Pool {
    /// `mbufs` buffers for frames of up to `mtu`, near the memory of NUMA node `socket` (-1: any).
    pub(super) fn new(eal: &Eal, mbufs: u32, mtu: u16, socket: i32) -> Result<Pool, Fault> {
        let name = CString::new(format!("fairlead-{}", MADE.fetch_add(1, Ordering::Relaxed))).unwrap_or_default();
        let whole = frame_room(mtu) + HEADROOM;
        let megabytes = mbufs.div_ceil(1024) * buffer_bytes(mtu).div_ceil(1024);
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
