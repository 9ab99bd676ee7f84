//! Which worker decides about a packet.
//!
//! Owns [`Steering`], chosen once, before the first packet, and the same for all workers: flows would be lost if it changed.
//! The endpoint outside names the worker: translation never changes it, so both directions of a flow, and the ICMP errors
//! that quote it, meet in one worker's table. A member counts by its public address; then both ends of a hairpin are
//! virtual, and a symmetric hash of the two names the worker. Where no NIC spreads as asked the hash is our own, which
//! costs least; where one does it is that NIC's, so that packets arrive where they are decided about and nothing is handed
//! off.

use super::identification::mix;
use super::path::Path;
use crate::policy::Snapshot;
use crate::policy::intent::MemberId;
use crate::wire::toeplitz::{self, Indirection};
use crate::wire::{Endpoint, Kind, Packet, Protocol, Tuple};
use std::net::Ipv4Addr;

/// Which endpoint outside belongs to which worker.
#[derive(Clone, Debug)]
pub struct Steering {
    workers: usize,
    /// As the NICs see it; `None`: no NIC is asked.
    indirection: Option<Box<Indirection>>,
}

impl Steering {
    /// By our own hash, over so many workers.
    pub const fn ours(workers: usize) -> Steering {
        Steering { workers, indirection: None }
    }

    /// As NICs with these keys do.
    pub fn of_nics(workers: usize, indirection: Indirection) -> Steering {
        Steering { workers, indirection: Some(Box::new(indirection)) }
    }

    /// There are several workers.
    #[inline]
    pub fn spreads(&self) -> bool {
        self.workers > 1
    }

    /// Any worker may decide about the packet, which takes this path: nothing is remembered about it.
    pub fn is_anybodys(packet: &Packet, path: Path, snapshot: &Snapshot) -> bool {
        Steering::ours(2).worker(packet, path, snapshot).is_none()
    }

    /// The worker that decides about what members send to this endpoint outside from a service port.
    #[inline]
    pub fn worker_of(&self, outside: Endpoint) -> usize {
        if self.spreads() { toeplitz::worker(self.hash(outside), self.workers) } else { 0 }
    }

    /// The worker that decides about the packet, which takes this path; `None` when any may: nothing is remembered about it.
    #[inline(always)]
    pub fn worker(&self, packet: &Packet, path: Path, snapshot: &Snapshot) -> Option<usize> {
        if self.workers <= 1 {
            return None;
        }
        let number = match (packet.kind, path) {
            (_, Path::Inward(_) | Path::ServiceIn(_) | Path::Direct(_)) if packet.plain => {
                self.hash(Endpoint::new(packet.src(), packet.src_port()))
            }
            (_, Path::Outward(_) | Path::ServiceOut(_)) if packet.plain => {
                self.hash(Endpoint::new(packet.dst(), packet.dst_port()))
            }
            (Kind::Arp(_), _) | (_, Path::Invalid(_) | Path::Background(_)) => return None,
            (Kind::IcmpError(quoted), _) => {
                // The packet that would answer the quoted one takes the same path as the error.
                self.of_flow(&quoted.tuple.reversed(), snapshot)?
            }
            _ => match packet.tuple() {
                Some(tuple) => self.of_tuple(&tuple, path, snapshot)?,
                None => self.without_ports(packet, path, snapshot),
            },
        };
        Some(toeplitz::worker(number, self.workers))
    }

    /// The worker that decides about packets with this tuple; the first one where any may.
    pub fn owner(&self, tuple: &Tuple, snapshot: &Snapshot) -> usize {
        let number = if self.spreads() { self.of_flow(tuple, snapshot) } else { None };
        number.map_or(0, |number| toeplitz::worker(number, self.workers))
    }

    /// The number of a packet of which the tuple alone is known.
    fn of_flow(&self, tuple: &Tuple, snapshot: &Snapshot) -> Option<u32> {
        let path = Path::between(&snapshot.owners(tuple.src.addr, tuple.dst.addr));
        match tuple.protocol {
            Protocol::Other(_) => Some(of_addresses((tuple.src.addr, tuple.dst.addr), path, snapshot)),
            _ => self.of_tuple(tuple, path, snapshot),
        }
    }

    /// The hash of a packet's endpoint outside.
    fn of_tuple(&self, tuple: &Tuple, path: Path, snapshot: &Snapshot) -> Option<u32> {
        match path {
            Path::Inward(_) | Path::ServiceIn(_) | Path::Direct(_) => Some(self.hash(tuple.src)),
            Path::Outward(_) | Path::ServiceOut(_) => Some(self.hash(tuple.dst)),
            Path::Hairpin { .. } | Path::Peer(..) => {
                let [sender, receiver] = path.members();
                Some(of_pair(
                    public(tuple.protocol, sender, tuple.src, snapshot),
                    public(tuple.protocol, receiver, tuple.dst, snapshot),
                ))
            }
            Path::Arp | Path::Local(_) | Path::Transit | Path::Background(_) | Path::Invalid(_) => None,
        }
    }

    /// Fragments of a datagram meet by its addresses alone, and the two members of a pair count as one; what is then found
    /// out about the whole may hand it off to another worker. The first fragment of one that visits a member goes where the
    /// answer to it will be looked up.
    fn without_ports(&self, packet: &Packet, path: Path, snapshot: &Snapshot) -> u32 {
        if path.members()[1].is_some()
            && let Some(number) = packet.fragment_tuple().and_then(|tuple| self.of_tuple(&tuple, path, snapshot))
        {
            return number;
        }
        of_addresses((packet.src(), packet.dst()), path, snapshot)
    }

    #[inline]
    fn hash(&self, endpoint: Endpoint) -> u32 {
        match &self.indirection {
            None => mix(u64::from(endpoint.addr.to_bits()) << 16 | u64::from(endpoint.port)),
            Some(indirection) => toeplitz::spread_out(indirection.of(endpoint)),
        }
    }
}

/// The address that an endpoint is known by: that of the service at a member's port, else the one its pool goes out with. An
/// address that is no member's is its own.
fn public(protocol: Protocol, member: Option<MemberId>, endpoint: Endpoint, snapshot: &Snapshot) -> Ipv4Addr {
    let Some(member) = member.map(|member| snapshot.member(member)) else { return endpoint.addr };
    member.served(protocol, endpoint.port).map_or(member.public, |served| served.address)
}

/// The number of a packet that is known by its addresses alone; the members of a pool count as one.
fn of_addresses((src, dst): (Ipv4Addr, Ipv4Addr), path: Path, snapshot: &Snapshot) -> u32 {
    let [sender, receiver] = path.members();
    let known_as = |member: Option<MemberId>, address| member.map_or(address, |it| snapshot.member(it).public);
    of_pair(known_as(sender, src), known_as(receiver, dst))
}

/// The same whichever of the two is named first.
fn of_pair(a: Ipv4Addr, b: Ipv4Addr) -> u32 {
    let (low, high) = (a.min(b), a.max(b));
    mix(u64::from(u32::from(low)) << 32 | u64::from(u32::from(high)))
}
