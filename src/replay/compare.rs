//! What was sent beside what another capture says should have been.
//!
//! Owns the walk through the expected capture, port by port, and where the two part first. Frames are compared whole, but for padding
//! behind a short datagram, which a NIC adds. What only management sends is left out on both sides: ARP requests, and what
//! goes out from a self-IP but errors and answers to echo requests.

use super::error::{MOST_AHEAD, ReplayError};
use super::hosts::Hosts;
use super::place::{Placer, by_mac};
use super::settings::Place;
use super::summary::ReplayDifference;
use crate::capture_file::{Captured, Direction, Reader};
use crate::policy::intent::{Intent, PortId};
use crate::wire::arp::Operation;
use crate::wire::facts::Link;
use crate::wire::{Kind, Mac, Packet};
use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::ops::Range;

/// The expected frames, read as they are needed.
pub(super) struct Expected<'a> {
    reader: Reader<Box<dyn Read>>,
    placer: Placer<'a>,
    file: String,
    intent: &'a Intent,
    hosts: &'a Hosts,
    macs: Vec<Mac>,
    ours: HashMap<Mac, Place>,
    /// By port, those that were met while one of another port was looked for.
    ahead: Vec<VecDeque<Expectation>>,
    compared: u64,
    /// Frames of the file, those of them that say which way they went, and those that are expected.
    counts: [u64; 3],
    difference: Option<ReplayDifference>,
    any_id: bool,
}

struct Expectation {
    number: u64,
    bytes: Vec<u8>,
    /// On the wire: more than `bytes` if the capture has cut it.
    length: usize,
}

/// A frame that was sent.
pub(super) struct Outgoing<'a> {
    pub port: PortId,
    pub bytes: &'a [u8],
    /// The number of the frame that caused it.
    pub cause: Option<u64>,
}

impl<'a> Expected<'a> {
    pub fn new(
        reader: Reader<Box<dyn Read>>,
        placer: Placer<'a>,
        file: &str,
        (intent, hosts): (&'a Intent, &'a Hosts),
        macs: &[Mac],
        any_id: bool,
    ) -> Expected<'a> {
        let ahead = intent.ports.iter().map(|_| VecDeque::new()).collect();
        let (file, macs, ours) = (file.to_owned(), macs.to_vec(), by_mac(macs));
        let (compared, counts, difference) = (0, [0; 3], None);
        Expected { reader, placer, file, intent, hosts, macs, ours, ahead, compared, counts, difference, any_id }
    }

    /// A frame was sent.
    pub fn check(&mut self, sent: &Outgoing<'_>) -> Result<(), ReplayError> {
        if self.difference.is_some() || is_managements(sent.bytes, self.hosts) {
            return Ok(());
        }
        let Some(expected) = self.next_of(sent.port)? else {
            let says = format!("sent, and nothing more is expected there: {}", described(sent.bytes));
            self.differs(sent.port, sent.cause, None, says);
            return Ok(());
        };
        self.compared += 1;
        if let Some(says) = difference(sent.bytes, &expected, self.any_id) {
            self.differs(sent.port, sent.cause, Some(expected.number), says);
        }
        Ok(())
    }

    /// Nothing more is sent. How many were compared, and where the two part.
    pub fn finish(mut self) -> Result<(u64, Option<ReplayDifference>), ReplayError> {
        for at in 0..self.ahead.len() {
            let port = PortId(at as u8);
            if self.difference.is_none()
                && let Some(expected) = self.next_of(port)?
            {
                let says = format!("expected, and not sent: {}", described(&expected.bytes));
                self.differs(port, None, Some(expected.number), says);
            }
        }
        let [frames, with_direction, expected] = self.counts;
        if expected == 0 && with_direction < frames {
            let macs = self.macs.iter().map(Mac::to_string).collect::<Vec<_>>().join(" or ");
            return Err(ReplayError::NothingExpected { file: self.file, frames, macs });
        }
        Ok((self.compared, self.difference))
    }

    fn differs(&mut self, port: PortId, frame: Option<u64>, expected: Option<u64>, says: String) {
        let port = self.intent.ports[port.index()].name.clone();
        self.difference = Some(ReplayDifference { port, frame, expected, says });
    }

    /// The next frame that is expected at a port; those of others that come before it are kept.
    fn next_of(&mut self, port: PortId) -> Result<Option<Expectation>, ReplayError> {
        if let Some(kept) = self.ahead[port.index()].pop_front() {
            return Ok(Some(kept));
        }
        loop {
            let read = self.reader.next_packet();
            let unread = |why| ReplayError::Read { file: self.file.clone(), why };
            let Some(captured) = read.map_err(unread)? else { return Ok(None) };
            self.counts[0] += 1;
            self.counts[1] += u64::from(captured.direction.is_some());
            if !is_expected(&captured, &self.macs, self.hosts) {
                continue;
            }
            // What we have sent came in nowhere: it left where its source MAC is, if one port has that, or by its name.
            let by_source = self.ours.get(&Link::of(captured.bytes).src).map(|place| place.port);
            let found = self.placer.find(&captured, &self.ours).ok().flatten();
            let named = found.filter(|found| found.by_name || by_source.is_none()).map(|found| found.place.port);
            let Some(at) = named.or(by_source) else { continue };
            self.counts[2] += 1;
            let length = captured.original_length as usize;
            let it = Expectation { number: captured.number, bytes: captured.bytes.to_vec(), length };
            if at == port {
                return Ok(Some(it));
            }
            self.ahead[at.index()].push_back(it);
            if self.ahead[at.index()].len() > MOST_AHEAD {
                return Err(ReplayError::TooFarApart(self.file.clone()));
            }
        }
    }
}

/// Whether a frame of the capture is one that the appliance has sent in forwarding.
fn is_expected(captured: &Captured<'_>, macs: &[Mac], hosts: &Hosts) -> bool {
    let sent = match captured.direction {
        Some(Direction::Inbound) => false,
        Some(Direction::Outbound) => true,
        None => macs.contains(&Link::of(captured.bytes).src),
    };
    sent && !is_managements(captured.bytes, hosts)
}

/// Only management sends such frames: probes, and questions for a MAC.
fn is_managements(frame: &[u8], hosts: &Hosts) -> bool {
    let Ok(packet) = Packet::parse(frame) else { return false };
    match packet.kind {
        Kind::Arp(arp) => arp.operation == Operation::Request || arp.sender == arp.target,
        Kind::Udp | Kind::Tcp(_) | Kind::Echo { request: true } => hosts.is_self(packet.src()),
        _ => false,
    }
}

fn difference(sent: &[u8], expected: &Expectation, any_id: bool) -> Option<String> {
    let (ours, theirs) = (without_padding(sent), without_padding(&expected.bytes));
    let chosen = if any_id { identification(sent) } else { [0..0, 0..0] };
    let is_cut = expected.bytes.len() < expected.length;
    let (same, length) =
        if is_cut { (theirs.len().min(ours.len()), expected.length) } else { (ours.len(), theirs.len()) };
    let is_compared = |at: &usize| !chosen.iter().any(|range| range.contains(at));
    let at = (0..same.min(theirs.len())).filter(is_compared).find(|at| ours[*at] != theirs[*at]);
    let words = format!("sent {}; expected {}", described(sent), described(&expected.bytes));
    match at {
        Some(at) => Some(format!("byte {at} is {:#04x}, expected {:#04x}: {words}", ours[at], theirs[at])),
        None if !is_cut && ours.len() != length => Some(format!("{} bytes, expected {length}: {words}", ours.len())),
        None if is_cut && sent.len().abs_diff(length) > 60 => {
            Some(format!("{} bytes, expected {length}: {words}", sent.len()))
        }
        None => None,
    }
}

/// Where the identification of a datagram stands, and the header checksum that follows from it.
fn identification(frame: &[u8]) -> [Range<usize>; 2] {
    match Packet::parse(frame) {
        Ok(packet) if !matches!(packet.kind, Kind::Arp(_)) => {
            let l3 = usize::from(packet.l3);
            [l3 + 4..l3 + 6, l3 + 10..l3 + 12]
        }
        _ => [0..0, 0..0],
    }
}

fn without_padding(frame: &[u8]) -> &[u8] {
    Packet::parse(frame).map_or(frame, |packet| &frame[..usize::from(packet.end).min(frame.len())])
}

/// A frame in a few words.
fn described(frame: &[u8]) -> String {
    let link = Link::of(frame);
    let Ok(packet) = Packet::parse(frame) else { return format!("{} > {}, {} bytes", link.src, link.dst, frame.len()) };
    let ports =
        |name: &str| format!("{name} {}:{} > {}:{}", packet.src(), packet.src_port(), packet.dst(), packet.dst_port());
    let what = match packet.kind {
        Kind::Udp => ports("UDP"),
        Kind::Tcp(_) => ports("TCP"),
        Kind::Arp(_) => format!("ARP {} > {}", packet.src(), packet.dst()),
        Kind::Echo { .. } | Kind::IcmpError(_) => format!("ICMP {} > {}", packet.src(), packet.dst()),
        Kind::Fragment(_) | Kind::Other => {
            format!("IP protocol {} {} > {}", packet.protocol, packet.src(), packet.dst())
        }
    };
    format!("{what} to {}, {} bytes", link.dst, without_padding(frame).len())
}
