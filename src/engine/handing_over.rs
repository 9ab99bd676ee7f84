//! What a worker remembers, shown as data to whoever takes its place.
//!
//! Owns [`FlowsShown`]: flows are shown while packets pass, a bounded number at a time, and at the end once more what has changed since;
//! so forwarding stops for as long as the changes take, not for all. A flow whose time of its last packet is that of before the first
//! showing has not changed since it was shown. Changes nothing; members are told by their addresses.

use super::state::Engine;
use crate::flow::{Flow, FlowId, FlowRecord, MemberRef, SpeakerRecord, StaysRecord, Track};
use crate::policy::Life;
use crate::time::Instant;
use std::net::Ipv4Addr;

/// Flows of one word.
const WORD: u32 = u64::BITS;

/// How far the flows of a worker are shown.
pub struct FlowsShown {
    /// Where the first showing continues; `None`: it is over.
    cursor: Option<u32>,
    /// The same of the second one.
    again: Option<u32>,
    /// When the first one began.
    began: Instant,
    /// From which places a flow was shown, in bits.
    shown: Vec<u64>,
}

impl FlowsShown {
    /// Nothing is shown yet.
    pub fn begin(now: Instant) -> FlowsShown {
        FlowsShown { cursor: Some(0), again: Some(0), began: now, shown: Vec::new() }
    }

    /// Shows the flows of the next `slots` places. `false`: those were the last.
    pub fn show(&mut self, engine: &Engine, slots: u32, into: &mut Vec<FlowRecord>) -> bool {
        let Some(cursor) = self.cursor else { return false };
        let shown = &mut self.shown;
        self.cursor = engine.scan(cursor, slots as usize, |id, flow, members| {
            mark(shown, id);
            into.push(engine.record(id, flow, members));
        });
        self.cursor.is_some()
    }

    /// Shows once more, of the next `slots` places (a multiple of 64), the flows that were not shown as they are now, and says in `gone`
    /// where there are none any more. Nothing may pass from the first call on. `false`: those were the last.
    pub fn show_changed(
        &mut self,
        engine: &Engine,
        slots: u32,
        into: &mut Vec<FlowRecord>,
        gone: &mut Vec<u32>,
    ) -> bool {
        for _ in 0..slots / WORD {
            let Some(cursor) = self.again else { return false };
            let before = self.shown.get((cursor / WORD) as usize).copied().unwrap_or_default();
            let mut there = 0;
            self.again = engine.scan(cursor, WORD as usize, |id, flow, members| {
                let bit = 1 << (id.place() % WORD);
                there |= bit;
                if before & bit == 0 || engine.flows().last_seen(id) >= self.began {
                    into.push(engine.record(id, flow, members));
                }
            });
            let left = before & !there;
            gone.extend((0..WORD).filter(|bit| left >> bit & 1 == 1).map(|bit| cursor + bit));
        }
        self.again.is_some()
    }
}

fn mark(shown: &mut Vec<u64>, id: FlowId) {
    let word = (id.place() / WORD) as usize;
    if shown.len() <= word {
        shown.resize(word + 1, 0);
    }
    shown[word] |= 1 << (id.place() % WORD);
}

impl Engine {
    pub(super) fn record(&self, id: FlowId, flow: &Flow, [member, opener]: [Option<Ipv4Addr>; 2]) -> FlowRecord {
        FlowRecord {
            keys: flow.keys(),
            path: flow.path,
            inside: flow.inside,
            member,
            opener,
            generation: flow.generation,
            opener_generation: flow.opener_generation,
            snat_port: flow.snat_port(),
            is_counted: flow.virtual_server != crate::flow::NO_VIRTUAL_SERVER,
            track: flow.track.as_ref().map(Track::record),
            seen: self.flows().last_seen(id),
            place: id.place(),
        }
    }

    /// All that is known of speakers, longest unrenewed first; and of those who ask where several members are active.
    pub fn speaker_records(&self) -> [Vec<SpeakerRecord>; 2] {
        [&self.state.speakers, &self.state.askers].map(|known| known.records(|member| self.address_of(member)))
    }

    /// All that stays together beyond an endpoint, longest unused first.
    pub fn stays_records(&self) -> Vec<StaysRecord> {
        let all = self.state.persistence.iter().flat_map(|table| table.oldest_first());
        let record = all.filter_map(|(key, record, used)| {
            let member = self.address_of(record.member)?;
            Some(StaysRecord { number: key.number, member, generation: record.generation, used })
        });
        record.collect()
    }

    pub(super) fn address_of(&self, member: MemberRef) -> Option<Ipv4Addr> {
        self.snapshot.members.find(usize::from(member.id), Life(member.since)).map(|view| view.address)
    }
}
