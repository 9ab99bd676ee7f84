"""A program of a rig: started, spoken to, and gone when the rig is.

Owns: that nothing outlives the run, also when it is killed (`setpriv --pdeathsig`). Never: what the program does.
"""

import fnmatch
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.shell import LabError

_WITH_US = ["setpriv", "--pdeathsig", "KILL"]


class Process:
    """A running program, its output in a file. A session of its own: Ctrl-C is ours to pass on."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, heard: bool = False):
        self.name, self._log = name, log
        self._output = log.open("wb")
        self._process = subprocess.Popen(
            [*_WITH_US, *argv], stdin=subprocess.PIPE if heard else subprocess.DEVNULL, stdout=self._output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )

    def tell(self, line: str) -> None:
        """A line on its standard input."""
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise LabError(f"{self.name} ended by itself. {self.last_words()}") from error

    def said(self) -> str:
        """Its output so far."""
        return self._log.read_text(errors="replace")

    def last_words(self) -> str:
        """The end of its output, for a message."""
        return f"It said:\n{self.said()[-1500:]}"

    def must_run(self) -> None:
        """Refuses to go on when it has ended."""
        if self._process.poll() is not None:
            raise LabError(f"{self.name} ended with {self._process.returncode}. {self.last_words()}")

    def ran(self, threads: str) -> int:
        """Nanoseconds that the threads of this name (a pattern) have run for, on average; 0: there are none."""
        spans = []
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            if fnmatch.fnmatch((task / "comm").read_text().strip(), threads):
                spans.append(int((task / "schedstat").read_text().split()[0]))
        return sum(spans) // max(1, len(spans))

    def stop(self, patience: float = 20.0) -> None:
        """SIGTERM, and SIGKILL to one that does not hear it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._output.close()
