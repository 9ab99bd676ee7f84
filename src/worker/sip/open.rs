//! Transactions of SIP that wait for their first answer, or whose messages may be repeated.
//!
//! Owns [`OpenTransactions`], a table of a fixed size: a transaction has one of [`WAYS`] places. Where all are taken, one gives way whose time is
//! over, else one that was answered, else the oldest: so under load as well it is seen who is not answered. Nobody can make it larger or
//! slower. Counts nothing itself: it says what was found, and what gave way.

use super::rows::{AskedBy, RowKey};
use crate::time::{Duration, Instant};
use crate::wire::Endpoint;
use std::net::Ipv4Addr;

/// Groups of places; a power of two.
const GROUPS: usize = 2_048;
/// Transactions of a group, at most.
const WAYS: usize = 4;
/// The sender has given up by then (64·T1, RFC 3261 17.1.1.2, 17.1.2.2), or the server forgotten what it sent last.
const LIFE: Duration = Duration::from_secs(32);
/// A call may ring for so long until there is one more answer (Timer C, RFC 3261 16.6, 16.7).
const RINGING: Duration = Duration::from_secs(180);
/// Groups looked at in one sweep: 64 sweeps, one each half second, see all.
const SWEPT: usize = GROUPS / 64;

/// What a transaction is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Branch and method: [`crate::wire::transaction::Transaction`].
    pub number: u64,
    /// The address of the end that is no member: answers may come from another port, or go to one.
    pub remote: Ipv4Addr,
    /// Who began it.
    pub asked_by: AskedBy,
}

impl Transaction {
    /// Well mixed, and never zero.
    fn mixed(self) -> u64 {
        let by = u64::from(self.asked_by == AskedBy::Members) << 32;
        let number = (self.number ^ by ^ u64::from(self.remote.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (number ^ number >> 29).max(1)
    }
}

/// One that was seen.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// See [`Transaction::mixed`]; zero: none.
    number: u64,
    sender: Endpoint,
    /// Whose it is.
    row: RowKey,
    /// When it began, or its last answer was seen.
    since: Instant,
    /// Nothing is waited for: there was an answer, or none is due.
    is_answered: bool,
    /// The last answer was a provisional one: more will come.
    rings: bool,
    /// The last status that ended it; zero: none has.
    ended_by: u16,
}

/// A request of which no answer was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its time was over.
    Unanswered(RowKey),
    /// It had to give way to another.
    GaveWay(RowKey),
}

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The first of its transaction; what was lost by keeping it.
    First(Option<Lost>),
    /// Its sender has sent it before.
    Repeated,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The first one, so long after the first request.
    First(Duration),
    /// One more.
    Another,
    /// A final one that was sent before.
    Repeated,
    /// Its request is not known.
    Unknown,
}

/// The transactions.
#[derive(Debug)]
pub struct OpenTransactions {
    places: Box<[Open]>,
    /// The group that is swept next.
    next: usize,
}

impl Default for OpenTransactions {
    fn default() -> OpenTransactions {
        let nobody = Endpoint::new(Ipv4Addr::UNSPECIFIED, 0);
        let row = RowKey { service: nobody, member: None, asked_by: AskedBy::Clients };
        let since = Instant::ZERO;
        let none = Open { number: 0, sender: nobody, row, since, is_answered: true, rings: false, ended_by: 0 };
        OpenTransactions { places: vec![none; GROUPS * WAYS].into(), next: 0 }
    }
}

impl OpenTransactions {
    /// A request of `sender`; an answer `is_due` to all but ACK (RFC 3261 17.1.1.3).
    pub fn ask(&mut self, of: Transaction, sender: Endpoint, row: RowKey, is_due: bool, now: Instant) -> Asked {
        let number = of.mixed();
        let open = Open { number, sender, row, since: now, is_answered: !is_due, rings: false, ended_by: 0 };
        let group = self.group(number);
        let known = group.iter_mut().find(|place| place.number == number);
        let place = match known {
            Some(known) if known.sender == sender && !known.is_over(now) => return Asked::Repeated,
            Some(known) => known,
            None => {
                let Some(first) = group.iter_mut().min_by_key(|place| place.gives_way(now)) else {
                    return Asked::First(None);
                };
                first
            }
        };
        Asked::First(std::mem::replace(place, open).lost(now))
    }

    /// An answer with this status.
    pub fn answer(&mut self, of: Transaction, code: u16, now: Instant) -> Answered {
        let number = of.mixed();
        let known = self.group(number).iter_mut().find(|place| place.number == number && !place.is_over(now));
        let Some(open) = known else { return Answered::Unknown };
        let (is_first, is_repeated) = (!open.is_answered, code >= 200 && open.ended_by == code);
        let after = now.since(std::mem::replace(&mut open.since, now));
        (open.is_answered, open.rings) = (true, code < 200 && open.ended_by == 0);
        if code >= 200 {
            open.ended_by = code;
        }
        match (is_first, is_repeated) {
            (true, _) => Answered::First(after),
            (false, true) => Answered::Repeated,
            (false, false) => Answered::Another,
        }
    }

    /// Forgets those of a part of the table whose time is over, and calls `lost` with those that were not answered.
    pub fn sweep(&mut self, now: Instant, mut lost: impl FnMut(Lost)) {
        let first = self.next * WAYS;
        self.next = (self.next + SWEPT) % GROUPS;
        for place in &mut self.places[first..first + SWEPT * WAYS] {
            if place.number != 0 && place.is_over(now) {
                place.lost(now).into_iter().for_each(&mut lost);
                place.number = 0;
            }
        }
    }

    fn group(&mut self, number: u64) -> &mut [Open] {
        let first = (number >> 40) as usize % GROUPS * WAYS;
        &mut self.places[first..first + WAYS]
    }
}

impl Open {
    fn is_over(&self, now: Instant) -> bool {
        now.since(self.since) >= if self.rings { RINGING } else { LIFE }
    }

    /// The least gives way first.
    fn gives_way(&self, now: Instant) -> (bool, bool, Instant) {
        (self.number != 0 && !self.is_over(now), !self.is_answered, self.since)
    }

    /// What is lost when it is forgotten.
    fn lost(&self, now: Instant) -> Option<Lost> {
        match (self.number != 0 && !self.is_answered, self.is_over(now)) {
            (false, _) => None,
            (true, true) => Some(Lost::Unanswered(self.row)),
            (true, false) => Some(Lost::GaveWay(self.row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Endpoint = Endpoint::new(Ipv4Addr::new(172, 16, 5, 5), 5060);

    fn row() -> RowKey {
        let service = Endpoint::new(Ipv4Addr::new(10, 20, 0, 100), 5060);
        RowKey { service, member: Some(Ipv4Addr::new(10, 20, 0, 11)), asked_by: AskedBy::Clients }
    }

    fn of(number: u64) -> Transaction {
        Transaction { number, remote: CLIENT.addr, asked_by: AskedBy::Clients }
    }

    fn ms(count: u64) -> Instant {
        Instant::from_millis(count)
    }

    #[test]
    fn the_first_answer_ends_the_wait_and_what_comes_again_is_a_repetition() {
        let mut open = OpenTransactions::default();
        let ask = |open: &mut OpenTransactions, at| open.ask(of(7), CLIENT, row(), true, ms(at));
        assert_eq!(ask(&mut open, 1_000), Asked::First(None));
        assert_eq!(ask(&mut open, 1_500), Asked::Repeated);
        let answers =
            [(100, 1_520), (180, 1_600), (180, 1_700), (200, 1_800), (200, 1_900), (486, 2_000), (200, 2_100)];
        let found = answers.map(|(code, at)| open.answer(of(7), code, ms(at)));
        let first = Answered::First(Duration::from_millis(520));
        use Answered::{Another, Repeated, Unknown};
        assert_eq!(found, [first, Another, Another, Another, Repeated, Another, Another]);
        assert_eq!(open.answer(of(8), 200, ms(2_200)), Unknown);
        let members = Transaction { asked_by: AskedBy::Members, ..of(7) };
        assert_eq!(open.answer(members, 200, ms(2_200)), Unknown, "asked the other way");
        let other = Transaction { remote: Ipv4Addr::new(172, 16, 5, 6), ..of(7) };
        assert_eq!(open.answer(other, 200, ms(2_200)), Unknown, "of another host");
        assert_eq!(ask(&mut open, 34_099), Asked::Repeated);
        assert_eq!(ask(&mut open, 34_100), Asked::First(None), "its time is over");
    }

    /// A phone rings for a minute, and the ACK of its answer is lost (RFC 3261 13.3.1.4).
    #[test]
    fn what_ends_a_call_that_rang_for_long_is_known_when_it_is_sent_again() {
        let mut open = OpenTransactions::default();
        assert_eq!(open.ask(of(7), CLIENT, row(), true, ms(1_000)), Asked::First(None));
        let answers = [(100, 1_020), (180, 2_000), (200, 62_000), (200, 62_500), (200, 90_000), (200, 122_000)];
        let found = answers.map(|(code, at)| {
            (0..GROUPS / SWEPT).for_each(|_| open.sweep(ms(at), |lost| panic!("{lost:?}")));
            open.answer(of(7), code, ms(at))
        });
        use Answered::{Another, Repeated, Unknown};
        let first = Answered::First(Duration::from_millis(20));
        assert_eq!(found, [first, Another, Another, Repeated, Repeated, Unknown]);
        assert_eq!(open.ask(of(8), CLIENT, row(), true, ms(200_000)), Asked::First(None));
        let answers = [(180, 200_100), (180, 380_099), (200, 560_099)];
        let found = answers.map(|(code, at)| open.answer(of(8), code, ms(at)));
        assert_eq!(found, [Answered::First(Duration::from_millis(100)), Another, Unknown]);
    }

    #[test]
    fn another_sender_begins_anew_and_an_ack_waits_for_nothing() {
        let mut open = OpenTransactions::default();
        assert_eq!(open.ask(of(7), CLIENT, row(), true, ms(0)), Asked::First(None));
        let other = Endpoint { port: 5062, ..CLIENT };
        assert_eq!(open.ask(of(7), other, row(), true, ms(1)), Asked::First(Some(Lost::GaveWay(row()))));
        assert_eq!(open.ask(of(8), CLIENT, row(), false, ms(2)), Asked::First(None));
        assert_eq!(open.ask(of(8), CLIENT, row(), false, ms(3)), Asked::Repeated);
        assert_eq!(open.answer(of(8), 200, ms(4)), Answered::Another);
    }

    #[test]
    fn the_oldest_gives_way_where_there_is_no_room_and_no_more_are_held_than_fit() {
        let mut open = OpenTransactions::default();
        let count = 20 * (GROUPS * WAYS) as u64;
        let gave_way = (0..count).filter(|number| {
            let asked = open.ask(of(*number), CLIENT, row(), true, Instant::from_nanos(1 + number));
            asked == Asked::First(Some(Lost::GaveWay(row())))
        });
        let gave_way = gave_way.count();
        let held = open.places.iter().filter(|place| place.number != 0).count();
        assert_eq!((held, gave_way + held), (GROUPS * WAYS, count as usize));
        let youngest = open.answer(of(count - 1), 200, Instant::from_nanos(count + 5));
        assert_eq!(youngest, Answered::First(Duration::from_nanos(5)));
        assert_eq!(open.answer(of(0), 200, Instant::from_nanos(count + 5)), Answered::Unknown);
    }

    /// Numbers of transactions that have the same places, and one more than fit.
    fn of_one_group() -> Vec<u64> {
        let group = |number: u64| (of(number).mixed() >> 40) as usize % GROUPS;
        (0..).filter(|number| group(*number) == group(0)).take(WAYS + 1).collect()
    }

    #[test]
    fn whose_time_is_over_gives_way_first_then_who_was_answered_and_then_the_oldest() {
        let numbers = of_one_group();
        let (last, first) = numbers.split_last().expect("some");
        let full = || {
            let mut open = OpenTransactions::default();
            for (at, number) in (0..).zip(first) {
                assert_eq!(open.ask(of(*number), CLIENT, row(), true, ms(1_000 + at)), Asked::First(None));
            }
            open
        };
        let gave_way = |mut open: OpenTransactions, at| {
            let asked = open.ask(of(*last), CLIENT, row(), true, ms(at));
            let is_gone = |number: &u64| open.answer(of(*number), 100, ms(at)) == Answered::Unknown;
            (asked, first.iter().position(is_gone))
        };
        assert_eq!(gave_way(full(), 2_000), (Asked::First(Some(Lost::GaveWay(row()))), Some(0)));
        let mut open = full();
        open.answer(of(first[1]), 200, ms(1_500));
        assert_eq!(gave_way(open, 2_000), (Asked::First(None), Some(1)), "a younger one, as it was answered");
        let mut open = full();
        open.answer(of(first[1]), 200, ms(1_500));
        let (asked, _) = gave_way(open, 33_000);
        assert_eq!(asked, Asked::First(Some(Lost::Unanswered(row()))), "its time is over");
    }

    #[test]
    fn what_nobody_has_answered_is_found_by_sweeping_once_its_time_is_over() {
        let mut open = OpenTransactions::default();
        (0..100).for_each(|number| _ = open.ask(of(number), CLIENT, row(), true, ms(1_000)));
        (0..40).for_each(|number| _ = open.answer(of(number), 200, ms(1_100)));
        let mut lost = Vec::new();
        let mut sweep = |open: &mut OpenTransactions, at: Instant| {
            (0..GROUPS / SWEPT).for_each(|_| open.sweep(at, |one| lost.push(one)));
            std::mem::take(&mut lost)
        };
        assert_eq!(sweep(&mut open, ms(32_999)), []);
        assert_eq!(sweep(&mut open, ms(33_000)), vec![Lost::Unanswered(row()); 60]);
        assert_eq!(sweep(&mut open, ms(90_000)), []);
        assert!(open.places.iter().all(|place| place.number == 0));
    }
}
