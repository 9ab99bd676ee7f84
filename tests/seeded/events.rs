//! What happens to the appliance itself: switchovers, reloads, restarts, time.

use crate::flows::Owed;
use crate::run::Run;
use crate::send::{Fragmented, Identifications, Out};
use fairlead::engine::DropReason;
use fairlead::time::Duration;
use fairlead::wire::{self, Endpoint};
use ipnet::Ipv4Net;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use testbench::lab::*;
use testbench::plan::pair;
use testbench::rig::*;

impl Run {
    /// Something happens to the appliance.
    pub fn event(&mut self) {
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
        let to = self.dice.pick(&[None, Some(pair * 2), Some(pair * 2 + 1), Some(pair * 2 + 1)]);
        let (before, lost) = (self.model.plan.active[pair], self.dice.once_in(2));
        if to == before {
            return;
        }
        self.model.plan.switch_over(pair, to, lost);
        self.model.claims.retain(|(of, _), _| *of != pair);
        let owed = before.filter(|_| lost).map_or(vec![], |who| self.model.flows.lose(who));
        let out = self.publish();
        self.expect_resets(&out, owed);
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
        match self.dice.roll(6) {
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
            _ => {
                plan.second ^= true;
                plan.second_first ^= self.dice.once_in(2);
                if !plan.second {
                    self.second_pair_goes();
                }
            }
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

    fn second_pair_goes(&mut self) {
        let plan = self.model.plan.clone();
        self.model.flows.forget_pair(1, &plan);
        self.model.claims.retain(|(of, _), _| *of == 0);
        self.model.called.retain(|(of, _)| *of == 0);
        self.forget_dialogs(1);
        let theirs = |address: Ipv4Addr| {
            address == testbench::plan::vip(1) || (2..4).any(|who| testbench::plan::own(who) == address)
        };
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
        self.model.forget();
        self.identifications = Identifications::default();
        self.called_before.clear();
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
        self.model.forget();
        self.identifications = Identifications::default();
        self.called_before.clear();
        self.fragmented.clear();
        self.incomplete.clear();
    }
}
