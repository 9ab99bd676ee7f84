"""Links between the pages: each leads to a file of the book, and to a heading that is there.

mdBook itself follows none.
"""

import re
from pathlib import Path

from .pages import SOURCE, prose

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`\n]*`")
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as mdBook makes them."""
    found: dict[str, int] = {}
    names = set()
    for heading in HEADING.findall(prose(page)):
        name = _anchor(heading)
        names.add(f"{name}-{found[name]}" if name in found else name)
        found[name] = found.get(name, 0) + 1
    return names


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere, each with why."""
    found = []
    for link in LINK.findall(CODE.sub("", prose(page))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = _plain(page.parent / path) if path else page
        if SOURCE not in target.parents:
            found.append(f"{link}: it leads out of the book")
        elif not target.is_file():
            found.append(f"{link}: there is no such file in the book")
        elif anchor and anchor not in anchors(target):
            found.append(f"{link}: there is no such heading")
    return found


def _plain(path: Path) -> Path:
    """Without `..`, and without following links of the file system: a browser knows none."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)


def _anchor(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    kept = "".join(letter for letter in plain.lower() if letter.isalnum() or letter in "_- ")
    return re.sub(r"\s", "-", kept.strip())
