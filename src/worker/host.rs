//! What goes to the kernel's devices, and comes from them.
//!
//! Owns the two rings between a worker and the thread that serves those devices. Neither end waits: what finds its ring full is dropped and
//! counted by who pushed it.

use crate::engine::DropReason;
use crate::policy::intent::InterfaceId;
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
    pub fn pop(&mut self) -> Option<HostFrame> {
        self.from_kernel.pop().ok()
    }
}
