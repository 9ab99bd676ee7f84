"""A host of the lab: one network namespace and the programs that run in it.

Owns: making and deleting the namespace, running programs inside. Never: addresses and wires (see `topology`).
"""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from .shell import LabError, run


class Program:
    """A program that runs in a host until it is stopped; its output goes to a file."""

    def __init__(self, name: str, process: subprocess.Popen, log: Path):
        self.name = name
        self.process = process
        self.log = log

    def is_running(self) -> bool:
        """Whether it is still running."""
        return self.process.poll() is None

    def wait(self, timeout: float) -> int:
        """Waits until it exits by itself, at most `timeout` seconds, and returns its exit code."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.name} did not exit within {timeout:g} s; its output is in {self.log}") from error

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, patience: float = 3.0) -> int:
        """Terminates it, by force after `patience` seconds. Returns its exit code."""
        if self.is_running():
            self.process.send_signal(with_signal)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def said(self) -> str:
        """Its output so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Host:
    """One network namespace, named `fl-<lab id>-<host name>`."""

    def __init__(self, lab_id: str, name: str, directory: Path, outlive: bool = False):
        self.name = name
        self.namespace = f"fl-{lab_id}-{name}"
        self.directory = directory
        self._outlive = outlive

    def create(self) -> None:
        """Creates the namespace: loopback up, IPv6 off so that only the lab's own frames are on its wires."""
        run(["ip", "netns", "add", self.namespace])
        self.ip("link", "set", "lo", "up")
        for scope in ("all", "default"):
            self.sysctl(f"net.ipv6.conf.{scope}.disable_ipv6", "1")

    def delete(self) -> None:
        """Stops whatever still runs inside and removes the namespace. Does nothing if it does not exist."""
        delete_namespace(self.namespace)

    def ip(self, *words: str) -> str:
        """`ip` inside the host."""
        return run(["ip", "-n", self.namespace, *words]).stdout

    def sysctl(self, key: str, value: str) -> None:
        """Sets a sysctl of the host; one that this kernel does not have is skipped."""
        path = "/proc/sys/" + key.replace(".", "/")
        self.run(["sh", "-c", f"test ! -e {path} || echo {value} > {path}"])

    def run(self, argv: Sequence[str], timeout: float = 60.0, check: bool = True) -> subprocess.CompletedProcess:
        """Runs a program in the host to completion."""
        return run(self._inside(argv), timeout, check)

    def start(self, name: str, argv: Sequence[str], environment: dict[str, str] | None = None) -> Program:
        """Starts a program in the host. Unless the lab is to be kept, it is stopped with the lab."""
        log = self.directory / f"{name}.log"
        command = self._inside(argv)
        if not self._outlive:
            command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=self.directory,
                start_new_session=True,
            )
        return Program(name, process, log)

    def _inside(self, argv: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *argv]


def delete_namespace(namespace: str) -> None:
    """Stops every process of a namespace and removes it."""
    if namespace not in namespaces():
        return
    for stop in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 2.0
        while (pids := _processes(namespace)) and time.monotonic() < deadline:
            for pid in pids:
                _send(pid, stop)
            time.sleep(0.05)
    run(["ip", "netns", "delete", namespace], check=False)


def namespaces() -> list[str]:
    """The names of all network namespaces."""
    listed = run(["ip", "netns", "list"]).stdout.splitlines()
    return [line.split()[0] for line in listed if line.strip()]


def _processes(namespace: str) -> list[int]:
    return [int(pid) for pid in run(["ip", "netns", "pids", namespace], check=False).stdout.split()]


def _send(pid: int, which: signal.Signals) -> None:
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        pass
