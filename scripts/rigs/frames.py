"""Frames as they are on the wire, built fast and complete.

Owns: Ethernet, IPv4, UDP, TCP and ARP bytes, with their checksums. Never: who talks to whom.
"""

import ipaddress
import struct

#: Source address, source port, destination address, destination port.
Ends = tuple[int, int, int, int]

#: What a link adds to a frame in memory: the frame check sequence.
CHECK_SEQUENCE = 4

UDP, TCP = 17, 6
ACK = 0x10

_HEAD = 14 + 20
_BROADCAST = b"\xff" * 6


def address(text: str) -> int:
    """An IPv4 address as a number."""
    return int(ipaddress.IPv4Address(text))


def mac(text: str) -> bytes:
    """A MAC such as `02:00:00:00:00:01`, as bytes."""
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    return _complement(sum(struct.unpack(f"!{len(data) // 2}H", data)))


class Template:
    """Frames of one protocol and size between two MACs that differ only in their ends.

    `size` includes the frame check sequence, as link rates do: a frame of 64 bytes takes 60 in memory. Every frame has DF
    set, as Linux sends them; a TCP segment is an ACK with a little data.
    """

    def __init__(self, source: bytes, target: bytes, protocol: int, size: int = 64, ttl: int = 64):
        body = size - CHECK_SEQUENCE - _HEAD
        self._front = target + source + struct.pack("!HBBHHHBB", 0x0800, 0x45, 0, body + 20, 0, 0x4000, ttl, protocol)
        if protocol == UDP:
            self._before, self._after = struct.pack("!H", body), b"x" * (body - 8)
        else:
            self._before = struct.pack("!IIBBH", 1, 1, 5 << 4, ACK, 512)
            self._after = b"\0\0" + b"x" * (body - 20)
        if len(self._front) != 24 or body < (8 if protocol == UDP else 20):
            raise ValueError(f"a frame of {size} bytes is too short for its headers")
        self._network = _words(self._front[14:])
        self._transport = protocol + body + _words(self._before) + _words(self._after)
        self._udp = protocol == UDP

    def frame(self, ends: Ends, said: bytes | None = None) -> bytes:
        """The frame with these ends, and with this payload, which has to fill a datagram of the size."""
        after, more = self._after, 0
        if said is not None:
            if not self._udp or len(said) != len(after):
                raise ValueError(f"a payload of {len(said)} bytes does not fill the frame, which has room for {len(after)}")
            after, more = said, _words(said) - _words(after)
        source, source_port, target, target_port = ends
        addresses = (source >> 16) + (source & 0xFFFF) + (target >> 16) + (target & 0xFFFF)
        network = _complement(self._network + addresses)
        transport = _complement(self._transport + more + addresses + source_port + target_port)
        if self._udp and transport == 0:
            transport = 0xFFFF  # zero says that there is none (RFC 768)
        wire = struct.pack("!HIIHH", network, source, target, source_port, target_port)
        return self._front + wire + self._before + transport.to_bytes(2, "big") + after


def arp_request(sender: bytes, sender_address: int, _asked_mac: bytes, asked: int) -> bytes:
    """A host asks who has an address (RFC 826), which announces its own."""
    return _arp(1, _BROADCAST, (sender, sender_address), (b"\0" * 6, asked))


def arp_reply(sender: bytes, sender_address: int, target_mac: bytes, target: int) -> bytes:
    """A host answers a request."""
    return _arp(2, target_mac, (sender, sender_address), (target_mac, target))


def _arp(operation: int, to: bytes, sender: tuple[bytes, int], target: tuple[bytes, int]) -> bytes:
    pairs = b"".join(at + number.to_bytes(4, "big") for at, number in (sender, target))
    return (to + sender[0] + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, operation) + pairs).ljust(60, b"\0")


def _words(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    return sum(struct.unpack(f"!{len(padded) // 2}H", padded))


def _complement(total: int) -> int:
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
