"""The program that is measured: a release build, with DPDK's drivers from static archives where that is possible.

Owns: the build, and the notice when it has to be another one.
"""

import subprocess
import sys
from pathlib import Path

from lab.shell import LabError
from lab.toolchain import REPOSITORY, cargo

_RELEASE = ("build", "--release", "--locked", "--bins")


def release(root: Path = REPOSITORY, *features: str) -> Path:
    """Builds `target/release/fairlead` of a source tree, with cargo's progress on the terminal; and what else `features` name."""
    if not _built(root, "static-link", *features):
        print("bench: DPDK's drivers cannot be linked from static archives here (cargo says why above); the program that "
              "is measured loads them as plug-ins and is a little slower for it", file=sys.stderr)
        if not _built(root, *features):
            raise LabError("Fairlead does not build; cargo says why above.")
    return root / "target/release/fairlead"


def _built(root: Path, *features: str) -> bool:
    words = (*_RELEASE, "--target-dir", str(root / "target"), "--features", ",".join(features))
    return subprocess.run(cargo(*words), cwd=root, stdout=sys.stderr, check=False).returncode == 0
