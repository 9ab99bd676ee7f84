//! What happened to one frame.
//!
//! Owns how that is read off what the worker counted. The sums of a replay are the worker's own; this is what is said of each frame.

use super::appliance::Sent;
use crate::engine::{DropReason, IgnoreReason, PuntReason};
use crate::io::Frame;
use crate::wire::{Kind, Packet};
use crate::worker::Counters;

/// What happened to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was sent on.
    Forwarded,
    /// The appliance answered it.
    Answered,
    /// It was dropped.
    Dropped(DropReason),
    /// It was dropped, and its sender was told.
    Rejected(DropReason),
    /// It was for nobody here.
    Ignored(IgnoreReason),
    /// It went to management.
    Punted(PuntReason),
    /// It waits: for a MAC, for the rest of its datagram, or until it is known whether somebody takes it.
    Waits,
}

/// What the kernel gets a copy of is not done with by that: a copy is a frame of its own.
fn without_copies(counters: &Counters) -> Counters {
    let mut counters = counters.clone();
    let Counters { originated, punted, dropped, .. } = &mut counters;
    for reason in [PuntReason::HostArp, PuntReason::HostEcho] {
        *originated -= std::mem::take(&mut punted.0[reason as usize]);
    }
    for reason in [DropReason::HostArpLimited, DropReason::HostEchoLimited] {
        *originated -= std::mem::take(&mut dropped.0[reason as usize]);
    }
    counters
}

impl Fate {
    /// Of the only frame that came in between the two counts. What it caused to be sent is `sent`.
    pub fn of(frame: &[u8], before: &Counters, after: &Counters, sent: &[Sent]) -> Fate {
        let (before, after) = (&without_copies(before), &without_copies(after));
        let more = |before: &[u64], after: &[u64]| before.iter().zip(after).position(|(before, after)| after > before);
        let dropped = more(&before.dropped.0, &after.dropped.0).map(|at| DropReason::ALL[at]);
        let originated = after.originated - before.originated;
        let forwarded = (after.transmitted - before.transmitted).saturating_sub(originated);
        if let Some(at) = more(&before.ignored.0, &after.ignored.0) {
            Fate::Ignored(IgnoreReason::ALL[at])
        } else if let Some(at) = more(&before.punted.0, &after.punted.0) {
            Fate::Punted(PuntReason::ALL[at])
        } else if forwarded > 0 {
            if sent.iter().any(|sent| answers(frame, sent.frame.bytes())) { Fate::Answered } else { Fate::Forwarded }
        } else if let Some(reason) = dropped {
            if originated > 0 { Fate::Rejected(reason) } else { Fate::Dropped(reason) }
        } else {
            Fate::Waits
        }
    }

    /// In a word, and for what reason.
    pub fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Fate::Forwarded => ("forward", None),
            Fate::Answered => ("answer", None),
            Fate::Dropped(reason) => ("drop", Some(reason.name())),
            Fate::Rejected(reason) => ("reject", Some(reason.name())),
            Fate::Ignored(reason) => ("ignore", Some(reason.name())),
            Fate::Punted(reason) => ("punt", Some(reason.name())),
            Fate::Waits => ("wait", None),
        }
    }
}

/// Whether `sent` goes back to who sent `frame`, from whom that was for: nothing that is forwarded does.
fn answers(frame: &[u8], sent: &[u8]) -> bool {
    let (Ok(asked), Ok(said)) = (Packet::parse(frame), Packet::parse(sent)) else { return false };
    let back = (said.src(), said.dst()) == (asked.dst(), asked.src());
    back && (matches!(said.kind, Kind::Arp(_)) == matches!(asked.kind, Kind::Arp(_)))
}
