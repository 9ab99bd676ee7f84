"""Instructions per packet, counted by valgrind and held to a budget.

Owns: `scripts/instructions`, and reading benches/instructions.toml. The program copies a frame and takes it through the
stages; a second run only copies it; the difference is the cost of the packets. Such counts are repeatable whatever else the
machine does, so they may fail a test where a time may not.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.shell import LabError, need_programs
from lab.toolchain import REPOSITORY, cargo

from . import files, pages

BUDGET = REPOSITORY / "benches" / "instructions.toml"
PROGRAM = REPOSITORY / "target" / "release" / "instructions"
PACKETS = 6_400
# Stages of the program that have a budget, and where.
BUDGETED = {"pass": "packet", "counted": "counted"}
# A path this far below its budget needs a lower one.
SLACK = 0.90


def main() -> int:
    """Counts, prints, and returns 0 if all paths are within their budget."""
    options = _options()
    try:
        need_programs("valgrind", *(["gdb", "nm"] if options.files else []))
        program = options.program or build()
        if options.files:
            return show_files(program.with_name("pace"), options.write, options.gate)
        budgets = tomllib.loads(BUDGET.read_text())
        counts = count(program)
    except (LabError, OSError, KeyError, tomllib.TOMLDecodeError) as error:
        print(f"scripts/instructions: {error}", file=sys.stderr)
        return 2
    print("| path | parse | parse, steer, decide, apply | budget | and counted for whom it is | budget |")
    print("| --- | --- | --- | --- | --- | --- |")
    problems = []
    for path, of in counts.items():
        cells = [f"{of['parse']:.0f}"]
        for stage, section in BUDGETED.items():
            cells += [f"{of[stage]:.0f}", str(budgets.get(section, {}).get(path, "none"))]
        print(f"| `{path}` | {' | '.join(cells)} |")
    for stage, section in BUDGETED.items():
        found = beyond(budgets.get(section, {}), {path: of[stage] for path, of in counts.items()})
        problems += [problem.replace(":", f", {section}:", 1) for problem in found]
    for problem in problems:
        print(f"test {problem} ... FAILED", file=sys.stderr)
    print(f"{len(counts) * len(BUDGETED) - len(problems)} passed, {len(problems)} failed")
    return 1 if problems else 0


def show_files(program: Path, write: bool, gate: bool) -> int:
    """Lists the files that a frame crosses on every path, and checks ARCHITECTURE.md or updates it."""
    found = files.crossed(program, _paths(program))
    print(files.table(found))
    if write:
        pages.write(files.PAGE, files.SECTION, files.table(found))
    problems, long = files.stale(found, files.PAGE.read_text()), files.too_long(found)
    for problem in [*problems, *long] if gate else problems:
        print(f"test {problem} ... FAILED", file=sys.stderr)
    if not gate:
        print("".join(f"{problem}\n" for problem in long), end="")
    failed = len(problems) + len(long) * gate
    print(f"{len(found) + 1 - failed} passed, {failed} failed")
    return 1 if failed else 0


def beyond(budget: dict[str, int], counts: dict[str, float]) -> list[str]:
    """What is wrong, one sentence each: paths over their budget, without one, or so far below it that it guards nothing."""
    problems = []
    for path, found in counts.items():
        if path not in budget:
            problems.append(f"{path}: no budget in {BUDGET.name}; it takes {found:.0f} instructions per packet")
        elif found > budget[path]:
            problems.append(f"{path}: {found:.0f} instructions per packet exceed its budget of {budget[path]}")
        elif found < SLACK * budget[path]:
            problems.append(f"{path}: {found:.0f} instructions per packet; lower its budget of {budget[path]}")
    problems += [f"{path}: has a budget but was not counted" for path in budget if path not in counts]
    return problems


def build() -> Path:
    """Builds the program that is counted."""
    command = cargo("build", "--release", "--locked", "--features", "instructions", "--bin", "instructions", "--bin", "pace")
    if subprocess.run(command, cwd=REPOSITORY, stdout=sys.stderr).returncode:
        raise LabError("the program does not build; cargo says why above")
    return PROGRAM


def count(program: Path) -> dict[str, dict[str, float]]:
    """By path and stage: instructions per packet."""
    paths, stages = _paths(program), ("parse", *BUDGETED)
    with ThreadPoolExecutor(2) as pool:
        runs = {(path, stage): pool.submit(_collected, program, path, stage) for path in paths for stage in ("copy", *stages)}
        found = {key: run.result() for key, run in runs.items()}
    return {path: {stage: (found[path, stage] - found[path, "copy"]) / PACKETS for stage in stages} for path in paths}


def _paths(program: Path) -> list[str]:
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()


def _collected(program: Path, path: str, stage: str) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, path, stage, str(PACKETS)]
    run = subprocess.run(command, capture_output=True, text=True)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not collected:
        raise LabError(f"valgrind did not count {path}: {run.stderr.strip().splitlines()[-1:]}")
    return int(collected[1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/instructions", description="Counts instructions per packet on every path, "
                                     "and fails if one exceeds its budget in benches/instructions.toml.")
    parser.add_argument("--files", action="store_true", help="list the source files that a frame crosses on every path instead, and "
                        "check the table in ARCHITECTURE.md")
    parser.add_argument("--write", action="store_true", help="with --files: update that table")
    parser.add_argument("--gate", action="store_true", help="with --files: fail as well if a path crosses more files than it should "
                        f"({files.WITHOUT_FLOW}, with a flow {files.WITH_FLOW})")
    parser.add_argument("--program", type=Path, metavar="FILE", help="count this program instead of building one; `pace` is taken from beside it")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
