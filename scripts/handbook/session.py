"""The commands of the handbook, typed one after the other as a reader would.

Owns: the order of pages, what is typed, and the comparison. `room` has the shell.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .pages import Block, blocks, chapters
from .room import Shell
from .transcript import Exchange, exchanges, matches

#: How long what is marked `soon` is asked for, in seconds, and how often.
SOON, AGAIN = 20.0, 0.2
#: Why a command is not run, by what stands in its fence.
REASONS = {
    "package": "installs packages on the machine itself; scripts/packages types those of the first chapters in bare roots",
    "build": "builds the program, as other tests do",
    "systemd": "needs systemd as process 1",
    "nic": "needs a NIC, or changes how the machine boots",
    "terminal": "needs a terminal, or goes on until it is stopped",
    "pair": "needs two machines; tests/lab/long/test_rolling_upgrade.py has them",
    "daemon": "needs a daemon beside; tests/lab/long/test_recipes.py has it",
    "container": "needs podman, and an image to begin with",
    "site": "needs the machines of your site",
}


@dataclass(frozen=True)
class Outcome:
    """One command, and what came of it."""

    block: Block
    exchange: Exchange
    code: int
    came: str
    seconds: float

    @property
    def is_well(self) -> bool:
        """Whether the handbook says what came."""
        figures = "figures" in self.block.attributes
        return self.code == self.exchange.code and matches(self.exchange.said, self.came, figures)


def not_run() -> Iterator[Block]:
    """The blocks of commands that no test runs."""
    return (block for page in chapters() for block in blocks(page) if block.language == "console" and "not-run" in block.attributes)


def play(room: Shell, pages: list[Path] | None = None) -> Iterator[Outcome]:
    """Types all of the pages, and writes the files that they show."""
    for page in pages or chapters():
        for block in blocks(page):
            if block.attributes.get("not-run") not in {None, *room.runs}:
                continue
            if "file" in block.attributes:
                room.write(block.attributes["file"], block.text)
            if block.language == "console":
                yield from (_outcome(room, block, exchange) for exchange in exchanges(block))


def _outcome(room: Shell, block: Block, exchange: Exchange) -> Outcome:
    began = time.monotonic()
    while True:
        code, came = room.type(exchange.command, block.attributes.get("not-run"))
        outcome = Outcome(block, exchange, code, came, time.monotonic() - began)
        # Where nothing is shown yet, something is to be shown soon.
        if outcome.is_well or "soon" not in block.attributes or outcome.seconds > (SOON if exchange.said else SOON / 8):
            return outcome
        time.sleep(AGAIN)
