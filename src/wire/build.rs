//! Frames from nothing, for tests and simulation.
//!
//! [`Build`] says in one line what a frame is and makes its bytes with every checksum right:
//!
//! ```
//! use fairlead::wire::build::Build;
//! let frame = Build::udp("10.0.0.1:5060", "10.0.0.2:5060").vlan(5).dscp(0x2e).payload(b"OPTIONS").bytes();
//! assert_eq!((frame.len(), &frame[12..16]), (60, &[0x81, 0x00, 0x00, 0x05][..]));
//! ```
//!
//! Meant for code whose input is written by its author: a text that is no address is a panic. The data path never
//! comes here ([`super::compose`] and [`super::reply`] make what the appliance sends).

use super::addr::{Endpoint, Mac};
use super::arp::{self, Arp, Operation};
use super::bytes::{be16, put_addr, put_mac, put16, put32};
use super::tcp::Flags;
use super::{checksum, ethernet, icmp, ipv4, tcp, udp};
use std::net::Ipv4Addr;

/// The source MAC unless [`Build::macs`] says another.
pub const SRC_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// The destination MAC unless [`Build::macs`] says another.
pub const DST_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);

/// What can be an endpoint: itself, or a text such as `"10.0.0.1:5060"`.
pub trait ToEndpoint {
    /// The endpoint. Panics on a text that is none.
    fn endpoint(self) -> Endpoint;
}

impl ToEndpoint for Endpoint {
    fn endpoint(self) -> Endpoint {
        self
    }
}

impl ToEndpoint for &str {
    fn endpoint(self) -> Endpoint {
        let at = self.parse::<std::net::SocketAddrV4>();
        let at = at.unwrap_or_else(|_| panic!("`{self}` is not an IPv4 endpoint: write address:port"));
        Endpoint::new(*at.ip(), at.port())
    }
}

/// What can be an address: itself, or a text such as `"10.0.0.1"`.
pub trait ToAddress {
    /// The address. Panics on a text that is none.
    fn address(self) -> Ipv4Addr;
}

impl ToAddress for Ipv4Addr {
    fn address(self) -> Ipv4Addr {
        self
    }
}

impl ToAddress for &str {
    fn address(self) -> Ipv4Addr {
        self.parse().unwrap_or_else(|_| panic!("`{self}` is not an IPv4 address"))
    }
}

/// A frame to be.
#[derive(Clone, Debug)]
pub struct Build {
    src_mac: Mac,
    dst_mac: Mac,
    /// The tag's sixteen bits, when there is a tag.
    tag: Option<u16>,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    ttl: u8,
    tos: u8,
    id: u16,
    dont_fragment: bool,
    options: Vec<u8>,
    body: Body,
    payload: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Body {
    Udp { src_port: u16, dst_port: u16, checksummed: bool },
    Tcp { src_port: u16, dst_port: u16, flags: Flags, seq: u32, ack: u32, options: Vec<u8> },
    Icmp { kind: u8, code: u8, rest: u32 },
    Arp(Arp),
    Other(u8),
}

impl Build {
    /// A UDP datagram.
    pub fn udp(src: impl ToEndpoint, dst: impl ToEndpoint) -> Build {
        let (src, dst) = (src.endpoint(), dst.endpoint());
        let body = Body::Udp { src_port: src.port, dst_port: dst.port, checksummed: true };
        Build::new(src.addr, dst.addr, body)
    }

    /// A TCP segment. `ack` is written whatever the flags are.
    pub fn tcp(src: impl ToEndpoint, dst: impl ToEndpoint, flags: Flags, seq: u32, ack: u32) -> Build {
        let (src, dst) = (src.endpoint(), dst.endpoint());
        let body = Body::Tcp { src_port: src.port, dst_port: dst.port, flags, seq, ack, options: Vec::new() };
        Build::new(src.addr, dst.addr, body)
    }

    /// An ICMP echo request.
    pub fn echo_request(src: impl ToAddress, dst: impl ToAddress, id: u16, seq: u16) -> Build {
        Build::icmp(src, dst, icmp::ECHO_REQUEST, 0).rest(u32::from(id) << 16 | u32::from(seq))
    }

    /// An ICMP echo reply.
    pub fn echo_reply(src: impl ToAddress, dst: impl ToAddress, id: u16, seq: u16) -> Build {
        Build::icmp(src, dst, icmp::ECHO_REPLY, 0).rest(u32::from(id) << 16 | u32::from(seq))
    }

    /// Any ICMP message; [`Build::rest`] sets bytes 4 to 7 of its header, [`Build::payload`] what follows.
    pub fn icmp(src: impl ToAddress, dst: impl ToAddress, kind: u8, code: u8) -> Build {
        Build::new(src.address(), dst.address(), Body::Icmp { kind, code, rest: 0 })
    }

    /// An ICMP error that quotes the datagram of `quoted`, up to 548 bytes of it (RFC 1812 4.3.2.3).
    pub fn icmp_error(src: impl ToAddress, dst: impl ToAddress, kind: u8, code: u8, quoted: &Build) -> Build {
        let mut datagram = quoted.datagram();
        datagram.truncate(548);
        Build::icmp(src, dst, kind, code).payload(&datagram)
    }

    /// A datagram of another protocol, with nothing but a payload.
    pub fn other(src: impl ToAddress, dst: impl ToAddress, protocol: u8) -> Build {
        Build::new(src.address(), dst.address(), Body::Other(protocol))
    }

    /// "Who has `target`?" from `sender`, to everyone.
    pub fn arp_request(sender_mac: Mac, sender: impl ToAddress, target: impl ToAddress) -> Build {
        let (sender, target) = (sender.address(), target.address());
        let packet = Arp { operation: Operation::Request, sender_mac, sender, target_mac: Mac::ZERO, target };
        Build::new(sender, target, Body::Arp(packet)).macs(sender_mac, Mac::BROADCAST)
    }

    /// "`sender` is at `sender_mac`", told to the target alone.
    pub fn arp_reply(sender_mac: Mac, sender: impl ToAddress, target_mac: Mac, target: impl ToAddress) -> Build {
        let (sender, target) = (sender.address(), target.address());
        let packet = Arp { operation: Operation::Reply, sender_mac, sender, target_mac, target };
        Build::new(sender, target, Body::Arp(packet)).macs(sender_mac, target_mac)
    }

    fn new(src: Ipv4Addr, dst: Ipv4Addr, body: Body) -> Build {
        Build {
            src_mac: SRC_MAC,
            dst_mac: DST_MAC,
            tag: None,
            src,
            dst,
            ttl: 64,
            tos: 0,
            id: 0,
            dont_fragment: false,
            options: Vec::new(),
            body,
            payload: Vec::new(),
        }
    }

    /// Source and destination MAC.
    pub fn macs(mut self, src: Mac, dst: Mac) -> Build {
        (self.src_mac, self.dst_mac) = (src, dst);
        self
    }

    /// An 802.1Q tag; 0 makes a priority tag.
    pub fn vlan(mut self, id: u16) -> Build {
        self.tag = Some(self.tag.unwrap_or(0) & 0xf000 | id & 0x0fff);
        self
    }

    /// The tag's priority, 0 to 7; without [`Build::vlan`] in a priority tag.
    pub fn priority(mut self, priority: u16) -> Build {
        self.tag = Some(self.tag.unwrap_or(0) & 0x1fff | priority << 13);
        self
    }

    /// Time to live; 64 unless said.
    pub fn ttl(mut self, ttl: u8) -> Build {
        self.ttl = ttl;
        self
    }

    /// The upper six bits of the type of service.
    pub fn dscp(mut self, dscp: u8) -> Build {
        self.tos = self.tos & 0x03 | dscp << 2;
        self
    }

    /// The whole type of service byte.
    pub fn tos(mut self, tos: u8) -> Build {
        self.tos = tos;
        self
    }

    /// The IP identification.
    pub fn id(mut self, id: u16) -> Build {
        self.id = id;
        self
    }

    /// Sets the DF bit.
    pub fn df(mut self) -> Build {
        self.dont_fragment = true;
        self
    }

    /// IP options, filled up with zeros to a multiple of four bytes; 40 at most.
    pub fn ip_options(mut self, options: &[u8]) -> Build {
        self.options = options.to_vec();
        self.options.resize(options.len().next_multiple_of(4), 0);
        self
    }

    /// TCP options, filled up like those of IP. Only a TCP segment has them.
    pub fn tcp_options(mut self, bytes: &[u8]) -> Build {
        if let Body::Tcp { options, .. } = &mut self.body {
            *options = bytes.to_vec();
            options.resize(bytes.len().next_multiple_of(4), 0);
        }
        self
    }

    /// Bytes 4 to 7 of the ICMP header, such as the next hop's MTU. Only an ICMP message has them.
    pub fn rest(mut self, value: u32) -> Build {
        if let Body::Icmp { rest, .. } = &mut self.body {
            *rest = value;
        }
        self
    }

    /// Leaves the UDP checksum 0, "none" (RFC 768).
    pub fn no_checksum(mut self) -> Build {
        if let Body::Udp { checksummed, .. } = &mut self.body {
            *checksummed = false;
        }
        self
    }

    /// What follows the transport header.
    pub fn payload(mut self, payload: &[u8]) -> Build {
        self.payload = payload.to_vec();
        self
    }

    /// The frame, padded with zeros to 60 bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Body::Arp(packet) => {
                let mut bytes = vec![0; arp::LENGTH];
                packet.write(&mut bytes);
                self.framed(ethernet::ARP, &bytes)
            }
            _ => self.framed(ethernet::IPV4, &self.datagram()),
        }
    }

    /// The IPv4 datagram alone; for ARP, nothing.
    pub fn datagram(&self) -> Vec<u8> {
        if matches!(self.body, Body::Arp(_)) { Vec::new() } else { self.fragment(&self.transport(), 0, false) }
    }

    /// The datagram as frames that carry it in fragments of `size` bytes of IP payload, a multiple of eight; the last as
    /// many as are left.
    pub fn fragments(&self, size: usize) -> Vec<Vec<u8>> {
        let transport = self.transport();
        let last = transport.len().div_ceil(size) - 1;
        let fragments = transport.chunks(size).enumerate();
        fragments.map(|(at, part)| self.framed(ethernet::IPV4, &self.fragment(part, at * size, at != last))).collect()
    }

    fn framed(&self, ethertype: u16, packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 14];
        put_mac(&mut frame, 0, self.dst_mac);
        put_mac(&mut frame, 6, self.src_mac);
        if let Some(tag) = self.tag {
            frame.resize(18, 0);
            put16(&mut frame, 12, ethernet::TAG);
            put16(&mut frame, 14, tag);
        }
        let at = frame.len() - 2;
        put16(&mut frame, at, ethertype);
        frame.extend_from_slice(packet);
        frame.resize(frame.len().max(ethernet::SHORTEST), 0);
        frame
    }

    fn fragment(&self, payload: &[u8], offset: usize, more: bool) -> Vec<u8> {
        let header_length = ipv4::HEADER + self.options.len();
        let mut bytes = vec![0; ipv4::HEADER];
        bytes[0] = 0x40 | (header_length / 4) as u8;
        bytes[1] = self.tos;
        put16(&mut bytes, 2, (header_length + payload.len()) as u16);
        put16(&mut bytes, 4, self.id);
        put16(&mut bytes, 6, u16::from(self.dont_fragment) << 14 | u16::from(more) << 13 | (offset / 8) as u16);
        bytes[8] = self.ttl;
        bytes[9] = self.protocol();
        put_addr(&mut bytes, 12, self.src);
        put_addr(&mut bytes, 16, self.dst);
        bytes.extend_from_slice(&self.options);
        let sum = checksum::sum(&bytes);
        put16(&mut bytes, 10, checksum::field(sum));
        bytes.extend_from_slice(payload);
        bytes
    }

    fn protocol(&self) -> u8 {
        match self.body {
            Body::Udp { .. } => ipv4::UDP,
            Body::Tcp { .. } => ipv4::TCP,
            Body::Icmp { .. } => ipv4::ICMP,
            Body::Other(protocol) => protocol,
            Body::Arp(_) => 0,
        }
    }

    /// The transport header and the payload.
    fn transport(&self) -> Vec<u8> {
        let mut bytes = match &self.body {
            Body::Udp { src_port, dst_port, .. } => self.udp_header(*src_port, *dst_port),
            Body::Tcp { src_port, dst_port, flags, seq, ack, options } => {
                let mut header = vec![0; tcp::HEADER];
                put16(&mut header, 0, *src_port);
                put16(&mut header, 2, *dst_port);
                put32(&mut header, 4, *seq);
                put32(&mut header, 8, *ack);
                header[12] = ((tcp::HEADER + options.len()) / 4 * 16) as u8;
                header[13] = flags.0;
                put16(&mut header, 14, 0xffff);
                header.extend_from_slice(options);
                header
            }
            Body::Icmp { kind, code, rest } => {
                let mut header = vec![*kind, *code, 0, 0, 0, 0, 0, 0];
                put32(&mut header, 4, *rest);
                header
            }
            Body::Arp(_) | Body::Other(_) => Vec::new(),
        };
        bytes.extend_from_slice(&self.payload);
        self.put_checksum(&mut bytes);
        bytes
    }

    fn udp_header(&self, src_port: u16, dst_port: u16) -> Vec<u8> {
        let mut header = vec![0; udp::HEADER];
        put16(&mut header, 0, src_port);
        put16(&mut header, 2, dst_port);
        put16(&mut header, 4, (udp::HEADER + self.payload.len()) as u16);
        header
    }

    fn put_checksum(&self, bytes: &mut [u8]) {
        let pseudo = checksum::pseudo_header(self.src, self.dst, self.protocol(), bytes.len() as u16);
        let field = checksum::field(checksum::combine(checksum::sum(bytes), pseudo));
        match self.body {
            Body::Udp { checksummed: true, .. } => put16(bytes, udp::CHECKSUM, if field == 0 { 0xffff } else { field }),
            Body::Tcp { .. } => put16(bytes, tcp::CHECKSUM, field),
            Body::Icmp { .. } => put16(bytes, icmp::CHECKSUM, checksum::field(checksum::sum(bytes))),
            _ => {}
        }
    }
}

/// Makes the IP header checksum of a frame right again after a test has changed the header by hand. `l3` is where the
/// header begins.
pub fn mend_ip(frame: &mut [u8], l3: usize) {
    let end = (l3 + usize::from(frame[l3] & 0x0f) * 4).min(frame.len());
    put16(frame, l3 + 10, 0);
    let sum = checksum::sum(&frame[l3..end]);
    put16(frame, l3 + 10, checksum::field(sum));
}

/// Makes the checksum of an ICMP message right again after a test has changed it by hand. `l3` is where the IP header
/// begins.
pub fn mend_icmp(frame: &mut [u8], l3: usize) {
    let end = l3 + usize::from(be16(frame, l3 + 2));
    let l4 = l3 + usize::from(frame[l3] & 0x0f) * 4;
    put16(frame, l4 + icmp::CHECKSUM, 0);
    let sum = checksum::sum(&frame[l4..end]);
    put16(frame, l4 + icmp::CHECKSUM, checksum::field(sum));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header that the English Wikipedia works through under "Internet checksum", so that builder and checker
    /// cannot be wrong together.
    #[test]
    fn a_header_known_elsewhere_comes_out_the_same() {
        let built = Build::udp("192.168.0.1:1", "192.168.0.199:2").df().payload(&[0; 87]).datagram();
        let known = [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 192, 168, 0, 1, 192, 168, 0, 199];
        assert_eq!(built[..20], known);
    }
}
