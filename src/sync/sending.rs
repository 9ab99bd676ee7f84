//! What workers tell on its way into frames.
//!
//! Owns [`Sending`], one feed: what is of an earlier one is dropped, what comes together travels together, and when all workers have told
//! all. In a frame of its own and before the flows stand those that are no more: a flow that is told and then is no more, both in one go, ends
//! the go.

use super::message::{FLOWS, KEYS, Message, SPEAKERS};
use crate::engine::FlowChange;
use crate::flow::{FlowRecord, SpeakerRecord};
use crate::time::Instant;
use crate::wire::Tuple;
use crate::worker::sync::{SyncLink, Update};
use std::collections::HashSet;

/// Changes of one worker that are taken at once.
const AT_ONCE: usize = 4_096;

/// A feed.
pub(super) struct Sending {
    /// Which one.
    pub feed: u32,
    /// By worker: it has begun this feed.
    begun: Vec<bool>,
    /// By worker: it has told all.
    copied: Vec<bool>,
    /// That all have is said.
    pub has_copied: bool,
    gone: Vec<Tuple>,
    flows: Vec<FlowRecord>,
    /// First keys of `flows`.
    told: HashSet<Tuple, foldhash::fast::FixedState>,
    speakers: Vec<SpeakerRecord>,
    /// Whose those are, and of which kind.
    whose: (bool, u16),
}

impl Sending {
    /// A feed of so many workers.
    pub fn begin(feed: u32, workers: usize) -> Sending {
        Sending {
            feed,
            begun: vec![false; workers],
            copied: vec![false; workers],
            has_copied: false,
            gone: Vec::new(),
            flows: Vec::with_capacity(FLOWS),
            told: HashSet::with_capacity_and_hasher(FLOWS, foldhash::fast::FixedState::default()),
            speakers: Vec::new(),
            whose: (false, 0),
        }
    }

    /// Takes what workers have told, as long as there is room for more, and says it by `say`, which answers whether there is.
    pub fn pump(&mut self, links: &mut [SyncLink], now: Instant, say: &mut impl FnMut(Message) -> bool) {
        let mut has_room = true;
        for (worker, link) in links.iter_mut().enumerate() {
            for _ in 0..AT_ONCE {
                if !has_room {
                    break;
                }
                let Some(told) = link.feed.pop() else { break };
                has_room = self.take(worker, told, now, say);
            }
        }
        self.flush(now, say);
        if !self.has_copied && self.copied.iter().all(|copied| *copied) {
            self.has_copied = true;
            say(Message::Copied(self.feed));
        }
    }

    fn take(&mut self, worker: usize, told: Update, now: Instant, say: &mut impl FnMut(Message) -> bool) -> bool {
        if let Update::Begin(feed) = told {
            self.begun[worker] = feed == self.feed;
            return true;
        }
        if !self.begun[worker] {
            return true;
        }
        let number = worker as u16;
        match told {
            Update::Begin(_) => {}
            Update::Flow(FlowChange::Is(record)) => {
                self.told.insert(record.keys[0]);
                self.flows.push(record);
            }
            Update::Flow(FlowChange::Gone(key)) => {
                if self.told.contains(&key) {
                    self.flush(now, say);
                }
                self.gone.push(key);
            }
            Update::Speaker(asks, record) => {
                if self.whose != (asks, number) {
                    self.flush_speakers(now, say);
                    self.whose = (asks, number);
                }
                self.speakers.push(*record);
            }
            Update::AllSpeakers => {
                self.flush_speakers(now, say);
                return say(Message::AllSpeakers(number));
            }
            Update::Copied => self.copied[worker] = true,
        }
        match self.flows.len() == FLOWS || self.gone.len() == KEYS || self.speakers.len() == SPEAKERS {
            true => self.flush(now, say),
            false => true,
        }
    }

    fn flush(&mut self, now: Instant, say: &mut impl FnMut(Message) -> bool) -> bool {
        let mut has_room = true;
        if !self.gone.is_empty() {
            has_room = say(Message::Gone(std::mem::take(&mut self.gone)));
        }
        if !self.flows.is_empty() {
            self.told.clear();
            let flows = std::mem::replace(&mut self.flows, Vec::with_capacity(FLOWS));
            has_room = say(Message::Flows(now, flows));
        }
        self.flush_speakers(now, say) && has_room
    }

    fn flush_speakers(&mut self, now: Instant, say: &mut impl FnMut(Message) -> bool) -> bool {
        if self.speakers.is_empty() {
            return true;
        }
        let (asks, worker) = self.whose;
        say(Message::Speakers(asks, worker, now, std::mem::take(&mut self.speakers)))
    }
}
