"""What was on a wire, and when: `python3 -m lab.sniffer --interface eth0 --log FILE`.

Owns: an AF_PACKET socket in one host; it writes a JSON line for each IPv4 TCP or UDP packet that came in on the
interface: the kernel's own receive time (seconds of wall time), addresses, ports, what it is. Never: judgement.
"""

import argparse
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from .topology import Lab

SO_TIMESTAMPNS = 35
OUTGOING = 4
TCP, UDP = 6, 17


@dataclass(frozen=True)
class Seen:
    """One packet on the wire. `flags` are TCP's; `start` is the payload's first line over UDP, `call` its Call-ID."""

    time: float
    protocol: int
    src: str
    src_port: int
    dst: str
    dst_port: int
    flags: int
    start: str
    call: str = ""


class Sniffer:
    """The lab's handle on a sniffer that runs in a host."""

    def __init__(self, lab: Lab, host: str, interface: str = "eth0"):
        name = f"sniffer-{host}-{interface}"
        self._log = lab.file(f"{name}.jsonl")
        self._log.unlink(missing_ok=True)  # of one that was here before
        arguments = ["--interface", interface, "--log", str(self._log)]
        self._program = lab.start_python(host, name, "lab.sniffer", *arguments)
        while not self._log.exists() and self._program.is_running():
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops it once everything it saw is logged."""
        self._program.stop()

    def seen(self) -> Iterator[Seen]:
        """Everything seen so far, in order."""
        with self._log.open() as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield Seen(*json.loads(line))


def dissect(frame: bytes) -> tuple | None:
    """Protocol, addresses, ports, flags, first line and Call-ID of an Ethernet frame; `None` if it is not IPv4 TCP or UDP."""
    if len(frame) < 38 or frame[12:14] != b"\x08\x00" or frame[23] not in (TCP, UDP):
        return None
    if struct.unpack_from("!H", frame, 20)[0] & 0x1FFF:
        return None  # a later fragment has no ports
    head = 14 + (frame[14] & 15) * 4
    if len(frame) < head + 8:
        return None
    src_port, dst_port = struct.unpack_from("!HH", frame, head)
    flags = frame[head + 13] if frame[23] == TCP and len(frame) > head + 13 else 0
    start = frame[head + 8 : head + 60].partition(b"\r\n")[0].decode(errors="replace") if frame[23] == UDP else ""
    addresses = [socket.inet_ntoa(frame[at : at + 4]) for at in (26, 30)]
    call = frame[head + 8 :].partition(b"\r\nCall-ID: ")[2].partition(b"\r\n")[0].decode(errors="replace") if start else ""
    return frame[23], addresses[0], src_port, addresses[1], dst_port, flags, start, call


def main() -> None:
    """Sniffs until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interface", required=True)
    parser.add_argument("--log", required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.bind((options.interface, 0))
    tap.settimeout(0.2)
    with open(options.log, "w", encoding="utf-8", buffering=1 << 16) as log:
        while True:
            _record(tap, log)


def _record(tap: socket.socket, log) -> None:
    try:
        frame, notes, _, source = tap.recvmsg(2048, 128)
    except TimeoutError:
        log.flush()
        return
    except OSError as error:
        if os.path.exists(f"/sys/class/net/{tap.getsockname()[0]}"):
            return  # the link went down and may come back
        sys.exit(f"the interface is gone: {error}")
    if source[2] == OUTGOING or (found := dissect(frame)) is None:
        return
    seconds, nanoseconds = struct.unpack("qq", notes[0][2][:16])
    log.write(json.dumps([seconds + nanoseconds / 1e9, *found]) + "\n")


if __name__ == "__main__":
    main()
