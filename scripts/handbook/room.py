"""A machine to type the handbook's commands on: a shell as root in namespaces of its own, in which the package seems to be installed.
(`installed` has one where it is.)

Whatever is typed there (files in /etc, processes, network namespaces) is gone with it, and nobody outside sees it. Owns the shell. Never:
what is typed.
"""

import os
import selectors
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from .pages import REPOSITORY

#: What the package would have installed, by links. What is written to /etc, /usr and /var is kept in memory and seen in here only; /tmp and
#: /run are empty.
SETUP = r"""
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/.room/repository /run/lock
touch /run/.room/fairlead
mount --rbind "$REPOSITORY" /run/.room/repository
mount --bind "$PROGRAM" /run/.room/fairlead
mount -t tmpfs -o mode=1777 tmpfs /tmp
for top in etc usr var; do
  mkdir -p /run/.room/$top/upper /run/.room/$top/work
  mount -t overlay overlay -o lowerdir=/$top,upperdir=/run/.room/$top/upper,workdir=/run/.room/$top/work /$top
done
mkdir -p /etc/fairlead /usr/share/doc/fairlead
rm -rf /var/lib/fairlead
rm -rf /etc/fairlead/*
ln -sfn /run/.room/repository/dpdk-config /usr/share/doc/fairlead/dpdk-config
ln -sfn /run/.room/fairlead /usr/bin/fairlead
ln -sfn /run/.room/repository/scripts/machine /usr/sbin/fairlead-machine
hostname lead-1
ip link set lo up
set +e
"""
#: How long a command may take, in seconds.
PATIENCE = 60.0


class RoomError(Exception):
    """The shell is gone, or a command takes too long."""


class Shell:
    """A shell somewhere, as a context manager. `setup` is typed first."""

    #: What is not run in general, for these reasons, is run here.
    runs: frozenset[str] = frozenset()
    #: How long a command may take, in seconds.
    patience = PATIENCE
    command: list[str]
    setup: str

    def __init__(self, folder: tempfile.TemporaryDirectory, shell: dict):
        self._folder = folder
        self._output = Path(folder.name) / "output"
        self._shell = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, **shell,
        )
        os.set_blocking(self._shell.stdout.fileno(), False)

    def __enter__(self) -> Self:
        try:
            code, said = Shell.type(self, self.setup)
            if code != 0:
                raise RoomError(f"The room cannot be set up: {said}")
        except RoomError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        self._shell.stdin.close()
        self._shell.stdout.close()
        self._folder.cleanup()

    def keep(self, name: str, text: str) -> Path:
        """Writes a file that is seen in there too."""
        path = Path(self._folder.name) / name
        path.write_text(text)
        return path

    def write(self, path: str, text: str) -> None:
        """Writes a file, as an editor would."""
        self.type(f"cat {shlex.quote(str(self.keep('file', text)))} > {shlex.quote(path)}")

    def type(self, command: str, reason: str | None = None) -> tuple[int, str]:
        """Types a command, and returns its exit code and what it has printed when it has ended; one put behind `&` goes its way.

        `reason`: why it is not run elsewhere.
        """
        typed, output = shlex.quote(str(self.keep("typed", f"{command}\n"))), shlex.quote(str(self._output))
        line = f". {typed} </dev/null >{output} 2>&1; echo \"ended $?\"\n"
        self._shell.stdin.write(line.encode())
        self._shell.stdin.flush()
        return self._ended(command), self._output.read_text(errors="replace")

    def _ended(self, command: str) -> int:
        said = ""
        with selectors.DefaultSelector() as selector:
            selector.register(self._shell.stdout, selectors.EVENT_READ)
            while "ended " not in said or not said.endswith("\n"):
                if not selector.select(self.patience):
                    raise RoomError(f"`{command}` did not end within {self.patience:g} s")
                came = self._shell.stdout.read()
                if not came:
                    raise RoomError(f"The shell has ended at `{command}`: {said}")
                said += came.decode(errors="replace")
        return int(said.rpartition("ended ")[2])


class Room(Shell):
    """The shell on this machine, in namespaces."""

    setup = SETUP

    def __init__(self, program: Path):
        folder = tempfile.TemporaryDirectory(prefix="fairlead-handbook-", dir="/dev/shm")
        work = Path(folder.name) / "work"
        work.mkdir()
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(work), "TERM": "dumb",
            "LC_ALL": "C.UTF-8", "TZ": "UTC", "REPOSITORY": str(REPOSITORY), "PROGRAM": str(program.resolve()),
        }
        names = ["--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.command = ["unshare", *names, "bash"]
        super().__init__(folder, {"cwd": work, "env": environment})
