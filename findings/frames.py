"""Frames and captures for the scripts beside it, byte by byte: no library stands between them and the tool under test."""

import socket
import struct


def total(data):
    """The one's complement sum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    value = sum(struct.unpack(f">{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return value


def udp(src, dst, payload, sport=5060, dport=5060):
    """A UDP datagram with its checksum; the addresses are text, of one family."""
    family = socket.AF_INET6 if ":" in src else socket.AF_INET
    head = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0)
    pseudo = socket.inet_pton(family, src) + socket.inet_pton(family, dst) + struct.pack(">HH", 17, 8 + len(payload))
    checksum = 0xFFFF - total(pseudo + head + payload) or 0xFFFF
    return head[:6] + struct.pack(">H", checksum) + payload


def ipv4(src, dst, body, ident=1, offset=0, more=False, protocol=17, ttl=64):
    """An IPv4 packet, or the fragment of one; `offset` in bytes."""
    where = (0x2000 if more else 0) | offset // 8
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), ident, where, ttl, protocol, 0)
    head += socket.inet_aton(src) + socket.inet_aton(dst)
    return head[:10] + struct.pack(">H", 0xFFFF - total(head)) + head[12:] + body


def ipv6(src, dst, body, following=17):
    """An IPv6 packet."""
    head = struct.pack(">IHBB", 6 << 28, len(body), following, 64)
    return head + socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + body


def ethernet(packet, dst="020000000002", src="020000000001"):
    """The frame that carries a packet."""
    return bytes.fromhex(dst + src) + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet


def write_pcap(path, frames, linktype=1):
    """A classic capture, the frames one second apart."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, linktype))
        for second, frame in enumerate(frames, 1_700_000_000):
            file.write(struct.pack("<IIII", second, 0, len(frame), len(frame)) + frame)


def block(kind, body):
    """A pcapng block."""
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def section():
    """A section header block, of unknown length."""
    return block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(**options):
    """An Ethernet interface: `resolution` is if_tsresol, `offset` if_tsoffset."""
    body = struct.pack("<HHI", 1, 0, 0)
    if "resolution" in options:
        body += struct.pack("<HHB3x", 9, 1, options["resolution"])
    if "offset" in options:
        body += struct.pack("<HHq", 14, 8, options["offset"])
    return block(1, body + (struct.pack("<HH", 0, 0) if options else b""))


def enhanced(ticks, frame, number=0):
    """An enhanced packet block."""
    head = struct.pack("<IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(6, head + frame)


def simple(frame):
    """A simple packet block: it has no time."""
    return block(3, struct.pack("<I", len(frame)) + frame)
