//! Is a frame whole? Every length and checksum worked out again, in the simplest way there is.
//!
//! For tests and simulation. Shares no code with the rest of this floor on purpose: what proves the fast arithmetic
//! right must not be it. Slow.

/// `Ok` when every length fits and every checksum in the frame is right, also that of a quoted IP header, and that of a
/// quoted packet which is there to its end; else what is wrong, in words. An unknown EtherType or protocol is taken as
/// it is; the payload of a fragment cannot be proved.
pub fn whole(frame: &[u8]) -> Result<(), String> {
    need(frame, 14, "the Ethernet header")?;
    let mut l3 = 14;
    if word(frame, 12) == 0x8100 {
        need(frame, 18, "the VLAN tag")?;
        l3 = 18;
    }
    match word(frame, l3 - 2) {
        0x0800 => datagram(&frame[l3..], true),
        0x0806 => need(&frame[l3..], 28, "the ARP packet"),
        _ => Ok(()),
    }
}

/// The same for an IPv4 datagram without a link header; bytes behind its end are padding.
pub fn whole_datagram(bytes: &[u8]) -> Result<(), String> {
    datagram(bytes, true)
}

/// `complete`: the datagram must be there to its end; a quoted one need not be.
fn datagram(bytes: &[u8], complete: bool) -> Result<(), String> {
    need(bytes, 20, "the IP header")?;
    let header = usize::from(bytes[0] % 16) * 4;
    let total = word(bytes, 2) as usize;
    if bytes[0] / 16 != 4 || header < 20 || total < header {
        return Err(format!("IP version {}, header {header}, total length {total}", bytes[0] / 16));
    }
    need(bytes, header, "the IP options")?;
    if total_of(&bytes[..header], 0) != 0xffff {
        return Err(format!("IP header checksum {:#06x} is wrong", word(bytes, 10)));
    }
    if bytes.len() < total {
        return if complete { need(bytes, total, "the datagram") } else { Ok(()) };
    }
    let reassembled = word(bytes, 6) & 0x3fff != 0;
    if reassembled { Ok(()) } else { transport(bytes, header, total) }
}

fn transport(bytes: &[u8], header: usize, total: usize) -> Result<(), String> {
    let payload = &bytes[header..total];
    match bytes[9] {
        1 => icmp(payload),
        6 => {
            need(payload, 20, "the TCP header")?;
            let right = total_of(payload, pseudo_header(bytes, payload.len())) == 0xffff;
            if right { Ok(()) } else { Err(format!("TCP checksum {:#06x} is wrong", word(payload, 16))) }
        }
        17 => udp(bytes, payload),
        _ => Ok(()),
    }
}

fn udp(ip: &[u8], payload: &[u8]) -> Result<(), String> {
    need(payload, 8, "the UDP header")?;
    let length = word(payload, 4) as usize;
    if length < 8 || length > payload.len() {
        return Err(format!("UDP length {length} in {} bytes", payload.len()));
    }
    let none = word(payload, 6) == 0;
    let right = total_of(&payload[..length], pseudo_header(ip, length)) == 0xffff;
    if none || right { Ok(()) } else { Err(format!("UDP checksum {:#06x} is wrong", word(payload, 6))) }
}

fn icmp(message: &[u8]) -> Result<(), String> {
    need(message, 8, "the ICMP header")?;
    if total_of(message, 0) != 0xffff {
        return Err(format!("ICMP checksum {:#06x} is wrong", word(message, 2)));
    }
    match message[0] {
        3 | 4 | 5 | 11 | 12 => datagram(&message[8..], false).map_err(|wrong| format!("in the quoted packet: {wrong}")),
        _ => Ok(()),
    }
}

fn need(bytes: &[u8], length: usize, what: &str) -> Result<(), String> {
    if bytes.len() >= length { Ok(()) } else { Err(format!("{what} needs {length} bytes, {} are there", bytes.len())) }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from(bytes[at]) * 256 + u32::from(bytes[at + 1])
}

fn pseudo_header(ip: &[u8], length: usize) -> u32 {
    word(ip, 12) + word(ip, 14) + word(ip, 16) + word(ip, 18) + u32::from(ip[9]) + length as u32
}

/// The one's complement sum of `bytes` and `start`: 0xFFFF when a right checksum is among them.
fn total_of(bytes: &[u8], start: u32) -> u32 {
    let mut total = start;
    for (at, byte) in bytes.iter().enumerate() {
        total += u32::from(*byte) * if at % 2 == 0 { 256 } else { 1 };
        while total > 0xffff {
            total = total % 0x10000 + total / 0x10000;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::super::build::{Build, SRC_MAC};
    use super::super::tcp::Flags;
    use super::*;

    #[test]
    fn what_is_built_is_whole() {
        let sip = Build::udp("10.0.0.1:5060", "10.0.0.2:5060").payload(b"OPTIONS sip:x");
        let syn = Build::tcp("10.0.0.1:40000", "10.0.0.2:5061", Flags::SYN, 7, 0).tcp_options(&[2, 4, 5, 0xb4]);
        let frames = [
            sip.clone(),
            sip.clone().no_checksum().vlan(5).priority(3).df().id(9).dscp(0x2e),
            syn.clone().ip_options(&[7, 7, 4, 0, 0, 0, 0]),
            Build::echo_request("10.0.0.1", "10.0.0.2", 0, 0),
            Build::echo_reply("10.0.0.1", "10.0.0.2", 0, 0).payload(&[0; 56]),
            Build::icmp_error("10.0.0.9", "10.0.0.1", 3, 3, &sip),
            Build::icmp_error("10.0.0.9", "10.0.0.1", 11, 0, &syn).ttl(1),
            Build::other("10.0.0.1", "10.0.0.2", 47).payload(&[1, 2, 3]),
            Build::arp_request(SRC_MAC, "10.0.0.1", "10.0.0.2"),
        ];
        for frame in frames {
            assert_eq!(whole(&frame.bytes()), Ok(()), "{frame:?}");
        }
        for fragment in sip.payload(&[0x55; 3000]).fragments(1480) {
            assert_eq!(whole(&fragment), Ok(()));
        }
    }

    #[test]
    fn any_changed_byte_of_a_checksummed_packet_is_found() {
        let quoted = Build::udp("10.0.0.1:1", "10.0.0.2:2").payload(b"abc");
        let frames = [
            Build::udp("10.0.0.1:5060", "10.0.0.2:5060").payload(b"odd").bytes(),
            Build::tcp("10.0.0.1:1", "10.0.0.2:2", Flags::ACK, 1, 2).vlan(3).bytes(),
            Build::echo_request("10.0.0.1", "10.0.0.2", 1, 2).payload(b"data").bytes(),
            Build::icmp_error("10.0.0.9", "10.0.0.1", 3, 3, &quoted).bytes(),
        ];
        for frame in frames {
            assert_eq!(whole(&frame), Ok(()));
            let l3 = if frame[12] == 0x81 { 18 } else { 14 };
            let end = l3 + word(&frame, l3 + 2) as usize;
            for at in l3..end {
                let mut damaged = frame.clone();
                damaged[at] ^= 0x04;
                assert!(whole(&damaged).is_err(), "byte {at} of {frame:02x?}");
            }
        }
    }
}
