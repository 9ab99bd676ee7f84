"""A service manager, as far as Fairlead needs one: `python3 -m lab.manager --socket PATH -- PROGRAM ARGUMENTS...`.

Owns: the socket on which its program speaks (sd_notify(3)), the descriptors that it leaves here (`FDSTORE=1`), and that it finds them when it is
started again (sd_listen_fds(3)): after SIGHUP to the manager, which ends it as a restart does, or when it has died. Ends with SIGTERM, and its
program with it. Never: what the program is.
"""

import argparse
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

#: The first descriptor that a program is given.
FIRST = 3
#: From the end of a program to its next start, in seconds.
PAUSE = 0.2
#: How often it looks whether its program has ended, in seconds.
LOOK = 0.01


class Manager:
    """One service."""

    def __init__(self, path: Path, pause: float, command: list[str]):
        self._path, self._pause, self._command = path, pause, command
        self._kept: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path.unlink(missing_ok=True)  # of one that was here before
        self._socket.bind(str(path))
        self._program = 0
        self._ending = False

    def run(self) -> int:
        """Serves until it is to end."""
        signal.signal(signal.SIGHUP, lambda *_: self._signal(signal.SIGTERM))
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        while not self._ending:
            self._start()
            self._serve()
            time.sleep(self._pause)
        return 0

    def _start(self) -> None:
        said(f"starts its program with {[name for name, _ in self._kept]}")
        self._program = os.fork()
        if self._program:
            return
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        # First out of the way of the numbers that they are to have.
        high = [os.dup2(fd, 200 + at) for at, (_, fd) in enumerate(self._kept)]
        for at, fd in enumerate(high):
            os.dup2(fd, FIRST + at, inheritable=True)
        os.closerange(FIRST + len(high), 1024)
        environment = {**os.environ, "NOTIFY_SOCKET": str(self._path)}
        if self._kept:
            names = ":".join(name for name, _ in self._kept)
            environment |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(self._kept)), "LISTEN_FDNAMES": names}
        os.execve(self._command[0], self._command, environment)

    def _serve(self) -> None:
        """Until the program has ended."""
        while True:
            if select.select([self._socket], [], [], LOOK)[0]:
                self._hear()
            self._drop_dead()
            ended, status = os.waitpid(self._program, os.WNOHANG)
            if ended:
                self._program = 0
                while select.select([self._socket], [], [], 0)[0]:
                    self._hear()
                said(f"its program has ended: {status}")
                return

    def _hear(self) -> None:
        message, fds, _, _ = socket.recv_fds(self._socket, 4096, 64)
        words = dict(line.split("=", 1) for line in message.decode().splitlines() if "=" in line)
        name = words.get("FDNAME", "stored")
        if words.get("FDSTOREREMOVE") == "1":
            for fd in [fd for other, fd in self._kept if other == name]:
                os.close(fd)
            self._kept = [(other, fd) for other, fd in self._kept if other != name]
            said(f"keeps {name} no more")
        if words.get("FDSTORE") == "1":
            self._kept += [(name, fd) for fd in fds]
            said(f"keeps {name}")
        if words.get("READY") == "1":
            said("its program is ready")

    def _drop_dead(self) -> None:
        """As systemd does: what has nobody at its other end is closed."""
        poll = select.poll()
        for _, fd in self._kept:
            poll.register(fd, 0)
        for dead, _ in poll.poll(0):
            said(f"closes {[name for name, fd in self._kept if fd == dead]}, which has nobody at its other end")
            self._kept = [(name, fd) for name, fd in self._kept if fd != dead]
            os.close(dead)

    def _signal(self, which: signal.Signals) -> None:
        if self._program:
            os.kill(self._program, which)

    def _end(self) -> None:
        self._ending = True
        self._signal(signal.SIGTERM)


def said(what: str) -> None:
    """A line of its log, which is that of its program as well."""
    print(f"manager: {what}", file=sys.stderr, flush=True)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True, type=Path)
    parser.add_argument("--pause", default=PAUSE, type=float, help="seconds between two of its programs")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    return Manager(arguments.socket, arguments.pause, arguments.command).run()


if __name__ == "__main__":
    sys.exit(main())
