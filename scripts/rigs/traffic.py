"""Who talks to whom in the rigs: packets as they arrive, and as they must leave.

Owns: the addresses of the rig's network (those of the lab, without VLANs) and the kinds of traffic, each as two lists of
packets, one per port. Never: the bytes of a packet, or how it is sent.
"""

import ipaddress
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lab import addresses

from . import frames
from .frames import TCP, UDP, Ends

VIP = frames.address(addresses.VIP)
SIP_A, SIP_B = (frames.address(at) for at in addresses.MEMBERS.values())
SERVICE_PORT = addresses.SIP_PORT

ROUTER_MAC = frames.mac("02:00:00:00:00:08")
MEMBER_MACS = {SIP_A: frames.mac("02:00:00:00:01:0b"), SIP_B: frames.mac("02:00:00:00:01:0c")}

#: The MACs DPDK's net_pcap gives its first and second device (`eth_pcap_...`: 02:70:63:61:70 and a count).
OUTER_MAC = frames.mac("02:70:63:61:70:00")
INNER_MAC = frames.mac("02:70:63:61:70:01")

#: All hosts of the links by their addresses, for a file.
HOSTS = ((addresses.ROUTER, ROUTER_MAC.hex(":")), *((addresses.MEMBERS[name], MEMBER_MACS[at].hex(":"))
         for name, at in zip(addresses.MEMBERS, (SIP_A, SIP_B))))

_CLIENTS = frames.address("172.20.0.0")
_REMOTES = frames.address("100.64.0.0")
_CLIENT_ADDRESSES = 250_000
#: Packets from one round of ARP requests to the next.
_BETWEEN_INTRODUCTIONS = 16_384
#: A file this long takes longer to replay than a neighbour entry stays reachable; one reply per pass costs nothing.
_LONG = 100_000
#: Bytes of a SIP message, and of the frame it makes.
_SIP_MESSAGE = 500
_SIP_FRAME = 14 + 20 + 8 + _SIP_MESSAGE + frames.CHECK_SEQUENCE
#: Source ports of members. Few, since one endpoint keeps one port of the VIP whatever the destination.
_INSIDE_PORTS = range(40_000, 40_050)


class Packet(NamedTuple):
    """One packet: its protocol, and its ends as it arrives and as it leaves."""

    protocol: int
    came: Ends
    leaves: Ends


@dataclass(frozen=True)
class Traffic:
    """What arrives at each port. `size` as in `frames.Template`; `said`: what a packet says, if it matters. `lasts`: a run
    takes longer than a neighbour entry stays reachable.
    `name` distinguishes it from other traffic."""

    name: str
    outer: list[Packet]
    inner: list[Packet]
    size: int = 64
    said: Callable[[Packet], bytes] | None = None
    lasts: bool = False

    def incoming(self, port: str) -> Iterator[bytes]:
        """The frames of one port's file: the packets, interspersed with ARP from its hosts."""
        if self.lasts or max(len(self.outer), len(self.inner)) >= _LONG:
            yield from _introductions(port, frames.arp_reply)
        for number, frame in enumerate(self._packets(port)):
            if number % _BETWEEN_INTRODUCTIONS == 0:
                yield from _introductions(port, frames.arp_request)
            yield frame

    def _packets(self, port: str) -> Iterator[bytes]:
        if port == "outer":
            kinds = {key: frames.Template(ROUTER_MAC, OUTER_MAC, key, self.size) for key in (UDP, TCP)}
            yield from (kinds[packet.protocol].frame(packet.came, self._says(packet)) for packet in self.outer)
        else:
            kinds = {
                (key, member): frames.Template(at, INNER_MAC, key, self.size)
                for key in (UDP, TCP)
                for member, at in MEMBER_MACS.items()
            }
            yield from (kinds[packet.protocol, packet.came[0]].frame(packet.came, self._says(packet)) for packet in self.inner)

    def outgoing(self, port: str) -> Iterator[bytes]:
        """Every frame that must leave by a port: what arrived at the other one, translated, TTL decremented."""
        if port == "outer":
            kinds = {key: frames.Template(OUTER_MAC, ROUTER_MAC, key, self.size, ttl=63) for key in (UDP, TCP)}
            yield from (kinds[packet.protocol].frame(packet.leaves, self._says(packet)) for packet in self.inner)
        else:
            kinds = {
                (key, member): frames.Template(INNER_MAC, at, key, self.size, ttl=63)
                for key in (UDP, TCP)
                for member, at in MEMBER_MACS.items()
            }
            yield from (kinds[packet.protocol, packet.leaves[2]].frame(packet.leaves, self._says(packet)) for packet in self.outer)

    def _says(self, packet: Packet) -> bytes | None:
        return self.said(packet) if self.said else None


def service_udp(peers: int, size: int = 64) -> Traffic:
    """Peers send to the service port, and sip-a, the active member, answers each."""
    outer, inner = [], []
    for peer in _clients(peers):
        outer.append(Packet(UDP, (*peer, VIP, SERVICE_PORT), (*peer, SIP_A, SERVICE_PORT)))
        inner.append(Packet(UDP, (SIP_A, SERVICE_PORT, *peer), (VIP, SERVICE_PORT, *peer)))
    return _shuffled(f"service-udp-{peers}-{size}", outer, inner, size)


def sip(peers: int) -> Traffic:
    """As `service_udp`, with SIP: three in four of the peers send an INVITE, the others OPTIONS, of 500 bytes; sip-a answers each."""
    plain = service_udp(peers)
    return Traffic(f"sip-{peers}", plain.outer, plain.inner, _SIP_FRAME, _sip, lasts=True)


def live_flows(flows: int) -> Traffic:
    """TCP mid-stream, both directions: half of the flows are clients of the service port, half are opened by sip-a outward.

    There is no SYN among them, since a replayed file would open them again and again. The appliance picks each up at the
    first segment it sees, as it does after a restart.
    """
    outer, inner = [], []
    for client in _clients(flows // 2):
        outer.append(Packet(TCP, (*client, VIP, SERVICE_PORT), (*client, SIP_A, SERVICE_PORT)))
        inner.append(Packet(TCP, (SIP_A, SERVICE_PORT, *client), (VIP, SERVICE_PORT, *client)))
    for inside, remote in _outward(flows - flows // 2, 443):
        outer.append(Packet(TCP, (*remote, VIP, inside), (*remote, SIP_A, inside)))
        inner.append(Packet(TCP, (SIP_A, inside, *remote), (VIP, inside, *remote)))
    return _shuffled(f"live-flows-{flows}", outer, inner)


def service_and_outbound_udp(peers: int) -> Traffic:
    """Half of the packets as in `service_udp`, the other half to and from hosts that sip-a has called."""
    outer, inner = [], []
    for peer in _clients(peers // 2):
        outer.append(Packet(UDP, (*peer, VIP, SERVICE_PORT), (*peer, SIP_A, SERVICE_PORT)))
        inner.append(Packet(UDP, (SIP_A, SERVICE_PORT, *peer), (VIP, SERVICE_PORT, *peer)))
    for inside, remote in _outward(peers - peers // 2, 5060):
        outer.append(Packet(UDP, (*remote, VIP, inside), (*remote, SIP_A, inside)))
        inner.append(Packet(UDP, (SIP_A, inside, *remote), (VIP, inside, *remote)))
    return _shuffled(f"service-and-outbound-udp-{peers}", outer, inner)


def peers_and_callers(peers: int, called: int = 4_096) -> Traffic:
    """Peers send to the service port and get no answer; both members call hosts outside from other ports."""
    outer = [
        Packet(UDP, (*peer, VIP, SERVICE_PORT), (*peer, SIP_A, SERVICE_PORT)) for peer in _clients(peers)
    ]
    inner = []
    for number, (inside, remote) in enumerate(_outward(called, 5060)):
        member, port = (SIP_A, inside) if number % 2 else (SIP_B, inside + len(_INSIDE_PORTS))
        inner.append(Packet(UDP, (member, port, *remote), (VIP, port, *remote)))
    return _shuffled(f"peers-and-callers-{peers}", outer, inner)


def _sip(packet: Packet) -> bytes:
    source, source_port, target, target_port = packet.came
    answers = source in MEMBER_MACS
    peer, port = (target, target_port) if answers else (source, source_port)
    host, method = ipaddress.IPv4Address(peer), "INVITE" if (peer + port) % 4 else "OPTIONS"
    start = "SIP/2.0 200 OK" if answers else f"{method} sip:8005550100@{addresses.VIP} SIP/2.0"
    lines = [start, f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK-524287-1---{peer:08x}{port:04x}", "Max-Forwards: 70",
             f"Contact: <sip:agent@{host}:{port}>", f"To: <sip:8005550100@{addresses.VIP}>", f"From: <sip:agent@{host}>;tag={peer:08x}",
             f"Call-ID: {peer:08x}-{port:04x}", f"CSeq: 1 {method}", "User-Agent: rig", "Content-Length: 0", "X-Padding: "]
    return "\r\n".join(lines).ljust(_SIP_MESSAGE - 4, "x").encode() + b"\r\n\r\n"


def _clients(count: int) -> Iterator[tuple[int, int]]:
    for number in range(count):
        yield _CLIENTS + number % _CLIENT_ADDRESSES, 20_000 + number // _CLIENT_ADDRESSES


def _outward(count: int, port: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """A member's port, and the remote endpoint it talks to."""
    for number in range(count):
        inside = _INSIDE_PORTS[number % len(_INSIDE_PORTS)]
        yield inside, (_REMOTES + number // len(_INSIDE_PORTS), port)


def _shuffled(name: str, outer: list[Packet], inner: list[Packet], size: int = 64) -> Traffic:
    """Each port in a random order of its own, always the same, so that memory is not accessed sequentially."""
    random.Random(f"{name} outer").shuffle(outer)
    random.Random(f"{name} inner").shuffle(inner)
    return Traffic(name, outer, inner, size)


def _introductions(port: str, made: Callable[[bytes, int, bytes, int], bytes]) -> list[bytes]:
    """ARP from the hosts of a port.

    The appliance learns a host from its first request, and answers the others. A reply confirms that the host is still
    there: the appliance asks after some 20 seconds, and nothing here hears it ask.
    """
    if port == "outer":
        hosts, asked, ours = {frames.address(addresses.ROUTER): ROUTER_MAC}, addresses.OUTER_SELF, OUTER_MAC
    else:
        hosts, asked, ours = MEMBER_MACS, addresses.INNER_SELF, INNER_MAC
    return [made(at, host, ours, frames.address(asked)) for host, at in hosts.items()]
