//! Whose service a datagram is of, and which member it concerns, for those who count.
//!
//! Owns [`Party`], which is read off a verdict and changes none. Counted is what clients send to a service port and what members send from
//! there as the virtual address; what keeps a member's own address, as to the exclusion group, is answered past the appliance.

use super::path::{Classified, Path};
use super::state::Engine;
use super::verdict::Verdict;
use crate::policy::intent::MemberId;
use crate::policy::snapshot::AddressClass;
use crate::wire::{Endpoint, Kind, Packet, Protocol, Tuple};
use std::net::Ipv4Addr;

/// Between whom a datagram of a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// The service port, at its virtual address.
    pub service: Endpoint,
    /// The member that gets it, or has sent it; `None`: nobody gets it.
    pub member: Option<Ipv4Addr>,
    /// The other end, as it is known outside.
    pub remote: Endpoint,
    /// The member has sent it.
    pub is_from_member: bool,
}

impl Party {
    /// Who has sent it: a member as it is known on its own link.
    pub fn sender(&self) -> Endpoint {
        match self.member.filter(|_| self.is_from_member) {
            Some(member) => Endpoint::new(member, self.service.port),
            None => self.remote,
        }
    }
}

impl Engine {
    /// Of a datagram with this verdict. One between two pools may be of a service of each. What a member sends is nobody's until it
    /// leaves; what clients send is somebody's at once, though it may have to wait.
    pub fn parties(&self, packet: &Packet, classified: Classified, verdict: &Verdict) -> [Option<Party>; 2] {
        let Some(tuple) = packet.tuple().filter(|_| matches!(packet.kind, Kind::Udp)) else { return [None; 2] };
        let became = match verdict {
            Verdict::Forward(forward) => Some(forward.rewrite.changed(&tuple)),
            _ => None,
        };
        let receiver = self.receiver(verdict, became.as_ref());
        match (classified.path, became) {
            (Path::ServiceIn(_) | Path::Inward(_), _) => [self.received(&tuple, receiver), None],
            (Path::ServiceOut(at), Some(became)) => {
                [self.sent(self.snapshot.datagrams_out(at).sender, &tuple, &became), None]
            }
            (Path::Outward(sender), Some(became)) => [self.sent(sender, &tuple, &became), None],
            (Path::Hairpin { sender, .. }, Some(became)) => {
                let translated = Tuple { src: became.src, ..tuple };
                [self.sent(sender, &tuple, &translated), self.received(&translated, receiver)]
            }
            _ => [None; 2],
        }
    }

    /// The member that gets a datagram which becomes this, or will get it once there is a way to it.
    fn receiver(&self, verdict: &Verdict, became: Option<&Tuple>) -> Option<Ipv4Addr> {
        let address = match verdict {
            Verdict::Hold(hop) => Some(hop.address),
            Verdict::Withhold(what) => Some(self.snapshot.member(what.member).address),
            _ => became.map(|became| became.dst.addr),
        };
        address.filter(|address| matches!(self.snapshot.class(*address), AddressClass::Member(..)))
    }

    /// To a service port.
    fn received(&self, tuple: &Tuple, member: Option<Ipv4Addr>) -> Option<Party> {
        self.snapshot.serves_datagrams(tuple.dst)?;
        Some(Party { service: tuple.dst, member, remote: tuple.src, is_from_member: false })
    }

    /// From a service port, as the virtual address.
    fn sent(&self, sender: MemberId, tuple: &Tuple, became: &Tuple) -> Option<Party> {
        let served = self.snapshot.member(sender).served(Protocol::Udp, tuple.src.port)?;
        let service = Endpoint::new(served.address, tuple.src.port);
        let party = Party { service, member: Some(tuple.src.addr), remote: became.dst, is_from_member: true };
        (became.src == service).then_some(party)
    }
}
