//! A started NIC, as its queues share it.
//!
//! Owns what keeps a port open, and the turns of those that share a transmit queue. Moves no frame: see `queue`.

use super::attach::Attached;
use super::events::Reports;
use super::growing::Growing;
use super::macs::MacFilter;
use super::mempool::Pool;
use super::rss::Hashing;
use super::vlans::VlanFilter;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What does not change about a port while it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFacts {
    /// DPDK's driver.
    pub driver: String,
    /// What its firmware calls itself; `None`: the driver does not say.
    pub firmware: Option<String>,
    /// Its address.
    pub mac: [u8; 6],
    /// How many workers receive from it.
    pub rx_queues: u16,
    /// How many can send at once.
    pub tx_queues: u16,
    /// Whether workers share transmit queues, in turns.
    pub tx_shared: bool,
    /// How the NIC spreads what it receives over its queues.
    pub hashing: Hashing,
}

/// A started port. Closed when the last queue and the ports are gone; its pool goes after it.
pub(super) struct Nic {
    /// What its driver reports. Gone before the port is closed.
    pub(super) reports: Reports,
    /// Its name in the configuration.
    pub(super) name: String,
    pub(super) mtu: u16,
    pub(super) attached: Attached,
    pub(super) facts: PortFacts,
    /// One per transmit queue.
    pub(super) turns: Vec<Turns>,
    /// Frames dropped at receive because they cannot be made one segment. Written by workers, on the odd path only.
    pub(super) unusable: AtomicU64,
    /// The driver's counters, in the order of `Ports::stats`. Touched by management only.
    pub(super) counted: Mutex<Growing<7>>,
    pub(super) pool: Arc<Pool>,
    /// Of one that does not connect again once the other end has gone: what would let it listen.
    pub(super) listens_with: Option<&'static str>,
    /// Whether the link was up when it was looked at last. Touched by management only.
    pub(super) was_up: AtomicBool,
    /// What it lets in. Touched by management only.
    pub(super) vlans: VlanFilter,
    pub(super) macs: MacFilter,
}

impl Nic {
    /// DPDK's number of the port.
    #[inline(always)]
    pub(super) fn id(&self) -> u16 {
        self.attached.id
    }
}

/// Whose turn it is with a shared transmit queue. Written by the workers that share it.
#[derive(Default)]
pub(super) struct Turns {
    taken: AtomicBool,
}

/// A turn, until dropped.
pub(super) struct Turn<'a>(&'a Turns);

/// How often a worker spins before it yields: they may share a core where devices are virtual.
const SPINS: u32 = 1000;

impl Turns {
    pub(super) fn take(&self) -> Turn<'_> {
        let mut spins = 0;
        while self.taken.swap(true, Ordering::Acquire) {
            while self.taken.load(Ordering::Relaxed) {
                spins += 1;
                if spins % SPINS == 0 { std::thread::yield_now() } else { std::hint::spin_loop() }
            }
        }
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::UnsafeCell;

    struct Counted(Turns, UnsafeCell<u64>);
    // SAFETY: the cell is touched in a turn only.
    unsafe impl Sync for Counted {}

    #[test]
    fn turns_exclude_each_other() {
        let counted = Counted(Turns::default(), UnsafeCell::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let counted = &counted;
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        let turn = counted.0.take();
                        // SAFETY: in a turn.
                        unsafe { *counted.1.get() += 1 };
                        drop(turn);
                    }
                });
            }
        });
        assert_eq!(counted.1.into_inner(), 40_000);
    }
}
