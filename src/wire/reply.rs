//! Answers the appliance gives itself, made from the packet that provoked them.
//!
//! Owns their formats. Whether one may be given at all (rate limits, RFC 1812 4.3.2.7) is decided above.

use super::addr::Mac;
use std::net::Ipv4Addr;

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// "The address you ask for is at `mac`" (RFC 826).
    Arp {
        /// The MAC of the interface asked on.
        mac: Mac,
    },
    /// Echo reply: source and destination swapped, type 0, identifier, sequence and data as received (RFC 792, RFC 1812
    /// 4.3.3.6).
    Echo,
    /// An ICMP error that quotes the packet as it was received, as much of it as fits in 576 bytes (RFC 1812 4.3.2.3).
    IcmpError {
        /// What is wrong.
        error: IcmpError,
        /// The error's source address.
        from: Ipv4Addr,
    },
    /// A reset as RFC 9293 3.5.2 asks of a host that knows no such connection: if the segment has ACK, `SEQ=SEG.ACK`,
    /// else `SEQ=0, ACK=SEG.SEQ+SEG.LEN`.
    Reset,
}

/// The ICMP errors the appliance makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// 3/0
    NetUnreachable,
    /// 3/1
    HostUnreachable,
    /// 3/3
    PortUnreachable,
    /// 3/4, with the next hop's MTU (RFC 1191 4)
    FragmentationNeeded {
        /// In bytes.
        mtu: u16,
    },
    /// 3/13
    Prohibited,
    /// 11/0
    TtlExceeded,
}
