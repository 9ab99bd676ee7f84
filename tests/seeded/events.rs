//! What happens to the appliance itself: switchovers, reloads, restarts, time.

use crate::admission::Owner;
use crate::flow::Flow;
use crate::flows::Owed;
use crate::keeper::Keeper;
use crate::packet::Way;
use crate::run::Run;
use crate::send::{Fragmented, Identifications, Out};
use fairlead::engine::DropReason;
use fairlead::policy::health::State;
use fairlead::policy::intent::Mode;
use fairlead::time::Duration;
use fairlead::wire::{self, Endpoint, Protocol};
use ipnet::Ipv4Net;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use testbench::lab::*;
use testbench::plan::{Pair, Who, belongs_to, own, pair, vip};
use testbench::rig::*;

impl Run {
    /// Something happens to the appliance.
    pub fn event(&mut self) {
        self.expect_counts();
        match self.dice.roll(8) {
            0..4 => self.switch_over(),
            4..7 => self.reload(),
            _ => self.restart(),
        }
        self.lab.rig.events.clear();
    }

    /// Another member becomes active, or none; the one before is lost, or only demoted.
    pub fn switch_over(&mut self) {
        let pair = pair(self.who());
        if self.model.plan.is_shared(pair) {
            return self.member_goes(pair);
        }
        let to = self.dice.pick(&[None, Some(pair * 2), Some(pair * 2 + 1), Some(pair * 2 + 1)]);
        let (before, lost) = (self.model.plan.active[pair], self.dice.once_in(2));
        if to == before {
            return;
        }
        self.model.plan.switch_over(pair, to, lost);
        before.filter(|_| lost).into_iter().for_each(|who| self.model.asks.goes_down(who));
        self.model.asks.unsure(|of, _, who| of == pair && Some(who) == to);
        self.model.claims.retain(|(of, _), _| *of != pair);
        let owed = self.lose(before.filter(|_| lost).into_iter().collect());
        let out = self.publish();
        self.expect_resets(&out, owed);
    }

    /// A member of those that share the work is lost, drained, taken away or comes back; or nobody keeps the work any longer.
    fn member_goes(&mut self, pair: Pair) {
        let (members, plan) = (self.model.plan.members_of(pair), &mut self.model.plan);
        let who = self.dice.pick(&members);
        let away: Vec<Who> = members.iter().copied().filter(|who| !plan.members[*who].is_back).collect();
        let is_up = |who: &Who| plan.members[*who].state == State::Up;
        let lost = if !members.iter().any(is_up) && self.dice.once_in(4) {
            plan.ends_gap(pair)
        } else {
            let to = match plan.members[who].state {
                State::Up => self.dice.pick(&[State::Down, State::Down, State::Drained, State::Offline]),
                State::Drained => self.dice.pick(&[State::Up, State::Down, State::Offline]),
                _ => State::Up,
            };
            if to == State::Down {
                self.model.asks.goes_down(who);
            }
            plan.goes(who, to)
        };
        let policy = plan.features.on_down_udp[pair];
        for who in away.into_iter().filter(|who| plan.members[*who].is_back) {
            self.model.shares.returns(who, policy);
        }
        let owed = self.lose(lost);
        let out = self.publish();
        self.expect_resets(&out, owed);
    }

    /// These members are lost: what is owed for it.
    fn lose(&mut self, members: Vec<Who>) -> Vec<Owed> {
        let (mut owed, features) = (Vec::new(), &self.model.plan.features);
        for who in members {
            owed.extend(self.model.flows.lose(who, features.on_down_tcp[pair(who)]));
            self.model.shares.lose(who);
        }
        owed
    }

    /// Makes the plan the appliance's.
    pub fn publish(&mut self) -> Out {
        if self.traces {
            println!("published: {:?}", self.model.plan);
        }
        let rig = &mut self.lab.rig;
        (rig.intent, rig.health) = (self.model.plan.intent(), self.model.plan.health());
        rig.adjacency = neighbours(&rig.intent);
        let mut out = rig.publish();
        loop {
            let more = self.lab.rig.settle();
            if more.is_empty() {
                return self.by_either_router(out, true);
            }
            out.extend(more);
        }
    }

    /// Exactly the resets that are owed have been sent.
    fn expect_resets(&self, out: &Out, owed: Vec<Owed>) {
        let mut sent: HashMap<(Endpoint, Endpoint), Vec<u32>> = HashMap::new();
        for frame in out {
            let way = wire::Packet::parse(&frame.1).unwrap().tuple().unwrap();
            let to = self.model.plan.who_is(way.dst.addr).map_or(ROUTER, testbench::plan::host);
            let at = frame.1.len().min(if frame.1[12..14] == [0x81, 0] { 42 } else { 38 });
            let seq = u32::from_be_bytes(frame.1[at..at + 4].try_into().unwrap());
            self.lab.expect_reset(frame, to, way.src, way.dst, seq);
            sent.entry((way.src, way.dst)).or_default().push(seq);
        }
        for Owed { way, flow, side } in owed {
            let sent = sent.remove(&(way.src, way.dst));
            if sent.is_none() && (flow.strayed || flow.fins.contains(&true)) {
                // It was ending by itself.
                continue;
            }
            let mut seqs = sent.unwrap_or_else(|| panic!("{way:?} is not sent of {flow:?}"));
            if flow.complete {
                let mut numbers = flow.numbers(side);
                numbers.sort();
                seqs.sort();
                assert_eq!(seqs, numbers, "{way:?} of {flow:?}");
            }
            assert!(seqs.iter().all(|seq| flow.plausible(side, *seq)), "{way:?} is sent {seqs:?}: {flow:?}");
        }
        sent.retain(|(src, dst), _| !self.model.flows.has_strayed(*src, *dst));
        assert!(sent.is_empty(), "nobody owes a reset to {sent:?}");
    }

    /// The file changes.
    fn reload(&mut self) {
        let plan = &mut self.model.plan;
        match self.dice.roll(11) {
            0..2 => {
                let net = self.dice.pick(&[0xac10_0500, 0xac10_0900]) | self.dice.roll(80);
                let net = Ipv4Net::new(Ipv4Addr::from(net), self.dice.pick(&[32, 30, 28])).unwrap().trunc();
                plan.excluded.push(net);
            }
            2 => {
                plan.narrowed |= plan.excluded.pop().is_some();
            }
            3 => {
                plan.swapped[self.dice.roll(2) as usize] ^= true;
                plan.second_first ^= true;
            }
            4 => plan.detour ^= true,
            5..7 => {
                plan.second ^= true;
                plan.second_first ^= self.dice.once_in(2);
                if !plan.second {
                    self.claims_of_the_second_pair_end();
                    self.addresses_go(|address| belongs_to(address, 1));
                }
            }
            7 | 8 => self.features_change(),
            _ => self.sharing_changes(),
        }
        self.calls_of_hosts_no_longer_excluded();
        let rig = &mut self.lab.rig;
        rig.intent = self.model.plan.intent();
        assert_eq!(self.publish(), [], "a reload resets nobody");
    }

    /// Whether such a call is still remembered when its host is excluded once more, nobody says.
    fn calls_of_hosts_no_longer_excluded(&mut self) {
        let plan = &self.model.plan;
        let freed: Vec<_> =
            self.model.called.iter().filter(|(_, remote)| !plan.excludes(remote.addr)).copied().collect();
        for note in freed {
            self.model.called.remove(&note);
            self.called_before.insert(note.1);
        }
    }

    /// Another mode, other weights and priorities, a member more or less.
    fn sharing_changes(&mut self) {
        let (pair, plan) = (pair(self.who()), &mut self.model.plan);
        if !plan.is_shared(pair) {
            return;
        }
        match self.dice.roll(5) {
            0 => {
                plan.modes[pair] = self.dice.pick(&[Mode::RoundRobin, Mode::LeastConnections, Mode::SourceHash]);
                self.model.shares.unsettle_sources(pair);
            }
            1 => {
                let who = self.dice.pick(&plan.members_of(pair));
                plan.weights[who] = 1 + self.dice.roll(4);
            }
            2 => {
                let who = self.dice.pick(&plan.members_of(pair));
                plan.priorities[who] = self.dice.roll(3) as u16;
            }
            3 => plan.min_active[pair] = 1 + self.dice.roll(2) as usize,
            _ if plan.has_third(pair) => {
                let third = plan.third_goes(pair);
                self.addresses_go(|address| address == own(third));
            }
            // Where nobody is up, that would be a loss as well: whoever keeps the work would have it no longer.
            _ if plan.is_any_up(pair) => plan.third_comes(pair),
            _ => {}
        }
    }

    fn claims_of_the_second_pair_end(&mut self) {
        self.model.claims.retain(|(of, _), _| *of == 0);
        self.model.called.retain(|(of, _)| *of == 0);
        self.model.asks.forget(|pair| pair == 1, |_| false);
        // Whether what was asked of it is remembered is left open.
        self.model.asks.unsure(|_, remote, _| remote.addr == vip(1));
    }

    /// These addresses are no member's and not virtual any longer.
    fn addresses_go(&mut self, theirs: impl Fn(Ipv4Addr) -> bool) {
        let members = (0..6).filter(|who| theirs(own(*who)));
        let calls: Vec<_> = members.map(|who| (vip(pair(who)), self.model.flows.ports_of(who))).collect();
        let is_call =
            |remote: Endpoint| calls.iter().any(|(vip, from)| remote.addr == *vip && from.contains(&remote.port));
        let (plan, shares) = (&self.model.plan, &self.model.shares);
        self.absent.extend((0..6).filter(|who| theirs(own(*who)) && plan.is_shared(pair(*who))));
        let is_call_to_it = |flow: &Flow| {
            let Way { src, dst } = flow.arrives[0];
            let called = plan.served_at(src.addr).filter(|_| flow.protocol == Protocol::Udp && src.port == 5060);
            let with = called.and_then(|called| shares.known(called, dst));
            with.and_then(Keeper::of).is_some_and(|who| theirs(own(who)))
        };
        self.model.flows.forget(&theirs, is_call_to_it);
        let concerns = |pair: Pair, remote: Endpoint| theirs(vip(pair)) || is_call(remote);
        let is_gone = |who: Who| who < 6 && theirs(own(who));
        self.model.shares.forget(concerns, |pair| theirs(vip(pair)), is_gone, &theirs);
        self.model.asks.forget(|_| false, is_gone);
        self.model.rates.forget(|owner| match owner {
            Owner::Server(pair) => theirs(vip(pair)),
            Owner::Member(who) => is_gone(who),
        });
        self.forget_dialogs(&theirs);
        let gone =
            |datagram: &mut Fragmented| theirs(datagram.packet.way.src.addr) || theirs(datagram.packet.way.dst.addr);
        let gone: Vec<_> = self.fragmented.extract_if(.., gone).collect();
        self.incomplete.extend(gone);
    }

    /// All workers are replaced by fresh ones, which know what the file says and who is active, and nothing else.
    fn restart(&mut self) {
        if self.traces {
            println!("restarted");
        }
        let now = self.lab.rig.now;
        self.model.plan.narrowed = false;
        self.lab.rig = Rig::new(Memory::default(), self.model.plan.intent(), self.workers);
        self.lab.rig.now = now;
        self.lab.rig.count_sip();
        self.model.forget();
        self.identifications = Identifications::default();
        self.called_before.clear();
        self.absent.clear();
        self.fragmented.iter_mut().for_each(|datagram| datagram.held.fill(false));
        self.incomplete.clear();
        assert_eq!(self.publish(), []);
    }

    /// Pieces whose rest has not come in ten seconds are given up.
    pub fn jump(&mut self) {
        let before = self.lab.rig.counters().drops(DropReason::FragmentIncomplete);
        self.lab.rig.wait(Duration::from_secs(11));
        assert_eq!(self.lab.rig.settle(), []);
        let waited: usize = self
            .fragmented
            .iter()
            .chain(&self.incomplete)
            .map(|datagram| datagram.held.iter().filter(|held| **held).count())
            .sum();
        let given_up = self.lab.rig.counters().drops(DropReason::FragmentIncomplete) - before;
        assert_eq!((given_up, self.lab.rig.counters().held), (waited as u64, 0));
        self.fragmented.iter_mut().for_each(|datagram| datagram.held.fill(false));
        self.incomplete.clear();
    }

    /// Everything is idle until nothing can be remembered any more.
    pub fn rest(&mut self) {
        for _ in 0..150 {
            self.lab.rig.now += Duration::from_secs(50);
            assert_eq!(self.lab.rig.settle(), [], "what is forgotten is forgotten in silence");
        }
        let counters = self.lab.rig.counters();
        assert_eq!((counters.flows, counters.held, counters.imbalance()), (0, 0, 0), "tables drain");
        let limits = &self.lab.rig.workers[0].engine().snapshot().connection_limits;
        let all = limits.members().map(|(_, limit)| limit).chain(limits.servers().map(|(_, limit)| limit));
        assert!(all.into_iter().all(|limit| limit.connections() == 0), "and nothing is counted any more");
        self.model.forget();
        self.identifications = Identifications::default();
        self.called_before.clear();
        self.absent.clear();
        self.fragmented.clear();
        self.incomplete.clear();
    }
}
