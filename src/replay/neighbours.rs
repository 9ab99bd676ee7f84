//! Whose MAC is known when, during a replay.
//!
//! Owns the adjacency that snapshots are compiled from: what the whole file shows, what ARP in it says in time, what is made up, and when
//! somebody who was asked for is given up. Sends nothing.

use super::settings::NeighbourSource;
use crate::policy::adjacency::{Adjacency, Neighbour, NextHop};
use crate::policy::intent::Intent;
use crate::time::{Duration, Instant};
use crate::wire::{Kind, Mac, Packet};
use std::collections::{BTreeMap, HashMap};

/// How long frames wait for a MAC: as the appliance asks three times, a second apart.
const PATIENCE: Duration = Duration::from_secs(3);
/// Hosts whose MAC is known, at most; whose is not kept is not reached.
const MOST: usize = 65_536;
/// Hosts that are waited for at once, at most.
const MOST_WAITING: usize = 4_096;

/// Next hops and their MACs.
pub(super) struct Neighbours {
    source: NeighbourSource,
    pub adjacency: Adjacency,
    /// Until when each is waited for.
    waiting: BTreeMap<NextHop, Instant>,
    made_up: u32,
}

impl Neighbours {
    /// `shown` is what the whole file shows of them.
    pub fn new(intent: &Intent, source: NeighbourSource, shown: &HashMap<NextHop, Mac>) -> Neighbours {
        let mut adjacency = Adjacency::default();
        if source != NeighbourSource::Arp {
            adjacency.extend(shown.iter().map(|(hop, mac)| (*hop, Neighbour::Reachable(*mac))));
        }
        let fixed = intent.neighbours.iter().filter_map(|host| Some((host.hop(), Neighbour::Reachable(host.mac?))));
        adjacency.extend(fixed);
        let mut neighbours = Neighbours { source, adjacency, waiting: BTreeMap::new(), made_up: 0 };
        if source == NeighbourSource::Assumed {
            let routers = intent.routers();
            let kept: Vec<NextHop> = intent.members.iter().map(|member| member.hop()).chain(routers).collect();
            kept.into_iter().for_each(|hop| _ = neighbours.make_up(hop));
        }
        neighbours
    }

    /// This MAC was made up for somebody.
    pub fn is_made_up(&self, mac: Mac) -> bool {
        let Mac([.., a, b, c]) = mac;
        let number = u32::from_be_bytes([0, a, b, c]);
        mac == made_up(number) && (1..=self.made_up).contains(&number)
    }

    /// Packets wait for this next hop's MAC. Says whether it is known now and was not before.
    pub fn wanted(&mut self, hop: NextHop, now: Instant) -> bool {
        if matches!(self.adjacency.get(&hop), Some(Neighbour::Reachable(_))) {
            return false;
        }
        if self.source == NeighbourSource::Assumed {
            return self.make_up(hop);
        }
        if self.waiting.len() < MOST_WAITING {
            self.waiting.entry(hop).or_insert(now + PATIENCE);
        }
        false
    }

    /// ARP came in there. Says whether it tells anything new.
    pub fn hear(&mut self, intent: &Intent, frame: &[u8], hop: impl Fn(std::net::Ipv4Addr) -> NextHop) -> bool {
        let Ok(Packet { kind: Kind::Arp(arp), .. }) = Packet::parse(frame) else { return false };
        let hop = hop(arp.sender);
        let fixed = intent.neighbours.iter().any(|host| host.hop() == hop && host.mac.is_some());
        if fixed || arp.sender_mac.is_group() || intent.hop_towards(arp.sender) != Some(hop) {
            return false;
        }
        self.waiting.remove(&hop);
        let is_full = self.adjacency.len() >= MOST && !self.adjacency.contains_key(&hop);
        let known = Neighbour::Reachable(arp.sender_mac);
        !is_full && self.adjacency.insert(hop, known) != Some(known)
    }

    /// Those that were waited for long enough: they have failed from now on.
    pub fn give_up(&mut self, now: Instant) -> Vec<NextHop> {
        let late: Vec<NextHop> = self.waiting.iter().filter(|(_, until)| **until <= now).map(|(hop, _)| *hop).collect();
        for hop in &late {
            self.waiting.remove(hop);
            self.adjacency.insert(*hop, Neighbour::Failed);
        }
        late
    }

    fn make_up(&mut self, hop: NextHop) -> bool {
        if self.adjacency.contains_key(&hop) || self.adjacency.len() >= MOST {
            return false;
        }
        self.made_up += 1;
        self.adjacency.insert(hop, Neighbour::Reachable(made_up(self.made_up)));
        true
    }
}

/// Locally administered (IEEE 802 8.2).
fn made_up(number: u32) -> Mac {
    let [_, a, b, c] = number.to_be_bytes();
    Mac([0x06, 0x00, 0x00, a, b, c])
}
