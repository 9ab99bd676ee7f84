//! Who talks to whom, as the appliance has to remember it: maps that only grow until everything is idle.
//!
//! A flow is the two ways on which its packets arrive. What arrives on one way leaves as the answer to the other.

use crate::packet::{Packet, Way, What};
use fairlead::wire::{Endpoint, Protocol};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use testbench::plan::{Pair, Who, pair};

/// What a mapping outward belongs to: protocol, member, the member's port or echo identifier.
pub type Source = (Protocol, Who, u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    /// Both sides said goodbye, or one reset.
    Ended,
    /// The member was lost, and both ends were reset.
    Lost,
}

/// Side 0 is whoever is outside, side 1 the member. (Of a flow that is not translated either may be either.)
#[derive(Clone, Debug)]
pub struct Flow {
    pub protocol: Protocol,
    /// How the packets of each side arrive.
    pub arrives: [Way; 2],
    /// Translated for this member; `None`: not translated.
    pub member: Option<Who>,
    pub state: State,
    /// A connection: one past the last octet each side was seen to send, and what it acknowledged last.
    pub sent: [Option<u32>; 2],
    pub acknowledged: [Option<u32>; 2],
    /// The first number each side was seen to use.
    pub first: [Option<u32>; 2],
    pub fins: [bool; 2],
    /// It was seen from its beginning.
    pub complete: bool,
    /// Something came that belongs to another connection.
    pub strayed: bool,
    /// Its host outside was excluded when it began.
    pub excluded: bool,
    /// The other half of a connection between two members, which goes out and comes back in.
    pub twin: Option<usize>,
}

impl Flow {
    pub fn new(protocol: Protocol, arrives: [Way; 2], member: Option<Who>) -> Flow {
        Flow {
            protocol,
            arrives,
            member,
            state: State::Open,
            sent: [None; 2],
            acknowledged: [None; 2],
            first: [None; 2],
            fins: [false; 2],
            complete: true,
            strayed: false,
            excluded: false,
            twin: None,
        }
    }

    /// How the packets of a side leave.
    pub fn leaves(&self, side: usize) -> Way {
        self.arrives[1 - side].back()
    }

    /// A segment of `side` went through.
    fn track(&mut self, side: usize, packet: &Packet) {
        let What::Segment { flags, seq, ack } = packet.what else { return };
        let length = packet.payload.len() as u32 + u32::from(flags.syn()) + u32::from(flags.fin());
        self.first[side].get_or_insert(seq);
        // What comes from nowhere, of another connection that had the same ends, says nothing about this one.
        let strays = |known: Option<u32>, number: u32| {
            known.is_some_and(|known| number.wrapping_sub(known).wrapping_add(1 << 20) > 1 << 21)
        };
        if strays(self.sent[side], seq) || flags.ack() && strays(self.acknowledged[side], ack) {
            self.complete = false;
            self.strayed = true;
            return;
        }
        self.sent[side] = Some(later(self.sent[side], seq.wrapping_add(length)));
        if flags.ack() {
            self.acknowledged[side] = Some(later(self.acknowledged[side], ack));
        }
        self.fins[side] |= flags.fin();
        if flags.rst() || self.fins == [true; 2] {
            self.state = State::Ended;
        }
    }

    /// The numbers one of which a reset must have so that `side` heeds it: whichever it waits for now (RFC 5961).
    pub fn numbers(&self, side: usize) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.acknowledged[side].into_iter().chain(self.sent[1 - side]).collect();
        numbers.dedup();
        numbers
    }

    /// Of a connection that was not seen from its beginning nobody can know the number exactly.
    pub fn plausible(&self, side: usize, seq: u32) -> bool {
        self.strayed || self.numbers(side).contains(&seq) || self.first[1 - side] == Some(seq)
    }
}

/// The later of two sequence numbers.
fn later(one: Option<u32>, other: u32) -> u32 {
    match one {
        Some(one) if one.wrapping_sub(other) < 1 << 31 => one,
        _ => other,
    }
}

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

    pub fn track(&mut self, (at, side): (usize, usize), packet: &Packet, complete: bool) {
        self.flows[at].complete &= complete;
        self.flows[at].track(side, packet);
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

    /// The connections of a member end, and these resets are owed.
    pub fn lose(&mut self, who: Who) -> Vec<Owed> {
        let mut owed = Vec::new();
        for at in 0..self.flows.len() {
            let flow = &self.flows[at];
            let ends = flow.protocol == Protocol::Tcp && flow.member == Some(who) && flow.state == State::Open;
            if !ends || !self.is_current(at) {
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
