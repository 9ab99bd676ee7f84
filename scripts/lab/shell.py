"""Running programs: the one place where the lab starts something.

Owns the form in which a failed command is reported: the command, its exit code and its output.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence


class LabError(Exception):
    """Something the lab needs did not work; the message is one sentence for the user."""


def run_script(name: str, work: Callable[[], int]) -> int:
    """Runs what a script of the lab does; returns its exit code. What the lab lacks is one sentence, an interruption none of a
    user's making."""
    try:
        return work()
    except LabError as error:
        print(f"\n{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; everything was removed.", file=sys.stderr)
        return 130


def run(argv: Sequence[str], timeout: float = 60.0, check: bool = True) -> subprocess.CompletedProcess:
    """Runs a program to completion (at most `timeout` seconds) and returns its output as text."""
    try:
        done = subprocess.run(list(argv), capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise LabError(f"`{argv[0]}` is not installed: run scripts/setup") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(argv)}` did not finish within {timeout:g} s") from error
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"`{' '.join(argv)}` failed with exit code {done.returncode}: {said}")
    return done


def need_root() -> None:
    """Raises unless run as root: namespaces cannot be created otherwise."""
    if os.geteuid() != 0:
        raise LabError("The lab creates network namespaces, which needs root: run it again with sudo.")


def need_programs(*names: str) -> None:
    """Raises if programs are missing, naming all of them."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise LabError(f"Missing programs: {', '.join(missing)}. scripts/setup installs them.")
