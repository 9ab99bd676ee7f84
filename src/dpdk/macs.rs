//! MACs that a port takes beside its own.
//!
//! Owns which those are: of virtual routers. A driver that has no filter for them lets in everything instead, and who a frame is for is
//! told apart by software in any case.

use super::error::error_text;
use std::sync::{Mutex, PoisonError};

/// The MACs of one started port, beside its own.
pub(super) struct MacFilter {
    port: u16,
    /// What is let in; `None`: everything, as the driver cannot tell them apart.
    taken: Mutex<Option<Vec<[u8; 6]>>>,
}

impl MacFilter {
    /// Of DPDK's port number `port`, which takes its own alone.
    pub(super) fn new(port: u16) -> MacFilter {
        MacFilter { port, taken: Mutex::new(Some(Vec::new())) }
    }

    /// Takes these and no others; `name` is the port's. Says whether its driver tells them apart.
    pub(super) fn take(&self, name: &str, macs: &[[u8; 6]]) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = taken.as_mut() else { return false };
        for mac in macs.iter().filter(|mac| !known.contains(mac)) {
            let mut address = dpdk_sys::rte_ether_addr { addr_bytes: *mac };
            // SAFETY: the port is started and the address is a variable of ours, which is copied; what a driver cannot do is an error code.
            let rc = unsafe { dpdk_sys::rte_eth_dev_mac_addr_add(self.port, &mut address, 0) };
            if rc < 0 {
                tracing::warn!(
                    "port {name}: its driver does not take the virtual router's MAC beside its own ({}): all frames are let in instead",
                    error_text(rc)
                );
                // SAFETY: the port is started; what a driver cannot do is an error code.
                let rc = unsafe { dpdk_sys::rte_eth_promiscuous_enable(self.port) };
                if rc < 0 {
                    tracing::error!(
                        "port {name}: its driver lets in nothing but its own MAC ({}): write virtual_mac = false on both appliances",
                        error_text(rc)
                    );
                }
                *taken = None;
                return false;
            }
        }
        for mac in known.iter().filter(|mac| !macs.contains(mac)) {
            let mut address = dpdk_sys::rte_ether_addr { addr_bytes: *mac };
            // SAFETY: as above.
            unsafe { dpdk_sys::rte_eth_dev_mac_addr_remove(self.port, &mut address) };
        }
        *known = macs.to_vec();
        true
    }
}
