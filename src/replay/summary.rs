//! What a replay came to.
//!
//! Owns the rows that `fairlead replay` prints, as text and as JSON.

use super::appliance::Appliance;
use super::fate::Fate;
use super::survey::OwnMac;
use crate::engine::{DropReason, IgnoreReason, PuntReason};
use crate::policy::intent::Intent;
use crate::wire::Mac;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// What a replay came to. Counts are of frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReplaySummary {
    /// In the capture.
    pub captured: u64,
    /// Of these, those that came in.
    pub received: u64,
    /// The others, by why.
    pub skipped: Vec<ReplayCount>,
    /// Sent on, in as many frames as they left in.
    pub forwarded: u64,
    /// Answered by the appliance: ARP, echo requests.
    pub answered: u64,
    /// Made by the appliance: resets, ICMP errors, and further fragments of what was too long for its way.
    pub originated: u64,
    /// Dropped, those that were rejected among them, by reason.
    pub dropped: Vec<ReplayCount>,
    /// Ignored, by reason.
    pub ignored: Vec<ReplayCount>,
    /// For management, by reason.
    pub punted: Vec<ReplayCount>,
    /// Waiting still at the end, for a MAC or for the rest of their datagram.
    pub waiting: u64,
    /// From the first packet to the last, in seconds.
    pub span_s: f64,
    /// Our MAC on each port.
    pub macs: Vec<ReplayMac>,
    /// What has to be known of how it was replayed.
    pub notes: Vec<String>,
    /// Frames that were compared with the expected ones; `null` if nothing was expected.
    pub compared: Option<u64>,
    /// Where the frames that were sent part from the expected ones first; `null`: nowhere.
    pub difference: Option<ReplayDifference>,
}

/// Frames that ended for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayCount {
    /// The reason, as counters have it.
    pub reason: String,
    /// How many.
    pub frames: u64,
    /// The number of the first of them in the capture, if it ended at once.
    pub first: Option<u64>,
    /// What it means.
    pub explanation: String,
}

/// The MAC that the appliance had on a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayMac {
    /// The port.
    pub port: String,
    /// Its MAC.
    pub mac: String,
    /// `capture`, `given` or `made up`.
    pub from: &'static str,
}

/// The first frame that was sent and not expected so, or the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayDifference {
    /// The port.
    pub port: String,
    /// The number in the capture of the frame that caused it; `null` if none did.
    pub frame: Option<u64>,
    /// The number in the expected capture of the frame that was expected; `null` if none was.
    pub expected: Option<u64>,
    /// What differs.
    pub says: String,
}

/// Why frames of the capture do not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Skip {
    Own,
    TooLong,
    Unplaced,
}

impl Skip {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Skip::Own => {
                ("sent_by_appliance", "Their source is our MAC: the appliance that was captured has sent them.")
            }
            Skip::TooLong => ("too_long", "Longer than a frame of 65,535 bytes of IP."),
            Skip::Unplaced => {
                ("no_interface", "Neither IPv4 nor ARP, and nothing says on which interface they came in.")
            }
        }
    }
}

/// What is counted while it goes on.
#[derive(Default)]
pub(super) struct Ledger {
    pub captured: u64,
    answered: u64,
    skipped: BTreeMap<Skip, (u64, u64)>,
    first_dropped: BTreeMap<&'static str, u64>,
    first_ignored: BTreeMap<&'static str, u64>,
    first_punted: BTreeMap<&'static str, u64>,
    pub padded: u64,
    pub oversized: u64,
    pub tagged: u64,
    pub readdressed: u64,
    /// MACs that were made up and that something was sent to.
    pub made_up: HashSet<Mac>,
}

impl Ledger {
    /// A frame of the capture does not come in.
    pub fn skip(&mut self, number: u64, why: Skip) {
        self.skipped.entry(why).or_insert((0, number)).0 += 1;
    }

    /// What happened to a frame.
    pub fn ended(&mut self, number: u64, fate: Fate) {
        let (_, reason) = fate.words();
        let firsts = match fate {
            Fate::Answered => return self.answered += 1,
            Fate::Forwarded | Fate::Waits => return,
            Fate::Dropped(_) | Fate::Rejected(_) => &mut self.first_dropped,
            Fate::Ignored(_) => &mut self.first_ignored,
            Fate::Punted(_) => &mut self.first_punted,
        };
        if let Some(reason) = reason {
            firsts.entry(reason).or_insert(number);
        }
    }

    /// All of it, with what the worker counted.
    pub fn summary(&self, appliance: &Appliance<'_>) -> ReplaySummary {
        let counters = appliance.counters();
        let skipped = self.skipped.iter().map(|(why, (frames, first))| {
            let (reason, explanation) = why.words();
            row(reason, explanation, *frames, Some(*first))
        });
        let forwarded = counters.transmitted.saturating_sub(counters.originated + self.answered);
        let dropped = DropReason::ALL.iter().map(|it| {
            row(it.name(), it.explanation(), counters.drops(*it), self.first_dropped.get(it.name()).copied())
        });
        let ignored = IgnoreReason::ALL.iter().map(|it| {
            row(it.name(), it.explanation(), counters.ignores(*it), self.first_ignored.get(it.name()).copied())
        });
        let punted = PuntReason::ALL
            .iter()
            .map(|it| row(it.name(), it.explanation(), counters.punts(*it), self.first_punted.get(it.name()).copied()));
        ReplaySummary {
            captured: self.captured,
            received: counters.received,
            skipped: skipped.collect(),
            forwarded,
            answered: self.answered,
            originated: counters.originated,
            dropped: most_first(dropped),
            ignored: most_first(ignored),
            punted: most_first(punted),
            waiting: counters.held,
            ..ReplaySummary::default()
        }
    }
}

fn row(reason: &str, explanation: &str, frames: u64, first: Option<u64>) -> ReplayCount {
    ReplayCount { reason: reason.into(), frames, first, explanation: explanation.into() }
}

fn most_first(rows: impl Iterator<Item = ReplayCount>) -> Vec<ReplayCount> {
    let mut rows: Vec<ReplayCount> = rows.filter(|row| row.frames > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.frames));
    rows
}

/// The rows about our MACs, and what has to be said of them. `given` are those that were typed.
pub(super) fn mac_rows(intent: &Intent, found: &[OwnMac], given: &[Option<Mac>]) -> (Vec<ReplayMac>, Vec<String>) {
    let mut notes = Vec::new();
    let row = |((port, found), given): ((&crate::policy::intent::PortIntent, &OwnMac), &Option<Mac>)| {
        let (mac, from) = match given {
            Some(mac) => (*mac, "given"),
            None if found.frames > 0 => (found.mac, "capture"),
            None => (found.mac, "made up"),
        };
        if let (None, Some((other, frames))) = (given, found.rival) {
            notes.push(format!(
                "on port {} our MAC is taken to be {mac}, for which {} frames speak; for {other} speak {frames}: if that is ours, \
                 say --mac {}={other}",
                port.name, found.frames, port.name
            ));
        }
        ReplayMac { port: port.name.clone(), mac: mac.to_string(), from }
    };
    let rows = intent.ports.iter().zip(found).zip(given).map(row).collect();
    (rows, notes)
}
