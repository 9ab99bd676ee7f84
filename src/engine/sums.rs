//! What a packet is counted in as it leaves at once.
//!
//! Owns [`Sums`]: numbers for whom packets are counted, and two sums for each, packets and bytes. Where the fast path has found its flow,
//! service port or kept route it has the number in its hands, so that counting is two additions. Only its worker sees the sums: every few
//! milliseconds, and before another snapshot is installed, what has come together is moved to whom the numbers stand for (`traffic`).

use super::account::Account;
use super::traffic::Traffic;
use crate::policy::Snapshot;
use crate::time::{Duration, Instant};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// How long sums stay here, at most, but for the time that moving a great many of them takes.
const EVERY: Duration = Duration::from_millis(10);
/// Sums that are moved at once.
const AT_ONCE: usize = 256;
/// Numbers of each kind: all that 16 bits can say, so that none is compared with a bound.
const NUMBERS: usize = 1 << 16;
const KINDS: usize = 4;
/// Where the bytes of a packet are counted, beyond the cell where it is. A cache line more than there are numbers: at a multiple of 4096
/// bytes apart, the processor would take the second addition to wait for the first.
const BYTES: usize = KINDS * NUMBERS + 8;

/// What a number stands for.
#[derive(Clone, Copy)]
pub(super) enum Counted {
    /// Whom [`Sums::number`] has given it to.
    Account = 0,
    /// Datagrams to the service port at this place, see [`Snapshot::datagrams_in`].
    In = 1,
    /// Datagrams from the service port at this place, see [`Snapshot::datagrams_out`].
    Out = 2,
    /// Of those, what keeps its source: of no virtual server.
    OutUnchanged = 3,
}

/// The sums of one worker, and whom they are for.
pub(super) struct Sums {
    /// Packets of all kinds, then bytes.
    cells: Box<[u64; BYTES + KINDS * NUMBERS]>,
    /// By number; the first is nobody.
    accounts: Vec<Account>,
    numbers: HashMap<Account, u16, RandomState>,
    traffic: Arc<Traffic>,
    /// How far moving has come, over all kinds.
    at: usize,
    /// When it begins again.
    due: Instant,
}

impl Sums {
    /// Of a worker that reads `snapshot`. Its memory comes from the kernel as it is used.
    pub(super) fn new(snapshot: &Snapshot) -> Sums {
        let sums = Sums::empty();
        sums.traffic.reserve(snapshot);
        sums
    }

    fn empty() -> Sums {
        let cells = vec![0; BYTES + KINDS * NUMBERS].into_boxed_slice();
        let mut sums = Sums {
            cells: cells.try_into().unwrap_or_else(|_| unreachable!("as many as there are")),
            accounts: Vec::with_capacity(NUMBERS),
            numbers: HashMap::with_capacity_and_hasher(NUMBERS, RandomState::default()),
            traffic: Arc::default(),
            at: usize::MAX,
            due: Instant::ZERO,
        };
        sums.forget_numbers();
        sums
    }

    /// Where it all ends up; to be read by whoever likes.
    pub(super) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// A packet of so many bytes leaves.
    #[inline(always)]
    pub(super) fn count(&mut self, what: Counted, number: u16, bytes: u16) {
        let at = what as usize * NUMBERS + usize::from(number);
        self.cells[at] = self.cells[at].wrapping_add(1);
        self.cells[BYTES + at] = self.cells[BYTES + at].wrapping_add(bytes.into());
    }

    /// What packets of this account are counted under; `None`: all numbers are given.
    pub(super) fn number(&mut self, account: Account) -> Option<u16> {
        if let Some(number) = self.numbers.get(&account) {
            return Some(*number);
        }
        let number = u16::try_from(self.accounts.len()).ok()?;
        self.accounts.push(account);
        self.numbers.insert(account, number);
        Some(number)
    }

    /// Moves some of the sums if it is time; `snapshot` is the one they were counted by.
    #[inline]
    pub(super) fn settle(&mut self, snapshot: &Snapshot, now: Instant) {
        let end = self.used(snapshot).iter().sum();
        if self.at >= end {
            if now < self.due {
                return;
            }
            (self.at, self.due) = (0, now + EVERY);
        }
        let until = end.min(self.at + AT_ONCE);
        self.settle_some(snapshot, self.at, until);
        self.at = until;
    }

    /// `new` takes the place of `old`: its places, and where a file is new its ids, mean something else.
    pub(super) fn follow(&mut self, old: &Snapshot, new: &Snapshot) {
        if old.limits.counts_traffic() {
            self.settle_some(old, 0, self.used(old).iter().sum());
        }
        self.at = usize::MAX;
        self.renew_numbers(new.life != old.life);
        if new.life != old.life {
            self.traffic.reserve(new);
        }
    }

    /// Numbers are given anew, where ids mean something else or all were given: cached routes, which hold them, are of the snapshot before.
    fn renew_numbers(&mut self, ids_are_others: bool) {
        if ids_are_others || self.accounts.len() == NUMBERS {
            self.forget_numbers();
        }
    }

    fn forget_numbers(&mut self) {
        self.numbers.clear();
        self.accounts.clear();
        self.number(Account::NOBODY);
    }

    /// How many numbers of each kind are in use.
    fn used(&self, snapshot: &Snapshot) -> [usize; KINDS] {
        let (to, from) = snapshot.datagram_ports();
        [self.accounts.len(), to, from, from]
    }

    /// Moves these of the numbers that are in use, counted over all kinds.
    fn settle_some(&mut self, snapshot: &Snapshot, from: usize, until: usize) {
        let mut first = 0;
        let kinds = [Counted::Account, Counted::In, Counted::Out, Counted::OutUnchanged];
        for (kind, used) in kinds.into_iter().zip(self.used(snapshot)) {
            let within = |at: usize| at.clamp(first, first + used) - first;
            for number in within(from)..within(until) {
                let at = kind as usize * NUMBERS + number;
                let packets = std::mem::take(&mut self.cells[at]);
                if packets > 0 {
                    let bytes = std::mem::take(&mut self.cells[BYTES + at]);
                    self.traffic.add(&self.meant(snapshot, kind, number as u16), [packets, bytes]);
                }
            }
            first += used;
        }
    }

    fn meant(&self, snapshot: &Snapshot, what: Counted, number: u16) -> Account {
        match what {
            Counted::Account => self.accounts[usize::from(number)],
            Counted::In => {
                let (member, server) = snapshot.receives(number);
                member.map_or(Account::NOBODY, Account::to).of(server)
            }
            Counted::Out => {
                let (member, server) = snapshot.sends(number);
                server.map_or(Account::from(member), |server| Account::from(member).of(server))
            }
            Counted::OutUnchanged => Account::from(snapshot.sends(number).0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::intent::MemberId;

    #[test]
    fn an_account_keeps_its_number_and_there_are_as_many_as_16_bits_say() {
        let mut sums = Sums::empty();
        assert_eq!(sums.number(Account::NOBODY), Some(0));
        let account = |id: u16| Account::to(MemberId(id));
        for id in 0..u16::MAX {
            assert_eq!(sums.number(account(id)), Some(id + 1));
        }
        let another = Account { is_from_member: true, ..account(7) };
        assert_eq!([sums.number(another), sums.number(account(7))], [None, Some(8)]);
        sums.forget_numbers();
        assert_eq!([Account::NOBODY, another, account(7)].map(|it| sums.number(it)), [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn numbers_are_given_anew_with_the_next_snapshot_once_all_are_given() {
        let mut sums = Sums::empty();
        let account = |id: u16| Account::to(MemberId(id));
        assert_eq!([7, 9].map(|id| sums.number(account(id))), [Some(1), Some(2)]);
        sums.renew_numbers(false);
        assert_eq!(sums.number(account(9)), Some(2), "there is room: nothing is given anew");
        (0..u16::MAX).for_each(|id| assert!(sums.number(account(id)).is_some()));
        let newcomer = Account { is_from_member: true, ..account(7) };
        assert_eq!(sums.number(newcomer), None);
        sums.renew_numbers(false);
        assert_eq!([newcomer, account(9)].map(|it| sums.number(it)), [Some(1), Some(2)]);
        sums.renew_numbers(true);
        assert_eq!(sums.number(account(9)), Some(1), "ids mean others now");
    }
}
