//! Capture files: packets with their times, as tcpdump, dumpcap and Wireshark write and read them.
//!
//! Owns the formats: pcap (draft-ietf-opsawg-pcap) is read, pcapng (draft-ietf-opsawg-pcapng) is read and written. Both are read as
//! a stream, one block at a time, in memory that is bounded whatever a file says of itself; what is wrong with a file is an error
//! with the byte at which it stands and what to do. Knows nothing of what a packet means; opens no file and reads no clock.
//!
//! Of the crates that do this none was fit. `pcap-file` 2 keeps no time resolution of an interface, its 3.0.0 is a release candidate,
//! `pcap-parser` reads only and has its callers walk blocks and options themselves. Each also allows what tools stumble over: a verdict
//! option that makes a file unreadable once it was edited, interfaces that differ in snap length.
//!
//! What is written is what survives tcpdump, editcap, mergecap and tshark: one section, interfaces that differ in their names only,
//! times in nanoseconds, and of each packet its direction, a drop count and one comment. There is no option of our own for machines
//! (custom option 2988): it begins with a Private Enterprise Number, nobody has assigned us one, and another's would be a lie. A comment
//! of `key=value` words is as easily read.

mod error;
mod format;
mod options;
mod packet;
mod pcap;
mod pcapng;
mod reader;
mod source;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{Fault, ReadError};
pub use packet::{Captured, Direction, Interface};
pub use reader::{MOST_MEMORY, Reader};
pub use writer::{Packet, SNAP_LENGTH, Section, Writer};
