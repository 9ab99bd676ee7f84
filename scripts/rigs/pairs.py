"""Two revisions in turn: pairs of figures, the ratio of the two, and the interval in which it lies.

Owns: the arithmetic, and the targets of a comparison. A ratio above 1 always says that this tree is better.
"""

import math
import statistics
from dataclasses import dataclass

#: Paths that have changed their name: what an older revision calls them, and what they are called now.
RENAMED: dict[str, str] = {}
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """One row: what was measured in both revisions, pair by pair. `better`: "more" for rates, "less" for times and counts."""

    measure: str
    what: str
    unit: str
    better: str
    other: tuple[float, ...]
    this: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Pair by pair, how many times better this tree is."""
        if self.better == "more":
            return tuple(this / other for other, this in zip(self.other, self.this, strict=True))
        return tuple(other / this for other, this in zip(self.other, self.this, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true ratio lies."""
        return median_interval(self.ratios)


@dataclass(frozen=True)
class Verdict:
    """A target, what was found, and whether it is met."""

    name: str
    aim: str
    found: str
    met: bool


def first_is_other(number: int) -> bool:
    """Which of the two begins pair `number`: A B, B A, A B, so that a machine that grows slower favours neither."""
    return number % 2 == 0


def median_interval(values: tuple[float, ...], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """An interval that holds the true median with at least this confidence, whatever the distribution.

    The median lies between two order statistics unless nearly all values fall on one side of it, and that has the odds of a coin
    (the sign test). With fewer than six values no such interval reaches 95 %: then it is the least and the most.
    """
    ordered, count = sorted(values), len(values)
    cut, tail = 0, 0.0
    while cut < count // 2:
        tail += math.comb(count, cut) / 2**count
        if 2 * tail > 1 - confidence:
            break
        cut += 1
    lowest = max(cut - 1, 0)
    return ordered[lowest], ordered[count - 1 - lowest]


def common(other: list[str], this: list[str]) -> dict[str, str]:
    """Names that both revisions know, in the order of this one: its own, and what the other calls the same."""
    older = {RENAMED.get(name, name): name for name in other}
    return {name: older[name] for name in this if name in older}


def judged(rows: list[Comparison]) -> list[Verdict]:
    """The targets for which something was measured. Single paths and rates are met when their interval reaches the target."""
    found = []
    for measure in sorted({row.measure for row in rows if row.measure.startswith("loop")}, key=_size):
        found += _of_loop(measure, [row for row in rows if row.measure == measure])
    if counts := [row for row in rows if row.measure == "instructions"]:
        most = max(counts, key=lambda row: row.this[0])
        found.append(Verdict("Q2", "instructions a packet, every path: ≤ 360", f"{most.this[0]:.0f} ({most.what})",
                             most.this[0] <= 360))
    if rates := [row for row in rows if row.measure == "P1"]:
        found.append(Verdict("Q3", "rate of P1: ≥ 1.2", _text(rates[0]), _reaches(rates[0], 1.2)))
    return found


def _of_loop(measure: str, rows: list[Comparison]) -> list[Verdict]:
    middle = statistics.median(row.ratio for row in rows)
    worst = min(rows, key=lambda row: row.ratio)
    return [Verdict("Q1", f"{measure}: median path ≥ 1.2", f"{middle:.2f}", middle >= 1.2),
            Verdict("Q1", f"{measure}: every path ≥ 1.0", f"{_text(worst)} ({worst.what})",
                    all(_reaches(row, 1.0) for row in rows))]


def _reaches(row: Comparison, least: float) -> bool:
    return max(row.ratio, row.interval[1]) >= least


def _text(row: Comparison) -> str:
    low, high = row.interval
    return f"{row.ratio:.2f}, {low:.2f} to {high:.2f}"


def _size(measure: str) -> int:
    return int("".join(letter for letter in measure if letter.isdigit()) or 0)
