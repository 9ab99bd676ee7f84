//! What is handed to management, or to the kernel, by class, each with a budget of its own (RFC 1812 5.3.6 leaves the choice to us).
//!
//! Owns how many packets of each [`PuntReason`] one worker hands up in a second. What a stranger can send shares its budget with
//! nothing that members and next hops send, so that no flood costs them their answers. What neighbours of routing daemons send has a budget
//! for each link, of which one host has a part at most, so that neither a server that floods nor a link on which anybody says that he is
//! anybody costs them their other neighbours. What is beyond a budget is dropped, and counted by its class.

use super::identification::mix;
use super::limiter::Limiter;
use super::verdict::{DropReason, PuntReason, Verdict};
use crate::policy::intent::InterfaceId;
use crate::time::Instant;
use std::net::Ipv4Addr;

/// Links, and hosts on them, are spread over so many limiters each.
const SPREAD: usize = 64;
/// One host gets this part of what its link has, at most.
const PART: u32 = 4;

/// The budgets.
#[derive(Clone)]
pub(super) struct Punts {
    classes: [Limiter; PuntReason::COUNT],
    /// What routing daemons get from hosts on each link, and from each of these.
    links: Box<[Limiter; SPREAD]>,
    neighbours: Box<[Limiter; SPREAD]>,
    /// Which hosts share a limiter: nobody outside can choose his address for it.
    secret: u32,
}

impl Punts {
    /// Full ones, `host` for each class that goes to the kernel.
    pub(super) fn new(host: u32, seed: u64) -> Punts {
        Punts {
            classes: std::array::from_fn(|at| Limiter::new(per_second(PuntReason::ALL[at], host))),
            links: Box::new(std::array::from_fn(|_| Limiter::new(host))),
            neighbours: Box::new(std::array::from_fn(|_| Limiter::new(part(host)))),
            secret: mix(seed),
        }
    }

    /// Another budget for each class that goes to the kernel, from now on.
    pub(super) fn set_host_rate(&mut self, host: u32) {
        let classes = PuntReason::ALL.iter().zip(&mut self.classes).filter(|(reason, _)| reason.is_for_host());
        classes.for_each(|(_, limiter)| limiter.set_rate(host));
        self.links.iter_mut().for_each(|limiter| limiter.set_rate(host));
        self.neighbours.iter_mut().for_each(|limiter| limiter.set_rate(part(host)));
    }

    /// Takes one of the class' budget; `false` when there is none left.
    pub(super) fn allows(&mut self, reason: PuntReason, now: Instant) -> bool {
        self.classes[reason as usize].allows(now)
    }

    /// What a host on this link sends to routing daemons goes there, if it and the link have something left.
    pub(super) fn punt_of_neighbour(&mut self, link: InterfaceId, host: Ipv4Addr, now: Instant) -> Verdict {
        let station = u64::from(self.secret ^ u32::from(link.0)) << 32 | u64::from(host.to_bits());
        let neighbour = &mut self.neighbours[mix(station) as usize % SPREAD];
        match self.links[usize::from(link.0) % SPREAD].both_allow(neighbour, now) {
            true => Verdict::Punt(PuntReason::HostRouting),
            false => Verdict::Drop(limited(PuntReason::HostRouting)),
        }
    }

    /// The packet goes to management, if its class has something left.
    pub(super) fn punt(&mut self, reason: PuntReason, now: Instant) -> Verdict {
        match self.allows(reason, now) {
            true => Verdict::Punt(reason),
            false => Verdict::Drop(limited(reason)),
        }
    }
}

/// What one host on a link gets of a budget.
fn part(host: u32) -> u32 {
    host.div_ceil(PART)
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
        let (mut punts, now) = (Punts::new(5_000, 1), Instant::from_millis(5_000));
        for &reason in PuntReason::ALL {
            let taken = (0..100_000).filter(|_| punts.punt(reason, now) == Verdict::Punt(reason)).count();
            assert_eq!(taken, per_second(reason, 5_000) as usize);
            assert_eq!(punts.punt(reason, now), Verdict::Drop(limited(reason)));
        }
        let again = Instant::from_millis(6_000);
        assert!(PuntReason::ALL.iter().all(|&reason| punts.allows(reason, again)));
    }

    #[test]
    fn one_host_has_a_quarter_of_its_links_budget_and_no_link_takes_anything_from_another() {
        let (mut punts, now) = (Punts::new(4_000, 1), Instant::from_millis(5_000));
        let taken = |punts: &mut Punts, link: u16, host: u8, now: Instant| {
            let passes = |_: &u32| {
                let host = Ipv4Addr::new(192, 0, 2, host);
                punts.punt_of_neighbour(InterfaceId(link), host, now) == Verdict::Punt(PuntReason::HostRouting)
            };
            (0..10_000).filter(passes).count()
        };
        assert_eq!([1, 1, 2, 3].map(|host| taken(&mut punts, 0, host, now)), [1_000, 0, 1_000, 1_000]);
        assert_eq!((4..=254).map(|host| taken(&mut punts, 0, host, now)).sum::<usize>(), 1_000);
        assert_eq!(taken(&mut punts, 1, 1, now), 1_000);
        // A budget that cannot be divided lets something through all the same.
        assert_eq!(taken(&mut Punts::new(1, 1), 0, 1, now), 1);
        punts.set_host_rate(400);
        assert_eq!(taken(&mut punts, 0, 1, Instant::from_millis(6_000)), 100);
    }

    #[test]
    fn members_and_next_hops_have_room_for_all_that_they_are_asked() {
        assert!(per_second(PuntReason::ArpNeighbour, 0) >= 2 * 8_192);
    }
}
