"""What a failure cost the calls that went on: which requests nobody answered, and for how long.

Owns: the reckoning, of what sniffers saw. Never: which failure, and what it may cost.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from . import addresses
from .rounds import Calls
from .sniffer import UDP, Seen

#: A request that has no answer after so many seconds has none: the lab's servers ring at once, and it is sent again only after 500 ms.
OVERDUE = 0.4


@dataclass(frozen=True)
class Cost:
    """Calls that were made and completed; INVITEs without an answer, and how long after the failure the last of them was sent, in seconds;
    the longest time in which nothing at all came from the virtual address."""

    made: int
    kept: int
    unanswered: int
    gap: float
    silence: float

    def line(self, what: str) -> str:
        """The last line of a lab."""
        return (
            f"{what}: calls kept {self.kept}, calls lost {self.made - self.kept}, longest gap {1e3 * self.gap:.0f} ms "
            f"({self.unanswered} INVITEs without an answer, nothing from the virtual address for {1e3 * self.silence:.0f} ms)"
        )


def cost(at: float, calls: Calls, sent: Iterable[Seen], answers: Iterable[Seen], until: float) -> Cost:
    """Of a failure at `at`, in seconds of wall time, as seen at the phone's own wire: INVITEs `sent` and what came back, `until` the next
    thing was done."""
    came: dict[str, list[float]] = {}
    times = []
    for packet in answers:
        if packet.protocol == UDP and packet.src == addresses.VIP:
            came.setdefault(packet.call, []).append(packet.time)
            times.append(packet.time)
    invites = [packet for packet in sent if packet.start.startswith("INVITE ") and at - OVERDUE <= packet.time <= until]
    lost = [packet.time for packet in invites if not _is_answered(packet.time, came.get(packet.call, []))]
    around = [time for time in sorted(times) if at - 1.0 <= time <= until]
    silence = max((later - earlier for earlier, later in zip(around, around[1:])), default=until - at)
    return Cost(calls.made, calls.completed, len(lost), max(0.0, max(lost) - at) if lost else 0.0, silence)


def not_forwarded(sent: Iterable[Seen], left: Iterable[Seen], at: float, until: float, soon: float = OVERDUE) -> list[float]:
    """When the INVITEs were `sent`, from `at` to `until`, that did not leave the appliance again within `soon` seconds. Whoever has to answer has no
    part in it."""
    times: dict[str, list[float]] = {}
    for packet in left:
        times.setdefault(packet.call, []).append(packet.time)
    invites = [packet for packet in sent if packet.start.startswith("INVITE ") and at <= packet.time <= until]
    return [one.time for one in invites if not any(one.time <= time <= one.time + soon for time in times.get(one.call, []))]


def _is_answered(sent: float, came: list[float]) -> bool:
    return any(sent <= time <= sent + OVERDUE for time in came)
