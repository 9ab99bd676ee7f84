//! For whom a packet is counted that was decided about in full.
//!
//! Owns that it is the same as on the fast path: the addresses say it, before translation and after, and of a call from member to member
//! the flow who has begun it. Counts nothing.

use super::account::{Account, member_at};
use super::path::{Classified, Path};
use super::state::Engine;
use super::verdict::Verdict;
use crate::flow::{Direction, NO_VIRTUAL_SERVER};
use crate::policy::intent::MemberId;
use crate::wire::{Packet, Tuple};

impl Engine {
    /// For whom a packet with this verdict is counted, if it was decided about in full. Nobody's: it does not leave.
    pub fn account(&self, packet: &Packet, classified: Classified, verdict: &Verdict) -> Account {
        let (Verdict::Forward(forward) | Verdict::ForwardError { outer: forward, .. }) = verdict else {
            return Account::NOBODY;
        };
        let tuple = packet.tuple();
        let became = tuple.map(|tuple| forward.rewrite.changed(&tuple));
        let (_, receiver) = forward.rewrite.addresses_of(packet.src(), packet.dst());
        let [from, to] = [packet.src(), receiver].map(|address| member_at(&self.snapshot, address));
        let ends = tuple.zip(became);
        match (from, to) {
            (Some(from), None) => {
                let server = ends.map(|(was, became)| self.sent_by_service(&was, &became));
                Account { virtual_server: server.unwrap_or(NO_VIRTUAL_SERVER), ..Account::from(from) }
            }
            (None, Some(to)) => {
                let server = ends.map(|(was, became)| self.sent_to_service(&was, &became));
                Account { virtual_server: server.unwrap_or(NO_VIRTUAL_SERVER), ..Account::to(to) }
            }
            (Some(from), Some(to)) => self.between(from, to, classified, ends),
            (None, None) => Account::NOBODY,
        }
    }

    /// From member to member: the virtual server is the one that was called, and whoever has begun is the other one.
    fn between(&self, from: MemberId, to: MemberId, at: Classified, ends: Option<(Tuple, Tuple)>) -> Account {
        let nobodys = Account { other: from.0, ..Account::to(to) };
        let Some((was, became)) = ends.filter(|_| matches!(at.path, Path::Hairpin { .. })) else { return nobodys };
        let known = self.state.flows.find(&was);
        if known.is_some_and(|(_, side)| side == Direction::Reply) {
            let virtual_server = self.sent_by_service(&was, &became);
            return Account { other: to.0, virtual_server, ..Account::from(from) };
        }
        Account { virtual_server: self.sent_to_service(&was, &became), ..nobodys }
    }

    /// The virtual server whose service has sent what became this, as its virtual address.
    fn sent_by_service(&self, was: &Tuple, became: &Tuple) -> u16 {
        let service = self.snapshot.service_at(became.protocol, became.src).filter(|_| was.src != became.src);
        service.map_or(NO_VIRTUAL_SERVER, |service| service.virtual_server.0)
    }

    /// The virtual server whose service this was sent to.
    fn sent_to_service(&self, was: &Tuple, became: &Tuple) -> u16 {
        let service = self.snapshot.service_at(was.protocol, was.dst).filter(|_| was.dst != became.dst);
        service.map_or(NO_VIRTUAL_SERVER, |service| service.virtual_server.0)
    }
}
