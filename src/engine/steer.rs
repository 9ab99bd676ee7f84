//! Which worker decides about a packet.
//!
//! Owns the law that the outside endpoint names the worker: translation never changes it, so both directions of a flow,
//! and the ICMP errors that quote it, meet in one worker's table. A member counts by its public address; then both ends of
//! a hairpin are virtual, and a symmetric hash of the two names the worker. NIC queues are a hint only: `ownership` says
//! whether the hash of an endpoint is theirs or our own.

use super::ownership::Law;
use crate::policy::Snapshot;
use crate::policy::snapshot::{Ends, Owner};
use crate::wire::{Endpoint, Headers, Kind, Protocol, Tuple, Usual};
use std::net::Ipv4Addr;

/// The place of the worker that decides about the packet; `None` when any may: nothing is remembered about it. `ends` are
/// those of the packet's own addresses.
#[inline]
pub fn owner(packet: &Headers, ends: &Ends, world: &Snapshot, law: &Law) -> Option<usize> {
    if law.workers() <= 1 {
        return None;
    }
    let hash = match packet.kind {
        Kind::Arp(_) => return None,
        Kind::IcmpError(quoted) => {
            place(&quoted.tuple, &world.ends(quoted.tuple.src.addr, quoted.tuple.dst.addr), world, law)?
        }
        _ => match packet.tuple() {
            Some(tuple) => place(&tuple, ends, world, law)?,
            // A piece, or a protocol that is never translated.
            None => place_without_ports(packet, ends, world, law),
        },
    };
    Some(law.worker(hash))
}

/// As [`owner`], of a usual packet.
#[inline]
pub fn owner_of_usual(packet: &Usual, ends: &Ends, world: &Snapshot, law: &Law) -> Option<usize> {
    if law.workers() <= 1 {
        return None;
    }
    place(&packet.tuple(), ends, world, law).map(|number| law.worker(number))
}

/// Packets of a self-IP concern no flow.
#[inline]
fn place(tuple: &Tuple, ends: &Ends, world: &Snapshot, law: &Law) -> Option<u32> {
    match (ends.from, ends.to) {
        (None, None) | (Some(Owner::Appliance(_)), _) | (_, Some(Owner::Appliance(_))) => None,
        (None, Some(_)) => Some(law.number(tuple.src)),
        (Some(_), None) => Some(law.number(tuple.dst)),
        (Some(from), Some(to)) => {
            let [from, to] = [(from, tuple.src), (to, tuple.dst)].map(|(of, at)| public(tuple.protocol, of, at, world));
            Some(place_of_pair(from, to))
        }
    }
}

/// Pieces of a datagram meet by its addresses alone, and the two members of a pair count as one; what is then found out
/// about the whole may send it on to another worker. A visitor's first piece goes where the answer to it will look.
fn place_without_ports(packet: &Headers, ends: &Ends, world: &Snapshot, law: &Law) -> u32 {
    let to_member = matches!(ends.to, Some(Owner::Member(_)));
    if to_member && let Some(place) = packet.piece_tuple().and_then(|tuple| place(&tuple, ends, world, law)) {
        return place;
    }
    let known_as = |owner, address| match owner {
        Some(Owner::Member(member)) => world.member(member).public,
        _ => address,
    };
    place_of_pair(known_as(ends.from, packet.src), known_as(ends.to, packet.dst))
}

/// The address that a member is known by at this port: that of the service there, else the one its pool goes out with. A
/// virtual address is its own.
fn public(protocol: Protocol, owner: Owner, endpoint: Endpoint, world: &Snapshot) -> Ipv4Addr {
    match owner {
        Owner::Member(member) => {
            let member = world.member(member);
            member.served(protocol, endpoint.port).map_or(member.public, |served| served.address)
        }
        Owner::Appliance(_) | Owner::Virtual(_) => endpoint.addr,
    }
}

/// The same whichever of the two is named first.
fn place_of_pair(a: Ipv4Addr, b: Ipv4Addr) -> u32 {
    let (low, high) = (a.min(b), a.max(b));
    mix(u64::from(u32::from(low)) << 32 | u64::from(u32::from(high)))
}

/// Spreads 64 bits over 32 (the finalizer of MurmurHash3).
#[inline]
pub(super) fn mix(mut bits: u64) -> u32 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (bits ^ (bits >> 33)) as u32
}
