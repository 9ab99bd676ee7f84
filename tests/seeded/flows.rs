//! Who talks to whom, as the appliance has to remember it: maps that only grow until everything is idle.

use crate::flow::{Flow, Phase, State};
use crate::keeper::Counted;
use crate::packet::{Packet, Way};
use fairlead::policy::intent::OnDownTcp;
use fairlead::time::{Duration, Instant};
use fairlead::wire::{Endpoint, Protocol};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use testbench::plan::{Pair, Who, pair};

/// A handshake of which nothing was heard for so long may give way to another, or a little sooner.
const HANDSHAKE: Duration = Duration::from_millis(2_900);

/// What a mapping outward belongs to: protocol, member, the member's port or echo identifier.
pub type Source = (Protocol, Who, u16);

/// A reset that somebody must get: from, to, and whether a sequence number is right.
pub struct Owed {
    pub way: Way,
    pub flow: Flow,
    pub side: usize,
}

#[derive(Default)]
pub struct Flows {
    flows: Vec<Flow>,
    arriving: HashMap<(Protocol, Way), (usize, usize)>,
    /// The port each source is translated to.
    ports: HashMap<Source, u16>,
    users: HashMap<(Protocol, Pair, u16), Source>,
    /// Sources whose port may be given back, as their connection may be forgotten.
    loose: Vec<Source>,
}

impl Flows {
    /// The flow a packet on this way belongs to, and its side.
    pub fn find(&self, protocol: Protocol, way: Way) -> Option<(usize, usize)> {
        self.arriving.get(&(protocol, way)).copied()
    }

    pub fn get(&self, flow: usize) -> &Flow {
        &self.flows[flow]
    }

    /// One of those remembered, picked by a number; `None` if there is none, or it has been replaced.
    pub fn pick(&self, number: usize) -> Option<&Flow> {
        let at = number.checked_rem(self.flows.len())?;
        self.is_current(at).then(|| &self.flows[at])
    }

    /// No newer flow has taken its place.
    fn is_current(&self, at: usize) -> bool {
        let flow = &self.flows[at];
        (0..2).all(|side| self.find(flow.protocol, flow.arrives[side]) == Some((at, side)))
    }

    /// Remembers a flow; an older one on the same ways is forgotten.
    pub fn add(&mut self, flow: Flow) -> usize {
        let at = self.flows.len();
        for (side, way) in flow.arrives.into_iter().enumerate() {
            self.arriving.insert((flow.protocol, way), (at, side));
        }
        if let Some(who) = flow.member {
            let (mine, port) = (flow.arrives[1].src.port, flow.arrives[0].dst.port);
            self.ports.insert((flow.protocol, who, mine), port);
            self.users.insert((flow.protocol, pair(who), port), (flow.protocol, who, mine));
        }
        self.flows.push(flow);
        at
    }

    /// A segment of another connection has met one whose packets leave so: what is known of it is no longer certain.
    pub fn has_strayed(&self, src: Endpoint, dst: Endpoint) -> bool {
        let leaves = |flow: &Flow, side: usize| (flow.leaves(side).src, flow.leaves(side).dst);
        self.flows.iter().any(|flow| flow.strayed && (0..2).any(|side| leaves(flow, side) == (src, dst)))
    }

    /// Both halves of a connection between two members are there, and belong together.
    pub fn is_paired(&self, at: usize) -> bool {
        let twin = self.flows[at].twin;
        self.is_current(at) && twin.is_none_or(|twin| self.is_current(twin) && self.flows[twin].twin == Some(at))
    }

    pub fn join(&mut self, one: usize, other: usize) {
        (self.flows[one].twin, self.flows[other].twin) = (Some(other), Some(one));
    }

    /// A segment of a side went through, by which the connection `begins`, or is taken up.
    pub fn track(&mut self, (at, side): (usize, usize), packet: &Packet, is_complete: bool, now: Instant) {
        let flow = &mut self.flows[at];
        flow.complete &= is_complete;
        // What its opener repeats, a stranger can as well.
        if flow.heard == Instant::ZERO || side != flow.opener {
            flow.heard = now;
        }
        flow.track(side, packet);
    }

    /// It is a connection whose first segment was this side's: a SYN, or one in its middle.
    pub fn begins(&mut self, at: usize, side: usize, opens: bool) {
        let phase = match (opens, side) {
            (true, _) => Phase::Opening,
            (false, 0) => Phase::Claimed,
            (false, _) => Phase::Established,
        };
        (self.flows[at].phase, self.flows[at].opener) = (phase, side);
    }

    /// Connections to the service of a pair that are counted, of `who` if that is said; without the one that is `replaced`.
    pub fn counted(&self, of: Pair, who: Option<Who>, replaced: Option<usize>) -> impl Iterator<Item = Counted> {
        let all = self.flows.iter().enumerate().filter(move |(_, flow)| flow.serves == Some(of));
        let its = all.filter(move |(at, flow)| Some(*at) != replaced && (who.is_none() || flow.member == who));
        its.filter(move |(at, _)| self.is_current(*at)).map(|(_, flow)| flow.counted())
    }

    /// Those of a service whose handshake nobody continues may be forgotten.
    pub fn half_open_give_way(&mut self, of: Pair, now: Instant) {
        for at in 0..self.flows.len() {
            let flow = &self.flows[at];
            let is_quiet = flow.phase != Phase::Established && now.since(flow.heard) >= HANDSHAKE;
            let stands = matches!(flow.state, State::Open | State::Drained | State::Dropped);
            if flow.serves == Some(of) && is_quiet && stands && self.is_current(at) {
                self.unsettle(at);
            }
        }
    }

    /// Which port it has is no longer certain.
    pub fn is_loose(&self, source: Source) -> bool {
        self.loose.contains(&source)
    }

    /// What is known of it, and of its other half, is no longer certain.
    fn unsettle(&mut self, at: usize) {
        for at in [Some(at), self.flows[at].twin].into_iter().flatten() {
            let flow = &mut self.flows[at];
            (flow.complete, flow.strayed) = (false, true);
            if let (Some(who), None) = (flow.member, flow.serves) {
                self.loose.push((flow.protocol, who, flow.arrives[1].src.port));
            }
        }
    }

    /// The port a source is translated to, if it has a mapping.
    pub fn snat_port(&self, source: Source) -> Option<u16> {
        self.ports.get(&source).copied()
    }

    /// The UDP ports a member is translated to.
    pub fn ports_of(&self, who: Who) -> Vec<u16> {
        let its = self.ports.iter().filter(|((protocol, by, _), _)| (*protocol, *by) == (Protocol::Udp, who));
        its.map(|(_, port)| *port).collect()
    }

    /// A member has been translated to the UDP port.
    pub fn is_mapped(&self, pair: Pair, port: u16) -> bool {
        self.users.contains_key(&(Protocol::Udp, pair, port))
    }

    /// Nobody else has the port.
    pub fn free(&self, source: Source, port: u16) -> bool {
        self.users.get(&(source.0, pair(source.1), port)).is_none_or(|other| *other == source)
    }

    /// `source` was seen to get `port`: that must be its own if it was free, and nobody else's.
    pub fn expect_port(&self, source: Source, port: u16) {
        let user = self.users.get(&(source.0, pair(source.1), port));
        if user.is_some_and(|user| self.is_loose(*user)) || self.is_loose(source) {
            return;
        }
        assert!(self.free(source, port), "{source:?} was given port {port}, which is another's");
        match self.snat_port(source) {
            Some(known) => assert_eq!(known, port, "one port, one mapping (RFC 4787 REQ-1)"),
            None if self.free(source, source.2) => {
                assert_eq!(port, source.2, "a port that is free is kept: {source:?}")
            }
            // An echo identifier has no low range and no service.
            None if source.0 == Protocol::Icmp => {}
            None => {
                let alike = (port < 1024) == (source.2 < 1024);
                assert!(alike && port != 5060 && port != 5061, "{source:?} was given port {port} (RFC 4787 REQ-3)");
            }
        }
    }

    /// The connections of a member end, or go on, as its pool says; these resets are owed.
    pub fn lose(&mut self, who: Who, policy: OnDownTcp) -> Vec<Owed> {
        let mut owed = Vec::new();
        for at in 0..self.flows.len() {
            let flow = &self.flows[at];
            let stands = match flow.state {
                State::Open | State::Drained => true,
                State::Dropped => policy == OnDownTcp::Reset,
                State::Ended | State::Lost => false,
            };
            let ends = flow.protocol == Protocol::Tcp && flow.member == Some(who) && stands;
            if !ends || !self.is_current(at) {
                continue;
            }
            if policy != OnDownTcp::Reset {
                self.leave(at, policy);
                continue;
            }
            self.flows[at].state = State::Lost;
            let flow = self.flows[at].clone();
            owed.push(Owed { way: flow.leaves(0), flow: flow.clone(), side: 1 });
            match flow.twin {
                Some(twin) => {
                    self.flows[twin].state = State::Lost;
                    let twin = self.flows[twin].clone();
                    owed.push(Owed { way: twin.leaves(0), flow: twin, side: 1 });
                }
                None => owed.push(Owed { way: flow.leaves(1), flow, side: 0 }),
            }
        }
        owed
    }

    /// A connection of a lost member is left to itself.
    fn leave(&mut self, at: usize, policy: OnDownTcp) {
        let state = if policy == OnDownTcp::Drain { State::Drained } else { State::Dropped };
        // What happens to one that was ending by itself is left open.
        if state == State::Dropped && (self.flows[at].strayed || self.flows[at].fins.contains(&true)) {
            return self.unsettle(at);
        }
        // Where both ends of one are lost, what leaves less of it.
        for at in [Some(at), self.flows[at].twin].into_iter().flatten() {
            let flow = &mut self.flows[at];
            flow.state = if flow.state == State::Dropped { State::Dropped } else { state };
        }
    }

    /// What is translated and touches an address that is gone, or has its member behind a virtual address, is forgotten. What is only routed stays, but for visits of a
    /// service port: the member is a host like another.
    pub fn forget(&mut self, gone: impl Fn(Ipv4Addr) -> bool, is_call_to_it: impl Fn(&Flow) -> bool) {
        let all = std::mem::take(self);
        let mut places = HashMap::new();
        let mut kept: Vec<(usize, &Flow)> =
            all.flows.iter().enumerate().filter(|(at, _)| all.is_current(*at)).collect();
        let visit = |flow: &Flow| flow.protocol == Protocol::Udp && flow.arrives.iter().any(|way| way.src.port == 5060);
        let touches = |flow: &Flow| flow.arrives.iter().any(|way| gone(way.src.addr) || gone(way.dst.addr));
        let goes = |flow: &Flow| {
            touches(flow) || is_call_to_it(flow) || flow.twin.is_some_and(|twin| touches(&all.flows[twin]))
        };
        kept.retain(|(_, flow)| flow.member.is_none() && !visit(flow) || !goes(flow));
        for (at, flow) in kept {
            places.insert(at, self.add(flow.clone()));
        }
        for flow in &mut self.flows {
            flow.twin = flow.twin.and_then(|twin| places.get(&twin).copied());
        }
    }
}
