//! What is for the appliance itself: its self-IPs, and the virtual addresses as hosts.

use super::verdict::{DropReason, PuntReason, Verdict};
use super::walk::Walk;
use crate::policy::health::State;
use crate::policy::intent::{EchoPolicy, MemberId, Unmatched};
use crate::policy::snapshot::{AddressClass, VirtualView};
use crate::wire::reply::{IcmpError, Reply};
use crate::wire::{Kind, ipv4};

/// Probes leave from ports of the dynamic range (RFC 6335 6); only there is an answer expected.
const FIRST_PROBE_PORT: u16 = 49_152;

impl Walk<'_> {
    /// To a self-IP: pings are answered, answers to probes go to management, the rest to the kernel where that has a device for the
    /// interface, and is refused where not.
    pub(super) fn local(&mut self, sender: Option<MemberId>) -> Verdict {
        let (answers_probe, has_host) = (sender.is_some(), self.ingress().has_host);
        match self.packet.kind {
            Kind::Echo { request: true } => Verdict::Answer(Reply::Echo),
            Kind::Echo { request: false } if answers_probe => self.punt(PuntReason::Local),
            Kind::Tcp(_) | Kind::Udp if answers_probe && self.packet.dst_port() >= FIRST_PROBE_PORT => {
                self.punt(PuntReason::Local)
            }
            Kind::Echo { request: false } if self.ingress().has_members && !has_host => self.stray(),
            Kind::Udp if self.ingress().has_members && self.packet.dst_port() >= FIRST_PROBE_PORT => self.stray(),
            // Only the member itself may say that a probe failed: members are on the link, no router stands between.
            Kind::IcmpError(quoted) => match self.snapshot.class(quoted.tuple.src.addr) {
                AddressClass::SelfIp(_)
                    if answers_probe
                        && quoted.tuple.dst.addr == self.packet.src()
                        && (!has_host || quoted.tuple.src.port >= FIRST_PROBE_PORT) =>
                {
                    self.punt(PuntReason::Local)
                }
                _ if self.is_of_the_kernel(quoted.tuple.src.addr) => self.hand_to_host(),
                _ => Verdict::Drop(DropReason::NoFlowForError),
            },
            _ if has_host => self.hand_to_host(),
            _ => self.reject_local(),
        }
    }

    /// A server with several addresses may answer a probe from one that the file does not name. Management says so to the
    /// operator; the sender gets no ICMP error, which would stop the receive loop of some servers. Bounded, as strangers can
    /// send the same.
    fn stray(&mut self) -> Verdict {
        self.punt(PuntReason::Stray)
    }

    /// To management, within the budget of its class.
    pub(super) fn punt(&mut self, reason: PuntReason) -> Verdict {
        self.state.punts.punt(reason, self.now)
    }

    /// Nothing listens at the address for this packet; its sender is told as a host would (RFC 1122 3.2.2.1).
    pub(super) fn reject_local(&mut self) -> Verdict {
        match self.packet.kind {
            Kind::Tcp(_) | Kind::Udp | Kind::Echo { .. } => self.reject_by_protocol(DropReason::NotListening),
            // ICMP of a type that we do not know is dropped in silence (RFC 1122 3.2.2).
            Kind::Other if self.packet.protocol != ipv4::ICMP && !self.is_from_member() => {
                self.reject(IcmpError::ProtocolUnreachable, self.packet.dst(), DropReason::ProtocolUnsupported)
            }
            _ => Verdict::Drop(DropReason::ProtocolUnsupported),
        }
    }

    /// To a virtual address, but nothing takes it: the address' policy says whether and when its sender is told.
    pub(super) fn unmatched(&mut self, server: &VirtualView) -> Verdict {
        let opens = matches!(self.packet.kind, Kind::Tcp(segment) if segment.flags.opens());
        match server.unmatched {
            Unmatched::Drop => Verdict::Drop(DropReason::NotListening),
            Unmatched::Reject if opens && server.is_snat_source && !self.is_from_member() => Verdict::Defer,
            Unmatched::Reject | Unmatched::RejectNow => self.reject_local(),
        }
    }

    /// The verdict on a SYN that was deferred: silence if a member has opened the connection (RFC 5382 REQ-4), or if by now
    /// the port is a service's or the address another's: the SYN comes again and is heard.
    pub(super) fn deferred(mut self) -> Verdict {
        if self.is_taken_by_now() {
            return Verdict::Drop(DropReason::NotListening);
        }
        self.reject(IcmpError::PortUnreachable, self.packet.dst(), DropReason::NotListening)
    }

    fn is_taken_by_now(&mut self) -> bool {
        let (AddressClass::Virtual(at), Some(tuple)) = (self.snapshot.class(self.packet.dst()), self.packet.tuple())
        else {
            return true;
        };
        let server = self.snapshot.server(at);
        server.unmatched != Unmatched::Reject
            || server.service(tuple.protocol, tuple.dst.port).is_some()
            || self.state.flows.find_live(self.snapshot, &tuple).is_some()
    }

    /// An echo request to a virtual address.
    pub(super) fn ping(&mut self, server: &VirtualView) -> Verdict {
        // Who is lost may still be the target of what comes, but serves nobody.
        let mut targets = self.snapshot.pool(server.pool).targets().map(|id| self.snapshot.member(id).state);
        let serves = targets.any(|state| state != State::Down);
        if server.echo == EchoPolicy::Always || serves {
            Verdict::Answer(Reply::Echo)
        } else {
            Verdict::Drop(DropReason::NoActiveMember)
        }
    }
}
