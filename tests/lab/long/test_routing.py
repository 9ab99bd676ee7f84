"""Route health injection with real routing daemons: FRR or BIRD beside the appliance, with the files of dpdk-config/routing as they are,
announce its virtual address to a router that is the other one."""

import re
import signal
import sys
import time

from lab.routers import Bird, Frr
from lab.toolchain import REPOSITORY
from standing import Setting, StandingLab, addresses
from upstream import Upstream, advertise, seconds

NETWORK, UPSTREAM, HERE = "198.51.100.0/30", "198.51.100.1", "198.51.100.2"
EXAMPLES = REPOSITORY / "dpdk-config/routing"
#: How soon after the loss of the last member the address must be gone here.
AT_ONCE = 0.1
#: How long the daemons may take to tell the router, at most. A shared machine: FRR takes 0.7 s on a quiet one.
TOLD = 3.0

UPSTREAM_BIRD = f"""
router id {UPSTREAM};
protocol device {{ }}
protocol kernel {{ ipv4 {{ export all; import none; }}; }}
protocol bgp appliance {{
    local {UPSTREAM} as 64500;
    neighbor {HERE} as 64512;
    connect retry time 1;
    connect delay time 1;
    error wait time 1, 5;
    ipv4 {{ import all; export none; }};
}}
"""

UPSTREAM_FRR = f"""
frr defaults datacenter
router bgp 64500
 no bgp ebgp-requires-policy
 neighbor {HERE} remote-as 64512
 neighbor {HERE} timers connect 1
exit
"""

UPSTREAM_OSPF = f"""
frr defaults datacenter
interface uplink0
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 3
exit
router ospf
 ospf router-id {UPSTREAM}
 timers throttle spf 50 100 500
exit
"""


def _advertise(when: str) -> Setting:
    return Setting(edits=(advertise(when),))


class Routing:
    """What holds with either daemon beside the appliance."""

    setting = _advertise("when-active")
    #: How old, in seconds, an announcement has to be for the next one to be taken at once.
    settled = 0.0

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        host = cls.lab.connect("upstream", "appliance", "uplink0", NETWORK)
        cls.upstream = Upstream(host)
        cls.addClassCleanup(cls.upstream.stop)
        cls.ours, cls.theirs = cls.start_daemons()

    def setUp(self):
        if not self.appliance.is_running():
            self.appliance.start()
        if self.appliance.setting != self.setting:
            self.appliance.reload(self.setting)
        self.back_to_sip_a()
        self.wait_for(lambda: self.ours.neighbour_is_up(UPSTREAM), 30.0, lambda: "no session")
        self.wait_for(self.upstream.has_it, 10.0, self.what_was_heard)

    def test_s115_the_router_knows_the_address_while_a_member_is_up(self):
        for member in addresses.MEMBERS:
            self.pair.kill(member)
        gone = self.heard(False)
        lost, withdrawn = self.last_event("member.down"), self.last_event("address.withdrawn")
        self.assertLess(withdrawn - lost, AT_ONCE)
        self.assertEqual(self.row()["advertised_since"], None)
        self.tell("withdrawn", lost, withdrawn, gone)
        for member in addresses.MEMBERS:
            self.pair.revive(member)
        self.pair.order("sip-a", "primary")
        came = self.heard(True)
        up, advertised = self.last_event("member.up"), self.last_event("address.advertised")
        self.assertLess(advertised - up, AT_ONCE)
        self.assertNotEqual(self.row()["advertised_since"], None)
        self.tell("advertised", up, advertised, came)

    def test_s116_a_reload_is_followed(self):
        self.appliance.reload(_advertise("never"))
        self.heard(False)
        self.appliance.reload(_advertise("always"))
        self.heard(True)
        for member in addresses.MEMBERS:
            self.pair.kill(member)
        self.wait_for(lambda: self.appliance.member("sip-a")["state"] == "down")
        time.sleep(TOLD)
        self.assertTrue(self.upstream.has_it(), "whoever is up")

    def test_s116_at_the_end_the_router_knows_before_packets_stop(self):
        pings = self.start_in("phone", "ping", "-D", "-n", "-i", "0.02", addresses.VIP)
        self.wait_for(lambda: "bytes from" in pings.said())
        time.sleep(self.settled)
        asked = time.time()
        self.assertEqual(self.appliance.stop(), 0)
        ended = time.time()
        gone = self.heard(False)
        pings.stop(signal.SIGINT)
        answers = re.findall(r"^\[([\d.]+)\] \d+ bytes from", pings.said(), re.MULTILINE)
        last = float(answers[-1])
        print(
            f"{type(self).__name__}: asked to end, the router knew after {gone - asked:.3f} s, packets passed for {last - asked:.3f} s, "
            f"and the process ended after {ended - asked:.3f} s", file=sys.stderr,
        )
        self.assertLess(gone, last, "packets passed when the router knew")
        self.assertIn("is withdrawn from fl-vips: Fairlead stops", self.appliance.said())

    def test_s117_after_a_crash_what_is_still_right_is_not_touched(self):
        before = len(self.upstream.changes())
        self.appliance.kill()
        time.sleep(0.5)
        self.assertTrue(self.upstream.has_it(), "nobody has withdrawn it")
        self.appliance.start()
        self.appliance.wait_for_active("sip-a")
        self.wait_for(lambda: self.row()["advertised_since"] is not None)
        time.sleep(TOLD)
        self.assertEqual(len(self.upstream.changes()), before, self.what_was_heard())

    def test_s117_after_a_crash_what_is_wrong_by_then_is_withdrawn(self):
        self.appliance.kill()
        for member in addresses.MEMBERS:
            self.pair.kill(member)
        self.appliance.start()
        self.heard(False)

    def test_s115_a_kernel_that_refuses_is_an_alarm_and_asked_again(self):
        box = self.lab.host("appliance")
        self.appliance.kill()
        box.ip("link", "delete", "fl-vips")
        box.ip("link", "add", "fl-vips", "type", "veth", "peer", "name", "far")
        self.addCleanup(box.run, ["ip", "link", "delete", "far"], check=False)
        self.appliance.start()
        self.wait_for(lambda: any("fl-vips is a veth" in alarm for alarm in self.appliance.alarms()), 10.0, self.what_was_heard)
        self.assertEqual(self.row()["advertised_since"], None)
        box.ip("link", "delete", "far")
        self.heard(True)
        self.wait_for(lambda: not any("fl-vips" in alarm for alarm in self.appliance.alarms()))

    def test_s115_what_somebody_has_taken_away_is_given_again(self):
        self.lab.host("appliance").ip("address", "flush", "dev", "fl-vips")
        self.heard(False)
        self.wait_for(self.upstream.has_it, 15.0, self.what_was_heard)

    def heard(self, comes: bool) -> float:
        """When the router learned that the address has come or gone, which it does."""
        self.wait_for(lambda: self.upstream.has_it() == comes, 10.0, self.what_was_heard)
        return self.upstream.changes()[-1][0]

    def what_was_heard(self) -> str:
        """For a test that fails."""
        return self.upstream.log.read_text()[-1000:] + self.appliance.said()[-1000:]

    def row(self) -> dict:
        """The virtual server's."""
        return self.appliance.ask("virtual-servers")[0]

    def last_event(self, name: str) -> float:
        """When it last happened, in seconds of wall time."""
        rows = self.appliance.ask("events", "--event", name)
        return seconds((rows["rows"] if isinstance(rows, dict) else rows)[-1]["time"])

    def tell(self, what: str, cause: float, done: float, heard: float) -> None:
        """The times of a test that has measured some."""
        print(
            f"{type(self).__name__}: {what} {(done - cause) * 1e3:.1f} ms after its cause, at the router {(heard - done) * 1e3:.0f} ms later",
            file=sys.stderr,
        )
        self.assertLess(heard - done, TOLD)


class FrrBeside(Routing, StandingLab):
    """FRR beside the appliance, BIRD upstream."""

    @classmethod
    def start_daemons(cls):
        """Ours and the router's."""
        theirs = Bird(cls.lab, "upstream", UPSTREAM_BIRD)
        return Frr(cls.lab, "appliance", (EXAMPLES / "frr.conf").read_text()), theirs


class OspfBeside(Routing, StandingLab):
    """FRR beside the appliance and upstream, with OSPF."""

    settled = 1.5  # MinLSArrival is a second (RFC 2328 B)

    @classmethod
    def start_daemons(cls):
        """Ours and the router's."""
        theirs = Frr(cls.lab, "upstream", UPSTREAM_OSPF, ("ospfd",))
        return Frr(cls.lab, "appliance", (EXAMPLES / "frr-ospf.conf").read_text(), ("ospfd",)), theirs


class BirdBeside(Routing, StandingLab):
    """BIRD beside the appliance, FRR upstream."""

    @classmethod
    def start_daemons(cls):
        """Ours and the router's."""
        theirs = Frr(cls.lab, "upstream", UPSTREAM_FRR)
        return Bird(cls.lab, "appliance", (EXAMPLES / "bird.conf").read_text()), theirs
