//! A probe as it is asked for, how it ends, and what a member's probes come to.

use crate::policy::health::State;
use crate::policy::intent::{MemberId, MonitorId};
use crate::time::{Duration, Instant};

/// One probe: one question put to one member. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u64);

/// How a probe ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer that was hoped for.
    Good {
        /// From the question to the answer.
        rtt: Duration,
        /// When the answer came in.
        at: Instant,
        /// What was answered, such as `200 OK`.
        detail: String,
    },
    /// An answer that says no, or a sign that none can come.
    Failed {
        /// What was seen, such as `port 5060/udp is closed (ICMP port unreachable)`.
        reason: String,
    },
    /// Nothing came in the monitor's timeout.
    Timeout,
    /// Nothing was heard, or it came too late, while the appliance itself was kept from sending or listening: it says nothing
    /// about the member.
    Inconclusive,
}

/// A probe to be started now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its name, to be given back with the outcome.
    pub probe: ProbeId,
    /// Who is asked.
    pub member: MemberId,
    /// What is asked.
    pub monitor: MonitorId,
}

/// What the probes say of a member, whatever the operator has set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `Unknown`, `Up` or `Down`.
    pub state: State,
    /// Why, naming the checks that decide.
    pub reason: String,
    /// Since when it is in that state.
    pub since: Instant,
}
