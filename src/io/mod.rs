//! Floor 1: what a NIC is to us.
//!
//! Owns the traits [`Frame`] and [`Port`], what a NIC counts, what packet buffers take of memory, and the port that tests and benches are made of (`memory`, two lists; not in the product).
//! Knows nothing of what is in a frame.

mod buffers;
#[cfg(feature = "testbench")]
pub mod memory;
mod port;

pub use buffers::{HEADROOM, buffer_bytes, frame_room, memory_needed_mib};
pub use port::{BURST, Frame, Port, PortStats};
