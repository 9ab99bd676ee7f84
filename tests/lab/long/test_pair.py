"""A pair of appliances. One is active; calls go on when it dies, hangs, is cut off, or its keepalived is stopped, and nothing moves back when
it returns."""

import sys
import time

from lab.toolchain import REPOSITORY
from lab.twins import BOTH
from standing import Setting, addresses, sipp
from twin_pair import GATEWAY, NEXT_HOP, PairLab

#: Calls a second, for how long in seconds, and how long they have been placed when something happens.
RATE, SECONDS, BEFORE = 100, 12, 3.0
#: The longest gap, in seconds; a busy machine may miss it.
GAP, ATTEMPTS = 1.0, 3
#: The same where a script finds it that is run once a second.
WEIGHED = 3.0
#: keepalived's virtual_router_id, and the MAC of that (RFC 9568 7.3).
ROUTER, VIRTUAL = 20, "00:00:5e:00:01:14"
#: Until a change has been seen, and its calls are over.
PATIENCE = 20.0


class TakeOvers(PairLab):
    """What happens to one of them, and what that costs."""

    def takes_over(self, what, end, back, bound: float = GAP) -> None:
        """One is ended, the other takes over, the first is back and stays standby: until the gap was as short as it is to be."""
        for attempt in range(1, ATTEMPTS + 1):
            gap = self.one_take_over(what, end, back, attempt)
            if gap <= bound:
                return
        self.fail(f"{what}: never within {bound:g} s in {ATTEMPTS} attempts")

    def one_take_over(self, what, end, back, attempt: int) -> float:
        """The longest gap of the calls, in seconds; none of them is lost, and nothing goes astray."""
        first, second = self.by_role()
        with self.watched(RATE, SECONDS) as calls:
            time.sleep(BEFORE)
            at = time.time()
            end(first)
            self.wait_for(lambda: self.role(second) == "active", PATIENCE, self.what_was_said)
            took = time.time() - at
            time.sleep(3.0)
            until = time.time()
            back(first)
        print(f"{what}: active after {took:.2f} s (attempt {attempt})", file=sys.stderr)
        paid = calls.cost(at, until)
        self.wait_for(lambda: (self.role(first), self.role(second)) == ("standby", "active"), PATIENCE, self.what_was_said)
        time.sleep(2.0)
        self.assertEqual((self.role(first), self.role(second)), ("standby", "active"), "nothing moves back")
        print(paid.line(what), file=sys.stderr)
        return max(paid.gap, paid.silence)


class TwoAppliances(TakeOvers):
    def test_s144_calls_go_on_when_the_active_appliance_is_killed(self):
        self.takes_over("the active appliance is killed", lambda host: self.both[host].kill(), lambda host: self.both[host].start())

    def test_s144_calls_go_on_when_the_active_appliance_hangs(self):
        """What its keepalived advertised meanwhile waits in the kernel's device, and does not leave: who is active then would yield to it."""
        hung = []

        def freeze(host: str) -> None:
            hung.append(host)
            self.both[host].freeze()

        self.takes_over("the active appliance hangs", freeze, lambda host: self.both[host].thaw())
        self.assertGreater(self.both[hung[-1]].counters()["drop_host_stale"], 0)

    def test_s144_calls_go_on_when_the_active_appliance_loses_its_power(self):
        self.takes_over("both links of the active appliance are cut", self.lab.cut, self.lab.mend)

    def test_s144_calls_go_on_when_keepalived_is_stopped(self):
        self.takes_over("keepalived is stopped", lambda host: self.daemons[host].stop(), lambda host: self.daemons[host].start())

    def test_s144_calls_go_on_when_keepalived_is_killed(self):
        self.takes_over("keepalived is killed", lambda host: self.daemons[host].kill(), lambda host: self.daemons[host].start())

    def test_s144_calls_go_on_when_the_active_appliance_loses_the_link_to_clients(self):
        """keepalived, which speaks over the other link, finds `fairlead health` failing, and has the lower priority: by its weight."""
        self.takes_over("the link towards clients is cut", self.lab.cut_outside, self.lab.mend, WEIGHED)

    def test_s144_a_reload_of_keepalived_changes_nothing(self):
        before = self.roles()
        caller = sipp.udp_calls(self.lab, RATE, RATE * 5)
        for host in BOTH:
            self.daemons[host].reload()
            time.sleep(1.5)
            self.assertEqual(self.roles(), before, self.what_was_said())
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed), (RATE * 5, RATE * 5))
        # And both are heard afterwards.
        active = BOTH[before.index("active")]
        self.daemons[active].stop()
        self.addCleanup(self.daemons[active].start)
        self.wait_for(lambda: self.roles()[before.index("standby")] == "active", 5.0, self.what_was_said)


class TwoAppliancesAtOneMac(TakeOvers):
    """The same with keepalived's `use_vmac` and `virtual_mac = true`: hosts find what floats at the virtual router's MAC, and keep it."""

    daemon = (REPOSITORY / "dpdk-config/keepalived/keepalived-vmac.conf").read_text()

    @classmethod
    def file_of(cls, host: str) -> Setting:
        plain = super().file_of(host)
        numbered = tuple((was, becomes + f"vrid = {ROUTER}\n") for was, becomes in plain.edits)
        return Setting(edits=numbered, more=plain.more + "virtual_mac = true\n")

    def test_s159_hosts_keep_the_mac_of_what_floats_and_calls_go_on(self):
        """No host hears anything that changes its neighbour table: `ip monitor` on each says which MACs it has had."""
        hosts = {"router": (NEXT_HOP, ), **{member: (GATEWAY, addresses.VIP) for member in addresses.MEMBERS}}
        for host, floating in hosts.items():
            for address in floating:
                self.run_in(host, "ping", "-c", "1", "-W", "2", address)
        watched = {host: self.start_in(host, "stdbuf", "-oL", "ip", "-o", "monitor", "neigh") for host in hosts}
        for which in ("the first", "the second"):
            self.takes_over(f"{which} is killed, at one MAC", lambda host: self.both[host].kill(), lambda host: self.both[host].start())
        for host, floating in hosts.items():
            had = {mac for address, mac in neighbours(watched[host].said()) if address in floating}
            has = {mac for address, mac in neighbours(self.run_in(host, "ip", "-o", "neigh")) if address in floating}
            self.assertLessEqual(had, {VIRTUAL}, f"{host}: {watched[host].said()}")
            self.assertEqual(has, {VIRTUAL}, host)

    def test_s159_a_lost_link_and_a_keepalived_that_stops_move_both_links(self):
        self.takes_over("the link towards clients is cut, at one MAC", self.lab.cut_outside, self.lab.mend, WEIGHED)
        self.takes_over("keepalived is stopped, at one MAC", lambda host: self.daemons[host].stop(), lambda host: self.daemons[host].start())

    def test_s159_what_is_at_that_mac_is_known_to_both_files_and_the_kernel_is_silent(self):
        for host in BOTH:
            self.assertEqual([alarm for alarm in self.both[host].alarms() if "host device" in alarm], [])
            for device in ("fl-servers", "vrrp.20", "fl-clients"):
                seen = lambda: self.run_in(host, "sysctl", "-n", f"net/ipv4/conf/{device}/arp_ignore").strip()
                self.wait_for(lambda: seen() == "8", 5.0, lambda: f"{host} {device}: {seen()}")

    def test_s159_frames_that_are_forwarded_come_from_the_port_s_own_mac(self):
        """RFC 9568 7.2 asks for the virtual router's MAC in advertisements alone, and 8.1.2 for the port's own even in ARP replies: bridges learn
        where the virtual router is by the advertisements of whoever is active, and two that both forward for a moment pull no MAC to and fro."""
        active, _ = self.by_role()
        own = self.run_in(active, "cat", "/sys/class/net/inner0/address").strip()
        said = self.start_in("sip-a", "tcpdump", "-enlpi", "eth0", "-c", "40", "udp", "or", "arp")
        self.wait_for(lambda: "listening" in said.said(), 5.0, said.said)
        calls = sipp.udp_calls(self.lab, 20, 60).finish(30.0)
        self.assertEqual(calls.made, calls.completed)
        sources = {line.split()[1] for line in said.said().splitlines() if f"{addresses.PHONE}." in line and "> 10.20.0.1" in line}
        self.assertEqual(sources, {own}, said.said())
        advertised = self.start_in("switch", "tcpdump", "-enlpi", "br0", "-c", "3", "ip", "proto", "112")
        self.wait_for(lambda: advertised.said().count("VRRPv3") >= 2, 5.0, advertised.said)
        self.assertEqual({line.split()[1] for line in advertised.said().splitlines() if "VRRPv3" in line}, {VIRTUAL})


def neighbours(said: str) -> list[tuple[str, str]]:
    """Addresses and MACs in what `ip neigh`, or its monitor, prints."""
    words = (line.removeprefix("Deleted ").split() for line in said.splitlines())
    return [(line[0], line[line.index("lladdr") + 1]) for line in words if "lladdr" in line]
