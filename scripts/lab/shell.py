"""Running programs: the one place where the lab starts something.

Owns how a failed command is told: the command, its exit code and what it said.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence


class LabError(Exception):
    """Something the lab needs did not work; the message is one sentence for a person."""


def run(argv: Sequence[str], timeout: float = 60.0, check: bool = True) -> subprocess.CompletedProcess:
    """Runs a program to its end (at most `timeout` seconds) and gives back its output as text."""
    try:
        done = subprocess.run(list(argv), capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise LabError(f"`{argv[0]}` is not installed: run scripts/setup") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(argv)}` did not end within {timeout:g} s") from error
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"`{' '.join(argv)}` ended with {done.returncode}: {said}")
    return done


def need_root() -> None:
    """Refuses to go on without root: namespaces cannot be made without it."""
    if os.geteuid() != 0:
        raise LabError("The lab lays out network namespaces, which needs root: run it again with sudo.")


def need_programs(*names: str) -> None:
    """Refuses to go on when a program is missing, naming all that are."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise LabError(f"Missing programs: {', '.join(missing)}. scripts/setup installs them.")
