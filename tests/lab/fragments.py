"""IP fragments made by hand, for a raw socket: whole datagrams with their header, identification chosen (RFC 791)."""

import socket
import struct

HEADER, UDP_HEADER = 20, 8
MORE = 0x2000
UDP = 17

Peer = tuple[str, int]


def udp_datagram(src: Peer, dst: Peer, payload: bytes) -> bytes:
    """UDP header and payload, checksum filled in."""
    length = UDP_HEADER + len(payload)
    addresses = socket.inet_aton(src[0]) + socket.inet_aton(dst[0])
    head = struct.pack("!HHHH", src[1], dst[1], length, 0)
    checksum = _checksum(addresses + struct.pack("!BBH", 0, UDP, length) + head + payload) or 0xFFFF
    return head[:6] + struct.pack("!H", checksum) + payload


def cut(src: str, dst: str, identification: int, datagram: bytes, size: int = 1480) -> list[bytes]:
    """The fragments of an IP payload, `size` bytes each, which is a multiple of 8."""
    pieces = [(at, datagram[at : at + size]) for at in range(0, len(datagram), size)]
    last = pieces[-1][0]
    return [fragment(src, dst, identification, at, piece, more=at != last) for at, piece in pieces]


def fragment(src: str, dst: str, identification: int, offset: int, piece: bytes, more: bool) -> bytes:
    """One fragment. The kernel fills in the header's checksum (raw(7))."""
    flags = (MORE if more else 0) | offset // 8
    lengths = struct.pack("!BBHHHBBH", 0x45, 0, HEADER + len(piece), identification, flags, 64, UDP, 0)
    return lengths + socket.inet_aton(src) + socket.inet_aton(dst) + piece


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
