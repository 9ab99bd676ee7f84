//! Members by numbers that stay.
//!
//! Owns what a flow calls its member: a number that is the member's for as long as it is in the file, wherever it stands
//! there. A snapshot numbers members by their places; when they change places, one table of theirs changes here and no
//! flow does.

use crate::flow::{Flow, NO_MEMBER};
use crate::policy::intent::MemberId;
use std::net::Ipv4Addr;

/// The numbers, and how many flows each member has.
pub(super) struct Roster {
    /// By number.
    entries: Vec<Entry>,
    free: Vec<u16>,
    /// Numbers, by the place of the member in the world.
    numbers: Vec<u16>,
    /// Flows, by the place of the member in the world.
    flows: Vec<u64>,
}

struct Entry {
    address: Ipv4Addr,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is a member.
    Here(MemberId),
    /// It was one, and flows of its may be left.
    Gone,
    /// Nobody's number.
    Free,
}

impl Roster {
    /// Numbers that may be in use at once: beyond that, those of members that have gone are to be freed first.
    const MOST: usize = 1 << 12;

    /// Members with these addresses, in the order of the world.
    pub fn new(addresses: impl Iterator<Item = Ipv4Addr>) -> Roster {
        let mut roster = Roster { entries: Vec::new(), free: Vec::new(), numbers: Vec::new(), flows: Vec::new() };
        roster.follow(addresses);
        roster
    }

    /// What flows call the member. [`NO_MEMBER`] if there is none.
    #[inline]
    pub fn number(&self, member: MemberId) -> u16 {
        self.numbers.get(member.index()).copied().unwrap_or(NO_MEMBER)
    }

    /// The member that flows call so, if it is one now.
    #[inline]
    pub fn member(&self, number: u16) -> Option<MemberId> {
        match self.entries.get(usize::from(number))?.place {
            Place::Here(member) => Some(member),
            _ => None,
        }
    }

    /// The address of the member that flows call so, if it is one now.
    pub fn address(&self, number: u16) -> Option<Ipv4Addr> {
        self.member(number)?;
        self.entries.get(usize::from(number)).map(|entry| entry.address)
    }

    /// Flows call somebody so who is no member any more.
    #[inline]
    pub fn has_gone(&self, number: u16) -> bool {
        self.entries.get(usize::from(number)).is_some_and(|entry| entry.place == Place::Gone)
    }

    /// From now on these are the members; one is known by its address. Says whether somebody has gone.
    pub fn follow(&mut self, addresses: impl Iterator<Item = Ipv4Addr>) -> bool {
        let (before, flows) = (std::mem::take(&mut self.numbers), std::mem::take(&mut self.flows));
        for number in &before {
            self.entries[usize::from(*number)].place = Place::Gone;
        }
        for (at, address) in addresses.enumerate() {
            let stays = before.iter().position(|number| {
                let entry = &self.entries[usize::from(*number)];
                entry.address == address && entry.place == Place::Gone
            });
            let number = stays.map_or_else(|| self.take_number(), |was| before[was]);
            self.entries[usize::from(number)] = Entry { address, place: Place::Here(MemberId(at as u16)) };
            self.numbers.push(number);
            self.flows.push(stays.map_or(0, |was| flows[was]));
        }
        before.iter().any(|number| self.has_gone(*number))
    }

    /// Of those who have gone no flow is left: their numbers are free.
    pub fn free_gone(&mut self) {
        for (number, entry) in self.entries.iter_mut().enumerate().filter(|(_, entry)| entry.place == Place::Gone) {
            entry.place = Place::Free;
            self.free.push(number as u16);
        }
    }

    /// The numbers are nearly used up by those who have gone.
    pub fn is_crowded(&self) -> bool {
        self.entries.len() - self.free.len() >= Roster::MOST
    }

    /// A flow was kept.
    #[inline]
    pub fn count(&mut self, flow: &Flow) {
        if let Some(flows) = self.flows_of(flow) {
            *flows += 1;
        }
    }

    /// A flow was forgotten.
    #[inline]
    pub fn discount(&mut self, flow: &Flow) {
        if let Some(flows) = self.flows_of(flow) {
            *flows = flows.saturating_sub(1);
        }
    }

    /// How many flows each member has, in the order of the world.
    pub fn flows(&self) -> &[u64] {
        &self.flows
    }

    #[inline]
    fn flows_of(&mut self, flow: &Flow) -> Option<&mut u64> {
        let member = self.member(flow.member)?;
        self.flows.get_mut(member.index())
    }

    fn take_number(&mut self) -> u16 {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry { address: Ipv4Addr::UNSPECIFIED, place: Place::Free });
            (self.entries.len() - 1) as u16
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Endpoint, Protocol, Tuple};

    fn hosts(numbers: &[u32]) -> impl Iterator<Item = Ipv4Addr> {
        numbers.iter().map(|number| Ipv4Addr::from_bits(0x0a14_0000 | *number))
    }

    fn flow_of(number: u16) -> Flow {
        let ends = [1, 2].map(|last| Endpoint::new(Ipv4Addr::new(10, 0, 0, last), 5060));
        let mut flow = Flow::routed(Tuple::new(Protocol::Tcp, ends[0], ends[1]));
        flow.member = number;
        flow
    }

    #[test]
    fn a_member_keeps_its_number_and_its_flows_wherever_it_stands() {
        let mut roster = Roster::new(hosts(&[11, 12]));
        let [a, b] = [0, 1].map(|at| roster.number(MemberId(at)));
        roster.count(&flow_of(a));
        roster.count(&flow_of(a));
        roster.count(&flow_of(b));
        assert!(!roster.follow(hosts(&[21, 12, 11])));
        assert_eq!((roster.member(a), roster.member(b)), (Some(MemberId(2)), Some(MemberId(1))));
        assert_eq!((roster.address(a), roster.address(NO_MEMBER)), (hosts(&[11]).next(), None));
        assert_eq!(roster.flows(), [0, 1, 2]);
        roster.discount(&flow_of(a));
        assert_eq!(roster.flows(), [0, 1, 1]);
        assert_eq!((roster.member(NO_MEMBER), roster.number(MemberId(3))), (None, NO_MEMBER));
    }

    #[test]
    fn the_number_of_one_who_has_gone_is_nobodys_until_its_flows_have_gone_too() {
        let mut roster = Roster::new(hosts(&[11, 12]));
        let b = roster.number(MemberId(1));
        assert!(roster.follow(hosts(&[11])));
        assert_eq!((roster.member(b), roster.has_gone(b)), (None, true));
        assert_eq!(roster.address(b), None);
        // It comes back as another one: what it left behind is not its own any more.
        assert!(!roster.follow(hosts(&[11, 12])));
        assert_ne!(roster.number(MemberId(1)), b);
        roster.free_gone();
        assert!(!roster.has_gone(b));
        assert!(!roster.follow(hosts(&[11, 12, 13])));
        assert_eq!((roster.number(MemberId(2)), roster.member(b)), (b, Some(MemberId(2))));
    }

    #[test]
    fn two_at_one_address_have_a_number_each() {
        let mut roster = Roster::new(hosts(&[11, 11]));
        assert_ne!(roster.number(MemberId(0)), roster.number(MemberId(1)));
        assert!(roster.follow(hosts(&[11])));
    }

    #[test]
    fn many_who_come_and_go_crowd_it() {
        let mut roster = Roster::new(hosts(&[11]));
        let mut turns: u32 = 0;
        while !roster.is_crowded() {
            turns += 1;
            roster.follow(hosts(&[turns]));
        }
        assert_eq!(turns as usize, Roster::MOST - 1);
        roster.free_gone();
        assert!(!roster.is_crowded());
    }
}
