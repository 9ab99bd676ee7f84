"""Programs that make trouble in the lab: `python3 -m lab.nuisance WHAT ...`.

Owns: a storm of ARP, servers of many pairs, clients that connect and say nothing, a reader that falls asleep. Never: what
the appliance should make of it.
"""

import socket
import struct
import sys
import time

from . import addresses
from .options import answer_options

ETH_P_ARP = 0x0806
#: Hosts that the storm comes from.
STRANGERS = 4_000


def storm(interface: str, rate: str) -> None:
    """So many ARP packets a second: strangers ask for the self-IP, and every tenth says that the virtual address is his. (Of the
    self-IP the members' own kernels would believe it.)"""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    frames = [_arp(number) for number in range(STRANGERS)]
    began, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * int(rate))
        for number in range(sent, due):
            try:
                wire.send(frames[number % STRANGERS])
            except OSError:  # the queue is full, or the cable is pulled
                time.sleep(0.001)
        sent = due
        time.sleep(0.005)


def _arp(number: int) -> bytes:
    mac, ours = struct.pack("!HI", 0x0204, number), socket.inet_aton(addresses.INNER_SELF)
    virtual = socket.inet_aton(addresses.VIP)
    theirs = virtual if number % 10 == 0 else bytes([10, 20, 0, 220 + number % 30])
    packet = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + theirs + bytes(6) + ours
    return b"\xff" * 6 + mac + ETH_P_ARP.to_bytes(2, "big") + packet + bytes(18)


def serve(*at: str) -> None:
    """SIP Servers as far as `OPTIONS` goes, at port 5060 of every address."""
    answer_options([(address, addresses.SIP_PORT) for address in at])


def idle(address: str, port: str, count: str) -> None:
    """So many connections that say nothing. Those that are closed are opened again."""
    held: list[socket.socket] = []
    while True:
        alive = []
        for one in held:
            one.setblocking(False)
            try:
                if one.recv(1):
                    alive.append(one)
                else:
                    one.close()
            except BlockingIOError:
                alive.append(one)
            except OSError:
                one.close()
        held = alive
        while len(held) < int(count):
            try:
                held.append(socket.create_connection((address, int(port)), timeout=1.0))
            except OSError:
                break
        time.sleep(1.0)


def read_sleepily(path: str, awake: str, asleep: str) -> None:
    """Writes what it reads to a file, and in between reads nothing."""
    with open(path, "ab", buffering=0) as log:
        while True:
            until = time.monotonic() + float(awake)
            while time.monotonic() < until:
                line = sys.stdin.buffer.raw.read(65536)
                if not line:
                    return
                log.write(line)
            time.sleep(float(asleep))


if __name__ == "__main__":
    {"storm": storm, "serve": serve, "idle": idle, "read_sleepily": read_sleepily}[sys.argv[1]](*sys.argv[2:])
