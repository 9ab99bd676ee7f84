//! What is done with a packet.
//!
//! Owns [`Verdict`] and every reason to be dropped ([`DropReason`]), ignored ([`IgnoreReason`]) or handed up ([`PuntReason`]).
//! Each reason is counted by its place in the enum; names and explanations are beside the variants and nowhere else.

use crate::policy::adjacency::NextHop;
pub use crate::policy::adjacency::{Egress, EgressId};
use crate::policy::intent::MemberId;
use crate::time::Duration;
use crate::wire::reply::Reply;
use crate::wire::{Endpoint, Protocol, Rewrite};

/// What is done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is changed as data says, its TTL lowered, and sent.
    Forward(Forward),
    /// An ICMP error: so is the packet that it quotes.
    ForwardError {
        /// The error's own change, and its way out.
        outer: Forward,
        /// Change of the packet it quotes.
        quoted: Rewrite,
    },
    /// It is answered on the interface it came from; the answer takes its place.
    Answer(Reply),
    /// It is dropped for the reason, and its sender is told, unless RFC 1812 4.3.2.7 forbids it.
    Reject {
        /// What the sender is told.
        with: Reply,
        /// Why it was dropped.
        reason: DropReason,
    },
    /// It waits until the next hop's MAC is known.
    Hold(NextHop),
    /// It is a fragment of a datagram that has to be complete before anything is decided.
    Reassemble,
    /// It is a SYN that nobody takes; its sender is told in six seconds, unless a member opens the same connection
    /// meanwhile (RFC 5382 REQ-4). See [`super::Engine::finish_deferred`].
    Defer,
    /// It waits until it is known whether another member takes over. See [`super::Engine::finish_withheld`].
    Withhold(Withheld),
    /// It goes to management.
    Punt(PuntReason),
    /// It is dropped in silence.
    Drop(DropReason),
    /// It was never for us, and nobody misses it.
    Ignore(IgnoreReason),
}

impl Verdict {
    /// The packet is forwarded, now or when the next hop's MAC is known.
    #[inline]
    pub(super) fn is_forwarded(&self) -> bool {
        matches!(self, Verdict::Forward(_) | Verdict::Hold(_))
    }
}

/// What waits, by whom and about whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The member that refuses, or cannot be reached.
    pub member: MemberId,
    /// Whom it is about: somebody outside, and the port of the service. Of several refusals the newest is kept.
    pub about: (Protocol, Endpoint, u16),
    /// The frame is the datagram itself, which has reached nobody, and not what the member said of one.
    pub undelivered: bool,
    /// For so long, at most.
    pub patience: Duration,
}

/// How a packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Change of its addresses, ports and identification.
    pub rewrite: Rewrite,
    /// The way out, in the snapshot that was decided by.
    pub egress: EgressId,
}

/// How a packet leaves that fits its way as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure<'a> {
    /// As it would be said in a verdict.
    pub forward: Forward,
    /// The way out.
    pub egress: &'a Egress,
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
    /// Why a packet was dropped. One counter each.
    DropReason {
        Truncated = "truncated": "The frame is shorter than its headers or the length they declare.",
        NotForUs = "wrong_dst_mac": "The destination MAC is another host's.",
        UnknownEtherType = "unknown_ethertype": "The frame is neither IPv4 nor ARP, and to one MAC.",
        UnknownInterface = "unknown_interface": "No interface is configured for the port and VLAN tag the frame arrived with.",
        BadIpVersion = "bad_ip_version": "The IP version is not 4.",
        BadIpHeaderLength = "bad_ip_header_length": "The IP header length is below 20 bytes or beyond the datagram.",
        BadIpLength = "bad_ip_length": "The IP total length is below the header's or beyond the frame.",
        BadIpChecksum = "bad_ip_checksum": "The IP header checksum is wrong.",
        BadTcpHeader = "bad_tcp_header": "The TCP data offset is below 5 or beyond the segment.",
        BadUdpLength = "bad_udp_length": "The UDP length is below 8 or disagrees with the datagram's.",
        BadIcmp = "bad_icmp": "The ICMP message is too short for its type.",
        BadIcmpChecksum = "bad_icmp_checksum": "The checksum of an ICMP message is wrong.",
        BadIcmpQuote = "bad_icmp_quote": "The packet quoted by an ICMP error is too short or its header checksum is wrong.",
        BadArp = "bad_arp": "The ARP packet is too short, or not for IPv4 over Ethernet.",
        BadFragment = "bad_fragment": "The fragment has an impossible offset or length, or overlaps the headers.",
        SourceRoute = "source_route": "The packet carries a source route option.",
        MartianSource = "martian_source": "The source address is never valid: 0/8, 127/8, multicast, broadcast.",
        MartianDestination = "martian_destination": "The destination address is never forwarded: 0/8, 127/8, multicast, broadcast.",
        SpoofedSource = "spoofed_source": "The source is one of our addresses, or a member's address on the wrong interface.",
        TtlExceeded = "ttl_exceeded": "The TTL expired in transit.",
        NoRoute = "no_route": "There is no route to the destination.",
        HostUnreachable = "host_unreachable": "The next hop does not answer ARP.",
        NeighbourQueueFull = "neighbour_queue_full": "Too many packets were already waiting for the next hop's MAC.",
        TooBig = "too_big": "The packet is larger than the egress MTU and has DF set.",
        MemberUndecided = "startup_hold": "The appliance has just started and has not yet chosen the pool's active member.",
        NoActiveMember = "no_active_member": "The pool has no active member.",
        VirtualServerDisabled = "virtual_server_disabled": "The virtual server is disabled.",
        VirtualServerDenied = "virtual_server_denied": "Sent to a service port of a virtual server by somebody outside whom its allow does not name.",
        ConnectionLimit = "connection_limit": "A new connection, or a new UDP peer, would exceed the connection_limit of its virtual server, of [limits], or of every member that could take it.",
        ConnectionRateLimit = "connection_rate_limit": "The same for connection_rate_limit.",
        HalfOpenLimit = "half_open_limit": "A SYN would exceed the half_open_limit of its virtual server or of [limits], and no other half-open connection could give way.",
        ClientLimit = "client_limit": "A new connection would exceed what the virtual server lets each client have: client_connection_limit, client_connection_rate_limit, client_half_open_limit.",
        MemberLost = "member_lost": "The TCP flow, or the UDP peer or call, belongs to a member that has been lost.",
        NotListening = "no_listener": "Sent to a virtual address or self-IP, but no virtual server, flow or probe listens there.",
        NoFlow = "no_flow": "Return traffic to a virtual address that matches no flow.",
        OutwardNoFlow = "outward_no_flow": "A member's TCP segment that opens nothing and matches no flow: it may not leave with the member's own address.",
        NoFlowForError = "icmp_error_no_flow": "The ICMP error quotes a packet that matches no flow.",
        FragmentDuplicate = "fragment_duplicate": "The fragment was already received.",
        FragmentOverlap = "fragment_overlap": "Fragments of the datagram overlap or contradict each other; the whole datagram is dropped.",
        FragmentTooMany = "fragment_too_many": "The datagram has more than 128 fragments; the whole datagram is dropped.",
        FragmentIncomplete = "reassembly_timeout": "The remaining fragments of the datagram did not arrive in time.",
        FragmentsFull = "reassembly_full": "Too many fragments were waiting for reassembly; the oldest were dropped.",
        IcmpLimited = "icmp_limited": "Forwarding the ICMP error would exceed icmp_errors_per_second.",
        IcmpUnsupported = "icmp_unsupported": "An ICMP source quench or redirect about translated traffic.",
        FlowTableFull = "flow_table_full": "The worker's flow table is full.",
        PortsExhausted = "ports_exhausted": "No port of the SNAT address was free.",
        NoSnat = "no_snat": "A member of a pool without [[snat]] connected to a virtual address: the reply would bypass the appliance.",
        RateLimited = "reject_rate_limited": "A reject was due beyond rejects_per_second; its own reason is not counted.",
        UnreachableSuperseded = "unreachable_superseded": "A refusal by a member that another has replaced since, or one for which a newer one to the same client was held.",
        WithheldFull = "withheld_full": "Too many frames were already waiting until it is known whether another member takes over; the oldest were dropped: refusals, or datagrams that had reached nobody.",
        ProtocolUnsupported = "protocol_unsupported": "Sent to one of our addresses with an IP protocol, or a type of ICMP, that nothing there takes.",
        ProtocolUntranslated = "protocol_untranslated": "A member sent outward what cannot be translated: AH, a type of ICMP, a protocol whose pair of addresses another member has.",
        DirectAccessDenied = "direct_access_denied": "Sent to a member's own address by somebody whom [direct_access] does not allow that, and who is not in the exclusion group.",
        LocalLimited = "local_limited": "A reply to a probe was beyond what the management core is sent of them in a second.",
        StrayLimited = "stray_limited": "Sent to the probe ports of a self-IP by a host that is no member, beyond what the management core is sent of that in a second.",
        ArpNeighbourLimited = "arp_neighbour_limited": "ARP of a member or a next hop, beyond what the management core is sent of that in a second.",
        ArpReplyLimited = "arp_reply_limited": "An ARP reply of another host, beyond what the management core is sent of them in a second.",
        ArpMovedLimited = "arp_moved_limited": "ARP by which a known host has another MAC, beyond what the management core is sent of that in a second.",
        ArpConflictLimited = "arp_conflict_limited": "ARP that claims an address of ours, beyond what the management core is sent of that in a second.",
        NoBuffer = "no_buffer": "No buffer was available to build or change the frame.",
        TransmitFull = "transmit_full": "The NIC's transmit queue was full.",
        HandOffFull = "hand_off_full": "The ring to the worker that owns the flow was full.",
        MailboxFull = "mailbox_full": "The ring to the management core was full.",
        HostLimited = "host_limited": "For the kernel's device of an interface, beyond host_packets_per_second.",
        HostRoutingLimited = "host_routing_limited": "BGP, BFD, OSPF, VRRP or multicast for the kernel's device of an interface from hosts on its link, beyond host_packets_per_second of that.",
        HostRoutingFarLimited = "host_routing_far_limited": "The same from hosts beyond the link.",
        HostArpLimited = "host_arp_limited": "A copy of ARP for the kernel's device of an interface, beyond host_packets_per_second of them.",
        HostEchoLimited = "host_echo_limited": "A copy of a member's echo reply for the kernel's device of an interface, beyond host_packets_per_second of them.",
        HostFull = "host_full": "The ring to the thread that serves the kernel's devices was full.",
        HostGone = "host_gone": "To or from the kernel's device of an interface, but nobody serves it, or the interface is gone.",
        HostStale = "host_stale": "The kernel may have sent it over its device of an interface more than 250 ms before, while the appliance, or the worker, did not run: an advertisement of then misleads whoever hears it now.",
        PairStandby = "pair_standby": "This appliance is the standby of its pair: to or from a floating address, or for others, which it does not forward.",
        PairSettling = "pair_settling": "This appliance had become active less than [pair] settle before, and the other one may know the connection: a reject was due, whose own reason is not counted, or a member answered a SYN that only the other one has seen.",
        Stopping = "stopping": "The appliance shut down while the packet was queued.",
    }
}

ways! {
    /// Why a frame was ignored: what every LAN carries to all hosts, and none of which is a loss. One counter each.
    IgnoreReason {
        Arp = "arp": "ARP about addresses that are not ours.",
        Broadcast = "broadcast": "IPv4 to the broadcast MAC: DHCP, NetBIOS and the like.",
        Multicast = "multicast": "IPv4 to a multicast MAC: VRRP, HSRP, routing protocols, IGMP.",
        LinkProtocol = "link_protocol": "Neither IPv4 nor ARP, to a group MAC: STP, LLDP, CDP, IPv6 advertisements.",
        OtherVlan = "other_vlan": "To a group MAC, with a VLAN tag that no interface of the port has.",
    }
}

ways! {
    /// Why a packet went to the management core, or to the kernel. One counter each.
    PuntReason {
        Local = "local": "Sent to a self-IP by a member: replies to probes.",
        Stray = "stray": "Sent to the probe ports of a self-IP on a servers' link by a host that is no member.",
        ArpNeighbour = "arp_neighbour": "ARP of a member or a next hop of a route: replies, and its return.",
        ArpReply = "arp_reply": "An ARP reply of another host.",
        ArpRequest = "arp_request": "An ARP request for one of our addresses by a host that is not known yet.",
        ArpMoved = "arp_moved": "ARP by which a known host has another MAC.",
        ArpConflict = "arp_conflict": "ARP in which another host claims an address of ours.",
        Host = "host": "For the kernel's device of an interface: sent to a self-IP, and not Fairlead's own.",
        HostRouting = "host_routing": "For the kernel's device of an interface, from hosts on its link: BGP, BFD, OSPF, VRRP, and multicast to 224.0.0.0/24.",
        HostRoutingFar = "host_routing_far": "The same from hosts beyond the link: of BGP and BFD over several hops, and of whoever floods.",
        HostArp = "host_arp": "A copy for the kernel's device of an interface: ARP replies, requests for a self-IP, announcements.",
        HostEcho = "host_echo": "A copy for the kernel's device of an interface: a member's echo reply, which may answer a probe as well.",
    }
}

impl PuntReason {
    /// It goes to the kernel's device of the interface it came in on, and not to management.
    pub const fn is_for_host(self) -> bool {
        matches!(
            self,
            PuntReason::Host
                | PuntReason::HostRouting
                | PuntReason::HostRoutingFar
                | PuntReason::HostArp
                | PuntReason::HostEcho
        )
    }
}
