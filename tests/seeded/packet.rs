//! What is sent, as data: by whom, from where to where, and the rest of it.
//!
//! A packet can be read from both ends: as its sender writes it, and, with other addresses, as it must arrive.

use crate::sip::Sip;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Endpoint, Protocol};
use std::fmt;
use std::net::Ipv4Addr;
use testbench::lab::Far;

/// From where to where. An echo's identifier is the port of whoever asked; the other port is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    pub src: Endpoint,
    pub dst: Endpoint,
}

impl Way {
    pub fn new(src: Endpoint, dst: Endpoint) -> Way {
        Way { src, dst }
    }

    /// The way of an answer.
    pub fn back(self) -> Way {
        Way { src: self.dst, dst: self.src }
    }
}

/// What kind of packet it is.
#[derive(Clone, Debug)]
pub enum What {
    Datagram,
    Segment {
        flags: Flags,
        seq: u32,
        ack: u32,
    },
    EchoRequest,
    EchoReply,
    /// An ICMP error about another packet, as the one who sends the error received that one.
    Error {
        kind: u8,
        code: u8,
        rest: u32,
        about: Box<Packet>,
    },
}

/// A packet as its sender makes it.
#[derive(Clone)]
pub struct Packet {
    pub from: Far,
    pub what: What,
    pub way: Way,
    pub payload: Vec<u8>,
    /// What its payload begins with, if it is a message of SIP.
    pub sip: Option<Sip>,
    pub id: u16,
    pub ttl: u8,
    pub tos: u8,
    pub df: bool,
    /// A datagram may have no checksum (RFC 768).
    pub checksummed: bool,
}

/// All but the payload, of which the length is enough.
impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Packet { from, what, way, payload, sip, id, ttl, tos, df, checksummed } = self;
        write!(
            f,
            "{from:?} {} -> {} {what:?} of {} bytes, id {id}, ttl {ttl}, tos {tos}",
            way.src,
            way.dst,
            payload.len()
        )?;
        sip.map_or(Ok(()), |sip| write!(f, ", {sip:?}"))?;
        write!(f, "{}{}", if *df { ", DF" } else { "" }, if *checksummed { "" } else { ", no checksum" })
    }
}

impl Packet {
    pub fn new(from: Far, what: What, way: Way) -> Packet {
        let (payload, id, ttl, tos, df, checksummed) = (Vec::new(), 0, 64, 0, false, true);
        Packet { from, what, way, payload, sip: None, id, ttl, tos, df, checksummed }
    }

    pub fn datagram(from: Far, way: Way, payload: Vec<u8>) -> Packet {
        Packet { payload, ..Packet::new(from, What::Datagram, way) }
    }

    pub fn segment(from: Far, way: Way, flags: Flags, seq: u32, ack: u32) -> Packet {
        Packet::new(from, What::Segment { flags, seq, ack }, way)
    }

    /// If it is a message of SIP, its payload begins with that, and is as long at least.
    pub fn begins_with_sip(&mut self) {
        let Some(text) = self.sip.map(|sip| sip.text()) else { return };
        self.payload.resize(self.payload.len().max(text.len()), b'x');
        self.payload[..text.len()].copy_from_slice(&text);
    }

    /// `host` says this about `about`, to whoever sent it.
    pub fn error(from: Far, host: Ipv4Addr, (kind, code): (u8, u8), about: Packet) -> Packet {
        let way = Way::new(Endpoint::new(host, 0), Endpoint::new(about.way.src.addr, 0));
        let rest = if code == 4 { 1400 } else { 0 };
        Packet::new(from, What::Error { kind, code, rest, about: Box::new(about) }, way)
    }

    /// The protocol of its flow; an error's is that of what it quotes.
    pub fn protocol(&self) -> Protocol {
        match &self.what {
            What::Datagram => Protocol::Udp,
            What::Segment { .. } => Protocol::Tcp,
            What::EchoRequest | What::EchoReply => Protocol::Icmp,
            What::Error { about, .. } => about.protocol(),
        }
    }

    /// The same packet on another way.
    pub fn on(&self, way: Way) -> Packet {
        Packet { way, ..self.clone() }
    }

    /// The same error about the same packet on another way.
    pub fn quoting(&self, way: Way) -> Packet {
        let mut error = self.clone();
        if let What::Error { about, .. } = &mut error.what {
            about.way = way;
        }
        error
    }

    /// The way of the packet an error is about.
    pub fn quoted(&self) -> Option<Way> {
        if let What::Error { about, .. } = &self.what { Some(about.way) } else { None }
    }

    /// The echo reply to it, if it is an echo request.
    pub fn pong(&self) -> Packet {
        Packet { what: What::EchoReply, way: self.way.back(), ttl: 64, ..self.clone() }
    }

    /// The packet.
    pub fn build(&self) -> Build {
        let Way { src, dst } = self.way;
        let build = match &self.what {
            What::Datagram if self.checksummed => Build::udp(src, dst),
            What::Datagram => Build::udp(src, dst).no_checksum(),
            What::Segment { flags, seq, ack } => Build::tcp(src, dst, *flags, *seq, *ack),
            What::EchoRequest => Build::echo_request(src.addr, dst.addr, src.port, 7),
            What::EchoReply => Build::echo_reply(src.addr, dst.addr, dst.port, 7),
            What::Error { kind, code, rest, about } => {
                Build::icmp_error(src.addr, dst.addr, *kind, *code, &about.build()).rest(*rest)
            }
        };
        let build = build.id(self.id).ttl(self.ttl).tos(self.tos);
        let build = if matches!(self.what, What::Error { .. }) { build } else { build.payload(&self.payload) };
        if self.df { build.df() } else { build }
    }
}
