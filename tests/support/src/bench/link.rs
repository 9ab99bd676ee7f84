//! What two appliances of a pair tell each other, in one thread and by the clock of the bench: the sync of each, and the wire between.
//!
//! Owns what a thread owns in the field: workers' other ends, bytes on their way, and what management says and hears. The mapping of news and
//! words is the product's.

use super::Appliance;
use fairlead::config::digests;
use fairlead::control::{Input, LinkFacts, PairNews};
use fairlead::peer;
use fairlead::policy::intent::PairRole;
use fairlead::sync::Sync;
use fairlead::time::{Duration, Instant};
use fairlead::worker::Command;
use fairlead::worker::sync::sync_links;

/// How often the controller hears how things stand.
const SHOWN: Duration = Duration::from_millis(100);

/// Both ends.
pub struct Wire {
    ends: [Sync; 2],
    shown: Instant,
    /// Nothing passes, and neither end hears of that.
    pub is_cut: bool,
}

impl Wire {
    /// Between these two, at once. Both have the certificates of their files.
    pub fn between(leads: &mut [Appliance; 2], now: Instant) -> Wire {
        let mut number = 0_u64;
        let ends = leads.each_mut().map(|lead| {
            let (ends, links): (Vec<_>, Vec<_>) = sync_links(lead.workers(), now).into_iter().unzip();
            ends.into_iter().enumerate().for_each(|(at, end)| lead.give(at, Command::Sync(Some(end))));
            number += 1;
            let configuration = lead.controller().configuration();
            let seed = peer::identity(configuration).ok().flatten().map_or(7, |identity| identity.seed());
            let hello = peer::hello(configuration, seed, number);
            let mut sync = Sync::new(links, hello);
            sync.connected(now);
            sync
        });
        Wire { ends, shown: Instant::ZERO, is_cut: false }
    }

    /// What has come and what is due, both ways.
    pub fn turn(&mut self, leads: &mut [Appliance; 2], now: Instant) {
        let is_shown = now.since(self.shown) >= SHOWN;
        if is_shown {
            self.shown = now;
        }
        for (at, lead) in leads.iter_mut().enumerate() {
            let sync = &mut self.ends[at];
            let role = lead.controller().standing().map(|standing| standing.role);
            sync.set_active(role == Some(PairRole::Active), now);
            if is_shown {
                sync.set_configuration(digests(lead.controller().configuration()), now);
            }
            lead.said.drain(..).for_each(|word| _ = sync.say(&word.text(), now));
            let ended = sync.poll(now).err();
            if let Some(why) = ended {
                sync.disconnected(&why.to_string(), now);
                self.ends[1 - at].disconnected("the other appliance has closed the connection", now);
            } else if !self.is_cut && !self.ends[at].is_connected() {
                self.ends.iter_mut().for_each(|end| end.connected(now));
            }
            self.carry(at, now);
            self.tell(at, lead, is_shown, now);
        }
    }

    fn carry(&mut self, from: usize, now: Instant) {
        let bytes = self.ends[from].output().map(|output| output.clone()).unwrap_or_default();
        if self.is_cut || !self.ends[1 - from].wants_bytes() {
            return;
        }
        self.ends[from].sent(bytes.len());
        if let Err(why) = self.ends[1 - from].receive(&bytes, now) {
            panic!("nothing is wrong with the wire: {why}");
        }
    }

    fn tell(&mut self, at: usize, lead: &mut Appliance, is_shown: bool, now: Instant) {
        let news: Vec<PairNews> = std::iter::from_fn(|| self.ends[at].next_news()).map(peer::heard).collect();
        if is_shown || !news.is_empty() {
            let report = self.ends[at].report(now);
            let peer = self.ends[at].is_connected().then(|| ([10, 99, 0, 2 - at as u8], 7_601).into());
            let facts = LinkFacts { report, peer, listening: None };
            lead.handle(Input::Pair(PairNews::Link(Box::new(facts))), now);
        }
        news.into_iter().for_each(|news| lead.handle(Input::Pair(news), now));
    }
}
