//! What the operator wrote and who is active: two pairs on one box, their exclusion group, their routes.
//!
//! The rig's intent and health are made from this and nothing else; a reload, a restart and a switchover are each a
//! change here that is published.

use crate::dice::Dice;
use crate::features::Features;
use crate::lab::{Far, Layout, intent_of};
use crate::rig::*;
use fairlead::policy::adjacency::{Adjacency, Neighbour};
use fairlead::policy::health::{Generation, Health, MemberHealth, PoolHealth, State};
use fairlead::policy::intent::*;
use fairlead::policy::sharing::{Sharing, Target};
use fairlead::time::Duration;
use fairlead::wire::Mac;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Which member: 0 and 1 are the first pair, 2 and 3 the second; 4 and 5 are the third members of pools that share their work.
pub type Who = usize;

/// Which pair.
pub type Pair = usize;

/// The last octets of the members' addresses, and of the virtual addresses.
const MEMBERS: [u8; 6] = [11, 12, 21, 22, 13, 23];
const VIPS: [u8; 2] = [100, 200];

/// One of those of whom something is known is forgotten, does not answer any more, or answers at another MAC.
pub fn lose_or_find(adjacency: &mut Adjacency, dice: &mut Dice) {
    let mut hops: Vec<_> = adjacency.keys().copied().collect();
    hops.sort();
    if hops.is_empty() {
        return;
    }
    let hop = dice.pick(&hops);
    match dice.roll(3) {
        0 => drop(adjacency.remove(&hop)),
        1 => drop(adjacency.insert(hop, Neighbour::Failed)),
        _ => drop(adjacency.insert(hop, Neighbour::Reachable(Mac([2, 0, 0, 0, 7, dice.roll(200) as u8])))),
    }
}

pub fn pair(who: Who) -> Pair {
    if who < 4 { who / 2 } else { who - 4 }
}

/// The address is a member's of the pair, in the file or not, or its virtual one.
pub fn belongs_to(address: Ipv4Addr, to: Pair) -> bool {
    address == vip(to) || (0..MEMBERS.len()).any(|who| pair(who) == to && own(who) == address)
}

/// The host of a member.
pub fn host(who: Who) -> Far {
    Far::Server(MEMBERS[who])
}

/// The address of a member.
pub fn own(who: Who) -> Ipv4Addr {
    Ipv4Addr::new(10, 20, 0, MEMBERS[who])
}

/// The virtual address of a pair.
pub fn vip(pair: Pair) -> Ipv4Addr {
    Ipv4Addr::new(10, 20, 0, VIPS[pair])
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub layout: Layout,
    /// The largest datagram the servers' network carries.
    pub servers_mtu: u16,
    /// The second pair is there.
    pub second: bool,
    /// The second pair stands first in the file.
    pub second_first: bool,
    /// The members of a pair stand in the other order.
    pub swapped: [bool; 2],
    /// Exclusion entries beside those of [`two_arm`].
    pub excluded: Vec<Ipv4Net>,
    /// One of them was taken away since the appliance started.
    pub narrowed: bool,
    /// 172.16.9.0/24 is behind another router.
    pub detour: bool,
    /// How the members of a pair share the work.
    pub modes: [Mode; 2],
    /// The pair has a third member.
    pub thirds: [bool; 2],
    pub weights: [u32; 6],
    /// Where members share the work: the highest takes what is new, lower ones while fewer than `min_active` of the higher are up.
    pub priorities: [u16; 6],
    pub min_active: [usize; 2],
    /// What stays together, what happens to what a lost member had, how many connections there may be.
    pub features: Features,
    /// All SIP is read, to be counted.
    pub counts_sip: bool,
    pub active: [Option<Who>; 2],
    pub members: [MemberHealth; 6],
    /// Where members share the work and none is up: who keeps it.
    kept: [Vec<Who>; 2],
    /// Of those that share the work: its connections and peers are lost, and it has not come back.
    lost: [bool; 6],
    generations: [u32; 2],
}

impl Plan {
    pub fn new(layout: Layout, servers_mtu: u16) -> Plan {
        let up = MemberHealth { state: State::Up, may_claim: true, lost_before: Generation(0), is_back: true };
        Plan {
            layout,
            servers_mtu,
            second: true,
            second_first: false,
            swapped: [false; 2],
            excluded: Vec::new(),
            narrowed: false,
            detour: false,
            modes: [Mode::ActiveStandby; 2],
            thirds: [false; 2],
            weights: [1; 6],
            priorities: [0; 6],
            min_active: [1; 2],
            features: Features::default(),
            counts_sip: false,
            active: [Some(0), Some(2)],
            members: [up; 6],
            kept: [const { Vec::new() }; 2],
            lost: [false; 6],
            generations: [1; 2],
        }
    }

    /// Pairs in the order of the file.
    fn pairs(&self) -> Vec<Pair> {
        match (self.second, self.second_first) {
            (false, _) => vec![0],
            (true, false) => vec![0, 1],
            (true, true) => vec![1, 0],
        }
    }

    /// Management changes something of it: who is active, the exclusion group, a member's state, or what stands in the file and where.
    /// Says whether anything was; where not, it is for the caller to change what lies on the link, with [`lose_or_find`].
    pub fn change(&mut self, dice: &mut Dice) -> bool {
        let pair = dice.roll(2) as usize;
        match dice.roll(10) {
            0..2 if !self.is_shared(pair) => {
                let to = dice.pick(&[None, Some(pair * 2), Some(pair * 2 + 1)]);
                self.switch_over(pair, to, dice.once_in(2));
            }
            2 => self.excluded.push(dice.pick(&["172.16.5.0/24", "172.16.9.9/32", "172.16.0.0/16"]).parse().unwrap()),
            3 => drop(self.excluded.pop()),
            4 | 5 => {
                let states = [State::Up, State::Up, State::Down, State::Drained, State::Offline, State::Unknown];
                let (who, state) = (dice.roll(4) as usize, dice.pick(&states));
                match self.is_shared(who / 2) {
                    true => drop(self.goes(who, state)),
                    false => self.members[who].state = state,
                }
            }
            6 => (self.second, self.second_first) = (!dice.once_in(3), dice.once_in(2)),
            7 => (self.swapped, self.detour) = ([dice.once_in(2), dice.once_in(2)], dice.once_in(2)),
            _ => return false,
        }
        true
    }

    /// Members in the order of the file.
    fn order(&self) -> Vec<Who> {
        let of = |pair: Pair| {
            let mut members = self.members_of(pair);
            if self.swapped[pair] {
                members.reverse();
            }
            members
        };
        self.pairs().into_iter().flat_map(of).collect()
    }

    /// The members of a pair.
    pub fn members_of(&self, pair: Pair) -> Vec<Who> {
        [pair * 2, pair * 2 + 1].into_iter().chain(self.thirds[pair].then_some(pair + 4)).collect()
    }

    /// All members in the file.
    pub fn everyone(&self) -> Vec<Who> {
        let mut all = self.order();
        all.sort();
        all
    }

    fn id(&self, who: Who) -> MemberId {
        MemberId(self.order().iter().position(|one| *one == who).expect("the member is in the file") as u16)
    }

    /// The places of its members in the file, in order.
    fn places(&self, pair: Pair) -> Vec<MemberId> {
        let mut places: Vec<MemberId> = self.members_of(pair).into_iter().map(|who| self.id(who)).collect();
        places.sort();
        places
    }

    pub fn present(&self, pair: Pair) -> bool {
        pair == 0 || self.second
    }

    /// Whose address it is.
    pub fn who_is(&self, address: Ipv4Addr) -> Option<Who> {
        self.everyone().into_iter().find(|&who| own(who) == address)
    }

    /// Whose virtual address it is.
    pub fn served_at(&self, address: Ipv4Addr) -> Option<Pair> {
        (0..2).find(|&pair| self.present(pair) && vip(pair) == address)
    }

    /// The exclusion group holds the address.
    pub fn excludes(&self, address: Ipv4Addr) -> bool {
        self.exclusions().iter().any(|net| net.contains(&address))
    }

    fn exclusions(&self) -> Vec<Ipv4Net> {
        let always = ["172.16.1.20/32", "172.16.2.0/24"].map(|net| net.parse().unwrap());
        always.into_iter().chain(self.excluded.iter().copied()).collect()
    }

    /// The router of the detour, and the octets of its MAC.
    pub fn other_router(&self) -> (&'static str, [u8; 6]) {
        (if self.layout == Layout::OneArm { "10.20.0.9" } else { "192.0.2.9" }, [2, 0, 0, 0, 0, 9])
    }

    pub fn takes_detour(&self, to: Ipv4Addr) -> bool {
        self.detour && to.octets()[..3] == [172, 16, 9]
    }

    /// Another member of the pair becomes active, or none; the one before is lost, or only demoted.
    pub fn switch_over(&mut self, pair: Pair, to: Option<Who>, lost: bool) {
        let before = std::mem::replace(&mut self.active[pair], to);
        self.generations[pair] += 1;
        for member in &mut self.members[pair * 2..pair * 2 + 2] {
            member.may_claim = true;
        }
        if let Some(before) = before {
            let member = &mut self.members[before];
            member.may_claim = false;
            if lost {
                (member.state, member.lost_before) = (State::Down, Generation(self.generations[pair]));
            }
        }
        if let Some(to) = to {
            self.members[to].state = State::Up;
        }
    }

    /// All members of the pair that are up are active.
    pub fn is_shared(&self, pair: Pair) -> bool {
        self.modes[pair] != Mode::ActiveStandby
    }

    /// Who takes what is new, where members share the work: who is up and of a priority that is needed, else who keeps it.
    pub fn targets(&self, pair: Pair) -> Vec<Who> {
        let is_up = |who: &Who| self.members[*who].state == State::Up;
        let up: Vec<Who> = self.members_of(pair).into_iter().filter(is_up).collect();
        let above = |one: &Who| up.iter().filter(|who| self.priorities[**who] > self.priorities[*one]).count();
        let needed = up.iter().copied().filter(|who| above(who) < self.min_active[pair]).collect();
        if up.is_empty() { self.kept[pair].clone() } else { needed }
    }

    /// A member of those that share the work is in another state. Returns who is lost by that: where none is up, whoever was drained
    /// keeps the work, else whoever was lost last and is not offline.
    pub fn goes(&mut self, who: Who, state: State) -> Vec<Who> {
        let (pair, before) = (pair(who), self.targets(pair(who)));
        self.members[who].state = state;
        let of = |kept: &dyn Fn(State) -> bool| -> Vec<Who> {
            before.iter().copied().filter(|who| kept(self.members[*who].state)).collect()
        };
        let alive = of(&|state| state == State::Drained);
        self.kept[pair] = match self.is_any_up(pair) {
            true => vec![],
            false if alive.is_empty() => of(&|state| state != State::Offline),
            false => alive,
        };
        self.lose(pair)
    }

    /// Nobody is up and nobody keeps the work any longer. Returns who is lost by that.
    pub fn ends_gap(&mut self, pair: Pair) -> Vec<Who> {
        let members = &self.members;
        self.kept[pair].retain(|who| members[*who].state == State::Drained);
        self.lose(pair)
    }

    /// Who is down or offline and does not keep the work is lost, once.
    fn lose(&mut self, pair: Pair) -> Vec<Who> {
        let targets = self.targets(pair);
        let mut lost = Vec::new();
        for who in self.members_of(pair) {
            let gone = [State::Down, State::Offline].contains(&self.members[who].state) && !targets.contains(&who);
            if gone && !self.lost[who] {
                lost.push(who);
            }
            self.lost[who] = gone;
        }
        self.generations[pair] += u32::from(!lost.is_empty());
        for who in &lost {
            self.members[*who].lost_before = Generation(self.generations[pair]);
        }
        for who in self.members_of(pair) {
            (self.members[who].may_claim, self.members[who].is_back) = (!self.lost[who], !self.lost[who]);
        }
        lost
    }

    /// A member of the pair is up.
    pub fn is_any_up(&self, pair: Pair) -> bool {
        self.members_of(pair).iter().any(|who| self.members[*who].state == State::Up)
    }

    pub fn has_third(&self, pair: Pair) -> bool {
        self.thirds[pair]
    }

    /// The pair has a third member, which is up.
    pub fn third_comes(&mut self, pair: Pair) {
        self.thirds[pair] = true;
        let lost = self.goes(pair + 4, State::Up);
        assert!(lost.is_empty(), "{lost:?}");
    }

    /// The pair has no third member any longer: which that was.
    pub fn third_goes(&mut self, pair: Pair) -> Who {
        self.thirds[pair] = false;
        self.kept[pair].retain(|who| *who != pair + 4);
        self.lost[pair + 4] = false;
        pair + 4
    }

    fn sharing(&self, pair: Pair) -> Arc<Sharing> {
        let target = |who: Who| Target { member: self.id(who), address: own(who), weight: self.weights[who] };
        let targets = self.targets(pair).into_iter().map(target).collect();
        Arc::new(Sharing::new(self.modes[pair], targets, 211))
    }

    /// The file.
    pub fn intent(&self) -> Intent {
        let mut intent = intent_of(self.layout);
        let servers = InterfaceId(intent.interfaces.len() as u16 - 1);
        intent.interfaces[servers.index()].mtu = self.servers_mtu;
        let order = self.order();
        let at = |pair: Pair| self.pairs().iter().position(|one| *one == pair).unwrap() as u16;
        let members = order.iter().map(|&who| {
            let mut member = Member {
                interface: servers,
                weight: self.weights[who],
                priority: self.priorities[who],
                ..member(&format!("sip-{who}"), &own(who).to_string(), at(pair(who)))
            };
            self.features.write_member(who, &mut member);
            member
        });
        intent.members = members.collect();
        let pools = self.pairs().into_iter().map(|one| {
            let (members, mode, min_active) = (self.places(one), self.modes[one], self.min_active[one]);
            let mut pool = Pool { members, mode, min_active, ..pool(&format!("pair-{one}"), &[]) };
            self.features.write_pool(one, &mut pool);
            pool
        });
        intent.pools = pools.collect();
        let servers = self.pairs().into_iter().map(|pair| {
            let mut server = VirtualServer {
                unmatched: Unmatched::RejectNow,
                redeliver: if self.is_shared(pair) { Duration::ZERO } else { Duration::from_secs(4) },
                ..virtual_server(&format!("vs-{pair}"), &vip(pair).to_string(), at(pair))
            };
            self.features.write_server(pair, &mut server);
            server
        });
        intent.virtual_servers = servers.collect();
        let snats = self.pairs().into_iter().map(|pair| Snat {
            exclude: self.exclusions(),
            resumes: !self.narrowed,
            dscp: self.features.dscp[pair][1],
            ..snat(&vip(pair).to_string(), at(pair), &[])
        });
        intent.snats = snats.collect();
        if self.detour {
            let (via, interface) = (addr(self.other_router().0), intent.routes[0].interface);
            intent.routes.push(Route { to: "172.16.9.0/24".parse().unwrap(), via, interface });
        }
        intent.sip.sample = u32::from(self.counts_sip);
        (intent.limits.rejects_per_second, intent.limits.icmp_errors_per_second) = (1_000_000, 1_000_000);
        intent
    }

    /// Who is alive and who is chosen, in the order of the file.
    pub fn health(&self) -> Health {
        let pools = self.pairs().into_iter().map(|pair| PoolHealth {
            active: self.active[pair].filter(|_| !self.is_shared(pair)).map(|who| self.id(who)),
            generation: Generation(self.generations[pair]),
            sharing: self.is_shared(pair).then(|| self.sharing(pair)),
            silence: None,
        });
        Health {
            members: self.order().into_iter().map(|who| self.members[who]).collect(),
            pools: pools.collect(),
            pair: Default::default(),
        }
    }
}
