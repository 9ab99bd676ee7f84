"""`scripts/bench`: runs rigs, prints tables, and records them if asked to.

Owns: the command line, the order of things, and the exit code.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from lab.shell import LabError, need_programs
from lab.toolchain import REPOSITORY

from . import against, build, catalogue, machine, pages, results, targets
from .bench import Bench, Outcome
from .catalogue import Rig

PAGE = REPOSITORY / "benches" / "README.md"
RESULTS = REPOSITORY / "benches" / "results.json"
PLOTS = REPOSITORY / "benches" / "plots"
FRAMES = REPOSITORY / "target" / "bench"


def main() -> int:
    """Parses the command line, runs what it names, and returns the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    if sys.argv[1:2] == ["against"]:
        return against.main(sys.argv[2:])
    options = _options()
    if options.what == ["list"]:
        _list()
        return 0
    words = options.what or [rig.name for rig in catalogue.RIGS]
    rigs, unknown = catalogue.chosen(words)
    if unknown:
        print("\n".join(f"scripts/bench: {why}" for why in unknown), file=sys.stderr)
        return 2
    _check_machine()
    load = machine.load()
    program = options.program or build.release()
    conditions = machine.described(load, program)
    found: dict[str, Outcome] = {}
    FRAMES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-", ignore_cleanup_errors=True) as directory:
        bench = Bench(program, Path(directory), FRAMES, options.runs, options.seconds)
        for rig in rigs:
            began = time.monotonic()
            print(f"bench: {rig.name}: {rig.title}", file=sys.stderr, flush=True)
            try:
                found[rig.name] = outcome = rig.run(bench)
            finally:
                if not options.keep_frames:
                    shutil.rmtree(FRAMES, ignore_errors=True)
                    FRAMES.mkdir(exist_ok=True)
            print(f"bench: {rig.name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            text = _section(rig, outcome, conditions, options)
            print(text, flush=True)
            if options.write:
                _write(rig, outcome, text, conditions)
    if options.json:
        options.json.write_text(json.dumps(_as_data(found, conditions), indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measures Fairlead beside testpmd on DPDK's virtual devices. Needs root, two "
        "cores, and about 6 GB of memory for a million flows.", epilog="scripts/bench list names rigs and targets; "
        "scripts/bench against --help: this tree beside another revision of it.")
    parser.add_argument("what", nargs="*", metavar="RIG", help="rigs by name or by target number (default: all)")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs of each program (default 5)")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="length of a measurement (default 3)")
    parser.add_argument("--write", action="store_true", help="also update the tables and plots under benches/")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value to a file")
    parser.add_argument("--program", type=Path, metavar="FILE", help="measure this program instead of building one")
    parser.add_argument("--keep-frames", action="store_true", help="keep the files of frames under target/bench")
    options = parser.parse_args()
    if options.runs < 1 or options.seconds <= 0:
        parser.error("--runs and --seconds must be above 0")
    return options


def _list() -> None:
    for rig in catalogue.RIGS:
        print(f"{rig.name:12} {', '.join(rig.numbers) or '-':8} {rig.title}")
    print()
    for target in targets.TARGETS:
        print(f"{target.number:4} {target.what}: {target.aim}; {target.how}")


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise LabError("Huge pages and DPDK need root: run it again with sudo.")
    if len(os.sched_getaffinity(0)) < 2:
        raise LabError("A worker needs a core to itself, next to the one for everything else; this machine has one.")
    need_programs("dpdk-testpmd", "setpriv", "stdbuf")


def _section(rig: Rig, outcome: Outcome, conditions: str, options: argparse.Namespace) -> str:
    runs = f"medians of {options.runs} runs, minimum and maximum in parentheses" if options.runs > 1 else "one run"
    command = f"scripts/bench {rig.name} --runs {options.runs} --seconds {options.seconds:g}"
    parts = [f"### {rig.title}", f"{conditions}; {runs}. `{command}`", pages.table(outcome.head, outcome.rows), *outcome.notes]
    if outcome.plot:
        parts.append(f"![{outcome.plot.title}](plots/{rig.name}.svg)")
    return "\n\n".join(parts)


def _write(rig: Rig, outcome: Outcome, text: str, conditions: str) -> None:
    pages.write(PAGE, rig.name, text)
    if outcome.plot:
        PLOTS.mkdir(exist_ok=True)
        (PLOTS / f"{rig.name}.svg").write_text(outcome.plot.svg(conditions))
    rows = results.merged(RESULTS, outcome.figures, conditions)
    results.save(RESULTS, rows)
    pages.write(PAGE, "targets", results.table(rows))


def _as_data(found: dict[str, Outcome], conditions: str) -> dict:
    return {"machine": conditions, "rigs": {
        name: {"head": outcome.head, "rows": outcome.rows, "notes": outcome.notes,
               "figures": {number: list(figure.values) for number, figure in outcome.figures.items()}}
        for name, outcome in found.items()
    }}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nscripts/bench: interrupted; everything was stopped", file=sys.stderr)
        sys.exit(130)
