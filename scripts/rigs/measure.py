"""Taking figures: rates over an interval, programs in turn, medians.

Owns: the arithmetic. A rate is frames sent per second of the workers' own CPU time, so that whatever else a busy machine
runs makes a measurement longer rather than wrong.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Reading:
    """Frames sent so far, and the CPU time the workers had used by then, on average, in nanoseconds."""

    frames: int
    ran: int


class Contender(Protocol):
    """Something that forwards and reports how much."""

    def sent(self) -> Reading:
        """Its reading now."""


@dataclass(frozen=True)
class Figure:
    """The results of several runs, in one unit."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of all runs."""
        return statistics.median(self.values)

    def text(self, digits: int = 2) -> str:
        """The median, with minimum and maximum in parentheses."""
        if len(self.values) == 1:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({min(self.values):.{digits}f} to {max(self.values):.{digits}f})"


def rate(contender: Contender, seconds: float, meanwhile: Callable[[float], None] = time.sleep) -> float:
    """Millions of frames per second. `meanwhile` is called with the number of seconds to spend."""
    before = contender.sent()
    meanwhile(seconds)
    after = contender.sent()
    return (after.frames - before.frames) * 1e3 / max(1, after.ran - before.ran)


def in_turn(runs: int, contenders: dict[str, Callable[[], float]], said: Callable[[str], None]) -> dict[str, Figure]:
    """Runs the contenders round by round; each round starts with a different one."""
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
    """The value below which this fraction (0 to 1) of all values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
