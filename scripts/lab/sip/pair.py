"""The lab's handle on SIP Servers, and on the pair of them: start and kill them, change roles, ask for their counts.

Never: SIP itself (see `member`).
"""

import json
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import addresses
from ..host import Program
from ..shell import LabError, run
from ..topology import Lab

#: Where nobody listens: a server that has no partner.
NOBODY = "127.0.0.1"
#: How long a process gets to stop where it is, in seconds.
STOPS = 5.0


@dataclass(frozen=True)
class Request:
    """A request that a server has received: when, in seconds of wall time, of which call, and from which port."""

    member: str
    time: float
    transport: str
    method: str
    call: str
    port: int


class Servers:
    """SIP Servers that know nothing of each other, each on the host of its name; `members` says their addresses."""

    def __init__(self, lab: Lab, members: dict[str, str]):
        self.lab = lab
        self.members = members
        #: Whom they call.
        self.gateway = addresses.GATEWAY
        self._programs: dict[str, Program] = {}

    def start(self) -> None:
        """Starts all programs, as backups."""
        self._make_certificate()
        for name in self.members:
            self._start_member(name)
        for name in self.members:
            self._wait_for(name)

    def order(self, member: str, do: str, **more) -> dict:
        """Sends a member a command and returns its counters."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5.0)
            try:
                control.connect(str(self._control(member)))
                control.sendall(json.dumps({"do": do, **more}).encode() + b"\n")
                return json.loads(control.makefile().readline())
            except (OSError, ValueError) as error:
                raise LabError(f"SIP Server {member} did not take the order `{do}`: {error}") from error

    def kill(self, member: str) -> None:
        """The member's process is killed."""
        self._programs[member].stop(signal.SIGKILL)

    def revive(self, member: str) -> None:
        """Starts a killed member again, as backup. Does nothing to one that lives."""
        if not self._programs[member].is_running():
            self._start_member(member)
            self._wait_for(member)

    def stats(self) -> dict[str, dict]:
        """What each member counts."""
        return {member: self.order(member, "stats") for member in self.members}

    def requests(self, source: str) -> list[Request]:
        """What all of them have received from an address, as they have written it down."""
        found = []
        for member in self.members:
            for line in self._requests(member).read_text().splitlines(keepends=True):
                seen = json.loads(line) if line.endswith("\n") else {"source": None}
                if seen.pop("source") == source:
                    found.append(Request(member, **seen))
        return found

    def _start_member(self, name: str) -> None:
        arguments = [
            "--name", name,
            "--address", self.members[name],
            "--partner", self._partner_of(name),
            "--virtual", addresses.VIP,
            "--gateway", self.gateway,
            "--certificate", str(self._certificate),
            "--control", str(self._control(name)),
            "--log", str(self._requests(name)),
        ]
        self._programs[name] = self.lab.start_python(name, f"sip-server-{name}", "lab.sip.member", *arguments)

    def _partner_of(self, name: str) -> str:
        """Who learns of its calls."""
        return NOBODY

    def _control(self, member: str) -> Path:
        return self.lab.file(f"{member}.sock")

    def _requests(self, member: str) -> Path:
        return self.lab.file(f"{member}.requests.jsonl")

    def _wait_for(self, member: str) -> None:
        deadline = time.monotonic() + 10.0
        while time.monotonic() < deadline:
            try:
                self.order(member, "stats")
                return
            except LabError:
                time.sleep(0.05)
        log = self.lab.file(f"sip-server-{member}.log")
        raise LabError(f"SIP Server {member} did not start; its output is in {log}")

    @property
    def _certificate(self) -> Path:
        return self.lab.file("pair.pem")

    def _make_certificate(self) -> None:
        """A self-signed certificate with its key in one file, generated for each lab."""
        path = self._certificate
        run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=sip.example", "-addext", f"subjectAltName=IP:{addresses.VIP}",
            "-keyout", str(path), "-out", str(self.lab.file("pair.crt")),
        ])
        path.write_text(path.read_text() + self.lab.file("pair.crt").read_text())


class Pair(Servers):
    """Both members of a pair; the first one becomes primary."""

    def __init__(self, lab: Lab):
        super().__init__(lab, addresses.MEMBERS)
        self.primary = next(iter(addresses.MEMBERS))

    def start(self) -> None:
        """Starts both programs and makes the first one primary."""
        super().start()
        self.order(self.primary, "primary")

    def take_over(self, gap: float = 0.15) -> str:
        """The primary closes its SIP ports, and the other opens its own `gap` seconds later. Returns the new primary."""
        old, self.primary = self.primary, addresses.other_member(self.primary)
        self.order(old, "backup")
        time.sleep(gap)
        self.order(self.primary, "primary")
        return self.primary

    def kill_primary(self, gap: float = 0.15, then: Callable[[], None] = lambda: None) -> str:
        """The primary's process is killed, `then` is done at once, and the other takes over `gap` seconds later. Returns the new primary."""
        dead, self.primary = self.primary, addresses.other_member(self.primary)
        self.kill(dead)
        then()
        time.sleep(gap)
        self.order(self.primary, "primary")
        return self.primary

    def freeze_primary(self) -> str:
        """The primary's process is stopped where it is: its kernel takes what comes, and nobody answers once this returns. Returns the
        other, which is primary from now on and has to be ordered so."""
        dead, self.primary = self.primary, addresses.other_member(self.primary)
        process = self._programs[dead].process
        process.send_signal(signal.SIGSTOP)
        # On a busy machine it may be a while until it takes the signal.
        deadline = time.monotonic() + STOPS
        while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            if time.monotonic() > deadline:
                raise LabError(f"{dead} was told to stop where it is, and did not within {STOPS:g} s")
            time.sleep(0.001)
        return self.primary

    def replace(self, member: str) -> None:
        """Kills a member that is frozen, and starts it again as backup."""
        self.kill(member)
        self.revive(member)

    def outward(self, rate: float) -> None:
        """Whoever is primary places that many calls a second to the gateway; 0 ends it."""
        for member in addresses.MEMBERS:
            self.order(member, "outward", rate=rate)

    def _partner_of(self, name: str) -> str:
        return addresses.MEMBERS[addresses.other_member(name)]
