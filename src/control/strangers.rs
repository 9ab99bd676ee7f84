//! Hosts that asked for us, and to whom nothing is sent yet.
//!
//! Owns their MACs for a minute, in a bounded table in which the longest unheard gives way: whoever asks for us will
//! probably be answered, and that answer need not wait for ARP. No snapshot holds them, so that a flood of them costs
//! nothing but their place here.

use crate::policy::adjacency::NextHop;
use crate::time::{Duration, Instant};
use crate::wire::Mac;
use std::collections::{BTreeMap, HashMap};

/// Strangers remembered, at most.
pub const MOST: usize = 1_024;
/// How long one is remembered after it was heard.
pub const KEPT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Stranger {
    mac: Mac,
    heard: Instant,
    place: u64,
}

/// The table.
#[derive(Debug, Default)]
pub struct Strangers {
    hosts: HashMap<NextHop, Stranger>,
    /// By when they were heard.
    order: BTreeMap<u64, NextHop>,
    heard: u64,
}

impl Strangers {
    /// A stranger was heard.
    pub fn hear(&mut self, hop: NextHop, mac: Mac, now: Instant) {
        self.heard += 1;
        let place = self.heard;
        if let Some(before) = self.hosts.insert(hop, Stranger { mac, heard: now, place }) {
            self.order.remove(&before.place);
        }
        self.order.insert(place, hop);
        if self.hosts.len() > MOST
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.hosts.remove(&oldest);
        }
    }

    /// It is here.
    pub fn knows(&self, hop: NextHop) -> bool {
        self.hosts.contains_key(&hop)
    }

    /// It is no stranger any more: where it is, if it was heard lately.
    pub fn take(&mut self, hop: NextHop, now: Instant) -> Option<Mac> {
        let stranger = self.hosts.remove(&hop)?;
        self.order.remove(&stranger.place);
        (now.since(stranger.heard) < KEPT).then_some(stranger.mac)
    }

    /// Forgets who is not to stay.
    pub fn keep(&mut self, stays: impl Fn(NextHop) -> bool) {
        self.hosts.retain(|hop, _| stays(*hop));
        self.order.retain(|_, hop| self.hosts.contains_key(hop));
    }

    /// Those heard lately, with their MAC and when they were heard.
    pub fn rows(&self, now: Instant) -> impl Iterator<Item = (NextHop, Mac, Instant)> {
        let lately = move |(hop, one): (&NextHop, &Stranger)| {
            (now.since(one.heard) < KEPT).then_some((*hop, one.mac, one.heard))
        };
        self.hosts.iter().filter_map(lately)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::intent::InterfaceId;
    use std::net::Ipv4Addr;

    fn host(number: u32) -> (NextHop, Mac) {
        let address = Ipv4Addr::from(0x0a14_0000 + number);
        let [_, a, b, c] = number.to_be_bytes();
        (NextHop { interface: InterfaceId(1), address }, Mac([2, 0, 0, a, b, c]))
    }

    #[test]
    fn the_longest_unheard_gives_way_and_a_minute_is_the_most() {
        let (mut strangers, at) = (Strangers::default(), Instant::from_millis);
        for number in 0..MOST as u32 {
            strangers.hear(host(number).0, host(number).1, at(0));
        }
        strangers.hear(host(0).0, host(0).1, at(1));
        strangers.hear(host(9_999).0, host(9_999).1, at(2));
        assert_eq!((strangers.len(), strangers.order.len()), (MOST, MOST));
        assert!(strangers.knows(host(0).0) && !strangers.knows(host(1).0));
        assert_eq!(strangers.rows(at(60_000)).count(), 2);
        assert_eq!(strangers.take(host(0).0, at(60_000)), Some(host(0).1));
        assert_eq!(strangers.take(host(2).0, at(60_000)), None, "too long ago");
        assert_eq!((strangers.len(), strangers.order.len()), (MOST - 2, MOST - 2));
    }
}
