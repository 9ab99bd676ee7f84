"""Two processes: forwarding latency at half of the maximum load (P8).

Owns: the sender's process and its rate. `benches/sender/sender.rs` sends the files of a traffic over two `net_memif`
devices at a given rate, and frees what comes back; the appliance itself measures, from receive to transmit.
"""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

from lab.shell import LabError
from lab.toolchain import REPOSITORY, cargo

from . import accounts, traffic
from .appliance import Appliance, Tuning
from .bench import Bench, Outcome
from .measure import Figure
from .process import Process
from .setting import PORTS, Setting
from .traffic import INNER_MAC, OUTER_MAC

PEERS = 4_096
_MACS = {"outer": OUTER_MAC, "inner": INNER_MAC}
_MBUFS = 65_535


@dataclasses.dataclass(frozen=True)
class Joined(Setting):
    """As `Setting`, with `net_memif` devices that connect to the sender."""

    @property
    def mbufs(self) -> int:
        """Rings and bursts only: the frames are in the sender's memory."""
        return _MBUFS

    def device(self, port: str) -> str:
        """The appliance's end."""
        return f"{self._memif(port, 'server')},mac={_MACS[port].hex(':')}"

    def sender(self, program: Path, rate: int) -> list[str]:
        """The command line of the sender: its core, total frames per second (0: as many as possible), and its ports."""
        ports = [word for port in PORTS for word in (self._memif(port, "client"), str(self._files(port)[0]))]
        return [str(program), str(self.management), str(rate), *ports]

    def _memif(self, port: str, role: str) -> str:
        number, socket = PORTS.index(port), self.directory / f"{port}.memif"
        return f"net_memif{number},role={role},id={number},socket={socket},socket-abstract=no,rsize=11"


def half_load(bench: Bench) -> Outcome:
    """P8: p50, p99 and p99.9 of the forwarding latency, as the appliance reports them."""
    program = _built_sender()
    kind = traffic.service_udp(PEERS)
    rows, p999 = [], []
    with bench.setting(kind) as plain:
        setting = Joined(kind, bench.frames, plain.management, plain.workers, False)
        for number in range(bench.runs):
            most = _carried(bench, setting, program, 0)[0]
            rate, spread = _carried(bench, setting, program, int(most / 2 * 1e6))
            cells = _cells(spread)
            rows.append([f"{most:.2f}", f"{rate:.2f}", *cells])
            bench.say(f"run {number + 1} of {bench.runs}: maximum {most:.2f} M/s; at {rate:.2f}: {', '.join(cells)}")
            if spread:
                p999.append(spread["p999_ns"] / 1e3)
    head = ["maximum, M/s", "measured at, M/s", "p50", "p99", "p99.9", "longest"]
    notes = ["The sender shares its core with management, so the maximum is the sender's limit as much as the appliance's. Time "
             "in rings is not included."]
    return Outcome(head, rows, {"P8": Figure(tuple(p999))} if p999 else {}, notes)


def _carried(bench: Bench, setting: Joined, program: Path, rate: int) -> tuple[float, dict | None]:
    """Millions of frames per second that were forwarded, and their latency if it is reported."""
    # Nobody answers ARP here, so who is not in the file is taken for dead in a measurement of some seconds.
    with Appliance(bench.program, setting, bench.directory, Tuning(known=traffic.HOSTS), ready=False) as fairlead:
        sender = Process("sender", setting.sender(program, rate), bench.directory / "sender.log")
        try:
            fairlead.make_ready()
            before = fairlead.settle(allowed=("drop_transmit_full",))
            fairlead.latency(reset=True)
            began = time.monotonic()
            time.sleep(bench.seconds)
            spread = fairlead.latency()
            after, spent = fairlead.counters(), time.monotonic() - began
            sender.must_run()
        finally:
            sender.stop()
    accounts.check(before, after, allowed=("drop_transmit_full",))
    return (after["transmitted"] - before["transmitted"]) / spent / 1e6, spread


def _cells(spread: dict | None) -> list[str]:
    names = ("p50_ns", "p99_ns", "p999_ns", "max_ns")
    return [f"{spread[name] / 1e3:.1f} µs" if spread else "not available" for name in names]


def _built_sender() -> Path:
    words = ("build", "--release", "--locked", "--features", "static-link", "--example", "sender")
    if subprocess.run(cargo(*words), cwd=REPOSITORY, stdout=sys.stderr).returncode != 0:
        raise LabError("The sender (benches/sender/sender.rs) does not build; cargo says why above.")
    return REPOSITORY / "target/release/examples/sender"
