"""A machine to type the handbook's commands on: a shell as root in namespaces of its own, in which the package seems to be installed.

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


class Room:
    """The shell, as a context manager."""

    def __init__(self, program: Path):
        self._folder = tempfile.TemporaryDirectory(prefix="fairlead-handbook-", dir="/dev/shm")
        self._output = Path(self._folder.name) / "output"
        self._typed = Path(self._folder.name) / "typed"
        self._work = Path(self._folder.name) / "work"
        self._work.mkdir()
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self._work), "TERM": "dumb",
            "LC_ALL": "C.UTF-8", "TZ": "UTC", "REPOSITORY": str(REPOSITORY), "PROGRAM": str(program.resolve()),
        }
        names = ["--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._shell = subprocess.Popen(
            ["unshare", *names, "bash"], cwd=self._work, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )
        os.set_blocking(self._shell.stdout.fileno(), False)

    def __enter__(self) -> "Room":
        code, said = self.type(SETUP)
        if code != 0:
            raise RoomError(f"The room cannot be set up: {said}")
        return self

    def __exit__(self, *_) -> None:
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        self._shell.stdin.close()
        self._shell.stdout.close()
        self._folder.cleanup()

    def write(self, path: str, text: str) -> None:
        """Writes a file, as an editor would."""
        self._typed.with_name("file").write_text(text)
        self.type(f"cat {shlex.quote(str(self._typed.with_name('file')))} > {shlex.quote(path)}")

    def type(self, command: str, patience: float = PATIENCE) -> tuple[int, str]:
        """Types a command, and returns its exit code and what it has printed when it has ended; one put behind `&` goes its way."""
        self._typed.write_text(f"{command}\n")
        typed, output = shlex.quote(str(self._typed)), shlex.quote(str(self._output))
        line = f". {typed} </dev/null >{output} 2>&1; echo \"ended $?\"\n"
        self._shell.stdin.write(line.encode())
        self._shell.stdin.flush()
        return self._ended(command, patience), self._output.read_text(errors="replace")

    def _ended(self, command: str, patience: float) -> int:
        said = ""
        with selectors.DefaultSelector() as selector:
            selector.register(self._shell.stdout, selectors.EVENT_READ)
            while "ended " not in said or not said.endswith("\n"):
                if not selector.select(patience):
                    raise RoomError(f"`{command}` did not end within {patience:g} s")
                came = self._shell.stdout.read()
                if not came:
                    raise RoomError(f"The shell has ended at `{command}`: {said}")
                said += came.decode(errors="replace")
        return int(said.rpartition("ended ")[2])
