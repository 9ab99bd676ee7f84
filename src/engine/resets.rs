//! The connections of a lost member are ended on both sides, without waiting for their next segment.
//!
//! Owns the walk over the flow table that a lost member sets off: a bounded number of flows at a time, between bursts.
//! Client and server learn of the loss at once (scenario 24) by a reset with the exact sequence number (RFC 5961 3.2).

use super::events::EngineEvent;
use super::flow_book::is_live;
use super::revalidate::heeded_loss;
use super::state::{Engine, State};
use super::verdict::Egress;
use super::withhold::will_be_repeated;
use crate::flow::tcp::ResetSegment;
use crate::flow::{Direction, Flow, FlowId};
use crate::policy::Snapshot;
use crate::policy::intent::OnDownTcp;
use crate::policy::multipath::Conversation;
use crate::time::Instant;
use crate::wire::Tuple;

/// Resets ordered at once, about: more would not fit a transmit queue, and a reset that is dropped is not made again.
const ENOUGH: usize = 128;
/// Slots looked at between two looks at how much is ordered.
const STRETCH: usize = 16;

/// A reset to be made and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetOrder {
    /// As its receiver sees it.
    pub tuple: Tuple,
    /// The sequence number.
    pub seq: u32,
    /// The acknowledgement number, if the segment has one.
    pub ack: Option<u32>,
    /// The way out.
    pub egress: Egress,
}

impl Engine {
    /// Orders the resets that are due because a member was lost, until [`ENOUGH`] are ordered. Looks at `budget` flows at most.
    pub fn next_resets(&mut self, now: Instant, budget: usize, orders: &mut Vec<ResetOrder>) {
        let mut left = budget;
        while let Some(cursor) = self.state.resets
            && left > 0
            && orders.len() < ENOUGH
        {
            sweep_some(&self.snapshot, &mut self.state, cursor, now, orders);
            left = left.saturating_sub(STRETCH);
        }
    }
}

fn sweep_some(snapshot: &Snapshot, state: &mut State, cursor: u32, now: Instant, orders: &mut Vec<ResetOrder>) {
    let mut doomed: Vec<FlowId> = Vec::new();
    state.resets = state.flows.scan(cursor, STRETCH, |id, flow| {
        if is_due(snapshot, flow) {
            doomed.push(id);
        }
    });
    for id in doomed {
        let Some(&flow) = state.flows.at(id) else { continue };
        for side in [Direction::Original, Direction::Reply] {
            order_reset(snapshot, &flow, side, orders);
        }
        state.flows.abort(snapshot, id, now);
        state.events.count(EngineEvent::LostConnection);
    }
}

fn is_due(snapshot: &Snapshot, flow: &Flow) -> bool {
    let Some(track) = flow.track else { return false };
    let is_reset = matches!(heeded_loss(snapshot, flow), Some((_, OnDownTcp::Reset)));
    is_reset && is_live(snapshot, flow) && !track.is_aborted() && !will_be_repeated(snapshot, flow)
}

fn order_reset(snapshot: &Snapshot, flow: &Flow, side: Direction, orders: &mut Vec<ResetOrder>) {
    let (Some(track), tuple) = (flow.track, flow.key(side).reversed()) else { return };
    // What the other end sends leaves so.
    let conversation = || Conversation::of(&tuple, &flow.key(side.other()));
    let Some(egress) = snapshot.lookup(tuple.dst.addr, conversation) else { return };
    let egress = *snapshot.egress(egress);
    orders.extend(track.reset_towards(side).map(|ResetSegment { seq, ack }| ResetOrder { tuple, seq, ack, egress }));
}
