"""A lab that stands for all tests of a class: the wires, the pair of SIP Servers, and Fairlead between them.

Read first: `scripts/lab/topology.py`. Tests leave sip-a active, as they found it.
"""

import itertools
import subprocess
import sys
import time
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from lab import addresses  # noqa: E402
from lab.appliance import Appliance  # noqa: E402
from lab.host import Program  # noqa: E402
from lab.sip.pair import Pair  # noqa: E402
from lab.topology import Lab  # noqa: E402


class StandingLab(unittest.TestCase):
    """Lays out the lab once for the class and takes it away after the last test."""

    lab: Lab
    pair: Pair
    appliance: Appliance
    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = cls.enterClassContext(Lab())
        cls.pair = Pair(cls.lab)
        cls.pair.start()
        cls.appliance = Appliance(cls.lab)
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
        name = f"{self.id().rpartition('.')[2]}-{host}-{argv[0]}-{next(self.numbers)}"
        program = self.lab.host(host).start(name, list(argv))
        self.addCleanup(program.stop)
        return program

    def wait_until_it_listens(self, host: str, port: int) -> None:
        """Waits for a TCP listener on a port of a host."""
        deadline = time.monotonic() + 5.0
        while f":{port} " not in self.run_in(host, "ss", "-Hltn"):
            self.assertLess(time.monotonic(), deadline, f"nothing listens on port {port} of {host}")
            time.sleep(0.05)

    def back_to_sip_a(self) -> None:
        """Makes sip-a the primary and the active member again."""
        self.pair.order("sip-b", "backup")
        self.pair.order("sip-a", "primary")
        self.pair.primary = "sip-a"
        self.appliance.wait_for_active("sip-a")


def scapy_python() -> str:
    """A Python that has scapy: Debian's own, which is not always the first on the PATH."""
    for candidate in ("/usr/bin/python3", sys.executable):
        if subprocess.run([candidate, "-c", "import scapy"], capture_output=True).returncode == 0:
            return candidate
    raise AssertionError("scapy is not installed: scripts/setup installs it")


__all__ = ["SCRIPTS", "StandingLab", "addresses", "scapy_python"]
