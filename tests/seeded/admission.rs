//! What begins at a service: which members may take it, and whether it may be refused, by connection limits and connection rate limits.
//!
//! Counts anew each time what is known to stand, and what may: where that leaves it open whether there is room, either is right.

use crate::flows::Flows;
use crate::keeper::{Came, Counted, Keeper, Members};
use crate::model::{Choice, Dropped, Model, Reply, Update};
use crate::packet::{Packet, What};
use crate::shares::{Key, Shares};
use fairlead::engine::DropReason;
use fairlead::policy::intent::{Mode, Persistence};
use fairlead::time::Instant;
use fairlead::wire::Protocol;
use std::net::Ipv4Addr;
use testbench::features::Limit;
use testbench::plan::{Pair, Who};

/// One second of a rate may begin at once.
const BURST: i64 = 1_000_000_000;

const REFUSED: &[DropReason] = &[DropReason::ConnectionLimit, DropReason::ConnectionRateLimit];
/// Nobody is there, and it might be refused all the same; an older connection on the same way may have been lost besides.
const NOBODY: &[DropReason] =
    &[DropReason::NoActiveMember, DropReason::MemberLost, DropReason::ConnectionLimit, DropReason::ConnectionRateLimit];

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    Server(Pair),
    Member(Who),
}

/// Whether there is room for a connection more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    No,
    Perhaps,
    Yes,
}

/// How much of a rate is left, in nanoseconds of it: at least, and at most.
#[derive(Clone, Copy, Debug)]
struct Rate {
    least: i64,
    most: i64,
    at: Instant,
}

impl Rate {
    fn full(at: Instant) -> Rate {
        Rate { least: BURST, most: BURST, at }
    }

    fn at(self, now: Instant) -> Rate {
        let more = now.since(self.at).as_nanos() as i64;
        Rate { least: (self.least + more).min(BURST), most: (self.most + more).min(BURST), at: now }
    }
}

/// What has begun lately, by whose rate it counts for.
#[derive(Default)]
pub struct Rates(Vec<(Owner, Rate)>);

impl Rates {
    fn of(&self, owner: Owner, now: Instant) -> Rate {
        self.0.iter().find(|(of, _)| *of == owner).map_or(Rate::full(now), |(_, rate)| rate.at(now))
    }

    fn set(&mut self, owner: Owner, rate: Rate) {
        self.forget(|of| of == owner);
        self.0.push((owner, rate));
    }

    pub fn forget(&mut self, gone: impl Fn(Owner) -> bool) {
        self.0.retain(|(of, _)| !gone(*of));
    }

    /// There is another limit: what counts of before is left open.
    pub fn unsettle(&mut self, owner: Owner, now: Instant) {
        self.set(owner, Rate { least: -BURST, most: BURST, at: now });
    }
}

/// Who may take what begins.
struct Takers {
    /// Any of these.
    some: Members,
    /// It is chosen by a number, and nothing stood against that.
    is_by_number: bool,
    /// It may be refused; it must be if nobody takes it.
    refused: bool,
}

/// What begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// A connection, or a peer that nobody had.
    New,
    /// A peer that continues, as its member is lost: nothing new.
    Moves,
    /// A connection that stands is met in the middle.
    Resumes,
}

impl Model {
    fn limit(&self, owner: Owner) -> Limit {
        match owner {
            Owner::Server(pair) => self.plan.features.servers[pair],
            Owner::Member(who) => self.plan.features.members[who],
        }
    }

    /// What begins there may meet a limit.
    pub fn is_limited(&self, pair: Pair) -> bool {
        let members = self.plan.members_of(pair).into_iter().map(Owner::Member);
        members.chain([Owner::Server(pair)]).any(|owner| self.limit(owner) != Limit::default())
    }

    /// Connections that stand and are counted there: at least, and at most; without the flow that is `replaced`.
    pub fn connections(&self, owner: Owner, replaced: Option<usize>) -> (u32, u32) {
        let (pair, who) = match owner {
            Owner::Server(pair) => (pair, None),
            Owner::Member(who) => (testbench::plan::pair(who), Some(who)),
        };
        let counted = Flows::counted(&self.flows, pair, who, replaced).chain(Shares::counted(&self.shares, pair, who));
        counted.fold((0, 0), |(least, most), counted| match counted {
            Counted::No => (least, most),
            Counted::Perhaps => (least, most + 1),
            Counted::Yes => (least + 1, most + 1),
        })
    }

    fn room(&self, owner: Owner, replaced: Option<usize>) -> Room {
        let Limit { most, per_second } = self.limit(owner);
        let within = |is_certain: bool, may_be: bool| match (is_certain, may_be) {
            (true, _) => Room::Yes,
            (false, true) => Room::Perhaps,
            (false, false) => Room::No,
        };
        let rate = match per_second {
            0 => Room::Yes,
            per_second => {
                let (rate, cost) = (self.rates.of(owner, self.now), BURST / i64::from(per_second));
                within(rate.least >= cost, rate.most >= cost)
            }
        };
        if most == 0 || rate == Room::No {
            return rate;
        }
        let (least, greatest) = self.connections(owner, replaced);
        rate.min(within(greatest < most, least < most))
    }

    /// A connection, or a peer, has begun with a member: it counts for the rates. That of a peer which only continues is left open.
    pub fn counts(&mut self, pair: Pair, who: Who, begins: Begins) {
        for owner in [Owner::Server(pair), Owner::Member(who)] {
            let per_second = self.limit(owner).per_second;
            if per_second == 0 {
                continue;
            }
            let (rate, cost) = (self.rates.of(owner, self.now), BURST / i64::from(per_second));
            let least = (rate.least - cost).max(-cost);
            let most = if begins == Begins::New { (rate.most - cost).max(-cost) } else { rate.most };
            self.rates.set(owner, Rate { least, most, at: self.now });
        }
    }

    /// For a trace: whom the sender is with, and what there is room for.
    pub fn knows(&self, packet: &Packet, pair: Pair) -> String {
        let known = match self.call_of(pair, packet.sip) {
            Some(call) => self.shares.call(pair, call),
            None => self.shares.known(pair, packet.way.src),
        };
        let source = self.shares.source(pair, packet.way.src.addr);
        let targets = self.plan.targets(pair);
        let owners = self.plan.members_of(pair).into_iter().map(Owner::Member).chain([Owner::Server(pair)]);
        let limited = owners.filter(|owner| self.limit(*owner) != Limit::default());
        let room = |owner| format!(" {owner:?} {:?} {:?}", self.connections(owner, None), self.room(owner, None));
        let rooms: String = limited.map(room).collect();
        format!("    known {known:?}, source {source:?}, of {targets:?};{rooms}")
    }

    /// Those that `source` may begin with, if nothing stands against it; and whether that is so because of a number.
    fn preferred(&self, pair: Pair, source: Ipv4Addr) -> (Members, bool) {
        let targets = Members::of(self.plan.targets(pair));
        let by_record =
            self.plan.features.persistence[pair] == Persistence::Source && self.plan.modes[pair] != Mode::SourceHash;
        let by_number = self.hashed(pair, Key::Address(source)).map_or(targets, Members::only);
        match self.shares.source(pair, source).filter(|_| by_record) {
            Some(Keeper::Sure(who)) if targets.hold(who) => (Members::only(who), false),
            // Each of several workers may know another one.
            Some(Keeper::Perhaps(_)) if self.workers > 1 => (targets, false),
            Some(Keeper::Perhaps(some)) => {
                (Members::of(by_number.iter().chain(some.iter().filter(|it| targets.hold(*it)))), false)
            }
            Some(Keeper::Open) => (targets, false),
            _ => (by_number, true),
        }
    }

    fn takers(&self, pair: Pair, source: Ipv4Addr, begins: Begins, replaced: Option<usize>) -> Takers {
        let (preferred, is_by_number) = match self.plan.is_shared(pair) {
            true => self.preferred(pair, source),
            false => (Members::of(self.plan.active[pair]), false),
        };
        if begins != Begins::New || !self.is_limited(pair) {
            return Takers { some: preferred, is_by_number, refused: false };
        }
        let server = self.room(Owner::Server(pair), replaced);
        let room = |who: Who| self.room(Owner::Member(who), replaced);
        let others = match self.plan.is_shared(pair) {
            true => Members::of(self.plan.targets(pair)),
            false => preferred,
        };
        let has_place = |who: &Who| room(*who) != Room::No;
        let displaces = preferred.iter().any(|who| room(who) != Room::Yes);
        let some = Members::of(preferred.iter().chain(others.iter().filter(|_| displaces)).filter(has_place));
        let all_have = others.iter().all(|who| room(who) == Room::Yes);
        let nobody_has = !others.iter().any(|who| room(who) == Room::Yes);
        Takers {
            some: if server == Room::No { Members::NONE } else { some },
            is_by_number: is_by_number && all_have,
            refused: server != Room::Yes || displaces && nobody_has,
        }
    }

    /// The member that takes what `source` begins, as the appliance has `chosen` among those that may, and what is remembered of that.
    pub fn admits(
        &self,
        packet: &Packet,
        pair: Pair,
        begins: Begins,
        nobody: Reply,
        chosen: Choice,
    ) -> Result<(Who, Vec<Update>), Dropped> {
        let source = packet.way.src.addr;
        let is_segment = matches!(packet.what, What::Segment { .. });
        let replaced = self.flows.find(Protocol::Tcp, packet.way).filter(|_| is_segment).map(|(at, _)| at);
        let takers = self.takers(pair, source, begins, replaced);
        let has_members = if self.plan.is_shared(pair) {
            !self.plan.targets(pair).is_empty()
        } else {
            self.plan.active[pair].is_some()
        };
        let silence = if is_segment { Reply::Reset } else { Reply::Nothing };
        if !has_members && takers.refused {
            // Either is true; a datagram is answered if nobody is there.
            return Err(Dropped::new(NOBODY, if is_segment { Reply::Reset } else { Reply::Unspecified }));
        }
        if !has_members {
            return Err(Dropped::new(&[DropReason::NoActiveMember], nobody));
        }
        let first = takers.some.first().filter(|_| !(chosen.refused && takers.refused));
        let taken = chosen.member.filter(|who| takers.some.hold(*who)).or(first);
        let Some(who) = taken else { return Err(Dropped::new(REFUSED, silence)) };
        let mut updates = vec![];
        if self.plan.is_shared(pair) && begins != Begins::Resumes {
            if takers.is_by_number {
                updates.push(Update::Hashed(pair, Key::Address(source), who));
            }
            updates.push(Update::Source(pair, source, who));
        }
        if begins != Begins::Resumes {
            updates.push(Update::Counts(pair, who, begins));
        }
        Ok((who, updates))
    }

    /// A connection that is not made yet may give way at a limit to one that begins now, if nothing was heard of it for three seconds: of
    /// such nothing is certain any more.
    pub fn half_open_give_way(&mut self, packet: &Packet) {
        let Some(pair) = self.plan.served_at(packet.way.dst.addr) else { return };
        let opens = matches!(packet.what, What::Segment { flags, .. } if flags.syn() && !flags.ack());
        if !opens || !self.is_limited(pair) {
            return;
        }
        let members = self.plan.members_of(pair).into_iter().map(Owner::Member);
        if members.chain([Owner::Server(pair)]).any(|owner| self.room(owner, None) != Room::Yes) {
            self.flows.half_open_give_way(pair, self.now);
        }
    }

    pub fn came(begins: Begins) -> Came {
        if begins == Begins::Moves { Came::Moved } else { Came::New }
    }
}
