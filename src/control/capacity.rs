//! How full the tables of the workers and of the links are.
//!
//! Owns the alarms: one for each worker whose flow table is nearly full, one for each whose table of fragments is or has dropped some for
//! others, one while flows give way to others, and one for the ARP table.
//! Looked at once a second. What is dropped for want of room has counters of its own.

use super::neighbours::MOST as MOST_NEIGHBOURS;
use super::outbox::Outbox;
use crate::admin::events::Subject;
use crate::engine::{DropReason, EngineEvent};
use crate::events::AlarmCode;
use crate::time::{Duration, Instant};
use crate::worker::Counters;
use std::collections::{BTreeMap, BTreeSet};

/// From how much of a table on it is nearly full, and below how much it is no longer, in percent.
const NEARLY: u64 = 90;
const AGAIN: u64 = 80;
/// For so long after a flow or a fragment last gave way, they are said to.
const LASTS: Duration = Duration::from_secs(60);

const GIVES_WAY: &str = "flows give way";
const ARP_TABLE: &str = "arp table";

/// How many of each a worker may have.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) flows: u64,
    pub(super) fragments: u64,
}

/// Which tables are nearly full, and since when flows give way.
#[derive(Default)]
pub(super) struct Capacity {
    full: BTreeSet<u16>,
    /// Flows, of all workers.
    gave_way: GaveWay,
    /// By worker.
    fragments: BTreeMap<u16, Fragments>,
    neighbours_full: bool,
}

/// How many had given way when that was last looked at, and when it was found to have grown. They are counted from the start of the process:
/// what the first look finds has happened since then.
#[derive(Default)]
struct GaveWay {
    count: u64,
    at: Option<Instant>,
}

impl GaveWay {
    /// There are so many now. Says whether some have given way of late.
    fn look(&mut self, count: u64, now: Instant) -> bool {
        if count > std::mem::replace(&mut self.count, count) {
            self.at = Some(now);
        }
        self.at = self.at.filter(|at| now.since(*at) < LASTS);
        self.at.is_some()
    }
}

/// A worker's table of fragments.
#[derive(Default)]
struct Fragments {
    is_full: bool,
    gave_way: GaveWay,
    is_alarm: bool,
}

impl Capacity {
    /// `workers` is what each has counted, `room` what each may have, `neighbours` how many hosts are known.
    pub(super) fn poll<'c>(
        &mut self,
        workers: impl Iterator<Item = &'c Counters>,
        room: Room,
        neighbours: usize,
        out: &mut Outbox,
        now: Instant,
    ) {
        let mut gave_way = 0;
        for (id, counters) in (0_u16..).zip(workers) {
            gave_way += counters.events(EngineEvent::FlowGaveWay);
            self.worker(id, counters.flows, room.flows, out, now);
            self.fragments(id, counters, room.fragments, out, now);
        }
        self.evictions(gave_way, out, now);
        self.neighbours(neighbours as u64, out, now);
    }

    fn worker(&mut self, id: u16, flows: u64, room: u64, out: &mut Outbox, now: Instant) {
        let key = format!("flow table {id}");
        let is_full = is_full(flows, room, self.full.contains(&id));
        if is_full {
            let message = format!("worker {id} holds {flows} flows of {room} that it may have");
            out.raise(&key, (AlarmCode::FlowsFull, Subject::object(format!("worker {id}"))), message, now);
            self.full.insert(id);
        } else if self.full.remove(&id) {
            out.clear(&key, || format!("worker {id} has room for flows again"));
        }
    }

    fn fragments(&mut self, id: u16, counters: &Counters, room: u64, out: &mut Outbox, now: Instant) {
        let (key, fragments) = (format!("fragments {id}"), self.fragments.entry(id).or_default());
        let gave_way = fragments.gave_way.look(counters.dropped.0[DropReason::FragmentsFull as usize], now);
        fragments.is_full = is_full(counters.fragments, room, fragments.is_full);
        let was_alarm = std::mem::replace(&mut fragments.is_alarm, gave_way || fragments.is_full);
        let waits = counters.fragments;
        if fragments.is_alarm {
            let dropped = if gave_way { "; the oldest are dropped for new ones (drop_reassembly_full)" } else { "" };
            let message = format!("{waits} fragments wait in worker {id}, of {room} that may{dropped}");
            out.raise(&key, (AlarmCode::FragmentsFull, Subject::object(format!("worker {id}"))), message, now);
        } else if was_alarm {
            out.clear(&key, || format!("worker {id} has room for fragments again"));
        }
    }

    fn evictions(&mut self, gave_way: u64, out: &mut Outbox, now: Instant) {
        let was_alarm = self.gave_way.at.is_some();
        if self.gave_way.look(gave_way, now) {
            let message = "a flow table is full: half-open and idle flows give way to new ones (event_flow_gave_way)";
            out.raise(GIVES_WAY, (AlarmCode::FlowsGiveWay, Subject::none()), message.into(), now);
        } else if was_alarm {
            out.clear(GIVES_WAY, || format!("no flow gave way for {} seconds", LASTS.as_secs()));
        }
    }

    fn neighbours(&mut self, neighbours: u64, out: &mut Outbox, now: Instant) {
        let most = MOST_NEIGHBOURS as u64;
        match (is_full(neighbours, most, self.neighbours_full), self.neighbours_full) {
            (true, _) => {
                let message = format!("{neighbours} hosts are in the ARP table, which holds {most}");
                out.raise(ARP_TABLE, (AlarmCode::NeighboursFull, Subject::none()), message, now);
                self.neighbours_full = true;
            }
            (false, true) => {
                self.neighbours_full = false;
                out.clear(ARP_TABLE, || "the ARP table has room again".into());
            }
            (false, false) => {}
        }
    }
}

fn is_full(used: u64, room: u64, was: bool) -> bool {
    used * 100 >= room * if was { AGAIN } else { NEARLY }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(flows: u64, gave_way: u64) -> Counters {
        let mut counters = Counters { flows, ..Counters::default() };
        counters.events.0[EngineEvent::FlowGaveWay as usize] = gave_way;
        counters
    }

    const ROOM: Room = Room { flows: 1_000, fragments: 100 };

    fn standing(out: &Outbox) -> Vec<String> {
        out.alarms.iter().map(|(_, message)| message.to_owned()).collect()
    }

    fn at(second: u64) -> Instant {
        Instant::from_millis(1_000 * second)
    }

    #[test]
    fn a_flow_table_is_an_alarm_from_ninety_percent_until_it_is_below_eighty() {
        let (mut capacity, mut out) = (Capacity::default(), Outbox::default());
        for (second, flows, is_alarm) in
            [(1, 899, false), (2, 900, true), (3, 801, true), (4, 799, false), (5, 850, false)]
        {
            let workers = [counted(0, 0), counted(flows, 0)];
            capacity.poll(workers.iter(), ROOM, 0, &mut out, at(second));
            let expected: &[String] = match is_alarm {
                true => &[format!("worker 1 holds {flows} flows of 1000 that it may have")],
                false => &[],
            };
            assert_eq!(standing(&out), expected, "{flows}");
        }
    }

    #[test]
    fn that_flows_give_way_is_an_alarm_for_a_minute() {
        let (mut capacity, mut out) = (Capacity::default(), Outbox::default());
        for (second, gave_way, alarms) in [(1, 0, 0), (2, 5, 1), (3, 5, 1), (61, 5, 1), (62, 5, 0), (63, 6, 1)] {
            capacity.poll([counted(1, gave_way)].iter(), ROOM, 0, &mut out, at(second));
            assert_eq!(standing(&out).len(), alarms, "{second}");
        }
    }

    /// Counters begin with the process, as this does: some have given way before the first look.
    #[test]
    fn what_has_given_way_before_the_first_look_is_an_alarm_and_no_worker_that_has_counted_nothing() {
        let (mut capacity, mut out) = (Capacity::default(), Outbox::default());
        capacity.poll([counted(0, 0)].iter(), ROOM, 0, &mut out, at(1));
        assert_eq!(standing(&out).len(), 0);
        let mut capacity = Capacity::default();
        capacity.poll([counted(10, 3)].iter(), ROOM, 0, &mut out, at(1));
        assert_eq!(standing(&out).len(), 1);
    }

    #[test]
    fn a_table_of_fragments_is_an_alarm_while_it_is_nearly_full_and_for_a_minute_after_some_gave_way() {
        let (mut capacity, mut out) = (Capacity::default(), Outbox::default());
        let dropped = "; the oldest are dropped for new ones (drop_reassembly_full)";
        for (second, fragments, gave_way, expected) in [
            (1, 89, 0, None),
            (2, 90, 0, Some("90 fragments wait in worker 0, of 100 that may".to_owned())),
            (3, 80, 0, Some("80 fragments wait in worker 0, of 100 that may".into())),
            (4, 79, 0, None),
            (5, 85, 0, None),
            (6, 0, 7, Some(format!("0 fragments wait in worker 0, of 100 that may{dropped}"))),
            (65, 0, 7, Some(format!("0 fragments wait in worker 0, of 100 that may{dropped}"))),
            (66, 0, 7, None),
        ] {
            let mut counters = Counters { fragments, ..Counters::default() };
            counters.dropped.0[DropReason::FragmentsFull as usize] = gave_way;
            capacity.poll([counters].iter(), ROOM, 0, &mut out, at(second));
            assert_eq!(standing(&out), Vec::from_iter(expected), "{second}");
        }
    }

    #[test]
    fn the_arp_table_is_an_alarm_when_it_is_nearly_full() {
        let (mut capacity, mut out) = (Capacity::default(), Outbox::default());
        for (second, hosts, alarms) in [(1, 50_000, 0), (2, 60_000, 1), (3, 50_000, 0)] {
            capacity.poll([].iter(), ROOM, hosts, &mut out, at(second));
            assert_eq!(standing(&out).len(), alarms, "{hosts}");
        }
    }
}
