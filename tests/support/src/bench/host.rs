//! A SIP Server host made of bytes: it answers ARP, pings and probes as a test sets it up, and can fail in many ways.
//!
//! What a scenario sends and expects by hand it leaves alone: only the appliance's own questions are answered, unless
//! `answers_peers` says that it plays a whole SIP Server.

use super::stream::Stream;
use fairlead::wire::arp::{Arp, Operation};
use fairlead::wire::build::{Build, mend_ip};
use fairlead::wire::facts::{Link, Segment};
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Endpoint, Kind, Mac, Packet};
use std::collections::HashMap;
use std::net::Ipv4Addr;

/// The SIP port.
pub const PORT: u16 = 5060;

/// What a service port does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Nobody listens: the kernel says so.
    Closed,
    /// The port is open, and nobody answers.
    Swallows,
    /// SIP, with this status code.
    Answers(u16),
}

pub const OK: Service = Service::Answers(200);

/// A host of a pair.
pub struct Host {
    pub mac: Mac,
    pub address: Ipv4Addr,
    /// The appliance's address on its network, and that of the other one of a pair.
    pub gateway: Ipv4Addr,
    pub other_gateway: Option<Ipv4Addr>,
    pub udp: Service,
    pub tcp: Service,
    /// It answers pings.
    pub echo: bool,
    /// It hears and answers anything at all.
    pub powered: bool,
    /// It answers peers too, and counts them.
    pub answers_peers: bool,
    /// Of its next answers to probes over UDP, so many are lost.
    pub lose: usize,
    /// The OPTIONS it has heard over UDP, as frames.
    pub probes: Vec<Vec<u8>>,
    /// Requests of peers that reached it.
    pub requests: usize,
    /// Answers of peers that reached it.
    pub answers: usize,
    streams: HashMap<Endpoint, Stream>,
}

impl Host {
    /// 10.20.0.`last`, whose ports are closed.
    pub fn new(last: u8) -> Host {
        Host {
            mac: Mac([2, 0, 0, 0, 0, last]),
            address: Ipv4Addr::new(10, 20, 0, last),
            gateway: Ipv4Addr::new(10, 20, 0, 1),
            other_gateway: None,
            udp: Service::Closed,
            tcp: Service::Closed,
            echo: true,
            powered: true,
            answers_peers: false,
            lose: 0,
            probes: Vec::new(),
            requests: 0,
            answers: 0,
            streams: HashMap::new(),
        }
    }

    /// It takes the service: SIP is answered.
    pub fn serve(&mut self) {
        (self.powered, self.udp, self.tcp) = (true, OK, OK);
    }

    /// It gives the service up: its ports are closed, the host lives.
    pub fn retire(&mut self) {
        (self.udp, self.tcp) = (Service::Closed, Service::Closed);
    }

    /// What the host says to a frame.
    pub fn hear(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let headers = Packet::parse(frame).expect("the appliance sends what can be read");
        if !self.powered || (headers.dst_mac() != self.mac && !headers.dst_mac().is_group()) {
            return Vec::new();
        }
        let ours = self.is_probe(&headers) && headers.dst() == self.address;
        let mut said = match headers.kind {
            Kind::Arp(arp) => self.arp(&arp).into_iter().collect(),
            Kind::Echo { request: true, .. } if ours && self.echo => vec![self.echoed(frame, &headers)],
            Kind::Tcp(segment) if ours => self.segment(frame, &headers, segment),
            Kind::Udp if headers.dst_port() == PORT && (ours || self.answers_peers) => self.datagram(frame, &headers),
            _ => Vec::new(),
        };
        let back = Link::of(frame).src;
        said.iter_mut().for_each(|frame| self.address_link(frame, back));
        said
    }

    fn is_probe(&self, headers: &Packet) -> bool {
        headers.src() == self.gateway || Some(headers.src()) == self.other_gateway
    }

    fn address_link(&self, frame: &mut [u8], to: Mac) {
        frame[..6].copy_from_slice(&to.0);
        frame[6..12].copy_from_slice(&self.mac.0);
    }

    fn arp(&self, arp: &Arp) -> Option<Vec<u8>> {
        let asked = arp.operation == Operation::Request && arp.target == self.address && arp.sender != self.address;
        asked.then(|| Build::arp_reply(self.mac, self.address, arp.sender_mac, arp.sender).bytes())
    }

    fn echoed(&self, frame: &[u8], headers: &Packet) -> Vec<u8> {
        let message = &frame[usize::from(headers.l4)..usize::from(headers.end)];
        let rest = u32::from_be_bytes([message[4], message[5], message[6], message[7]]);
        Build::icmp(headers.dst(), headers.src(), 0, 0).rest(rest).payload(&message[8..]).bytes()
    }

    fn datagram(&mut self, frame: &[u8], headers: &Packet) -> Vec<Vec<u8>> {
        let payload = &frame[usize::from(headers.l4) + 8..usize::from(headers.end)];
        let text = String::from_utf8_lossy(payload).into_owned();
        let probe = self.is_probe(headers);
        match (probe, text.starts_with("SIP/2.0")) {
            (true, _) => self.probes.push(frame.to_vec()),
            (_, true) => self.answers += 1,
            _ => self.requests += 1,
        }
        let back = || Build::udp(Endpoint::new(self.address, PORT), Endpoint::new(headers.src(), headers.src_port()));
        match self.udp {
            Service::Closed => vec![self.closed(frame, headers)],
            Service::Answers(_) if probe && self.lose > 0 => {
                self.lose -= 1;
                Vec::new()
            }
            Service::Answers(code) if !text.starts_with("SIP/2.0") => {
                vec![back().payload(answer_to(&text, code).as_bytes()).bytes()]
            }
            _ => Vec::new(),
        }
    }

    /// The kernel of a host whose port is closed says so, and quotes what it received.
    fn closed(&self, frame: &[u8], headers: &Packet) -> Vec<u8> {
        let l3 = usize::from(headers.l3);
        let quoted = &frame[l3..(l3 + 28).min(usize::from(headers.end))];
        let mut error = Build::icmp(self.address, headers.src(), 3, 3).payload(quoted).bytes();
        mend_ip(&mut error, 14);
        error
    }

    fn segment(&mut self, frame: &[u8], headers: &Packet, segment: Segment) -> Vec<Vec<u8>> {
        let (own, far) =
            (Endpoint::new(self.address, headers.dst_port()), Endpoint::new(headers.src(), headers.src_port()));
        if self.tcp == Service::Closed || headers.dst_port() != PORT {
            let flags = Flags::RST.with(Flags::ACK);
            let reset = Build::tcp(own, far, flags, segment.ack, segment.seq.wrapping_add(segment.length()));
            return if segment.flags.rst() { Vec::new() } else { vec![reset.bytes()] };
        }
        if segment.flags.opens() {
            self.streams.insert(far, Stream::new(segment.seq));
        }
        let Some(stream) = self.streams.get_mut(&far) else { return Vec::new() };
        let start = usize::from(headers.end) - usize::from(segment.payload);
        let answer = match self.tcp {
            Service::Answers(code) => Some(code),
            _ => None,
        };
        stream.hear(segment, &frame[start..usize::from(headers.end)], own, far, |text| {
            answer.map(|code| answer_to(text, code))
        })
    }
}

/// The answer to a request: what identifies it is copied (RFC 3261 8.2.6).
pub fn answer_to(request: &str, code: u16) -> String {
    let copied = ["via:", "from:", "to:", "call-id:", "cseq:"];
    let lines = request.lines().filter(|line| copied.iter().any(|name| line.to_ascii_lowercase().starts_with(name)));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    format!("SIP/2.0 {code} Test\r\n{head}Content-Length: 0\r\n\r\n")
}
