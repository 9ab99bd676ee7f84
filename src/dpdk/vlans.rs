//! Which tags a NIC lets in, and whether it lets in all groups.
//!
//! Owns the filter of a port. A NIC of a virtual machine, and a function that a host lends out, let in no tagged frame that
//! was not asked for; others let in all, until asked. So every tag that is wanted is asked for, where the driver has a filter
//! at all, and nothing else is let in. A driver that refuses lets in everything instead.

use super::error::error_text;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Frames that have a priority and no VLAN (IEEE 802.1Q 9.6) are the port's own.
const PRIORITY: u16 = 0;

/// The filter of one started port.
pub(super) struct VlanFilter {
    port: u16,
    /// What is let in; `None`: everything, because there is no filter.
    passed: Mutex<Option<Vec<u16>>>,
    /// All groups are let in.
    groups: AtomicBool,
}

impl VlanFilter {
    /// Of DPDK's port number `port`, which was configured with a filter, if it `has` one. Lets in untagged frames only.
    pub(super) fn new(port: u16, has: bool) -> VlanFilter {
        VlanFilter { port, passed: Mutex::new(has.then(Vec::new)), groups: AtomicBool::new(false) }
    }

    /// Lets in these tags and no others; `name` is the port's. Says whether the port has a filter.
    pub(super) fn pass(&self, name: &str, tags: &[u16]) -> bool {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = passed.as_mut() else { return false };
        let wanted: Vec<u16> = std::iter::once(PRIORITY).chain(tags.iter().copied()).collect();
        if *known == wanted {
            return true;
        }
        let news = wanted.iter().filter(|tag| !known.contains(tag)).map(|tag| (*tag, true));
        let olds = known.iter().filter(|tag| !wanted.contains(tag)).map(|tag| (*tag, false));
        for (tag, on) in news.chain(olds) {
            // SAFETY: the port is started; a tag that cannot be is an error code.
            let rc = unsafe { dpdk_sys::rte_eth_dev_vlan_filter(self.port, tag, i32::from(on)) };
            if rc < 0 && on {
                tracing::warn!(
                    "port {name}: its driver does not filter VLAN {tag} ({}): all frames are let in instead",
                    error_text(rc)
                );
                self.open();
                *passed = None;
                return false;
            }
        }
        *known = wanted;
        true
    }

    /// Lets in frames to all groups from now on; where the driver knows no other way, frames to all hosts as well.
    pub(super) fn pass_groups(&self) {
        if !self.groups.swap(true, Ordering::Relaxed) {
            // SAFETY: the port is started; what a driver cannot do is an error code.
            unsafe {
                if dpdk_sys::rte_eth_allmulticast_enable(self.port) < 0 {
                    dpdk_sys::rte_eth_promiscuous_enable(self.port);
                }
            }
        }
    }

    /// Everything is let in.
    fn open(&self) {
        // SAFETY: the port is started; what a driver cannot do is an error code.
        unsafe {
            dpdk_sys::rte_eth_dev_set_vlan_offload(self.port, 0);
            dpdk_sys::rte_eth_promiscuous_enable(self.port);
        }
    }
}
