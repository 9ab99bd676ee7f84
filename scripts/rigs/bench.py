"""What every rig gets and returns.

Owns: the choice of cores and memory, and the form of an outcome. Read `forwarding` for how they are used.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .appliance import Appliance, Tuning
from .measure import Figure
from .memory import huge_pages, needed_mb
from .plots import Plot
from .setting import Setting
from .testpmd import Testpmd
from .traffic import Traffic


@dataclass(frozen=True)
class Outcome:
    """A table, figures for targets, and perhaps a plot. `figures`: by number of the target, such as "P1"."""

    head: list[str]
    rows: list[list[str]]
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    plot: Plot | None = None


@dataclass(frozen=True)
class Bench:
    """The program, where files go, and how often and how long (in seconds) to measure."""

    program: Path
    directory: Path
    frames: Path
    runs: int
    seconds: float

    @contextlib.contextmanager
    def setting(self, traffic: Traffic, workers: int = 1, record: dict[str, Path] | None = None) -> Iterator[Setting]:
        """Devices, cores and memory for a traffic. A single worker has a core to itself; the last of several shares one with management."""
        cores = sorted(os.sched_getaffinity(0))
        used = tuple(cores[-workers:])
        draft = Setting(traffic, self.frames, cores[0], used, True, record or {})
        with huge_pages(needed_mb(draft.mbufs)) as huge:
            yield Setting(traffic, self.frames, cores[0], used, huge, record or {})

    def appliance(self, setting: Setting, tuning: Tuning = Tuning()) -> Appliance:
        """Fairlead with this setting, not yet running."""
        return Appliance(self.program, setting, self.directory, tuning)

    def testpmd(self, setting: Setting) -> Testpmd:
        """testpmd with this setting, not yet running."""
        return Testpmd(setting, self.directory)

    def say(self, line: str) -> None:
        """Reports progress."""
        print(f"bench:   {line}", file=sys.stderr, flush=True)
