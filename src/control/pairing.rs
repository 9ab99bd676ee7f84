//! The pair as the rest of the controller meets it: what is heard of it, and what a change of the role brings about.
//!
//! Owns how the parts meet for that, and the timeline of the last take-over. What follows from what was heard is decided by
//! [`super::pair`].

use super::controller::Controller;
use super::pair::{PairNews, Pairing, PeerState, Standing, Takeover, why};
use super::pair_word::PairWord;
use crate::admin::events::Subject;
use crate::admin::rows::RoleCause;
use crate::config::LogLevel;
use crate::events::{AlarmCode, EventName};
use crate::handover::{Remembered, Who};
use crate::policy::health::{Health, PairHealth};
use crate::policy::intent::{InterfaceId, PairRole};
use crate::policy::{Epoch, Intent};
use crate::time::{Duration, Instant};
use crate::wire::Mac;
use std::net::Ipv4Addr;

/// How long workers are waited for before addresses are announced all the same.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long the alarm of two active appliances stands after the other one was heard last.
const SPLIT_SHOWN: Duration = Duration::from_secs(60);
/// The other one may say that it is active for so long until it has heard that this one is: at a planned take-over both are for a moment.
const HANDS_OVER: Duration = Duration::from_millis(300);
const SPLIT: &str = "pair split";
const DEAF: &str = "pair keepalived";

impl Controller {
    /// A source says what it knows of who is active: the one way in for all of them.
    pub(super) fn hear_of_pair(&mut self, news: PairNews, now: Instant) {
        self.hear_of_link(&news);
        let is_standby = self.pairing.is_some() && !self.is_active();
        match &news {
            PairNews::Word(PairWord::Pools(remembered)) if is_standby => return self.follow_active(remembered, now),
            PairNews::Word(PairWord::Settings(settings)) if is_standby => return self.follow_settings(settings, now),
            PairNews::Word(PairWord::Push { number, text, confirm_s }) => {
                return self.on_push(*number, text, *confirm_s, now);
            }
            PairNews::Word(PairWord::Pushed { number, outcome }) => return self.waiting.on_pushed(*number, outcome),
            PairNews::Word(PairWord::State(peer)) => {
                self.link.set_peer_macs(peer.macs.iter().copied());
                // It may have been active until now, and have taken nothing of what it heard then.
                if peer.role == PairRole::Standby {
                    self.say_all_to_peer();
                }
            }
            _ => {}
        }
        let (Some(pairing), Some(pair)) = (&mut self.pairing, &self.intent.pair) else { return };
        let was_split = pairing.split_since().is_some();
        let standing = pairing.hear(news, pair, now);
        self.review_split(None, now);
        self.end_split(was_split, now);
        if let Some(standing) = standing {
            self.on_role(standing, now);
        }
    }

    /// keepalived cannot be heard, or can again.
    pub(super) fn on_pair_trouble(&mut self, trouble: Option<String>, now: Instant) {
        match trouble {
            Some(trouble) => self.outputs.raise(DEAF, (AlarmCode::PairKeepalived, Subject::none()), trouble, now),
            None => _ = self.outputs.clear(DEAF, || "keepalived is heard again".into()),
        }
    }

    /// Another host claims an address of ours; the other appliance, if it is a floating one.
    pub(super) fn on_claim(&mut self, (interface, address): (InterfaceId, Ipv4Addr), mac: Mac, now: Instant) {
        if self.link.is_peers_claim(interface, address, mac)
            && let Some(pairing) = &mut self.pairing
        {
            pairing.on_claim(now);
            self.review_split(Some((interface, address, mac)), now);
        }
    }

    /// What this appliance is in its pair; `None`: it is alone, and active.
    pub fn standing(&self) -> Option<Standing> {
        self.pairing.as_ref().map(Pairing::standing)
    }

    /// This appliance has, or shares with nobody, what belongs to the active one.
    pub fn is_active(&self) -> bool {
        self.standing().is_none_or(|standing| standing.role == PairRole::Active)
    }

    /// What the other appliance is to know of this one; `None`: there is none.
    pub fn own_peer_state(&self) -> Option<PeerState> {
        let (pairing, pair) = (self.pairing.as_ref()?, self.intent.pair.as_ref()?);
        let (role, order, macs) = (pairing.standing().role, pairing.order(), self.machine.macs.clone());
        Some(PeerState { role, priority: pair.priority, address: own_address(&self.intent), macs, order })
    }

    /// What workers need to know of the pair.
    pub(super) fn pair_health(&self, now: Instant) -> PairHealth {
        let known = self.pairing.as_ref().zip(self.intent.pair.as_ref());
        known.map(|(pairing, pair)| pairing.health(pair, now)).unwrap_or_default()
    }

    /// What workers need to know of all pools, made anew.
    pub(super) fn fresh_health(&self, now: Instant) -> Health {
        Health { pair: self.pair_health(now), ..self.pools.health() }
    }

    /// Another file may have a pair or none.
    pub(super) fn reconfigure_pair(&mut self, now: Instant) {
        match (&mut self.pairing, &self.intent.pair) {
            (pairing @ None, Some(_)) => *pairing = Some(Pairing::after_alone(now)),
            (Some(_), None) => {
                let was_standby = !self.is_active();
                self.pairing = None;
                self.outputs.clear(SPLIT, || "there is no pair any more".into());
                self.end_link();
                if was_standby {
                    self.become_of(true, now);
                }
            }
            _ => {}
        }
    }

    /// What is due of the pair: of two active ones one yields, and the time is over in which nothing is refused.
    pub(super) fn poll_pair(&mut self, now: Instant) {
        let Some(pair) = &self.intent.pair else { return };
        let own = (pair.priority, own_address(&self.intent));
        let was_split = self.pairing.as_ref().is_some_and(|pairing| pairing.split_since().is_some());
        let standing = self.pairing.as_mut().and_then(|pairing| pairing.poll(own, now));
        if let Some(standing) = standing {
            self.on_role(standing, now);
        }
        self.end_split(was_split, now);
        if self.pairing.as_ref().is_some_and(|pairing| pairing.split_since().is_some()) {
            self.review_split(None, now);
        }
        let health = self.pair_health(now);
        if health != self.health.pair {
            self.health.pair = health;
            self.publisher.changed(now);
        }
        if let Some(takeover) = self.takeover
            && takeover.installed.is_none()
            && takeover.published.is_some_and(|(_, at)| now >= at + PATIENCE)
        {
            self.link.announce_floating(now);
        }
    }

    /// When that is.
    pub(super) fn next_of_pair(&self, now: Instant) -> Option<Instant> {
        let (pairing, pair) = (self.pairing.as_ref()?, self.intent.pair.as_ref()?);
        let settled = pairing.settles_until(pair).filter(|_| self.health.pair.is_settling);
        let waits = self.takeover.filter(|takeover| takeover.installed.is_none() && self.link.is_silent());
        let patience = waits.and_then(|takeover| Some(takeover.published?.1 + PATIENCE));
        let named = pairing.split_since().map(|since| since + HANDS_OVER).filter(|due| *due > now);
        [pairing.next_deadline(now), settled, patience, named].into_iter().flatten().min()
    }

    /// A snapshot goes to the workers: it may be the one in which this appliance is active.
    pub(super) fn note_published(&mut self, epoch: Epoch, now: Instant) {
        if let Some(takeover) = self.takeover.as_mut().filter(|takeover| takeover.published.is_none()) {
            takeover.published = Some((epoch, now));
        }
    }

    /// Every worker has the snapshots up to `epoch` since `at`.
    pub(super) fn note_installed(&mut self, epoch: Epoch, at: Instant, now: Instant) {
        let Some(takeover) = self.takeover.as_mut().filter(|takeover| takeover.installed.is_none()) else { return };
        if takeover.published.is_some_and(|(published, _)| published <= epoch) {
            takeover.installed = Some(at);
            self.link.announce_floating(now);
        }
    }

    /// Addresses that were due are announced.
    pub(super) fn note_announced(&mut self) {
        let announced = self.link.announced();
        if let Some(takeover) = self.takeover.as_mut().filter(|_| announced.0.is_some()) {
            takeover.announced = announced;
        }
    }

    fn on_role(&mut self, Standing { role, cause, .. }: Standing, now: Instant) {
        let message = format!("this appliance is {role} now: {}", why(cause));
        self.outputs.log_of(EventName::PairRole, LogLevel::Warn, Subject::none(), message);
        self.become_of(role == PairRole::Active, now);
    }

    /// Workers get to know it before anything else is done; whoever stands by from now on says nothing more.
    fn become_of(&mut self, is_active: bool, now: Instant) {
        let cause = self.standing().map_or(RoleCause::Alone, |standing| standing.cause);
        if is_active {
            self.takeover =
                Some(Takeover { heard: now, cause, published: None, installed: None, announced: (None, None) });
            self.takeovers += 1;
        }
        self.health.pair = self.pair_health(now);
        self.link.hold_floating(is_active, &self.intent, &self.machine.macs, now);
        self.pools.end_following();
        self.pair_link.said = None;
        self.say_all_to_peer();
        self.advertising.touch();
        self.publisher.changed(now);
        self.publish(now);
        if !is_active {
            self.leave_drills(now);
        }
    }

    /// Whether both are active is an alarm, as long as it is so; `claim` is what was just heard of that by ARP.
    fn review_split(&mut self, claim: Option<(InterfaceId, Ipv4Addr, Mac)>, now: Instant) {
        let Some(pairing) = &self.pairing else { return };
        let is_said = pairing.peer().filter(|(peer, _)| peer.role == PairRole::Active);
        let since = pairing.split_since();
        let (subject, what) = match (claim, is_said) {
            _ if since.is_none() => {
                self.outputs.clear(SPLIT, || "one appliance of the pair is active".into());
                return;
            }
            (Some((interface, address, mac)), _) => {
                let name = self.intent.interfaces.get(interface).map_or("", |interface| interface.name.as_str());
                let subject = Subject::interface(name).and(address);
                (subject, format!("{mac} on interface {name} answers for {address} as well"))
            }
            (None, Some(_)) if since.is_some_and(|since| now.since(since) < HANDS_OVER) => return,
            (None, Some((peer, _))) => (Subject::object(peer.address), format!("{} says so of itself", peer.address)),
            (None, None) => return,
        };
        let message = format!("both appliances of the pair are active: {what}");
        self.outputs.raise_for(SPLIT, (AlarmCode::PairSplit, subject), message, Some(SPLIT_SHOWN), now);
    }

    /// Whoever is still active when the other one is not any more says again where the addresses are: neighbours believe who spoke last.
    fn end_split(&mut self, was_split: bool, now: Instant) {
        let is_split = self.pairing.as_ref().is_some_and(|pairing| pairing.split_since().is_some());
        if was_split && !is_split && self.is_active() {
            self.link.announce_floating_again(now);
        }
    }

    /// The active appliance says who is active in its pools: so it is here, whatever this one's monitors say, until it is active itself.
    fn follow_active(&mut self, remembered: &Remembered, now: Instant) {
        let who = Who::of(remembered, &self.intent);
        for (known, id) in remembered.pools.iter().zip(&who.pools) {
            if let Some((id, meant)) = id.and_then(|id| Some((id, self.intent.pools.get(id)?))) {
                self.pools.follow(id, meant, (known, &who), now);
            }
        }
        let health = self.fresh_health(now);
        if health != self.health {
            self.health = health;
            self.publisher.changed_soon(now);
        }
    }
}

/// By which two of the same priority are told apart: the first self-IP.
fn own_address(intent: &Intent) -> Ipv4Addr {
    let first = intent.interfaces.iter().find_map(|interface| interface.addresses.first());
    first.map_or(Ipv4Addr::UNSPECIFIED, |net| net.addr())
}
