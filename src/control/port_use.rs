//! How far the ports of the SNAT addresses are used up, and when there will be none.
//!
//! Owns the ranges that fill up each on their own, the record of each, and the alarm at 80 percent (scenario 41). Gives no
//! ports: the allocators are the workers'. Sampled once a second.

use super::forecast::{GAP, Trend};
use super::outbox::Outbox;
use crate::admin::events::Subject;
use crate::admin::rows::Forecast;
use crate::config::{LogLevel, duration_text};
use crate::events::{AlarmCode, EventName};
use crate::flow::{Range, SnatPorts};
use crate::policy::Intent;
use crate::time::{Duration, Instant};
use crate::wire::Protocol;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

/// Ports in use of a range that raise an alarm, in percent (scenario 41).
const ALARM: usize = 80;

/// Refusals of one table are logged at most this often.
const REFUSALS_PAUSE: Duration = Duration::from_secs(60);

/// A range of one address in one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) address: Ipv4Addr,
    pub(super) protocol: Protocol,
    pub(super) range: Range,
}

impl Place {
    /// The key of its alarm.
    fn alarm(self) -> String {
        format!("ports {} {} {}", self.address, self.protocol, self.range.first)
    }
}

/// What is handed out of a range, and what could be: service ports never are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Filling {
    pub(super) used: usize,
    pub(super) capacity: usize,
}

/// The allocators, and the record of every range.
pub(super) struct PortUse {
    /// Shared with the workers.
    pub(super) snat_ports: SnatPorts,
    records: BTreeMap<Place, Record>,
    /// Of a table: allocations that had been refused when that was last logged, and when it was.
    refused: BTreeMap<(Ipv4Addr, Protocol), (u64, Instant)>,
    /// Ranges that are gone, and their alarms with them.
    gone: Vec<Place>,
    polled: Instant,
}

/// What is known of a range.
struct Record {
    /// Ports that could be handed out.
    capacity: usize,
    /// When it was first looked at.
    since: Option<Instant>,
    /// From when its first port was in use: most ranges of most addresses never have one.
    trend: Option<Box<Trend>>,
    alarmed: bool,
}

impl PortUse {
    pub(super) fn new(intent: &Intent, snat_ports: SnatPorts, now: Instant) -> PortUse {
        let (records, refused, gone) = Default::default();
        let mut ports = PortUse { snat_ports, records, refused, gone, polled: now };
        ports.keep(intent);
        ports
    }

    /// Takes a new intent. An address that stays keeps its tables.
    pub(super) fn reconfigure(&mut self, intent: &Intent) {
        self.snat_ports = self.snat_ports.renewed(intent.snats.iter().map(|snat| snat.address), intent.lives.now.0);
        self.keep(intent);
    }

    fn keep(&mut self, intent: &Intent) {
        let mut before = std::mem::take(&mut self.records);
        let reserved = reserved(intent);
        for place in places(intent) {
            let ports = reserved.get(&place.address).into_iter().flatten();
            let capacity = place.range.size() - ports.filter(|port| place.range.contains(**port)).count();
            let fresh = Record { capacity, since: None, trend: None, alarmed: false };
            let record = before.remove(&place).map_or(fresh, |known| Record { capacity, ..known });
            self.records.insert(place, record);
        }
        self.gone.extend(before.iter().filter(|(_, record)| record.alarmed).map(|(place, _)| *place));
    }

    /// Once a second: each range is recorded, and raises its alarm or ends it.
    pub(super) fn poll(&mut self, out: &mut Outbox, now: Instant) {
        self.gone
            .drain(..)
            .for_each(|place| _ = out.clear(&place.alarm(), || "the address is in the file no more".into()));
        let before = std::mem::replace(&mut self.polled, now);
        for (&place, record) in &mut self.records {
            let used = used(&self.snat_ports, place);
            match &mut record.trend {
                Some(trend) => trend.sample(used, now),
                None if used > 0 => {
                    let mut trend = record.unused(before);
                    trend.sample(used, now);
                    record.trend = Some(Box::new(trend));
                }
                // As any record does after such a gap.
                None if now.since(before) >= GAP => record.since = Some(now),
                None => _ = record.since.get_or_insert(now),
            }
            record.judge(place, Filling { used, capacity: record.capacity }, now, out);
        }
        self.check_refusals(out, now);
    }

    /// How full a range is at this moment.
    pub(super) fn filling(&self, place: Place) -> Filling {
        let capacity = self.records.get(&place).map_or(0, |record| record.capacity);
        Filling { used: used(&self.snat_ports, place), capacity }
    }

    /// The most that was in use at once, and what is to be expected.
    pub(super) fn of(&self, place: Place, filling: Filling, now: Instant) -> (usize, (Forecast, Option<Duration>)) {
        match self.records.get(&place) {
            Some(record) => record.outlook(filling, now),
            None => (filling.used, Trend::default().outlook(filling.used, filling.capacity)),
        }
    }

    /// Allocations of an address that found no free port.
    pub(super) fn exhausted(&self, address: Ipv4Addr, protocol: Protocol) -> u64 {
        self.snat_ports.table(address, protocol).map_or(0, |table| table.exhausted())
    }

    /// Refused allocations go to the log, at most once a minute for a table.
    fn check_refusals(&mut self, out: &mut Outbox, now: Instant) {
        let snat_ports = &self.snat_ports;
        self.refused.retain(|(address, protocol), _| snat_ports.table(*address, *protocol).is_some());
        let mut tables: Vec<(Ipv4Addr, Protocol)> =
            self.records.keys().map(|place| (place.address, place.protocol)).collect();
        tables.dedup();
        for (address, protocol) in tables {
            let refused = self.exhausted(address, protocol);
            let logged = self.refused.get(&(address, protocol)).copied();
            let (before, lately) = logged.map_or((0, false), |(count, at)| (count, now.since(at) < REFUSALS_PAUSE));
            if refused == before || lately {
                continue;
            }
            self.refused.insert((address, protocol), (refused, now));
            let count = refused - before.min(refused);
            let message = format!(
                "no {protocol} port of {address} was free {count} times: what members opened was refused (ICMP 3/13); \
                 exclude destinations that need no translation, or find out who opens so many connections"
            );
            out.log_of(EventName::SnatExhausted, LogLevel::Error, Subject::object(address), message);
        }
    }
}

impl Record {
    /// The most that was in use at once, and what is to be expected.
    fn outlook(&self, filling: Filling, now: Instant) -> (usize, (Forecast, Option<Duration>)) {
        let Filling { used, capacity } = filling;
        match &self.trend {
            Some(trend) => (trend.peak().max(used), trend.outlook(used, capacity)),
            None => (used, self.unused(now).outlook(used, capacity)),
        }
    }

    /// What is recorded until `until` of a range of which no port was in use.
    fn unused(&self, until: Instant) -> Trend {
        self.since.map_or_else(Trend::default, |since| Trend::of_nothing(since, until))
    }

    fn judge(&mut self, place: Place, filling: Filling, now: Instant, out: &mut Outbox) {
        let Place { address, protocol, range } = place;
        let Filling { used, capacity } = filling;
        let is_full = used * 100 >= capacity * ALARM;
        if !is_full && !self.alarmed {
            return;
        }
        self.alarmed = is_full;
        let what = format!("{protocol} ports {} to {} of {address}", range.first, range.last);
        if !is_full {
            _ = out.clear(&place.alarm(), || format!("{used} of {capacity} {what} are in use"));
            return;
        }
        let expected = expected(self.outlook(filling, now).1);
        let message = format!(
            "{used} of {capacity} {what} are in use{expected}: exclude destinations that need no translation, or find out \
             who opens so many connections"
        );
        out.raise(&place.alarm(), (AlarmCode::SnatPorts, Subject::object(what)), message, now);
    }
}

fn used(snat_ports: &SnatPorts, place: Place) -> usize {
    snat_ports.table(place.address, place.protocol).map_or(0, |table| table.used_in(place.range))
}

fn places(intent: &Intent) -> BTreeSet<Place> {
    let of = |address: Ipv4Addr| {
        [Protocol::Tcp, Protocol::Udp, Protocol::Icmp]
            .into_iter()
            .flat_map(move |protocol| Range::of(protocol).iter().map(move |&range| Place { address, protocol, range }))
    };
    intent.snats.iter().flat_map(|snat| of(snat.address)).collect()
}

/// The service ports on each address: the workers hand out none of them, in no protocol.
fn reserved(intent: &Intent) -> HashMap<Ipv4Addr, BTreeSet<u16>> {
    let mut reserved: HashMap<Ipv4Addr, BTreeSet<u16>> = HashMap::new();
    for server in intent.virtual_servers.iter() {
        reserved.entry(server.address).or_default().extend(server.listen.iter().map(|listen| listen.port));
    }
    reserved
}

/// The end of a sentence.
fn expected((forecast, full_in): (Forecast, Option<Duration>)) -> String {
    let full_in = full_in.unwrap_or_default();
    match forecast {
        Forecast::Exhausted => ", none is free".into(),
        Forecast::Growing => format!(", at the rate of the last minutes none is free in {}", rounded(full_in)),
        Forecast::Steady => ", and not growing".into(),
        Forecast::Never => ", and falling".into(),
        Forecast::Unknown => String::new(),
    }
}

/// `2h10m`, `12m`, `50s`: no more exact than a forecast can be.
fn rounded(span: Duration) -> String {
    let step = if span < Duration::from_secs(600) { 10 } else { 60 };
    duration_text(Duration::from_secs(span.as_secs().next_multiple_of(step)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::harness;
    use crate::flow::ReservedPorts;
    use crate::wire::Endpoint;

    #[test]
    fn a_range_is_filled_by_its_own_ports_and_service_ports_are_none() {
        let intent = harness::two_arm();
        let address = intent.snats[0].address;
        let snat_ports = SnatPorts::new([address], 1);
        let table = snat_ports.table(address, Protocol::Tcp).unwrap();
        let none = ReservedPorts::default();
        for port in [1, 1_023, 1_024, 40_000, u16::MAX] {
            assert_eq!(table.allocate(Endpoint::new([10, 20, 0, 11].into(), port), &none), Some(port));
        }
        assert_eq!(Range::of(Protocol::Tcp).iter().map(|range| table.used_in(*range)).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(reserved(&intent)[&address], BTreeSet::from([5_060, 5_061]));
        assert_eq!(places(&intent).len(), 5);
    }

    #[test]
    fn a_forecast_is_no_more_exact_than_it_can_be() {
        for (seconds, text) in [(0, "0s"), (41, "50s"), (599, "10m"), (3_599, "1h"), (7_790, "2h10m"), (90_000, "25h")]
        {
            assert_eq!(rounded(Duration::from_secs(seconds)), text);
        }
    }
}
