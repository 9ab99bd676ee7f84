"""Where every frame went: the appliance's counters, and what it sent.

Owns: the sum that must come out (ARCHITECTURE.md, law 5), drops nobody expected, and captures compared frame by frame.
Never: rates.
"""

from collections.abc import Iterable
from pathlib import Path

from lab.shell import LabError

from . import captures
from .traffic import Traffic

#: Frames a worker may have in its hands between two cells that are read: a turn over two ports, and some to spare.
TURN = 512

_ARP, _IPV4 = b"\x08\x06", b"\x08\x00"
_ICMP = 1


def imbalance(counters: dict[str, int]) -> int:
    """Frames that came less frames that went."""
    went = sum(value for name, value in counters.items() if name.startswith(("drop_", "punt_")))
    came = counters["received"] + counters["originated"] + counters["taken_over"]
    return came - went - counters["transmitted"] - counters["handed_off"] - counters["held"]


def check(before: dict[str, int], after: dict[str, int], workers: int = 1, allowed: Iterable[str] = ()) -> None:
    """Refuses an interval in which a frame is not accounted for, or died for a reason that is not `allowed`.

    Cells are read while workers write them, so the sum may be as far out as what is in their hands.
    """
    for counters in (before, after):
        if abs(missing := imbalance(counters)) > TURN * workers:
            raise LabError(f"{missing} frames are not accounted for: {_moved({}, counters)}")
    moved = _moved(before, after)
    lost = {name: count for name, count in moved.items() if name.startswith("drop_") and name not in allowed}
    lost |= {name: moved[name] for name in ("rx_missed", "rx_errors", "tx_errors") if name in moved}
    if lost:
        raise LabError(f"Frames were lost that should not be: {lost}; in the same time {moved}")


def check_capture(path: Path, traffic: Traffic, port: str) -> int:
    """Compares every frame that left by a port with what must leave there, whole. Gives how many were compared.

    ARP and ICMP are what the appliance says itself (probes, refusals while it starts), and are left aside: no traffic of the
    rigs holds any. Everything that must leave has to be there.
    """
    expected, seen, count = set(traffic.outgoing(port)), set(), 0
    for frame in captures.read(path):
        if frame[12:14] == _ARP or (frame[12:14] == _IPV4 and frame[23] == _ICMP):
            continue
        if frame not in expected:
            raise LabError(f"This frame left by {port} and should not have: {frame.hex()}")
        seen.add(frame)
        count += 1
    if missing := expected - seen:
        raise LabError(f"{len(missing)} of {len(expected)} frames did not leave by {port}, such as {min(missing).hex()}")
    return count


def receivers(path: Path) -> list[bytes]:
    """The MACs that IPv4 from outside went to, in order; one entry for each time that it changed."""
    found: list[bytes] = []
    for frame in captures.read(path):
        if frame[12:14] == _IPV4 and frame[23] != _ICMP and (not found or found[-1] != frame[:6]):
            found.append(frame[:6])
    return found


def _moved(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
