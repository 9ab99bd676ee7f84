"""Tables in Markdown, and the page they are part of.

Owns: the form of a table, and the text between two markers of a page: a run replaces its own table there and nothing else. Never: figures.
"""

import re
from pathlib import Path


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell or " " for cell in line) + " |" for line in lines)


def replaced(page: str, name: str, text: str) -> str:
    """The page with `text` between the markers of that name; at the end if the page has no such markers yet."""
    opening, closing = f"<!-- bench: {name} -->", f"<!-- bench: end of {name} -->"
    block = f"{opening}\n{text.strip()}\n{closing}"
    pattern = re.compile(re.escape(opening) + r".*?" + re.escape(closing), re.DOTALL)
    if pattern.search(page):
        return pattern.sub(lambda _: block, page, count=1)
    return f"{page.rstrip()}\n\n{block}\n"


def write(path: Path, name: str, text: str) -> None:
    """Replaces the text between the markers of a file, atomically."""
    growing = path.with_suffix(".part")
    growing.write_text(replaced(path.read_text(), name, text))
    growing.replace(path)
