//! Filters: a program of the classic BPF machine that says whether a frame is meant.
//!
//! Owns nothing by itself: `program` is the machine and what makes a program sound, `required` what every frame that a program matches has.
//! Compiles no text: that is libpcap's part (pcap-filter(7)), whose own machine agrees with this one.

mod program;
mod required;

pub use program::{Instruction, MOST, Program, ProgramError};
