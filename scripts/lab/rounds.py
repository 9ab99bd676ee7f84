"""SIP calls over connections, in rounds: `python3 -m lab.rounds --log FILE --directory DIR -- sipp ...`.

A SIPp ends, with all its calls, when one of its connections is reset; a phone does not. So a new SIPp begins each
second with that second's calls, and a reset costs the calls that were in progress, as it does in the field. Every round
is written down when it ends: when it began, its calls, and how many of them completed.

Owns: starting the rounds and counting them. Never: what the numbers should be.
"""

import argparse
import csv
import json
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

PERIOD = 1.0


@dataclass(frozen=True)
class Calls:
    """What a SIPp counts, from its start."""

    made: int = 0
    completed: int = 0
    failed: int = 0
    retransmitted: int = 0
    open: int = 0


@dataclass(frozen=True)
class Round:
    """One second's calls. Times are seconds of wall time."""

    began: float
    ended: float
    made: int
    completed: int


def read_statistics(path: Path) -> Calls:
    """The last complete line of a SIPp's statistics file; zeros while there is none."""
    if not path.exists():
        return Calls()
    with path.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter=";") if row.get("Retransmissions(C)")]
    if not rows:
        return Calls()
    names = ("TotalCallCreated", "SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)", "CurrentCall")
    return Calls(*(int(rows[-1][name]) for name in names))


class Rounds:
    """The program: a list of SIPps that run, and the log of those that have ended."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.number = 0
        self.running: list[tuple[float, Path, subprocess.Popen]] = []
        self.ending = False
        options.log.touch()

    def turn(self) -> None:
        """Starts this second's round, unless asked to stop, and logs those that have finished."""
        if not self.ending:
            self._begin()
        deadline = time.monotonic() + PERIOD
        while time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)

    def _begin(self) -> None:
        self.number += 1
        statistics = self.options.directory / f"{self.options.log.stem}-{self.number}.csv"
        argv = [*self.options.command, "-trace_stat", "-stf", str(statistics)]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.running.append((time.time(), statistics, process))

    def _reap(self) -> None:
        for entry in [entry for entry in self.running if entry[2].poll() is not None]:
            self.running.remove(entry)
            began, statistics, _ = entry
            calls = read_statistics(statistics)
            with self.options.log.open("a") as log:
                log.write(json.dumps(asdict(Round(began, time.time(), calls.made, calls.completed))) + "\n")


def main() -> None:
    """Rounds until SIGTERM, then the end of those that run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True, help="where statistics go")
    parser.add_argument("command", nargs="+", help="the SIPp command line, after --")
    rounds = Rounds(parser.parse_args())

    def end(*_) -> None:
        rounds.ending = True

    signal.signal(signal.SIGTERM, end)
    while not rounds.ending or rounds.running:
        rounds.turn()


if __name__ == "__main__":
    main()
