"""Rust tests without cargo-nextest: `python3 -m suite.isolated`.

DPDK's environment can be initialised once in a process, so each test that uses it needs a process of its own.
cargo-nextest gives every test one. Without it, this runs the tests whose name, or whose file's name, says `dpdk` one by
one, and the others as `cargo test` would.
"""

import json
import subprocess
import sys
from pathlib import Path

from lab.toolchain import REPOSITORY, cargo

ALONE = "dpdk"


def executables() -> list[Path]:
    """Builds the test programs and names them."""
    command = cargo("test", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics")
    built = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit(built.returncode)
    artifacts = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    return [Path(a["executable"]) for a in artifacts if a.get("executable") and a.get("profile", {}).get("test")]


def tests_alone(program: Path) -> list[str]:
    """The tests of a program that need a process each."""
    listed = subprocess.run([program, "--list", "--format=terse"], cwd=REPOSITORY, capture_output=True, text=True)
    names = [line.removesuffix(": test") for line in listed.stdout.splitlines() if line.endswith(": test")]
    return [name for name in names if ALONE in name or program.name.startswith(ALONE)]


def main() -> None:
    """Runs everything; the exit code is 1 if anything failed."""
    failed = False
    for program in executables():
        print(f"\n     Running {program.name}", flush=True)
        alone = tests_alone(program)
        skips = [word for name in alone for word in ("--skip", name)]
        commands = [[program, "--exact", *skips], *([program, "--exact", name] for name in alone)]
        failed |= any([subprocess.run(command, cwd=REPOSITORY).returncode != 0 for command in commands])
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
