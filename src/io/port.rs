//! The seam between whoever moves frames and whoever looks into them.

/// How many frames are moved at once, at most.
pub const BURST: usize = 64;

/// One Ethernet frame, without its check sequence, in memory that belongs to whoever holds this value.
pub trait Frame {
    /// The frame's bytes.
    fn bytes(&self) -> &[u8];
    /// The frame's bytes, to be changed in place.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Makes room for `count` bytes at the front and leaves them as they were; `false`, and nothing changed, when there
    /// is no such headroom.
    fn extend_front(&mut self, count: usize) -> bool;
    /// Takes `count` bytes off the front. `count` is at most the frame's length.
    fn trim_front(&mut self, count: usize);
    /// Makes the frame `length` bytes long by cutting or extending its end; `false`, and nothing changed, when the
    /// buffer is too small. New bytes are not cleared.
    fn set_len(&mut self, length: usize) -> bool;
}

/// One receive and one transmit queue of a NIC, as one worker uses them.
pub trait Port {
    /// What the port moves.
    type Frame: Frame;

    /// Takes up to [`BURST`] received frames and puts them behind those in `burst`. Returns how many; 0 when none wait,
    /// or when this worker has no receive queue on the port.
    fn receive(&mut self, burst: &mut Vec<Self::Frame>) -> usize;

    /// Sends frames from the front of `burst` and removes those the NIC took. Returns how many. What stays was not
    /// taken: the transmit queue is full.
    fn transmit(&mut self, burst: &mut Vec<Self::Frame>) -> usize;

    /// A new frame of `length` bytes with headroom for a VLAN tag; `None` when no buffer is left or none is as large.
    fn allocate(&mut self, length: usize) -> Option<Self::Frame>;
}

/// What a NIC has counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Frames received.
    pub rx_frames: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames dropped because no worker took them in time, or no buffer was free.
    pub rx_missed: u64,
    /// Frames received damaged, or longer than a buffer.
    pub rx_errors: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames that could not be sent.
    pub tx_errors: u64,
}
