//! A probe as it is asked for, how it ends, and what a member's probes come to.

use crate::policy::health::State;
use crate::policy::intent::{MemberId, MonitorId, Says};
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
        detail: Said,
    },
    /// An answer that says no, or a sign that none can come.
    Failed {
        /// What was seen, such as `port 5060/udp is closed (ICMP port unreachable)`.
        reason: String,
    },
    /// Nothing came in the monitor's timeout.
    Timeout,
    /// It says nothing about the member.
    Inconclusive {
        /// Whose fault that is: the appliance's own.
        why: &'static str,
    },
}

impl Outcome {
    /// Nothing was heard, or it came too late, while the appliance was kept from sending or listening.
    pub const AWAY: Outcome = Outcome::Inconclusive { why: "Fairlead itself was away" };
}

/// A good answer: in words, and what the member says in it of its role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Such as `200 OK`.
    pub words: String,
    /// What the member is in its pair.
    pub role: Says,
}

impl From<String> for Said {
    fn from(words: String) -> Said {
        Said { words, role: Says::Nothing }
    }
}

impl From<&str> for Said {
    fn from(words: &str) -> Said {
        String::from(words).into()
    }
}

impl PartialEq<str> for Said {
    fn eq(&self, words: &str) -> bool {
        self.words == words
    }
}

impl PartialEq<&str> for Said {
    fn eq(&self, words: &&str) -> bool {
        self.words == *words
    }
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
    /// While it is up: what it says itself of its role.
    pub says: Says,
}
