//! Who of two appliances is active: what each source says, and what follows from it.
//!
//! Owns the role of this appliance as data: what it is, why, and since when. The last word of keepalived, of the kernel or of an
//! operator counts, unless both appliances are active: then one yields, at once to an operator's later word at the other one, else
//! by its priority after a second. Knows no packets and no threads: what was heard comes as [`PairNews`].

use super::keepalived::{Line, line};
use super::pair_facts::{LAG, LinkFacts};
pub use super::pair_facts::{PeerState, SyncState};
use super::pair_word::PairWord;
use crate::admin::rows::RoleCause;
use crate::policy::Epoch;
use crate::policy::health::PairHealth;
use crate::policy::intent::{Pair, PairRole};
use crate::time::{Duration, Instant};
use std::net::Ipv4Addr;

/// Both were active for so long before one yields: at a take-over they are for a moment.
const SPLIT: Duration = Duration::from_secs(1);
/// A claim of the other one's by ARP counts for so long.
const CLAIM: Duration = Duration::from_secs(5);

/// What one of the sources knows of who is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairNews {
    /// An operator has said so.
    Operator(PairRole),
    /// keepalived has written this line to its notify FIFO; without the line feed.
    Keepalived(String),
    /// Nobody writes to the FIFO any more: keepalived has ended.
    KeepalivedGone,
    /// Devices of the kernel's hold the addresses that keepalived moves (true), or do not.
    Kernel(bool),
    /// The other appliance's management says this.
    Word(PairWord),
    /// Nothing is heard of the other appliance any more.
    PeerLost,
    /// How far this appliance has what the other one knows.
    Sync(SyncState),
    /// There is a connection to the other appliance, or it says something else of itself.
    Connected {
        /// What it calls itself.
        name: String,
        /// What the order is drawn from in which it gives away ports of SNAT addresses.
        snat_seed: u64,
    },
    /// How the connection stands.
    Link(Box<LinkFacts>),
    /// Something that the other one says cannot be read, and why.
    Unread(String),
}

impl PairNews {
    /// What is heard where the other one's management says this.
    pub fn of_word(text: &str) -> PairNews {
        PairWord::read(text).map_or_else(PairNews::Unread, PairNews::Word)
    }
}

/// Why, in words.
pub(super) fn why(cause: RoleCause) -> &'static str {
    match cause {
        RoleCause::File => "the file says so, and nobody else has said anything yet",
        RoleCause::Alone => "it was alone before [pair] was added",
        RoleCause::Operator => "an operator said so",
        RoleCause::Keepalived => "keepalived said so",
        RoleCause::Kernel => "the kernel's devices say so: they have, or do not have, the floating addresses",
        RoleCause::Split => "both were active, and the other one goes first",
    }
}

/// What this appliance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Active, or standby.
    pub role: PairRole,
    /// Who has said so.
    pub cause: RoleCause,
    /// When that was.
    pub since: Instant,
}

/// How a take-over went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takeover {
    /// When it was said that this appliance is active.
    pub(super) heard: Instant,
    /// Who said so.
    pub(super) cause: RoleCause,
    /// When workers were given the snapshot in which it is.
    pub(super) published: Option<(Epoch, Instant)>,
    /// When every worker had it.
    pub(super) installed: Option<Instant>,
    /// When the first and the last floating address were announced.
    pub(super) announced: (Option<Instant>, Option<Instant>),
}

/// Both are active.
#[derive(Clone, Copy, Debug)]
struct Split {
    since: Instant,
    /// When the other one was heard to be active last.
    heard: Instant,
}

/// The role, and what it follows from.
#[derive(Debug)]
pub(super) struct Pairing {
    /// By the last word.
    said: Standing,
    /// As [`PeerState::order`] has it.
    order: u64,
    /// Both were active, and this one has yielded.
    yielded: Option<Instant>,
    split: Option<Split>,
    /// What the other appliance said last, and when.
    peer: Option<(PeerState, Instant)>,
    /// Nothing is heard of it any more.
    is_peer_lost: bool,
    sync: Option<SyncState>,
    /// What the kernel said last.
    kernel: Option<bool>,
    /// Lines of keepalived's that say nothing that is known.
    pub(super) unknown_lines: u64,
}

impl Pairing {
    /// As the file says, until somebody says something else.
    pub(super) fn new(pair: &Pair, now: Instant) -> Pairing {
        Pairing::of(pair.role, RoleCause::File, now)
    }

    /// Of an appliance that was alone, and so active.
    pub(super) fn after_alone(now: Instant) -> Pairing {
        Pairing::of(PairRole::Active, RoleCause::Alone, now)
    }

    fn of(role: PairRole, cause: RoleCause, since: Instant) -> Pairing {
        Pairing {
            said: Standing { role, cause, since },
            order: 0,
            yielded: None,
            split: None,
            peer: None,
            is_peer_lost: true,
            sync: None,
            kernel: None,
            unknown_lines: 0,
        }
    }

    /// What this appliance is.
    pub(super) fn standing(&self) -> Standing {
        match self.yielded {
            Some(since) => Standing { role: PairRole::Standby, cause: RoleCause::Split, since },
            None => self.said,
        }
    }

    /// The same as workers need to know it.
    pub(super) fn health(&self, pair: &Pair, now: Instant) -> PairHealth {
        let is_standby = self.standing().role == PairRole::Standby;
        PairHealth { is_standby, is_settling: self.settles_until(pair).is_some_and(|until| now < until) }
    }

    /// Until when nothing is refused, of an appliance that has become active.
    pub(super) fn settles_until(&self, pair: &Pair) -> Option<Instant> {
        let Standing { role, cause, since } = self.standing();
        (role == PairRole::Active && cause != RoleCause::Alone).then(|| since + pair.settle)
    }

    /// What the other appliance said last, and when; `None`: nothing, or nothing is heard of it any more.
    pub(super) fn peer(&self) -> Option<&(PeerState, Instant)> {
        self.peer.as_ref().filter(|_| !self.is_peer_lost)
    }

    /// By which word of an operator's this one is active: its number, 0 if by none.
    pub(super) fn order(&self) -> u64 {
        self.order
    }

    /// How far this appliance has what the other one knows; `None`: nobody says.
    pub(super) fn sync(&self) -> Option<SyncState> {
        self.sync
    }

    /// Why this one should not become active while the other one is, if there is anything.
    pub(super) fn behind(&self) -> Option<String> {
        let is_active = self.peer().is_some_and(|(peer, _)| peer.role == PairRole::Active);
        let sync = self.sync.filter(|sync| is_active && !sync.is_in_sync)?;
        Some(match sync.lag_flows {
            _ if sync.lag > LAG => format!(
                "it is {:.1} s behind the active one: the connection between the two carries less than what changes",
                sync.lag.as_secs_f64()
            ),
            0 => "it does not have yet what the active one knows: a full copy is under way".into(),
            changes => format!("it does not have yet what the active one knows: {changes} changes are missing"),
        })
    }

    /// Since when both appliances are active, if they are.
    pub(super) fn split_since(&self) -> Option<Instant> {
        self.split.map(|split| split.since)
    }

    /// Takes in what a source knows. Says what this appliance is from now on, if that is another role than before.
    pub(super) fn hear(&mut self, news: PairNews, pair: &Pair, now: Instant) -> Option<Standing> {
        let before = self.standing().role;
        match news {
            PairNews::Operator(role) => self.on_operator(role, now),
            PairNews::Keepalived(text) => match line(&text, pair.instance.as_deref()) {
                Line::Role(role) => self.say(role, RoleCause::Keepalived, now),
                Line::Other => {}
                Line::Unknown => self.unknown_lines += 1,
            },
            PairNews::KeepalivedGone => self.say(PairRole::Standby, RoleCause::Keepalived, now),
            // The same again is no news: it would undo what was said since.
            PairNews::Kernel(holds) if self.kernel.replace(holds) == Some(holds) => {}
            PairNews::Kernel(true) => self.say(PairRole::Active, RoleCause::Kernel, now),
            PairNews::Kernel(false) => self.say(PairRole::Standby, RoleCause::Kernel, now),
            PairNews::Word(PairWord::State(peer)) => self.on_peer(peer, now),
            PairNews::PeerLost => {
                (self.is_peer_lost, self.sync) = (true, None);
                self.resume(now);
            }
            PairNews::Sync(sync) => self.sync = Some(sync),
            PairNews::Link(facts) => self.sync = facts.sync(),
            PairNews::Word(_) | PairNews::Connected { .. } | PairNews::Unread(_) => {}
        }
        let standing = Some(self.standing()).filter(|standing| standing.role != before);
        // What the other one is it has said before.
        if standing.is_some() && self.peer().is_some_and(|(peer, _)| peer.role == PairRole::Active) {
            self.on_claim(now);
        }
        standing
    }

    /// The other one was heard by ARP as the owner of what belongs to the active one.
    pub(super) fn on_claim(&mut self, now: Instant) {
        if self.standing().role == PairRole::Active {
            self.split.get_or_insert(Split { since: now, heard: now }).heard = now;
        }
    }

    /// Yields if both have been active for long enough and the other one goes first; `own` as [`Pairing::hear`] has it of that one.
    pub(super) fn poll(&mut self, own: (u16, Ipv4Addr), now: Instant) -> Option<Standing> {
        let split = self.split?;
        let is_said = self.peer().is_some_and(|(peer, _)| peer.role == PairRole::Active);
        if !is_said && now.since(split.heard) >= CLAIM {
            self.split = None;
            return None;
        }
        let lasts = now.since(split.since) >= SPLIT && (is_said || split.heard.since(split.since) >= SPLIT);
        // One that is connected and says that it stands by is not who claims the addresses.
        let denies = self.peer().is_some_and(|(peer, _)| peer.role == PairRole::Standby);
        if !lasts || denies || !self.peer_goes_first(own) {
            return None;
        }
        self.give_way(now);
        Some(self.standing())
    }

    /// Operators' words count between two that hear each other: else one might not know of the other's.
    fn peer_goes_first(&self, own: (u16, Ipv4Addr)) -> bool {
        let Some((peer, _)) = &self.peer else { return false };
        let orders = if self.is_peer_lost { (0, 0) } else { (peer.order, self.order) };
        (orders.0, (peer.priority, peer.address)) > (orders.1, own)
    }

    fn give_way(&mut self, now: Instant) {
        (self.split, self.yielded) = (None, Some(now));
    }

    /// When [`Pairing::poll`] may have something though nothing happens.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let split = self.split?;
        let due = split.since + SPLIT;
        let is_said = self.peer().is_some_and(|(peer, _)| peer.role == PairRole::Active);
        Some(match now < due {
            true => due,
            false if is_said => now + CLAIM,
            false => split.heard + CLAIM,
        })
    }

    fn say(&mut self, role: PairRole, cause: RoleCause, now: Instant) {
        let was = self.standing().role;
        (self.yielded, self.split) = (None, None);
        if role == PairRole::Standby {
            self.order = 0;
        }
        if was != role || self.said.role != role {
            self.said = Standing { role, cause, since: now };
        }
    }

    /// His word is later than all that the other one has said: where that is active as well, it is who yields.
    fn on_operator(&mut self, role: PairRole, now: Instant) {
        self.say(role, RoleCause::Operator, now);
        if role == PairRole::Active {
            let known = self.peer.as_ref().map_or(0, |(peer, _)| peer.order);
            self.order = self.order.max(known).saturating_add(1);
        }
    }

    fn on_peer(&mut self, peer: PeerState, now: Instant) {
        let (role, order) = (peer.role, peer.order);
        (self.peer, self.is_peer_lost) = (Some((peer, now)), false);
        match role {
            PairRole::Standby => {
                self.split = None;
                self.resume(now);
            }
            PairRole::Active if self.standing().role == PairRole::Standby => {}
            PairRole::Active if order > self.order => self.give_way(now),
            PairRole::Active => self.on_claim(now),
        }
    }

    /// Who has yielded is active again, as was said, when the other one is not.
    fn resume(&mut self, now: Instant) {
        if self.yielded.take().is_some() {
            self.said.since = now;
        }
    }
}

#[cfg(test)]
mod tests;
