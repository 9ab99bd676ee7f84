"""Taking figures: rates over an interval, contenders in turn, medians.

Owns: the arithmetic. A rate is frames sent in a second of the workers' own time on their cores, so that what else runs on
a busy machine costs time, and the figures less of their truth.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Reading:
    """Frames sent so far, and the nanoseconds the workers had run for, on average, by then."""

    frames: int
    ran: int


class Contender(Protocol):
    """Something that forwards and can be asked how much."""

    def sent(self) -> Reading:
        """Its reading now."""


@dataclass(frozen=True)
class Figure:
    """What several runs came to, in one unit."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.values)

    def text(self, digits: int = 2) -> str:
        """The median, and behind it the least and the most."""
        if len(self.values) == 1:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({min(self.values):.{digits}f} to {max(self.values):.{digits}f})"


def rate(contender: Contender, seconds: float, meanwhile: Callable[[float], None] = time.sleep) -> float:
    """Millions of frames a second. `meanwhile` is called with the seconds to spend."""
    before = contender.sent()
    meanwhile(seconds)
    after = contender.sent()
    return (after.frames - before.frames) * 1e3 / max(1, after.ran - before.ran)


def in_turn(runs: int, contenders: dict[str, Callable[[], float]], said: Callable[[str], None]) -> dict[str, Figure]:
    """Runs the contenders one after the other, and again; each round begins with another one."""
    values: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(runs):
        for name in names[number % len(names):] + names[:number % len(names)]:
            values[name].append(contenders[name]())
            said(f"run {number + 1} of {runs}: {name} {values[name][-1]:.2f}")
    return {name: Figure(tuple(found)) for name, found in values.items()}


def ratio(above: Figure, below: Figure) -> Figure:
    """Round by round, one over the other."""
    return Figure(tuple(a / b for a, b in zip(above.values, below.values)))


def percentile(values: Sequence[float], part: float) -> float:
    """The least value that so much of all (0 to 1) is not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
