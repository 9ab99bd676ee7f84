//! Who is alive, and who is chosen.
//!
//! Owns the word for a member's state and role, and the input [`Health`] to compiling a snapshot. The choice itself is
//! made in `monitor`; here it is only written down.

use super::intent::MemberId;
use super::sharing::Sharing;
use super::words::words;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What is known of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No verdict yet: it was not probed often enough, or has no monitor.
    #[default]
    Unknown,
    /// Its monitors are good.
    Up,
    /// They are not.
    Down,
    /// The operator lets it finish what it has: no new work.
    Drained,
    /// The operator took it away.
    Offline,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Unknown => "unknown",
            State::Up => "up",
            State::Down => "down",
            State::Drained => "drained",
            State::Offline => "offline",
        })
    }
}

words! {
    /// What a probe came to.
    ProbeResult {
        /// A good answer.
        Good = "good",
        /// An answer that says no, or a sign that none can come.
        Failed = "failed",
        /// Nothing came in time.
        Silent = "silent",
        /// Nothing that counts, by a fault of the appliance's own.
        Inconclusive = "inconclusive",
    }
}

/// Counts the choices of an active member in one pool. What was decided under an earlier one is stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

/// The whole of it, as the snapshot compiler takes it: by id, with a default where nobody has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Of each member.
    pub members: Vec<MemberHealth>,
    /// Of each pool.
    pub pools: Vec<PoolHealth>,
    /// Of the other appliance beside this one.
    pub pair: PairHealth,
}

/// What workers need to know of the pair; by default, the appliance is alone or active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairHealth {
    /// The other one has the floating addresses: nothing is done in their name, and nothing is forwarded.
    pub is_standby: bool,
    /// This one has become active a moment ago: what nobody here knows may be known to the other one, and is not refused.
    pub is_settling: bool,
}

impl PairHealth {
    /// Of a pair of whose roles nothing is known yet.
    pub const STANDBY: PairHealth = PairHealth { is_standby: true, is_settling: false };

    /// Connections are reset in nobody's name.
    pub fn is_quiet(self) -> bool {
        self.is_standby || self.is_settling
    }
}

/// A member as the workers need to know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberHealth {
    /// Its state.
    pub state: State,
    /// When it speaks first from a service port, its peers' answers go to it although it is not active. Not so for a
    /// member that lost its role a moment ago (what it sends is a late echo), nor for one taken offline.
    pub may_claim: bool,
    /// TCP flows of this member that began before this generation of its pool have lost it, and the pool's policy
    /// applies to them.
    pub lost_before: Generation,
    /// Where several members are active: it has been there since it lost what it had last, if it ever did. What was left with it while it
    /// was away ([`OnDownUdp`](super::intent::OnDownUdp)) is its own again.
    pub is_back: bool,
}

/// A pool as the workers need to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolHealth {
    /// Where clients go; where several members are active, `sharing` says.
    pub active: Option<MemberId>,
    /// Counts changes of `active`; where several are, the losses of members.
    pub generation: Generation,
    /// Who takes new flows, where several members are active.
    pub sharing: Option<Arc<Sharing>>,
    /// See [`Silence`]; `None`: what the member before has not answered is left to whoever asked.
    pub silence: Option<Silence>,
}

/// Monitors have found the member that was active before dead, and since the first of the probes that decided it has sent nothing
/// from a service port either: another one may be given the requests that it has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Who.
    pub member: MemberId,
    /// When that probe was sent, from the start of the appliance on.
    pub since: Duration,
}
