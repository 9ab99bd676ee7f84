//! A connection to the other appliance: what has come, what is to be sent, and how far either is.

use super::hello::{FORMAT, Hello, MARK};
use super::lateness::Lateness;
use super::message::Message;
use super::refusal::Refusal;
use super::sending::Sending;
use super::texts::{Differences, LONGEST, Texts, Topic, parts};
use super::unacked::Unacked;
use crate::time::Instant;
use crate::worker::sync::Batch;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Bytes that wait to be sent, about.
const OUTPUT: usize = 1 << 20;
/// Bytes that wait to be sent before the other one counts as one that does not read: two of the longest texts, and what else waits.
const UNREAD: usize = 2 * LONGEST + OUTPUT;

/// One connection, from its first byte.
pub(super) struct Connection {
    pub heard: Instant,
    pub said: Instant,
    pub input: Vec<u8>,
    pub output: Vec<u8>,
    /// There was no room for a text.
    is_unread: bool,
    /// The mark and the format have come.
    pub is_ours: bool,
    /// Numbers of the next frames.
    pub sent: u32,
    pub received: u32,
    pub other: Option<Hello>,
    pub other_feeds: bool,
    /// Texts of the other's on their way.
    pub texts: Texts,
    /// Digests of the other's configuration, and in what it differs.
    pub configuration: Option<BTreeMap<String, u64>>,
    pub differences: Option<Arc<Differences>>,
    pub sending: Option<Sending>,
    pub unacked: Unacked,
    /// In which frame it was said that all is told.
    pub copied: Option<u32>,
    /// All up to before this frame is taken in by the other.
    pub acked: u32,
    /// What is to be delivered to workers, from which on, and of which frame.
    pub pending: Option<(Arc<Batch>, usize, u32)>,
    /// Frames that all workers were given, and that one at least has not taken in, the earliest first.
    pub delivered: VecDeque<u32>,
    /// What was last said to be taken in.
    pub taken: Option<u32>,
    /// In which frame the other has said that all is told.
    pub told: Option<u32>,
    /// How late what the other one tells is when it comes.
    pub lateness: Lateness,
}

impl Connection {
    pub fn new(now: Instant) -> Connection {
        let mut output = MARK.to_vec();
        output.extend_from_slice(&FORMAT.to_le_bytes());
        Connection {
            heard: now,
            said: now,
            input: Vec::new(),
            output,
            is_unread: false,
            is_ours: false,
            sent: 0,
            received: 0,
            other: None,
            other_feeds: false,
            texts: Texts::default(),
            configuration: None,
            differences: None,
            sending: None,
            unacked: Unacked::default(),
            copied: None,
            acked: 0,
            pending: None,
            delivered: VecDeque::new(),
            taken: None,
            told: None,
            lateness: Lateness::default(),
        }
    }

    /// Says something. Says whether more may be said.
    pub fn say(&mut self, message: &Message, now: Instant) -> bool {
        let records = match message {
            Message::Flows(_, records) => records.len(),
            Message::Gone(keys) => keys.len(),
            Message::Speakers(.., records) => records.len(),
            Message::Copied(_) => 1,
            _ => 0,
        };
        if records > 0 {
            self.unacked.sent(self.sent, records, now);
        }
        message.put(self.sent, &mut self.output);
        self.sent = self.sent.wrapping_add(1);
        self.said = now;
        self.has_room()
    }

    /// Says a text in as many parts as it needs. `false`: so much waits already that the connection has to be ended.
    pub fn say_text(&mut self, topic: Topic, text: &str, now: Instant) -> bool {
        self.is_unread |= self.output.len() > UNREAD;
        if !self.is_unread {
            for (is_last, part) in parts(text) {
                self.say(&Message::Text(topic, is_last, part), now);
            }
        }
        !self.is_unread
    }

    /// What is said is read by somebody.
    ///
    /// # Errors
    /// More waits than anybody who reads lets wait, or a text had no room.
    pub fn check_read(&self) -> Result<(), Refusal> {
        let bytes = self.output.len();
        if self.is_unread || bytes > UNREAD { Err(Refusal::NotRead { bytes }) } else { Ok(()) }
    }

    pub fn has_room(&self) -> bool {
        self.output.len() < OUTPUT && !self.unacked.is_full()
    }

    /// Both know who the other is.
    pub fn is_up(&self) -> bool {
        self.other.is_some()
    }
}

/// The mark and the format are those of such a stream.
pub(super) fn greeting(bytes: &[u8]) -> Result<(), Refusal> {
    let (mark, rest) = bytes.split_at(MARK.len());
    if mark != MARK {
        return Err(Refusal::NotOurs);
    }
    match u16::from_le_bytes([rest[0], rest[1]]) {
        FORMAT => Ok(()),
        found => Err(Refusal::Format { found, known: FORMAT }),
    }
}
