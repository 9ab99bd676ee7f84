"""Routes of the appliance's kernel over a host device become routes of the data path, as `ip route` puts them there and takes them away."""

import itertools
import os
import sys
import threading
import time
import unittest
from dataclasses import replace
from pathlib import Path

from lab.appliance import ManagedAppliance
from standing import Setting, StandingLab, addresses

#: Another router of the clients' network: the same host, with another address and MAC.
OTHER = "192.0.2.3"
OTHER_LINK = "other"
CONVERSATIONS = 40
#: Where the process leaves what it remembers.
LEFT = Path("/dev/shm") / f"fairlead-routes-{os.getpid()}"

#: Prints the MAC and the source port of each UDP datagram to an address that comes in on a link, for so many seconds.
SEEN = """
import socket, struct, sys, time
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
link.bind((sys.argv[1], 0))
link.settimeout(0.1)
wanted, end = socket.inet_aton(sys.argv[2]), time.monotonic() + float(sys.argv[3])
print("ready", flush=True)
while time.monotonic() < end:
    try:
        frame, (_, _, kind, *_) = link.recvfrom(2000)
    except TimeoutError:
        continue
    if kind != socket.PACKET_OUTGOING and frame[23] == 17 and frame[30:34] == wanted:
        print(frame[:6].hex(":"), struct.unpack("!H", frame[34:36])[0])
"""


class TwoRouters(StandingLab):
    """A second router of the clients' network, whom the kernel's routes may name; the file's is the first."""

    setting = Setting(
        edits=(
            (
                f'addresses = ["{addresses.OUTER_SELF}/24"]\n',
                f'addresses = ["{addresses.OUTER_SELF}/24"]\nhost = "fl-clients"\n',
            ),
        ),
        more='\n[routes]\nfrom_kernel = true\nstale_time = "3s"\n',
    )
    to = f"{addresses.PHONE}/32"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        router = cls.lab.host("router")
        router.ip("link", "add", "link", "outer", "name", OTHER_LINK, "type", "macvlan", "mode", "bridge")
        for link in ("outer", OTHER_LINK):
            router.sysctl(f"net.ipv4.conf.{link}.arp_ignore", "1")
        router.sysctl(f"net.ipv4.conf.{OTHER_LINK}.rp_filter", "0")
        router.sysctl("net.ipv4.conf.all.rp_filter", "0")
        router.ip("address", "add", f"{OTHER}/32", "dev", OTHER_LINK)
        router.ip("link", "set", OTHER_LINK, "up")
        cls.macs = {
            address: router.run(["cat", f"/sys/class/net/{link}/address"]).stdout.strip()
            for address, link in ((addresses.ROUTER, "outer"), (OTHER, OTHER_LINK))
        }

    def setUp(self):
        super().setUp()
        self.ports = itertools.count(41_000)

    def route(self, *words: str) -> None:
        """`ip route` in the appliance's namespace."""
        self.lab.host("appliance").ip("route", *words)

    def learned(self) -> list[dict]:
        """The rows of the kernel's routes."""
        return [row for row in self.appliance.ask("routes") if row["kind"] == "kernel"]

    def learn(self, *words: str) -> None:
        """Puts a route to the phone into the kernel until the test ends, and waits until every next hop of it answers."""
        self.addCleanup(self.wait_for, lambda: not self.learned(), 10.0, lambda: f"{self.learned()}")
        # `ip route flush` is refused for a route that names its next hop by number.
        self.addCleanup(self.lab.host("appliance").run, ["ip", "route", "delete", self.to], check=False)
        self.route("add", self.to, *words)
        self.wait_for_next_hops(words.count("via") or 1)

    def wait_for_next_hops(self, count: int) -> None:
        """Waits until packets to the phone may go by so many routers."""
        def up() -> list[dict]:
            return [row for row in self.learned() if row["next_hop"] == "reachable" and row["learned"]["used"]]

        self.wait_for(lambda: len(up()) == count, 10.0, lambda: f"{self.learned()}")

    def taken(self) -> dict[int, set[str]]:
        """The MACs that what a member opens to the phone leaves to, by the source port that it has outside: three datagrams each."""
        seen = self.start_in("router", sys.executable, "-u", "-c", SEEN, "outer", addresses.PHONE, "3")
        self.wait_for(lambda: "ready" in seen.said())
        for _ in range(CONVERSATIONS):
            member = self.udp_in("sip-a", addresses.MEMBERS["sip-a"], next(self.ports))
            for _ in range(3):
                member.sendto(b"x", (addresses.PHONE, 4_009))
                time.sleep(0.002)
        self.assertEqual(seen.wait(20.0), 0, seen.said())
        taken: dict[int, set[str]] = {}
        for mac, port in (line.split() for line in seen.said().splitlines() if ":" in line):
            taken.setdefault(int(port), set()).add(mac)
        self.assertGreaterEqual(len(taken), CONVERSATIONS, "all arrive")
        return taken

    def taken_all(self) -> set[str]:
        """The same MACs, of all conversations together."""
        return set().union(*self.taken().values())

    def run_fairlead(self, *words: str) -> str:
        """What the command prints."""
        return self.appliance.show(*words)


class LearnedRoutes(TwoRouters):
    def test_s119_a_route_comes_and_goes_with_the_kernels(self):
        router, other = self.macs[addresses.ROUTER], self.macs[OTHER]
        self.assertEqual(self.taken_all(), {router}, "the default route is the file's")
        self.learn("via", OTHER, "dev", "fl-clients", "proto", "bgp", "metric", "20")
        self.assertEqual(self.taken_all(), {other})
        (row,) = self.learned()
        said = row["learned"]
        self.assertEqual((row["to"], row["via"], row["mac"]), (self.to, OTHER, other))
        self.assertEqual((said["protocol"], said["metric"], said["stale"]), ("bgp", 20, None))
        self.assertIn("bgp", self.run_fairlead("routes"))
        explained = self.run_fairlead("explain", "udp", f"{addresses.MEMBERS['sip-a']}:41000", f"{addresses.PHONE}:4009")
        self.assertIn(f"kernel's route {addresses.PHONE} via {OTHER}", explained)
        self.route("delete", self.to)
        begun = time.monotonic()
        self.wait_for(lambda: not self.learned(), 5.0)
        print(f"withdrawn after {(time.monotonic() - begun) * 1000:.0f} ms")
        self.assertEqual(self.taken_all(), {router})

    def test_s118_conversations_are_spread_over_two_routers_and_each_stays(self):
        self.learn(*("nexthop", "via", addresses.ROUTER, "dev", "fl-clients"), *("nexthop", "via", OTHER, "dev", "fl-clients"))
        taken = self.taken()
        self.assertEqual({len(macs) for macs in taken.values()}, {1}, f"{taken}")
        counts = [sum(macs == {mac} for macs in taken.values()) for mac in self.macs.values()]
        self.assertGreater(min(counts), CONVERSATIONS // 8, f"{counts}")
        print(f"{len(taken)} conversations: {counts[0]} by one router, {counts[1]} by the other")
        self.lab.host("router").ip("link", "set", OTHER_LINK, "down")
        self.addCleanup(self.lab.host("router").ip, "link", "set", OTHER_LINK, "up")
        self.wait_for_next_hops(1)
        self.assertEqual(self.taken_all(), {self.macs[addresses.ROUTER]})
        self.lab.host("router").ip("link", "set", OTHER_LINK, "up")
        self.wait_for_next_hops(2)
        self.assertEqual(self.taken_all(), set(self.macs.values()))

    def test_s119_next_hops_are_followed_by_their_numbers(self):
        appliance = self.lab.host("appliance")
        appliance.ip("nexthop", "add", "id", "31", "via", OTHER, "dev", "fl-clients")
        self.addCleanup(appliance.run, ["ip", "nexthop", "flush"], check=False)
        self.learn("nhid", "31", "proto", "ospf")
        self.assertEqual(self.taken_all(), {self.macs[OTHER]})
        appliance.ip("nexthop", "replace", "id", "31", "via", addresses.ROUTER, "dev", "fl-clients")
        self.wait_for(lambda: [row["via"] for row in self.learned()] == [addresses.ROUTER], 5.0)
        self.wait_for_next_hops(1)
        self.assertEqual(self.taken_all(), {self.macs[addresses.ROUTER]})

    def test_s119_what_goes_with_its_device_stays_for_a_while(self):
        self.learn("via", OTHER, "dev", "fl-clients")
        self.lab.host("appliance").ip("link", "delete", "fl-clients")
        self.wait_for(lambda: [row["learned"]["stale"] for row in self.learned()] not in ([], [None]), 2.0, lambda: f"{self.learned()}")
        self.assertTrue(self.learned()[0]["learned"]["used"], "packets go by it meanwhile")
        self.wait_for(lambda: not self.learned(), 5.0)
        self.wait_for(lambda: "LOWER_UP" in self.run_in("appliance", "ip", "link", "show", "fl-clients", check=False), 5.0)

    def test_s119_many_routes_come_in_one_go(self):
        appliance, count = self.lab.host("appliance"), 5_000
        before = self.appliance.ask("status")["epoch"]
        batch = self.lab.file("batch")
        lines = [f"route add 10.{at // 250}.{at % 250}.0/24 via {OTHER} dev fl-clients proto bird" for at in range(count)]
        batch.write_text("\n".join(lines) + "\n")
        self.addCleanup(self.wait_for, lambda: not self.learned(), 10.0)
        self.addCleanup(appliance.run, ["ip", "route", "flush", "proto", "bird"], check=False)
        appliance.ip("-batch", str(batch))
        self.wait_for(lambda: len(self.learned()) == count, 10.0, lambda: f"{len(self.learned())}")
        epochs = self.appliance.ask("status")["epoch"] - before
        self.assertLess(epochs, 60, "a snapshot for many")
        print(f"{count} routes cost {epochs} snapshots")

class OverARestart(TwoRouters):
    """Each start takes up what the process before has left. The device goes with the process, and the kernel's route with the device."""

    setting = replace(TwoRouters.setting, edits=(*TwoRouters.setting.edits, ("[appliance]\n", f'[appliance]\nhandover = "{LEFT}"\n')))

    @classmethod
    def setUpClass(cls) -> None:
        cls.addClassCleanup(LEFT.unlink, missing_ok=True)  # what the last process leaves
        super().setUpClass()

    def restart(self) -> None:
        """Has it ended and started again."""
        self.assertEqual(self.appliance.stop(), 0)
        self.appliance.start()

    def taken_over_a_restart(self) -> set[str]:
        """The MACs that what a member opens to the phone leaves to, from before the restart until after it."""
        seen = self.start_in("router", sys.executable, "-u", "-c", SEEN, "outer", addresses.PHONE, "30")
        self.wait_for(lambda: "ready" in seen.said())
        stop = threading.Event()
        sender = threading.Thread(target=self._send, args=(stop,))
        sender.start()
        try:
            time.sleep(0.5)
            before = len(seen.said().splitlines())
            self.restart()
            time.sleep(0.5)
        finally:
            stop.set()
            sender.join()
        taken = [line.split()[0] for line in seen.said().splitlines() if ":" in line]
        self.assertGreater(before, 10, "packets pass before")
        self.assertGreater(len(taken), before + 10, "and after")
        return set(taken)

    def _send(self, stop: threading.Event) -> None:
        """A datagram each 5 ms, ten of each conversation."""
        while not stop.is_set():
            member = self.udp_in("sip-a", addresses.MEMBERS["sip-a"], next(self.ports))
            for _ in range(10):
                member.sendto(b"x", (addresses.PHONE, 4_009))
                time.sleep(0.005)

    def test_s158_packets_go_by_the_kernels_route_from_the_first_on(self):
        self.learn("via", OTHER, "dev", "fl-clients", "proto", "bgp")
        self.assertEqual(self.taken_over_a_restart(), {self.macs[OTHER]})
        (row,) = self.learned()
        self.assertTrue(row["learned"]["stale"] and row["learned"]["used"], f"{row}")
        # The kernel has it no more: after `stale_time` the file's default route is what is left.
        self.wait_for(lambda: not self.learned(), 10.0, lambda: f"{self.learned()}")
        self.assertEqual(self.taken_all(), {self.macs[addresses.ROUTER]})


class OverARestartUnderAManager(OverARestart):
    """The device, and the kernel's route with it, outlives the process."""

    kind = ManagedAppliance
    appliance: ManagedAppliance

    def restart(self) -> None:
        self.appliance.restart()

    def test_s158_packets_go_by_the_kernels_route_from_the_first_on(self):
        self.learn("via", OTHER, "dev", "fl-clients", "proto", "bgp")
        self.assertEqual(self.taken_over_a_restart(), {self.macs[OTHER]})
        self.wait_for(lambda: [row["learned"]["stale"] for row in self.learned()] == [None], 5.0, lambda: f"{self.learned()}")
        time.sleep(4.0)
        self.assertEqual(self.taken_all(), {self.macs[OTHER]}, "the kernel still has it")


if __name__ == "__main__":
    unittest.main()
