//! Who gets a datagram for a service port: the active member of a pair, or the one of several that has its sender, or its call; and
//! who has asked what it answers.

use crate::admission::Begins;
use crate::keeper::{Came, Keeper, Members};
use crate::model::{Choice, Dropped, Forwarded, Model, Reply, Update, forwarded};
use crate::packet::{Packet, Way};
use crate::shares::Key;
use crate::sip::Sip;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::policy::intent::{OnDownUdp, Persistence};
use fairlead::wire::Endpoint;
use testbench::plan::{Pair, Who, host, own, vip};

const LOST: Dropped = Dropped { reasons: &[DropReason::MemberLost], reply: Reply::Nothing };

/// The member that gets a datagram, and what comes of that.
struct Taker {
    who: Who,
    updates: Vec<Update>,
    /// It gets it because it asked, and another one would have: or that is left open.
    asked: Option<bool>,
}

impl Taker {
    fn new(who: Who, updates: Vec<Update>) -> Taker {
        Taker { who, updates, asked: None }
    }
}

impl Model {
    /// The member of a pair that gets what no member has asked for, and whether it does as the speaker.
    pub fn receiver(&self, pair: Pair, remote: Endpoint) -> Option<(Who, bool)> {
        let speaker = self.claims.get(&(pair, remote)).map(|(who, _)| (*who, true));
        self.plan.active[pair].map(|who| (who, false)).or(speaker)
    }

    pub fn service_inward(
        &self,
        packet: &Packet,
        pair: Pair,
        hairpin: bool,
        chosen: Choice,
    ) -> Result<Forwarded, Dropped> {
        let (remote, sip) = (packet.way.src, packet.sip);
        // Members never get an error: some servers stop listening.
        let nobody = if hairpin { Reply::Nothing } else { Reply::Closed(vip(pair)) };
        let taker = match self.plan.is_shared(pair) {
            true => self.taker_of_several(packet, pair, nobody, chosen)?,
            false => self.taker_of_a_pair(pair, remote, sip, chosen, nobody)?,
        };
        let by_call = self.call_of(pair, sip).is_some();
        let excluded = !hairpin && self.plan.excludes(remote.addr) && !by_call;
        let called = excluded.then_some(Update::Called(pair, remote));
        let answered = sip.map(|sip| Update::Answered(pair, remote, sip));
        let event = vec![EngineEvent::SpeakerAnswered];
        let (events, perhaps) = match taker.asked {
            None => (vec![], vec![]),
            Some(true) => (event, vec![]),
            Some(false) => (vec![], event),
        };
        let Taker { who, updates, .. } = taker;
        let to = Way::new(remote, Endpoint::new(own(who), 5060));
        Ok(Forwarded {
            events,
            perhaps,
            updates: updates.into_iter().chain(called).chain(answered).collect(),
            ..forwarded(&packet.on(to), host(who))
        })
    }

    fn taker_of_a_pair(
        &self,
        pair: Pair,
        remote: Endpoint,
        sip: Option<Sip>,
        chosen: Choice,
        nobody: Reply,
    ) -> Result<Taker, Dropped> {
        let asker = self.asker(pair, remote, sip, chosen).map(|(who, _)| who);
        let who = asker.or(self.receiver(pair, remote).map(|(who, _)| who));
        let who = who.ok_or(Dropped::new(&[DropReason::NoActiveMember], nobody))?;
        let asked = (self.plan.active[pair] != Some(who)).then_some(true);
        Ok(Taker { who, updates: vec![], asked })
    }

    /// The call that a message to this pool is of, if the pool goes by that.
    pub fn call_of(&self, pair: Pair, sip: Option<Sip>) -> Option<u32> {
        let goes_by_call = self.plan.is_shared(pair) && self.plan.features.persistence[pair] == Persistence::CallId;
        sip.and_then(|sip| sip.call).filter(|_| goes_by_call)
    }

    fn taker_of_several(&self, packet: &Packet, pair: Pair, nobody: Reply, chosen: Choice) -> Result<Taker, Dropped> {
        let (remote, sip) = (packet.way.src, packet.sip);
        let call = self.call_of(pair, sip);
        let known = match call {
            Some(call) => self.shares.call(pair, call),
            None => self.shares.known(pair, remote),
        };
        let keeper = known.and_then(Keeper::sure);
        if let Some((who, is_open)) = self.asker(pair, remote, sip, chosen).filter(|(who, _)| Some(*who) != keeper) {
            let takes = call.is_none() && keeper.is_none() && is_open;
            let mut updates = if takes { Self::may_begin(pair, remote, who) } else { vec![] };
            updates.extend(takes.then_some(Update::TakenPerhaps(pair, remote, who)));
            return Ok(Taker { who, updates, asked: Some(keeper.is_some()) });
        }
        match (call, sip) {
            (Some(call), Some(sip)) => self.taker_of_call(packet, pair, (call, sip), known, nobody, chosen),
            _ => self.taker_of_peer(packet, pair, known, nobody, chosen),
        }
    }

    /// A datagram that is of no call: it goes to whoever has its sender, or takes what is new.
    fn taker_of_peer(
        &self,
        packet: &Packet,
        pair: Pair,
        known: Option<Keeper>,
        nobody: Reply,
        chosen: Choice,
    ) -> Result<Taker, Dropped> {
        let remote = packet.way.src;
        let taken = |who: Who, came: Came| Taker::new(who, vec![Update::Taken(pair, remote, who, came)]);
        let of_its_own = remote == Endpoint::new(vip(pair), 5060);
        let begins = match known {
            // Which of them gets what another one sends to their own address from the service port is left open.
            _ if of_its_own && chosen.member.is_some_and(|who| self.plan.targets(pair).contains(&who)) => {
                return Ok(taken(chosen.member.expect("it was chosen"), Came::New));
            }
            Some(Keeper::Sure(who) | Keeper::Back(who)) => return Ok(taken(who, Came::Known)),
            Some(Keeper::Perhaps(some)) if chosen.member.is_some_and(|who| some.hold(who)) => {
                let who = chosen.member.expect("it was chosen");
                let mut taker = taken(who, Came::Known);
                taker.updates.extend(Self::may_begin(pair, remote, who));
                return Ok(taker);
            }
            Some(Keeper::Lost(who)) => match self.plan.features.on_down_udp[pair] {
                OnDownUdp::Drop => return Err(LOST),
                OnDownUdp::Drain => return Ok(Taker::new(who, vec![])),
                OnDownUdp::Reselect => Begins::Moves,
            },
            _ => Begins::New,
        };
        let (who, updates) = self.admits(packet, pair, begins, nobody, chosen)?;
        let mut taker = taken(who, Model::came(begins));
        taker.updates.extend(updates);
        Ok(taker)
    }

    /// Whether something begins by that is left open.
    fn may_begin(pair: Pair, remote: Endpoint, who: Who) -> Vec<Update> {
        vec![Update::Counts(pair, who, Begins::Moves), Update::SourcePerhaps(pair, remote.addr, who)]
    }

    /// A message of a call, in a pool that goes by that.
    fn taker_of_call(
        &self,
        packet: &Packet,
        pair: Pair,
        (call, sip): (u32, Sip),
        known: Option<Keeper>,
        nobody: Reply,
        chosen: Choice,
    ) -> Result<Taker, Dropped> {
        let taken = |who: Who| Taker::new(who, vec![Update::CallTaken(pair, call, who)]);
        match known {
            Some(Keeper::Sure(who) | Keeper::Back(who)) => return Ok(taken(who)),
            Some(Keeper::Perhaps(some)) if chosen.member.is_some_and(|who| some.hold(who)) => {
                let who = chosen.member.expect("it was chosen");
                // An answer may have been given to it for another reason.
                return Ok(if sip.asks() { taken(who) } else { Taker::new(who, vec![]) });
            }
            Some(Keeper::Lost(who)) => match self.plan.features.on_down_udp[pair] {
                OnDownUdp::Drop => return Err(LOST),
                OnDownUdp::Drain => return Ok(Taker::new(who, vec![])),
                OnDownUdp::Reselect => {}
            },
            _ => {}
        }
        let targets = Members::of(self.plan.targets(pair));
        let has_sender = self.shares.keeper(pair, packet.way.src).filter(|_| !sip.asks());
        let by_number = self.hashed(pair, Key::Call(call)).map_or(targets, Members::only);
        // With whom the answer in a call is that nobody knows, the call's number says or its sender's member.
        let some = if sip.asks() { by_number } else { Members::of(targets.iter().chain(has_sender)) };
        let who = chosen.member.filter(|who| some.hold(*who)).or(some.first());
        let who = who.ok_or(Dropped::new(&[DropReason::NoActiveMember], nobody))?;
        if !sip.asks() {
            return Ok(Taker::new(who, vec![]));
        }
        let mut taker = taken(who);
        if !matches!(known, Some(Keeper::Perhaps(_))) {
            taker.updates.push(Update::Hashed(pair, Key::Call(call), who));
        }
        Ok(taker)
    }
}
