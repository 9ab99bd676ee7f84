"""Fairlead in a rig: its file, its process, its counters.

Owns: the configuration file of the rigs, and bringing the appliance to the point where it forwards: neighbours learned, a
member active.
"""

import contextlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from lab import addresses, two_arm
from lab.shell import LabError

from .admin import Admin
from .measure import Reading
from .memory import needed_mb
from .process import Process
from .setting import Setting

POOL = "pair-1"
#: At most this long until it answers, in seconds: a million frames are loaded before the first is received.
_START = 120.0
#: A rate is taken only after this long without new flows or drops, in seconds.
_CALM = 1.0


@dataclass(frozen=True)
class Tuning:
    """What a rig changes in the appliance's file. `exclude`: the exclusion group. `redeliver`: that key of the virtual server; earlier
    revisions do not know it. `metrics`: where they are served. `recorder_mib`: what it records on, if not on what is usual.
    `known`: who nobody answers for is in the file; otherwise a host is taken for dead after a while, until its frames are heard again."""

    flows: int = 1_000_000
    exclude: tuple[str, ...] = ("192.168.77.0/24",)
    redeliver: str | None = None
    metrics: str | None = None
    recorder_mib: int | None = None
    known: tuple[tuple[str, str], ...] = ()


def configuration(setting: Setting, tuning: Tuning, socket: Path) -> str:
    """The fixture on a setting's devices. Nothing answers probes here, so they are rare: the member is chosen by hand."""
    served = f'metrics = "{tuning.metrics}"\n' if tuning.metrics else ""
    served += f"recorder_mib = {tuning.recorder_mib}\n" if tuning.recorder_mib is not None else ""
    appliance = f'[appliance]\nname = "rig"\nadmin_socket = "{socket}"\n{served}'
    dpdk = (f"[dpdk]\nhugepages = {str(setting.hugepages).lower()}\nmbufs = {setting.mbufs}\n"
            f"memory_mib = {needed_mb(setting.mbufs)}\n")
    # A worker on management's core has to be allowed to sleep; under load it never does.
    idle = "sleep" if setting.management in setting.workers else "poll"
    excluded, instead = (", ".join(f'"{prefix}"' for prefix in group) for group in (addresses.EXCLUDED, tuning.exclude))
    kept = f'redeliver = "{tuning.redeliver}"\n' if tuning.redeliver else ""
    limits = f"[limits]\nflows_per_worker = {max(1_024, tuning.flows)}\n"
    known = "".join(f'[[neighbour]]\naddress = "{address}"\nmac = "{mac}"\n\n' for address, mac in tuning.known)
    return known + two_arm.edited(
        two_arm.FIXTURE,
        ("[cores]\n", f"{appliance}\n{dpdk}\n{limits}\n[cores]\n"),
        (two_arm.MANAGEMENT, f"management = {setting.management}\n"),
        (two_arm.WORKERS, f'workers = [{", ".join(str(core) for core in setting.workers)}]\nidle = "{idle}"\n'),
        (two_arm.OUTER_DEVICE, setting.device("outer")),
        (two_arm.INNER_DEVICE, setting.device("inner")),
        (two_arm.TAG, ""),
        (two_arm.PROBE, 'kind = "icmp"\ninterval = "1h"\ntimeout = "50m"\nfall = 100\n'),
        (two_arm.MONITOR, '"rare"'),
        (f"[{excluded}]", f"[{instead}]"),
        (two_arm.LISTEN, kept + two_arm.LISTEN),
    )


class Appliance:
    """`fairlead run` with a setting. A context manager: it runs inside the block."""

    name = "Fairlead"

    def __init__(self, program: Path, setting: Setting, directory: Path, tuning: Tuning = Tuning(), ready: bool = True):
        """`ready`: on entry, wait until it forwards. Otherwise the caller has to make its neighbours speak first."""
        self._ready = ready
        self._program, self._setting, self._tuning = program, setting, tuning
        self._directory = directory
        self._socket = directory / "admin.sock"
        self._process: Process | None = None
        self.admin: Admin | None = None

    def __enter__(self) -> "Appliance":
        file = self._write()
        self._socket.unlink(missing_ok=True)
        # What an earlier one was told is not this one's. A key of the file would be refused by earlier revisions.
        state = self._directory / "state"
        shutil.rmtree(state, ignore_errors=True)
        argv = ["env", f"STATE_DIRECTORY={state}", str(self._program), "run", "--config", str(file)]
        self._process = Process("fairlead", argv, self._directory / "fairlead.log")
        try:
            self.admin = self._wait("open its admin socket", self._connect, _START)
            if self._ready:
                self.make_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.admin:
            self.admin.close()
        if self._process:
            self._process.stop()

    def make_ready(self) -> None:
        """Waits until its neighbours are resolved, and makes sip-a active."""
        self._wait("learn its neighbours", self._knows_neighbours, 10.0)
        self.force("sip-a")

    def reload(self, tuning: Tuning) -> None:
        """Takes over another file; returns once every worker has installed it."""
        self._tuning = tuning
        self._write()
        self.admin.ask("reload")

    def _write(self) -> Path:
        file = self._directory / "fairlead.toml"
        file.write_text(configuration(self._setting, self._tuning, self._socket))
        return file

    def force(self, member: str) -> None:
        """Makes a member the active one; returns once every worker has installed the change."""
        self.admin.ask("pool-force", pool=POOL, member=member)

    def counters(self) -> dict[str, int]:
        """All counters by name, summed over the workers, and the losses of ports."""
        total: dict[str, int] = {}
        for row in self.admin.ask("counters", all=True):
            if row.get("worker") is None:
                total[row["name"]] = total.get(row["name"], 0) + row["value"]
        for row in self.admin.ask("ports"):
            for name in ("rx_missed", "rx_errors", "tx_errors"):
                total[name] = total.get(name, 0) + row[name]
        return total

    def sent(self) -> Reading:
        """Frames transmitted so far."""
        rows = self.admin.ask("counters")
        own = (row for row in rows if row["name"] == "transmitted" and row.get("worker") is None)
        return Reading(sum(row["value"] for row in own), self._process.ran("worker-*"))

    def settle(self, patience: float = 60.0, allowed: tuple[str, ...] = ()) -> dict[str, int]:
        """Waits for a steady state: every flow exists and nothing has been dropped for a while. Returns the counters."""
        deadline, before = time.monotonic() + patience, self.counters()
        while time.monotonic() < deadline:
            time.sleep(_CALM)
            self._process.must_run()
            after = self.counters()
            drops = (name for name in after if name.startswith("drop_") and name not in allowed)
            dropped = any(after[name] != before[name] for name in drops)
            if not dropped and after["flows"] == before["flows"] and after["transmitted"] > before["transmitted"]:
                return after
            before = after
        raise LabError(f"Fairlead still drops frames or creates flows after {patience:g} s: {before}")

    def installations(self) -> list[int]:
        """Time from published to installed of each switchover that every worker has installed, oldest first, in microseconds."""
        rows = self.admin.ask("switchovers")
        # Earlier revisions leave the unit out.
        marks = [(row["from"], *(row.get(f"{name}_us", row.get(name)) for name in ("published", "installed"))) for row in rows]
        return [installed - published for former, published, installed in marks if former and installed is not None]

    def latency(self, reset: bool = False) -> dict | None:
        """Forwarding latency over all workers; `None` if this Fairlead does not report it."""
        try:
            rows = self.admin.ask("latency", **({"reset": True} if reset else {}))
        except LabError:
            return None
        return next((row["forwarding"] for row in rows if row["worker"] is None), rows[0]["forwarding"] if rows else None)

    def another(self) -> contextlib.closing[Admin]:
        """A second connection to it, for the length of a block."""
        return contextlib.closing(Admin(self._socket))

    @property
    def reached_by(self) -> list[str]:
        """What the command line has to be told to ask it."""
        return ["--socket", str(self._socket)]

    def said(self) -> str:
        """Its log so far."""
        return self._process.said()

    def _connect(self) -> Admin | None:
        """The socket exists before the devices do: only an answer shows that it runs."""
        if not self._socket.exists():
            return None
        admin = Admin(self._socket, _START)
        admin.ask("status")
        return admin

    def _knows_neighbours(self) -> bool | None:
        rows = self.admin.ask("neighbours")
        reachable = [row for row in rows if row["state"] in ("reachable", "static")]
        return True if len(reachable) >= 1 + len(addresses.MEMBERS) else None

    def _wait(self, what: str, look, patience: float):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            self._process.must_run()
            try:
                if (found := look()) is not None:
                    return found
            except ConnectionError:
                pass
            time.sleep(0.05)
        raise LabError(f"Fairlead did not {what} within {patience:g} s. {self._process.last_words()}")
