"""Switchovers as `fairlead switchovers --json` reports them.

Owns: reading the rows, and what their marks (microseconds of one clock) mean together. With `no_member = "reject"` or "drop" a
pair may change roles in two rows: the old primary is lost, for a while nobody is active, the new one answers. Here that is one
switchover.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Row:
    """One row: who, and when it was decided, published and installed. `time` is wall time, in seconds, at `detected`."""

    time: float
    source: str | None
    target: str | None
    reason: str
    last_good_answer: int | None
    first_failed_probe: int | None
    lost: int | None
    detected: int
    published: int
    installed: int

    @property
    def installed_at(self) -> float:
        """When the last worker had installed it, in seconds of wall time."""
        return self.time + (self.installed - self.detected) / 1e6


@dataclass(frozen=True)
class Switchover:
    """From one member to another: the row in which the old one was dropped and the one in which the new one took over."""

    left: Row
    taken: Row

    @property
    def source(self) -> str:
        """The member that was left."""
        return self.left.source or ""

    @property
    def target(self) -> str:
        """The member that took over."""
        return self.taken.target or ""

    @property
    def reason(self) -> str:
        """Why the old member was left."""
        return self.left.reason

    @property
    def left_at(self) -> float:
        """From here on no worker sends anything to the old member, in seconds of wall time."""
        return self.left.installed_at

    @property
    def installed_at(self) -> float:
        """From here on every worker sends to the new member, in seconds of wall time."""
        return self.taken.installed_at

    @property
    def detection_ms(self) -> float | None:
        """From the old member's last good answer until it was found lost, which may be before another one was up."""
        before, lost = self.left.last_good_answer, self.left.lost
        return None if before is None else ((self.left.detected if lost is None else lost) - before) / 1e3

    @property
    def gap_ms(self) -> float | None:
        """From the old member's last good answer to the new one's service."""
        before = self.left.last_good_answer
        return None if before is None else (self.taken.installed - before) / 1e3

    @property
    def publication_us(self) -> int:
        """From publication to the last worker, the slower of the two rows."""
        return max(row.installed - row.published for row in (self.left, self.taken))


def read_switchovers(rows: list[dict]) -> list[Switchover]:
    """The completed switchovers, oldest first. The first selection of a member is not one."""
    found, left = [], None
    # They come oldest first. Marks of before a restart are of another clock: they put nothing in order.
    for row in (_row(row) for row in rows if row["installed_us"] is not None):
        if row.source:
            left = row
        if left and row.target:
            found.append(Switchover(left, row))
            left = None
    return found


def _row(row: dict) -> Row:
    moment = datetime.fromisoformat(row["time"].replace("Z", "+00:00")).timestamp()
    marks = (row[f"{name}_us"] for name in ("last_good_answer", "first_failed_probe", "lost", "detected", "published", "installed"))
    return Row(moment, row["from"], row["to"], row["reason"], *marks)
