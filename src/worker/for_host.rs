//! A worker's frames for the kernel, and the kernel's for the worker.
//!
//! Owns what a frame looks like on the way: whole, without the tag of its interface, as the kernel sees it, and with a checksum; and that each
//! is counted to its end. Which frames the kernel gets is decided by the engine. The rings: [`super::host`].

use super::execute::Executor;
use super::frames::{Frames, Received};
use super::host::HostFrame;
use super::ports::Ports;
use crate::engine::{DropReason, PuntReason, Verdict};
use crate::io::{BURST, Frame, Port};
use crate::policy::Snapshot;
use crate::time::Instant;
use crate::wire::{Packet, ethernet, unfinished};

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

    /// What the kernel has sent leaves by the interface of its device, a bounded part of it; what is too old is dropped. Returns how many
    /// frames that were.
    #[inline]
    pub(super) fn take_from_host(&mut self, snapshot: &Snapshot, now: Instant) -> usize {
        match &self.host {
            Some(link) if link.is_sending() => self.send_for_host(snapshot, now),
            _ => 0,
        }
    }

    #[cold]
    fn send_for_host(&mut self, snapshot: &Snapshot, now: Instant) -> usize {
        let Some(link) = &mut self.host else { return 0 };
        let mut count = 0;
        while count < BURST
            && let Some(sent) = link.pop()
        {
            count += 1;
            let is_stale = sent.is_stale(now);
            let HostFrame { interface, bytes } = sent.frame;
            match snapshot.addresses.find(interface) {
                _ if is_stale => self.ports.lose_of_host(DropReason::HostStale),
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
