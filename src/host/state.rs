//! What others read of the devices while they are served.
//!
//! Owns the counters, written by the thread that serves and read by anybody, and what is wrong with each device.

use crate::policy::intent::InterfaceId;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What has passed through a device.
#[derive(Debug, Default)]
pub struct Counts {
    to_kernel: AtomicU64,
    to_kernel_bytes: AtomicU64,
    from_kernel: AtomicU64,
    from_kernel_bytes: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
}

/// The same at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounts {
    /// Frames that the kernel has taken.
    pub to_kernel: u64,
    /// Their bytes.
    pub to_kernel_bytes: u64,
    /// Frames that the kernel has sent and a worker was given.
    pub from_kernel: u64,
    /// Their bytes.
    pub from_kernel_bytes: u64,
    /// Frames for the kernel that it did not take: the device is gone or down.
    pub refused: u64,
    /// Frames that the kernel has sent and for which the ring to the worker had no room.
    pub lost: u64,
}

/// A device as it is.
#[derive(Clone, Debug)]
pub struct HostState {
    /// Whose it is.
    pub interface: InterfaceId,
    /// What the kernel calls it.
    pub name: String,
    /// What is wrong with it, in words; `None`: it is as it is to be.
    pub trouble: Option<String>,
    /// The kernel sees a carrier.
    pub carrier: bool,
    pub(super) counts: Arc<Counts>,
}

/// All devices. The lock is held for as long as it takes to copy a few words, never over a system call.
#[derive(Debug, Default)]
pub struct Board {
    states: Mutex<Vec<HostState>>,
    unclaimed: AtomicU64,
}

impl Board {
    /// Each device.
    pub fn states(&self) -> Vec<HostState> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Frames for devices that had just been taken away.
    pub fn unclaimed(&self) -> u64 {
        self.unclaimed.load(Ordering::Relaxed)
    }

    pub(super) fn publish(&self, states: Vec<HostState>) {
        *self.states.lock().unwrap_or_else(PoisonError::into_inner) = states;
    }

    pub(super) fn add_unclaimed(&self) {
        self.unclaimed.fetch_add(1, Ordering::Relaxed);
    }
}

impl HostState {
    /// What has passed through it.
    pub fn counts(&self) -> HostCounts {
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let Counts { to_kernel, to_kernel_bytes, from_kernel, from_kernel_bytes, refused, lost } = &*self.counts;
        HostCounts {
            to_kernel: read(to_kernel),
            to_kernel_bytes: read(to_kernel_bytes),
            from_kernel: read(from_kernel),
            from_kernel_bytes: read(from_kernel_bytes),
            refused: read(refused),
            lost: read(lost),
        }
    }
}

impl Counts {
    pub(super) fn add_to_kernel(&self, bytes: usize) {
        self.to_kernel.fetch_add(1, Ordering::Relaxed);
        self.to_kernel_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_from_kernel(&self, bytes: usize) {
        self.from_kernel.fetch_add(1, Ordering::Relaxed);
        self.from_kernel_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}
