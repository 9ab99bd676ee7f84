"""FRR beside the appliance is killed and started again: what members send by the routes that it had put into the kernel, a static one and one
that it had by BGP, continues to arrive if zebra keeps them for a while (`-K`, zebra_options in /etc/frr/daemons). Without it zebra deletes at its
start what the one before had put there, and the kernel tells that as any other withdrawal."""

import sys
import threading
import time
from itertools import pairwise

from lab import sockets
from lab.routers import Frr
from lab.sniffer import UDP, Sniffer
from standing import Setting, StandingLab, addresses
from upstream import Upstream, over_the_port

#: Networks of two hosts behind the router: one is announced, the other is static beside the appliance.
ANNOUNCED, STATIC = "172.16.5.0/24", "172.16.9.0/24"
HOSTS = {ANNOUNCED: ("phone", addresses.PHONE), STATIC: ("gateway", addresses.GATEWAY)}
#: The router, and ours without any filter.
THEIRS = f"""
frr defaults datacenter
router bgp 64500
 bgp router-id {addresses.ROUTER}
 no bgp ebgp-requires-policy
 neighbor {addresses.OUTER_SELF} remote-as 64512
 neighbor {addresses.OUTER_SELF} timers connect 1
 address-family ipv4 unicast
  network {ANNOUNCED}
 exit-address-family
exit
"""
OURS = f"""
frr defaults datacenter
ip route {STATIC} {addresses.ROUTER}
router bgp 64512
 bgp router-id {addresses.OUTER_SELF}
 no bgp ebgp-requires-policy
 neighbor {addresses.ROUTER} remote-as 64500
 neighbor {addresses.ROUTER} timers 1 3
 neighbor {addresses.ROUTER} timers connect 1
exit
"""
#: How long zebra keeps what it finds, how long FRR is away, and how long it is looked after that, in seconds.
KEEPS, AWAY, AFTER = "10", 3.0, 15.0
#: A datagram to each host so often, and the longest time without one, in seconds.
PERIOD, GAP = 0.005, 0.3
PORT = 4_009


class Killed:
    """What holds however zebra is started."""

    setting = Setting(
        edits=(*over_the_port().edits, ('[[route]]\nto = "default"\n', '[[route]]\nto = "172.16.1.0/24"\n')),
        more="\n[routes]\nfrom_kernel = true\n",
    )
    zebra: tuple[str, ...]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        Frr(cls.lab, "router", THEIRS)
        cls.ours = Frr(cls.lab, "appliance", OURS, ("staticd", "bgpd"), cls.zebra)

    def killed(self) -> dict[str, float]:
        """All of FRR beside the appliance, and started again: the longest time without a datagram, in seconds, for each route; they are there
        again."""
        self.wait_for(lambda: self._learned() == set(HOSTS), 30.0, lambda: f"{self._learned()}")
        time.sleep(1.0)
        heard = Upstream(self.lab.host("appliance"))
        self.addCleanup(heard.stop)
        watchers = {to: Sniffer(self.lab, host) for to, (host, _) in HOSTS.items()}
        for watcher in watchers.values():
            self.addCleanup(watcher.stop)
        over = threading.Event()
        sending = threading.Thread(target=self._send, args=(over,))
        sending.start()
        try:
            time.sleep(1.0)
            at = time.time()
            self.ours.kill()
            time.sleep(AWAY)
            self.ours.start()
            back = time.time()
            time.sleep(AFTER)
        finally:
            over.set()
            sending.join()
        gaps = {}
        for to, watcher in watchers.items():
            watcher.stop()
            times = [one.time for one in watcher.seen() if one.protocol == UDP and one.dst_port == PORT]
            gap, begins = max((later - earlier, earlier) for earlier, later in pairwise(times))
            gaps[to] = gap
            ways = ", ".join(f"{when - at:.2f} s {'there' if hops else 'gone'}" for when, hops in heard.ways(to)) or "nothing"
            print(
                f"{type(self).__name__}: {to} (FRR killed, started again after {back - at:.1f} s): longest gap {1e3 * gap:.0f} ms, from "
                f"{begins - at:.2f} s on; in the kernel {ways}", file=sys.stderr,
            )
        self.assertEqual(self._learned(), set(HOSTS), "they are there again")
        return gaps

    def _learned(self) -> set[str]:
        return {row["to"] for row in self.appliance.ask("routes") if row["kind"] == "kernel" and row["learned"]["used"]}

    def _send(self, over: threading.Event) -> None:
        with sockets.udp(self.lab.host("sip-a"), addresses.MEMBERS["sip-a"], 41_000) as member:
            while not over.wait(PERIOD):
                for _, address in HOSTS.values():
                    member.sendto(b"x", (address, PORT))


class KeptByZebra(Killed, StandingLab):
    zebra = ("-K", KEEPS)

    def test_s186_what_frr_had_put_there_stays_while_it_is_killed_and_started_again(self):
        gaps = self.killed()
        self.assertLess(max(gaps.values()), GAP, f"{gaps}")


class SweptByZebra(Killed, StandingLab):
    """How FRR is started where nobody says otherwise."""

    zebra = ()

    def test_s186_what_zebra_deletes_at_its_start_is_gone_until_it_is_there_again(self):
        gaps = self.killed()
        self.assertLess(max(gaps.values()), AFTER, f"{gaps}")
