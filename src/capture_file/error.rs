//! What can be wrong with a capture file, as one sentence that says where, what and what to do.
//!
//! Owns the words.

use super::format::{MOST_BLOCK, MOST_INTERFACES, MOST_PACKET, link_name};
use std::io;
use thiserror::Error;

/// Why a capture file cannot be read on. What was read before it holds.
#[derive(Debug, Error)]
#[error("at byte {offset}: {fault}")]
pub struct ReadError {
    /// Where in the file what is wrong begins, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong, told apart.
#[derive(Debug, Error)]
pub enum Fault {
    /// The operating system refused to read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// There is not one byte.
    #[error("the file is empty: nothing was captured, or it is not written yet")]
    Empty,
    /// Another format, by its first bytes.
    #[error("this is no capture file: pcap and pcapng are read, and it begins with {0:02x?}")]
    Foreign([u8; 4]),
    /// A format that is read once it was turned into another one.
    #[error("this is {what}: {remedy}")]
    Packed {
        /// The format.
        what: &'static str,
        /// How to turn it into one that is read.
        remedy: &'static str,
    },
    /// A version with other fields.
    #[error("this is {format} of version {major}.{minor}, and {read} is read: convert it with `editcap IN OUT`")]
    Version {
        /// pcap or pcapng.
        format: &'static str,
        /// As written in the file.
        major: u16,
        /// As written in the file.
        minor: u16,
        /// What would be read.
        read: &'static str,
    },
    /// The end comes too early.
    #[error(
        "the file ends within {what}: {missing} bytes are missing. It was cut, or is still being written; `editcap IN OUT` keeps \
         what is whole"
    )]
    Cut {
        /// What is not whole.
        what: &'static str,
        /// How much is missing of it.
        missing: u64,
    },
    /// Neither packets nor addresses of Ethernet.
    #[error("packets of link type {0} ({name}) are not read, only those of Ethernet (1): capture on one Ethernet interface, as by \
             `tcpdump -i eth0 -w FILE`", name = link_name(*.0))]
    Link(u16),
    /// A packet that no Ethernet has.
    #[error(
        "a packet of {0} bytes: at most {MOST_PACKET} are read. The file is damaged here, or was not written by a capture"
    )]
    PacketTooLong(u64),
    /// A block that would take too much memory.
    #[error(
        "a block of {0} bytes: at most {MOST_BLOCK} are read of a packet, an interface or a section. The file is damaged here"
    )]
    BlockTooLong(u64),
    /// A block whose length cannot be true.
    #[error("a block of type {kind:#010x} says that it is {length} bytes long, {why}. The file is damaged here")]
    BlockLength {
        /// Its type.
        kind: u32,
        /// Its length as written.
        length: u32,
        /// What does not fit.
        why: &'static str,
    },
    /// The length after a block is not that before it.
    #[error("a block is {0} bytes long by its beginning and {1} by its end. The file is damaged here")]
    BlockEnds(u32, u32),
    /// What is in a block is longer than it.
    #[error("{0} is longer than the block that it is in. The file is damaged here")]
    Overlong(&'static str),
    /// No section header where one must be.
    #[error("a section has the byte order mark {0:#010x}. The file is damaged here")]
    ByteOrder(u32),
    /// A packet of an interface that was not described.
    #[error("a packet of interface {interface}, and the section describes {known} so far. The file is damaged here")]
    NoInterface {
        /// By number from 0.
        interface: u32,
        /// How many there are.
        known: usize,
    },
    /// More interfaces than are kept.
    #[error(
        "a section with more than {MOST_INTERFACES} interfaces: keep fewer of them with `tshark -r IN -Y 'frame.interface_id < 9' -w OUT`"
    )]
    TooManyInterfaces,
    /// A time that does not fit.
    #[error("a time stamp before 1970 or after 2554: shift the packets with `editcap -t SECONDS IN OUT`")]
    Time,
}
