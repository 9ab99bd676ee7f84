//! What is counted though the packet is forwarded, and what packets say about members.
//!
//! Owns [`EngineEvent`], counted by its place, and the members of which the wire says that their state may have changed, for
//! the management core. That is a hint and never a decision.

use super::verdict::ways;
use crate::policy::intent::MemberId;

ways! {
    /// Something an operator may want to know of packets that were forwarded. One counter each.
    EngineEvent {
        MisroutedPeer = "member_to_member": "A packet from one member to another crossed the appliance: check the members' netmasks.",
        UnmatchedFromMember = "unmatched_from_member": "A member's packet that opens no flow and matches none was routed untranslated, as an answer to a visitor.",
        LoosePickup = "loose_pickup": "A TCP connection was picked up in mid-stream.",
        StandbySpoke = "standby_spoke": "A member that is not active sent a datagram from a service port.",
        SpeakerAnswered = "speaker_answered": "A SIP answer went to the member that asked, or a datagram to the one that spoke last while the active one was down.",
        FlowTableFullRouted = "flow_table_full_routed": "The flow table was full, so direct access to a member was routed without a flow entry.",
        Fragmented = "fragmented": "A datagram was cut into fragments for the MTU of the interface it left by.",
        Reassembled = "reassembled": "All fragments of a datagram had arrived and were processed as one.",
        ArpUnlearnt = "arp_unlearnt": "An ARP request for one of our addresses was answered without the management core, which is sent only so many a second.",
        FilterOpened = "snat_filter_opened": "A member's UDP port talks to more than four addresses at once: any host that sends to it is let in.",
        PersistenceFull = "persistence_full": "A worker holds as many persistence records as it can (262,144, or flows_per_worker): the one unused longest gave way to a new one.",
        AccountsFull = "accounts_full": "A packet that could have left by a shorter way was decided about in full, as a worker counts for as many (65,536 pairs of members, virtual servers and directions) as it can: it begins anew with the next snapshot.",
        FlowGaveWay = "flow_gave_way": "The flow table was full: the half-open connection, else the one that was over, visitor's mark or UDP flow that was idle longest gave way to a new flow.",
        HalfOpenGaveWay = "half_open_gave_way": "A half-open connection gave way to a new one, as half_open_limit or client_half_open_limit says.",
        ClientUncounted = "client_uncounted": "A connection of a client that found no place among those that are counted one by one: client limits do not hold for it.",
        LostConnection = "lost_connection": "A TCP connection was reset because its member was lost.",
    }
}

/// Counts of events, and the members that packets have said something about, until the worker asks.
#[derive(Default)]
pub(super) struct EngineEvents {
    counts: [u64; EngineEvent::COUNT],
    /// Each once; a handful.
    passive_hints: Vec<MemberId>,
}

/// Hints kept until the worker asks; more of them in one turn say nothing new.
const PASSIVE_HINTS: usize = 16;

impl EngineEvents {
    /// Counts.
    pub(super) fn count(&mut self, event: EngineEvent) {
        self.counts[event as usize] += 1;
    }

    /// Counts what has happened so often.
    pub(super) fn count_times(&mut self, event: EngineEvent, times: u64) {
        self.counts[event as usize] += times;
    }

    /// Remembers, unless it is remembered already.
    pub(super) fn hint_at(&mut self, member: MemberId) {
        if self.passive_hints.len() < PASSIVE_HINTS && !self.passive_hints.contains(&member) {
            self.passive_hints.push(member);
        }
    }

    pub(super) fn next_passive_hint(&mut self) -> Option<MemberId> {
        self.passive_hints.pop()
    }

    pub(super) fn counts(&self) -> &[u64; EngineEvent::COUNT] {
        &self.counts
    }
}
