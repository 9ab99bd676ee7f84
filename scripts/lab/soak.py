"""Calls for an hour while everything around them goes wrong, and what of it the calls and the operator saw.

`scripts/soak` runs it. The active member's process is killed each 30 s, the file is reloaded each 10 s, the servers' link flaps,
strangers send ARP by the thousand, whoever reads the log falls asleep, clients of the metrics say nothing, and the wall
clock jumps. Owns: what happens when, and the checks. Hosts are in `topology`, the trouble itself in `nuisance`.
"""

import argparse
import json
import signal
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import addresses, leftovers, proofs, sipp
from .appliance import Appliance, Setting, configuration
from .report import Report
from .shell import LabError, need_programs, need_root, run_script
from .sip.pair import Pair
from .toolchain import build_release
from .topology import Lab

RATE, TCP_RATE, PAIRS, STORM, IDLERS = 200, 10, 100, 20_000, 200
KILL, RELOAD, FLAP, STEP = 30.0, 10.0, 45.0, 60.0
#: How long the servers' link is down: shorter than it takes to find a member lost.
DOWN = 0.2
#: A killed process is started again, as backup, this much later.
REVIVE = 10.0
METRICS = 9469
#: The slowest of a hundred answers to commands, in milliseconds.
SLOWEST = 100.0
#: How much more memory the last quarter may take than the second.
GROWTH = 1.02
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
ASKED = ("status", "members", "virtual-servers", "counters", "ports", "neighbours", "switchovers", "routes")


class Soaked(Appliance):
    """Fairlead with 100 pairs, a wall clock that can be set, and a log whose reader sleeps."""

    def __init__(self, lab: Lab):
        super().__init__(lab, setting=Setting(fall=5))
        self.clock = lab.file("clock")
        self.excludes = False

    def start(self, at_once: bool = False) -> None:
        """Writes its file, starts it and waits until it answers commands."""
        self.set_clock(0)
        self.write()
        reader = f"{sys.executable} -m lab.nuisance read_sleepily {self.lab.file('log')} 10 20"
        command = f"exec {self.program} run --config {self.file} > >(exec env -u LD_PRELOAD {reader}) 2>&1"
        scripts = Path(__file__).resolve().parents[1]
        environment = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_CACHE_DURATION": "1",
                       "FAKETIME_DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": str(scripts), "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = self.lab.start("appliance", "fairlead", ["bash", "-c", command], environment)
        self._wait("take orders", lambda: self.ask("status") is not None, 30.0)

    def write(self) -> None:
        """Its file: the lab's, with the other pairs. Every second time something in it is another."""
        text = configuration(self.lab, self.setting).replace("[appliance]\n", f'[appliance]\nmetrics = "127.0.0.1:{METRICS}"\n', 1)
        text = text.replace(f"{addresses.INNER_SELF}/24", f"{addresses.INNER_SELF}/23")
        others = ", ".join(f'"172.17.{number}.0/24"' for number in range(20 + 20 * self.excludes))
        self.file.write_text(text + _MONITOR + "".join(_pair(number, others) for number in range(2, PAIRS + 1)))
        self.excludes = not self.excludes

    def set_clock(self, seconds: int) -> None:
        """The wall clock it sees is so many seconds ahead."""
        self.clock.write_text(f"{seconds:+d}\n")

    def memory_kib(self) -> int:
        """What it has in memory."""
        lines = Path(f"/proc/{self._process.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


_MONITOR = '\n[[monitor]]\nname = "other"\nkind = "sip"\ninterval = "1s"\ntimeout = "900ms"\nfall = 5\n'


def _pair(number: int, excluded: str) -> str:
    return f"""
[[pool]]
name = "pair-{number}"
members = [{{ name = "{number}-a", address = "10.20.1.{number}" }}, {{ name = "{number}-b", address = "10.20.1.{100 + number}" }}]
monitors = ["other"]

[[virtual_server]]
name = "sip-{number}"
address = "10.21.0.{number}"
pool = "pair-{number}"
listen = ["udp/5060", "tcp/5060"]

[[snat]]
pool = "pair-{number}"
address = "10.21.0.{number}"
exclude = [{excluded}]
"""


@dataclass
class Asking:
    """Commands over one connection after the other, as fast as an impatient operator, and how long each took."""

    path: Path
    took: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until it is over."""
        number = 0
        while not self.over.wait(0.2):
            command = ASKED[number % len(ASKED)]
            number += 1
            began = time.monotonic()
            try:
                self._ask(command)
                self.took.append(1e3 * (time.monotonic() - began))
            except (OSError, ValueError) as error:
                self.failed.append(f"{command}: {error}")

    def _ask(self, command: str) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10.0)
            client.connect(str(self.path))
            client.sendall(json.dumps({"command": command}).encode() + b"\n")
            if not json.loads(client.makefile().readline())["ok"]:
                raise ValueError("refused")


@dataclass
class Chore:
    """Something that happens again and again."""

    every: float
    do: Callable[[], None]
    due: float

    def turn(self, now: float) -> None:
        """Does it if it is due."""
        if now >= self.due:
            self.due = now + self.every
            self.do()


class Soak:
    """One run in a lab that is up."""

    def __init__(self, lab: Lab, report: Report, minutes: float):
        self.lab, self.report, self.seconds = lab, report, 60 * minutes
        self.appliance, self.pair = Soaked(lab), Pair(lab)
        self.asking = Asking(lab.file("admin.sock"))
        self.kills = self.steps = self.reloads = self.flaps = 0
        self.memory: list[int] = []
        self.revive_at: float | None = None
        self.revived = ""

    def play(self) -> None:
        """Everything, from start to end."""
        self.report.chapter("100 pairs in network namespaces")
        self._begin()
        self.report.chapter(f"{self.seconds / 60:g} minutes of trouble")
        caller = sipp.udp_calls(self.lab, RATE, int(RATE * self.seconds))
        streams = sipp.tcp_calls(self.lab, TCP_RATE)
        thread = threading.Thread(target=self.asking.run, daemon=True)
        thread.start()
        self._trouble(caller)
        self.asking.over.set()
        self.report.chapter("Waiting for the last calls")
        streams.finish(20.0)
        calls = caller.finish(90.0)
        thread.join()
        self._judge(calls)

    def _begin(self) -> None:
        living = [f"10.20.1.{number}" for number in range(2, PAIRS + 1)]
        silent = [f"10.20.1.{100 + number}" for number in range(2, PAIRS + 1)]
        self.lab.plug_in("others", [f"{address}/23" for address in living + silent])
        self.lab.plug_in("strangers", [])
        self._nuisance("others", "serve", *living)
        self.pair.start()
        self.appliance.start()
        self.appliance.wait_for_active("sip-a", 60.0)
        self._nuisance("strangers", "storm", "eth0", str(STORM))
        self._nuisance("appliance", "idle", "127.0.0.1", str(METRICS), str(IDLERS))
        time.sleep(5.0)
        living_now = sum(row["active"] is not None for row in self.appliance.ask("status")["virtual_servers"])
        self.report.expect(f"All {PAIRS} pairs are served", living_now == PAIRS, str(living_now))

    def _nuisance(self, host: str, what: str, *words: str) -> None:
        self.lab.start_python(host, what, "lab.nuisance", what, *words)

    def _trouble(self, caller: sipp.Caller) -> None:
        began = time.monotonic()
        chores = [Chore(KILL, self._kill, began + 15), Chore(RELOAD, self._reload, began + 3), Chore(FLAP, self._flap, began + 25),
                  Chore(STEP, self._step, began + 40), Chore(1.0, self._revive, began),
                  Chore(5.0, lambda: self.memory.append(self.appliance.memory_kib()), began + 5),
                  Chore(60.0, lambda: self._say(caller), began + 30)]
        # The last ones killed come back while there are still calls.
        while (now := time.monotonic()) < began + self.seconds - REVIVE:
            for chore in chores:
                chore.turn(now)
            time.sleep(0.05)
        self._revive(late=True)

    def _kill(self) -> None:
        self.revived, self.revive_at = self.pair.primary, time.monotonic() + REVIVE
        self.pair.kill_primary()
        self.kills += 1

    def _revive(self, late: bool = False) -> None:
        if self.revive_at is not None and (late or time.monotonic() > self.revive_at):
            self.pair.revive(self.revived)
            self.revive_at = None

    def _reload(self) -> None:
        self.appliance.write()
        self.appliance.command("reload", "--timeout", "30")
        self.reloads += 1

    def _flap(self) -> None:
        if self.revive_at is not None:
            return  # one thing at a time for the pair: nobody promises calls that lose both
        self.flaps += 1
        self.lab.pull_cable("appliance")
        time.sleep(DOWN)
        self.lab.plug_cable("appliance")

    def _step(self) -> None:
        self.steps += 1
        self.appliance.set_clock(3600 if self.steps % 2 else -3600)

    def _say(self, caller: sipp.Caller) -> None:
        calls = caller.calls()
        slowest = max(self.asking.took, default=0.0)
        self.report.say(f"{self.report.seconds():5.0f} s  calls {calls.completed}/{calls.made}, {calls.failed} failed; {self.kills} killed, "
                        f"{len(self.appliance.switchovers())} switchovers; memory {self.memory[-1] / 1024:.1f} MiB; "
                        f"slowest answer {slowest:.0f} ms")

    def _judge(self, calls) -> None:
        self.report.chapter("Checks")
        expect = self.report.expect
        seen = f"{calls.completed} of {calls.made}, {calls.failed} failed, {calls.retransmitted} retransmissions"
        expect("Every UDP call completed", 0 < calls.made == calls.completed, seen)
        found = [row for row in self.appliance.ask("switchovers") if row["from"] is not None]
        ours = [row for row in found if row["pool"] == "pair-1"]
        expect("One switchover for each member killed, and no other", len(ours) == len(found) == self.kills,
               f"{self.kills} killed, {len(ours)} of pair-1, {len(found)} in all")
        took = sorted(self.asking.took)
        p99 = took[int(0.99 * len(took))] if took else float("inf")
        expect(f"Commands are answered within {SLOWEST:.0f} ms (p99)", p99 <= SLOWEST and not self.asking.failed,
               f"p50 {statistics.median(took):.1f} ms, p99 {p99:.1f} ms, worst {took[-1]:.0f} ms of {len(took)}; failed {self.asking.failed[:3]}")
        quarter = len(self.memory) // 4
        before, after = statistics.median(self.memory[quarter:2 * quarter]), statistics.median(self.memory[3 * quarter:])
        expect("Memory is flat", after <= GROWTH * before, f"{before / 1024:.1f} MiB in the second quarter, {after / 1024:.1f} MiB in the last")
        proofs.every_frame(self.report, self.appliance)
        counters = self.appliance.counters()
        lost = {name: value for name, value in counters.items() if name.startswith(("drop_", "log_")) and value}
        self.report.say(f"{self.reloads} reloads, {self.flaps} flaps of the link, {self.steps} steps of the clock; {lost}")
        expect("Fairlead is still running, and ends when told", self.appliance.is_running() and self.appliance.stop() == 0)


def main() -> int:
    """Parses the command line, runs the soak, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--no-build", action="store_true", help="use the fairlead that is already built")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return run_script("scripts/soak", lambda: _play(options.minutes, not options.no_build))


def _play(minutes: float, build: bool) -> int:
    need_root()
    need_programs("ip", "ethtool", "setpriv", "sipp", "openssl")
    if not FAKETIME.exists():
        raise LabError(f"{FAKETIME} is missing: run scripts/setup")
    if build:
        build_release()
    report = Report()
    with Lab() as lab:
        Soak(lab, report, minutes).play()
    report.expect("Nothing is left behind", not leftovers.remains(lab.id))
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
