"""Calling cargo, also under sudo: the toolchain is then the caller's, and what it builds must belong to the caller as well.

Owns: finding cargo and the user it runs as. Never: what is built.
"""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from .shell import LabError

REPOSITORY = Path(__file__).resolve().parents[2]


def cargo(*words: str) -> list[str]:
    """The command line of a cargo call, for `subprocess`."""
    if found := shutil.which("cargo"):
        return [found, *words]
    user = os.environ.get("SUDO_USER", "")
    if user and (theirs := Path(pwd.getpwnam(user).pw_dir) / ".cargo/bin/cargo").exists():
        path = f"PATH={theirs.parent}:{os.environ['PATH']}"
        return ["sudo", "-u", user, "env", path, str(theirs), *words]
    raise LabError("There is no `cargo` on the PATH: install Rust from https://rustup.rs and try again.")


def build_release() -> None:
    """Builds target/release/fairlead, with cargo's own progress on the terminal."""
    built = subprocess.run(cargo("build", "--release", "--locked", "--bin", "fairlead"), cwd=REPOSITORY)
    if built.returncode != 0:
        raise LabError("Fairlead does not build; cargo says why above.")
