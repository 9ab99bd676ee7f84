//! A change of addresses and ports, as data: worked out once, replayed on every packet of a flow.
//!
//! Owns the only code that alters a forwarded packet. Checksums are updated by difference (RFC 1624 equation 3); what
//! was wrong on arrival stays wrong, so an end host still sees damage done before us.

use super::addr::Endpoint;
use std::net::Ipv4Addr;

/// New endpoints for a packet, with the checksum differences they cause.
///
/// `l3_delta` is the one's complement difference of the addresses, for the IPv4 header checksum; `l4_delta` that of
/// addresses and ports, for the TCP or UDP checksum (for ICMP echo: of the identifier alone).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite<A = Ipv4Addr> {
    /// The new source, when it changes.
    pub src: Option<Endpoint<A>>,
    /// The new destination, when it changes.
    pub dst: Option<Endpoint<A>>,
    /// Added to the complement of the IPv4 header checksum.
    pub l3_delta: u16,
    /// Added to the complement of the transport checksum.
    pub l4_delta: u16,
}
