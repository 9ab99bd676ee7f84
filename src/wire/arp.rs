//! ARP for IPv4 over Ethernet (RFC 826).

use super::bytes::{addr, be16, mac, put_addr, put_mac, put16};
use super::facts::Malformed;
pub use super::facts::{Arp, Operation};

/// How long an ARP packet is, in bytes.
pub const LENGTH: usize = 28;

/// Hardware type Ethernet, protocol type IPv4, and their address lengths.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

impl Arp {
    /// Reads the packet at the start of `bytes`; what is behind it is padding.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Result<Arp, Malformed> {
        let packet: &[u8; LENGTH] = bytes.first_chunk().ok_or(Malformed::Arp)?;
        let operation = match be16(packet, 6) {
            1 => Operation::Request,
            2 => Operation::Reply,
            _ => return Err(Malformed::Arp),
        };
        if packet[..6] != ETHERNET_IPV4 {
            return Err(Malformed::Arp);
        }
        Ok(Arp {
            operation,
            sender_mac: mac(packet, 8),
            sender: addr(packet, 14),
            target_mac: mac(packet, 18),
            target: addr(packet, 24),
        })
    }

    /// Writes the packet to the first [`LENGTH`] bytes of `out`.
    pub(super) fn write(&self, out: &mut [u8]) {
        out[..6].copy_from_slice(&ETHERNET_IPV4);
        put16(out, 6, if self.operation == Operation::Request { 1 } else { 2 });
        put_mac(out, 8, self.sender_mac);
        put_addr(out, 14, self.sender);
        put_mac(out, 18, self.target_mac);
        put_addr(out, 24, self.target);
    }
}
