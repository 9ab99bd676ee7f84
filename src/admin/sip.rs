//! The answer of `sip`.
//!
//! Owns the JSON of that answer. Times are at most one sixteenth too long, but for the longest and the shortest, which are exact.

use super::latency::Spread;
use super::wall::Wall;
use super::words::SipSide;
use serde::{Deserialize, Serialize};

/// What was seen of SIP over UDP at service ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipReport {
    /// One of so many transactions is read, as the file has it; 0: none, and nothing else is in the report.
    pub sample: u32,
    /// Counted from then on: the start, or the reload that changed `sample`.
    pub since: Wall,
    /// By virtual server, member and who asks.
    pub rows: Vec<SipRow>,
    /// How clients stay reachable, by virtual server.
    pub refreshes: Vec<SipRefreshRow>,
    /// Messages that were read and not counted: there were more rows at once than a worker holds.
    pub not_counted: u64,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// Requests one way, and the answers to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipRow {
    /// The virtual server.
    pub virtual_server: String,
    /// The member that gets the requests or has sent them; of answers, the one that has sent them or gets them; `None`: there was nobody.
    pub member: Option<String>,
    /// `clients`: from outside to the virtual address; `members`: from the member, as the virtual address.
    pub asked_by: SipSide,
    /// Requests by method, repetitions among them; what was not seen is not listed.
    pub requests: Vec<SipCountRow>,
    /// Answers by status, repetitions among them: 401, 404, 407, 408, 480, 486, 487, 500 and 503 by themselves, the others by class,
    /// such as `4xx`. What was not seen is not listed.
    pub responses: Vec<SipCountRow>,
    /// Requests that their sender had sent before: the same branch and method.
    pub repeated_requests: u64,
    /// Final answers that their sender had sent before.
    pub repeated_responses: u64,
    /// Requests of which no answer was seen within 32 s; ACK not among them.
    pub unanswered: u64,
    /// Requests of which the time to the first answer is not known: they have no branch, or the answer goes to another port or address than the request came from, where another worker may see it, or too many waited at once: then a larger `[sip] sample` reads fewer.
    pub not_timed: u64,
    /// From the first request of a transaction to its first answer, a provisional one as well.
    pub first_response: Spread,
}

/// How many there were of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipCountRow {
    /// A method, a status, or a class of them.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// How clients of a virtual server stay reachable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipRefreshRow {
    /// The virtual server.
    pub virtual_server: String,
    /// `[timeouts] udp`, if UDP flows carry its datagrams: where several members are active.
    pub udp_timeout_s: Option<u64>,
    /// Keep-alives (OPTIONS, a STUN Binding request, CRLF, or another datagram of at most 20 bytes) that followed an earlier one of the same client.
    pub keep_alives: u64,
    /// Half of them came no longer after it; 0, as the next one, when there was none.
    pub keep_alive_p50_s: u64,
    /// The longest time between two, up to an hour.
    pub keep_alive_longest_s: u64,
    /// Registrations that were granted.
    pub registrations: u64,
    /// Half of them last no longer; 0, as the next ones, when there was none.
    pub registration_p50_s: u64,
    /// The shortest.
    pub registration_shortest_s: u64,
    /// The longest.
    pub registration_longest_s: u64,
}
