"""The program that is measured: a release build, with DPDK's drivers from static archives where that is possible.

Owns: the build, and the notice when it has to be another one.
"""

import subprocess
import sys
from pathlib import Path

from lab.shell import LabError
from lab.toolchain import REPOSITORY, cargo

_RELEASE = ("build", "--release", "--locked")


def release(root: Path = REPOSITORY, *beside: str) -> Path:
    """Builds `target/release/fairlead` of a source tree, with cargo's progress on the terminal; and beside it these programs of benches/,
    each of which takes as long again."""
    if not _built(root, beside, "static-link"):
        print("bench: DPDK's drivers cannot be linked from static archives here (cargo says why above); the program that "
              "is measured loads them as plug-ins and is a little slower for it", file=sys.stderr)
        if not _built(root, beside):
            raise LabError("Fairlead does not build; cargo says why above.")
    return root / "target/release/fairlead"


def _built(root: Path, beside: tuple[str, ...], *features: str) -> bool:
    wanted = (*features, "instructions") if beside else features
    programs = [word for name in ("fairlead", *beside) for word in ("--bin", name)]
    words = (*_RELEASE, *programs, "--target-dir", str(root / "target"), "--features", ",".join(wanted))
    return subprocess.run(cargo(*words), cwd=root, stdout=sys.stderr, check=False).returncode == 0
