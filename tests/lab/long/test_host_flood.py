"""A flood towards a self-IP whose interface has a device of the kernel's, replayed as fast as the port can (net_pcap, without end): a million
frames a second with an optimised build. FRR's sessions over the other interface stay, members that answer are not found dead, and what
clients send to a virtual address passes."""

import json
import sys
import tempfile
import time
import unittest
from pathlib import Path

from standing import SCRIPTS  # finds the scripts
from lab.appliance import binary
from lab.host import Program
from lab.routers import Frr
from lab.toolchain import REPOSITORY
from rigs import captures, frames
from rigs.fleet import HOST, INNER_SELF, QUIET, SELF_IP, Fleet
from rigs.traffic import OUTER_MAC, ROUTER_MAC
from upstream import BFD

#: Seldom enough that a member answers in time on a machine that does other things as well.
PAIRS, INTERVAL = 10, 1_000
#: How long is looked, in seconds, after so long.
SPAN, SETTLE = 10.0, 2.0
#: Frames a second that have to come for it to be a flood, by the build: an optimised one took 3.3 million on two cores.
RATES = {"release": 500_000.0, "debug": 1_000.0}
#: Of so many frames so many are a client's to the first virtual address.
FRAMES, SERVED = 20_000, 4
#: Hosts that flood from beyond the link, and those that say that they are on it: as many as in a network of 24 bits. The kernel answers
#: each, and has room for 1,024 neighbours that do not answer it (net.ipv4.neigh.default.gc_thresh3) before it forgets those that do.
FAR, NEAR = 4_000, 250
VIRTUAL, CLIENT = "10.200.0.1", "172.20.0.1"

UPSTREAM = f"""
frr defaults datacenter
{BFD}
router bgp 64500
 bgp router-id {HOST}
 no bgp ebgp-requires-policy
 neighbor {INNER_SELF} remote-as 64512
 neighbor {INNER_SELF} bfd profile fairlead
 neighbor {INNER_SELF} timers connect 1
exit
"""


class Hosts:
    """What a routing daemon asks of a lab."""

    def __init__(self, fleet: Fleet, directory: Path):
        self._hosts = {"appliance": fleet.appliance, "members": fleet.members}
        self._directory = directory

    def file(self, name: str) -> Path:
        """A path beside the rig's other files."""
        return self._directory / name

    def start(self, host: str, name: str, argv: list[str]) -> Program:
        """Starts a program in a host, which ends with the host."""
        return self._hosts[host].start(name, argv)


def flood(path: Path) -> str:
    """A device that replays it."""
    to = frames.address(SELF_IP)
    near, far = frames.address("192.0.16.0"), frames.address("198.18.0.0")
    kinds = {kind: frames.Template(ROUTER_MAC, OUTER_MAC, kind) for kind in (frames.TCP, frames.UDP)}

    def frame(number: int) -> bytes:
        if number % (FRAMES // SERVED) == 0:
            return kinds[frames.UDP].frame((frames.address(CLIENT), 5060, frames.address(VIRTUAL), 5060))
        kind, port = ((frames.TCP, 179), (frames.UDP, 3784), (frames.UDP, 9))[number % 3]
        source = near + number % NEAR if number % 2 else far + number % FAR
        return kinds[kind].frame((source, 40_000, to, port))

    captures.write(path, map(frame, range(FRAMES)))
    return f"net_pcap0,rx_pcap={path},infinite_rx=1"


class HostFlood(unittest.TestCase):
    def setUp(self):
        # Where FRR's user may go.
        directory = tempfile.TemporaryDirectory(dir="/run")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.directory.chmod(0o755)

    def test_s142_a_million_frames_a_second_change_neither_sessions_nor_probes_nor_traffic(self):
        quiet, flooded = self.look(QUIET, "quiet"), self.look(flood(self.directory / "flood.pcap"), "flood")
        build = binary().parent.name
        for name, seen in (("quiet", quiet), ("flooded", flooded)):
            print(f"{name}: {seen}", file=sys.stderr)
        print(
            f"{flooded['rate']:,.0f} frames a second for {SPAN:.0f} s ({build} build): {flooded['lost']} sessions lost, {len(flooded['down'])} members "
            f"down, beyond the kernel's budgets {flooded['limited']:,}, {flooded['sent']:,.0f} frames a second towards the servers",
            file=sys.stderr,
        )
        self.assertGreater(flooded["rate"], RATES[build])
        self.assertGreater(flooded["limited"], 0)
        for seen in (quiet, flooded):
            self.assertEqual((seen["lost"], seen["down"]), (0, []))
        # And as often the member hears that there is no way to who asked.
        self.assertGreater(flooded["sent"] - quiet["sent"], 0.9 * flooded["rate"] * SERVED / FRAMES)

    def look(self, outer: str, name: str) -> dict:
        """Frames a second, sessions lost, members found dead, and frames a second that left towards the servers."""
        directory = self.directory / name
        directory.mkdir()
        with Fleet(binary(), directory, PAIRS, INTERVAL, outer, ("fl-outer", "fl-servers")) as fleet:
            hosts = Hosts(fleet, directory)
            theirs = Frr(hosts, "members", UPSTREAM, ("bfdd", "bgpd"))
            own = (REPOSITORY / "dpdk-config/routing/frr-port.conf").read_text()
            own = own.replace("192.0.2.1", HOST).replace("192.0.2.2", INNER_SELF)
            ours = Frr(hosts, "appliance", own, ("bfdd", "bgpd"))
            # Who asks nothing for a while is disconnected.
            is_up = lambda: fleet.admin.ask("status") and ours.neighbour_is_up(HOST) and theirs.bfd_is_up(INNER_SELF)
            fleet.wait("have its session", is_up, 60.0, 0.5)
            time.sleep(SETTLE)
            before, began = self.counts(fleet, ours, theirs), time.monotonic()
            time.sleep(SPAN)
            after, span = self.counts(fleet, ours, theirs), time.monotonic() - began
            up = is_up()
            down = [row["name"] for row in fleet.admin.ask("members") if row["state"] == "down"]
        grown = {key: after[key] - before[key] for key in after}
        return {
            "rate": grown["received"] / span, "sent": grown["sent"] / span, "limited": grown["limited"],
            "lost": grown["lost"] + (not up), "down": down,
        }

    def counts(self, fleet: Fleet, ours: Frr, theirs: Frr) -> dict[str, int]:
        """Frames by port, what was beyond a budget, and how often a session has gone down."""
        ports = {row["name"]: row for row in fleet.admin.ask("ports")}
        counters = [row for row in fleet.admin.ask("counters", all=True) if row.get("worker") is None]
        lost = 0
        for daemon, neighbour in ((ours, HOST), (theirs, INNER_SELF)):
            lost += json.loads(daemon.show(f"show bgp neighbors {neighbour} json"))[neighbour]["connectionsDropped"]
            lost += sum(peer["session-down"] for peer in json.loads(daemon.show("show bfd peers counters json")))
        limited = sum(row["value"] for row in counters if row["name"].startswith("drop_host_"))
        return {"received": ports["outer"]["rx_frames"], "sent": ports["inner"]["tx_frames"], "limited": limited, "lost": lost}


if __name__ == "__main__":
    unittest.main()
