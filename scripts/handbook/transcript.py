"""What was typed and what came, as a `console` block shows it.

`$ ` begins a command, `> ` continues it; what follows is its output, standard error included, and `? 2` its exit code if that is not 0. Of the
output `...` stands for any text, in a line or for whole ones. Spaces and line ends count as one space, as columns are as wide as what is in them;
times, durations and MACs are those of a run, and any other will do. In a block with `figures` so will any other number.
"""

import re
from dataclasses import dataclass

from .pages import Block

ELSE = "..."

#: What is of one run, and what stands for all of them.
OF_A_RUN = (
    (re.compile(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b"), "MAC"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d(\.\d+)?\b"), "TIME"),
    (re.compile(r"#\d+-\d+\b"), "#N"),
    (re.compile(r"\b\d+(\.\d+)? ?(ns|µs|us|ms|s|m|h)\b"), "SPAN"),
    (re.compile(r"\bpid \d+"), "pid N"),
)
FIGURE = re.compile(r"(?<![\w.:/-])\d[\d,]*(\.\d+)?(?![\d.:/])")


@dataclass(frozen=True)
class Exchange:
    """A command. `said`: what comes, elisions as they are written. `first`, `last`: which lines of the block are its output and code."""

    command: str
    said: tuple[str, ...]
    code: int
    first: int
    last: int


def exchanges(block: Block) -> list[Exchange]:
    """The commands of a block."""
    found: list[Exchange] = []
    at = 0
    while at < len(block.lines):
        if not block.lines[at].startswith("$ "):
            raise ValueError(f"{block.place}: a command begins with `$ `, not with {block.lines[at]!r}")
        typed = [block.lines[at][2:]]
        at += 1
        while at < len(block.lines) and block.lines[at].startswith("> "):
            typed.append(block.lines[at][2:])
            at += 1
        first = at
        while at < len(block.lines) and not block.lines[at].startswith("$ "):
            at += 1
        said = list(block.lines[first:at])
        while said and not said[-1]:
            said.pop()
        code = 0
        if said and (ended := re.fullmatch(r"\? (\d+)", said[-1])):
            code = int(ended[1])
            said.pop()
        found.append(Exchange("\n".join(typed), tuple(said), code, first, at))
    return found


def matches(said: tuple[str, ...], came: str, figures: bool = False) -> bool:
    """Whether what came is what is written."""
    parts = _plain("\n".join(said), figures).split(ELSE)
    return re.fullmatch(".*?".join(r"\s*" + re.escape(part.strip()) + r"\s*" for part in parts), _plain(came, figures), re.DOTALL) is not None


def _plain(text: str, figures: bool) -> str:
    for pattern, stands in OF_A_RUN:
        text = pattern.sub(stands, text)
    if figures:
        text = FIGURE.sub("N", text)
    return " ".join(text.split())
