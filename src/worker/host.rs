//! What goes to the kernel's devices, and comes from them.
//!
//! Owns the two rings between a worker and the thread that serves those devices, and what a frame looks like in them: whole, without the
//! tag of its interface, as the kernel sees it. Neither end waits: what finds its ring full is dropped and counted by who pushed it.

use super::execute::Executor;
use super::frames::{Frames, Received};
use super::ports::Ports;
use crate::engine::{DropReason, PuntReason, Verdict};
use crate::io::{BURST, Frame, Port};
use crate::policy::Snapshot;
use crate::policy::intent::InterfaceId;
use crate::wire::{Packet, ethernet, unfinished};
use rtrb::{Consumer, Producer, PushError, RingBuffer};

/// A frame on its way to or from the kernel's device of an interface.
#[derive(Debug, PartialEq, Eq)]
pub struct HostFrame {
    /// Whose device.
    pub interface: InterfaceId,
    /// The frame, without a tag.
    pub bytes: Box<[u8]>,
}

/// A worker's end.
pub struct HostLink {
    to_kernel: Producer<HostFrame>,
    from_kernel: Consumer<HostFrame>,
}

/// The other end, of whoever serves the devices.
pub struct HostEnd {
    /// What the worker has received for the kernel.
    pub from_worker: Consumer<HostFrame>,
    /// What the kernel sends.
    pub to_worker: Producer<HostFrame>,
}

/// Two rings of `capacity` frames each.
pub fn host_link(capacity: usize) -> (HostLink, HostEnd) {
    let ((to_kernel, from_worker), (to_worker, from_kernel)) = (RingBuffer::new(capacity), RingBuffer::new(capacity));
    (HostLink { to_kernel, from_kernel }, HostEnd { from_worker, to_worker })
}

impl HostLink {
    fn push(&mut self, frame: HostFrame) -> Result<(), DropReason> {
        if self.to_kernel.is_abandoned() {
            return Err(DropReason::HostGone);
        }
        self.to_kernel.push(frame).map_err(|PushError::Full(_)| DropReason::HostFull)
    }
}

impl<P: Port> Executor<P> {
    /// The datagram goes to the kernel, in one frame.
    pub(super) fn punt_to_host(
        &mut self,
        datagram: &Received<P::Frame>,
        packet: &Packet,
        reason: PuntReason,
        snapshot: &Snapshot,
    ) {
        match self.give_host(datagram, packet, snapshot) {
            Ok(()) => self.ports.counters.punted(datagram.frames.count(), reason),
            Err(reason) => self.ports.counters.dropped_all(datagram.frames.count(), reason),
        }
    }

    /// The kernel gets a copy of a frame, if `verdict` says so: a frame of ours, and nothing that comes of the other.
    pub(super) fn copy_to_host(
        &mut self,
        datagram: &Received<P::Frame>,
        packet: &Packet,
        verdict: Verdict,
        snapshot: &Snapshot,
    ) {
        let outcome = match verdict {
            Verdict::Punt(reason) => self.give_host(datagram, packet, snapshot).map(|()| reason),
            Verdict::Drop(reason) => Err(reason),
            _ => return,
        };
        let Ports { counters, taps, .. } = &mut self.ports;
        for counters in [Some(counters), taps.counters_before()].into_iter().flatten() {
            counters.originated += 1;
            match outcome {
                Ok(reason) => counters.punted(1, reason),
                Err(reason) => counters.dropped(reason),
            }
        }
    }

    fn give_host(
        &mut self,
        datagram: &Received<P::Frame>,
        packet: &Packet,
        snapshot: &Snapshot,
    ) -> Result<(), DropReason> {
        let interface = snapshot.interface_of(datagram.port, packet.vlan()).ok_or(DropReason::UnknownInterface)?;
        let link = self.host.as_mut().ok_or(DropReason::HostGone)?;
        let bytes = as_the_kernel_sees(&datagram.frames, packet).ok_or(DropReason::BadFragment)?;
        link.push(HostFrame { interface, bytes })
    }

    /// What the kernel has sent leaves by the interface of its device, a bounded part of it. Returns how many frames that were.
    #[inline]
    pub(super) fn take_from_host(&mut self, snapshot: &Snapshot) -> usize {
        match &self.host {
            Some(link) if !link.from_kernel.is_empty() => self.send_for_host(snapshot),
            _ => 0,
        }
    }

    #[cold]
    fn send_for_host(&mut self, snapshot: &Snapshot) -> usize {
        let Some(link) = &mut self.host else { return 0 };
        let mut count = 0;
        while count < BURST
            && let Ok(HostFrame { interface, bytes }) = link.from_kernel.pop()
        {
            count += 1;
            match snapshot.addresses.find(interface) {
                Some(view) => self.ports.originate_tagged(view.port, view.vlan, &bytes),
                None => self.ports.lose_of_host(DropReason::HostGone),
            }
        }
        count
    }
}

impl<P: Port> Ports<P> {
    fn lose_of_host(&mut self, reason: DropReason) {
        self.counters.originated += 1;
        self.counters.dropped(reason);
    }
}

/// The datagram as one frame without a tag; `None` when it is too long for that.
fn as_the_kernel_sees<F: Frame>(frames: &Frames<F>, packet: &Packet) -> Option<Box<[u8]>> {
    let mut bytes = frames.joined()?.into_owned();
    if matches!(frames, Frames::One(_)) {
        unfinished::finish(&mut bytes, packet);
    }
    // What stands between the MACs and the type of what follows is the tag.
    let tag = ethernet::MACS..ethernet::MACS + usize::from(packet.l3) - ethernet::HEADER;
    bytes.drain(tag);
    Some(bytes.into())
}
