//! What an operator asks of a capture, and what follows the answer.
//!
//! Owns the request, the rows, and the form in which frames travel: after the answer's line the stream is made of parts, each of two
//! lengths (four bytes each, the lowest first), a [`CapturePart`] in JSON of the first length, and bytes of a frame of the second.
//! Parts that say that nothing has come arrive each second; the last one says how many frames there were.

use super::rows::Wall;
use crate::config::parse_prefix;
use crate::policy::words::words;
use crate::wire::bpf;
use ipnet::Ipv4Net;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Instructions of a filter, at most: so many fit the line of a request, whatever they are.
pub const PROGRAM_MAX: usize = bpf::MOST;
/// Bytes of a frame that are wanted, at least: its interface is known by the tag.
pub const SNAPLEN_MIN: u32 = 18;
/// Bytes of a frame that are recorded at most.
pub const SNAPLEN_MAX: u32 = 65_535;

words! {
    /// What came of a captured packet.
    CaptureVerdict {
        /// It was forwarded.
        Forward = "forward",
        /// It was answered, or is the answer.
        Answer = "answer",
        /// The appliance made it: probes, ARP, resets.
        Originate = "originate",
        /// It was dropped.
        Drop = "drop",
        /// It was never for us.
        Ignore = "ignore",
        /// It went to management: answers to probes, ARP.
        Punt = "punt",
        /// It waits: for a MAC, for its other fragments, for a member that takes it.
        Wait = "wait",
    }
    /// Whether a frame is as it came or as it left.
    CaptureSide {
        /// As received, not translated yet.
        Before = "before",
        /// As sent.
        After = "after",
    }
}

/// Which packets are to be captured. Everything that is set must hold, of a packet as it came or as it left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct CaptureAsked {
    /// A program of the classic BPF machine, of which the frame as it came or as it left matches: an array of code, jt, jf and k for each
    /// instruction, [`PROGRAM_MAX`] at most; empty: all frames do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub program: Vec<(u16, u8, u8, u32)>,
    /// One of its addresses is in there.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "prefix")]
    pub client: Option<Ipv4Net>,
    /// One of its addresses is this member's, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// It came to this virtual server, or left from it, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_server: Option<String>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<CaptureVerdict>,
    /// Why it was dropped, ignored or sent to management, such as `no_route`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only frames as they came, or only as they left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<CaptureSide>,
    /// Bytes of a frame that are wanted, [`SNAPLEN_MIN`] to [`SNAPLEN_MAX`]; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snaplen: Option<u32>,
}

/// A capture that has begun. On the admin socket, what follows this answer is no line: parts, each of two lengths (four bytes each, the
/// lowest first), an object of the first length, and bytes of a frame of the second. Its `part` is `frame` (with the keys of CapturedRow),
/// `waiting` (each second in which nothing comes) or `end` (both with those of CaptureTotals). Closing its side or sending anything, the
/// client ends the capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureBegun {
    /// Its number.
    pub capture: u64,
    /// Bytes of a frame that are recorded at most.
    pub snaplen: u32,
    /// The names that `interface` of a frame may have: of the interfaces, and of the ports, for frames of no interface.
    pub interfaces: Vec<String>,
    /// Since when.
    pub since: Wall,
}

/// A captured frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedRow {
    /// Its packet: the worker, and a number there. The frames of one packet, as it came and as it left, have the same.
    pub packet: String,
    /// When the worker took it in, or sent it, in nanoseconds since 1970; the frames of one burst have one time.
    pub at_ns: u64,
    /// The interface it came in on or leaves by; of no interface the port.
    pub interface: String,
    /// Whether it is as it came or as it left.
    pub side: CaptureSide,
    /// What came of the packet.
    pub verdict: CaptureVerdict,
    /// Why, as the name of what it was counted as.
    pub reason: Option<String>,
    /// The member whose address the packet has, as it came or as it left.
    pub member: Option<String>,
    /// The packet's flow, as `flows` calls it; of an ICMP error, that of the packet it quotes. `None`: it has none, as a datagram of a
    /// service port of a pair or what is routed as it is; a fragment shows no ports; or it is not known, of what the recorder has kept, what
    /// the appliance made, and what was dropped after it had waited.
    pub flow: Option<String>,
    /// The worker that decided.
    pub worker: u16,
    /// The frame's length on the wire.
    pub length: u32,
    /// How many frames of this worker's matched and were lost since the one before, for nobody had read what was recorded.
    pub lost: u64,
}

/// A line of `capture --json`: the keys of the frame, and what was read of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaptureLine {
    /// Its keys stand beside those below.
    #[serde(flatten)]
    pub frame: CapturedRow,
    /// Its source, with the port where there is one; `None`: neither IPv4 nor ARP, or cut before it.
    pub source: Option<String>,
    /// Its destination, likewise.
    pub destination: Option<String>,
    /// What it carries, such as `udp` or `arp`.
    pub protocol: String,
    /// What it says, such as the first line of a SIP message.
    pub summary: Option<String>,
}

/// What a capture has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureTotals {
    /// Frames that matched.
    pub matched: u64,
    /// Those of them that were not recorded, for there was no room.
    pub lost: u64,
}

/// What is in front of a frame, or instead of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "kebab-case")]
pub enum CapturePart {
    /// A frame follows.
    Frame(CapturedRow),
    /// Nothing has come for a second.
    Waiting(CaptureTotals),
    /// Nothing comes any more.
    End(CaptureTotals),
}

impl CapturePart {
    /// Puts the part, and the frame that follows, behind what is in `into`.
    pub fn put(&self, bytes: &[u8], into: &mut Vec<u8>) {
        let begin = into.len();
        into.extend_from_slice(&[0; 8]);
        // Into memory, and of keys that are texts: it cannot fail.
        if serde_json::to_writer(&mut *into, self).is_err() {
            return into.truncate(begin);
        }
        let head = (into.len() - begin - 8) as u32;
        into[begin..begin + 4].copy_from_slice(&head.to_le_bytes());
        into[begin + 4..begin + 8].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        into.extend_from_slice(bytes);
    }
}

/// Where the parts of a capture come from. It is dropped when the client is gone, which ends the capture.
pub trait Feed: Send {
    /// Puts parts with what was recorded into `into`, until it holds `most` bytes or a little more.
    fn read(&mut self, into: &mut Vec<u8>, most: usize);
    /// Nothing more is wanted than what was recorded until now.
    fn stop(&mut self);
    /// All was read, and nothing comes any more.
    fn is_over(&self) -> bool;
    /// What it has seen.
    fn totals(&self) -> CaptureTotals;
}

/// A [`CaptureBegun`], and where its frames come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Capturing {
    /// The answer's line.
    #[serde(flatten)]
    pub begun: CaptureBegun,
    /// What follows it.
    #[serde(skip)]
    pub feed: FeedSlot,
}

/// A feed on its way to whom it is for.
#[derive(Clone)]
pub struct FeedSlot(Arc<Mutex<Option<Box<dyn Feed>>>>);

impl FeedSlot {
    /// Holds this one.
    pub fn new(feed: Box<dyn Feed>) -> FeedSlot {
        FeedSlot(Arc::new(Mutex::new(Some(feed))))
    }

    /// The feed, once.
    pub fn take(&self) -> Option<Box<dyn Feed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for FeedSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FeedSlot")
    }
}

impl PartialEq for FeedSlot {
    fn eq(&self, other: &FeedSlot) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn prefix<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Ipv4Net>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let read = |text: String| parse_prefix(&text).map_err(|why| D::Error::custom(format!("`{text}`: {why}")));
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound of the admin socket's lines is that of `Limits`.
    #[test]
    fn the_largest_program_fits_the_line_of_a_request() {
        let largest = CaptureAsked {
            program: vec![(u16::MAX, u8::MAX, u8::MAX, u32::MAX); PROGRAM_MAX],
            client: Some("255.255.255.128/25".parse().unwrap()),
            member: Some("m".repeat(256)),
            virtual_server: Some("v".repeat(256)),
            verdict: Some(CaptureVerdict::Originate),
            reason: Some("r".repeat(256)),
            side: Some(CaptureSide::Before),
            snaplen: Some(SNAPLEN_MAX),
        };
        let line = serde_json::to_string(&crate::admin::Request::Capture(Box::new(largest))).unwrap();
        let room = crate::admin::Limits::default().request_bytes;
        assert!(line.len() + 64 < room && line.len() > PROGRAM_MAX * 20, "{} of {room}", line.len());
    }

    #[test]
    fn a_part_has_its_lengths_in_front() {
        let mut bytes = Vec::new();
        CapturePart::End(CaptureTotals { matched: 3, lost: 1 }).put(b"xyz", &mut bytes);
        let head = br#"{"part":"end","matched":3,"lost":1}"#;
        assert_eq!(bytes[..8], [head.len() as u8, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!((&bytes[8..8 + head.len()], &bytes[8 + head.len()..]), (&head[..], &b"xyz"[..]));
    }
}
