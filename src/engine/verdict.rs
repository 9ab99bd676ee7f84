//! What becomes of a packet.
//!
//! Owns [`Verdict`] and every way to die ([`DropReason`]), to be handed up ([`PuntReason`]), or to be answered. Each
//! reason is counted by its place in the enum; names and explanations stand beside the variants and nowhere else.

use crate::policy::adjacency::NextHop;
use crate::policy::intent::{InterfaceId, PortId};
pub use crate::policy::way::Egress;
use crate::wire::Rewrite;
use crate::wire::reply::Reply;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is changed as data says, its TTL lowered, and sent.
    Forward {
        /// Change of the packet's own addresses and ports.
        rewrite: Rewrite,
        /// For an ICMP error: change of the packet it quotes.
        quoted: Option<Rewrite>,
        /// The way out.
        egress: Egress,
    },
    /// It is answered on the interface it came from; the answer takes its place.
    Answer(Reply),
    /// It dies for the reason, and its sender is told so, unless RFC 1812 4.3.2.7 forbids it.
    Refuse {
        /// What the sender is told.
        with: Reply,
        /// Why it died.
        reason: DropReason,
    },
    /// It waits until the next hop's MAC is known.
    Hold(NextHop),
    /// It is a piece of a datagram about which nothing can be said before all of it is here.
    Gather,
    /// It is a SYN that nobody takes; its sender is told in six seconds, unless a member opens the same connection
    /// meanwhile (RFC 5382 REQ-4). See [`super::Engine::conclude`].
    Defer,
    /// Management shall have it.
    Punt(PuntReason),
    /// It dies in silence.
    Drop(DropReason),
}

impl Verdict {
    /// The packet goes on, now or when the next hop's MAC is known.
    #[inline]
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Verdict::Forward { .. } | Verdict::Hold(_))
    }
}

/// Where a packet came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// The NIC.
    pub port: PortId,
    /// The interface, by port and tag.
    pub interface: InterfaceId,
}

macro_rules! ways {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $label:literal: $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $text] $variant,)* }

        impl $name {
            /// All of them, in the order they are counted in.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The counter's name.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $label,)* }
            }

            /// What it means, for an operator.
            pub const fn explanation(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

pub(crate) use ways;

ways! {
    /// Why a packet died. One counter each.
    DropReason {
        Truncated = "truncated": "The frame is shorter than its headers or the length they declare.",
        NotForUs = "not_for_us": "The frame's destination MAC is not ours and not broadcast.",
        UnknownEtherType = "unknown_ethertype": "Neither IPv4 nor ARP.",
        UnknownInterface = "unknown_interface": "No interface is configured for the port and VLAN tag it came with.",
        BadIpVersion = "bad_ip_version": "The IP version is not 4.",
        BadIpHeaderLength = "bad_ip_header_length": "The IP header length is below 20 bytes or beyond the datagram.",
        BadIpLength = "bad_ip_length": "The IP total length is below the header's or beyond the frame.",
        BadIpChecksum = "bad_ip_checksum": "The IP header checksum is wrong.",
        BadTcpHeader = "bad_tcp_header": "The TCP data offset is below 5 or beyond the segment.",
        BadUdpLength = "bad_udp_length": "The UDP length is below 8 or disagrees with the datagram's.",
        BadIcmp = "bad_icmp": "An ICMP message that is too short for its type.",
        BadIcmpChecksum = "bad_icmp_checksum": "The checksum of an ICMP message is wrong.",
        BadIcmpQuote = "bad_icmp_quote": "The packet quoted by an ICMP error is too short or its header checksum is wrong.",
        BadArp = "bad_arp": "An ARP packet that is too short, or not for IPv4 over Ethernet.",
        BadFragment = "bad_fragment": "A fragment whose offset and length cannot be, or that overlaps the headers.",
        SourceRoute = "source_route": "The packet carries a source route option.",
        MartianSource = "martian_source": "The source address can never be one: 0/8, 127/8, multicast, broadcast.",
        MartianDestination = "martian_destination": "The destination address is never forwarded to: 0/8, 127/8, multicast, broadcast.",
        SpoofedSource = "spoofed_source": "The source is an address of ours, or of a member on an interface where it does not live.",
        TtlExceeded = "ttl_exceeded": "The time to live ran out.",
        NoRoute = "no_route": "No route to the destination.",
        HostUnreachable = "host_unreachable": "The next hop does not answer ARP.",
        NeighbourQueueFull = "neighbour_queue_full": "Too many packets already wait for the next hop's MAC.",
        TooBig = "too_big": "Larger than the egress MTU.",
        MemberUndecided = "member_undecided": "Whether a member of the pool is active is not known yet: the appliance has just started.",
        NoActiveMember = "no_active_member": "No member of the pool is active.",
        VirtualServerDisabled = "virtual_server_disabled": "The virtual server is disabled.",
        MemberLost = "member_lost": "The TCP flow belongs to a member that was lost.",
        NotListening = "not_listening": "For a virtual or self address, but no service, flow or probe takes it.",
        NoFlow = "no_flow": "A return to a virtual address that matches no flow.",
        NoFlowForError = "no_flow_for_error": "An ICMP error that quotes nothing we know.",
        FragmentDuplicate = "fragment_duplicate": "A fragment that is here already.",
        FragmentOverlap = "fragment_overlap": "Fragments of one datagram overlap or contradict each other; all of it is dropped.",
        FragmentTooMany = "fragment_too_many": "A datagram of more than 128 fragments; all of it is dropped.",
        FragmentIncomplete = "fragment_incomplete": "The rest of the datagram did not come in time.",
        FragmentsFull = "fragments_full": "The fragment gave way to newer ones: too many wait for the rest of their datagram.",
        IcmpLimited = "icmp_limited": "An ICMP error to be passed on, beyond icmp_errors_per_second.",
        IcmpUnsupported = "icmp_unsupported": "A source quench or redirect about translated traffic.",
        FlowTableFull = "flow_table_full": "The worker's flow table is full.",
        PortsExhausted = "ports_exhausted": "No port of the SNAT address is free.",
        NoSnat = "no_snat": "A member of a pool without [[snat]] called a virtual address: the answer could not find its way back.",
        RateLimited = "rate_limited": "A refusal was due but the limit on refusals was reached; its reason is not counted.",
        ProtocolUnsupported = "protocol_unsupported": "An IP protocol that cannot be translated, to an address of ours.",
        ArpNotForUs = "arp_not_for_us": "An ARP request for an address that is not ours.",
        NoBuffer = "no_buffer": "No buffer could be had to build or change the frame.",
        TransmitFull = "transmit_full": "The NIC's transmit queue was full.",
        HandOffFull = "hand_off_full": "The ring to the worker that owns the flow was full.",
        MailboxFull = "mailbox_full": "The ring to the management core was full.",
        Stopping = "stopping": "The appliance was shutting down while the packet waited.",
    }
}

ways! {
    /// Why a packet went to the management core. One counter each.
    PuntReason {
        Arp = "arp": "ARP that teaches, claims or asks something of the management core.",
        Local = "local": "An answer to a probe, addressed to a self-IP.",
    }
}
