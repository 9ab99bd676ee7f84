//! What another appliance tells of its flows, kept here as if it had happened here.
//!
//! Owns what is done with one record while this appliance stands by: a flow that is not here is taken in, one that is here becomes what is
//! told, one that stands in the way of its keys gives way; and what is not told any more is forgotten once all has been told. Where it is
//! placed, whom it belongs to and what stands in its way is as at a start: see [`super::taking_up`]. Every worker is shown every record,
//! and keeps those that are its own by the steering of now.

use super::left_out::LeftOut;
use super::state::Engine;
use super::taking_up::TakingUp;
use crate::flow::{Fate, FlowId, FlowRecord, Peer, Refused, SpeakerRecord};
use crate::time::Instant;
use crate::wire::Tuple;
use std::sync::MutexGuard;

/// What a worker takes in with; only one at a time has it, as those that make the first use of a port have to be one after the other.
pub struct TakingIn<'a> {
    from: &'a TakingUp,
    _alone: MutexGuard<'a, ()>,
}

impl<'a> TakingIn<'a> {
    /// Unless another worker has it.
    pub fn begin(from: &'a TakingUp) -> Option<TakingIn<'a>> {
        Some(TakingIn { from, _alone: from.try_hold()? })
    }
}

impl Engine {
    /// The flow is as the record says. Says where it is kept.
    ///
    /// # Errors
    /// Why it is not here.
    pub fn take_in_flow(&mut self, by: &TakingIn, record: &FlowRecord, now: Instant) -> Result<FlowId, LeftOut> {
        let made = self.flow_of(by.from, record, now);
        let flow = match made {
            Ok(flow) if self.state.flows.may_live(&self.snapshot, &flow) => flow,
            // What was told before is not true any more.
            Ok(_) | Err(_) => {
                self.forget_told(&record.keys[0]);
                return Err(made.err().unwrap_or(LeftOut::Address));
            }
        };
        let known = self.flows().find(&record.keys[0]).and_then(|(id, _)| Some((id, *self.flows().at(id)?)));
        if let Some((id, old)) = known {
            let same = (old.keys(), old.path, old.inside, old.snat_port());
            // Its port is given back to the address that it is of, which may have been away since.
            let mut kept = flow;
            kept.life = old.life;
            if same == (flow.keys(), flow.path, flow.inside, flow.snat_port())
                && self.state.flows.may_live(&self.snapshot, &kept)
            {
                self.state.flows.replace(&self.snapshot, id, kept, record.seen);
                return Ok(id);
            }
        }
        for key in &record.keys {
            if let Some((id, _)) = self.flows().find(key) {
                self.state.flows.forget(&self.snapshot, id);
            }
        }
        self.claim_port(&flow)?;
        self.state.flows.take_up(&self.snapshot, flow, record.seen).map_err(|refused| match refused {
            Refused::Full => LeftOut::Full,
            Refused::Duplicate(_) => LeftOut::Twice,
        })?;
        self.flows().find(&record.keys[0]).map(|(id, _)| id).ok_or(LeftOut::Damaged)
    }

    /// The flow is here, and something of it has passed since the time that the record tells of.
    pub fn was_used_since(&self, record: &FlowRecord) -> bool {
        let known = self.flows().find(&record.keys[0]);
        known.is_some_and(|(id, _)| self.flows().last_seen(id) > record.seen)
    }

    /// The flow that has this first key is no more. Says whether there was one.
    pub fn forget_told(&mut self, key: &Tuple) -> bool {
        let Some((id, _)) = self.flows().find(key) else { return false };
        let is_first = self.flows().at(id).is_some_and(|flow| flow.keys()[0] == *key);
        if is_first {
            self.state.flows.forget(&self.snapshot, id);
        }
        is_first
    }

    /// Looks at the next `slots` places from `cursor` on, 0 to begin, and forgets the standing flows there that `is_told` does not know.
    /// Says where to continue; `None` at the end.
    pub fn forget_untold(&mut self, cursor: u32, slots: usize, is_told: impl Fn(FlowId) -> bool) -> Option<u32> {
        let fate = |id: FlowId, is_standing: bool| match is_standing && !is_told(id) {
            true => Fate::Remove,
            false => Fate::Keep,
        };
        self.state.flows.forget_where(&self.snapshot, cursor, slots, |id, flow| fate(id, flow.is_standing()))
    }

    /// What is known here of the remote endpoint is not older than the record; `askers`: of those who ask where several members are active.
    pub fn knows_peer_since(&self, by: &TakingIn, record: &SpeakerRecord, askers: bool) -> bool {
        let table = if askers { &self.state.askers } else { &self.state.speakers };
        let Ok((peer, _)) = self.speaker_of(by.from, record) else { return false };
        table.renewed(&peer).is_some_and(|renewed| renewed >= record.renewed)
    }

    /// This is known of a remote endpoint. Says of which.
    ///
    /// # Errors
    /// Why it is not known here.
    pub fn take_in_speaker(&mut self, by: &TakingIn, record: &SpeakerRecord) -> Result<Peer, LeftOut> {
        let (peer, speaker) = self.speaker_of(by.from, record)?;
        self.state.speakers.put(peer, speaker, record.renewed);
        Ok(peer)
    }

    /// The same where several members are active.
    ///
    /// # Errors
    /// Why it is not known here.
    pub fn take_in_asker(&mut self, by: &TakingIn, record: &SpeakerRecord) -> Result<Peer, LeftOut> {
        let (peer, speaker) = self.speaker_of(by.from, record)?;
        self.state.askers.put(peer, speaker, record.renewed);
        Ok(peer)
    }

    /// Nothing is known of these remote endpoints any more; `askers`: of those who ask where several members are active.
    pub fn forget_peers(&mut self, askers: bool, peers: impl IntoIterator<Item = Peer>) {
        let table = if askers { &mut self.state.askers } else { &mut self.state.speakers };
        peers.into_iter().for_each(|peer| table.forget(&peer));
    }
}
