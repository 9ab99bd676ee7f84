"""A program of a rig: started, talked to, and stopped with the rig.

Owns: that nothing outlives the run, even one that is killed (`setpriv --pdeathsig`). Never: what the program does.
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
            raise LabError(f"{self.name} exited unexpectedly. {self.last_words()}") from error

    def said(self) -> str:
        """Its output so far."""
        return self._log.read_text(errors="replace")

    def last_words(self) -> str:
        """The end of its output, for a message."""
        return f"Its last output:\n{self.said()[-1500:]}"

    def must_run(self) -> None:
        """Raises if it has exited."""
        if self._process.poll() is not None:
            raise LabError(f"{self.name} exited with {self._process.returncode}. {self.last_words()}")

    def ran(self, threads: str) -> int:
        """Average run time of the threads whose name matches the pattern, in nanoseconds; 0 if there are none."""
        spans = []
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            if fnmatch.fnmatch((task / "comm").read_text().strip(), threads):
                spans.append(int((task / "schedstat").read_text().split()[0]))
        return sum(spans) // max(1, len(spans))

    def ran_first(self) -> int:
        """Run time of its first thread, in nanoseconds."""
        pid = self._process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0])

    def stop(self, patience: float = 20.0) -> None:
        """SIGTERM, then SIGKILL if it does not exit."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._output.close()
