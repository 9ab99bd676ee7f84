#!/usr/bin/env python3
"""Capture files for the VPP rig: what comes in on each side, and the handshakes that open its sessions.

frames.py DIRECTORY TRAFFIC PROTOCOL FLOWS   writes {inner,outer}.pcap and the warm-up's {inner,outer}-open.pcap

TRAFFIC `outbound`: a host inside has called every remote endpoint (dynamic sessions, endpoint-dependent).
TRAFFIC `service`: half of the flows as above, half clients of a published port (static mapping).
Frames are 60 bytes (64 with the check sequence), each side in a random order that is always the same.
"""
import random
import struct
import sys
from pathlib import Path

UDP, TCP = 17, 6
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
INSIDE, VIP, SERVICE = 0x0A14000B, 0x0A140064, 5060  # 10.20.0.11, 10.20.0.100
CLIENTS, REMOTES = 0xAC140000, 0x64400000  # 172.20.0.0, 100.64.0.0
CLIENT_ADDRESSES, INSIDE_PORTS = 250_000, 50
INNER_HOST, OUTER_ROUTER = bytes.fromhex("02000000010b"), bytes.fromhex("020000000008")
INNER_SELF, OUTER_SELF = bytes.fromhex("027063617001"), bytes.fromhex("027063617000")


def fold(total):
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def words(data):
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def frame(macs, protocol, flags, ends):
    source, sport, target, dport = ends
    if protocol == UDP:
        tail = struct.pack("!HH", 26, 0) + b"x" * 18
        at = 2
    else:
        tail = struct.pack("!IIBBHHH", 1, 0 if flags == SYN else 1, 5 << 4, flags, 512, 0, 0) + b"x" * 6
        at = 12
    body = struct.pack("!HH", sport, dport) + tail
    ends_ip = struct.pack("!II", source, target)
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol)
    total = fold(words(body) + words(ends_ip) + protocol + len(body))
    if protocol == UDP:
        total = total or 0xFFFF
    tail = tail[:at] + struct.pack("!H", total) + tail[at + 2 :]
    ip = head + struct.pack("!H", fold(words(head) + words(ends_ip))) + ends_ip
    return macs + b"\x08\x00" + ip + body[:4] + tail


def write(path, frames):
    with path.open("wb", buffering=1 << 20) as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for data in frames:
            file.write(struct.pack("<IIII", 0, 0, len(data), len(data)) + data)


def flows(traffic, count):
    """Each flow once: who opens it, its ends on the inner link, its ends on the outer link (as sent from within)."""
    called = count if traffic == "outbound" else count - count // 2
    for n in range(called):
        port, remote = 40_000 + n % INSIDE_PORTS, REMOTES + n // INSIDE_PORTS
        yield "inner", (INSIDE, port, remote, 443), (VIP, port, remote, 443)
    for n in range(count - called):
        client = (CLIENTS + n % CLIENT_ADDRESSES, 20_000 + n // CLIENT_ADDRESSES)
        yield "outer", (INSIDE, SERVICE, *client), (VIP, SERVICE, *client)


def back(ends):
    return (*ends[2:], *ends[:2])


def main():
    directory, traffic, protocol, count = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    number = {"udp": UDP, "tcp": TCP}[protocol]
    macs = {"inner": INNER_SELF + INNER_HOST, "outer": OUTER_SELF + OUTER_ROUTER}
    all_flows = list(flows(traffic, count))
    random.Random(f"{traffic} {count}").shuffle(all_flows)
    ends = {"inner": [i for _, i, _ in all_flows], "outer": [back(o) for _, _, o in all_flows]}
    for side in macs:
        first = ((SYN if who == side else SYN_ACK, e) for (who, _, _), e in zip(all_flows, ends[side]))
        write(directory / f"{side}-open.pcap", (frame(macs[side], number, flags, e) for flags, e in first))
        random.Random(f"{traffic} {count} {side}").shuffle(order := list(ends[side]))
        write(directory / f"{side}.pcap", (frame(macs[side], number, ACK, e) for e in order))


if __name__ == "__main__":
    main()
