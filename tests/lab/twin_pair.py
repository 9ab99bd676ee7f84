"""A lab with a pair of appliances: two of them, each with a real keepalived over its own devices, with dpdk-config/keepalived/keepalived.conf
as it is. One is active.

Read first: `standing.py`. Owns: their files, and what each of them is. Never: what happens to them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.appliance import Appliance, binary
from lab.gaps import Cost, cost
from lab.keepalived import Keepalived
from lab.rounds import Calls
from lab.shell import run
from lab.sip.pair import Pair
from lab.sniffer import UDP, Seen, Sniffer
from lab.toolchain import REPOSITORY
from lab.twins import BOTH, INNER_SECOND, OUTER_SECOND, SECOND, TwinLab
from standing import Setting, StandingLab, addresses, sipp

FILE = (REPOSITORY / "dpdk-config/keepalived/keepalived.conf").read_text()
#: What floats: the servers' gateway, and the router's next hop.
GATEWAY, NEXT_HOP = addresses.INNER_SELF, "192.0.2.4"
#: What the appliances have for themselves there.
OWN = {"appliance": (addresses.OUTER_SELF, INNER_SECOND), SECOND: (OUTER_SECOND, "10.20.0.3")}
#: Where each of the two listens for the other.
SYNC_PORT = 7601
#: The router's port towards each of them.
PORTS = {"appliance": "outer-a", SECOND: "outer-b"}
#: Where is looked at what is on the wires.
PLACES = [("router", "phone"), ("phone", "eth0"), *(("switch", host) for host in BOTH), *(("router", PORTS[host]) for host in BOTH)]


@dataclass
class Watched:
    """Calls of a phone, and what was on the wires meanwhile."""

    caller: sipp.Caller
    calls: Calls | None = None
    seen: dict[tuple[str, str], list[Seen]] = field(default_factory=dict)

    def cost(self, at: float, until: float) -> Cost:
        """Of what happened at `at`, until the next thing was done."""
        return cost(at, self.calls, self.seen["router", "phone"], self.seen["phone", "eth0"], until)


def setting(lab: TwinLab, host: str, also_listen: tuple[str, ...] = ()) -> Setting:
    """The file of one of the two."""
    outer, inner = OWN[host]
    return Setting(
        also_listen=also_listen,
        edits=(
            (f'addresses = ["{addresses.OUTER_SELF}/24"]\n',
             f'addresses = ["{outer}/24"]\nfloating = ["{NEXT_HOP}/24"]\nhost = "fl-clients"\n'),
            (f'addresses = ["{addresses.INNER_SELF}/24"]\n',
             f'addresses = ["{inner}/24"]\nfloating = ["{GATEWAY}/24"]\nhost = "fl-servers"\n'),
        ),
        more=f'\n[pair]\nkeepalived = "{fifo(lab, host)}"\ninstance = "fairlead"\n{talks(lab, host)}',
    )


def talks(lab: TwinLab, host: str) -> str:
    """The keys by which one talks to the other: over the kernel's devices of the servers' network, between the addresses that each has there."""
    other = next(one for one in BOTH if one != host)
    own, peer = OWN[host][1], OWN[other][1]
    return (
        f'peer = "{peer}:{SYNC_PORT}"\nlisten = "{own}:{SYNC_PORT}"\ncertificate = "{lab.file(host)}/pair.pem"\n'
        f'key = "{lab.file(host)}/pair-key.pem"\npeer_certificate = "{lab.file(other)}/pair.pem"\n'
    )


def make_certificates(lab: TwinLab) -> None:
    """Each has its own, by the command that is there for it."""
    for host in BOTH:
        lab.file(host).mkdir()
        run([str(binary()), "pair", "init", "--folder", str(lab.file(host)), "--name", host], 10.0)


def fifo(lab: TwinLab, host: str) -> str:
    """Where its keepalived writes."""
    return str(lab.file(f"{host}.fifo"))


class PairLab(StandingLab):
    """Both are started, and one of them has become active, before each test."""

    layout = TwinLab
    #: keepalived's file.
    daemon = FILE
    #: Further service ports.
    also_listen: tuple[str, ...] = ()

    @classmethod
    def file_of(cls, host: str) -> Setting:
        """The file of one of the two."""
        return setting(cls.lab, host, cls.also_listen)

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = cls.enterClassContext(cls.layout())
        for member in addresses.MEMBERS:
            cls.lab.host(member).ip("route", "add", "default", "via", GATEWAY)
        cls.lab.host("router").ip("route", "add", "10.20.0.0/24", "via", NEXT_HOP)
        cls.pair = Pair(cls.lab)
        cls.pair.start()
        make_certificates(cls.lab)
        cls.both = {host: Appliance(cls.lab, setting=cls.file_of(host), host=host) for host in BOTH}
        cls.appliance = cls.both["appliance"]
        cls.daemons = cls.daemons_of()
        for appliance in cls.both.values():
            appliance.start()
        for daemon in cls.daemons.values():
            daemon.start()

    @classmethod
    def daemons_of(cls) -> dict[str, Keepalived]:
        """Who decides on each of the two."""
        return {host: Keepalived(cls.lab, cls.both[host], cls.daemon, fifo(cls.lab, host)) for host in BOTH}

    def setUp(self):
        for host in BOTH:
            self.lab.mend(host)
            if not self.both[host].is_running():
                self.both[host].start()
        self.decide()
        self.wait_for(lambda: sorted(self.roles()) == ["active", "standby"], 30.0, self.what_was_said)
        for appliance in self.both.values():
            appliance.wait_for_active("sip-a")
        self.wait_for(self.are_in_sync, 30.0, self.what_was_said)

    def decide(self) -> None:
        """Has one of them be active: keepalived does."""

    def by_role(self) -> tuple[str, str]:
        """The active one, and the one that stands by."""
        roles = self.roles()
        return BOTH[roles.index("active")], BOTH[roles.index("standby")]

    @contextmanager
    def watched(self, rate: int, seconds: int) -> Iterator[Watched]:
        """A phone calls, so often a second and for so long; at the end of the block its last call is over. None was lost, and nothing went
        astray."""
        watchers = {place: Sniffer(self.lab, *place) for place in PLACES}
        watched = Watched(sipp.udp_calls(self.lab, rate, rate * seconds))
        try:
            yield watched
            watched.calls = watched.caller.finish(60.0)
        finally:
            for watcher in watchers.values():
                watcher.stop()
        watched.seen = {place: [one for one in watcher.seen() if one.protocol == UDP] for place, watcher in watchers.items()}
        self._nothing_went_astray(watched.seen)
        made, completed = watched.calls.made, watched.calls.completed
        self.assertEqual((made, completed), (rate * seconds,) * 2, f"{watched.calls} {self.what_was_said()}")

    def _nothing_went_astray(self, seen: dict[tuple[str, str], list[Seen]]) -> None:
        """Each datagram came from the virtual address, and went to the active member; who has not to forward did not."""
        for host in BOTH:
            wrong = [one for one in seen["switch", host] if one.src == addresses.PHONE and one.dst != addresses.MEMBERS["sip-a"]]
            self.assertEqual(wrong, [], "to a wrong member")
            sources = {(one.src, one.src_port) for one in seen["router", PORTS[host]] if one.dst == addresses.PHONE}
            self.assertLessEqual(sources, {(addresses.VIP, addresses.SIP_PORT)}, "from a wrong source")
        self.assertEqual({(one.src, one.src_port) for one in seen["phone", "eth0"]}, {(addresses.VIP, addresses.SIP_PORT)})

    def roles(self) -> list[str]:
        """What each of the two is."""
        return [self.role(host) for host in BOTH]

    def role(self, host: str) -> str:
        """What it says that it is; nothing while it cannot."""
        if not self.both[host].is_running():
            return "dead"
        return self.pair_report(host).get("role", "silent")

    def are_in_sync(self) -> bool:
        """What the active one knows is at the other, as both say."""
        return [self.pair_report(host).get("in_sync") for host in BOTH] == [True, True]

    def pair_report(self, host: str) -> dict:
        """What it says of the pair; nothing while it cannot."""
        said = self.both[host].command("pair", "--json", check=False)
        return json.loads(said.stdout) if said.returncode == 0 else {}

    def what_was_said(self) -> str:
        """For a test that fails."""
        said = {host: self.daemons[host].said()[-1500:] if host in self.daemons else "" for host in BOTH}
        return "\n".join(f"--- {host}\n{self.both[host].said()[-1500:]}\n{said[host]}" for host in BOTH)


class ByHand:
    """Instead of keepalived an operator says who is active. To be put before a :class:`PairLab`."""

    @classmethod
    def file_of(cls, host: str) -> Setting:
        """The same without keepalived."""
        plain = setting(cls.lab, host, cls.also_listen)
        keys = f'keepalived = "{fifo(cls.lab, host)}"\ninstance = "fairlead"\n'
        assert keys in plain.more
        return Setting(also_listen=plain.also_listen, edits=plain.edits, more=plain.more.replace(keys, ""))

    @classmethod
    def daemons_of(cls) -> dict[str, Keepalived]:
        """There are none."""
        return {}

    def decide(self) -> None:
        """The first one, unless one is."""
        if "active" not in self.roles():
            self.both[BOTH[0]].command("pair", "active", "--yes")
