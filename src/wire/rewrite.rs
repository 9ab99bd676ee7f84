//! A change of addresses and ports, as data: worked out once, replayed on every packet of a flow.
//!
//! Owns the only code that alters a forwarded packet. Checksums are updated by difference (RFC 1624 equation 3); what
//! was wrong on arrival stays wrong, so an end host still sees damage done before us. Only the checksum of an ICMP
//! error is computed from scratch: the parser has just proved the old one right.
//!
//! Never touches the link header (`ethernet`) or the time to live (`ipv4`).

use super::addr::{Address, Endpoint, Ports, Protocol, Tuple};
use super::bytes::{be16, flip32, flip64, put16};
use super::checksum::{self, combine};
use super::facts::{Fragment, Kind, Quoted};
use super::packet::Packet;
use super::{icmp, ipv4, tcp, udp};
use std::net::Ipv4Addr;

/// Other endpoints for a packet: which bits change, and the checksum differences that causes.
///
/// `l3_delta` is the one's complement difference of the addresses, for the IPv4 header checksum; `l4_delta` that of
/// addresses and ports, for the TCP or UDP checksum (for ICMP echo: of the identifier alone).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite<A: Address = Ipv4Addr> {
    /// The bits of source and destination address that change. So what stays needs no question, and a packet is changed in
    /// as many steps as it has words.
    addresses: A::Pair,
    /// The bits of source and destination port that change.
    ports: Ports,
    /// Added to the complement of the IPv4 header checksum.
    l3_delta: u16,
    /// Added to the complement of the transport checksum.
    l4_delta: u16,
    /// The new IP identification, when it changes: of a datagram, or of every fragment of it.
    id: Option<u16>,
}

impl<A: Address> Rewrite<A> {
    /// A change of these bits of the addresses, and of the ports, with the checksum differences of network and transport header
    /// that it causes.
    #[inline]
    pub fn of_bits(addresses: A::Pair, ports: Ports, (l3_delta, l4_delta): (u16, u16)) -> Rewrite<A> {
        Rewrite { addresses, ports, l3_delta, l4_delta, id: None }
    }

    /// The same, and another IP identification.
    #[inline]
    pub fn with_id(self, id: u16) -> Rewrite<A> {
        Rewrite { id: Some(id), ..self }
    }

    /// The checksum differences of network and transport header.
    pub fn deltas(&self) -> (u16, u16) {
        (self.l3_delta, self.l4_delta)
    }

    /// Nothing changes.
    #[inline]
    pub fn is_nothing(&self) -> bool {
        self.addresses == A::Pair::default() && self.ports == Ports::default() && self.id.is_none()
    }

    /// What a packet with this tuple has for one afterwards.
    #[inline]
    pub fn changed(&self, tuple: &Tuple<A>) -> Tuple<A> {
        let (src, dst) = A::unpair(A::difference(A::pair(tuple.src.addr, tuple.dst.addr), self.addresses));
        let ports = Ports::new(tuple.src.port, tuple.dst.port).difference(self.ports);
        Tuple::new(tuple.protocol, Endpoint::new(src, ports.src()), Endpoint::new(dst, ports.dst()))
    }

    /// The source becomes another one, by address or by port.
    #[inline]
    pub fn changes_source(&self) -> bool {
        A::unpair(self.addresses).0 != A::unpair(A::Pair::default()).0 || self.ports.src() != 0
    }

    /// The addresses of a packet between these two afterwards.
    #[inline]
    pub fn addresses_of(&self, src: A, dst: A) -> (A, A) {
        A::unpair(A::difference(A::pair(src, dst), self.addresses))
    }
}

impl<A: Address> Default for Rewrite<A> {
    /// Changes nothing.
    fn default() -> Rewrite<A> {
        Rewrite::of_bits(A::Pair::default(), Ports::default(), (0, 0))
    }
}

/// Which ports and which checksum a transport header has.
#[derive(Clone, Copy)]
enum Transport {
    Tcp,
    Udp,
    /// ICMP echo: its identifier is the port of the side that asks.
    Echo {
        request: bool,
    },
    None,
}

impl Rewrite<Ipv4Addr> {
    /// What makes a packet with the tuple `from` into one with the tuple `to`, of the same protocol.
    pub fn between(from: &Tuple, to: &Tuple) -> Rewrite {
        let mut rewrite = Rewrite::addresses((from.src.addr, from.dst.addr), (to.src.addr, to.dst.addr));
        let deltas = combine(port_delta(from.src.port, to.src.port), port_delta(from.dst.port, to.dst.port));
        let ports = |tuple: &Tuple| Ports::new(tuple.src.port, tuple.dst.port);
        rewrite.ports = ports(from).difference(ports(to));
        // The ICMP checksum covers no pseudo-header (RFC 792).
        rewrite.l4_delta = if from.protocol == Protocol::Icmp { deltas } else { combine(rewrite.l3_delta, deltas) };
        rewrite
    }

    /// The change of `(source, destination)` for a packet without ports: the outer header of an ICMP error, a fragment of
    /// a datagram that is not its first, another protocol. On a packet that has ports use [`Rewrite::between`].
    pub fn addresses(from: (Ipv4Addr, Ipv4Addr), to: (Ipv4Addr, Ipv4Addr)) -> Rewrite {
        let bits = Ipv4Addr::pair(from.0, from.1) ^ Ipv4Addr::pair(to.0, to.1);
        let l3_delta = combine(address_delta(from.0, to.0), address_delta(from.1, to.1));
        Rewrite::of_bits(bits, Ports::default(), (l3_delta, 0))
    }

    /// All that happens to a packet between two link headers: [`Rewrite::apply`], and a hop less to live
    /// ([`ipv4::decrement_ttl`]).
    #[inline(always)]
    pub fn pass_on(&self, bytes: &mut [u8], packet: &Packet) {
        let front = bytes.get_mut(usize::from(packet.l3)..);
        match front.and_then(|front| front.first_chunk_mut()) {
            Some(headers) if packet.plain && self.id.is_none() => self.pass_on_plain(headers, packet.protocol),
            _ => self.pass_on_any(bytes, packet),
        }
    }

    #[cold]
    #[inline(never)]
    fn pass_on_any(&self, bytes: &mut [u8], packet: &Packet) {
        self.apply(bytes, packet);
        if !matches!(packet.kind, Kind::Arp(_)) {
            ipv4::decrement_ttl(&mut bytes[usize::from(packet.l3)..]);
        }
    }

    /// As [`Rewrite::pass_on`], of a segment or datagram whose headers have their shortest length.
    #[inline(always)]
    fn pass_on_plain(&self, headers: &mut [u8; ipv4::HEADER + tcp::HEADER], protocol: u8) {
        flip64(headers, 12, self.addresses);
        flip32(headers, ipv4::HEADER, self.ports.bits());
        headers[8] = headers[8].wrapping_sub(1);
        let field = checksum::update(be16(headers, 10), combine(self.l3_delta, ipv4::ONE_HOP));
        put16(headers, 10, field);
        if protocol == ipv4::UDP {
            let field = checksum::update_udp(be16(headers, ipv4::HEADER + udp::CHECKSUM), self.l4_delta);
            put16(headers, ipv4::HEADER + udp::CHECKSUM, field);
        } else {
            let field = checksum::update(be16(headers, ipv4::HEADER + tcp::CHECKSUM), self.l4_delta);
            put16(headers, ipv4::HEADER + tcp::CHECKSUM, field);
        }
    }

    /// Changes the packet whose facts are `headers`: addresses, ports or identifier, and the checksums over them. Of a
    /// fragment of a datagram the first has ports, the others only addresses. ARP, and the quote of an ICMP error, stay.
    #[inline]
    pub fn apply(&self, bytes: &mut [u8], headers: &Packet) {
        if self.is_nothing() || matches!(headers.kind, Kind::Arp(_)) {
            return;
        }
        let transport = match headers.kind {
            Kind::Tcp(_) => Transport::Tcp,
            Kind::Udp => Transport::Udp,
            Kind::Echo { request } => Transport::Echo { request },
            Kind::Fragment(Fragment { shows_ports: true, .. }) if headers.protocol == ipv4::TCP => Transport::Tcp,
            Kind::Fragment(Fragment { shows_ports: true, .. }) => Transport::Udp,
            _ => Transport::None,
        };
        self.change_addresses(&mut bytes[usize::from(headers.l3)..]);
        self.change_transport(&mut bytes[usize::from(headers.l4)..usize::from(headers.end)], transport);
    }

    /// Changes the packet that an ICMP error quotes, whose facts are `quoted`: its addresses and ports, its header
    /// checksum, its transport checksum where the quote reaches so far (RFC 5508 REQ-4, REQ-5). `self` leads from
    /// `quoted.tuple` to what it becomes. The error's own checksum is computed from scratch.
    pub fn apply_to_quoted(&self, bytes: &mut [u8], headers: &Packet, quoted: &Quoted) {
        if self.is_nothing() {
            return;
        }
        let message = &mut bytes[usize::from(headers.l4)..usize::from(headers.end)];
        let (l3, l4) = (usize::from(quoted.l3 - headers.l4), usize::from(quoted.l4 - headers.l4));
        let transport = match quoted.tuple.protocol {
            Protocol::Tcp => Transport::Tcp,
            Protocol::Udp => Transport::Udp,
            Protocol::Icmp => Transport::Echo { request: message[l4] == icmp::ECHO_REQUEST },
            Protocol::Other(_) => Transport::None,
        };
        self.change_addresses(&mut message[l3..]);
        self.change_transport(&mut message[l4..], transport);
        put16(message, icmp::CHECKSUM, 0);
        let sum = checksum::sum(message);
        put16(message, icmp::CHECKSUM, checksum::field(sum));
    }

    /// `ip` begins at an IPv4 header.
    #[inline]
    fn change_addresses(&self, ip: &mut [u8]) {
        let Some(ip) = ip.first_chunk_mut::<{ ipv4::HEADER }>() else { return };
        flip64(ip, 12, self.addresses);
        let mut field = checksum::update(be16(ip, 10), self.l3_delta);
        if let Some(id) = self.id {
            field = checksum::update(field, checksum::delta(&[be16(ip, 4)], &[id]));
            put16(ip, 4, id);
        }
        put16(ip, 10, field);
    }

    /// `l4` begins at a transport header and ends with what is there of the datagram.
    #[inline]
    fn change_transport(&self, l4: &mut [u8], transport: Transport) {
        match transport {
            Transport::Tcp => {
                self.change_ports(l4);
                if let Some(tcp) = l4.first_chunk_mut::<{ tcp::CHECKSUM + 2 }>() {
                    let field = checksum::update(be16(tcp, tcp::CHECKSUM), self.l4_delta);
                    put16(tcp, tcp::CHECKSUM, field);
                }
            }
            Transport::Udp => {
                self.change_ports(l4);
                if let Some(udp) = l4.first_chunk_mut::<{ udp::HEADER }>() {
                    let field = checksum::update_udp(be16(udp, udp::CHECKSUM), self.l4_delta);
                    put16(udp, udp::CHECKSUM, field);
                }
            }
            Transport::Echo { request } => self.change_identifier(l4, request),
            Transport::None => {}
        }
    }

    #[inline]
    fn change_ports(&self, l4: &mut [u8]) {
        if let Some(ports) = l4.first_chunk_mut::<4>() {
            flip32(ports, 0, self.ports.bits());
        }
    }

    /// The identifier counts as the port of the side that asks.
    fn change_identifier(&self, message: &mut [u8], request: bool) {
        let bits = if request { self.ports.src() } else { self.ports.dst() };
        if bits != 0 {
            let id = be16(message, icmp::IDENTIFIER) ^ bits;
            put16(message, icmp::IDENTIFIER, id);
            let field = icmp::update_echo(message, be16(message, icmp::CHECKSUM), self.l4_delta);
            put16(message, icmp::CHECKSUM, field);
        }
    }
}

/// The delta of one address turning into another; 0 when it does not.
fn address_delta(from: Ipv4Addr, to: Ipv4Addr) -> u16 {
    if from == to { 0 } else { checksum::delta(&checksum::words(from), &checksum::words(to)) }
}

fn port_delta(from: u16, to: u16) -> u16 {
    if from == to { 0 } else { checksum::delta(&[from], &[to]) }
}

#[cfg(test)]
mod tests {
    use super::super::build::Build;
    use super::super::check;
    use super::super::shown::Shown;
    use super::super::tcp::Flags;
    use super::*;

    fn tuple(protocol: Protocol, src: &str, dst: &str) -> Tuple {
        use super::super::build::ToEndpoint;
        Tuple::new(protocol, src.endpoint(), dst.endpoint())
    }

    /// `frame` with its tuple changed to `src > dst`.
    fn changed(frame: &Build, src: &str, dst: &str) -> Vec<u8> {
        let mut bytes = frame.bytes();
        let headers = Packet::parse(&bytes).unwrap();
        let from = headers.tuple().unwrap();
        Rewrite::between(&from, &tuple(from.protocol, src, dst)).apply(&mut bytes, &headers);
        bytes
    }

    #[test]
    fn only_what_differs_is_written() {
        let from = tuple(Protocol::Udp, "172.16.5.5:5060", "10.20.0.100:5060");
        let rewrite = Rewrite::between(&from, &tuple(Protocol::Udp, "172.16.5.5:5060", "10.20.0.11:5060"));
        assert_eq!(rewrite.changed(&from).to_string(), "udp 172.16.5.5:5060 > 10.20.0.11:5060");
        assert!(!rewrite.changes_source() && rewrite.addresses_of(from.src.addr, from.dst.addr).0 == from.src.addr);
        assert_eq!(rewrite.l3_delta, rewrite.l4_delta, "the port stays, the pseudo-header changes as the header does");
        assert_eq!(Rewrite::between(&from, &from), Rewrite::default());
        let other_port = Tuple { src: Endpoint::new(from.src.addr, 5070), ..from };
        assert!(Rewrite::between(&from, &other_port).changes_source());
    }

    #[test]
    fn each_kind_becomes_the_frame_that_would_have_been_built() {
        let (a, b) = ("10.20.0.11:33000", "172.16.9.9:5060");
        let (c, d) = ("10.20.0.100:1024", "172.16.9.9:5061");
        let udp = |src, dst| Build::udp(src, dst).vlan(4).payload(b"INVITE sip:");
        let tcp = |src, dst| Build::tcp(src, dst, Flags::ACK, 1, 2).ip_options(&[1, 1, 1]).payload(b"x");
        assert_eq!(changed(&udp(a, b), c, d), udp(c, d).bytes());
        assert_eq!(changed(&tcp(a, b), c, d), tcp(c, d).bytes());
        assert_eq!(changed(&udp(a, b).no_checksum(), c, d), udp(c, d).no_checksum().bytes());
        let request = Build::echo_request("10.20.0.11", "8.8.8.8", 77, 3).payload(b"abc");
        let expected = Build::echo_request("10.20.0.100", "8.8.8.8", 99, 3).payload(b"abc").bytes();
        assert_eq!(changed(&request, "10.20.0.100:99", "8.8.8.8:0"), expected);
        let reply = Build::echo_reply("8.8.8.8", "10.20.0.100", 99, 3).payload(b"abc");
        let expected = Build::echo_reply("8.8.8.8", "10.20.0.11", 77, 3).payload(b"abc").bytes();
        assert_eq!(changed(&reply, "8.8.8.8:0", "10.20.0.11:77"), expected);
    }

    #[test]
    fn an_echo_reply_of_zeros_alone_has_a_checksum_a_receiver_accepts() {
        let reply = Build::echo_reply("8.8.8.8", "10.20.0.100", 99, 0).payload(&[0; 16]);
        let bytes = changed(&reply, "8.8.8.8:0", "10.20.0.11:0");
        assert_eq!(bytes, Build::echo_reply("8.8.8.8", "10.20.0.11", 0, 0).payload(&[0; 16]).bytes());
        assert_eq!(check::whole(&bytes), Ok(()));
    }

    #[test]
    fn a_computed_udp_checksum_of_zero_is_sent_as_ones() {
        // The payload word is chosen so that the sum over the new packet is 0xFFFF.
        let build = |dst: &str, word: u16| Build::udp("10.0.0.1:1", dst).payload(&word.to_be_bytes());
        let word = (0..=u16::MAX).find(|word| build("10.0.0.3:2", *word).bytes()[40..42] == [0xff, 0xff]).unwrap();
        let bytes = changed(&build("10.0.0.2:2", word), "10.0.0.1:1", "10.0.0.3:2");
        assert_eq!(bytes[40..42], [0xff, 0xff]);
        assert_eq!(check::whole(&bytes), Ok(()));
        // And on from there: ones are a checksum like any other.
        let back = changed(&build("10.0.0.3:2", word), "10.0.0.1:1", "10.0.0.2:2");
        assert_eq!(back, build("10.0.0.2:2", word).bytes());
    }

    #[test]
    fn a_wrong_checksum_stays_wrong() {
        for frame in [
            Build::udp("10.0.0.1:1", "10.0.0.2:2").payload(b"data"),
            Build::tcp("10.0.0.1:1", "10.0.0.2:2", Flags::ACK, 1, 1).payload(b"data"),
            Build::echo_request("10.0.0.1", "10.0.0.2", 1, 1).payload(b"data"),
        ] {
            let mut bytes = frame.bytes();
            let headers = Packet::parse(&bytes).unwrap();
            bytes[usize::from(headers.end) - 1] ^= 1;
            let from = headers.tuple().unwrap();
            let to = Tuple { src: Endpoint::new(Ipv4Addr::new(192, 0, 2, 7), 4000), ..from };
            Rewrite::between(&from, &to).apply(&mut bytes, &headers);
            assert!(check::whole(&bytes).unwrap_err().contains("checksum"), "{:?}", Shown(&bytes));
            bytes[usize::from(headers.end) - 1] ^= 1;
            assert_eq!(check::whole(&bytes), Ok(()));
        }
    }

    #[test]
    fn a_fragmented_datagram_is_whole_when_put_together_again() {
        let whole = Build::udp("10.0.0.1:5060", "10.0.0.2:5060").id(5).payload(&[0x42; 100]);
        let expected = Build::udp("10.0.0.1:5060", "10.0.0.9:5070").id(5).payload(&[0x42; 100]).fragments(48);
        let from = tuple(Protocol::Udp, "10.0.0.1:5060", "10.0.0.2:5060");
        let rewrite = Rewrite::between(&from, &tuple(Protocol::Udp, "10.0.0.1:5060", "10.0.0.9:5070"));
        for (mut fragment, expected) in whole.fragments(48).into_iter().zip(expected) {
            let headers = Packet::parse(&fragment).unwrap();
            rewrite.apply(&mut fragment, &headers);
            assert_eq!(fragment, expected);
        }
    }

    #[test]
    fn an_error_and_what_it_quotes_are_changed_together() {
        let router = Ipv4Addr::new(192, 0, 2, 1);
        let [vip, member] = [Ipv4Addr::new(10, 20, 0, 100), Ipv4Addr::new(10, 20, 0, 11)];
        type Quote = (fn(Ipv4Addr, u16) -> Build, u16);
        let quotes: [Quote; 4] = [
            (|src, port| Build::udp(Endpoint::new(src, port), "172.16.9.9:5060").vlan(2).payload(&[7; 900]), 5060),
            (|src, port| Build::udp(Endpoint::new(src, port), "172.16.9.9:53").no_checksum().ip_options(&[1]), 1024),
            (|src, port| Build::tcp(Endpoint::new(src, port), "172.16.9.9:80", Flags::SYN, 1, 0).ttl(1), 40000),
            (|src, port| Build::echo_request(src, "172.16.9.9", port, 1).payload(b"12345"), 9),
        ];
        for (build, port) in quotes {
            let mut bytes = Build::icmp_error(router, vip, 3, 4, &build(vip, 6000)).rest(1400).bytes();
            let headers = Packet::parse(&bytes).unwrap();
            let Kind::IcmpError(quoted) = headers.kind else { panic!("{headers:?}") };
            let to = Tuple { src: Endpoint::new(member, port), ..quoted.tuple };
            Rewrite::between(&quoted.tuple, &to).apply_to_quoted(&mut bytes, &headers, &quoted);
            Rewrite::addresses((router, vip), (router, member)).apply(&mut bytes, &headers);
            assert_eq!(bytes, Build::icmp_error(router, member, 3, 4, &build(member, port)).rest(1400).bytes());
            assert_eq!(check::whole(&bytes), Ok(()), "{:?}", Shown(&bytes));
        }
    }

    #[test]
    fn a_quote_of_eight_bytes_of_tcp_keeps_what_it_has() {
        let [vip, member] = ["10.20.0.100", "10.20.0.11"];
        let quote = |src: &str| Build::tcp(format!("{src}:99").as_str(), "172.16.9.9:80", Flags::SYN, 1, 0).datagram();
        let error = |host: &str, quoted: &[u8]| Build::icmp("192.0.2.1", host, 11, 0).payload(&quoted[..28]).bytes();
        let mut bytes = error(vip, &quote(vip));
        let headers = Packet::parse(&bytes).unwrap();
        let Kind::IcmpError(quoted) = headers.kind else { panic!("{headers:?}") };
        let to = tuple(Protocol::Tcp, "10.20.0.11:99", "172.16.9.9:80");
        Rewrite::between(&quoted.tuple, &to).apply_to_quoted(&mut bytes, &headers, &quoted);
        Rewrite::addresses((headers.src(), headers.dst()), (headers.src(), to.src.addr)).apply(&mut bytes, &headers);
        assert_eq!(bytes, error(member, &quote(member)));
    }
}
