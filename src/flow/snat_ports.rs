//! Which SNAT addresses there are, each with its ports.
//!
//! Owns the allocators of all of them, found by address and protocol, and what is done with them when a reload changes the addresses. Who
//! holds which port is each allocator's own: see [`super::ports`].

use super::ports::PortAllocator;
use crate::chance;
use crate::wire::Protocol;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The port allocators of all SNAT addresses. A copy is a handle to the same ones.
#[derive(Clone)]
pub struct SnatPorts {
    /// In the order of their addresses.
    tables: Arc<[Tables]>,
    seed: u64,
}

/// Those of one address.
#[derive(Clone)]
struct Tables {
    address: Ipv4Addr,
    /// When they were made, as the caller counts.
    since: u32,
    by_protocol: Arc<[PortAllocator; 3]>,
}

impl SnatPorts {
    /// Empty tables for these addresses.
    pub fn new(addresses: impl IntoIterator<Item = Ipv4Addr>, seed: u64) -> SnatPorts {
        SnatPorts { tables: Arc::new([]), seed }.renewed(addresses, 0)
    }

    /// Those for another list of addresses. An address that stays keeps its allocators and what is allocated there; those
    /// of a new one are made in `life`.
    pub fn renewed(&self, addresses: impl IntoIterator<Item = Ipv4Addr>, life: u32) -> SnatPorts {
        let mut addresses: Vec<Ipv4Addr> = addresses.into_iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        let tables = |address| self.find(address).cloned().unwrap_or_else(|| self.tables_of(address, life));
        SnatPorts { tables: addresses.into_iter().map(tables).collect(), seed: self.seed }
    }

    /// Those of some addresses alone, in memory of their own: for `protocol` they have given away the same ports, for others none.
    pub fn copied(&self, protocol: Protocol, wanted: impl Fn(Ipv4Addr) -> bool) -> SnatPorts {
        let copied = |tables: &Tables| {
            let fresh = self.tables_of(tables.address, tables.since);
            let mut by_protocol = Arc::into_inner(fresh.by_protocol).expect("it was made here");
            if let (Some(copy), Some(own)) =
                (by_protocol.get_mut(place(protocol)), tables.by_protocol.get(place(protocol)))
            {
                *copy = own.copied();
            }
            Tables { address: tables.address, since: tables.since, by_protocol: Arc::new(by_protocol) }
        };
        let tables = self.tables.iter().filter(|tables| wanted(tables.address)).map(copied);
        SnatPorts { tables: tables.collect(), seed: self.seed }
    }

    /// What the order is drawn from in which ports are given away.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// That of an address and protocol; `None` if nothing is translated to that address.
    pub fn table(&self, address: Ipv4Addr, protocol: Protocol) -> Option<&PortAllocator> {
        self.find(address).and_then(|tables| tables.by_protocol.get(place(protocol)))
    }

    /// The one that a port was given by in `life`, if it is still there. An address that was away in between has another.
    pub fn table_of(&self, address: Ipv4Addr, protocol: Protocol, life: u32) -> Option<&PortAllocator> {
        self.find(address).filter(|tables| tables.since <= life)?.by_protocol.get(place(protocol))
    }

    fn find(&self, address: Ipv4Addr) -> Option<&Tables> {
        let at = self.tables.binary_search_by_key(&address, |tables| tables.address).ok()?;
        Some(&self.tables[at])
    }

    fn tables_of(&self, address: Ipv4Addr, since: u32) -> Tables {
        let by_protocol = [Protocol::Icmp, Protocol::Tcp, Protocol::Udp].map(|protocol| {
            let seed = chance::number(self.seed ^ u64::from(address.to_bits()), place(protocol) as u64 + 1);
            PortAllocator::new(protocol, seed)
        });
        Tables { address, since, by_protocol: Arc::new(by_protocol) }
    }
}

const fn place(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Icmp => 0,
        Protocol::Tcp => 1,
        Protocol::Udp => 2,
        // No ports, and no table.
        Protocol::Other(_) => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::super::port_order::ReservedPorts;
    use super::*;
    use crate::wire::Endpoint;

    #[test]
    fn an_address_that_stays_keeps_its_ports() {
        let [one, two, three] = [1, 2, 3].map(|host| Ipv4Addr::new(10, 20, 0, host));
        let host = Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), 700);
        let snat_ports = SnatPorts::new([two, one, one], 4);
        snat_ports.table(one, Protocol::Udp).unwrap().allocate(host, &ReservedPorts::default());
        let renewed = snat_ports.renewed([one, three], 3);
        assert_eq!(renewed.table(one, Protocol::Udp).unwrap().owner(700), Some(host));
        assert_eq!(renewed.table(one, Protocol::Tcp).unwrap().owner(700), None);
        assert!(renewed.table(two, Protocol::Udp).is_none() && renewed.table(three, Protocol::Udp).is_some());
        let known = |life| [one, three].map(|address| renewed.table_of(address, Protocol::Udp, life).is_some());
        assert_eq!([2, 3].map(known), [[true, false], [true, true]], "what was allocated before is in no new table");
    }
}
