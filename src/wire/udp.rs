//! UDP on the wire (RFC 768).

use super::addr::Ports;
use super::bytes::{be16, ports};
use super::facts::Malformed;

/// The length of the header in bytes.
pub const HEADER: usize = 8;
/// Where in the header the checksum lies; 0 there means that the sender made none.
pub(super) const CHECKSUM: usize = 6;

/// The ports. The length may be less than the `available` bytes of the datagram's payload (RFC 768 forbids nothing behind
/// the data), never more.
#[inline]
pub(super) fn read(payload: &[u8], available: usize) -> Result<Ports, Malformed> {
    let header: &[u8; HEADER] = payload.first_chunk().ok_or(Malformed::UdpLength)?;
    let length = usize::from(be16(header, 4));
    if length < HEADER || length > available {
        return Err(Malformed::UdpLength);
    }
    Ok(ports(header, 0))
}
