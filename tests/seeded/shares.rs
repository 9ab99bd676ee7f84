//! Pools of several active members: whom a remote endpoint, a call, or what an address begins is with.

use crate::keeper::{Came, Counted, Keeper, Members};
use crate::model::{Model, Update};
use crate::sip::Sip;
use fairlead::policy::health::State;
use fairlead::policy::intent::{Mode, OnDownUdp, Persistence};
use fairlead::wire::Endpoint;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use testbench::plan::{Pair, Who, pair};

/// What a pool may choose a member by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Address(Ipv4Addr),
    Call(u32),
}

/// Who takes new work, each with its weight.
type Targets = Vec<(Who, u32)>;

#[derive(Clone, Copy, Debug)]
struct Peer {
    keeper: Keeper,
    counted: Counted,
}

#[derive(Default)]
pub struct Shares {
    peers: HashMap<(Pair, Endpoint), Peer>,
    calls: HashMap<(Pair, u32), Keeper>,
    /// Who takes what an address begins.
    sources: HashMap<(Pair, Ipv4Addr), Keeper>,
    /// By number: to whom it goes, as long as the same members take what is new.
    hashed: Vec<((Mode, Targets), HashMap<Key, Who>)>,
}

impl Shares {
    /// Whom an address or a call goes to its number says alone.
    pub fn after_a_restart(&mut self) -> Shares {
        Shares { hashed: std::mem::take(&mut self.hashed), ..Shares::default() }
    }

    /// The member that a remote endpoint is with.
    pub fn keeper(&self, pair: Pair, remote: Endpoint) -> Option<Who> {
        self.known(pair, remote)?.sure()
    }

    /// What there is to know of a remote endpoint.
    pub fn known(&self, pair: Pair, remote: Endpoint) -> Option<Keeper> {
        self.peers.get(&(pair, remote)).map(|peer| peer.keeper)
    }

    /// What there is to know of a call.
    pub fn call(&self, pair: Pair, call: u32) -> Option<Keeper> {
        self.calls.get(&(pair, call)).copied()
    }

    /// Who takes what an address begins.
    pub fn source(&self, pair: Pair, address: Ipv4Addr) -> Option<Keeper> {
        self.sources.get(&(pair, address)).copied()
    }

    /// Remote endpoints of a pair that are counted as connections, and whether they may be of a member.
    pub fn counted(&self, of: Pair, who: Option<Who>) -> impl Iterator<Item = Counted> {
        let all = self.peers.iter().filter(move |((pair, _), peer)| *pair == of && peer.counted != Counted::No);
        all.filter_map(move |(_, peer)| {
            let is_its = who.is_none_or(|who| peer.keeper.may_be(who));
            is_its.then_some(if peer.keeper.sure().is_some() { peer.counted } else { Counted::Perhaps })
        })
    }

    /// What happens to whom a member had is up to the pool.
    pub fn lose(&mut self, who: Who) {
        self.peers.values_mut().for_each(|peer| peer.keeper.lose(who));
        self.calls.values_mut().for_each(|keeper| keeper.lose(who));
        // What an address begins goes to another one in any case.
        self.sources.values_mut().for_each(|keeper| keeper.lose(who));
        self.sources.retain(|_, keeper| !matches!(keeper, Keeper::Lost(_)));
    }

    /// A lost member is back: what was left with it is its own again.
    pub fn returns(&mut self, who: Who, policy: OnDownUdp) {
        let keepers = self.peers.values_mut().map(|peer| &mut peer.keeper).chain(self.calls.values_mut());
        let left = keepers.filter(|keeper| policy != OnDownUdp::Reselect && **keeper == Keeper::Lost(who));
        left.for_each(|keeper| *keeper = Keeper::Back(who));
    }

    /// The pool has another rule for whom lost members had.
    pub fn unsettle(&mut self, of: Pair, is_back: impl Fn(Who) -> bool) {
        self.peers.iter_mut().filter(|((pair, _), _)| *pair == of).for_each(|(_, peer)| peer.keeper.unsettle(&is_back));
        self.calls.iter_mut().filter(|((pair, _), _)| *pair == of).for_each(|(_, keeper)| keeper.unsettle(&is_back));
    }

    /// The pool shares its work by another rule, which may not look at what addresses have begun.
    pub fn unsettle_sources(&mut self, of: Pair) {
        for (_, keeper) in self.sources.iter_mut().filter(|((pair, _), _)| *pair == of) {
            *keeper = keeper.sure().map_or(Keeper::Open, |who| Keeper::Perhaps(Members::only(who)));
        }
    }

    /// The pool keeps other things together: whether it still knows what it did when it does so again is left open.
    pub fn forget_persistence(&mut self, of: Pair) {
        self.unsettle_sources(of);
        for (_, keeper) in self.calls.iter_mut().filter(|((pair, _), _)| *pair == of) {
            *keeper = keeper.sure().map_or(Keeper::Open, |who| Keeper::Perhaps(Members::only(who)));
        }
    }

    /// What concerns members or virtual addresses that are gone is forgotten. Whether a member keeps a remote endpoint whose address
    /// was virtual, and may be again, is left open.
    pub fn forget(
        &mut self,
        concerns: impl Fn(Pair, Endpoint) -> bool,
        pair_is_gone: impl Fn(Pair) -> bool,
        is_gone: impl Fn(Who) -> bool,
        was_virtual: impl Fn(Ipv4Addr) -> bool,
    ) {
        let perhaps = |keeper: &mut Keeper| {
            if let Some(who) = keeper.sure() {
                *keeper = Keeper::Perhaps(Members::only(who));
            }
        };
        let stays = |keeper: &mut Keeper| keeper.without(&is_gone).map(|left| *keeper = left).is_some();
        // A member or a pool that comes back at the same address may have again what has no flow.
        let stays_perhaps = |of: Pair, keeper: &mut Keeper| {
            if pair_is_gone(of) || keeper.of().is_some_and(&is_gone) {
                *keeper = keeper.of().map_or(Keeper::Open, |who| Keeper::Perhaps(Members::only(who)));
            }
        };
        self.peers.retain(|(pair, remote), peer| {
            let stays = stays(&mut peer.keeper) && !concerns(*pair, *remote);
            if was_virtual(remote.addr) {
                perhaps(&mut peer.keeper);
            }
            stays
        });
        self.calls.iter_mut().for_each(|((pair, _), keeper)| stays_perhaps(*pair, keeper));
        for ((pair, address), keeper) in &mut self.sources {
            stays_perhaps(*pair, keeper);
            if was_virtual(*address) {
                perhaps(keeper);
            }
        }
    }
}

impl Model {
    fn weighed(&self, pair: Pair) -> Targets {
        let mut targets: Targets =
            self.plan.targets(pair).into_iter().map(|who| (who, self.plan.weights[who])).collect();
        targets.sort();
        targets
    }

    /// The pool chooses by a number, and not by turns.
    fn goes_by(&self, pair: Pair, key: Key) -> bool {
        let by_address = self.plan.features.persistence[pair] == Persistence::Source;
        match self.plan.modes[pair] {
            Mode::SourceHash => true,
            Mode::RoundRobin => matches!(key, Key::Call(_)) || by_address,
            Mode::LeastConnections | Mode::ActiveStandby => false,
        }
    }

    /// The member that the number says, if it has been seen.
    pub fn hashed(&self, pair: Pair, key: Key) -> Option<Who> {
        let of = (self.plan.modes[pair], self.weighed(pair));
        let (_, seen) = self.shares.hashed.iter().find(|(known, _)| *known == of)?;
        seen.get(&key).copied().filter(|_| self.goes_by(pair, key))
    }

    /// Something new with this number went to `who` for no other reason: all with that number does.
    pub fn is_hashed(&mut self, pair: Pair, key: Key, who: Who) {
        if !self.goes_by(pair, key) {
            return;
        }
        let of = (self.plan.modes[pair], self.weighed(pair));
        let at = self.shares.hashed.iter().position(|(known, _)| *known == of).unwrap_or_else(|| {
            self.shares.hashed.push((of, HashMap::new()));
            self.shares.hashed.len() - 1
        });
        self.shares.hashed[at].1.insert(key, who);
    }

    /// `source` began something with `who`: it does so from now on, if the pool keeps that together. Where several workers serve it, each
    /// may still know another member that has it; whether it goes there again when that takes new work once more is left open.
    pub fn begins_with(&mut self, pair: Pair, source: Ipv4Addr, who: Who) {
        let by_source = self.plan.features.persistence[pair] == Persistence::Source;
        if !by_source || self.plan.modes[pair] == Mode::SourceHash {
            return;
        }
        let keeper = match self.shares.source(pair, source).filter(|_| self.workers > 1) {
            Some(Keeper::Sure(by)) if by != who => Keeper::Perhaps(Members::of([by, who])),
            Some(Keeper::Perhaps(some)) => Keeper::Perhaps(some.and(who)),
            _ => Keeper::Sure(who),
        };
        self.shares.sources.insert((pair, source), keeper);
    }

    fn may_begin_with(&mut self, pair: Pair, source: Ipv4Addr, who: Who) {
        let keeper = match self.shares.source(pair, source) {
            Some(Keeper::Sure(by)) if by == who => return,
            Some(Keeper::Sure(by)) => Keeper::Perhaps(Members::of([by, who])),
            Some(Keeper::Perhaps(some)) => Keeper::Perhaps(some.and(who)),
            Some(other) => other,
            None => Keeper::Perhaps(Members::only(who)),
        };
        self.shares.sources.insert((pair, source), keeper);
    }

    /// A datagram of `remote` went to `who`.
    pub fn takes(&mut self, pair: Pair, remote: Endpoint, who: Who, came: Came) {
        let known = self.shares.peers.get(&(pair, remote)).copied();
        let counted = match (came, known) {
            (Came::Known, Some(peer)) if peer.keeper.sure() == Some(who) => peer.counted,
            (Came::Known, _) => Counted::Perhaps,
            (Came::New | Came::Moved, Some(peer)) if matches!(peer.keeper, Keeper::Perhaps(_)) => Counted::Perhaps,
            (Came::New | Came::Moved, _) => Counted::Yes,
        };
        self.shares.peers.insert((pair, remote), Peer { keeper: Keeper::Sure(who), counted });
    }

    /// A message of a call went to `who`, who has it or takes it.
    pub fn takes_call(&mut self, pair: Pair, call: u32, who: Who) {
        self.shares.calls.insert((pair, call), Keeper::Sure(who));
    }

    /// `remote` may be with `who` now.
    pub fn takes_perhaps(&mut self, pair: Pair, remote: Endpoint, who: Who) {
        let keeper = match self.shares.known(pair, remote) {
            None => Keeper::Perhaps(Members::only(who)),
            Some(Keeper::Perhaps(some)) => Keeper::Perhaps(some.and(who)),
            Some(_) => Keeper::Open,
        };
        self.shares.peers.insert((pair, remote), Peer { keeper, counted: Counted::Perhaps });
    }

    /// A member may have taken over what is left with a lost one: it is not back.
    pub fn is_left(&self, who: Who) -> bool {
        self.plan.features.on_down_udp[pair(who)] != OnDownUdp::Reselect && !self.plan.members[who].is_back
    }

    /// A member spoke to `remote`: if that is with nobody, and the member takes what is new, they are together. Whether they are when
    /// the member is down, and takes what is new only because nobody is up, is left open; so it is when another member has called from
    /// there and the one it was with is lost, or when it is another pool whose members share the work.
    pub fn keeps(&mut self, who: Who, remote: Endpoint) {
        let known = self.shares.peers.get(&(pair(who), remote)).copied();
        let (pair, keeper) = (pair(who), known.map(|peer| peer.keeper));
        let is_up = self.plan.members[who].state == State::Up;
        let served = self.plan.served_at(remote.addr);
        let keeper = match (is_up, keeper) {
            (_, Some(Keeper::Back(by))) if by == who => Keeper::Sure(who),
            (_, Some(Keeper::Sure(_) | Keeper::Back(_) | Keeper::Open)) => return,
            (_, Some(Keeper::Lost(by))) if self.is_left(by) => return,
            (false, _) if !self.plan.targets(pair).contains(&who) => return,
            (_, Some(Keeper::Perhaps(some))) => Keeper::Perhaps(some.and(who)),
            (false, None) => Keeper::Perhaps(Members::only(who)),
            (false, Some(Keeper::Lost(by))) => Keeper::Perhaps(Members::of([by, who])),
            (true, Some(Keeper::Lost(by))) if served.is_some() => Keeper::Perhaps(Members::of([by, who])),
            (true, None) if served.is_some_and(|other| self.plan.is_shared(other)) => {
                Keeper::Perhaps(Members::only(who))
            }
            (true, None | Some(Keeper::Lost(_))) => Keeper::Sure(who),
        };
        let counted = match known {
            Some(peer) if peer.keeper.of() == Some(who) && keeper == Keeper::Sure(who) => peer.counted,
            None => Counted::No,
            Some(Peer { keeper: Keeper::Lost(_), .. }) if matches!(keeper, Keeper::Sure(_)) => Counted::No,
            _ => Counted::Perhaps,
        };
        self.shares.peers.insert((pair, remote), Peer { keeper, counted });
    }

    /// A member spoke in a call as the virtual address: the call is its own if it asks, or if that is nobody's. Not so for one that is
    /// lost; whether it is for one that is down and takes what is new because nobody is up, is left open.
    pub fn speaks_in_call(&mut self, who: Who, call: u32, sip: Sip) {
        let (pair, state) = (pair(who), self.plan.members[who].state);
        let known = self.shares.call(pair, call);
        let lives = matches!(state, State::Up | State::Drained) && self.plan.members[who].is_back;
        let keeper = match known {
            Some(Keeper::Sure(by) | Keeper::Back(by)) if by == who => Keeper::Sure(who),
            Some(Keeper::Open) => return,
            _ if !lives && self.plan.targets(pair).contains(&who) => match known {
                None | Some(Keeper::Lost(_)) => Keeper::Perhaps(Members::only(who)),
                _ if sip.asks() => Keeper::Open,
                _ => return,
            },
            _ if !lives => return,
            _ if sip.asks() => Keeper::Sure(who),
            None => Keeper::Sure(who),
            Some(Keeper::Lost(by)) if !self.is_left(by) => Keeper::Sure(who),
            Some(Keeper::Perhaps(some)) => Keeper::Perhaps(some.and(who)),
            Some(Keeper::Sure(_) | Keeper::Back(_) | Keeper::Lost(_)) => return,
        };
        self.shares.calls.insert((pair, call), keeper);
    }

    /// What is remembered of who took what began: see [`Update`].
    pub fn began(&mut self, update: &Update) {
        match *update {
            Update::Taken(pair, remote, who, came) => self.takes(pair, remote, who, came),
            Update::TakenPerhaps(pair, remote, who) => self.takes_perhaps(pair, remote, who),
            Update::CallTaken(pair, call, who) => self.takes_call(pair, call, who),
            Update::Hashed(pair, key, who) => self.is_hashed(pair, key, who),
            Update::Source(pair, source, who) => self.begins_with(pair, source, who),
            Update::SourcePerhaps(pair, source, who) => self.may_begin_with(pair, source, who),
            _ => {}
        }
    }
}
