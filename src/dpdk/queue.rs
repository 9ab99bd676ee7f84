//! One worker's receive and transmit queue of a NIC.
//!
//! Owns the two calls that move frames. A burst is moved in place: DPDK writes into the vector's spare room and reads
//! from its front. Where a device has fewer transmit queues than there are workers, those that share one take turns
//! under a spin lock: the only lock a packet can meet, and only there (virtual devices, mostly).

use super::frame::Mbuf;
use super::nic::{Nic, PortFacts};
use crate::io::{BURST, Frame, Port};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a worker holds of a port.
pub struct Queue {
    nic: Arc<Nic>,
    /// `None`: other workers receive for this one.
    receive: Option<u16>,
    transmit: u16,
    /// Whether other workers send through the same queue.
    shared: bool,
}

impl Queue {
    /// Worker number `worker`'s queue.
    pub(super) fn new(nic: &Arc<Nic>, worker: usize) -> Queue {
        let worker = u16::try_from(worker).unwrap_or(u16::MAX);
        let PortFacts { rx_queues, tx_queues, tx_shared: shared, .. } = nic.facts;
        let receive = (worker < rx_queues).then_some(worker);
        Queue { nic: Arc::clone(nic), receive, transmit: worker % tx_queues, shared }
    }

    /// Whether this worker receives from the port itself.
    pub fn receives(&self) -> bool {
        self.receive.is_some()
    }

    /// Makes the frames from `first` on plain, and drops and counts those that cannot be.
    #[cold]
    fn straighten(&self, burst: &mut Vec<Mbuf>, first: usize) {
        let odd = burst.split_off(first);
        let before = odd.len();
        burst.extend(
            odd.into_iter().filter_map(|frame| if frame.is_plain() { Some(frame) } else { frame.made_plain() }),
        );
        let lost = before - (burst.len() - first);
        self.nic.unusable.fetch_add(lost as u64, Ordering::Relaxed);
    }
}

impl Port for Queue {
    type Frame = Mbuf;

    #[inline]
    fn receive(&mut self, burst: &mut Vec<Mbuf>) -> usize {
        let Some(queue) = self.receive else { return 0 };
        burst.reserve(BURST);
        let first = burst.len();
        // SAFETY: the port is started and has this queue, which this value alone receives from. DPDK writes at most
        // BURST pointers, never null, into reserved room; each is a buffer of ours from now on, and an Mbuf is such a
        // pointer.
        unsafe {
            let room = burst.as_mut_ptr().add(first).cast();
            let count = dpdk_sys::shim_eth_rx_burst(self.nic.id(), queue, room, BURST as u16);
            burst.set_len(first + usize::from(count));
        }
        if !burst[first..].iter().all(Mbuf::is_plain) {
            self.straighten(burst, first);
        }
        burst.len() - first
    }

    #[inline]
    fn transmit(&mut self, burst: &mut Vec<Mbuf>) -> usize {
        if burst.is_empty() {
            return 0;
        }
        let turn = self.shared.then(|| self.nic.turns[usize::from(self.transmit)].take());
        let (waiting, start) = (burst.len(), burst.as_mut_ptr());
        // SAFETY: the port is started and has this queue; nobody else sends through it now. DPDK takes a number of
        // buffers from the front: these are no longer ours, so they are moved over without being dropped.
        let sent = unsafe {
            let most = u16::try_from(waiting).unwrap_or(u16::MAX);
            let sent = usize::from(dpdk_sys::shim_eth_tx_burst(self.nic.id(), self.transmit, start.cast(), most));
            burst.set_len(0);
            std::ptr::copy(start.add(sent), start, waiting - sent);
            burst.set_len(waiting - sent);
            sent
        };
        drop(turn);
        sent
    }

    fn allocate(&mut self, length: usize) -> Option<Mbuf> {
        // SAFETY: the pool lives as long as the port. A new buffer is of one segment and ours alone.
        let mut frame = unsafe {
            let raw = dpdk_sys::shim_pktmbuf_alloc(self.nic.pool.as_ptr());
            Mbuf::from_raw(NonNull::new(raw)?)
        };
        if !frame.set_len(length) {
            return None;
        }
        frame.bytes_mut().fill(0);
        Some(frame)
    }
}
