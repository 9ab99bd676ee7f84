//! ARP for IPv4 over Ethernet (RFC 826).

use super::addr::Mac;
use std::net::Ipv4Addr;

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Request or reply.
    pub operation: Operation,
    /// The sender's hardware address.
    pub sender_mac: Mac,
    /// The sender's protocol address; 0.0.0.0 in a probe (RFC 5227 1.1).
    pub sender: Ipv4Addr,
    /// The target's hardware address; zero in a request.
    pub target_mac: Mac,
    /// The target's protocol address.
    pub target: Ipv4Addr,
}

/// What an ARP packet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has its address.
    Reply,
}
