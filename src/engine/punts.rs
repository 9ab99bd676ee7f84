//! What is handed to management, or to the kernel, by class, each with a budget of its own (RFC 1812 5.3.6 leaves the choice to us).
//!
//! Owns how many packets of each [`PuntReason`] one worker hands up in a second. What a stranger can send shares its budget with
//! nothing that members and next hops send, so that no flood costs them their answers. What is beyond a budget is dropped, and
//! counted by its class.

use super::limiter::Limiter;
use super::verdict::{DropReason, PuntReason, Verdict};
use crate::time::Instant;

/// The budgets.
#[derive(Clone)]
pub(super) struct Punts([Limiter; PuntReason::COUNT]);

impl Punts {
    /// Full ones, `host` for each class that goes to the kernel.
    pub(super) fn new(host: u32) -> Punts {
        Punts(std::array::from_fn(|at| Limiter::new(per_second(PuntReason::ALL[at], host))))
    }

    /// Another budget for each class that goes to the kernel, from now on.
    pub(super) fn set_host_rate(&mut self, host: u32) {
        let classes = PuntReason::ALL.iter().zip(&mut self.0).filter(|(reason, _)| reason.is_for_host());
        classes.for_each(|(_, limiter)| limiter.set_rate(host));
    }

    /// Takes one of the class' budget; `false` when there is none left.
    pub(super) fn allows(&mut self, reason: PuntReason, now: Instant) -> bool {
        self.0[reason as usize].allows(now)
    }

    /// The packet goes to management, if its class has something left.
    pub(super) fn punt(&mut self, reason: PuntReason, now: Instant) -> Verdict {
        match self.allows(reason, now) {
            true => Verdict::Punt(reason),
            false => Verdict::Drop(limited(reason)),
        }
    }
}

/// Packets that one worker hands up in a second; `host` of each class to the kernel.
const fn per_second(reason: PuntReason, host: u32) -> u32 {
    match reason {
        // 16,384 members, each probed twice a second, and as much again.
        PuntReason::Local => 65_536,
        // Members and next hops are verified at 8,192 a second at most (`control`), and may all be at one worker.
        PuntReason::ArpNeighbour => 16_384,
        // Of those, 1,024 are asked for at once, and 65,536 known ones each minute.
        PuntReason::ArpReply => 2_560,
        PuntReason::ArpRequest | PuntReason::ArpMoved => 1_024,
        PuntReason::Stray => 512,
        // One alarm and one defence in ten seconds are made of any number.
        PuntReason::ArpConflict => 256,
        PuntReason::Host
        | PuntReason::HostRouting
        | PuntReason::HostRoutingFar
        | PuntReason::HostArp
        | PuntReason::HostEcho => host,
    }
}

const fn limited(reason: PuntReason) -> DropReason {
    match reason {
        PuntReason::Local => DropReason::LocalLimited,
        PuntReason::Stray => DropReason::StrayLimited,
        PuntReason::ArpNeighbour => DropReason::ArpNeighbourLimited,
        // A request is answered by the worker instead; see `Walk::arp`.
        PuntReason::ArpReply | PuntReason::ArpRequest => DropReason::ArpReplyLimited,
        PuntReason::ArpMoved => DropReason::ArpMovedLimited,
        PuntReason::ArpConflict => DropReason::ArpConflictLimited,
        PuntReason::Host => DropReason::HostLimited,
        PuntReason::HostRouting => DropReason::HostRoutingLimited,
        PuntReason::HostRoutingFar => DropReason::HostRoutingFarLimited,
        PuntReason::HostArp => DropReason::HostArpLimited,
        PuntReason::HostEcho => DropReason::HostEchoLimited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_has_used_its_budget_takes_nothing_from_another() {
        let (mut punts, now) = (Punts::new(5_000), Instant::from_millis(5_000));
        for &reason in PuntReason::ALL {
            let taken = (0..100_000).filter(|_| punts.punt(reason, now) == Verdict::Punt(reason)).count();
            assert_eq!(taken, per_second(reason, 5_000) as usize);
            assert_eq!(punts.punt(reason, now), Verdict::Drop(limited(reason)));
        }
        let again = Instant::from_millis(6_000);
        assert!(PuntReason::ALL.iter().all(|&reason| punts.allows(reason, again)));
    }

    #[test]
    fn members_and_next_hops_have_room_for_all_that_they_are_asked() {
        assert!(per_second(PuntReason::ArpNeighbour, 0) >= 2 * 8_192);
    }
}
