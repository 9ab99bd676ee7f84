"""Figures of criterion benches, from the estimates they leave under target/criterion.

Owns: reading their estimates. Never: running them.
"""

import json
from pathlib import Path

from lab.toolchain import REPOSITORY

ROOT = REPOSITORY / "target" / "criterion"


def median(bench: str, root: Path = ROOT) -> float | None:
    """The median time of one iteration, in nanoseconds; `bench` as `group/name`. `None` if it was not run."""
    try:
        return json.loads((root / bench / "new" / "estimates.json").read_text())["median"]["point_estimate"]
    except (OSError, ValueError, KeyError):
        return None


def rate(bench: str, root: Path = ROOT) -> float | None:
    """Elements per second, for a bench that declares its throughput; `None` if it was not run, or does not."""
    nanoseconds = median(bench, root)
    try:
        throughput = json.loads((root / bench / "new" / "benchmark.json").read_text())["throughput"]
        return None if nanoseconds is None else throughput["Elements"] * 1e9 / nanoseconds
    except (OSError, ValueError, KeyError, TypeError):
        return None
