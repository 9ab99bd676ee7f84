"""Routing daemons beside the appliance that speak to the router over its own port, with the files of dpdk-config/routing as they are: the
virtual address is announced there and withdrawn, and an appliance that dies or hangs is found by BFD."""

import json
import signal
import sys
import time

from lab.routers import Bird, Frr
from lab.toolchain import REPOSITORY
from standing import StandingLab, addresses, sipp
from upstream import BFD, Upstream, over_the_port, seconds

EXAMPLES = REPOSITORY / "dpdk-config/routing"
#: Within it a dead appliance has no route any more, three times 300 ms and what the router takes for it; a busy machine may miss it.
FOUND, ATTEMPTS = 1.0, 3

ROUTER_BGP = f"""
frr defaults datacenter
{BFD}
router bgp 64500
 bgp router-id {addresses.ROUTER}
 no bgp ebgp-requires-policy
 neighbor {addresses.OUTER_SELF} remote-as 64512
 neighbor {addresses.OUTER_SELF} bfd profile fairlead
 neighbor {addresses.OUTER_SELF} timers connect 1
exit
"""

ROUTER_OSPF = f"""
frr defaults datacenter
{BFD}
interface outer
 ip ospf area 0
 ip ospf hello-interval 1
 ip ospf dead-interval 3
 ip ospf bfd
 ip ospf bfd profile fairlead
exit
router ospf
 ospf router-id {addresses.ROUTER}
 timers throttle spf 50 100 500
exit
"""

class OverPorts:
    """What holds with either daemon beside the appliance, and whichever protocol it speaks."""

    setting = over_the_port()
    #: How old, in seconds, an announcement has to be for the next one to be taken at once.
    settled = 0.0

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        router = cls.lab.host("router")
        # It knows the members as before, and of the virtual address what is announced to it alone.
        router.ip("route", "delete", "10.20.0.0/24")
        for member in addresses.MEMBERS.values():
            router.ip("route", "add", member, "via", addresses.OUTER_SELF)
        cls.upstream = Upstream(router)
        cls.addClassCleanup(cls.upstream.stop)
        cls.ours, cls.theirs = cls.start_daemons()

    def setUp(self):
        if not self.appliance.is_running():
            self.appliance.start()
        self.back_to_sip_a()
        self.wait_for(lambda: self.ours.neighbour_is_up(addresses.ROUTER), 30.0, lambda: "no session" + self.appliance.said()[-2000:])
        self.wait_for(self.upstream.has_it, 10.0, self.what_was_heard)

    def test_s140_the_router_knows_the_address_while_a_member_is_up(self):
        self.assertIn(f"via {addresses.OUTER_SELF} dev outer", self.run_in("router", "ip", "route", "get", addresses.VIP))
        self.assertTrue(self.is_answered())
        time.sleep(self.settled)
        for member in addresses.MEMBERS:
            self.pair.kill(member)
        gone = self.heard(False)
        self.tell(f"withdrawn at the router {gone - self.last_event('address.withdrawn'):.3f} s after it was from the device")
        time.sleep(self.settled)
        for member in addresses.MEMBERS:
            self.pair.revive(member)
        self.pair.order("sip-a", "primary")
        came = self.heard(True)
        self.tell(f"at the router {came - self.last_event('address.advertised'):.3f} s after it was on the device")
        self.assertTrue(self.is_answered())

    def test_s141_a_killed_appliance_is_found_by_bfd_and_comes_back(self):
        self.found_by_bfd("killed", self.appliance.kill, self.appliance.start)

    def test_s141_an_appliance_that_hangs_is_found_by_bfd_and_comes_back(self):
        self.found_by_bfd("stopped where it was", self.appliance.freeze, self.appliance.thaw)

    def found_by_bfd(self, what, end, begin) -> None:
        """The appliance ends and begins, until its end was found in time."""
        for attempt in range(1, ATTEMPTS + 1):
            self.wait_for(lambda: self.theirs.bfd_is_up(addresses.OUTER_SELF), 20.0, self.what_was_heard)
            time.sleep(1.0)  # at the pace of its profile, not of its beginning (RFC 5880 6.8.3)
            at = time.time()
            end()
            try:
                found = self.heard(False) - at
            finally:
                began = time.time()
                begin()
            back = self.heard(True) - began
            self.wait_for(lambda: self.is_answered(), 10.0, self.what_was_heard)
            self.tell(f"{what}: the router had no route after {found:.3f} s, and one {back:.3f} s after its return (attempt {attempt})")
            if found < FOUND:
                return
        self.fail(f"not within {FOUND:g} s in {ATTEMPTS} attempts")

    def is_answered(self) -> bool:
        """Whether a phone's OPTIONS to the virtual address is, from there."""
        phone = self.udp_in("phone", addresses.PHONE)
        phone.settimeout(1.0)
        call = f"over-port-{next(self.numbers)}"
        port = phone.getsockname()[1]
        phone.sendto(
            f"OPTIONS sip:{addresses.VIP} SIP/2.0\r\nVia: SIP/2.0/UDP {addresses.PHONE}:{port};branch=z9hG4bK{call}\r\n"
            f"From: <sip:phone>;tag=1\r\nTo: <sip:{addresses.VIP}>\r\nCall-ID: {call}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode(),
            (addresses.VIP, addresses.SIP_PORT),
        )
        try:
            answer, source = phone.recvfrom(65535)
        except TimeoutError:
            return False
        self.assertEqual(source, (addresses.VIP, addresses.SIP_PORT))
        return answer.startswith(b"SIP/2.0 200 ")

    def heard(self, comes: bool) -> float:
        """When the router learned that the address has come or gone, which it does."""
        self.wait_for(lambda: self.upstream.has_it() == comes, 20.0, self.what_was_heard)
        return self.upstream.changes()[-1][0]

    def what_was_heard(self) -> str:
        """For a test that fails."""
        return self.upstream.log.read_text()[-1000:] + self.appliance.said()[-2000:]

    def last_event(self, name: str) -> float:
        """When it last happened, in seconds of wall time."""
        rows = self.appliance.ask("events", "--event", name)
        return seconds((rows["rows"] if isinstance(rows, dict) else rows)[-1]["time"])

    def tell(self, what: str) -> None:
        """The times of a test that has measured some."""
        print(f"{type(self).__name__}: {what}", file=sys.stderr)


class FrrOverPort(OverPorts, StandingLab):
    """FRR beside the appliance, FRR upstream, BGP."""

    #: So long do floods go on, in seconds, with so many calls a second.
    FLOOD, RATE = 10.0, 20

    @classmethod
    def start_daemons(cls):
        """Ours and the router's."""
        theirs = Frr(cls.lab, "router", ROUTER_BGP, ("bfdd", "bgpd"))
        return Frr(cls.lab, "appliance", (EXAMPLES / "frr-port.conf").read_text(), ("bfdd", "bgpd")), theirs

    def test_s142_floods_at_the_ports_of_daemons_and_at_others_change_neither_session_nor_calls_nor_probes(self):
        self.wait_for(lambda: self.theirs.bfd_is_up(addresses.OUTER_SELF), 20.0, self.what_was_heard)
        before, lost = self.appliance.counters(), self.sessions_lost()
        switchovers, withdrawn = len(self.appliance.ask("switchovers")), len(self.upstream.changes())
        # From beyond the link and from a server on its own one, at BGP's port, at BFD's and where nobody listens. Whoever floods gives way
        # to who is flooded: what a machine that does both has left for each is not what is asked.
        floods = [
            self.start_in(host, "nice", "-n", "19", "hping3", "-q", "--flood", *how, to)
            for host, to in (("tclient", addresses.OUTER_SELF), ("sip-b", addresses.INNER_SELF))
            for how in (("-S", "-p", "179"), ("--udp", "-p", "3784"), ("--udp", "-p", "9"))
        ]
        began = time.monotonic()
        count = int(self.RATE * self.FLOOD)
        calls = sipp.udp_calls(self.lab, self.RATE, count).finish(60.0)
        span = time.monotonic() - began
        self.assertTrue(all(flood.is_running() for flood in floods))
        after = self.appliance.counters()
        for flood in floods:
            flood.stop(signal.SIGINT)
        grown = {name: after[name] - before.get(name, 0) for name in after}
        beyond = {name: grown.get(name, 0) for name in ("drop_host_limited", "drop_host_routing_limited", "drop_host_routing_far_limited")}
        self.tell(
            f"{grown['received'] / span:,.0f} frames a second for {span:.0f} s; {calls.completed} of {calls.made} calls, "
            f"{calls.retransmitted} retransmissions; the kernel got {sum(grown[name] for name in grown if name.startswith('punt_host')):,}, "
            f"beyond its budgets were {beyond}"
        )
        self.assertEqual((calls.made, calls.completed), (count, count))
        self.assertEqual(self.sessions_lost(), lost, "BGP and BFD at either end")
        self.assertEqual(len(self.appliance.ask("switchovers")), switchovers, "no probe was lost")
        self.assertEqual(len(self.upstream.changes()), withdrawn)

    def sessions_lost(self) -> list[int]:
        """How often BGP's session and BFD's have gone down, at either end."""
        found = []
        for daemon, neighbour in ((self.ours, addresses.ROUTER), (self.theirs, addresses.OUTER_SELF)):
            found.append(json.loads(daemon.show(f"show bgp neighbors {neighbour} json"))[neighbour]["connectionsDropped"])
            found += [peer["session-down"] for peer in json.loads(daemon.show("show bfd peers counters json"))]
        return found


class OspfOverPort(OverPorts, StandingLab):
    """FRR beside the appliance, FRR upstream, OSPF."""

    settled = 1.5  # MinLSArrival is a second (RFC 2328 B)

    @classmethod
    def start_daemons(cls):
        """Ours and the router's."""
        theirs = Frr(cls.lab, "router", ROUTER_OSPF, ("bfdd", "ospfd"))
        return Frr(cls.lab, "appliance", (EXAMPLES / "frr-ospf-port.conf").read_text(), ("bfdd", "ospfd")), theirs


class BirdOverPort(OverPorts, StandingLab):
    """BIRD beside the appliance, FRR upstream, BGP."""

    @classmethod
    def start_daemons(cls):
        """Ours and the router's."""
        theirs = Frr(cls.lab, "router", ROUTER_BGP, ("bfdd", "bgpd"))
        return Bird(cls.lab, "appliance", (EXAMPLES / "bird-port.conf").read_text()), theirs
