"""What the lab prints: progress, tables, and whether each expectation held.

Owns: the output, and the count of expectations that did not hold. Never: what is expected.
"""

import sys
import time


class Report:
    """Prints as it goes."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._colour = sys.stdout.isatty()
        self.held = 0
        self.broken: list[str] = []

    def chapter(self, title: str) -> None:
        """A heading."""
        print(f"\n{self._paint('1', f'── {title} ')}{self._paint('2', f'({self.seconds():.0f} s)')}", flush=True)

    def say(self, line: str) -> None:
        """A line of progress."""
        print(f"  {line}", flush=True)

    def show(self, command: str, text: str) -> None:
        """A command and its output."""
        print(self._paint("2", f"  $ {command}"))
        for line in text.rstrip().splitlines():
            print(f"    {line}")
        print(flush=True)

    def table(self, head: list[str], rows: list[list]) -> None:
        """Aligned columns, numbers to the right."""
        cells = [head, *[[str(cell) for cell in row] for row in rows]]
        widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
        for line in cells:
            padded = [
                cell.rjust(width) if cell.replace(".", "").isdigit() else cell.ljust(width)
                for cell, width in zip(line, widths)
            ]
            print("    " + "  ".join(padded).rstrip())
        print(flush=True)

    def expect(self, what: str, holds: bool, seen: str = "") -> bool:
        """One expectation: whether it held, and what was seen."""
        mark = self._paint("32", "✔") if holds else self._paint("31", "✘")
        print(f"  {mark} {what}{f': {seen}' if seen else ''}", flush=True)
        if holds:
            self.held += 1
        else:
            self.broken.append(what)
        return holds

    def seconds(self) -> float:
        """Since the report began."""
        return time.monotonic() - self._began

    def end(self) -> int:
        """The summary, and the exit code: 0 if all held."""
        total = self.held + len(self.broken)
        self.chapter("All expectations held" if not self.broken else "Some expectations did not hold")
        self.say(f"{self.held} of {total} expectations held, in {self.seconds():.0f} s")
        for what in self.broken:
            self.say(f"{self._paint('31', '✘')} {what}")
        return 0 if not self.broken else 1

    def _paint(self, colour: str, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colour else text
