"""Fairlead in the lab: its file, its process, and its commands.

Owns: the configuration file the lab writes, starting and stopping `fairlead run`, and every other `fairlead` command
the lab types, as an operator would. Never: what the answers should be.
"""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import addresses, two_arm
from .host import Program
from .shell import LabError, run
from .switchover import Switchover, read_switchovers
from .topology import Lab

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "appliance"

#: AF_PACKET with rings that hold a burst of a kernel's own making. Its driver lets the kernel put fragments together
#: (PACKET_FANOUT_FLAG_DEFRAG), and a datagram that is larger than the ring's frames is then cut off: it shows none.
AF_PACKET = "net_af_packet{number},iface={interface},qdisc_bypass=1,framecnt=4096,blocksz=1048576,framesz=2048"

#: Real-time priority: ahead of every program that has none itself.
FIRST = ["chrt", "--fifo", "1"]


#: libpcap on both directions: slower, and every frame is shown as it was on the wire, fragments too.
PCAP = "net_pcap{number},rx_iface_in={interface},tx_iface={interface}"


@dataclass(frozen=True)
class Setting:
    """What differs from one lab to the other: driver, MTU towards the servers, further service ports ("udp/5070").

    `monitor`: its keys, instead of a probe every 200 ms. `redeliver`, `fail_back`: those of the virtual server and the pool.

    `edits`: texts of the file, each with what stands there instead. `more`: what stands behind all else, as it is.

    `fall`: probes in a row that must fail. On a busy machine a member may wait half a second for a core; only who
    measures how soon a loss is found takes fewer. `up_codes`: other ones than the default. `mode`: the pool's; `further`: names and
    addresses of members beside the pair.
    """

    device: str = AF_PACKET
    fall: int = 5
    server_mtu: int = 1500
    also_listen: tuple[str, ...] = ()
    up_codes: tuple[str, ...] = ()
    monitor: str | None = None
    redeliver: str | None = None
    fail_back: str = "never"
    mode: str | None = None
    further: tuple[tuple[str, str], ...] = ()
    edits: tuple[tuple[str, str], ...] = ()
    more: str = ""


def configuration(lab: Lab, setting: Setting, host: str = HOST) -> str:
    """The file of the appliance on `host`: the fixture on the lab's devices, probed every 200 ms, with cores shared with the rest of the lab."""
    cores = sorted(os.sched_getaffinity(0))
    appliance = f'[appliance]\nname = "lab-{lab.id}"\nadmin_socket = "{_file(lab, host, "admin.sock")}"\n'
    appliance += f'state = "{_file(lab, host, "state")}"\nlog = "info"\n'
    inner, service = f'["{addresses.INNER_SELF}/24"]\n', f'"tcp/{addresses.SIP_TLS_PORT}"'
    codes = f"up_codes = {json.dumps(setting.up_codes)}\n" if setting.up_codes else ""
    monitor = setting.monitor or f'kind = "sip"\ninterval = "200ms"\ntimeout = "200ms"\nfall = {setting.fall}\n{codes}'
    kept = f'redeliver = "{setting.redeliver}"\n' if setting.redeliver else ""
    mode = f'mode = "{setting.mode}"\n' if setting.mode else ""
    listen = "".join(f', "{further}"' for further in setting.also_listen)
    members = "".join(f'  {{ name = "{name}", address = "{address}" }},\n' for name, address in setting.further)
    return two_arm.edited(
        two_arm.FIXTURE,
        ("[cores]\n", f"{appliance}\n[dpdk]\nhugepages = false\n\n[cores]\n"),
        (two_arm.MANAGEMENT, f"management = {cores[0]}\n"),
        (two_arm.WORKERS, f'workers = [{cores[-1]}]\nidle = "sleep"\n'),
        (two_arm.OUTER_DEVICE, setting.device.format(number=0, interface="outer0")),
        (two_arm.INNER_DEVICE, setting.device.format(number=1, interface="inner0")),
        (two_arm.TAG, ""),
        (inner, f"{inner}mtu = {setting.server_mtu}\n"),
        (two_arm.PROBE, monitor),
        (two_arm.LISTEN, kept + two_arm.LISTEN),
        (two_arm.MONITORS, f'{two_arm.MONITORS}{mode}fail_back = "{setting.fail_back}"\n'),
        (two_arm.LAST_MEMBER, two_arm.LAST_MEMBER + members),
        (service, f"{service}{listen}"),
        *setting.edits,
    ) + setting.more


def _file(lab: Lab, host: str, name: str) -> Path:
    """A file of the appliance on a host, in the lab's directory."""
    return lab.file(name if host == HOST else f"{host}-{name}")


def binary() -> Path:
    """The newest `fairlead` built in this tree."""
    built = [REPOSITORY / "target" / profile / "fairlead" for profile in ("release", "debug")]
    built = [path for path in built if path.exists()]
    if not built:
        raise LabError("There is no target/release/fairlead: run `cargo build --release` first.")
    return max(built, key=lambda path: path.stat().st_mtime)


class Appliance:
    """Fairlead on the lab's appliance host, or another one."""

    def __init__(self, lab: Lab, program: Path | None = None, setting: Setting = Setting(), host: str = HOST):
        self.lab = lab
        self.host = host
        self.setting = setting
        self.program = program or binary()
        self.file = _file(lab, host, "fairlead.toml")
        self.socket = _file(lab, host, "admin.sock")
        self._process: Program | None = None
        self._begun = 0

    def start(self, at_once: bool = False) -> None:
        """Writes its file, starts it and waits until it answers commands.

        `at_once`: it runs before every other program (SCHED_FIFO), where the kernel allows that. On a box its workers
        have cores of their own; here they share theirs with the whole load.
        """
        self.file.write_text(configuration(self.lab, self.setting, self.host))
        command = self._command()
        if at_once and run([*FIRST, "true"], check=False).returncode == 0:
            command = [*FIRST, *command]
        self._process = self.lab.start(self.host, "fairlead" if self.host == HOST else f"fairlead-{self.host}", command)
        self._wait("take orders", lambda: self.ask("status") is not None, 15.0)

    def _command(self) -> list[str]:
        """What is started."""
        return [str(self.program), "run", "--config", str(self.file)]

    def reload(self, setting: Setting) -> None:
        """Has it take over another file while it runs."""
        self.setting = setting
        self.file.write_text(configuration(self.lab, setting, self.host))
        self.command("reload")

    def wait_for_active(self, member: str | None = None, timeout: float = 10.0) -> dict:
        """Waits until a member, or this member, is active, and returns its row."""
        return self._wait(f"make {member or 'a member'} active", lambda: self._active(member), timeout)

    def wait_for_state(self, member: str, state: str, timeout: float = 10.0) -> dict:
        """Waits until a member is in this state, and returns its row."""
        return self._wait(f"find {member} {state}", lambda: self._in_state(member, state), timeout)

    def wait_for_switchover(self, count: int, timeout: float = 10.0) -> Switchover:
        """Waits until the newest of `count` switchovers is installed everywhere."""
        return self._wait(f"install switchover {count}", lambda: self._switchover(count), timeout)

    def switchovers(self) -> list[Switchover]:
        """Switchovers from one member to another that every worker has installed, oldest first."""
        return read_switchovers(self.ask("switchovers"))

    def ask(self, *words: str) -> list | dict:
        """The answer of a `fairlead` command with `--json`."""
        said = self.command(*words, "--json", check=True).stdout
        try:
            return json.loads(said)
        except ValueError as error:
            raise LabError(f"`fairlead {' '.join(words)} --json` did not print JSON: {said[:200]!r}") from error

    def show(self, *words: str) -> str:
        """The output of a `fairlead` command as an operator reads it."""
        return self.command(*words).stdout

    def command(self, *words: str, check: bool = True):
        """Runs a `fairlead` command against this appliance."""
        return run([str(self.program), "--socket", str(self.socket), *words], 10.0, check)

    def begin(self, *words: str) -> Program:
        """Starts a `fairlead` command that takes its time; it is stopped with the lab."""
        self._begun += 1
        command = [str(self.program), "--socket", str(self.socket), *words]
        return self.lab.start(self.host, f"command-{self.host}-{self._begun}", command)

    def member(self, name: str) -> dict:
        """A member's row."""
        return next(row for row in self.ask("members") if row["name"] == name)

    def alarms(self) -> list[str]:
        """The alarms that stand."""
        return [alarm["message"] for alarm in self.ask("status")["alarms"]]

    def counters(self) -> dict[str, int]:
        """All counters by name, summed over workers."""
        total: dict[str, int] = {}
        for row in self.ask("counters", "--all"):
            if row.get("worker") is None:  # with several workers their own rows stand beside the sums
                total[row["name"]] = total.get(row["name"], 0) + row["value"]
        return total

    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.is_running()

    def stop(self) -> int:
        """Stops it with SIGTERM; returns its exit code."""
        return self._process.stop() if self._process else 0

    def kill(self) -> None:
        """Kills it with SIGKILL, without warning. `start` starts it again."""
        self._process.stop(signal.SIGKILL)

    def freeze(self) -> None:
        """Stops it where it is: it lives, and does nothing until `thaw`."""
        self._process.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Has it go on."""
        self._process.process.send_signal(signal.SIGCONT)

    def said(self) -> str:
        """Its log so far."""
        return self._process.said() if self._process else ""

    def _active(self, member: str | None) -> dict | None:
        active = [row for row in self.ask("members") if row["role"] == "active"]
        return next((row for row in active if member in (None, row["name"])), None)

    def _in_state(self, member: str, state: str) -> dict | None:
        found = (row for row in self.ask("members") if row["name"] == member)
        return next((row for row in found if row["state"] == state), None)

    def _switchover(self, count: int) -> Switchover | None:
        found = self.switchovers()
        return found[count - 1] if len(found) >= count else None

    def _wait(self, what: str, look, timeout: float):
        deadline = time.monotonic() + timeout
        trouble = ""
        while time.monotonic() < deadline:
            if not self.is_running():
                raise LabError(f"Fairlead exited unexpectedly. Its log ends:\n{self.said()[-2000:]}")
            try:
                if (found := look()) is not None:
                    return found
            except LabError as error:
                trouble = f" ({error})"
            time.sleep(0.05)
        raise LabError(f"Fairlead did not {what} within {timeout:g} s{trouble}. Its log ends:\n{self.said()[-2000:]}")


class ManagedAppliance(Appliance):
    """Under a service manager, which keeps descriptors for it and starts it again when it has ended."""

    #: Seconds between the end of one and the start of the next.
    pause = 0.2

    def _command(self) -> list[str]:
        # `env` says where this package is.
        socket = _file(self.lab, self.host, "notify.sock")
        manager = [sys.executable, "-m", "lab.manager", "--socket", str(socket), "--pause", f"{self.pause}", "--", *super()._command()]
        return ["env", f"PYTHONPATH={REPOSITORY / 'scripts'}", *manager]

    def write(self, setting: Setting) -> None:
        """Gives it another file for its next start."""
        self.setting = setting
        self.file.write_text(configuration(self.lab, setting, self.host))

    def restart(self) -> None:
        """Has it ended and started again, as `systemctl restart` does."""
        begun = self._times()
        self._process.process.send_signal(signal.SIGHUP)
        self._wait("come back", lambda: self._is_back(begun), 20.0)

    def crash(self) -> None:
        """Kills it, and waits until it is back."""
        begun = self._times()
        manager = self._process.process.pid
        for child in Path(f"/proc/{manager}/task/{manager}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self._wait("come back", lambda: self._is_back(begun), 20.0)

    def _is_back(self, begun: int) -> dict | None:
        return self.ask("status") if self._times() > begun else None

    def _times(self) -> int:
        """How often it was ready."""
        return self.said().count("manager: its program is ready")
