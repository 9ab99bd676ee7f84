//! Pools of several active members: whom a remote endpoint is with, and who may take what is new.

use crate::model::{Choice, Model};
use fairlead::policy::health::State;
use fairlead::policy::intent::Mode;
use fairlead::wire::Endpoint;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use testbench::plan::{Pair, Who, pair, vip};

/// Whom a remote endpoint of a service port is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// With this member, until that is lost.
    Sure(Who),
    /// With one of these, or with nobody: that is left open.
    Perhaps(Members),
    /// It was with this one, which is lost: whoever is there takes its place with the next datagram.
    Lost(Who),
}

/// Some members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Members(u8);

impl Members {
    fn only(who: Who) -> Members {
        Members(1 << who)
    }

    fn and(self, who: Who) -> Members {
        Members(self.0 | 1 << who)
    }

    fn but(self, who: Who) -> Members {
        Members(self.0 & !(1 << who))
    }

    fn hold(self, who: Who) -> bool {
        self.0 & 1 << who != 0
    }

    fn without(self, are: impl Fn(Who) -> bool) -> Members {
        (0..8).filter(|who| are(*who)).fold(self, Members::but)
    }

    fn are_none(self) -> bool {
        self.0 == 0
    }
}

/// Who takes new work, each with its weight.
type Targets = Vec<(Who, u32)>;

#[derive(Default)]
pub struct Shares {
    keepers: HashMap<(Pair, Endpoint), Keeper>,
    /// By the client's address: to whom it goes, as long as the same members take what is new.
    hashed: HashMap<(Targets, Ipv4Addr), Who>,
}

impl Shares {
    /// Whom an address goes to says the address alone.
    pub fn after_a_restart(&mut self) -> Shares {
        Shares { hashed: std::mem::take(&mut self.hashed), ..Shares::default() }
    }

    /// The member that a remote endpoint is with.
    pub fn keeper(&self, pair: Pair, remote: Endpoint) -> Option<Who> {
        match self.keepers.get(&(pair, remote)) {
            Some(Keeper::Sure(who)) => Some(*who),
            _ => None,
        }
    }

    /// What there is to know of a remote endpoint.
    pub fn known(&self, pair: Pair, remote: Endpoint) -> Option<Keeper> {
        self.keepers.get(&(pair, remote)).copied()
    }

    /// The peers of a member go to others with what they send next.
    pub fn lose(&mut self, who: Who) {
        for keeper in self.keepers.values_mut() {
            match *keeper {
                Keeper::Sure(by) if by == who => *keeper = Keeper::Lost(who),
                Keeper::Perhaps(some) if some == Members::only(who) => *keeper = Keeper::Lost(who),
                Keeper::Perhaps(some) => *keeper = Keeper::Perhaps(some.but(who)),
                _ => {}
            }
        }
    }

    /// What concerns members or virtual addresses that are gone is forgotten. Whether a member keeps a remote endpoint whose address
    /// was virtual, and may be again, is left open.
    pub fn forget(
        &mut self,
        concerns: impl Fn(Pair, Endpoint) -> bool,
        is_gone: impl Fn(Who) -> bool,
        was_virtual: impl Fn(Endpoint) -> bool,
    ) {
        self.keepers.retain(|(pair, remote), keeper| {
            match *keeper {
                Keeper::Sure(who) | Keeper::Lost(who) if is_gone(who) => return false,
                Keeper::Sure(who) if was_virtual(*remote) => *keeper = Keeper::Perhaps(Members::only(who)),
                Keeper::Perhaps(some) => *keeper = Keeper::Perhaps(some.without(&is_gone)),
                _ => {}
            }
            !concerns(*pair, *remote) && !matches!(*keeper, Keeper::Perhaps(some) if some.are_none())
        });
    }
}

impl Model {
    /// The member that gets a datagram of `remote`: whom it is with, or who takes what is new.
    pub fn peer_goes_to(&self, pair: Pair, remote: Endpoint, chosen: Choice) -> Option<Who> {
        let of_its_own = remote == Endpoint::new(vip(pair), 5060);
        match self.shares.known(pair, remote) {
            // Which of them gets what another one sends to their own address from the service port is left open.
            _ if of_its_own && chosen.member.is_some_and(|who| self.plan.targets(pair).contains(&who)) => chosen.member,
            Some(Keeper::Sure(who)) => Some(who),
            Some(Keeper::Perhaps(some)) if chosen.member.is_some_and(|who| some.hold(who)) => chosen.member,
            _ => self.new_goes_to(pair, remote.addr, chosen),
        }
    }

    /// The member that gets what is new: any that takes new work, or the one that the address says.
    pub fn new_goes_to(&self, pair: Pair, source: Ipv4Addr, chosen: Choice) -> Option<Who> {
        let targets = self.plan.targets(pair);
        let said = self.shares.hashed.get(&(self.weighed(pair), source)).copied();
        let said = said.filter(|_| self.plan.modes[pair] == Mode::SourceHash);
        let free = chosen.member.filter(|member| targets.contains(member));
        said.or(free).or(targets.first().copied())
    }

    fn weighed(&self, pair: Pair) -> Targets {
        let mut targets: Targets =
            self.plan.targets(pair).into_iter().map(|who| (who, self.plan.weights[who])).collect();
        targets.sort();
        targets
    }

    /// A datagram of `remote` went to `who`.
    pub fn takes(&mut self, pair: Pair, remote: Endpoint, who: Who) {
        if matches!(self.shares.known(pair, remote), None | Some(Keeper::Lost(_))) {
            self.is_hashed(pair, remote.addr, who);
        }
        self.shares.keepers.insert((pair, remote), Keeper::Sure(who));
    }

    /// Something new of `source` went to `who`: everything of that address does.
    pub fn is_hashed(&mut self, pair: Pair, source: Ipv4Addr, who: Who) {
        if self.plan.modes[pair] == Mode::SourceHash {
            let targets = self.weighed(pair);
            self.shares.hashed.insert((targets, source), who);
        }
    }

    /// A member spoke to `remote`: if that is with nobody, and the member takes what is new, they are together. Whether they are when
    /// the member is down, and takes what is new only because nobody is up, is left open; so it is when another member has called from
    /// there and the one it was with is lost, or when it is another pool whose members share the work.
    pub fn keeps(&mut self, who: Who, remote: Endpoint) {
        let (pair, known) = (pair(who), self.shares.known(pair(who), remote));
        let keeper = match (self.plan.members[who].state == State::Up, known) {
            (_, Some(Keeper::Sure(_))) => return,
            (false, _) if !self.plan.targets(pair).contains(&who) => return,
            (_, Some(Keeper::Perhaps(some))) => Keeper::Perhaps(some.and(who)),
            (false, None | Some(Keeper::Lost(_))) => Keeper::Perhaps(Members::only(who)),
            (true, Some(Keeper::Lost(_))) if self.plan.served_at(remote.addr).is_some() => {
                Keeper::Perhaps(Members::only(who))
            }
            (true, None) if self.plan.served_at(remote.addr).is_some_and(|other| self.plan.is_shared(other)) => {
                Keeper::Perhaps(Members::only(who))
            }
            (true, None | Some(Keeper::Lost(_))) => Keeper::Sure(who),
        };
        self.shares.keepers.insert((pair, remote), keeper);
    }
}
