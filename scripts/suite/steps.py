"""The checks, those that find most in least time first.

Owns: the command line of each. Never: running or counting them.
"""

import os
import shutil
import sys
from dataclasses import dataclass, field

from lab.toolchain import REPOSITORY, cargo

DISCOVER = "-m unittest discover -v -s"


@dataclass(frozen=True)
class Step:
    """One command. `needs_root`: unless run as root, the step fails with an explanation instead of being skipped."""

    name: str
    command: list[str]
    needs_root: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def all_steps() -> list[Step]:
    """Every step; the names are what `--only` takes."""
    strict = ["--all-targets", "--locked", "--", "-D", "warnings"]
    lab = {"PYTHONPATH": str(REPOSITORY / "scripts"), "PYTHONDONTWRITEBYTECODE": "1"}
    return [
        Step("format", cargo("fmt", "--all", "--check")),
        Step("clippy", cargo("clippy", "--workspace", *strict)),
        Step("clippy-without-dpdk", cargo("clippy", "--no-default-features", *strict)),
        Step("rust", _rust_tests()),
        Step("rust-without-dpdk", cargo("test", "--locked", "--no-default-features", "--lib", "--bins")),
        Step("documentation", cargo("test", "--workspace", "--locked", "--doc")),
        Step("build", cargo("build", "--release", "--locked", "--features", "instructions", "--bins")),
        Step("instructions", [sys.executable, "-m", "rigs.instructions", "--program", "target/release/instructions"]),
        Step("files", [sys.executable, "-m", "rigs.instructions", "--files", "--program", "target/release/instructions"]),
        Step("lab", [sys.executable, *DISCOVER.split(), "tests/lab"], needs_root=True, environment=lab),
    ]


def _rust_tests() -> list[str]:
    if _has_nextest():
        return cargo("nextest", "run", "--workspace", "--locked", "--no-fail-fast")
    # DPDK can be initialised once per process; tests that need it have processes of their own, so cargo's own runner will do.
    return cargo("test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests")


def _has_nextest() -> bool:
    home = os.path.expanduser(f"~{os.environ.get('SUDO_USER', '')}")
    return bool(shutil.which("cargo-nextest") or shutil.which("cargo-nextest", path=f"{home}/.cargo/bin"))
