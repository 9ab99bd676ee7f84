//! Memory that is worth large pages gets them.
//!
//! Owns [`LargePages`], the program's allocator: the system's, but what is as large as tables of flows are is asked of the
//! kernel in pages of two megabytes. A flow is looked up at random: with small pages nearly every lookup in a large table
//! misses the processor's list of pages as well. Never touches what it hands out.

use std::alloc::{GlobalAlloc, Layout, System};

/// The size of a large page, and the least that is asked for in such.
const LARGE_PAGE: usize = 2 << 20;

/// The system's allocator, with large pages for what is large.
pub struct LargePages;

/// What is asked of the system for `layout`.
fn asked(layout: Layout) -> Layout {
    match layout.size() >= LARGE_PAGE {
        true => layout.align_to(LARGE_PAGE).unwrap_or(layout),
        false => layout,
    }
}

// SAFETY: memory comes from the system's allocator and goes back to it, each time with the layout that `asked` makes of the
// caller's: the same size, and at least the same alignment. The kernel's leave to use large pages changes no byte.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`; the size is the same.
        let place = unsafe { System.alloc(asked(layout)) };
        if layout.size() >= LARGE_PAGE && !place.is_null() {
            // SAFETY: the range was just allocated. A refusal costs speed, no more.
            unsafe { libc::madvise(place.cast(), layout.size(), libc::MADV_HUGEPAGE) };
        }
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`; the layout is the one `alloc` used.
        unsafe { System.dealloc(place, asked(layout)) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size().max(size) < LARGE_PAGE {
            // SAFETY: the caller keeps the contract of `realloc`, and neither layout is changed by `asked`.
            return unsafe { System.realloc(place, layout, size) };
        }
        let Ok(new) = Layout::from_size_align(size, layout.align()) else { return std::ptr::null_mut() };
        // SAFETY: the new size is not 0 (the caller's promise); both ranges are as long as what is copied, and do not overlap;
        // the old one came from `alloc` with this layout and is not used after this.
        unsafe {
            let moved = self.alloc(new);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(place, moved, layout.size().min(size));
                self.dealloc(place, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_begins_at_a_large_page_and_goes_back() {
        for size in [1, 4_096, LARGE_PAGE - 1, LARGE_PAGE, 3 * LARGE_PAGE + 5] {
            let layout = Layout::from_size_align(size, 16).unwrap();
            // SAFETY: the layout is not empty, and what is allocated is written within its size and given back once.
            unsafe {
                let place = LargePages.alloc(layout);
                assert!(!place.is_null());
                place.write_bytes(0xa5, size);
                assert_eq!(place.add(size - 1).read(), 0xa5);
                assert!(size < LARGE_PAGE || place.addr().is_multiple_of(LARGE_PAGE));
                let larger = LargePages.realloc(place, layout, size + LARGE_PAGE);
                assert_eq!((larger.read(), larger.add(size - 1).read()), (0xa5, 0xa5));
                LargePages.dealloc(larger, Layout::from_size_align(size + LARGE_PAGE, 16).unwrap());
            }
        }
    }
}
