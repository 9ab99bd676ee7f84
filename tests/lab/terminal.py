"""A program on a terminal of a given size: keys go in, the screen is read back.

Owns the pseudo terminal, and of its language as much as `fairlead top` speaks: places, characters, clearing.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

#: A control sequence, an escape of one character, or a character.
TOKEN = re.compile(r"\x1b\[([?>]?)([\d;:]*)([A-Za-z])|\x1b.|.", re.DOTALL)
#: The beginning of one whose end has not come yet.
BEGINNING = re.compile(r"\x1b(\[[?>]?[\d;:]*)?\Z")


class Terminal:
    """`columns` and `rows` are what programs learn; (0, 0) is a terminal that does not say."""

    def __init__(self, columns: int = 80, rows: int = 24):
        self._outer, self._inner = pty.openpty()
        self.resize(columns, rows)
        self.modes = termios.tcgetattr(self._inner)
        self.cells: dict[tuple[int, int], str] = {}
        self.raw = ""
        self._rest = b""
        self._at = (0, 0)
        self.process: subprocess.Popen | None = None

    def resize(self, columns: int, rows: int) -> None:
        """The size is another from now on; the kernel lets the program know."""
        fcntl.ioctl(self._inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def start(self, program: Path, *words: str, **environment: str) -> None:
        """Starts a program on it."""
        self.process = subprocess.Popen(
            [str(program), *words], stdin=self._inner, stdout=self._inner, stderr=self._inner, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )

    def type(self, keys: str) -> None:
        """Somebody types."""
        os.write(self._outer, keys.encode())

    def screen(self) -> str:
        """What is to be seen now, line by line."""
        while select.select([self._outer], [], [], 0.05)[0]:
            self._rest += os.read(self._outer, 1 << 16)
            text = BEGINNING.sub("", self._rest.decode(errors="ignore"))
            self._rest = self._rest[len(text.encode()):]
            self._show(text)
        last = max((row for row, _ in self.cells), default=-1)
        width = max((column for _, column in self.cells), default=-1)
        lines = ("".join(self.cells.get((row, column), " ") for column in range(width + 1)) for row in range(last + 1))
        return "\n".join(line.rstrip() for line in lines)

    def wait_for(self, text: str, timeout: float = 20.0) -> str:
        """The screen, once this text stands on it."""
        deadline = time.monotonic() + timeout
        while text not in (screen := self.screen()):
            if time.monotonic() > deadline:
                raise AssertionError(f"`{text}` was not shown within {timeout:g} s, but\n{screen}")
        return screen

    def end(self, timeout: float = 10.0) -> int:
        """Waits for the program's end: its exit code."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            self.screen()
        self.screen()
        return self.process.wait(0.1)

    def is_restored(self) -> bool:
        """It is as a shell wants it: its modes, the first screen, the cursor."""
        first_screen = self.raw.rfind("\x1b[?1049l") > self.raw.rfind("\x1b[?1049h")
        cursor = self.raw.rfind("\x1b[?25h") >= self.raw.rfind("\x1b[?25l")
        return termios.tcgetattr(self._inner) == self.modes and first_screen and cursor

    def close(self) -> None:
        """Takes it away; a program that still runs is killed."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for end in (self._outer, self._inner):
            os.close(end)

    def _show(self, text: str) -> None:
        self.raw += text
        for token in TOKEN.finditer(text):
            mark, numbers, command = token.groups()
            row, column = self._at
            if command is None and not token[0].startswith("\x1b"):
                if token[0] == "\r":
                    self._at = (row, 0)
                elif token[0] == "\n":
                    self._at = (row + 1, column)
                else:
                    self.cells[self._at] = token[0]
                    self._at = (row, column + 1)
            elif command == "H":
                row, column = ([int(number) for number in numbers.split(";") if number] + [1, 1])[:2]
                self._at = (row - 1, column - 1)
            elif command == "J" or (command == "h" and mark and numbers == "1049"):
                self.cells.clear()
