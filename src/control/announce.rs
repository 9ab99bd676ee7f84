//! Telling the link where our addresses are, unasked (RFC 5227 2.3).
//!
//! Owns the timetable: after a link comes up, or an address becomes ours, two announcements two seconds apart as the
//! RFC demands, then one every fifteen seconds for the rest of the first minute, because switches learn late and hosts
//! limit what they believe; then one a minute, because what lies behind a link may fail over without our link going down. The
//! operator can begin the timetable again. Also owns the limit on defences: one in ten seconds for an address (RFC 5227 2.4 (c)).
//! Builds no packet and reads no clock.

use crate::policy::intent::InterfaceId;
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// When an address is announced, counted from the moment its link is up.
pub const TIMETABLE: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_secs(2), // ANNOUNCE_INTERVAL, RFC 5227 1.1
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(45),
    Duration::from_secs(60),
];
/// From one announcement to the next after that.
pub const REPEAT: Duration = Duration::from_secs(60);
/// Of addresses that become ours together, so many are announced at once, and as many more after each pause: a mailbox takes no more,
/// nor do the switches' processors.
const BURST: u32 = 64;
const PACE: Duration = Duration::from_millis(2);
/// DEFEND_INTERVAL, RFC 5227 1.1.
pub const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// An address on one of its links.
pub type Place = (InterfaceId, Ipv4Addr);

/// What is announced where, and when.
#[derive(Debug, Default)]
pub struct Announcements {
    /// Our addresses on links that are up.
    places: BTreeSet<Place>,
    under_way: BTreeMap<Place, Campaign>,
    /// The same by when the next announcement is due.
    due: BTreeSet<(Instant, Place)>,
    defended: BTreeMap<Place, Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Campaign {
    began: Instant,
    made: usize,
}

impl Campaign {
    /// When `place` is announced next. Addresses do not repeat together.
    fn due(self, place: Place) -> Instant {
        let Some(repeats) = self.made.checked_sub(TIMETABLE.len()) else { return self.began + TIMETABLE[self.made] };
        let share = u32::from(place.1).wrapping_mul(0x9e37_79b1) >> 24;
        let minutes = u32::try_from(repeats).unwrap_or(u32::MAX).saturating_add(2);
        self.began + REPEAT.saturating_mul(minutes) + REPEAT * share / 256
    }
}

impl Announcements {
    /// These are our addresses on links that are up, from now on: what is new begins its timetable, what is gone ends it.
    pub fn set(&mut self, places: BTreeSet<Place>, now: Instant) {
        self.under_way.retain(|place, _| places.contains(place));
        self.defended.retain(|place, _| places.contains(place));
        let new = places.difference(&self.places).zip(0..);
        self.under_way.extend(new.map(|(place, at)| (*place, Campaign { began: now + PACE * (at / BURST), made: 0 })));
        self.due = self.under_way.iter().map(|(place, campaign)| (campaign.due(*place), *place)).collect();
        self.places = places;
    }

    /// The timetable of the addresses that are `chosen` begins again. Says how many they are.
    pub fn again(&mut self, chosen: impl Fn(&Place) -> bool, now: Instant) -> usize {
        let begun = Campaign { began: now, made: 0 };
        let chosen: Vec<Place> = self.places.iter().copied().filter(chosen).collect();
        for place in &chosen {
            if let Some(before) = self.under_way.insert(*place, begun) {
                self.due.remove(&(before.due(*place), *place));
            }
            self.due.insert((begun.due(*place), *place));
        }
        chosen.len()
    }

    /// The next announcement due at `now`; to be called until `None`.
    pub fn poll(&mut self, now: Instant) -> Option<Place> {
        let (_, place) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        self.due.pop_first();
        let campaign = self.under_way.get_mut(&place)?;
        campaign.made += 1;
        self.due.insert((campaign.due(place), place));
        Some(place)
    }

    /// All that is announced now and then.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.places.iter().copied()
    }

    /// When [`Announcements::poll`] has something.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Somebody claims the address: whether it may be defended now. The caller announces it once if so.
    pub fn may_defend(&mut self, place: Place, now: Instant) -> bool {
        let recent = self.defended.get(&place).is_some_and(|&at| now.since(at) < DEFEND_INTERVAL);
        if !recent {
            self.defended.insert(place, now);
        }
        !recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::harness;
    use crate::policy::Addresses;
    use crate::policy::intent::PortId;

    fn drain(announcements: &mut Announcements, now: Instant) -> Vec<Ipv4Addr> {
        std::iter::from_fn(|| announcements.poll(now)).map(|(_, address)| address).collect()
    }

    /// The addresses of the acceptance scenarios on these ports.
    fn on(ports: &[PortId]) -> BTreeSet<Place> {
        let addresses = Addresses::new(&harness::two_arm(), &harness::MACS);
        let up = |(interface, _): &Place| ports.contains(&addresses.interfaces()[*interface].port);
        addresses.all().filter(up).collect()
    }

    #[test]
    fn s15_each_address_is_announced_on_its_link_and_not_before_the_link_is_up() {
        let mut announcements = Announcements::default();
        assert_eq!((drain(&mut announcements, Instant::ZERO), announcements.next_deadline()), (vec![], None));
        let start = Instant::from_millis(500);
        announcements.set(on(&[PortId(1)]), start);
        let inner = vec![Ipv4Addr::new(10, 20, 0, 1), Ipv4Addr::new(10, 20, 0, 100)];
        let mut seen = Vec::new();
        while let Some(due) = announcements.next_deadline().filter(|due| due.since(start) <= TIMETABLE[5]) {
            assert_eq!(drain(&mut announcements, due), inner);
            seen.push(due.since(start).as_secs());
        }
        assert_eq!(seen, [0, 2, 15, 30, 45, 60]);
        announcements.set(on(&[PortId(0), PortId(1)]), start);
        assert_eq!(drain(&mut announcements, start), [Ipv4Addr::new(192, 0, 2, 2)]);
    }

    #[test]
    fn a_link_that_flaps_is_announced_on_again_and_one_that_is_down_is_not() {
        let mut announcements = Announcements::default();
        announcements.set(on(&[PortId(0)]), Instant::ZERO);
        assert_eq!(drain(&mut announcements, Instant::ZERO).len(), 1);
        announcements.set(on(&[]), Instant::from_millis(100));
        assert_eq!(announcements.next_deadline(), None);
        announcements.set(on(&[PortId(0)]), Instant::from_millis(200));
        assert_eq!(drain(&mut announcements, Instant::from_millis(200)).len(), 1);
    }

    #[test]
    fn an_address_added_by_a_reload_is_announced_alone() {
        let mut announcements = Announcements::default();
        announcements.set(on(&[PortId(1)]), Instant::ZERO);
        let late = Instant::from_millis(100_000);
        while let Some(due) = announcements.next_deadline().filter(|due| *due <= late) {
            drain(&mut announcements, due);
        }
        let new = Ipv4Addr::new(10, 20, 0, 101);
        announcements.set(on(&[PortId(1)]).into_iter().chain([(InterfaceId(1), new)]).collect(), late);
        assert_eq!(drain(&mut announcements, late), [new]);
    }

    #[test]
    fn each_address_is_repeated_once_a_minute_and_not_all_at_once() {
        let mut announcements = Announcements::default();
        let place = |last: u8| (InterfaceId(1), Ipv4Addr::new(10, 20, 0, last));
        announcements.set((1..=200).map(place).collect(), Instant::ZERO);
        let (mut last, mut at_once) = (BTreeMap::new(), 0);
        while let Some(due) = announcements.next_deadline().filter(|due| *due < Instant::from_millis(600_000)) {
            let now = drain(&mut announcements, due);
            for address in &now {
                let before = last.insert(*address, due);
                let apart = due.since(before.unwrap_or(due)).as_secs();
                assert!(due <= Instant::from_millis(180_000) || apart == 60, "{address}: {apart} s");
                assert!(apart <= 120);
            }
            if due > Instant::from_millis(60_010) {
                at_once = at_once.max(now.len());
            }
        }
        assert_eq!((last.len(), at_once <= 10), (200, true), "{at_once} at once");
    }

    #[test]
    fn addresses_that_come_together_are_announced_a_few_at_a_time() {
        let mut announcements = Announcements::default();
        let places = (0..200_u8).map(|last| (InterfaceId(1), Ipv4Addr::new(10, 20, 0, last))).collect();
        announcements.set(places, Instant::ZERO);
        let mut steps = Vec::new();
        while let Some(due) = announcements.next_deadline().filter(|due| *due < Instant::from_millis(1_000)) {
            steps.push((due.since(Instant::ZERO).as_millis(), drain(&mut announcements, due).len()));
        }
        assert_eq!(steps, [(0, 64), (2, 64), (4, 64), (6, 8)]);
    }

    #[test]
    fn the_timetable_begins_again_for_those_chosen() {
        let mut announcements = Announcements::default();
        announcements.set(on(&[PortId(0), PortId(1)]), Instant::ZERO);
        let late = Instant::from_millis(100_000);
        while let Some(due) = announcements.next_deadline().filter(|due| *due <= late) {
            drain(&mut announcements, due);
        }
        assert_eq!(announcements.again(|(interface, _)| *interface == InterfaceId(1), late), 2);
        let mut seen = Vec::new();
        while let Some(due) = announcements.next_deadline().filter(|due| due.since(late) <= TIMETABLE[5]) {
            let inner = drain(&mut announcements, due).into_iter().filter(|address| address.octets()[0] == 10).count();
            seen.extend((inner == 2).then(|| due.since(late).as_secs()));
        }
        assert_eq!(seen, [0, 2, 15, 30, 45, 60]);
    }

    #[test]
    fn an_address_is_defended_once_in_ten_seconds() {
        let mut announcements = Announcements::default();
        let place = (InterfaceId(1), Ipv4Addr::new(10, 20, 0, 100));
        let at = |seconds: u64| Instant::from_millis(seconds * 1000);
        assert!(announcements.may_defend(place, at(1)));
        assert!(!announcements.may_defend(place, at(10)));
        assert!(announcements.may_defend(place, at(11)));
    }
}
