//! One probe under way: what was sent, and what a packet that comes back means to it.
//!
//! Owns the tasks that need no connection: echo, half-open SYN, datagram, SIP over UDP. Connections are
//! [`super::connection`]'s.

use super::connection::{Connection, End};
use super::packet::{self, failed};
use crate::monitor::sip::{Judged, Question};
use crate::monitor::sip_answer::read_datagram;
use crate::monitor::{Outcome, Said};
use crate::time::{Duration, Instant};
use crate::wire::facts::Segment;
use crate::wire::{Endpoint, Tuple};

/// A probe under way.
pub struct Probe {
    /// Its packets as they go out; for an echo the source port is the identifier.
    pub tuple: Tuple,
    /// When it was sent.
    pub started: Instant,
    /// How long it is waited for.
    pub timeout: Duration,
    /// So much longer, because the appliance was away meanwhile.
    pub extra: Duration,
    /// When the last packet for its connection came in.
    pub arrived: Option<Instant>,
    pub task: Task,
    /// What came that was not the answer: the reason, if none does.
    pub heard: Option<String>,
}

/// What a probe does.
pub enum Task {
    /// Waits for the echo of `payload`.
    Echo { payload: [u8; 16] },
    /// Waits for the SYN-ACK of the SYN with this sequence number.
    HalfOpen { sequence: u32 },
    /// Waits for a datagram that contains `expects`.
    Datagram {
        /// Empty: anything.
        expects: Vec<u8>,
    },
    /// Waits for the answer to an OPTIONS request over UDP.
    Sip { question: Box<Question> },
    /// Works over a connection.
    Connection { connection: Box<Connection> },
}

impl Probe {
    /// When its time is up.
    pub fn deadline(&self) -> Instant {
        self.started + self.timeout + self.extra
    }

    /// An echo reply came in for it.
    pub fn on_echo(&self, payload: &[u8], at: Instant) -> Option<Outcome> {
        match &self.task {
            Task::Echo { payload: sent } if payload == sent => Some(self.good("echo reply", at)),
            Task::Echo { .. } => Some(failed("the echo reply does not carry what the request did")),
            _ => None,
        }
    }

    /// A datagram came in for it.
    pub fn on_datagram(&mut self, payload: &[u8], at: Instant) -> Option<Outcome> {
        match &mut self.task {
            Task::Datagram { expects } if contains(payload, expects) => {
                Some(self.good(format!("answer of {} bytes", payload.len()), at))
            }
            Task::Datagram { .. } => {
                Some(failed(format!("an answer of {} bytes does not contain what is expected", payload.len())))
            }
            Task::Sip { question } => match read_datagram(payload).map(|answer| question.judge(&answer, payload)) {
                Ok(Judged::Ends(end)) => Some(self.outcome(end, at)),
                Ok(Judged::Passes(why)) => self.hears(why),
                Err(error) => self.hears(format!("no SIP answer in {:?}, but something else: {error}", self.timeout)),
            },
            _ => None,
        }
    }

    /// A packet came to its port, but not from where it asked: it is no answer (RFC 3581 4, RFC 1122 4.1.3.5), and yet it
    /// tells an operator what to mend. What came from the right place tells more.
    pub fn on_stray(&mut self, from: Endpoint, payload: &[u8]) {
        let answers = match &self.task {
            Task::Echo { payload: sent } => payload == sent,
            Task::Datagram { .. } => true,
            Task::Sip { question } => {
                read_datagram(payload).is_ok_and(|answer| question.identity.mismatch(&answer).is_none())
            }
            Task::HalfOpen { .. } | Task::Connection { .. } => false,
        };
        if answers && self.heard.is_none() {
            let (from, to) = match self.task {
                Task::Echo { .. } => (from.addr.to_string(), self.tuple.dst.addr.to_string()),
                _ => (from.to_string(), self.tuple.dst.to_string()),
            };
            self.heard = Some(format!("an answer came from {from}, not from {to}"));
        }
    }

    /// An answer came from the right place, and was damaged. What else came tells more.
    pub fn on_damaged(&mut self) {
        let protocol = self.tuple.protocol.to_string().to_uppercase();
        self.heard.get_or_insert_with(|| {
            format!(
                "an answer came whose {protocol} checksum is wrong: where the server's device leaves that to a NIC that is none, as \
                 a veth does, `ethtool -K DEVICE tx off` there"
            )
        });
    }

    fn hears(&mut self, what: String) -> Option<Outcome> {
        self.heard = Some(what);
        None
    }

    /// A segment came for its half-open SYN; the reset that ends it, if one is due, and the outcome.
    pub fn on_segment(&self, segment: Segment, at: Instant) -> Option<(Option<Vec<u8>>, Outcome)> {
        let Task::HalfOpen { sequence } = self.task else { return None };
        // RFC 9293 3.10.7.3: only what acknowledges our SYN speaks about it.
        let ours = sequence.wrapping_add(1);
        if !segment.flags.ack() || segment.ack != ours {
            None
        } else if segment.flags.rst() {
            Some((None, failed(format!("port {}/tcp is closed (connection refused)", self.tuple.dst.port))))
        } else if segment.flags.syn() {
            let reset = packet::reset(self.tuple.src, self.tuple.dst, ours);
            Some((Some(reset), self.good("SYN-ACK", at)))
        } else {
            None
        }
    }

    /// What it comes to when its time is up.
    pub fn silence(&self) -> Outcome {
        match &self.task {
            Task::Connection { connection, .. } => match &self.heard {
                Some(heard) => failed(format!("{}; {heard}", connection.silence(self.timeout))),
                None => failed(connection.silence(self.timeout)),
            },
            _ => self.heard.as_deref().map_or(Outcome::Timeout, failed),
        }
    }

    /// Its end by what came in `at`.
    pub fn outcome(&self, end: End, at: Instant) -> Outcome {
        end.map_or_else(failed, |said| self.good(said, at))
    }

    fn good(&self, said: impl Into<Said>, at: Instant) -> Outcome {
        Outcome::Good { rtt: at.since(self.started), at, detail: said.into() }
    }
}

fn contains(payload: &[u8], expects: &[u8]) -> bool {
    expects.is_empty() || payload.windows(expects.len()).any(|window| window == expects)
}
