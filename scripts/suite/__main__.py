"""Runs the steps, shows progress, and sums up.

Owns: the terminal and the exit code. The last line but the time is `N passed, N failed`.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from lab.shell import LabError
from lab.toolchain import REPOSITORY

from .steps import Step, all_steps
from .tally import Tally, failures, of_output

LOGS = REPOSITORY / "target" / "suite"
TAIL = 80
STILL = 20.0


class Running:
    """A step's command, its output in a file."""

    def __init__(self, step: Step):
        self.log = LOGS / f"{step.name}.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                step.command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, **step.environment},
            )

    def ends_well(self) -> bool:
        """Waits for its end, and says meanwhile that something is being done."""
        began = reported = time.monotonic()
        while self._process.poll() is None:
            time.sleep(0.1)
            if time.monotonic() - reported > STILL:
                reported = time.monotonic()
                print(f"  … {reported - began:.0f} s: {_last_line(self.log)}", flush=True)
        return self._process.returncode == 0

    def stop(self) -> None:
        """Ends it, if it has not ended."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


def run_all(steps: list[Step]) -> Tally:
    """Runs them in order; those that can go on beside others begin with the first."""
    running: dict[str, Running] = {}
    try:
        running |= {step.name: Running(step) for step in steps if step.goes_beside}
        total = Tally()
        for step in steps:
            print(f"▶ {step.name}", flush=True)
            if step.needs_root and os.geteuid() != 0:
                print("  ✘ This step creates network namespaces, which needs root: run scripts/test again with sudo.", flush=True)
                total += Tally(0, 1)
                continue
            began = time.monotonic()
            if step.name not in running:
                running[step.name] = Running(step)
            total += _outcome(running[step.name], began)
        return total
    finally:
        for one in running.values():
            one.stop()


def _outcome(running: Running, began: float) -> Tally:
    """Waits for a step, and says how it ended; if it failed, with the end of its output and the names of the tests that did."""
    well = running.ends_well()
    said = running.log.read_text(errors="replace")
    tally = of_output(said, well)
    mark = "✔" if well else "✘"
    print(f"  {mark} {tally.passed} passed, {tally.failed} failed in {time.monotonic() - began:.0f} s", flush=True)
    if not well:
        print("".join(f"  │ {line}\n" for line in said.splitlines()[-TAIL:]))
        print("".join(f"  ✘ {name}\n" for name in failures(said)), end="")
        print(f"  full output: {running.log}", flush=True)
    return tally


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip()[:100] for line in reversed(lines) if line.strip()), "no output yet")


def _is_chosen(step: Step, only: list[str] | None, long: bool) -> bool:
    return step.name in only if only else long or not step.is_long


def main() -> int:
    """Parses the command line, runs the steps, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/test", description="Runs every check and sums up.")
    parser.add_argument("--only", metavar="STEP", action="append", help="run only this step; may be repeated")
    parser.add_argument("--long", action="store_true", help="run what takes longer as well")
    parser.add_argument("--list", action="store_true", help="list the steps and exit")
    options = parser.parse_args()
    try:
        steps = all_steps()
    except LabError as error:
        print(f"scripts/test: {error}", file=sys.stderr)
        return 1
    unknown = set(options.only or []) - {step.name for step in steps}
    if options.list or unknown:
        print("\n".join(f"{step.name} (--long)" if step.is_long else step.name for step in steps))
        return 2 if unknown else 0
    LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    chosen = [step for step in steps if _is_chosen(step, options.only, options.long)]
    total = run_all(chosen)
    print(f"\n{total.passed} passed, {total.failed} failed")
    print(f"in {time.monotonic() - began:.0f} s")
    return int(total.failed > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nscripts/test: interrupted", file=sys.stderr)
        sys.exit(130)
