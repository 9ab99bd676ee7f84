//! What goes to the kernel's devices, and comes from them.
//!
//! Owns the two rings between a worker and the thread that serves those devices. Neither end waits: what finds its ring full is dropped and
//! counted by who pushed it.

use crate::engine::DropReason;
use crate::policy::intent::InterfaceId;
use crate::time::{Duration, Instant};
use rtrb::{Consumer, Producer, PushError, RingBuffer};

/// A frame on its way to or from the kernel's device of an interface.
#[derive(Debug, PartialEq, Eq)]
pub struct HostFrame {
    /// Whose device.
    pub interface: InterfaceId,
    /// The frame, without a tag.
    pub bytes: Box<[u8]>,
}

/// What the kernel may have sent longer ago leaves no more: an advertisement of who was active before the process, or the worker, was held up
/// makes whoever is active now yield. Less than VRRP at 100 ms waits for a router that is silent.
const STALE: Duration = Duration::from_millis(250);

/// A frame that the kernel sends, and when it has sent it.
#[derive(Debug, PartialEq, Eq)]
pub struct KernelFrame {
    /// The frame.
    pub frame: HostFrame,
    /// After this, as far as is known.
    pub after: Instant,
    /// Before this: it was read then.
    pub read: Instant,
}

impl KernelFrame {
    /// It may be older than is good at `now`. A worker that was held up within its turn has a `now` of before: then the time counts at which the
    /// frame was read.
    pub fn is_stale(&self, now: Instant) -> bool {
        now.max(self.read).since(self.after) > STALE
    }
}

/// A worker's end.
pub struct HostLink {
    to_kernel: Producer<HostFrame>,
    from_kernel: Consumer<KernelFrame>,
}

/// The other end, of whoever serves the devices.
pub struct HostEnd {
    /// What the worker has received for the kernel.
    pub from_worker: Consumer<HostFrame>,
    /// What the kernel sends.
    pub to_worker: Producer<KernelFrame>,
}

/// Two rings of `capacity` frames each.
pub fn host_link(capacity: usize) -> (HostLink, HostEnd) {
    let ((to_kernel, from_worker), (to_worker, from_kernel)) = (RingBuffer::new(capacity), RingBuffer::new(capacity));
    (HostLink { to_kernel, from_kernel }, HostEnd { from_worker, to_worker })
}

impl HostLink {
    /// Gives the kernel a frame.
    ///
    /// # Errors
    ///
    /// Why it was dropped.
    pub fn push(&mut self, frame: HostFrame) -> Result<(), DropReason> {
        if self.to_kernel.is_abandoned() {
            return Err(DropReason::HostGone);
        }
        self.to_kernel.push(frame).map_err(|PushError::Full(_)| DropReason::HostFull)
    }

    /// The kernel sends something.
    #[inline]
    pub(super) fn is_sending(&self) -> bool {
        !self.from_kernel.is_empty()
    }

    /// The next frame that the kernel sends.
    pub fn pop(&mut self) -> Option<KernelFrame> {
        self.from_kernel.pop().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(after: u64, read: u64) -> KernelFrame {
        let frame = HostFrame { interface: InterfaceId(0), bytes: [0; 60].into() };
        KernelFrame { frame, after: Instant::from_millis(after), read: Instant::from_millis(read) }
    }

    #[test]
    fn s178_what_may_be_older_than_a_quarter_of_a_second_is_stale_by_whichever_clock_is_later() {
        let is_stale = |after, read, now| frame(after, read).is_stale(Instant::from_millis(now));
        assert!(!is_stale(1_000, 1_001, 1_250) && is_stale(1_000, 1_001, 1_251), "the worker did not run");
        assert!(is_stale(1_000, 1_251, 1_000), "the process did not, and the worker is still in the turn of before");
        assert!(!is_stale(1_000, 1_001, 999), "it came after the turn had begun");
    }
}
