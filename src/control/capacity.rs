//! How full the tables of the workers and of the links are.
//!
//! Owns the alarms: one for each worker whose flow table is nearly full, one while flows give way to others, and one for the ARP table.
//! Looked at once a second. What is dropped for want of room has counters of its own.

use super::neighbours::MOST as MOST_NEIGHBOURS;
use super::outbox::Outbox;
use crate::admin::events::Subject;
use crate::engine::EngineEvent;
use crate::events::AlarmCode;
use crate::time::{Duration, Instant};
use crate::worker::Counters;
use std::collections::BTreeSet;

/// From how much of a table on it is nearly full, and below how much it is no longer, in percent.
const NEARLY: u64 = 90;
const AGAIN: u64 = 80;
/// For so long after a flow last gave way, flows are said to.
const LASTS: Duration = Duration::from_secs(60);

const GIVES_WAY: &str = "flows give way";
const ARP_TABLE: &str = "arp table";

/// Which tables are nearly full, and since when flows give way.
#[derive(Default)]
pub(super) struct Capacity {
    full: BTreeSet<u16>,
    /// How many flows had given way when that was last looked at, and when it was found to have grown.
    gave_way: (u64, Option<Instant>),
    neighbours_full: bool,
}

impl Capacity {
    /// `workers` is what each has counted, `room` how many flows each may have, `neighbours` how many hosts are known.
    pub(super) fn poll<'c>(
        &mut self,
        workers: impl Iterator<Item = &'c Counters>,
        room: u64,
        neighbours: usize,
        out: &mut Outbox,
        now: Instant,
    ) {
        let mut gave_way = 0;
        for (id, counters) in (0_u16..).zip(workers) {
            gave_way += counters.events(EngineEvent::FlowGaveWay);
            self.worker(id, counters.flows, room, out, now);
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

    /// The first look is no growth.
    fn evictions(&mut self, gave_way: u64, out: &mut Outbox, now: Instant) {
        let before = std::mem::replace(&mut self.gave_way.0, gave_way);
        if gave_way > before {
            self.gave_way.1 = Some(now);
            let message = "a flow table is full: half-open and idle flows give way to new ones (event_flow_gave_way)";
            out.raise(GIVES_WAY, (AlarmCode::FlowsGiveWay, Subject::none()), message.into(), now);
        } else if self.gave_way.1.is_some_and(|at| now.since(at) >= LASTS) {
            self.gave_way.1 = None;
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
            capacity.poll(workers.iter(), 1_000, 0, &mut out, at(second));
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
            capacity.poll([counted(1, gave_way)].iter(), 1_000, 0, &mut out, at(second));
            assert_eq!(standing(&out).len(), alarms, "{second}");
        }
    }

    #[test]
    fn the_arp_table_is_an_alarm_when_it_is_nearly_full() {
        let (mut capacity, mut out) = (Capacity::default(), Outbox::default());
        for (second, hosts, alarms) in [(1, 50_000, 0), (2, 60_000, 1), (3, 50_000, 0)] {
            capacity.poll([].iter(), 1_000, hosts, &mut out, at(second));
            assert_eq!(standing(&out).len(), alarms, "{hosts}");
        }
    }
}
