//! What a new connection takes the place of.
//!
//! Owns the list of those that give way to it, as long as one of several limits may still refuse it: until all have been asked, nothing is
//! forgotten. A list of fixed size, as it is made where every new connection of a limited service begins.

use crate::flow::{Flow, FlowId};
use crate::policy::connection_limits::Exceeded;

/// So many half-open connections give way to one new connection, at most.
pub(super) const GIVE_WAY: usize = 16;

/// Whom a new connection takes the place of, if it begins.
pub(super) struct GivingWay {
    /// The connection on the same tuple, if it begins that again.
    pub(super) replaced: Option<(FlowId, Flow)>,
    found: [Option<Found>; GIVE_WAY],
    count: usize,
}

/// A half-open connection, and to which limit it gives way.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) id: FlowId,
    pub(super) to: Exceeded,
}

impl GivingWay {
    /// Nobody yet but the connection that begins again.
    pub(super) fn to(replaced: Option<(FlowId, Flow)>) -> GivingWay {
        GivingWay { replaced, found: [None; GIVE_WAY], count: 0 }
    }

    /// One more, which was not passed over; nothing where the list is full.
    pub(super) fn add(&mut self, found: Found) {
        if let Some(place) = self.found.get_mut(self.count) {
            *place = Some(found);
            self.count += 1;
        }
    }

    /// Those that were added after so many.
    pub(super) fn after(&self, count: usize) -> impl Iterator<Item = Found> + use<> {
        self.found.into_iter().skip(count).flatten()
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn is_full(&self) -> bool {
        self.count == GIVE_WAY
    }

    /// It takes this one's place already.
    pub(super) fn passes_over(&self, id: FlowId) -> bool {
        self.replaced.is_some_and(|(replaced, _)| replaced == id) || self.after(0).any(|found| found.id == id)
    }
}
