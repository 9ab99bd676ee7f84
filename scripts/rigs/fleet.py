"""Fairlead with many pairs whose members answer: what management is measured with.

Owns: the file, the two namespaces and the wire between them, the program that answers in all members' names, and the waiting until
every pool has an active member. One port is the wire to the members; the other replays a file of frames for ever, or has none.
"""

import ipaddress
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lab.host import Host
from lab.shell import LabError, run
from lab.topology import OFFLOADS, SCRIPTS

from .admin import Admin
from .process import Process

SELF_IP = "192.0.0.2"
INNER_SELF = "10.255.255.1"
HOST = "10.255.255.254"
#: What the kernel gets of each class in a second: less than a flood even on a slow machine.
FOR_HOST = 1_000
#: The kernel that answers takes all of it for its own.
_MEMBERS = ipaddress.ip_network("10.1.0.0/16")
_VIRTUALS = ipaddress.ip_network("10.200.0.0/16")
_AF_PACKET = "net_af_packet1,iface=inner0,qdisc_bypass=1,framecnt=4096,blocksz=1048576,framesz=2048"
_MEMORY = "hugepages = false\nmbufs = 32767\nmemory_mib = 512\n"
#: A port that receives nothing and frees what is sent.
QUIET = "net_null0,no-rx=1"
_START = 120.0
_SETTLE = 90.0


def member(number: int) -> str:
    """The address of a member."""
    return str(_MEMBERS[number + 1])


def configuration(pools: int, interval: int, outer: str, socket: Path, state: Path, hosts: tuple[str, str] | None = None) -> str:
    """Pools of two, every member asked each `interval` milliseconds, dead after two probes. `hosts`: the kernel's devices of the interfaces."""
    outer_host, inner_host = (f'host = "{name}"\n' for name in hosts) if hosts else ("", "")
    limits = f"[limits]\nhost_packets_per_second = {FOR_HOST}\n" if hosts else ""
    cores = sorted(os.sched_getaffinity(0))
    head = f"""[appliance]
name = "rig"
admin_socket = "{socket}"
state = "{state}"
[dpdk]
{_MEMORY}
[cores]
management = {cores[0]}
workers = [{cores[-1]}]
idle = "sleep"
{limits}[[port]]
name = "outer"
device = "{outer}"
[[port]]
name = "inner"
device = "{_AF_PACKET}"
[[interface]]
name = "clients"
port = "outer"
addresses = ["{SELF_IP}/16"]
{outer_host}[[interface]]
name = "servers"
port = "inner"
addresses = ["{INNER_SELF}/8"]
{inner_host}[[monitor]]
name = "sip"
kind = "sip"
interval = "{interval}ms"
timeout = "{interval * 4 // 5}ms"
fall = 2
"""
    parts = [head]
    for pool in range(pools):
        a, b, virtual = member(2 * pool), member(2 * pool + 1), _VIRTUALS[pool + 1]
        parts.append(f"""[[pool]]
name = "pair-{pool}"
members = [{{ name = "a-{pool}", address = "{a}" }}, {{ name = "b-{pool}", address = "{b}" }}]
monitors = ["sip"]
[[virtual_server]]
name = "sip-{pool}"
address = "{virtual}"
pool = "pair-{pool}"
listen = ["udp/5060", "tcp/5060"]
[[snat]]
pool = "pair-{pool}"
address = "{virtual}"
exclude = ["172.16.1.0/24"]
""")
    return "".join(parts)


class Fleet:
    """The appliance and its members, as a context manager. `outer`: the device of the port towards clients; `hosts`: the kernel's devices
    of both interfaces."""

    def __init__(
        self, program: Path, directory: Path, pools: int, interval: int, outer: str = QUIET, hosts: tuple[str, str] | None = None
    ):
        self.pools, self._interval, self._outer, self._hosts = pools, interval, outer, hosts
        self._program, self._directory = program, directory
        name = secrets.token_hex(2)
        self.appliance, self.members = (Host(name, host, directory) for host in ("appliance", "members"))
        self._running: Process | None = None
        self._answerer: Process | None = None
        self.admin: Admin | None = None

    def __enter__(self) -> "Fleet":
        try:
            self._lay_out()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.admin:
            self.admin.close()
        for process in (self._running, self._answerer):
            if process:
                process.stop()
        for host in (self.appliance, self.members):
            host.delete()

    def silence(self, number: int) -> None:
        """A member answers no probe any more."""
        self._answerer.tell(f"silent {member(number)}")

    def ran(self) -> int:
        """Nanoseconds for which management has had its core: those of the thread that runs its loop."""
        return self._running.ran_first()

    def terminate(self) -> float:
        """Seconds from SIGTERM to its end."""
        began = time.monotonic()
        self._running.stop(30.0)
        return time.monotonic() - began

    def installations(self, count: int) -> list[int]:
        """Microseconds from published to installed of the last so many switchovers."""
        rows = self.admin.ask("switchovers")[-count:]
        return [row["installed_us"] - row["published_us"] for row in rows]

    def wait(self, what: str, look: Callable[[], bool], patience: float, pause: float = 0.05) -> float:
        """Seconds until `look` says so."""
        began = time.monotonic()
        while not look():
            self._running.must_run()
            if time.monotonic() - began > patience:
                raise LabError(f"Fairlead did not {what} within {patience:g} s. {self._running.last_words()}")
            time.sleep(pause)
        return time.monotonic() - began

    def _lay_out(self) -> None:
        for host in (self.appliance, self.members):
            host.create()
        run(["ip", "link", "add", "inner0", "netns", self.appliance.namespace, "type", "veth", "peer", "name", "eth0",
             "netns", self.members.namespace])
        for host, end in ((self.appliance, "inner0"), (self.members, "eth0")):
            offloads = [word for offload in OFFLOADS for word in (offload, "off")]
            host.run(["ethtool", "-K", end, *offloads], check=False)
            host.ip("link", "set", end, "up")
        self.members.ip("address", "add", f"{HOST}/8", "dev", "eth0")
        self.members.ip("route", "add", "default", "via", INNER_SELF)
        self.members.ip("route", "add", "local", str(_MEMBERS), "dev", "lo")

    def _start(self) -> None:
        socket, state = self._directory / "admin.sock", self._directory / "state"
        socket.unlink(missing_ok=True)
        shutil.rmtree(state, ignore_errors=True)
        file = self._directory / "fairlead.toml"
        file.write_text(configuration(self.pools, self._interval, self._outer, socket, state, self._hosts))
        python = ["env", f"PYTHONPATH={SCRIPTS}", sys.executable, "-P", "-m", "rigs.answerer"]
        inside = ["ip", "netns", "exec"]
        self._answerer = Process("answerer", [*inside, self.members.namespace, *python], self._directory / "answerer.log", True)
        argv = [*inside, self.appliance.namespace, str(self._program), "run", "--config", str(file)]
        self._running = Process("fairlead", argv, self._directory / "fairlead.log")
        self.wait("open its admin socket", lambda: self._connect(socket), _START)
        self.wait("find all members up", self._is_up, _SETTLE, 0.5)

    def _connect(self, socket: Path) -> bool:
        try:
            self.admin = Admin(socket, _START)
            self.admin.ask("status")
        except (OSError, LabError):
            return False
        return True

    def _is_up(self) -> bool:
        return all(row["state"] == "up" for row in self.admin.ask("members"))
