//! A datagram and its verdict.
//!
//! Owns [`Executor`]: the ports and the events to management, and with them all that a verdict can ask for and that needs no
//! waiting. Of a datagram that came in fragments, all go the same way. Each arm ends every frame exactly once in the counters.

use super::event_queue::EventQueue;
use super::frames::{Frames, Received};
use super::host::HostLink;
use super::ports::Ports;
use crate::engine::{DropReason, Egress, Forward, IgnoreReason, PuntReason, Verdict};
use crate::io::{Frame, Port};
use crate::policy::Snapshot;
use crate::policy::intent::PortId;
use crate::policy::multipath::Conversation;
use crate::wire::facts::Fragment;
use crate::wire::reply::{self, IcmpError, Reply};
use crate::wire::{Kind, Malformed, Packet, fragment, tcp};

/// Executes verdicts.
pub(super) struct Executor<P: Port> {
    pub ports: Ports<P>,
    pub events: EventQueue,
    /// Where interfaces may have devices of the kernel's.
    pub host: Option<HostLink>,
}

impl<P: Port> Executor<P> {
    /// Counts a frame that cannot be read. Of what is no IPv4, nobody misses what went to a group: every LAN carries some.
    #[cold]
    pub fn unreadable(&mut self, frame: &P::Frame, malformed: Malformed) {
        let is_to_group = frame.bytes().first().is_some_and(|first| first & 1 == 1);
        match malformed {
            Malformed::UnknownEtherType if is_to_group => self.ports.counters.ignored(1, IgnoreReason::LinkProtocol),
            other => self.ports.counters.dropped(reason(other)),
        }
    }

    /// Does what the verdict says. A datagram that waits is not done with, and does not come here.
    pub fn execute(&mut self, datagram: Received<P::Frame>, packet: &Packet, verdict: Verdict, snapshot: &Snapshot) {
        let Received { frames, port, at } = datagram;
        let whole = |frames| Received { frames, port, at };
        match (verdict, frames) {
            (Verdict::Forward(forward), Frames::One(mut frame)) => {
                if snapshot.lowers_mss {
                    lower_mss(&mut frame, packet, port, &forward, snapshot);
                }
                self.ports.forward(frame, packet, &forward, snapshot);
            }
            (Verdict::Forward(forward), Frames::Fragments(all)) => {
                self.forward_fragments(all, packet, &forward, snapshot);
            }
            (Verdict::ForwardError { outer, quoted }, Frames::One(mut frame)) => {
                if let Kind::IcmpError(error) = packet.kind {
                    quoted.apply_to_quoted(frame.bytes_mut(), packet, &error);
                }
                self.ports.forward(frame, packet, &outer, snapshot);
            }
            // The answer takes the frame's place in the counters.
            (Verdict::Answer(with), Frames::One(frame)) => match self.compose(&frame, packet, port, &with, snapshot) {
                Some((made, egress)) => self.send_own(made, &egress),
                None => self.ports.counters.dropped(DropReason::NoBuffer),
            },
            (Verdict::Answer(Reply::Echo), Frames::Fragments(all)) => self.answer_fragments(all, port, snapshot),
            (Verdict::Reject { with, reason }, all) => self.reject(&whole(all), packet, &with, reason, snapshot),
            (Verdict::Punt(reason), all) if reason.is_for_host() => {
                self.punt_to_host(&whole(all), packet, reason, snapshot);
            }
            (Verdict::Punt(reason), all) => self.punt(&whole(all), packet, reason, snapshot),
            (Verdict::Drop(reason), all) => self.ports.counters.dropped_all(all.count(), reason),
            (Verdict::Ignore(reason), all) => self.ports.counters.ignored(all.count(), reason),
            (Verdict::Hold(_), all) => self.ports.counters.dropped_all(all.count(), DropReason::NeighbourQueueFull),
            (Verdict::Withhold(_), all) => {
                self.ports.counters.dropped_all(all.count(), DropReason::WithheldFull);
            }
            (Verdict::Reassemble, Frames::One(_)) => self.ports.counters.dropped(DropReason::FragmentIncomplete),
            (Verdict::Defer, Frames::One(_)) => self.ports.counters.dropped(DropReason::NotListening),
            // Verdicts about frames of other kinds; a SYN in fragments is no honest SYN.
            (_, Frames::Fragments(all)) => self.ports.counters.dropped_all(all.len(), DropReason::BadFragment),
        }
    }

    fn forward_fragments(&mut self, all: Vec<P::Frame>, whole: &Packet, forward: &Forward, snapshot: &Snapshot) {
        for frame in all {
            let Ok(mut packet) = Packet::parse(frame.bytes()) else {
                self.ports.counters.dropped(DropReason::BadFragment);
                continue;
            };
            // The transport header, and its checksum over all of the datagram, are in the first fragment.
            if matches!(packet.kind, Kind::Fragment(Fragment { offset: 0, .. })) {
                packet.kind = whole.kind;
            }
            self.ports.forward(frame, &packet, forward, snapshot);
        }
    }

    /// An echo request in fragments is answered in the same fragments, which take the place of the request's.
    fn answer_fragments(&mut self, all: Vec<P::Frame>, port: PortId, snapshot: &Snapshot) {
        for mut frame in all {
            let bytes = frame.bytes_mut();
            let packet = Packet::parse(bytes).ok();
            let egress = packet.and_then(|packet| egress_of_answer(bytes, &packet, port, snapshot));
            let (Some(packet), Some(egress)) = (packet, egress) else {
                self.ports.counters.dropped(DropReason::BadFragment);
                continue;
            };
            fragment::answer_echo(bytes, &packet);
            self.ports.taps.answered += 1;
            self.ports.link_and_queue(frame, &packet, &egress);
        }
    }

    /// The datagram is dropped; what its sender receives is a frame of our own.
    fn reject(
        &mut self,
        datagram: &Received<P::Frame>,
        packet: &Packet,
        with: &Reply,
        reason: DropReason,
        snapshot: &Snapshot,
    ) {
        self.ports.counters.dropped_all(datagram.frames.count(), reason);
        let frame = datagram.frames.first();
        if reply::may_answer_with_error(frame.bytes(), packet)
            && let Some((made, egress)) = self.compose(frame, packet, datagram.port, with, snapshot)
        {
            self.ports.counters.originated += 1;
            self.send_own(made, &egress);
        }
    }

    /// The next hop did not answer: the sender receives host unreachable.
    pub(super) fn reject_unreachable(&mut self, datagram: &Received<P::Frame>, snapshot: &Snapshot) {
        let reason = DropReason::HostUnreachable;
        let packet = datagram.frames.headers().ok();
        let interface = packet.as_ref().and_then(|packet| snapshot.interface_of(datagram.port, packet.vlan()));
        let (Some(packet), Some(interface)) = (packet, interface) else {
            return self.ports.counters.dropped_all(datagram.frames.count(), reason);
        };
        if snapshot.pair.is_quiet() {
            let reason = if snapshot.pair.is_standby { DropReason::PairStandby } else { DropReason::PairSettling };
            return self.ports.counters.dropped_all(datagram.frames.count(), reason);
        }
        let from = snapshot.own_address_towards(packet.src(), Conversation::of_answer(&packet), interface);
        let with = Reply::IcmpError { error: IcmpError::HostUnreachable, from };
        self.reject(datagram, &packet, &with, reason, snapshot);
    }

    /// Makes a reply to `frame`, and finds its way out.
    fn compose(
        &mut self,
        frame: &P::Frame,
        packet: &Packet,
        port: PortId,
        with: &Reply,
        snapshot: &Snapshot,
    ) -> Option<(P::Frame, Egress)> {
        let egress = egress_of_answer(frame.bytes(), packet, port, snapshot)?;
        let length = reply::length(with, packet, &egress.link);
        if length == 0 {
            return None;
        }
        let mut made = self.ports.allocate(egress.port, length)?;
        let length = reply::build(with, frame.bytes(), packet, &egress.link, made.bytes_mut());
        made.set_len(length).then_some((made, egress))
    }

    /// A frame of our own leaves, in fragments if the way it takes is narrower than the one on which the question came.
    fn send_own(&mut self, made: P::Frame, egress: &Egress) {
        self.ports.taps.answered += 1;
        match made.bytes().len() > egress.link.length() + usize::from(egress.mtu) {
            true => self.ports.forward_cut(&made, egress),
            false => self.ports.queue(egress.port, made),
        }
    }

    fn punt(&mut self, datagram: &Received<P::Frame>, packet: &Packet, reason: PuntReason, snapshot: &Snapshot) {
        let (frames, counters) = (&datagram.frames, &mut self.ports.counters);
        let Some(interface) = snapshot.interface_of(datagram.port, packet.vlan()) else {
            return counters.dropped_all(frames.count(), DropReason::UnknownInterface);
        };
        match frames.joined().map(|bytes| self.events.punt(reason, interface, &bytes, datagram.at)) {
            Some(true) => counters.punted(frames.count(), reason),
            Some(false) => counters.dropped_all(frames.count(), DropReason::MailboxFull),
            None => counters.dropped_all(frames.count(), DropReason::BadFragment),
        }
    }
}

/// A SYN offers no larger segment than the interfaces that it comes by and leaves by let it.
#[cold]
fn lower_mss<F: Frame>(frame: &mut F, packet: &Packet, port: PortId, forward: &Forward, snapshot: &Snapshot) {
    let Kind::Tcp(segment) = packet.kind else { return };
    if segment.flags.syn()
        && let Some(most) = snapshot.mss_between(port, packet.vlan(), forward.egress)
        && let Some(segment) = frame.bytes_mut().get_mut(usize::from(packet.l4)..usize::from(packet.end))
    {
        tcp::lower_mss(segment, most);
    }
}

/// The way of an answer of our own to the packet in `frame`: the route to whom it goes, as of any packet (RFC 1812 5.2); where
/// there is none, or its next hop's MAC is not known, and for ARP, back where the frame came from.
fn egress_of_answer(frame: &[u8], packet: &Packet, port: PortId, snapshot: &Snapshot) -> Option<Egress> {
    let routed = match packet.kind {
        Kind::Arp(_) => None,
        _ => snapshot.lookup(packet.src(), || Conversation::of_answer(packet)),
    };
    if let Some(id) = routed {
        return Some(*snapshot.egress(id));
    }
    let interface = snapshot.interface(snapshot.interface_of(port, packet.vlan())?);
    let link = reply::link_back(frame, packet, interface.mac);
    Some(Egress::by(port, link, interface.mtu))
}

/// The counter a malformed frame goes to.
pub(super) fn reason(malformed: Malformed) -> DropReason {
    match malformed {
        Malformed::Truncated => DropReason::Truncated,
        Malformed::UnknownEtherType => DropReason::UnknownEtherType,
        Malformed::IpVersion => DropReason::BadIpVersion,
        Malformed::IpHeaderLength => DropReason::BadIpHeaderLength,
        Malformed::IpLength => DropReason::BadIpLength,
        Malformed::IpChecksum => DropReason::BadIpChecksum,
        Malformed::SourceRoute => DropReason::SourceRoute,
        Malformed::TcpHeader => DropReason::BadTcpHeader,
        Malformed::UdpLength => DropReason::BadUdpLength,
        Malformed::Icmp => DropReason::BadIcmp,
        Malformed::IcmpChecksum => DropReason::BadIcmpChecksum,
        Malformed::IcmpQuote => DropReason::BadIcmpQuote,
        Malformed::Arp => DropReason::BadArp,
        Malformed::Fragment => DropReason::BadFragment,
    }
}
