//! What is known of one next hop, and what of it is asked next.

use super::check::{Check, PATIENCE, PAUSE};
use crate::policy::adjacency::Neighbour;
use crate::time::{Duration, Instant};
use crate::wire::Mac;

/// What is known of a next hop, in the words of Linux's neighbour table.
#[derive(Clone, Copy, Debug)]
pub(super) enum NudState {
    /// No answer yet; so many requests are out.
    Incomplete(u32),
    /// Answered; asked again when due.
    Reachable(Mac),
    /// Answered, and is being asked again; so many requests are out.
    Probe(Mac, u32),
    /// Answered, and is said to be elsewhere.
    Claimed(Mac, Check),
    /// The file says so; not asked.
    Static(Mac),
    /// Did not answer.
    Failed,
}

/// What the file says of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It is there, whatever ARP says.
    At(Mac),
    /// ARP that moves it is believed at once.
    Trusted,
}

impl NudState {
    /// As if the latest request had not been sent.
    pub(super) fn without_latest(self) -> NudState {
        match self {
            NudState::Incomplete(asked) => NudState::Incomplete(asked.saturating_sub(1)),
            NudState::Probe(mac, 0 | 1) => NudState::Reachable(mac),
            NudState::Probe(mac, asked) => NudState::Probe(mac, asked - 1),
            NudState::Claimed(mac, check) => NudState::Claimed(mac, check.without_latest()),
            settled => settled,
        }
    }

    /// As if none of the requests that are out had been sent.
    pub(super) fn unasked(self) -> NudState {
        match self {
            NudState::Incomplete(_) => NudState::Incomplete(0),
            NudState::Probe(mac, _) | NudState::Claimed(mac, _) => NudState::Reachable(mac),
            settled => settled,
        }
    }

    /// A request is out whose answer decides something.
    pub(super) fn is_waiting(self) -> bool {
        match self {
            NudState::Incomplete(_) | NudState::Probe(..) => true,
            NudState::Claimed(_, check) => check.is_waiting(),
            NudState::Reachable(_) | NudState::Static(_) | NudState::Failed => false,
        }
    }

    /// Where frames go.
    pub(super) fn mac(self) -> Option<Mac> {
        match self {
            NudState::Reachable(mac) | NudState::Static(mac) => Some(mac),
            NudState::Probe(mac, _) | NudState::Claimed(mac, _) => Some(mac),
            NudState::Incomplete(_) | NudState::Failed => None,
        }
    }
}

/// See [`Host::is_silent`].
const SILENT: Duration = Duration::from_secs(1);

/// An entry of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    pub state: NudState,
    pub since: Instant,
    pub heard: Instant,
    /// When the latest request was sent.
    pub asked: Instant,
    pub due: Instant,
    /// When a check of its MAC was begun last.
    pub checked: Option<Instant>,
    pub permanent: bool,
}

impl Host {
    /// One of which nothing is known.
    pub(super) fn unknown(now: Instant) -> Host {
        Host {
            state: NudState::Incomplete(0),
            since: now,
            heard: now,
            asked: now,
            due: now,
            checked: None,
            permanent: false,
        }
    }

    /// Counts against the bound on those being asked for at once.
    pub(super) fn is_resolving(&self) -> bool {
        !self.permanent && matches!(self.state, NudState::Incomplete(_))
    }

    /// It has been asked something whose answer is due.
    pub(super) fn is_waiting(&self) -> bool {
        self.state.is_waiting()
    }

    pub(super) fn neighbour(&self) -> Option<Neighbour> {
        match self.state {
            NudState::Failed => Some(Neighbour::Failed),
            state => state.mac().map(Neighbour::Reachable),
        }
    }

    /// It has not been heard for a second, nor answered though it was asked: whoever speaks in its name is believed.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        let asked = matches!(self.state, NudState::Probe(..)) && now.since(self.asked) >= PATIENCE;
        asked && now.since(self.heard) > SILENT
    }

    /// The file says where it is.
    pub(super) fn is_static(&self) -> bool {
        matches!(self.state, NudState::Static(_))
    }

    /// A check has been begun a moment ago.
    pub(super) fn was_checked(&self, now: Instant) -> bool {
        self.checked.is_some_and(|begun| now.since(begun) < PAUSE)
    }
}
