//! Checksums that a sender has left to its network card.
//!
//! Between network namespaces (veth) no card finishes them, and nothing in the frame says so, but that the field holds the sum of the
//! pseudo-header alone, as the card would want it. A kernel to which such a frame is handed from outside drops it.

use super::{Kind, Packet, bytes, checksum, tcp, udp};

/// Finishes the checksum of the whole segment or datagram in `frame`, if it was left so; `packet` are its facts. One that is merely wrong
/// stays wrong. Says whether it did.
pub fn finish(frame: &mut [u8], packet: &Packet) -> bool {
    let (l4, end) = (usize::from(packet.l4), usize::from(packet.end));
    let at = l4
        + match packet.kind {
            Kind::Tcp(_) => tcp::CHECKSUM,
            Kind::Udp => udp::CHECKSUM,
            _ => return false,
        };
    let pseudo = checksum::pseudo_header(packet.src(), packet.dst(), packet.protocol, packet.end - packet.l4);
    if bytes::be16(frame, at) != pseudo {
        return false;
    }
    bytes::put16(frame, at, 0);
    let field = checksum::field(checksum::combine(pseudo, checksum::sum(&frame[l4..end])));
    // Zero says that there is none (RFC 768).
    bytes::put16(frame, at, if field == 0 { 0xffff } else { field });
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Endpoint;
    use crate::wire::build::Build;
    use crate::wire::tcp::Flags;

    fn frames() -> Vec<Vec<u8>> {
        let (src, dst) = (Endpoint::new([192, 0, 2, 9].into(), 40_000), Endpoint::new([192, 0, 2, 2].into(), 22));
        let segment = Build::tcp(src, dst, Flags::SYN, 7, 0).payload(b"odd");
        let datagram = Build::udp(src, dst).payload(b"even");
        vec![segment.bytes(), segment.vlan(5).bytes(), datagram.bytes(), datagram.vlan(5).bytes()]
    }

    #[test]
    fn what_the_sender_left_is_finished_and_nothing_else_is_touched() {
        for right in frames() {
            let packet = Packet::parse(&right).unwrap();
            let at = usize::from(packet.l4) + if packet.protocol == 6 { tcp::CHECKSUM } else { udp::CHECKSUM };
            let mut frame = right.clone();
            assert!(!finish(&mut frame, &packet), "it is right as it is");
            let length = packet.end - packet.l4;
            let left = checksum::pseudo_header(packet.src(), packet.dst(), packet.protocol, length);
            bytes::put16(&mut frame, at, left);
            assert!(finish(&mut frame, &packet));
            assert_eq!(frame, right);
            frame[at] ^= 1;
            let wrong = frame.clone();
            assert!(!finish(&mut frame, &packet) && frame == wrong, "what is wrong is not made right");
        }
    }
}
