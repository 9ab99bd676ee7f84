//! Members that are drained: until when, and what they have left.
//!
//! Owns what is remembered of a drain beside the member's admin state ([`Drain`]), when drains are looked at, and the words for what a
//! member has. Knows no controller: what follows is `draining`'s.

use crate::admin::rows::Wall;
use crate::config::count;
use crate::engine::Uses;
use crate::policy::intent::{MemberId, OnDownTcp, OnDownUdp, Persistence, Pool};
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;

/// How often what is left of a member is looked at; and a limit, as the calendar may be set.
pub(super) const PERIOD: Duration = Duration::from_secs(1);
/// Every SIP transaction that a datagram can have begun is over by then (64·T1, RFC 3261 17); and whoever has a connection that stood
/// before a restart of the appliance may have spoken.
pub(super) const OVER: Duration = Duration::from_secs(32);
/// For so long after the start the other members may not have been heard of, and nobody is alarmed.
pub(super) const FIRST_VERDICTS: Duration = Duration::from_secs(5);

/// How a member is drained, beside its admin state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drain {
    /// When it is taken offline, if another member is up then; `None`: not by itself.
    pub until: Option<Wall>,
    /// That nothing of it is left has been logged.
    pub(super) is_reported: bool,
    /// What it had when it was taken offline because its time was up.
    pub(super) ended: Option<Left>,
}

/// What a member has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// TCP connections.
    pub(super) connections: u64,
    /// What else is counted as its flows.
    pub(super) others: u64,
}

impl Left {
    pub(super) fn of(uses: &Uses) -> Left {
        // Read one after the other: a connection may have come between.
        let connections = uses.connections.min(uses.flows);
        Left { connections, others: uses.flows - connections }
    }

    /// Such as `12 TCP connections, 3 UDP peers and SNAT mappings`.
    pub(super) fn text(&self, pool: &Pool) -> String {
        format!(
            "{}, {} {}",
            count(self.connections as usize, "TCP connection"),
            self.others,
            counted(self.others, pool)
        )
    }

    /// What happens to it when its member is taken offline.
    pub(super) fn fate(&self, pool: &Pool) -> String {
        let done = match pool.on_down_tcp {
            OnDownTcp::Reset => "reset",
            OnDownTcp::Drain => "left to themselves while it answers, by on_down",
            OnDownTcp::Drop => "dropped, by on_down",
        };
        let others = match (pool.is_shared(), pool.on_down_udp) {
            (false, _) => "left to run out",
            (true, OnDownUdp::Reselect) => "moved, or left to run out",
            (true, OnDownUdp::Drain) => "left to run out, peers with it while it answers, by on_down",
            (true, OnDownUdp::Drop) => "left to run out, peers dropped until then, by on_down",
        };
        let connections = count(self.connections as usize, "TCP connection");
        format!("{connections} {done}, {} {} {others}", self.others, counted(self.others, pool))
    }
}

/// What so many of a member's flows are, beside TCP connections. UDP peers of a pair have none.
pub(super) fn counted(others: u64, pool: &Pool) -> &'static str {
    match (pool.is_shared(), pool.persistence, others) {
        (false, _, 1) => "SNAT mapping",
        (false, ..) => "SNAT mappings",
        (true, Persistence::Endpoint, 1) => "UDP peer or SNAT mapping",
        (true, Persistence::Endpoint, _) => "UDP peers and SNAT mappings",
        (true, Persistence::Source, 1) => "UDP peer, client address or SNAT mapping",
        (true, Persistence::Source, _) => "UDP peers, client addresses and SNAT mappings",
        (true, Persistence::CallId, 1) => "UDP peer, call or SNAT mapping",
        (true, Persistence::CallId, _) => "UDP peers, calls and SNAT mappings",
    }
}

/// When drained members are looked at, and of whom an alarm stands.
#[derive(Default)]
pub(super) struct Drains {
    /// When what they have left is looked at next; `None`: nobody is drained.
    pub(super) look: Option<Instant>,
    /// When the first limit comes that has not.
    pub(super) ends: Option<Instant>,
    /// Those whose time is up while nobody else is up, by name.
    pub(super) overdue: BTreeMap<MemberId, String>,
}

impl Drains {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.look.into_iter().chain(self.ends).min()
    }
}

pub(super) fn overdue_key(member: MemberId) -> String {
    format!("member {} drain", member.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::harness::two_arm;
    use crate::policy::intent::{Mode, PoolId};

    #[test]
    fn what_is_left_is_called_what_is_counted() {
        let mut pool = two_arm().pools[PoolId(0)].clone();
        let left = Left::of(&Uses { flows: 15, connections: 12, ..Uses::default() });
        assert_eq!(left.text(&pool), "12 TCP connections, 3 SNAT mappings");
        let one = Left::of(&Uses { flows: 1, connections: 2, ..Uses::default() });
        assert_eq!(one.text(&pool), "1 TCP connection, 0 SNAT mappings", "never less than nothing");
        let one = Left { connections: 0, others: 1 };
        assert_eq!(one.text(&pool), "0 TCP connections, 1 SNAT mapping");
        assert_eq!(left.fate(&pool), "12 TCP connections reset, 3 SNAT mappings left to run out");
        pool.mode = Mode::RoundRobin;
        for (persistence, others) in [
            (Persistence::Endpoint, "UDP peers and SNAT mappings"),
            (Persistence::Source, "UDP peers, client addresses and SNAT mappings"),
            (Persistence::CallId, "UDP peers, calls and SNAT mappings"),
        ] {
            pool.persistence = persistence;
            assert_eq!(left.text(&pool), format!("12 TCP connections, 3 {others}"));
        }
        for (policy, done) in [(OnDownTcp::Drain, "left to themselves while it answers"), (OnDownTcp::Drop, "dropped")]
        {
            pool.on_down_tcp = policy;
            assert!(left.fate(&pool).starts_with(&format!("12 TCP connections {done}, by on_down, 3 ")));
        }
        for (policy, done) in [
            (OnDownUdp::Reselect, "moved, or left to run out"),
            (OnDownUdp::Drain, "left to run out, peers with it while it answers, by on_down"),
            (OnDownUdp::Drop, "left to run out, peers dropped until then, by on_down"),
        ] {
            pool.on_down_udp = policy;
            let fate = left.fate(&pool);
            assert!(fate.ends_with(&format!("calls and SNAT mappings {done}")), "{fate}");
        }
    }
}
