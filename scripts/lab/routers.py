"""Routing daemons on hosts of the lab: FRR and BIRD, each with a file and sockets of its own.

Owns: their processes, and how they are asked. Never: what they should announce.
"""

import json
import re
import shutil
import signal
import time
from pathlib import Path

from .host import Program
from .shell import LabError, need_programs, run
from .topology import Lab

FRR = Path("/usr/lib/frr")
#: How long a daemon may take until it can be asked, in seconds.
READY = 15.0


class Frr:
    """zebra and `daemons` of FRR on a host."""

    def __init__(self, lab: Lab, host: str, configuration: str, daemons: tuple[str, ...] = ("bgpd",), zebra: tuple[str, ...] = ()):
        need_programs("vtysh")
        self._lab, self._host, self._daemons, self._zebra = lab, host, daemons, zebra
        self._directory = lab.file(f"frr-{host}")
        self._directory.mkdir()
        shutil.chown(self._directory, "frr", "frr")  # whom the daemons become
        (self._directory / "frr.conf").write_text(configuration)
        (self._directory / "vtysh.conf").write_text("service integrated-vtysh-config\n")
        self._programs: dict[str, Program] = {}
        self.start()

    def start(self, *daemons: str) -> None:
        """Starts these again, else all of them, and gives them the configuration, as FRR's own scripts do."""
        for daemon in daemons or ("zebra", *self._daemons):
            empty = self._directory / f"{daemon}.conf"
            empty.write_text("")
            files = ["-f", str(empty), "-i", str(self._directory / f"{daemon}.pid"), "-z", str(self._directory / "zserv")]
            command = [str(FRR / daemon), *files, "--vty_socket", str(self._directory), "-A", "127.0.0.1", "-P", "0", "--log", "stdout"]
            command += self._zebra if daemon == "zebra" else []
            self._programs[daemon] = self._lab.start(self._host, f"{daemon}-{self._host}", command)
            _wait(self._programs[daemon], self._directory / f"{daemon}.vty")
        self._vtysh("-b")

    def kill(self, *daemons: str) -> None:
        """Kills these, else all of them, without warning."""
        for daemon in daemons or tuple(self._programs):
            self._programs[daemon].stop(signal.SIGKILL)
            (self._directory / f"{daemon}.vty").unlink(missing_ok=True)

    def neighbour_is_up(self, address: str) -> bool:
        """Whether the BGP session with it is established, or where OSPF runs the adjacency."""
        if "ospfd" in self._daemons:
            return f" {address} " in self.show("show ip ospf neighbor") and "Full" in self.show("show ip ospf neighbor")
        return "BGP state = Established" in self.show(f"show bgp neighbors {address}")

    def bfd_is_up(self, address: str) -> bool:
        """Whether the BFD session with it is up."""
        return any(peer["peer"] == address and peer["status"] == "up" for peer in json.loads(self.show("show bfd peers json")))

    def show(self, command: str) -> str:
        """The answer to a command of vtysh."""
        return self._vtysh("-c", command)

    def _vtysh(self, *words: str) -> str:
        place = ["--vty_socket", str(self._directory), "--config_dir", str(self._directory)]
        return run(["vtysh", *place, *words], 20.0).stdout


class Bird:
    """BIRD on a host."""

    def __init__(self, lab: Lab, host: str, configuration: str):
        need_programs("bird", "birdc")
        file, self._control = lab.file(f"bird-{host}.conf"), lab.file(f"bird-{host}.ctl")
        file.write_text(configuration)
        command = ["bird", "-f", "-c", str(file), "-s", str(self._control), "-P", f"{self._control}.pid"]
        _wait(lab.start(host, f"bird-{host}", command), self._control)

    def neighbour_is_up(self, address: str) -> bool:
        """Whether the BGP session with it is established."""
        told = self.show("show protocols all")
        return any(f"Neighbor address: {address}\n" in one and "Established" in one for one in re.split(r"\n(?=\w)", told))

    def bfd_is_up(self, address: str) -> bool:
        """Whether the BFD session with it is up."""
        return any(line.split()[0] == address and " Up " in line for line in self.show("show bfd sessions").splitlines() if line.strip())

    def show(self, command: str) -> str:
        """The answer to a command of birdc."""
        return run(["birdc", "-s", str(self._control), *command.split()], 10.0).stdout


def _wait(daemon: Program, control: Path) -> None:
    """Waits for the socket on which it is asked."""
    deadline = time.monotonic() + READY
    while not control.exists():
        if not daemon.is_running() or time.monotonic() > deadline:
            raise LabError(f"{daemon.name} cannot be asked. It said:\n{daemon.said()[-1000:]}")
        time.sleep(0.05)
