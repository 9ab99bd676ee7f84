"""Runs what the handbook shows, and says where it shows something else than what comes; `--bless` writes what came into it.

With `--root` and `--package` in a bare root, where what it says to install is installed; else where the package seems to be. Needs root.
Elisions (`...`) are for a person to put in again where something varies.
"""

import argparse
import sys
from pathlib import Path

from lab.appliance import binary

from .installed import InstalledRoom
from .pages import SOURCE, chapters
from .room import Room, RoomError, Shell
from .session import Outcome, play

#: What the handbook calls the package.
PACKAGE = "fairlead_0.1.0-1_amd64.deb"


def main() -> int:
    """Parses the command line and plays the pages."""
    parser = argparse.ArgumentParser(prog="python3 -m handbook", description=__doc__.splitlines()[0])
    parser.add_argument("--bless", action="store_true", help="write what came into the pages")
    parser.add_argument("--until", metavar="PAGE", help="stop after this page")
    parser.add_argument("--program", type=Path, help="the fairlead to run")
    parser.add_argument("--root", type=Path, help="a bare root of a Debian in which to install")
    parser.add_argument("--package", type=Path, help="what to install there")
    options = parser.parse_args()
    pages = chapters()
    if options.until:
        pages = pages[: pages.index(SOURCE / options.until) + 1]
    bad: list[Outcome] = []
    try:
        with _room(options) as room:
            bad += (outcome for outcome in play(room, pages) if not _is_well(outcome))
    except RoomError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if options.bless:
            _bless(bad)
    return int(bool(bad))


def _room(options: argparse.Namespace) -> Shell:
    if options.root is None:
        return Room(options.program or binary())
    return InstalledRoom(options.root, options.package, PACKAGE)


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
