"""A lab that stands for all tests of a class: the wires, the pair of SIP Servers, and Fairlead between them.

Read first: `scripts/lab/topology.py`. Tests leave sip-a active, as they found it.
"""

import hashlib
import itertools
import socket
import subprocess
import sys
import time
import unittest
from collections.abc import Callable
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from lab import addresses, sipp, sockets  # noqa: E402
from lab.appliance import Appliance, Setting  # noqa: E402
from lab.host import Program  # noqa: E402
from lab.sip.pair import Pair  # noqa: E402
from lab.topology import Lab  # noqa: E402


class StandingLab(unittest.TestCase):
    """Lays out the lab once for the class and takes it away after the last test."""

    lab: Lab
    pair: Pair
    appliance: Appliance
    #: How hosts and wires are laid out.
    layout: type[Lab] = Lab
    #: What the appliance is made of.
    kind: type[Appliance] = Appliance
    #: How the appliance's file differs from the usual.
    setting = Setting()
    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = cls.enterClassContext(cls.layout())
        cls.pair = Pair(cls.lab)
        cls.pair.start()
        cls.appliance = cls.kind(cls.lab, setting=cls.setting)
        cls.appliance.start()
        cls.appliance.wait_for_active("sip-a")

    def run_in(self, host: str, *argv: str, timeout: float = 30.0, check: bool = True) -> str:
        """What a program in a host prints; it must end well unless `check` is off."""
        done = self.lab.host(host).run(list(argv), timeout, check=False)
        if check and done.returncode != 0:
            self.fail(f"`{' '.join(argv)}` on {host} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def python_in(self, host: str, code: str, *arguments: str) -> str:
        """What a few lines of Python print in a host."""
        return self.run_in(host, sys.executable, "-c", code, *arguments).strip()

    def start_in(self, host: str, *argv: str) -> Program:
        """Starts a program in a host; it ends with the test."""
        name = f"{self.id().rpartition('.')[2]}-{host}-{Path(argv[0]).name}-{next(self.numbers)}"
        program = self.lab.host(host).start(name, list(argv))
        self.addCleanup(program.stop)
        return program

    def wait_for(self, it: Callable[[], bool], timeout: float = 10.0, seen: Callable[[], str] = str) -> None:
        """Waits until `it` is so; `seen` says what was seen instead."""
        deadline = time.monotonic() + timeout
        while not it():
            self.assertLess(time.monotonic(), deadline, f"not within {timeout:g} s: {seen()}")
            time.sleep(0.05)

    def wait_until_it_listens(self, host: str, port: int) -> None:
        """Waits for a listener, TCP or UDP, on a port of a host."""
        self.wait_for(
            lambda: f":{port} " in self.run_in(host, "ss", "-Hltun"),
            seen=lambda: f"nothing listens on port {port} of {host}",
        )

    def wait_for_calls(self, caller: sipp.Caller, count: int) -> None:
        """Waits until that many calls have completed."""
        self.wait_for(lambda: caller.calls().completed >= count, 20.0, lambda: f"{caller.calls()}")

    def udp_in(self, host: str, address: str, port: int = 0, **how) -> socket.socket:
        """A bound UDP socket in a host; it is closed with the test."""
        return self.enterContext(sockets.udp(self.lab.host(host), address, port, **how))

    def listen_in(self, host: str, address: str, port: int) -> socket.socket:
        """A listening TCP socket in a host; it is closed with the test."""
        return self.enterContext(sockets.listener(self.lab.host(host), address, port))

    def connected(self, host: str, listening: socket.socket, address: str) -> tuple[socket.socket, socket.socket]:
        """A TCP connection from a host to a listener, called by `address`: both ends."""
        ours = self.enterContext(sockets.connect(self.lab.host(host), address, listening.getsockname()[1]))
        theirs = self.enterContext(listening.accept()[0])
        theirs.settimeout(sockets.PATIENCE)
        return ours, theirs

    def received(self, by: socket.socket) -> tuple[str, tuple[str, int]]:
        """The digest of the next datagram on a socket, and whom it came from."""
        try:
            payload, source = by.recvfrom(65535)
        except TimeoutError:
            self.fail(f"no datagram arrived; dropped so far: {self.dropped()}")
        return digest(payload), source

    def dropped(self) -> dict[str, int]:
        """The counters of drops that are not zero."""
        return {name: n for name, n in self.appliance.counters().items() if name.startswith("drop_") and n}

    def back_to_sip_a(self) -> None:
        """Makes sip-a the primary and the active member again."""
        for member in addresses.MEMBERS:
            self.pair.revive(member)
        self.pair.order("sip-b", "backup")
        self.pair.order("sip-a", "primary")
        self.pair.primary = "sip-a"
        self.appliance.wait_for_active("sip-a")


def digest(payload: bytes) -> str:
    """Enough of a payload to tell it from another: a failed test should not show 65,507 bytes."""
    return f"{len(payload)} bytes {hashlib.sha256(payload).hexdigest()[:16]}"


def python_with(module: str) -> str:
    """A Python that has a module of Debian's: Debian's own, which is not always the first on the PATH."""
    for candidate in ("/usr/bin/python3", sys.executable):
        if subprocess.run([candidate, "-c", f"import {module}"], capture_output=True).returncode == 0:
            return candidate
    raise AssertionError(f"{module} is not installed: scripts/setup installs it")


__all__ = ["SCRIPTS", "Setting", "StandingLab", "addresses", "digest", "python_with", "sipp"]
