//! How much of a worker's traffic each member has, for whoever wants to know whether it may be switched off.
//!
//! Owns a row of cells for each member, by its id: written by one worker, as things change, and read by management at any time.
//! Ids and lives are the writer's.

use super::pages::Pages;
use crate::policy::intent::MemberId;
use crate::time::Instant;
use std::sync::atomic::{AtomicU64, Ordering};

/// The cells of all members.
#[derive(Default)]
pub struct MemberUse(Pages<Cells>);

#[derive(Default)]
struct Cells {
    flows: AtomicU64,
    /// Those of them that are TCP.
    connections: AtomicU64,
    direct: AtomicU64,
    /// Nanoseconds since the start, and one more; zero: never.
    datagram: AtomicU64,
    /// The same.
    spoke: AtomicU64,
}

/// What is read of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Flows that belong to it.
    pub flows: u64,
    /// Those of them that are TCP. A reader may see one more or less than belong to the same moment.
    pub connections: u64,
    /// Flows of those who call it at its own address.
    pub direct: u64,
    /// When a datagram of a service port last came from it or went to it while another was active.
    pub datagram: Option<Instant>,
    /// When it last sent a datagram from a service port whose requests are delivered again: see [`super::CopyAction`].
    pub spoke: Option<Instant>,
}

impl MemberUse {
    /// One with so many flows of each member, by its id: what a test reads.
    #[cfg(test)]
    pub fn counted(flows: &[u64]) -> MemberUse {
        let uses = MemberUse::default();
        uses.reserve(flows.len());
        for (id, flows) in flows.iter().enumerate() {
            (0..*flows).for_each(|_| uses.count_flow(id as u16, true));
        }
        uses
    }

    /// Likewise of each member's connections, other flows, and those of visitors.
    #[cfg(test)]
    pub fn having(members: &[[u64; 3]]) -> MemberUse {
        let uses = MemberUse::default();
        uses.reserve(members.len());
        for (id, [connections, others, direct]) in (0..).zip(members) {
            (0..*connections).for_each(|_| uses.count_connection(id, true));
            (0..*others).for_each(|_| uses.count_flow(id, true));
            (0..*direct).for_each(|_| uses.count_direct(id, true));
        }
        uses
    }

    /// One in which this member has sent a datagram from a service port.
    #[cfg(test)]
    pub fn spoken(member: MemberId, at: Instant) -> MemberUse {
        let uses = MemberUse::default();
        uses.reserve(usize::from(member.0) + 1);
        uses.spoke(member, at);
        uses
    }

    /// Room for the members with ids below `bound`.
    pub fn reserve(&self, bound: usize) {
        self.0.reserve(bound);
    }

    /// What was written of a member last.
    pub fn of(&self, member: MemberId) -> Uses {
        let Some(cells) = self.0.at(member.0) else { return Uses::default() };
        let at = |cell: &AtomicU64| cell.load(Ordering::Relaxed).checked_sub(1).map(Instant::from_nanos);
        Uses {
            flows: cells.flows.load(Ordering::Relaxed),
            connections: cells.connections.load(Ordering::Relaxed),
            direct: cells.direct.load(Ordering::Relaxed),
            datagram: at(&cells.datagram),
            spoke: at(&cells.spoke),
        }
    }

    /// The id is somebody else's from now on.
    pub(super) fn clear(&self, member: u16) {
        if let Some(Cells { flows, connections, direct, datagram, spoke }) = self.0.at(member) {
            [flows, connections, direct, datagram, spoke].iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
        }
    }

    /// A flow more that belongs to it, or one less.
    pub(super) fn count_flow(&self, member: u16, comes: bool) {
        self.0.at(member).into_iter().for_each(|cells| count(&cells.flows, comes));
    }

    /// Likewise of a connection.
    pub(super) fn count_connection(&self, member: u16, comes: bool) {
        if let Some(cells) = self.0.at(member) {
            count(&cells.flows, comes);
            count(&cells.connections, comes);
        }
    }

    /// Likewise of one that calls it at its own address.
    pub(super) fn count_direct(&self, member: u16, comes: bool) {
        self.0.at(member).into_iter().for_each(|cells| count(&cells.direct, comes));
    }

    /// A datagram of a service port.
    #[inline]
    pub(super) fn saw_datagram(&self, member: MemberId, now: Instant) {
        if let Some(cells) = self.0.at(member.0) {
            cells.datagram.store(now.nanos() + 1, Ordering::Relaxed);
        }
    }

    /// A datagram that it sends from a service port.
    #[inline]
    pub(super) fn spoke(&self, member: MemberId, now: Instant) {
        if let Some(cells) = self.0.at(member.0) {
            cells.spoke.store(now.nanos() + 1, Ordering::Relaxed);
        }
    }
}

/// There is one writer, so no addition of another is lost.
fn count(cell: &AtomicU64, comes: bool) {
    let now = cell.load(Ordering::Relaxed);
    cell.store(if comes { now + 1 } else { now.saturating_sub(1) }, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_its_own_cells_once_there_is_room() {
        let uses = MemberUse::default();
        uses.count_flow(7, true);
        assert_eq!(uses.of(MemberId(7)), Uses::default(), "no room yet");
        uses.reserve(16_384);
        for id in [0, 255, 256, 16_383] {
            uses.count_flow(id, true);
            uses.count_direct(id, true);
            uses.count_direct(id, true);
        }
        uses.saw_datagram(MemberId(256), Instant::ZERO);
        uses.spoke(MemberId(255), Instant::from_millis(3));
        uses.count_flow(255, false);
        uses.count_flow(255, false);
        uses.count_connection(0, true);
        uses.count_connection(0, true);
        uses.count_connection(0, false);
        let of = |id| uses.of(MemberId(id));
        assert_eq!(of(0), Uses { flows: 2, connections: 1, direct: 2, ..Uses::default() });
        let spoke = Some(Instant::from_millis(3));
        assert_eq!(of(255), Uses { direct: 2, spoke, ..Uses::default() });
        assert_eq!(of(256), Uses { flows: 1, direct: 2, datagram: Some(Instant::ZERO), ..Uses::default() });
        assert_eq!(of(257), Uses::default());
        uses.clear(256);
        assert_eq!(of(256), Uses::default());
        uses.reserve(65_535);
        assert_eq!(of(16_383).flows, 1, "what was there stays");
        uses.count_flow(crate::flow::NO_MEMBER, true);
        assert_eq!(of(65_534), Uses::default());
    }
}
