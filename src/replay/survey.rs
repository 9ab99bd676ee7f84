//! What a capture shows of the link before anything is replayed: our own MACs, and those of the hosts around us.
//!
//! Owns the first pass over the file. A frame votes for what it can tell; most votes win. What is kept is bounded, however many hosts the
//! file has.

use super::hosts::Hosts;
use super::place::Found;
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{Intent, PortId};
use crate::time::Duration;
use crate::wire::facts::Link;
use crate::wire::{Kind, Mac, Packet};
use std::collections::HashMap;
use std::net::Ipv4Addr;

/// Hosts on links of which a MAC is noted.
const MOST_HOSTS: usize = 65_536;
/// MACs that may be ours, or one host's.
const MOST_OURS: usize = 64;
const MOST_THEIRS: usize = 3;

/// What was found out.
pub(super) struct Survey<'a> {
    intent: &'a Intent,
    hosts: &'a Hosts,
    ours: Vec<Votes>,
    theirs: HashMap<NextHop, Votes>,
    /// Frames that were looked at.
    pub frames: u64,
    /// When the first one that says so was captured, in nanoseconds since 1970.
    pub first: Option<u64>,
    latest: u64,
}

/// MACs and for how many frames each stands, in the order in which they were seen.
#[derive(Clone, Default)]
struct Votes(Vec<(Mac, u64)>);

/// One of our MACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnMac {
    pub mac: Mac,
    /// Frames that speak for it; none: the file shows no MAC of ours on that port.
    pub frames: u64,
    /// The next best, if so many frames speak for it that it may be meant.
    pub rival: Option<(Mac, u64)>,
}

impl<'a> Survey<'a> {
    pub fn new(intent: &'a Intent, hosts: &'a Hosts) -> Survey<'a> {
        let ours = vec![Votes::default(); intent.ports.len()];
        Survey { intent, hosts, ours, theirs: HashMap::new(), frames: 0, first: None, latest: 0 }
    }

    /// From the first frame to the latest, by their times.
    pub fn span(&self) -> Duration {
        Duration::from_nanos(self.latest.saturating_sub(self.first.unwrap_or(0)))
    }

    /// Looks at a frame, which came in where `found` says, or nobody knows where.
    pub fn look(&mut self, frame: &[u8], at: Option<u64>, found: Option<Found>) {
        self.frames += 1;
        self.first = self.first.or(at);
        self.latest = self.latest.max(at.unwrap_or(0));
        let Ok(packet) = Packet::parse(frame) else { return };
        let (link, src, dst) = (Link::of(frame), packet.src(), packet.dst());
        if let Kind::Arp(arp) = packet.kind {
            if self.hosts.is_ours(arp.sender) {
                self.vote(found.map(|found| found.place.port), arp.sender_mac);
            } else {
                self.note(arp.sender, arp.sender_mac, found);
                if self.hosts.is_ours(arp.target) {
                    self.vote(found.map(|found| found.place.port), link.dst);
                }
            }
            return;
        }
        if self.hosts.is_ours(dst) {
            self.vote(found.map(|found| found.place.port), link.dst);
        }
        if self.hosts.is_ours(src) {
            return self.vote(self.port_towards(dst), link.src);
        }
        if let Some(port) = self.port_of_member(src)
            && found.is_some_and(|found| found.place.port == port)
            && self.port_of_member(dst) != Some(port)
        {
            self.vote(Some(port), link.dst);
        }
        if let Some(port) = self.port_of_member(dst)
            && self.port_towards(src) != Some(port)
            && found.is_none_or(|found| !found.by_name || found.place.port == port)
        {
            self.vote(Some(port), link.src);
        }
        self.note(src, link.src, found);
    }

    /// Our MAC on each port, in the order of the configuration.
    pub fn own_macs(&self) -> Vec<OwnMac> {
        let none = |at: usize| OwnMac { mac: Mac([2, 0, 0, 0, 0, at as u8]), frames: 0, rival: None };
        let of = |(at, votes): (usize, &Votes)| {
            let Some((mac, frames)) = votes.best(|_| true) else { return none(at) };
            let rival = votes.best(|other| other != mac).filter(|(_, votes)| votes * 10 > frames);
            OwnMac { mac, frames, rival }
        };
        self.ours.iter().enumerate().map(of).collect()
    }

    /// The MACs of next hops, none of which is ours.
    pub fn neighbours(&self, ours: &[Mac]) -> HashMap<NextHop, Mac> {
        let of = |(hop, votes): (&NextHop, &Votes)| Some((*hop, votes.best(|mac| !ours.contains(&mac))?.0));
        self.theirs.iter().filter_map(of).collect()
    }

    fn vote(&mut self, port: Option<PortId>, mac: Mac) {
        if let Some(votes) = port.and_then(|port| self.ours.get_mut(port.index())) {
            votes.add(mac, MOST_OURS);
        }
    }

    /// Whoever sent it is at this MAC, or the router is that leads back to him.
    fn note(&mut self, src: Ipv4Addr, mac: Mac, found: Option<Found>) {
        let Some(hop) = self.intent.hop_towards(src) else { return };
        let came_that_way = found.is_none_or(|found| found.place.port == self.intent.interfaces[hop.interface].port);
        if came_that_way && (self.theirs.len() < MOST_HOSTS || self.theirs.contains_key(&hop)) {
            self.theirs.entry(hop).or_default().add(mac, MOST_THEIRS);
        }
    }

    fn port_of_member(&self, address: Ipv4Addr) -> Option<PortId> {
        let member = &self.intent.members[self.hosts.member(address)?];
        Some(self.intent.interfaces[member.interface].port)
    }

    fn port_towards(&self, address: Ipv4Addr) -> Option<PortId> {
        self.intent.hop_towards(address).map(|hop| self.intent.interfaces[hop.interface].port)
    }
}

impl Votes {
    fn add(&mut self, mac: Mac, most: usize) {
        if mac.is_group() || mac == Mac::ZERO {
            return;
        }
        match self.0.iter().position(|(known, _)| *known == mac) {
            Some(at) => self.0[at].1 += 1,
            None if self.0.len() < most => self.0.push((mac, 1)),
            None => {}
        }
    }

    /// The one with most votes of those that may be it, of several the first.
    fn best(&self, may: impl Fn(Mac) -> bool) -> Option<(Mac, u64)> {
        let allowed = self.0.iter().filter(|(mac, _)| may(*mac)).copied();
        allowed.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }
}
