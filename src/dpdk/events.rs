//! What drivers report by themselves: a link that changed, a device that was reset or taken away.
//!
//! Owns the callbacks and what they count. They run on a thread of DPDK's, which takes the drivers' interrupts, and only count;
//! whoever looks now and then finds that something happened, though it may be over. Touches no device.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

/// What happened to a device since its port was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceEvents {
    /// It was reset, by the host that lends it, its firmware or its driver: its queues are dead.
    pub resets: u64,
    /// It was taken away.
    pub removals: u64,
}

/// What is counted of one port. Written by DPDK's thread of interrupts.
struct Counts {
    link: AtomicU64,
    resets: AtomicU64,
    removals: AtomicU64,
}

/// By DPDK's number of the port. A callback may still run while its port is closed: what it writes outlives every port.
static COUNTS: [Counts; PORTS] = [const { Counts::new() }; PORTS];

const PORTS: usize = dpdk_sys::RTE_MAX_ETHPORTS as usize;

/// What is listened to.
const KINDS: [u32; 4] = [
    dpdk_sys::RTE_ETH_EVENT_INTR_LSC,
    dpdk_sys::RTE_ETH_EVENT_INTR_RESET,
    dpdk_sys::RTE_ETH_EVENT_INTR_RMV,
    dpdk_sys::RTE_ETH_EVENT_RECOVERY_FAILED,
];

/// The reports of one port, until dropped.
#[derive(Debug)]
pub(super) struct Reports {
    port: u16,
}

impl Reports {
    /// Counts what the driver of an attached port reports from now on.
    pub(super) fn of(port: u16) -> Reports {
        counts(port).iter().for_each(|counts| counts.clear());
        for kind in KINDS {
            // SAFETY: the callback is a function that lives as long as the program, has the signature that DPDK calls, and is
            // given no pointer. An event that this release does not know is an error code.
            unsafe { dpdk_sys::rte_eth_dev_callback_register(port, kind, Some(on_event), std::ptr::null_mut()) };
        }
        Reports { port }
    }

    /// How often the driver said that the link has changed, if it says so at all.
    pub(super) fn link_changes(&self) -> u64 {
        counts(self.port).map_or(0, |counts| counts.link.load(Ordering::Relaxed))
    }

    pub(super) fn device(&self) -> DeviceEvents {
        let Some(counts) = counts(self.port) else { return DeviceEvents::default() };
        DeviceEvents {
            resets: counts.resets.load(Ordering::Relaxed),
            removals: counts.removals.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        for kind in KINDS {
            // SAFETY: as it was registered; one that is running now is not taken away, and harms nobody.
            unsafe { dpdk_sys::rte_eth_dev_callback_unregister(self.port, kind, Some(on_event), std::ptr::null_mut()) };
        }
    }
}

impl Counts {
    const fn new() -> Counts {
        Counts { link: AtomicU64::new(0), resets: AtomicU64::new(0), removals: AtomicU64::new(0) }
    }

    fn clear(&self) {
        [&self.link, &self.resets, &self.removals].into_iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    fn count(&self, kind: u32) {
        let count = match kind {
            dpdk_sys::RTE_ETH_EVENT_INTR_LSC => &self.link,
            // A driver that could not set right what went wrong leaves the port as a reset does.
            dpdk_sys::RTE_ETH_EVENT_INTR_RESET | dpdk_sys::RTE_ETH_EVENT_RECOVERY_FAILED => &self.resets,
            dpdk_sys::RTE_ETH_EVENT_INTR_RMV => &self.removals,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn counts(port: u16) -> Option<&'static Counts> {
    COUNTS.get(usize::from(port))
}

/// What DPDK calls. Cannot panic: nothing may unwind into C.
extern "C" fn on_event(port: u16, kind: u32, _: *mut c_void, _: *mut c_void) -> c_int {
    if let Some(counts) = counts(port) {
        counts.count(kind);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_report_is_counted_for_its_port_and_begins_with_it() {
        let (port, other) = (30, 31);
        let reports = [Reports::of(port), Reports::of(other)];
        let report = |kind| on_event(port, kind, std::ptr::null_mut(), std::ptr::null_mut());
        for _ in 0..3 {
            assert_eq!(report(dpdk_sys::RTE_ETH_EVENT_INTR_LSC), 0);
        }
        let [reset, failed, removed] = [
            dpdk_sys::RTE_ETH_EVENT_INTR_RESET,
            dpdk_sys::RTE_ETH_EVENT_RECOVERY_FAILED,
            dpdk_sys::RTE_ETH_EVENT_INTR_RMV,
        ];
        for kind in [reset, failed, removed, dpdk_sys::RTE_ETH_EVENT_RECOVERY_SUCCESS] {
            assert_eq!(report(kind), 0);
        }
        let found = reports.each_ref().map(|reports| (reports.link_changes(), reports.device()));
        let expected = DeviceEvents { resets: 2, removals: 1 };
        assert_eq!(found, [(3, expected), (0, DeviceEvents::default())]);
        // A port that is opened again under the same number.
        let again = Reports::of(port);
        assert_eq!((again.link_changes(), again.device()), (0, DeviceEvents::default()));
        // DPDK knows no port of such a number.
        on_event(u16::MAX, reset, std::ptr::null_mut(), std::ptr::null_mut());
    }
}
