"""Runs what the handbook shows, and says where it shows something else than what comes; `--bless` writes what came into it.

Needs root. Elisions (`...`) are for a person to put in again where something varies.
"""

import argparse
import sys
from pathlib import Path

from lab.appliance import binary

from .pages import SOURCE, chapters
from .room import Room, RoomError
from .session import Outcome, play


def main() -> int:
    """Parses the command line and plays the pages."""
    parser = argparse.ArgumentParser(prog="python3 -m handbook", description=__doc__.splitlines()[0])
    parser.add_argument("--bless", action="store_true", help="write what came into the pages")
    parser.add_argument("--until", metavar="PAGE", help="stop after this page")
    parser.add_argument("--program", type=Path, help="the fairlead to run")
    options = parser.parse_args()
    pages = chapters()
    if options.until:
        pages = pages[: pages.index(SOURCE / options.until) + 1]
    bad: list[Outcome] = []
    try:
        with Room(options.program or binary()) as room:
            bad += (outcome for outcome in play(room, pages) if not _is_well(outcome))
    except RoomError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if options.bless:
            _bless(bad)
    return int(bool(bad))


def _is_well(outcome: Outcome) -> bool:
    mark = "✔" if outcome.is_well else "✘"
    print(f"{mark} {outcome.seconds:5.1f} s  {outcome.block.place}: {outcome.exchange.command.splitlines()[0]}", flush=True)
    if not outcome.is_well:
        print("".join(f"  │ {line}\n" for line in outcome.came.splitlines()) + f"  ? {outcome.code}")
    return outcome.is_well


def _bless(bad: list[Outcome]) -> None:
    """From the last to the first, so that lines keep their numbers."""
    for outcome in sorted(bad, key=lambda each: (each.block.page, each.block.first + each.exchange.first), reverse=True):
        lines = outcome.block.page.read_text().split("\n")
        came = [line.rstrip() for line in outcome.came.rstrip().split("\n")] if outcome.came.strip() else []
        came += [f"? {outcome.code}"] if outcome.code else []
        begin, end = outcome.block.first - 1 + outcome.exchange.first, outcome.block.first - 1 + outcome.exchange.last
        if lines[end].startswith("$ "):
            came.append("")
        lines[begin:end] = came
        outcome.block.page.write_text("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
