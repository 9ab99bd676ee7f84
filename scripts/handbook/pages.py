"""The pages of the handbook, and the fenced blocks in them.

Owns: which pages there are (`SUMMARY.md`), and what stands in a fence. Never: whether that is right.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BOOK = REPOSITORY / "docs"
SOURCE = BOOK / "src"
#: What belongs to the book and is kept elsewhere; `SOURCE` has a link to it.
SHIPPED = SOURCE / "dpdk-config"

CHAPTER = re.compile(r"\]\(([^)]+\.md)\)")
FENCE = re.compile(r"^(```+)(.*)$")
INCLUDED = re.compile(r"^\{\{#include ([^}]+)\}\}$")


class HandbookError(Exception):
    """A page that cannot be read."""


@dataclass(frozen=True)
class Block:
    """What stands in a fence. `first`: the number of the line after the one that opens it. `attributes`: `soon`, `not-run=systemd`."""

    page: Path
    first: int
    language: str
    attributes: dict[str, str] = field(hash=False)
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def place(self) -> str:
        """Where it is, for a message."""
        return f"{self.page.relative_to(SOURCE)}:{self.first}"


def chapters() -> list[Path]:
    """All pages, in the order in which they are read."""
    return [SOURCE / name for name in CHAPTER.findall((SOURCE / "SUMMARY.md").read_text())]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found, opened, inside = [], None, []
    for number, line in enumerate(page.read_text().split("\n"), 1):
        fence = FENCE.match(line.strip())
        if opened is None:
            if fence:
                opened, inside = (fence[1], fence[2], number + 1), []
        elif fence and fence[1] == opened[0] and not fence[2]:
            language, *attributes = opened[1].split(",")
            said = dict((name, value) for name, _, value in (each.partition("=") for each in attributes))
            found.append(Block(page, opened[2], language, said, tuple(inside)))
            opened = None
        elif included := INCLUDED.match(line):
            inside += (page.parent / included[1]).read_text().rstrip().split("\n")
        else:
            inside.append(line)
    if opened:
        raise HandbookError(f"{page}:{opened[2]}: the fence has no end")
    return found


def prose(page: Path) -> str:
    """A page without what stands in fences."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
