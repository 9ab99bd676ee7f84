"""Where every frame went: the appliance's counters, and what it sent.

Owns: the balance of the counters (ARCHITECTURE.md, law 5), unexpected drops, and captures compared frame by frame.
Never: rates.
"""

from collections.abc import Iterable
from pathlib import Path

from lab.shell import LabError

from . import captures
from .traffic import Traffic

#: Frames a worker may be handling while its counters are read: one loop iteration over two ports, with a margin.
TURN = 512

_ARP, _IPV4 = b"\x08\x06", b"\x08\x00"
_ICMP = 1


def imbalance(counters: dict[str, int]) -> int:
    """Frames in minus frames out."""
    went = sum(value for name, value in counters.items() if name.startswith(("drop_", "ignored_", "punt_")))
    came = counters["received"] + counters["originated"] + counters["handed_in"]
    return came - went - counters["transmitted"] - counters["handed_off"] - counters["queued"]


def check(before: dict[str, int], after: dict[str, int], workers: int = 1, allowed: Iterable[str] = ()) -> None:
    """Raises if a frame of the interval is unaccounted for, or was dropped for a reason that is not `allowed`.

    Counters are read while workers update them, so the sum may be off by as many frames as they are handling.
    """
    for counters in (before, after):
        if abs(missing := imbalance(counters)) > TURN * workers:
            raise LabError(f"{missing} frames are not accounted for: {_moved({}, counters)}")
    moved = _moved(before, after)
    lost = {name: count for name, count in moved.items() if name.startswith("drop_") and name not in allowed}
    lost |= {name: moved[name] for name in ("rx_missed", "rx_errors", "tx_errors") if name in moved}
    if lost:
        raise LabError(f"Unexpected drops: {lost}; all counters that moved: {moved}")


def check_capture(path: Path, traffic: Traffic, port: str) -> int:
    """Compares every frame sent by a port with what must leave there, byte by byte. Returns how many were compared.

    ARP and ICMP originate in the appliance (probes, rejects during startup) and are skipped: the rigs' traffic has none. Every
    expected frame has to be there.
    """
    expected, seen, count = set(traffic.outgoing(port)), set(), 0
    for frame in captures.read(path):
        if frame[12:14] == _ARP or (frame[12:14] == _IPV4 and frame[23] == _ICMP):
            continue
        if frame not in expected:
            raise LabError(f"Port {port} sent a frame that it should not have: {frame.hex()}")
        seen.add(frame)
        count += 1
    if missing := expected - seen:
        raise LabError(f"Port {port} did not send {len(missing)} of {len(expected)} expected frames, such as {min(missing).hex()}")
    return count


def receivers(path: Path) -> list[bytes]:
    """The destination MACs of forwarded IPv4, in order; one entry for each change."""
    found: list[bytes] = []
    for frame in captures.read(path):
        if frame[12:14] == _IPV4 and frame[23] != _ICMP and (not found or found[-1] != frame[:6]):
            found.append(frame[:6])
    return found


def _moved(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
