//! What the translation is, said as simply as it can be.
//!
//! Knows nothing of workers, tables, epochs or lists; only who is active, who spoke to whom, and which flow is whose.
//! What a member sends to a virtual address goes out and comes back in, as though the wire behind the appliance turned
//! around there.

use crate::flows::{Flow, Flows, Source, State};
use crate::packet::{Letter, Way, What};
use fairlead::engine::{DropReason, Notice};
use fairlead::wire::{Endpoint, Protocol};
use std::collections::{HashMap, HashSet};
use testbench::lab::{Far, ROUTER};
use testbench::plan::{Pair, Plan, Who, host, own, pair, vip};

/// What becomes of a letter.
#[derive(Clone, Debug)]
pub enum Fate {
    Goes(Passage),
    Dies(End),
    /// The appliance itself answers the ping.
    Answered,
}

impl Fate {
    /// For a story: short.
    pub fn in_words(&self) -> String {
        match self {
            Fate::Goes(Passage { letter: Letter { way, .. }, to, notices, .. }) => {
                format!("{} -> {} for {to:?} {notices:?}", way.src, way.dst)
            }
            other => format!("{other:?}"),
        }
    }
}

/// How a letter dies: for one of these reasons.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub reasons: &'static [DropReason],
    pub told: Told,
}

impl End {
    pub fn new(reasons: &'static [DropReason], told: Told) -> End {
        End { reasons, told }
    }
}

/// What the sender of a letter that dies hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Nothing,
    /// Port unreachable from this address.
    Closed(std::net::Ipv4Addr),
    Reset,
    /// Something or nothing: it is no business of the specification.
    Perhaps,
}

/// How a letter goes on, and what is to be remembered once it has.
#[derive(Clone, Debug)]
pub struct Passage {
    pub letter: Letter,
    pub to: Far,
    pub notices: Vec<Notice>,
    /// Notices that may be made or not.
    pub perhaps: Vec<Notice>,
    /// This source begins to wear a port, which is the appliance's to choose.
    pub wears: Option<Source>,
    pub lessons: Vec<Lesson>,
}

#[derive(Clone, Debug)]
pub enum Lesson {
    /// A member spoke to a remote from the service port.
    Spoke(Who, Endpoint),
    /// An excluded host called the virtual address.
    Called(Pair, Endpoint),
    /// A flow begins; its packet is of the side.
    Begins(Flow, usize),
    /// A connection is taken up in the middle.
    PickedUp(Flow, usize),
    Goes(usize, usize),
    /// Something came to a member's own address that opens nothing.
    Strayed(Way),
}

pub struct Model {
    pub plan: Plan,
    /// Who spoke last to a remote without being active, since the last switchover.
    pub claims: HashMap<(Pair, Endpoint), Who>,
    /// Excluded hosts that called the virtual address: their answers are translated.
    pub called: HashSet<(Pair, Endpoint)>,
    pub flows: Flows,
    strayed: HashSet<Way>,
}

impl Model {
    pub fn new(plan: Plan) -> Model {
        Model { plan, claims: HashMap::new(), called: HashSet::new(), flows: Flows::default(), strayed: HashSet::new() }
    }

    /// Everything has been idle for hours, or the appliance begins anew.
    pub fn forget(&mut self) {
        *self = Model::new(self.plan.clone());
    }

    /// What becomes of a letter. If a source begins to wear a port, `chosen` is that port.
    pub fn fate(&self, letter: &Letter, chosen: u16) -> Fate {
        self.road(letter, chosen).unwrap_or_else(Fate::Dies)
    }

    fn road(&self, letter: &Letter, chosen: u16) -> Result<Fate, End> {
        let (src, dst) = (letter.way.src.addr, letter.way.dst.addr);
        let passage = match (self.plan.who_is(src), self.plan.served_at(dst), self.plan.who_is(dst)) {
            (_, Some(_), _) if matches!(letter.what, What::EchoRequest) => return Ok(Fate::Answered),
            (Some(who), Some(pair), _) => {
                let out = self.outward(letter, who, chosen)?;
                self.inward(out, pair, true)?
            }
            (Some(_), None, Some(other)) => {
                Passage { notices: vec![Notice::MisroutedPeer], ..passage(letter, host(other)) }
            }
            (Some(who), None, None) => self.outward(letter, who, chosen)?,
            (None, Some(pair), _) => self.inward(passage(letter, ROUTER), pair, false)?,
            (None, None, Some(who)) => self.visit(letter, who),
            (None, None, None) => panic!("{letter:?} is nobody's business"),
        };
        Ok(Fate::Goes(passage))
    }

    /// A member sends outward.
    fn outward(&self, letter: &Letter, who: Who, chosen: u16) -> Result<Passage, End> {
        match &letter.what {
            What::Error { .. } => Ok(self.error_outward(letter, who)),
            What::EchoReply => Ok(passage(letter, ROUTER)),
            What::Segment { .. } => self.segment_outward(letter, who, chosen),
            What::Datagram | What::EchoRequest => Ok(self.datagram_outward(letter, who, chosen)),
        }
    }

    /// A datagram or a ping.
    fn datagram_outward(&self, letter: &Letter, who: Who, chosen: u16) -> Passage {
        let (protocol, way) = (letter.protocol(), letter.way);
        if let Some((flow, side)) = self.flows.find(protocol, way) {
            return self.along(letter, flow, side);
        }
        let plain = self.plan.excludes(way.dst.addr);
        if protocol == Protocol::Udp && way.src.port == 5060 {
            if plain && !self.called.contains(&(pair(who), way.dst)) {
                return Passage { perhaps: vec![Notice::StandbySpoke], ..passage(letter, ROUTER) };
            }
            let standby = self.plan.active[pair(who)] != Some(who);
            return Passage {
                notices: if standby { vec![Notice::StandbySpoke] } else { vec![] },
                lessons: vec![Lesson::Spoke(who, way.dst)],
                ..passage(&letter.on(Way::new(Endpoint::new(vip(pair(who)), 5060), way.dst)), ROUTER)
            };
        }
        if plain { self.begins_plain(letter, ROUTER) } else { self.begins(letter, who, chosen) }
    }

    fn segment_outward(&self, letter: &Letter, who: Who, chosen: u16) -> Result<Passage, End> {
        let What::Segment { flags, .. } = letter.what else { panic!("{letter:?} is no segment") };
        let opens = flags.syn() && !flags.ack();
        if let Some(known) = self.known(letter, opens)? {
            return Ok(known);
        }
        let way = letter.way;
        if self.plan.excludes(way.dst.addr) {
            return Ok(if opens { self.begins_plain(letter, ROUTER) } else { passage(letter, ROUTER) });
        }
        if opens {
            return Ok(self.begins(letter, who, chosen));
        }
        let source = (Protocol::Tcp, who, way.src.port);
        let service = [5060, 5061].contains(&way.src.port);
        // A member's own, from before a restart: its port is one of those that hosts open from, and was kept.
        let own = way.src.port >= 32_768 && way.dst.port < 32_768 && !flags.syn() && !flags.rst();
        let kept = self.flows.worn(source).unwrap_or(way.src.port) == way.src.port;
        if service && flags.rst() {
            // There is nothing to take up.
            let on = letter.on(translated(letter, who, way.src.port).leaves(1));
            return Ok(Passage { perhaps: vec![Notice::LoosePickup], ..passage(&on, ROUTER) });
        }
        if service || own && kept && self.flows.free(source, way.src.port) {
            let flow = translated(letter, who, way.src.port);
            let on = letter.on(flow.leaves(1));
            let lessons = vec![Lesson::PickedUp(flow, 1)];
            return Ok(Passage { notices: vec![Notice::LoosePickup], lessons, ..passage(&on, ROUTER) });
        }
        let unmatched = vec![Notice::UnmatchedFromMember];
        let (notices, perhaps) =
            if self.strayed.contains(&way.back()) { (vec![], unmatched) } else { (unmatched, vec![]) };
        Ok(Passage { notices, perhaps, ..passage(letter, ROUTER) })
    }

    /// A segment of a connection that is remembered; `None` when there is none, or a new one takes its place.
    fn known(&self, letter: &Letter, opens: bool) -> Result<Option<Passage>, End> {
        let Some((at, side)) = self.flows.find(Protocol::Tcp, letter.way) else { return Ok(None) };
        match self.flows.get(at).state {
            State::Open => Ok(Some(self.along(letter, at, side))),
            _ if opens => Ok(None),
            State::Ended => Ok(Some(self.along(letter, at, side))),
            State::Lost => Err(End::new(&[DropReason::MemberLost], Told::Reset)),
        }
    }

    fn along(&self, letter: &Letter, at: usize, side: usize) -> Passage {
        let on = letter.on(self.flows.get(at).leaves(side));
        let to = self.plan.who_is(on.way.dst.addr).map_or(ROUTER, host);
        // Opened under an exclusion that is no more: it goes on as it is, and nobody remembers why.
        let flow = self.flows.get(at);
        let freed = flow.member.is_none() && flow.excluded;
        let perhaps = if freed { vec![Notice::UnmatchedFromMember] } else { vec![] };
        Passage { perhaps, lessons: vec![Lesson::Goes(at, side)], ..passage(&on, to) }
    }

    /// A flow begins that is not translated.
    fn begins_plain(&self, letter: &Letter, to: Far) -> Passage {
        let excluded = self.plan.excludes(letter.way.src.addr) || self.plan.excludes(letter.way.dst.addr);
        let flow = Flow { excluded, ..Flow::new(letter.protocol(), [letter.way, letter.way.back()], None) };
        Passage { lessons: vec![Lesson::Begins(flow, 0)], ..passage(letter, to) }
    }

    /// A member's flow begins that is translated; if its source wears a port already, that one, else `chosen`.
    fn begins(&self, letter: &Letter, who: Who, chosen: u16) -> Passage {
        let source = (letter.protocol(), who, letter.way.src.port);
        let worn = self.flows.worn(source);
        let flow = translated(letter, who, worn.unwrap_or(chosen));
        let on = letter.on(flow.leaves(1));
        let wears = if worn.is_none() { Some(source) } else { None };
        Passage { wears, lessons: vec![Lesson::Begins(flow, 1)], ..passage(&on, ROUTER) }
    }

    /// What arrives for a virtual address, be it from outside or from a member whose letter has gone out.
    fn inward(&self, out: Passage, pair: Pair, hairpin: bool) -> Result<Passage, End> {
        let mut out = out;
        if out.notices.contains(&Notice::UnmatchedFromMember) {
            // It cannot be routed to an address of ours.
            return Err(End::new(&[DropReason::NoFlow], Told::Perhaps));
        }
        if hairpin && out.letter.way.dst.port != 5060 {
            // Whether an answer is worth the notice of a standby that spoke, nobody says.
            out.perhaps.append(&mut out.notices);
        }
        let letter = &out.letter;
        let half = match &letter.what {
            What::Error { .. } => self.error_inward(letter, pair)?,
            What::Segment { .. } => self.segment_inward(letter, pair)?,
            What::Datagram if letter.way.dst.port == 5060 => self.service_inward(letter, pair, hairpin)?,
            _ => match self.flows.find(letter.protocol(), letter.way) {
                Some((at, side)) => self.along(letter, at, side),
                None => return Err(End::new(&[DropReason::NotListening, DropReason::NoFlow], Told::Perhaps)),
            },
        };
        let both = |mut one: Vec<_>, other: Vec<_>| {
            one.extend(other);
            one
        };
        let lessons = out.lessons.into_iter().chain(half.lessons).collect();
        Ok(Passage {
            notices: both(out.notices, half.notices),
            perhaps: both(out.perhaps, half.perhaps),
            lessons,
            wears: out.wears,
            ..half
        })
    }

    /// Where a datagram of `remote` to the service of a pair goes, and whether that is its speaker's doing.
    pub fn receiver(&self, pair: Pair, remote: Endpoint) -> Option<(Who, bool)> {
        match self.claims.get(&(pair, remote)) {
            Some(&who) => Some((who, true)),
            None => self.plan.active[pair].map(|who| (who, false)),
        }
    }

    fn service_inward(&self, letter: &Letter, pair: Pair, hairpin: bool) -> Result<Passage, End> {
        let remote = letter.way.src;
        let Some((who, spoke)) = self.receiver(pair, remote) else {
            // Members are never told: some servers stop listening.
            let told = if hairpin { Told::Nothing } else { Told::Closed(vip(pair)) };
            return Err(End::new(&[DropReason::NoActiveMember], told));
        };
        let excluded = !hairpin && self.plan.excludes(remote.addr);
        Ok(Passage {
            notices: if spoke { vec![Notice::SpeakerAnswered] } else { vec![] },
            lessons: if excluded { vec![Lesson::Called(pair, remote)] } else { vec![] },
            ..passage(&letter.on(Way::new(remote, Endpoint::new(own(who), 5060))), host(who))
        })
    }

    fn segment_inward(&self, letter: &Letter, pair: Pair) -> Result<Passage, End> {
        let What::Segment { flags, .. } = letter.what else { panic!("{letter:?} is no segment") };
        let opens = flags.syn() && !flags.ack();
        if let Some(known) = self.known(letter, opens)? {
            return Ok(known);
        }
        let port = letter.way.dst.port;
        if ![5060, 5061].contains(&port) {
            let (reason, told): (&[_], _) =
                if opens { (&[DropReason::NotListening], Told::Reset) } else { (&[DropReason::NoFlow], Told::Nothing) };
            return Err(End::new(reason, told));
        }
        let Some(who) = self.plan.active[pair] else {
            // If an older connection on the same way was lost, either reason is true.
            return Err(End::new(&[DropReason::NoActiveMember, DropReason::MemberLost], Told::Reset));
        };
        if flags.rst() {
            // There is nothing to take up.
            let way = Way::new(letter.way.src, Endpoint::new(own(who), port));
            return Ok(Passage { perhaps: vec![Notice::LoosePickup], ..passage(&letter.on(way), host(who)) });
        }
        let to = Endpoint::new(own(who), port);
        let flow = Flow::new(Protocol::Tcp, [letter.way, Way::new(to, letter.way.src)], Some(who));
        let on = letter.on(flow.leaves(0));
        let (notices, lesson) = match opens {
            true => (vec![], Lesson::Begins(flow, 0)),
            false => (vec![Notice::LoosePickup], Lesson::PickedUp(flow, 0)),
        };
        Ok(Passage { notices, lessons: vec![lesson], ..passage(&on, host(who)) })
    }

    /// Somebody outside talks to a member's own address: nothing is translated, nor are the answers.
    fn visit(&self, letter: &Letter, who: Who) -> Passage {
        let strays = match &letter.what {
            What::Error { .. } | What::EchoReply => return passage(letter, host(who)),
            What::Segment { flags, .. } => !flags.syn() || flags.ack(),
            _ => false,
        };
        let untranslated = |at: usize| self.flows.get(at).member.is_none() && self.flows.get(at).state == State::Open;
        match self.flows.find(letter.protocol(), letter.way) {
            Some((at, side)) if untranslated(at) => self.along(letter, at, side),
            _ if strays => Passage { lessons: vec![Lesson::Strayed(letter.way)], ..passage(letter, host(who)) },
            _ => self.begins_plain(letter, host(who)),
        }
    }

    /// What is remembered of a letter that has gone on.
    pub fn learn(&mut self, letter: &Letter, passage: &Passage) {
        let mut begun = Vec::new();
        for lesson in &passage.lessons {
            match lesson.clone() {
                Lesson::Spoke(who, remote) => self.speaks(who, remote),
                Lesson::Called(pair, remote) => drop(self.called.insert((pair, remote))),
                Lesson::Strayed(way) => drop(self.strayed.insert(way)),
                Lesson::Goes(at, side) => self.flows.track((at, side), letter, true),
                Lesson::Begins(flow, side) | Lesson::PickedUp(flow, side) => {
                    let at = self.flows.add(flow);
                    self.flows.track((at, side), letter, matches!(lesson, Lesson::Begins(..)));
                    begun.push(at);
                }
            }
        }
        if let (&[one, other], Protocol::Tcp) = (begun.as_slice(), letter.protocol()) {
            self.flows.join(one, other);
        }
    }

    fn speaks(&mut self, who: Who, remote: Endpoint) {
        if self.plan.active[pair(who)] == Some(who) {
            self.claims.remove(&(pair(who), remote));
        } else if self.plan.members[who].may_claim {
            self.claims.insert((pair(who), remote), who);
        }
    }
}

/// It goes on as it is.
pub fn passage(letter: &Letter, to: Far) -> Passage {
    Passage { letter: letter.clone(), to, notices: vec![], perhaps: vec![], wears: None, lessons: vec![] }
}

/// The flow of a member's letter, when the member wears `port`.
fn translated(letter: &Letter, who: Who, port: u16) -> Flow {
    let mut back = Way::new(letter.way.dst, Endpoint::new(vip(pair(who)), port));
    if letter.protocol() == Protocol::Icmp {
        back.src.port = 0;
    }
    Flow::new(letter.protocol(), [back, letter.way], Some(who))
}
