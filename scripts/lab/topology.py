"""The hosts and wires of the lab.

Owns: the namespaces, the veth pairs, addresses and routes, the lab's directory, and the removal of all of it.
Never: what runs in the hosts. Read first: the picture in `addresses`.
"""

import ipaddress
import secrets
import shutil
import sys
from pathlib import Path

from . import addresses, leftovers
from .host import Host, Program
from .shell import need_programs, need_root, run

SCRIPTS = Path(__file__).resolve().parents[1]

#: Checksums must be on the wire: AF_PACKET delivers frames as they are, with partial checksums if an offload was promised.
OFFLOADS = ("tx", "rx", "tso", "gso", "gro")


class Lab:
    """A deployment, as a context manager: everything is removed when the block is left, however it is left.

    `keep`: leave it standing instead (programs included) for a person to look around in.
    """

    def __init__(self, keep: bool = False):
        self.keep = keep
        self.id = secrets.token_hex(2)
        self.directory = leftovers.ROOT / self.id
        self.hosts: dict[str, Host] = {}
        self.programs: list[Program] = []

    def __enter__(self) -> "Lab":
        need_root()
        need_programs("ip", "ethtool", "setpriv")
        leftovers.sweep()
        leftovers.claim(self.directory)
        try:
            self._lay_out()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self.keep and kind is None:
            leftovers.mark_kept(self.directory)
        else:
            self.destroy()

    def host(self, name: str) -> Host:
        """The host of that name: phone, gateway, config, tclient, router, appliance, switch, sip-a or sip-b."""
        return self.hosts[name]

    def start(self, host: str, name: str, argv: list[str], environment: dict[str, str] | None = None) -> Program:
        """Starts a program in a host, to be stopped with the lab."""
        program = self.hosts[host].start(name, argv, environment)
        self.programs.append(program)
        return program

    def start_python(self, host: str, name: str, module: str, *arguments: str) -> Program:
        """Starts one of the lab's own programs in a host."""
        environment = {"PYTHONPATH": str(SCRIPTS), "PYTHONDONTWRITEBYTECODE": "1", "TERM": "dumb"}
        return self.start(host, name, [sys.executable, "-m", module, *arguments], environment)

    def file(self, name: str) -> Path:
        """A path in the lab's own directory, which is removed with the lab."""
        return self.directory / name

    def pull_cable(self, member: str) -> None:
        """Takes a member's link down at the switch; its host keeps running."""
        self.hosts["switch"].ip("link", "set", member, "down")

    def plug_cable(self, member: str) -> None:
        """Brings a member's link up again."""
        self.hosts["switch"].ip("link", "set", member, "up")

    def plug_in(self, name: str, networks: list[str]) -> Host:
        """Another host at the servers' switch, with these addresses, each with the length of its network."""
        host = self._add(name)
        self._wire(name, "eth0", "switch", name)
        self.hosts["switch"].ip("link", "set", name, "master", "br0")
        for network in networks:
            self._address(name, "eth0", network)
        if networks:
            host.ip("route", "add", "default", "via", addresses.INNER_SELF)
        return host

    def connect(self, name: str, to: str, link: str, network: str) -> Host:
        """Another host, on a wire of its own to a host that there is: `link` is the wire's name at both. Of the network the new host has
        the first address, the other one the second."""
        host = self._add(name)
        self._wire(name, link, to, link)
        first, second, *_ = ipaddress.ip_network(network).hosts()
        length = network.partition("/")[2]
        self._address(name, link, f"{first}/{length}")
        self._address(to, link, f"{second}/{length}")
        return host

    def destroy(self) -> None:
        """Stops every program and removes every namespace and file of this lab."""
        for program in reversed(self.programs):
            program.stop()
        for host in self.hosts.values():
            host.delete()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _lay_out(self) -> None:
        for name in (*addresses.BEHIND_ROUTER, "router", "appliance", "switch", *addresses.MEMBERS):
            self._add(name)
        self._lay_outside()
        self._lay_inside()

    def _add(self, name: str) -> Host:
        host = self.hosts[name] = Host(self.id, name, self.directory, outlive=self.keep)
        host.create()
        return host

    def _lay_outside(self) -> None:
        router = self.hosts["router"]
        router.sysctl("net.ipv4.ip_forward", "1")
        self._wire("appliance", "outer0", "router", "outer")
        self._address("router", "outer", f"{addresses.ROUTER}/24")
        for name, address in addresses.BEHIND_ROUTER.items():
            gateway = _first_of(address)
            self._wire(name, "eth0", "router", name)
            self._address("router", name, f"{gateway}/24")
            self._address(name, "eth0", f"{address}/24")
            self.hosts[name].ip("route", "add", "default", "via", gateway)
        router.ip("route", "add", "10.20.0.0/24", "via", addresses.OUTER_SELF)

    def _lay_inside(self) -> None:
        switch = self.hosts["switch"]
        switch.ip("link", "add", "br0", "type", "bridge")
        switch.ip("link", "set", "br0", "up")
        switch.sysctl("net.bridge.bridge-nf-call-iptables", "0")  # a switch has no opinion on IP headers
        self._wire("appliance", "inner0", "switch", "appliance")
        switch.ip("link", "set", "appliance", "master", "br0")
        for name, address in addresses.MEMBERS.items():
            self._wire(name, "eth0", "switch", name)
            switch.ip("link", "set", name, "master", "br0")
            self._address(name, "eth0", f"{address}/24")
            self.hosts[name].ip("route", "add", "default", "via", addresses.INNER_SELF)

    def _wire(self, host: str, end: str, peer: str, peer_end: str) -> None:
        run([
            "ip", "link", "add", end, "netns", self.hosts[host].namespace,
            "type", "veth", "peer", "name", peer_end, "netns", self.hosts[peer].namespace,
        ])
        for name, interface in ((host, end), (peer, peer_end)):
            offloads = [word for offload in OFFLOADS for word in (offload, "off")]
            self.hosts[name].run(["ethtool", "-K", interface, *offloads], check=False)
            self.hosts[name].ip("link", "set", interface, "up")

    def _address(self, host: str, interface: str, address: str) -> None:
        self.hosts[host].ip("address", "add", address, "dev", interface)


def _first_of(address: str) -> str:
    network = ipaddress.ip_network(f"{address}/24", strict=False)
    return str(network.network_address + 1)
