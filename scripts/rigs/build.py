"""The program that is measured: built for release, with DPDK's drivers from static archives where that is possible.

Owns: the build, and what is said when it has to be another one.
"""

import subprocess
import sys
from pathlib import Path

from lab.shell import LabError
from lab.toolchain import REPOSITORY, cargo

_RELEASE = ("build", "--release", "--locked", "--bin", "fairlead")


def release() -> Path:
    """Builds `target/release/fairlead`, cargo's progress on the terminal."""
    if not _built("--features", "static-link"):
        print("bench: DPDK's drivers cannot be linked from static archives here (cargo says why above); the program that "
              "is measured loads them as plug-ins, which costs some of its speed", file=sys.stderr)
        if not _built():
            raise LabError("Fairlead does not build; cargo has said why above.")
    return REPOSITORY / "target/release/fairlead"


def _built(*more: str) -> bool:
    return subprocess.run(cargo(*_RELEASE, *more), cwd=REPOSITORY, stdout=sys.stderr).returncode == 0
