"""`scripts/bench against`: this tree and another revision of it, built and measured in turn in one run.

Owns: the command line, the programs of both sides, and the summary. Read `pairs` for the arithmetic and `revision` for the builds.
Each side is driven by bench programs and rigs of its own revision, so commands, keys and counters may differ between the two.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from lab.shell import LabError, need_programs

from . import instructions, machine, pages, pairs, revision
from .pairs import Comparison
from .revision import Revision

MEASURES = ("turn", "new-flows", "hand-off", "P1", "P2", "instructions")
CONVERSATIONS = (4_096, 1_000_000)
#: Milliseconds of one measurement of the loop, by number of conversations; a pair has two of each side.
_SLICE = {4_096: 80, 1_000_000: 150}
#: What `pace` knows besides its paths. New flows take whole laps, so that as many die as are made.
_NEW = ("new_service_tcp_in", "new_outbound_tcp", "new_outbound_udp")
_HAND_OFF = ("hand_off",)
_DRIVER = Path(__file__).with_name("contender.py")

Sides = tuple[Revision, Revision]


def main(words: list[str]) -> int:
    """Compares, prints, and returns the exit code."""
    options = _options(words)
    if options.clean:
        print(f"bench: removed {revision.clean()} work trees")
        return 0
    this = revision.working_tree()
    other = revision.checked_out(options.revision or revision.baseline())
    _check_machine(options.only)
    load = machine.load()
    sides = (other, this)
    rows = [row for measure in options.only for row in _MEASURED[measure](sides, options)]
    conditions = f"{other.name} and {this.name}; {machine.described(load)}; {options.pairs} pairs"
    verdicts = pairs.judged(rows)
    print(_shown(sides, rows, verdicts, conditions), flush=True)
    if options.json:
        options.json.write_text(json.dumps(_as_data(sides, rows, verdicts, conditions), indent=1) + "\n")
    return int(options.gate and not all(verdict.met for verdict in verdicts))


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench against", description="Builds another revision in a git work tree under target/against, measures it and "
        "this tree in turn, and prints how many times better this tree is: the worker's loop by path (`turn`), new flows and frames handed "
        "to another worker, the rates of P1 and P2, and instructions a packet. P1 and P2 need root. With 15 pairs it takes about 40 "
        "minutes, and a quiet machine.")
    parser.add_argument("revision", nargs="?", metavar="REV", help="what to compare with (default: the one in benches/baseline)")
    parser.add_argument("--pairs", type=int, default=15, metavar="N", help="measurements of each side, in turn (default 15)")
    parser.add_argument("--only", type=_measures, default=MEASURES, metavar="LIST", help=f"some of {','.join(MEASURES)}")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="length of a measurement of P1 and P2 (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to a file")
    parser.add_argument("--gate", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--clean", action="store_true", help="remove the work trees under target/against, and measure nothing")
    options = parser.parse_args(words)
    if options.pairs < 1 or options.seconds <= 0:
        parser.error("--pairs and --seconds must be above 0")
    return options


def _measures(text: str) -> tuple[str, ...]:
    wanted = text.split(",")
    if unknown := [word for word in wanted if word not in MEASURES]:
        raise argparse.ArgumentTypeError(f"`{unknown[0]}` is none of {', '.join(MEASURES)}")
    return tuple(measure for measure in MEASURES if measure in wanted)


def _check_machine(measures: tuple[str, ...]) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        raise LabError("a measurement needs a core to itself, next to the one for everything else; this machine has one")
    if "instructions" in measures:
        need_programs("valgrind")
    if {"P1", "P2"} & set(measures):
        need_programs("setpriv")
        if os.geteuid() != 0:
            raise LabError("P1 and P2 run DPDK on huge pages, which needs root: run it again with sudo, or with `--only turn,instructions`")


def _loop(sides: Sides, options: argparse.Namespace) -> list[Comparison]:
    """Nanoseconds per packet in the worker's loop, path by path."""
    programs = _drivers(sides)
    paths = pairs.common(*(_lines([str(program)]) for program in programs))
    return [row for count in CONVERSATIONS for row in _timed(programs, f"loop, {count:,} conversations", paths, count, options.pairs)]


def _also(measure: str, names: tuple[str, ...], count: int) -> Callable[[Sides, argparse.Namespace], list[Comparison]]:
    """The same of what is no path of standing conversations."""
    def measured(sides: Sides, options: argparse.Namespace) -> list[Comparison]:
        return _timed(_drivers(sides), measure, {name: name for name in names}, count, options.pairs)

    return measured


def _drivers(sides: Sides) -> list[Path]:
    return [_noted(side, "pace", side.pace) for side in sides]


def _timed(programs: list[Path], measure: str, paths: dict[str, str], count: int, wanted: int) -> list[Comparison]:
    """Pairs are the outer loop, so a slow minute affects all paths."""
    found: dict[str, list[tuple[float, float]]] = {path: [] for path in paths}
    for number in range(wanted):
        for path, old in paths.items():
            found[path].append(_pair_of_loops(programs, (old, path), count, pairs.first_is_other(number)))
        ratios = sorted(other / this for (other, this) in (found[path][-1] for path in paths))
        _say(f"{measure}, pair {number + 1} of {wanted}: {ratios[0]:.2f} to {ratios[-1]:.2f} times as fast on {len(ratios)} paths")
    return [Comparison(measure, path, "ns", "less", *zip(*found[path])) for path in paths]


def _pair_of_loops(programs: list[Path], names: tuple[str, str], count: int, other_first: bool) -> tuple[float, float]:
    """A B B A on one core, both sides freshly set up; the time of a side is the mean of its two."""
    with contextlib.ExitStack() as running:
        # Both set up at once, then one core for both.
        drivers = [running.enter_context(_Driver([str(program), name, str(count)], loop=True))
                   for program, name in zip(programs, names, strict=True)]
        for driver in drivers:
            driver.wait_until_ready()
            driver.pin(max(os.sched_getaffinity(0)))
        order = (0, 1, 1, 0) if other_first else (1, 0, 0, 1)
        taken: tuple[list[float], list[float]] = ([], [])
        for at in order:
            taken[at].append(float(drivers[at].ask(str(_SLICE[count]))))
    return sum(taken[0]) / 2, sum(taken[1]) / 2


def _rate(target: str) -> Callable[[Sides, argparse.Namespace], list[Comparison]]:
    def measured(sides: Sides, options: argparse.Namespace) -> list[Comparison]:
        found: tuple[list[float], list[float]] = ([], [])
        with contextlib.ExitStack() as running:
            drivers = [running.enter_context(_contender(target, side, options.seconds)) for side in sides]
            for number in range(options.pairs):
                for at in (0, 1) if pairs.first_is_other(number) else (1, 0):
                    found[at].append(json.loads(drivers[at].ask("measure"))["rate"])
                _say(f"{target}, pair {number + 1} of {options.pairs}: {found[0][-1]:.2f} and {found[1][-1]:.2f} M/s")
        return [Comparison(target, "rate", "M/s", "more", tuple(found[0]), tuple(found[1]))]

    return measured


@contextlib.contextmanager
def _contender(target: str, side: Revision, seconds: float) -> Iterator["_Driver"]:
    """The driver of one side's rig, its files of frames made and what leaves it checked."""
    program = _noted(side, "fairlead", side.fairlead)
    _say(f"{target}: {side.name}: writing files of frames, checking what it forwards")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=side.root / "target") as frames:
        words = [sys.executable, "-P", str(_DRIVER), target, str(program), frames, f"{seconds:g}"]
        with _Driver(words, environment={"PYTHONPATH": str(side.root / "scripts")}) as driver:
            driver.wait_until_ready()
            yield driver


def _counts(sides: Sides, _: argparse.Namespace) -> list[Comparison]:
    """Instructions per packet. They are repeatable, so each side is counted once."""
    found = []
    for side in sides:
        program = _noted(side, "instructions", side.instructions)
        _say(f"instructions: counting {side.name}")
        found.append({path: of["pass"] for path, of in instructions.count(program).items()})
    return [Comparison("instructions", path, "", "less", (found[0][old],), (found[1][path],))
            for path, old in pairs.common(list(found[0]), list(found[1])).items()]


_MEASURED = {"turn": _loop, "new-flows": _also("new flows", _NEW, 1_000_000), "hand-off": _also("hand-off", _HAND_OFF, 4_096),
             "P1": _rate("P1"), "P2": _rate("P2"), "instructions": _counts}


class _Driver:
    """A program that answers lines with lines once it has reported that it is ready. It is stopped with us, even if we are killed."""

    def __init__(self, argv: list[str], environment: dict[str, str] | None = None, loop: bool = False):
        # Tables in large pages, as the appliance has them; see benches/README.md.
        more = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"} if loop else {}
        more |= {"PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
        self._name = Path(argv[0] if loop else argv[2]).name
        kill = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        self._process = subprocess.Popen([*kill, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         env={**os.environ, **more})

    def __enter__(self) -> "_Driver":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def wait_until_ready(self) -> None:
        """Until it has set up what it measures."""
        self._answer()

    def pin(self, core: int) -> None:
        """From now on it runs on this core alone."""
        os.sched_setaffinity(self._process.pid, {core})

    def ask(self, line: str) -> str:
        """Its answer to a line."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        line = self._process.stdout.readline().strip()
        if not line:
            raise LabError(f"{self._name} exited with {self._process.wait()}")
        if line.startswith("{") and "error" in (answer := json.loads(line)):
            raise LabError(answer["error"])
        return line


def _shown(sides: Sides, rows: list[Comparison], verdicts: list[pairs.Verdict], conditions: str) -> str:
    head = ["measure", "what", sides[0].name, sides[1].name, "ratio", "interval"]
    cells = []
    for row in rows:
        low, high = row.interval
        cells.append([row.measure, row.what, _median(row.other, row.unit), _median(row.this, row.unit), f"{row.ratio:.2f}",
                      f"{low:.2f} to {high:.2f}" if len(row.ratios) > 1 else ""])
    targets = [[verdict.name, verdict.aim, verdict.found, "met" if verdict.met else "**missed**"] for verdict in verdicts]
    parts = [conditions, pages.table(head, cells)]
    parts += [pages.table(["", "target", "found", ""], targets)] if targets else []
    return "\n\n".join(parts)


def _median(values: tuple[float, ...], unit: str) -> str:
    middle = sorted(values)[len(values) // 2]
    return f"{middle:.1f} {unit}" if unit else f"{middle:.0f}"


def _as_data(sides: Sides, rows: list[Comparison], verdicts: list[pairs.Verdict], conditions: str) -> dict:
    return {"run": conditions, "other": sides[0].commit, "this": sides[1].commit,
            "rows": [{**asdict(row), "ratios": row.ratios, "ratio": row.ratio, "interval": row.interval} for row in rows],
            "targets": [asdict(verdict) for verdict in verdicts]}


def _noted(side: Revision, what: str, build: Callable[[], Path]) -> Path:
    _say(f"building {what} of {side.name}")
    return build()


def _lines(argv: list[str]) -> list[str]:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)
