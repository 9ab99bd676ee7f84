//! Makes frames right again that a test has damaged, so that the damage gets past the first door.

use fairlead::wire::build;
use fairlead::wire::{Kind, Packet, checksum};

/// Makes the checksums right again, so that damage reaches what lies behind the first check.
pub fn mend(frame: &mut [u8]) {
    if frame[12..14] != [8, 0] || frame[14] >> 4 != 4 || frame[14] & 0x0f < 5 {
        return;
    }
    build::mend_ip(frame, 14);
    let Ok(headers) = Packet::parse(frame) else { return };
    let (l4, end) = (usize::from(headers.l4), usize::from(headers.end));
    let (field, protocol) = match headers.kind {
        Kind::Tcp(_) => (l4 + 16, 6),
        Kind::Udp => (l4 + 6, 17),
        Kind::Echo { .. } => return build::mend_icmp(frame, 14),
        _ => return,
    };
    frame[field..field + 2].fill(0);
    let pseudo = checksum::pseudo_header(headers.src(), headers.dst(), protocol, (end - l4) as u16);
    let sum = checksum::field(checksum::combine(checksum::sum(&frame[l4..end]), pseudo));
    frame[field..field + 2].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
}
