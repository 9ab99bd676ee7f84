//! How many connections a worker has of each member and virtual server, and how many it has seen begin.
//!
//! Owns the cells, by id: written by one worker, as flows come and go, and read by management at any time. What counts as a connection is
//! the writer's to know.

use super::pages::Pages;
use crate::policy::intent::{MemberId, VirtualServerId};
use std::sync::atomic::{AtomicU64, Ordering};

/// The cells of all members and virtual servers.
#[derive(Default)]
pub struct ConnectionUse {
    pub(super) members: Cells,
    pub(super) servers: Cells,
}

/// Cells by id.
#[derive(Default)]
pub(super) struct Cells(Pages<Cell>);

#[derive(Default)]
struct Cell {
    now: AtomicU64,
    begun: AtomicU64,
}

/// The connections of a member, or of a virtual server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Those that stand.
    pub now: u64,
    /// Those that have begun since the worker started, whoever had the id.
    pub begun: u64,
}

impl ConnectionUse {
    /// Those of a member.
    pub fn member(&self, id: MemberId) -> Connections {
        self.members.of(id.0)
    }

    /// Those of a virtual server.
    pub fn virtual_server(&self, id: VirtualServerId) -> Connections {
        self.servers.of(id.0)
    }
}

impl Cells {
    /// Room for the ids below `bound`.
    pub(super) fn reserve(&self, bound: usize) {
        self.0.reserve(bound);
    }

    /// How many ids there is room for.
    pub(super) fn bound(&self) -> usize {
        self.0.bound()
    }

    /// How many stand.
    pub(super) fn now(&self, id: u16) -> u64 {
        self.of(id).now
    }

    /// One more stands, or one less.
    pub(super) fn count(&self, id: u16, comes: bool) {
        if let Some(Cell { now, .. }) = self.0.at(id) {
            let before = now.load(Ordering::Relaxed);
            debug_assert!(comes || before > 0, "what ends has been counted");
            // There is one writer, so no addition of another is lost.
            now.store(if comes { before + 1 } else { before.saturating_sub(1) }, Ordering::Relaxed);
        }
    }

    /// One has begun.
    pub(super) fn begin(&self, id: u16) {
        if let Some(Cell { begun, .. }) = self.0.at(id) {
            begun.store(begun.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// The id is somebody else's from now on, of whom none stands.
    pub(super) fn clear(&self, id: u16) {
        if let Some(Cell { now, .. }) = self.0.at(id) {
            now.store(0, Ordering::Relaxed);
        }
    }

    fn of(&self, id: u16) -> Connections {
        let at = self.0.at(id);
        at.map_or_else(Connections::default, |Cell { now, begun }| Connections {
            now: now.load(Ordering::Relaxed),
            begun: begun.load(Ordering::Relaxed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_is_cleared_with_the_id_and_what_has_begun_is_not() {
        let uses = ConnectionUse::default();
        uses.members.begin(3);
        assert_eq!((uses.member(MemberId(3)), uses.members.bound()), (Connections::default(), 0), "no room yet");
        uses.members.reserve(300);
        assert_eq!(uses.members.bound(), 512);
        for id in [3, 299] {
            uses.members.begin(id);
            uses.members.count(id, true);
            uses.members.count(id, true);
            uses.members.count(id, false);
        }
        assert_eq!(uses.member(MemberId(3)), Connections { now: 1, begun: 1 });
        uses.members.clear(3);
        assert_eq!(uses.member(MemberId(3)), Connections { now: 0, begun: 1 });
        assert_eq!(uses.member(MemberId(299)), Connections { now: 1, begun: 1 });
        assert_eq!(uses.virtual_server(VirtualServerId(3)), Connections::default());
    }
}
