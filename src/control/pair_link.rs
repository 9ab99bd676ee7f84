//! What the two managements of a pair say to each other, and how their connection stands.
//!
//! Owns when something has to be said again, a bounded part of it a turn, and the alarms about the connection: that what one knows is not
//! at the other, and in what their configurations differ. The connection is a thread's ([`crate::sync`] says how it stands); nobody here
//! waits for it.

use super::controller::Controller;
use super::operator_state::OperatorState;
use super::outbox::Output;
use super::pair::PairNews;
use super::pair_facts::{LinkFacts, is_copying};
use super::pair_word::PairWord;
use super::peer_link::{Compared, PairLink};
use crate::admin::events::Subject;
use crate::admin::pair::{PairLinkRow, SyncWord};
use crate::config::{LogLevel, visible};
use crate::events::{AlarmCode, EventName};
use crate::handover::Remembered;
use crate::policy::intent::PairRole;
use crate::sync::State;
use crate::time::{Duration, Instant};

/// Pools that are said in one turn.
const POOLS: usize = 128;
/// For so long what one knows may not be at the other before that is an alarm: a start of the other, and a full copy, take no longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Keys that an alarm names.
const NAMED: usize = 12;
/// Characters that are quoted of why a word of the other one's cannot be read: it quotes that word.
const QUOTED: usize = 200;
/// The alarms.
const UNSYNCHRONISED: &str = "pair unsynchronised";
const CONFIGURATION: &str = "pair configuration";

impl Controller {
    /// The thread says something of the connection.
    pub(super) fn hear_of_link(&mut self, news: &PairNews) {
        match news {
            PairNews::Connected { name, snat_seed } => self.on_connected(name, *snat_seed),
            PairNews::PeerLost => self.on_disconnected(),
            PairNews::Link(facts) => self.pair_link.facts.clone_from(facts),
            PairNews::Unread(why) => self.on_unread(why),
            _ => {}
        }
    }

    /// The first one over a connection is an event; how many there were is one when it ends.
    fn on_unread(&mut self, why: &str) {
        self.pair_link.unread += 1;
        if self.pair_link.unread == 1 {
            let why: String = why.chars().take(QUOTED).collect();
            let message = format!("what {} says cannot be read: {}", self.pair_link.name(), visible(&why));
            self.log(EventName::PairPeer, LogLevel::Warn, message);
        }
    }

    fn on_connected(&mut self, name: &str, seed: u64) {
        let name: String = visible(name).chars().take(64).collect();
        let is_new = self.pair_link.other.as_ref().is_none_or(|(known, _)| *known != name);
        let link = &mut self.pair_link;
        (link.other, link.was_connected) = (Some((name, seed)), true);
        link.said = None;
        self.say_all_to_peer();
        if is_new {
            let message = format!("connected to {}, the other appliance of the pair", self.pair_link.name());
            self.log(EventName::PairPeer, LogLevel::Info, message);
        }
    }

    fn on_disconnected(&mut self) {
        if !self.pair_link.is_up() {
            return;
        }
        let why = visible(self.pair_link.failure());
        let message = format!("the connection to {} is lost: {why}", self.pair_link.name());
        self.log(EventName::PairPeer, LogLevel::Warn, message);
        if self.pair_link.unread > 1 {
            let (name, unread) = (self.pair_link.name(), self.pair_link.unread);
            let message = format!("{unread} words of {name} could not be read over that connection");
            self.log(EventName::PairPeer, LogLevel::Warn, message);
        }
        (self.pair_link.other, self.pair_link.said, self.pair_link.said_settings) = (None, None, None);
        self.pair_link.unread = 0;
        self.waiting.push_is_lost(&why);
    }

    /// Whatever was said of settings and pools is said again, from now on.
    pub(super) fn say_all_to_peer(&mut self) {
        self.pair_link.said_settings = None;
        self.pools.say_all();
    }

    /// The other one takes what is said of settings and pools: who is active itself would not.
    fn has_standby(&self) -> bool {
        let peer = self.pairing.as_ref().and_then(|pairing| pairing.peer());
        self.is_active() && self.pair_link.is_up() && peer.is_some_and(|(peer, _)| peer.role == PairRole::Standby)
    }

    /// What the other one has to know is said, as much as one turn may; and what is wrong with the connection is an alarm.
    pub(super) fn poll_pair_link(&mut self, now: Instant) {
        if self.pairing.is_none() {
            return;
        }
        self.review_link(now);
        if !self.pair_link.is_up() {
            return;
        }
        let own = self.own_peer_state();
        if let Some(own) = own.filter(|own| self.pair_link.said.as_ref() != Some(own)) {
            self.say_to_peer(PairWord::State(own.clone()));
            self.pair_link.said = Some(own);
        }
        if !self.has_standby() {
            return;
        }
        let set = self.saves.counted();
        if self.pair_link.said_settings.replace(set) != Some(set) {
            let settings = self.operator_state().with(&self.pair_link.unplaced);
            let settings = OperatorState { acknowledged: Vec::new(), ..settings };
            self.say_to_peer(PairWord::Settings(Box::new(settings)));
        }
        let due = self.pools.take_unsaid(POOLS);
        let pools = due.iter().filter_map(|id| self.intent.pools.get(*id).map(|pool| self.remembered_pool(*id, pool)));
        let pools: Vec<_> = pools.collect();
        if !pools.is_empty() {
            self.say_to_peer(PairWord::Pools(Remembered {
                snat_seed: self.snat_seed(),
                pools,
                ..Remembered::default()
            }));
        }
    }

    /// There is no pair any more.
    pub(super) fn end_link(&mut self) {
        self.pair_link = PairLink::default();
        for key in [UNSYNCHRONISED, CONFIGURATION] {
            self.outputs.clear(key, || "there is no pair any more".into());
        }
    }

    /// When that has something to do though nothing happens.
    pub(super) fn next_of_pair_link(&self, now: Instant) -> Option<Instant> {
        let more = self.has_standby() && self.pools.has_unsaid();
        let patience = self.pair_link.trouble.map(|since| since + PATIENCE).filter(|due| *due > now);
        more.then_some(now).or(patience)
    }

    pub(super) fn say_to_peer(&mut self, word: PairWord) {
        self.outputs.push(Output::TellPeer(Box::new(word)));
    }

    pub(super) fn snat_seed(&self) -> u64 {
        self.checks.ports.snat_ports.seed()
    }

    /// A connection is wanted.
    pub(super) fn has_peer(&self) -> bool {
        self.intent.pair.as_ref().is_some_and(|pair| pair.peer.is_some())
    }

    /// What nobody has heard of the other one since the start says nothing.
    pub(super) fn has_just_begun_alone(&self, now: Instant) -> Option<String> {
        let is_standby = self.standing().is_some_and(|standing| standing.role == PairRole::Standby);
        let is_fresh = now.since(self.machine.began) < PATIENCE && !self.pair_link.was_connected;
        (self.has_peer() && is_standby && is_fresh)
            .then(|| "it has just started, and is not connected to the other appliance yet".into())
    }

    fn review_link(&mut self, now: Instant) {
        let state = self.pair_link.facts.report.state;
        let is_in_sync = self.pair_link.is_up() && state == State::InSync;
        if is_in_sync && !self.pair_link.was_in_sync {
            let whose = if self.is_active() { "the standby has" } else { "this appliance has" };
            self.log(EventName::PairSync, LogLevel::Info, format!("{whose} all that the active one knows"));
        }
        self.pair_link.was_in_sync = is_in_sync;
        let trouble = match (self.has_peer(), self.pair_link.is_up()) {
            (false, _) => None,
            (true, false) => Some(format!("there is no connection: {}", visible(self.pair_link.failure()))),
            (true, true) if is_copying(state) => Some("all is being told anew, and is not there yet".into()),
            (true, true) => None,
        };
        let since = *self.pair_link.trouble.get_or_insert(now);
        match trouble {
            None => {
                self.pair_link.trouble = None;
                self.outputs.clear(UNSYNCHRONISED, || "one appliance of the pair has what the other knows".into());
            }
            Some(what) if now.since(since) >= PATIENCE => {
                let message = format!("the standby does not have what the active appliance knows: {what}");
                self.outputs.raise(UNSYNCHRONISED, (AlarmCode::PairUnsynchronised, Subject::none()), message, now);
            }
            Some(_) => {}
        }
        self.review_configurations(now);
    }

    /// That they differ is an alarm until both are known to say the same: a connection that is cut says nothing about that.
    fn review_configurations(&mut self, now: Instant) {
        let theirs = self.pair_link.other.as_ref().map(|(_, seed)| *seed);
        let found = self.pair_link.facts.report.differences.clone();
        let compared = Compared { has_peer: self.has_peer(), seeds: (self.snat_seed(), theirs), found };
        if self.pair_link.compared.as_ref() == Some(&compared) {
            return;
        }
        self.pair_link.compared = Some(compared);
        if !self.has_peer() {
            self.outputs.clear(CONFIGURATION, || "no connection to the other appliance is wanted any more".into());
            return;
        }
        let Some((keys, count)) = self.differences() else { return };
        if count == 0 {
            self.outputs.clear(CONFIGURATION, || "the configurations of the pair say the same".into());
            return;
        }
        let mut named = keys.iter().take(NAMED).map(|key| visible(key)).collect::<Vec<_>>().join(", ");
        if count > NAMED {
            named += &format!(" and {} more", count - NAMED);
        }
        let message = format!("the configurations of the two appliances differ in {named}");
        self.outputs.raise(CONFIGURATION, (AlarmCode::PairConfiguration, Subject::none()), message, now);
    }

    /// In what the two appliances differ that should be the same, and how many of these there are; `None`: that is not known, or not yet.
    fn differences(&self) -> Option<(Vec<String>, usize)> {
        let (_, seed) = self.pair_link.other.as_ref().filter(|_| self.has_peer())?;
        let found = self.pair_link.facts.report.differences.as_deref()?;
        let (mut keys, mut count) = (found.keys.clone(), found.count);
        if *seed != self.snat_seed() {
            keys.insert(0, "the order of SNAT ports (restart the appliance that was started first)".into());
            count += 1;
        }
        Some((keys, count))
    }

    /// How the connection stands, for an operator; `None`: none is wanted.
    pub(super) fn link_row(&self) -> Option<PairLinkRow> {
        let wanted = self.intent.pair.as_ref()?.peer?;
        let (link, LinkFacts { report, peer, listening }) = (&self.pair_link, &self.pair_link.facts);
        let (differences, differences_count) = self.differences().unzip();
        let state = match report.state {
            _ if !link.is_up() => SyncWord::Away,
            State::Away => SyncWord::Away,
            State::Idle => SyncWord::Idle,
            State::Copying => SyncWord::Copying,
            State::CopyDue => SyncWord::CopyDue,
            State::InSync => SyncWord::InSync,
        };
        Some(PairLinkRow {
            peer: wanted,
            connected: peer.filter(|_| link.is_up()),
            name: link.other.as_ref().map(|(name, _)| name.clone()),
            state,
            last_error: listening.clone().or(report.last_error.clone()),
            records_sent: report.records[0],
            records_received: report.records[1],
            bytes_sent: report.bytes[0],
            bytes_received: report.bytes[1],
            copies_begun: report.copies[0],
            copies_whole: report.copies[1],
            breaks: report.breaks,
            flows_taken: report.taken[0],
            flows_left_out: report.taken[1],
            differences: differences.unwrap_or_default(),
            differences_count: differences_count.map(|count| count as u64),
        })
    }
}
