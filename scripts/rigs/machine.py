"""Where and with what a figure was taken, and how busy the machine was with other things.

Owns: the line that stands above every table.
"""

import os
import platform
import subprocess
import time
from pathlib import Path


def load() -> float:
    """The load average of the last minute, taken before anything is built."""
    return os.getloadavg()[0]


def described(before: float, program: Path | None = None) -> str:
    """Date, processor, load before the run, kernel, DPDK (the one `program` was built with) and compiler, in one line."""
    parts = [time.strftime("%-d %B %Y"), f"{_processor()}, {os.cpu_count()} cores",
             f"load {before:.1f} before the run", f"Linux {platform.release()}"]
    parts += [_dpdk(program)] if program else []
    return ", ".join([*parts, _first_line(["rustc", "--version"]).partition(" (")[0]])


def _processor() -> str:
    named = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = named[0].partition(":")[2].strip() if named else platform.machine()
    return f"{name} (virtual)" if "hypervisor" in Path("/proc/cpuinfo").read_text() else name


def _dpdk(program: Path) -> str:
    """The last line of `fairlead --version`."""
    lines = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout.splitlines()
    return lines[-1] if lines else "DPDK unknown"


def _first_line(argv: list[str]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split("\n")[0]
    except OSError:
        return f"{argv[0]} unknown"
