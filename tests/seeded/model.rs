//! The translation, as simple as it can be written.
//!
//! Knows nothing of workers, tables, epochs or lists; only who is active, who spoke to whom, and which flow is whose.
//! What a member sends to a virtual address goes out and comes back in, as though the wire behind the appliance turned
//! around there.

use crate::admission::{Begins, Rates};
use crate::asks::Asks;
use crate::flow::{Flow, State};
use crate::flows::{Flows, Source};
use crate::keeper::{Came, Keeper};
use crate::packet::{Packet, Way, What};
use crate::shares::{Key, Shares};
use crate::sip::Sip;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::time::Instant;
use fairlead::wire::{Endpoint, Protocol};
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use testbench::lab::{Far, ROUTER};
use testbench::plan::{Pair, Plan, Who, host, pair, vip};

/// What must happen to a packet.
#[derive(Clone, Debug)]
pub enum Outcome {
    Forwarded(Forwarded),
    Dropped(Dropped),
    /// The appliance itself answers the ping.
    Answered,
}

impl Outcome {
    /// For a trace: short.
    pub fn in_words(&self) -> String {
        match self {
            Outcome::Forwarded(Forwarded { packet: Packet { way, .. }, to, events, .. }) => {
                format!("{} -> {} for {to:?} {events:?}", way.src, way.dst)
            }
            other => format!("{other:?}"),
        }
    }
}

/// A packet is dropped for one of these reasons.
#[derive(Clone, Copy, Debug)]
pub struct Dropped {
    pub reasons: &'static [DropReason],
    pub reply: Reply,
}

impl Dropped {
    pub fn new(reasons: &'static [DropReason], reply: Reply) -> Dropped {
        Dropped { reasons, reply }
    }
}

/// What the sender of a dropped packet gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Nothing,
    /// Port unreachable from this address.
    Closed(Ipv4Addr),
    Reset,
    /// Something or nothing: it is no business of the specification.
    Unspecified,
}

/// How a packet is forwarded, and what is to be remembered once it was.
#[derive(Clone, Debug)]
pub struct Forwarded {
    pub packet: Packet,
    pub to: Far,
    pub events: Vec<EngineEvent>,
    /// Events that may be made or not.
    pub perhaps: Vec<EngineEvent>,
    /// This source gets a port, which is the appliance's to choose.
    pub maps: Option<Source>,
    pub updates: Vec<Update>,
}

#[derive(Clone, Debug)]
pub enum Update {
    /// A member spoke to a remote from the service port, perhaps by SIP.
    Spoke(Who, Endpoint, Option<Sip>),
    /// A remote answered by SIP.
    Answered(Pair, Endpoint, Sip),
    /// An excluded host called the virtual address.
    Called(Pair, Endpoint),
    /// A flow begins; its first packet is of the side.
    Begins(Flow, usize),
    /// A connection is taken up in the middle.
    PickedUp(Flow, usize),
    Goes(usize, usize),
    /// Something came to a member's own address that opens nothing.
    Strayed(Way),
    /// A remote endpoint was given to a member of those that share the work; or may have been.
    Taken(Pair, Endpoint, Who, Came),
    TakenPerhaps(Pair, Endpoint, Who),
    /// So was a call.
    CallTaken(Pair, u32, Who),
    /// It was by this number.
    Hashed(Pair, Key, Who),
    /// This client began something with a member; or may have.
    Source(Pair, Ipv4Addr, Who),
    SourcePerhaps(Pair, Ipv4Addr, Who),
    /// It counts for the rates.
    Counts(Pair, Who, Begins),
}

/// What is the appliance's to choose, as seen in what it sent.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The port or identifier that a source is translated to.
    pub port: u16,
    /// The member that is given something new, where several are active.
    pub member: Option<Who>,
    /// It was refused by a limit.
    pub refused: bool,
}

impl Choice {
    /// Of a packet about which there is nothing to choose.
    pub const NONE: Choice = Choice { port: 0, member: None, refused: false };
}

pub struct Model {
    pub plan: Plan,
    /// Who spoke last to a remote without being active, since the last switchover, and whether the active one has since.
    pub claims: HashMap<(Pair, Endpoint), (Who, bool)>,
    /// Excluded hosts that called the virtual address: their answers are translated.
    pub called: HashSet<(Pair, Endpoint)>,
    pub flows: Flows,
    /// Where members share the work.
    pub shares: Shares,
    /// What members have asked by SIP.
    pub asks: Asks,
    /// What has begun lately, where rates are limited.
    pub rates: Rates,
    pub strayed: HashSet<Way>,
    pub now: Instant,
    /// How many share the work of the appliance.
    pub workers: usize,
}

impl Model {
    pub fn new(plan: Plan, workers: usize) -> Model {
        Model {
            plan,
            claims: HashMap::new(),
            called: HashSet::new(),
            flows: Flows::default(),
            shares: Shares::default(),
            asks: Asks::default(),
            rates: Rates::default(),
            strayed: HashSet::new(),
            now: Instant::ZERO,
            workers,
        }
    }

    /// Everything has been idle for hours, or the appliance has restarted.
    pub fn forget(&mut self) {
        let (shares, now) = (self.shares.after_a_restart(), self.now);
        *self = Model { shares, now, ..Model::new(self.plan.clone(), self.workers) };
    }

    /// What must happen to a packet; where that is the appliance's choice, it has chosen so.
    pub fn outcome(&self, packet: &Packet, chosen: Choice) -> Outcome {
        self.decide(packet, chosen).unwrap_or_else(Outcome::Dropped)
    }

    fn decide(&self, packet: &Packet, chosen: Choice) -> Result<Outcome, Dropped> {
        let (src, dst) = (packet.way.src.addr, packet.way.dst.addr);
        let forwarded = match (self.plan.who_is(src), self.plan.served_at(dst), self.plan.who_is(dst)) {
            (_, Some(_), _) if matches!(packet.what, What::EchoRequest) => return Ok(Outcome::Answered),
            (Some(who), Some(pair), _) => {
                let hairpin = |dropped: Dropped| match dropped.reasons {
                    [DropReason::OutwardNoFlow] => Dropped::new(&[DropReason::NoFlow], Reply::Unspecified),
                    _ => dropped,
                };
                let out = self.outward(packet, who, chosen).map_err(hairpin)?;
                self.inward(out, pair, true, chosen)?
            }
            (Some(_), None, Some(other)) => {
                Forwarded { events: vec![EngineEvent::MisroutedPeer], ..forwarded(packet, host(other)) }
            }
            (Some(who), None, None) => self.outward(packet, who, chosen)?,
            (None, Some(pair), _) => self.inward(forwarded(packet, ROUTER), pair, false, chosen)?,
            (None, None, Some(who)) => self.visit(packet, who),
            (None, None, None) => panic!("{packet:?} is nobody's business"),
        };
        Ok(Outcome::Forwarded(forwarded))
    }

    /// A member sends outward.
    fn outward(&self, packet: &Packet, who: Who, chosen: Choice) -> Result<Forwarded, Dropped> {
        match &packet.what {
            What::Error { .. } => Ok(self.error_outward(packet, who)),
            What::EchoReply => Ok(forwarded(packet, ROUTER)),
            What::Segment { .. } => self.segment_outward(packet, who, chosen),
            What::Datagram | What::EchoRequest => Ok(self.datagram_outward(packet, who, chosen)),
        }
    }

    /// A datagram or a ping.
    fn datagram_outward(&self, packet: &Packet, who: Who, chosen: Choice) -> Forwarded {
        let (protocol, way) = (packet.protocol(), packet.way);
        let in_call = self.is_in_call(packet, who);
        if let Some((flow, side)) = self.flows.find(protocol, way).filter(|_| !in_call) {
            return self.along(packet, flow, side);
        }
        let plain = self.plan.excludes(way.dst.addr);
        if protocol == Protocol::Udp && way.src.port == 5060 {
            if plain && !in_call && !self.called.contains(&(pair(who), way.dst)) {
                return Forwarded { perhaps: vec![EngineEvent::StandbySpoke], ..forwarded(packet, ROUTER) };
            }
            let standby = !self.plan.is_shared(pair(who)) && self.plan.active[pair(who)] != Some(who);
            return Forwarded {
                events: if standby { vec![EngineEvent::StandbySpoke] } else { vec![] },
                updates: vec![Update::Spoke(who, way.dst, packet.sip)],
                ..forwarded(&packet.on(Way::new(Endpoint::new(vip(pair(who)), 5060), way.dst)), ROUTER)
            };
        }
        if plain { self.begins_plain(packet, ROUTER) } else { self.begins(packet, who, chosen) }
    }

    /// A member says this in a call of the virtual address.
    pub fn is_in_call(&self, packet: &Packet, who: Who) -> bool {
        let is_of_service = matches!(packet.what, What::Datagram) && packet.way.src.port == 5060;
        let call = self.call_of(pair(who), packet.sip.filter(|_| is_of_service));
        match call.and_then(|call| self.shares.call(pair(who), call)) {
            Some(Keeper::Sure(_) | Keeper::Back(_)) => true,
            Some(Keeper::Lost(by)) => self.is_left(by),
            _ => false,
        }
    }

    pub fn along(&self, packet: &Packet, at: usize, side: usize) -> Forwarded {
        let on = packet.on(self.flows.get(at).leaves(side));
        let to = self.plan.who_is(on.way.dst.addr).map_or(ROUTER, host);
        // Opened under an exclusion that was taken away: it is forwarded as it is, and nobody remembers why.
        let flow = self.flows.get(at);
        let freed = flow.member.is_none() && flow.excluded;
        let perhaps = if freed { vec![EngineEvent::UnmatchedFromMember] } else { vec![] };
        Forwarded { perhaps, updates: vec![Update::Goes(at, side)], ..forwarded(&on, to) }
    }

    /// A flow begins that is not translated.
    pub fn begins_plain(&self, packet: &Packet, to: Far) -> Forwarded {
        let excluded = self.plan.excludes(packet.way.src.addr) || self.plan.excludes(packet.way.dst.addr);
        let flow = Flow { excluded, ..Flow::new(packet.protocol(), [packet.way, packet.way.back()], None) };
        Forwarded { updates: vec![Update::Begins(flow, 0)], ..forwarded(packet, to) }
    }

    /// A member's flow begins that is translated; if its source has a port already, that one, else `chosen`.
    pub fn begins(&self, packet: &Packet, who: Who, chosen: Choice) -> Forwarded {
        let source = (packet.protocol(), who, packet.way.src.port);
        let port = self.flows.snat_port(source);
        let flow = translated(packet, who, port.unwrap_or(chosen.port));
        let on = packet.on(flow.leaves(1));
        let maps = if port.is_none() { Some(source) } else { None };
        // Whether its port talks to more than four addresses now depends on what has expired.
        let perhaps = if packet.protocol() == Protocol::Udp { vec![EngineEvent::FilterOpened] } else { vec![] };
        Forwarded { maps, perhaps, updates: vec![Update::Begins(flow, 1)], ..forwarded(&on, ROUTER) }
    }

    /// What arrives for a virtual address, be it from outside or from a member whose packet has gone out.
    fn inward(&self, out: Forwarded, pair: Pair, hairpin: bool, chosen: Choice) -> Result<Forwarded, Dropped> {
        let mut out = out;
        if out.events.contains(&EngineEvent::UnmatchedFromMember) {
            // It cannot be routed to an address of ours.
            return Err(Dropped::new(&[DropReason::NoFlow], Reply::Unspecified));
        }
        if hairpin && out.packet.way.dst.port != 5060 {
            // Whether an answer counts as a standby that spoke is not specified.
            out.perhaps.append(&mut out.events);
        }
        let packet = &out.packet;
        let half = match &packet.what {
            What::Error { .. } => self.error_inward(packet, pair)?,
            What::Segment { .. } => self.segment_inward(packet, pair, chosen)?,
            What::Datagram if packet.way.dst.port == 5060 => self.service_inward(packet, pair, hairpin, chosen)?,
            _ => match self.flows.find(packet.protocol(), packet.way) {
                Some((at, side)) => self.along(packet, at, side),
                None => return Err(Dropped::new(&[DropReason::NotListening, DropReason::NoFlow], Reply::Unspecified)),
            },
        };
        let both = |mut one: Vec<_>, other: Vec<_>| {
            one.extend(other);
            one
        };
        let updates = out.updates.into_iter().chain(half.updates).collect();
        Ok(Forwarded {
            events: both(out.events, half.events),
            perhaps: both(out.perhaps, half.perhaps),
            updates,
            maps: out.maps,
            ..half
        })
    }

    /// The member that spoke last to `remote`, and whether it is not the active one.
    pub fn spoke_last(&self, pair: Pair, remote: Endpoint) -> Option<(Who, bool)> {
        if self.plan.is_shared(pair) {
            return self.shares.keeper(pair, remote).map(|who| (who, false));
        }
        match self.claims.get(&(pair, remote)) {
            Some(&(who, false)) => Some((who, true)),
            _ => self.plan.active[pair].map(|who| (who, false)),
        }
    }

    /// From outside to a member's own address: nothing is translated, nor are the answers.
    fn visit(&self, packet: &Packet, who: Who) -> Forwarded {
        let strays = match &packet.what {
            What::Error { .. } | What::EchoReply => return forwarded(packet, host(who)),
            What::Segment { flags, .. } => !flags.syn() || flags.ack(),
            _ => false,
        };
        let untranslated = |at: usize| self.flows.get(at).member.is_none() && self.flows.get(at).state == State::Open;
        // A visitor whose connection began before a restart is known again, where the ports do not say that it is one.
        let resumes = matches!(packet.what, What::Segment { flags, .. } if !flags.rst())
            && !answers_visitor(packet.way.back())
            && !self.plan.excludes(packet.way.src.addr)
            && [packet.way, packet.way.back()].iter().all(|way| self.flows.find(Protocol::Tcp, *way).is_none());
        match self.flows.find(packet.protocol(), packet.way) {
            Some((at, side)) if untranslated(at) => self.along(packet, at, side),
            _ if strays && resumes => {
                let visit = Flow::new(Protocol::Tcp, [packet.way, packet.way.back()], None);
                Forwarded { updates: vec![Update::PickedUp(visit, 0)], ..forwarded(packet, host(who)) }
            }
            _ if strays => Forwarded { updates: vec![Update::Strayed(packet.way)], ..forwarded(packet, host(who)) },
            _ => self.begins_plain(packet, host(who)),
        }
    }

    /// What is remembered of a packet that was forwarded.
    pub fn learn(&mut self, packet: &Packet, forwarded: &Forwarded) {
        let mut begun = Vec::new();
        for update in &forwarded.updates {
            match update.clone() {
                Update::Spoke(who, remote, sip) => self.speaks(who, remote, sip),
                Update::Answered(pair, remote, sip) => self.asks.note_answer(pair, remote, Some(sip), true),
                Update::Counts(pair, who, begins) => self.counts(pair, who, begins),
                Update::Called(pair, remote) => drop(self.called.insert((pair, remote))),
                Update::Strayed(way) => drop(self.strayed.insert(way)),
                Update::Goes(at, side) => self.flows.track((at, side), packet, true, self.now),
                Update::Begins(flow, side) | Update::PickedUp(flow, side) => {
                    let (at, begins) = (self.flows.add(flow), matches!(update, Update::Begins(..)));
                    self.flows.begins(at, side, begins);
                    self.flows.track((at, side), packet, begins, self.now);
                    begun.push(at);
                }
                update => self.began(&update),
            }
        }
        if let (&[one, other], Protocol::Tcp) = (begun.as_slice(), packet.protocol()) {
            self.flows.join(one, other);
        }
    }
}

/// The ports say that whoever sends on this way answers.
pub fn answers_visitor(way: Way) -> bool {
    way.src.port < 32_768 && way.dst.port >= 32_768
}

/// Forwarded as it is.
pub fn forwarded(packet: &Packet, to: Far) -> Forwarded {
    Forwarded { packet: packet.clone(), to, events: vec![], perhaps: vec![], maps: None, updates: vec![] }
}

/// The flow of a member's packet, when the member is translated to `port`.
pub fn translated(packet: &Packet, who: Who, port: u16) -> Flow {
    let mut back = Way::new(packet.way.dst, Endpoint::new(vip(pair(who)), port));
    if packet.protocol() == Protocol::Icmp {
        back.src.port = 0;
    }
    Flow::new(packet.protocol(), [back, packet.way], Some(who))
}
