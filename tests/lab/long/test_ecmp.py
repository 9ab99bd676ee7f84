"""Two appliances that share one virtual address: each with its own FRR, with dpdk-config/routing/frr-ecmp.conf as it is, announces it to one
router, which spreads flows over both; servers have a way out by either. Calls go on when one of them dies."""

import json
import sys
import time
import unittest.mock

from lab.appliance import Appliance
from lab.gaps import cost
from lab.routers import Bird, Frr
from lab.sniffer import UDP, Sniffer
from lab.toolchain import REPOSITORY
from lab.twins import BOTH, INNER_SECOND, OUTER_SECOND, SECOND, TwinLab, of_second
from standing import StandingLab, addresses, sipp
from upstream import BFD, Upstream, over_both_ports

FILE = (REPOSITORY / "dpdk-config/routing/frr-ecmp.conf").read_text()
#: In no network of theirs: on a common link each would claim it from the other by ARP.
ROUTED = "203.0.113.100"
#: Calls a second, how long they are placed in seconds, and when one appliance dies and is back.
RATE, SECONDS, DIES, BACK = 100, 24, 5.0, 12.0
#: Within it nobody sends anything to the dead one any more; a busy machine may miss it.
FOUND, ATTEMPTS = 1.0, 3

ROUTER = f"""
frr defaults datacenter
{BFD}
router bgp 64500
 bgp router-id {addresses.ROUTER}
 no bgp ebgp-requires-policy
 neighbor APPLIANCES peer-group
 neighbor APPLIANCES remote-as 64512
 neighbor APPLIANCES bfd profile fairlead
 neighbor APPLIANCES timers connect 1
 neighbor {addresses.OUTER_SELF} peer-group APPLIANCES
 neighbor {OUTER_SECOND} peer-group APPLIANCES
 address-family ipv4 unicast
  maximum-paths 8
 exit-address-family
exit
"""


def server(address: str) -> str:
    """BIRD on a server: a way out by each appliance."""
    head = f"""router id {address};
protocol device {{ }}
protocol kernel {{ merge paths yes; ipv4 {{ export all; import none; }}; }}
protocol bfd {{ interface "eth0" {{ interval 300 ms; multiplier 3; }}; }}
"""
    return head + "".join(f"""
protocol bgp {name} {{
    local {address} as 64600;
    neighbor {gateway} as 64512;
    bfd on;
    hold time 3;
    connect retry time 1;
    connect delay time 1;
    error wait time 1, 5;
    ipv4 {{ import all; export none; }};
}}
""" for name, gateway in (("by_a", addresses.INNER_SELF), ("by_b", INNER_SECOND)))


class TwoShareAnAddress(StandingLab):
    layout = TwinLab
    setting = over_both_ports((f'"{addresses.VIP}"', f'"{ROUTED}"'))

    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(unittest.mock.patch.object(addresses, "VIP", ROUTED))
        super().setUpClass()
        cls.second = Appliance(cls.lab, setting=of_second(cls.setting), host=SECOND)
        cls.second.start()
        cls.second.wait_for_active("sip-a")
        for host in ("router", *addresses.MEMBERS):
            cls.lab.host(host).sysctl("net.ipv4.fib_multipath_hash_policy", "1")
        cls.upstream = Upstream(cls.lab.host("router"))
        cls.outward = {member: Upstream(cls.lab.host(member)) for member in addresses.MEMBERS}
        for follower in (cls.upstream, *cls.outward.values()):
            cls.addClassCleanup(follower.stop)
        Frr(cls.lab, "router", ROUTER, ("bfdd", "bgpd"))
        for host, address in zip(BOTH, (addresses.OUTER_SELF, OUTER_SECOND)):
            Frr(cls.lab, host, FILE.replace(f"router-id {addresses.OUTER_SELF}", f"router-id {address}"), ("bfdd", "bgpd"))
        for member, address in addresses.MEMBERS.items():
            Bird(cls.lab, member, server(address))

    def test_s143_calls_go_on_when_one_of_two_appliances_dies(self):
        for attempt in range(1, ATTEMPTS + 1):
            found = self.one_dies()
            print(f"nobody sent anything to the dead one after {found:.3f} s (attempt {attempt})", file=sys.stderr)
            if found < FOUND:
                return
        self.fail(f"not within {FOUND:g} s in {ATTEMPTS} attempts")

    def one_dies(self) -> float:
        """Seconds until neither router nor the active server sends to it; the calls are kept."""
        self.wait_for(self.both_are_used, 30.0, self.what_was_heard)
        time.sleep(1.0)
        watched = [("router", "phone"), ("phone", "eth0"), ("switch", "appliance"), ("switch", SECOND), ("router", "outer-a"), ("router", "outer-b")]
        watchers = {place: Sniffer(self.lab, *place) for place in watched}
        caller = sipp.udp_phones(self.lab, RATE, RATE * SECONDS)
        time.sleep(DIES)
        at = time.time()
        self.second.kill()
        time.sleep(BACK - DIES)
        back = time.time()
        self.second.start()
        calls = caller.finish(60.0)
        for watcher in watchers.values():
            watcher.stop()
        seen = {place: [packet for packet in watcher.seen() if packet.protocol == UDP] for place, watcher in watchers.items()}
        self.nothing_went_astray(seen, at)
        paid = cost(at, calls, seen["router", "phone"], seen["phone", "eth0"], back)
        print(paid.line("two appliances share an address, one is killed"), file=sys.stderr)
        self.assertEqual((calls.made, calls.completed), (RATE * SECONDS, RATE * SECONDS), calls)
        self.wait_for(self.both_are_used, 30.0, self.what_was_heard)
        left = max(self.left(self.upstream, addresses.VIP, OUTER_SECOND, at), self.left(self.outward["sip-a"], "default", INNER_SECOND, at))
        return left - at

    def nothing_went_astray(self, seen, at: float) -> None:
        """Both have carried both ways before; each datagram came from the virtual address, and went to the active member."""
        of_calls = lambda packets, **ends: [one for one in packets if all(getattr(one, end) == value for end, value in ends.items())]
        before = lambda packets: [one for one in packets if one.time < at]
        for port in BOTH:
            in_ = seen["switch", port]
            self.assertGreater(len(before(of_calls(in_, src=addresses.PHONE, dst=addresses.MEMBERS["sip-a"]))), RATE)
            self.assertEqual(of_calls(in_, src=addresses.PHONE, dst=addresses.MEMBERS["sip-b"]), [], "to a wrong member")
        for port in ("outer-a", "outer-b"):
            out = of_calls(seen["router", port], dst=addresses.PHONE)
            self.assertGreater(len(before(out)), RATE)
            self.assertEqual({(one.src, one.src_port) for one in out}, {(addresses.VIP, addresses.SIP_PORT)})
        self.assertEqual({(one.src, one.src_port) for one in seen["phone", "eth0"]}, {(addresses.VIP, addresses.SIP_PORT)})

    def left(self, follower: Upstream, to: str, hop: str, at: float) -> float:
        """When a next hop was not used any more after it had died."""
        return next(when for when, hops in follower.ways(to) if when > at and hop not in hops)

    def both_are_used(self) -> bool:
        """By the router, and by each server."""
        places = {"router": (addresses.VIP, {addresses.OUTER_SELF, OUTER_SECOND}),
                  **{member: ("default", {addresses.INNER_SELF, INNER_SECOND}) for member in addresses.MEMBERS}}
        return all(self.hops(host, to) == wanted for host, (to, wanted) in places.items())

    def hops(self, host: str, to: str) -> set[str]:
        """Next hops of a host's kernel."""
        routes = json.loads(self.lab.host(host).ip("-json", "route", "show", to) or "[]")
        return {hop["gateway"] for route in routes for hop in route.get("nexthops", [route]) if "gateway" in hop}

    def what_was_heard(self) -> str:
        """For a test that fails."""
        hosts = ("router", *addresses.MEMBERS)
        return "".join(self.lab.host(host).ip("route", "show") for host in hosts) + self.second.said()[-1000:]
