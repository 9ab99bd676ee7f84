"""A pair of appliances: two of them, each with a real keepalived over its own devices, with dpdk-config/keepalived/keepalived.conf as it is. One
is active; calls go on when it dies, hangs, is cut off, or its keepalived is stopped, and nothing moves back when it returns."""

import json
import sys
import time

from lab.appliance import Appliance
from lab.gaps import cost
from lab.keepalived import Keepalived
from lab.sip.pair import Pair
from lab.sniffer import UDP, Sniffer
from lab.toolchain import REPOSITORY
from lab.twins import BOTH, INNER_SECOND, OUTER_SECOND, SECOND, TwinLab
from standing import Setting, StandingLab, addresses, sipp

FILE = (REPOSITORY / "dpdk-config/keepalived/keepalived.conf").read_text()
#: What floats: the servers' gateway, and the router's next hop.
GATEWAY, NEXT_HOP = addresses.INNER_SELF, "192.0.2.4"
#: What the appliances have for themselves there.
OWN = {"appliance": (addresses.OUTER_SELF, INNER_SECOND), SECOND: (OUTER_SECOND, "10.20.0.3")}
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


def setting(lab: TwinLab, host: str) -> Setting:
    """The file of one of the two."""
    outer, inner = OWN[host]
    return Setting(
        edits=(
            (f'addresses = ["{addresses.OUTER_SELF}/24"]\n',
             f'addresses = ["{outer}/24"]\nfloating = ["{NEXT_HOP}/24"]\nhost = "fl-clients"\n'),
            (f'addresses = ["{addresses.INNER_SELF}/24"]\n',
             f'addresses = ["{inner}/24"]\nfloating = ["{GATEWAY}/24"]\nhost = "fl-servers"\n'),
        ),
        more=f'\n[pair]\nkeepalived = "{fifo(lab, host)}"\ninstance = "fairlead"\n',
    )


def fifo(lab: TwinLab, host: str) -> str:
    """Where its keepalived writes."""
    return str(lab.file(f"{host}.fifo"))


class PairLab(StandingLab):
    """Both with their keepalived, and what happens to one of them."""

    layout = TwinLab
    #: keepalived's file.
    daemon = FILE

    @classmethod
    def file_of(cls, host: str) -> Setting:
        """The file of one of the two."""
        return setting(cls.lab, host)

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = cls.enterClassContext(cls.layout())
        for member in addresses.MEMBERS:
            cls.lab.host(member).ip("route", "add", "default", "via", GATEWAY)
        cls.lab.host("router").ip("route", "add", "10.20.0.0/24", "via", NEXT_HOP)
        cls.pair = Pair(cls.lab)
        cls.pair.start()
        cls.both = {host: Appliance(cls.lab, setting=cls.file_of(host), host=host) for host in BOTH}
        cls.appliance = cls.both["appliance"]
        cls.daemons = {host: Keepalived(cls.lab, cls.both[host], cls.daemon, fifo(cls.lab, host)) for host in BOTH}
        for appliance in cls.both.values():
            appliance.start()
        for daemon in cls.daemons.values():
            daemon.start()

    def setUp(self):
        for host in BOTH:
            self.lab.mend(host)
            if not self.both[host].is_running():
                self.both[host].start()
        self.wait_for(lambda: sorted(self.roles()) == ["active", "standby"], 30.0, self.what_was_said)
        for appliance in self.both.values():
            appliance.wait_for_active("sip-a")

    def takes_over(self, what, end, back, bound: float = GAP) -> None:
        """One is ended, the other takes over, the first is back and stays standby: until the gap was as short as it is to be."""
        for attempt in range(1, ATTEMPTS + 1):
            gap = self.one_take_over(what, end, back, attempt)
            if gap <= bound:
                return
        self.fail(f"{what}: never within {bound:g} s in {ATTEMPTS} attempts")

    def one_take_over(self, what, end, back, attempt: int) -> float:
        """The longest gap of the calls, in seconds; none of them is lost, and nothing goes astray."""
        roles = self.roles()
        first, second = BOTH[roles.index("active")], BOTH[roles.index("standby")]
        ports = {"appliance": "outer-a", SECOND: "outer-b"}
        places = [("router", "phone"), ("phone", "eth0"), *(("switch", host) for host in BOTH), *(("router", ports[host]) for host in BOTH)]
        watchers = {place: Sniffer(self.lab, *place) for place in places}
        caller = sipp.udp_calls(self.lab, RATE, RATE * SECONDS)
        time.sleep(BEFORE)
        at = time.time()
        end(first)
        self.wait_for(lambda: self.role(second) == "active", PATIENCE, self.what_was_said)
        took = time.time() - at
        time.sleep(3.0)
        until = time.time()
        back(first)
        calls = caller.finish(60.0)
        for watcher in watchers.values():
            watcher.stop()
        seen = {place: [one for one in watcher.seen() if one.protocol == UDP] for place, watcher in watchers.items()}
        paid = cost(at, calls, seen["router", "phone"], seen["phone", "eth0"], until)
        print(f"{what}: active after {took:.2f} s (attempt {attempt})", file=sys.stderr)
        self.nothing_went_astray(seen, ports)
        self.assertEqual((calls.made, calls.completed), (RATE * SECONDS, RATE * SECONDS), f"{calls} {self.what_was_said()}")
        self.wait_for(lambda: (self.role(first), self.role(second)) == ("standby", "active"), PATIENCE, self.what_was_said)
        time.sleep(2.0)
        self.assertEqual((self.role(first), self.role(second)), ("standby", "active"), "nothing moves back")
        print(paid.line(what), file=sys.stderr)
        return max(paid.gap, paid.silence)

    def nothing_went_astray(self, seen, ports) -> None:
        """Each datagram came from the virtual address, and went to the active member; who has not to forward did not."""
        for host in BOTH:
            wrong = [one for one in seen["switch", host] if one.src == addresses.PHONE and one.dst != addresses.MEMBERS["sip-a"]]
            self.assertEqual(wrong, [], "to a wrong member")
            sources = {(one.src, one.src_port) for one in seen["router", ports[host]] if one.dst == addresses.PHONE}
            self.assertLessEqual(sources, {(addresses.VIP, addresses.SIP_PORT)}, "from a wrong source")
        self.assertEqual({(one.src, one.src_port) for one in seen["phone", "eth0"]}, {(addresses.VIP, addresses.SIP_PORT)})

    def roles(self) -> list[str]:
        """What each of the two is."""
        return [self.role(host) for host in BOTH]

    def role(self, host: str) -> str:
        """What it says that it is; nothing while it cannot."""
        if not self.both[host].is_running():
            return "dead"
        said = self.both[host].command("pair", "--json", check=False)
        return json.loads(said.stdout)["role"] if said.returncode == 0 else "silent"

    def what_was_said(self) -> str:
        """For a test that fails."""
        return "\n".join(f"--- {host}\n{self.both[host].said()[-1500:]}\n{self.daemons[host].said()[-1500:]}" for host in BOTH)


class TwoAppliances(PairLab):
    def test_s144_calls_go_on_when_the_active_appliance_is_killed(self):
        self.takes_over("the active appliance is killed", lambda host: self.both[host].kill(), lambda host: self.both[host].start())

    def test_s144_calls_go_on_when_the_active_appliance_hangs(self):
        self.takes_over("the active appliance hangs", lambda host: self.both[host].freeze(), lambda host: self.both[host].thaw())

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


class TwoAppliancesAtOneMac(PairLab):
    """The same with keepalived's `use_vmac` and `virtual_mac = true`: hosts find what floats at the virtual router's MAC, and keep it."""

    daemon = (REPOSITORY / "dpdk-config/keepalived/keepalived-vmac.conf").read_text()

    @classmethod
    def file_of(cls, host: str) -> Setting:
        plain = setting(cls.lab, host)
        numbered = tuple((was, becomes + f"vrid = {ROUTER}\n") for was, becomes in plain.edits)
        return Setting(edits=numbered, more=plain.more + "virtual_mac = true\n")

    def test_s163_hosts_keep_the_mac_of_what_floats_and_calls_go_on(self):
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

    def test_s163_a_lost_link_and_a_keepalived_that_stops_move_both_links(self):
        self.takes_over("the link towards clients is cut, at one MAC", self.lab.cut_outside, self.lab.mend, WEIGHED)
        self.takes_over("keepalived is stopped, at one MAC", lambda host: self.daemons[host].stop(), lambda host: self.daemons[host].start())

    def test_s163_what_is_at_that_mac_is_known_to_both_files_and_the_kernel_is_silent(self):
        for host in BOTH:
            self.assertEqual([alarm for alarm in self.both[host].alarms() if "host device" in alarm], [])
            for device in ("fl-servers", "vrrp.20", "fl-clients"):
                seen = lambda: self.run_in(host, "sysctl", "-n", f"net/ipv4/conf/{device}/arp_ignore").strip()
                self.wait_for(lambda: seen() == "8", 5.0, lambda: f"{host} {device}: {seen()}")

    def test_s163_frames_that_are_forwarded_come_from_the_port_s_own_mac(self):
        """RFC 9568 7.2 asks for the virtual router's MAC in advertisements alone, and 8.1.2 for the port's own even in ARP replies: bridges learn
        where the virtual router is by the advertisements of whoever is active, and two that both forward for a moment pull no MAC to and fro."""
        active = BOTH[self.roles().index("active")]
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
