//! One frame in a DPDK buffer.
//!
//! Owns [`Mbuf`]: exactly one segment, held by nobody else, given back to its pool when dropped. The fields are read and
//! written here, in Rust that is inlined; where they are comes from the shim, because their declaration differs between
//! DPDK's releases.

use crate::io::Frame;
use dpdk_sys::rte_mbuf;
use std::ptr::NonNull;

/// A frame in a DPDK buffer. As large as a pointer: a slice of these is what DPDK calls an array of `struct rte_mbuf *`.
#[repr(transparent)]
pub struct Mbuf(NonNull<rte_mbuf>);

// SAFETY: the buffer has one owner, and may be given back to its pool from any thread.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// Takes over a buffer.
    ///
    /// # Safety
    /// `raw` is a buffer of one segment that nobody else holds or frees, from a pool that outlives it.
    pub(super) unsafe fn from_raw(raw: NonNull<rte_mbuf>) -> Mbuf {
        Mbuf(raw)
    }

    /// Reads the field at `offset`.
    ///
    /// # Safety
    /// `offset` is one of the shim's, and `T` is as wide as its field (which the shim asserts).
    #[inline(always)]
    unsafe fn field<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: the caller's promise; a buffer's header is aligned and always mapped.
        unsafe { self.0.as_ptr().cast::<u8>().add(offset as usize).cast::<T>().read() }
    }

    /// Writes the field at `offset`.
    ///
    /// # Safety
    /// As [`Mbuf::field`], and the value keeps the data within the buffer.
    #[inline(always)]
    unsafe fn set_field<T: Copy>(&mut self, offset: u32, value: T) {
        // SAFETY: the caller's promise, and we are the only holder.
        unsafe { self.0.as_ptr().cast::<u8>().add(offset as usize).cast::<T>().write(value) }
    }

    /// Bytes before the frame.
    #[inline(always)]
    fn offset(&self) -> u16 {
        // SAFETY: the field is 16 bits wide.
        unsafe { self.field(dpdk_sys::SHIM_MBUF_DATA_OFF) }
    }

    /// The frame's length.
    #[inline(always)]
    fn length(&self) -> u16 {
        // SAFETY: the field is 16 bits wide.
        unsafe { self.field(dpdk_sys::SHIM_MBUF_DATA_LEN) }
    }

    /// The buffer's length, headroom included.
    #[inline(always)]
    fn capacity(&self) -> u16 {
        // SAFETY: the field is 16 bits wide.
        unsafe { self.field(dpdk_sys::SHIM_MBUF_BUF_LEN) }
    }

    /// Where the frame begins.
    #[inline(always)]
    fn start(&self) -> *mut u8 {
        // SAFETY: the field is a pointer to `capacity` bytes, and the offset is within them.
        unsafe { self.field::<*mut u8>(dpdk_sys::SHIM_MBUF_BUF_ADDR).add(usize::from(self.offset())) }
    }

    /// Lets the frame begin at `offset` and be `length` long.
    #[inline(always)]
    fn place(&mut self, offset: u16, length: u16) {
        debug_assert!(u32::from(offset) + u32::from(length) <= u32::from(self.capacity()));
        // SAFETY: the widths are those of the fields; every caller has checked that both ends are within the buffer.
        unsafe {
            self.set_field(dpdk_sys::SHIM_MBUF_DATA_OFF, offset);
            self.set_field(dpdk_sys::SHIM_MBUF_DATA_LEN, length);
            self.set_field(dpdk_sys::SHIM_MBUF_PKT_LEN, u32::from(length));
        }
    }

    /// Whether the frame lies within its buffer. Memory that is shared with another program may say anything (memif).
    #[inline(always)]
    fn fits(&self) -> bool {
        u32::from(self.offset()) + u32::from(self.length()) <= u32::from(self.capacity())
    }

    /// Whether the driver left nothing to do: no several segments, no VLAN tag taken out of the frame, no length that cannot be.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        // SAFETY: the widths are those of the fields.
        let (segments, flags) = unsafe {
            (self.field::<u16>(dpdk_sys::SHIM_MBUF_NB_SEGS), self.field::<u64>(dpdk_sys::SHIM_MBUF_OL_FLAGS))
        };
        segments == 1 && flags & dpdk_sys::SHIM_RX_VLAN_STRIPPED == 0 && self.fits()
    }

    /// Makes a frame that is not plain one segment with its tag inside; `None`, and the frame is gone, when it is longer
    /// than a buffer, or claims to be longer than its own.
    #[cold]
    pub(super) fn made_plain(self) -> Option<Mbuf> {
        let mut raw = self.0.as_ptr();
        // SAFETY: we are the only holder of `raw`. Only the tag's insertion may replace it, and then tells us by what.
        let whole = unsafe { dpdk_sys::shim_pktmbuf_linearize(raw) == 0 };
        if !whole {
            return None;
        }
        // SAFETY: the flags are 64 bits wide.
        let stripped = unsafe { self.field::<u64>(dpdk_sys::SHIM_MBUF_OL_FLAGS) } & dpdk_sys::SHIM_RX_VLAN_STRIPPED;
        // SAFETY: as above; `shim_vlan_insert` frees nothing when it fails.
        if stripped != 0 && unsafe { dpdk_sys::shim_vlan_insert(&mut raw) } != 0 {
            return None;
        }
        std::mem::forget(self);
        // SAFETY: the buffer is of one segment now, and still ours alone.
        NonNull::new(raw).map(|raw| unsafe { Mbuf::from_raw(raw) })
    }
}

impl Frame for Mbuf {
    #[inline]
    fn bytes(&self) -> &[u8] {
        // SAFETY: `length` bytes from `start` are within the buffer, initialised, and ours alone.
        unsafe { std::slice::from_raw_parts(self.start(), usize::from(self.length())) }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start(), usize::from(self.length())) }
    }

    #[inline]
    fn extend_front(&mut self, count: usize) -> bool {
        let (offset, length) = (self.offset(), self.length());
        let Ok(count) = u16::try_from(count) else { return false };
        let (Some(offset), Some(length)) = (offset.checked_sub(count), length.checked_add(count)) else { return false };
        self.place(offset, length);
        true
    }

    #[inline]
    fn trim_front(&mut self, count: usize) {
        debug_assert!(count <= usize::from(self.length()), "{count} bytes off a frame of {}", self.length());
        let length = self.length();
        let count = u16::try_from(count).unwrap_or(length).min(length);
        self.place(self.offset() + count, length - count);
    }

    #[inline]
    fn set_len(&mut self, length: usize) -> bool {
        let offset = self.offset();
        match u16::try_from(length) {
            Ok(length) if length <= self.capacity() - offset => {
                self.place(offset, length);
                true
            }
            _ => false,
        }
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the buffer is ours alone and not used after this.
        unsafe { dpdk_sys::shim_pktmbuf_free(self.0.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room for a buffer's header, aligned as DPDK aligns it.
    #[repr(align(64))]
    struct Header([u8; 256]);

    #[test]
    fn a_frame_that_claims_more_than_its_buffer_holds_is_not_plain() {
        for (offset, length, plain) in
            [(128, 60, true), (128, 1920, true), (128, 1921, false), (2049, 0, false), (u16::MAX, u16::MAX, false)]
        {
            let mut header = Header([0; 256]);
            let raw = NonNull::new(header.0.as_mut_ptr().cast()).expect("a place");
            // SAFETY: the header is ours, as large as DPDK's, and never given back: the value is forgotten below.
            let mut frame = unsafe { Mbuf::from_raw(raw) };
            // SAFETY: the widths are those of the fields, and no data is looked at.
            unsafe {
                frame.set_field(dpdk_sys::SHIM_MBUF_NB_SEGS, 1_u16);
                frame.set_field(dpdk_sys::SHIM_MBUF_BUF_LEN, 2048_u16);
                frame.set_field::<u16>(dpdk_sys::SHIM_MBUF_DATA_OFF, offset);
                frame.set_field::<u16>(dpdk_sys::SHIM_MBUF_DATA_LEN, length);
            }
            assert_eq!(frame.is_plain(), plain, "{length} bytes from {offset}");
            std::mem::forget(frame);
        }
    }
}
