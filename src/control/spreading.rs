//! How NICs spread what they receive over the workers, and whether it helps.
//!
//! Owns the words for both, and the judgement from what arrived where. It is logged once for each port when enough has
//! arrived, and shown at any time on request. Changes nothing: what arrives at the wrong worker is handed off in software.

use super::facts::{Machine, PortFacts, Spreading};
use super::outbox::Outbox;
use crate::admin::events::Subject;
use crate::config::LogLevel;
use crate::events::EventName;
use crate::policy::Intent;
use crate::policy::intent::PortId;
use crate::wire::toeplitz::HashOn;
use crate::worker::arrivals::Arrived;

/// Frames before which nothing is said.
const ENOUGH: u64 = 10_000;

/// Of the frames that could arrive where they are decided about, those that must for it to be as asked, in percent.
/// The rest is what no NIC can place: pings, errors, fragments, calls between pairs.
const GOOD: u64 = 90;

/// What is to be said of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// It is what was asked for, or nothing was.
    pub good: bool,
    /// One sentence, without the port's name.
    pub words: String,
}

/// What `arrived` at a port tells; `None` when it is too little, or when there is one worker and nothing to spread.
pub fn judge(port: &PortFacts, arrived: Arrived, workers: usize) -> Option<Judgement> {
    if workers < 2 || arrived.frames < ENOUGH {
        return None;
    }
    let here = arrived.frames.saturating_sub(arrived.elsewhere);
    let percent = format!("{:.1} % of the frames are received by the owning worker", percent(here, arrived.frames));
    let served = workers.min(usize::from(port.rx_queues)) as u64;
    let few = if served > 1 && (served as usize) < workers {
        format!(" (there are {served} queues for {workers} workers)")
    } else {
        String::new()
    };
    let spreading = port.spreading;
    Some(match spreading {
        Spreading::By(HashOn::Source | HashOn::Destination) => {
            let good = here * workers as u64 * 100 >= arrived.frames * served * GOOD;
            let words = if good {
                format!("spreads {spreading} as asked: {percent}{few}")
            } else {
                format!(
                    "was asked to spread {spreading}, but only {percent}{few}: the others are handed off in software; see \
                     dpdk-config/README.md"
                )
            };
            Judgement { good, words }
        }
        other => {
            let manner = match other {
                Spreading::OneQueue => "has one queue",
                Spreading::Cannot => "has no RSS",
                Spreading::Plain => "spreads by its default RSS",
                Spreading::By(_) => "spreads by both ends",
            };
            Judgement { good: true, words: format!("{manner}: {percent}{few}; the others are handed off in software") }
        }
    })
}

fn percent(part: u64, whole: u64) -> f64 {
    // Downward: what is not complete must not read as if it were.
    (part as f64 * 1_000.0 / whole as f64).floor() / 10.0
}

/// The ports that have been judged, each once.
pub(super) struct SpreadingCheck {
    judged: Vec<bool>,
}

impl SpreadingCheck {
    pub(super) fn new(ports: usize) -> SpreadingCheck {
        SpreadingCheck { judged: vec![false; ports] }
    }

    /// Once a second, until every port with traffic has been judged.
    pub(super) fn poll(&mut self, machine: &Machine, intent: &Intent, out: &mut Outbox) {
        if machine.workers < 2 {
            return;
        }
        for (at, judged) in self.judged.iter_mut().enumerate().filter(|(_, judged)| !**judged) {
            let arrived = machine.counters.port(PortId(at as u8)).arrived;
            if let Some(Judgement { good, words }) = judge(&machine.ports[at], arrived, machine.workers) {
                *judged = true;
                let level = if good { LogLevel::Info } else { LogLevel::Warn };
                let name = &intent.ports[at].name;
                out.log_of(EventName::PortSpreading, level, Subject::interface(name), format!("port {name} {words}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(spreading: Spreading, rx_queues: u16) -> PortFacts {
        PortFacts { rx_queues, spreading, ..PortFacts::default() }
    }

    #[test]
    fn what_arrives_says_whether_the_nic_does_as_asked() {
        let source = Spreading::By(HashOn::Source);
        let destination = Spreading::By(HashOn::Destination);
        let rows = [
            (
                source,
                2,
                2,
                20,
                true,
                "spreads by source as asked: 99.8 % of the frames are received by the owning worker",
            ),
            (
                destination,
                4,
                4,
                999,
                true,
                "spreads by destination as asked: 90.0 % of the frames are received by the owning worker",
            ),
            (
                source,
                2,
                2,
                4_900,
                false,
                "was asked to spread by source, but only 51.0 % of the frames are received by the owning worker: the others are \
                 handed off in software; see dpdk-config/README.md",
            ),
            (
                destination,
                2,
                4,
                5_100,
                true,
                "spreads by destination as asked: 49.0 % of the frames are received by the owning worker (there are 2 queues \
                 for 4 workers)",
            ),
            (
                Spreading::Plain,
                2,
                2,
                5_000,
                true,
                "spreads by its default RSS: 50.0 % of the frames are received by the owning worker; the others are handed off in software",
            ),
            (
                Spreading::OneQueue,
                1,
                2,
                5_000,
                true,
                "has one queue: 50.0 % of the frames are received by the owning worker; the others are handed off in software",
            ),
        ];
        for (spreading, queues, workers, elsewhere, good, words) in rows {
            let judged = judge(&port(spreading, queues), Arrived { frames: 10_000, elsewhere }, workers);
            assert_eq!(judged, Some(Judgement { good, words: words.to_owned() }));
        }
    }

    #[test]
    fn nothing_is_said_of_little_or_of_one_worker() {
        let source = port(Spreading::By(HashOn::Source), 2);
        assert_eq!(judge(&source, Arrived { frames: 9_999, elsewhere: 0 }, 2), None);
        assert_eq!(judge(&source, Arrived { frames: 10_000, elsewhere: 0 }, 1), None);
        assert_eq!(judge(&source, Arrived::default(), 2), None);
    }

    #[test]
    fn one_frame_that_went_astray_is_not_rounded_away() {
        let judged = judge(&port(Spreading::By(HashOn::Source), 2), Arrived { frames: 1_000_000, elsewhere: 1 }, 2);
        assert!(judged.is_some_and(|judged| judged.words.contains(" 99.9 % ")));
    }
}
