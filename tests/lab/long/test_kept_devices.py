"""The kernel's devices of interfaces over a restart and a crash of the appliance, under a service manager that keeps their descriptors: neither a
carrier nor an address, a neighbour or a BGP session changes."""

import sys
import time

from lab.appliance import ManagedAppliance, Setting
from lab.routers import Frr
from standing import StandingLab, addresses
from upstream import over_both_ports

#: The same as over the port, without BFD, which is there to find that nobody forwards.
OURS = f"""
frr defaults datacenter
router bgp 64512
 bgp router-id {addresses.OUTER_SELF}
 no bgp ebgp-requires-policy
 neighbor {addresses.ROUTER} remote-as 64500
 neighbor {addresses.ROUTER} timers 3 9
exit
"""
THEIRS = f"""
frr defaults datacenter
router bgp 64500
 bgp router-id {addresses.ROUTER}
 no bgp ebgp-requires-policy
 neighbor {addresses.OUTER_SELF} remote-as 64512
 neighbor {addresses.OUTER_SELF} timers 3 9
 neighbor {addresses.OUTER_SELF} timers connect 1
exit
"""
DEVICES = ("fl-clients", "fl-servers")


class KeptDevices(StandingLab):
    kind = ManagedAppliance
    setting = over_both_ports()
    appliance: ManagedAppliance

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.theirs = Frr(cls.lab, "router", THEIRS)
        cls.ours = Frr(cls.lab, "appliance", OURS)

    def setUp(self):
        self.wait_for(lambda: self.ours.neighbour_is_up(addresses.ROUTER), 30.0, lambda: self.appliance.said()[-2000:])
        self.wait_for(lambda: all(device in self.links() for device in DEVICES), 10.0, self.links)
        self.appliance.wait_for_active("sip-a")

    def test_s161_a_restart_is_not_seen_over_the_devices(self):
        self.nothing_is_seen_of(self.appliance.restart)

    def test_s161_nor_is_a_crash(self):
        self.nothing_is_seen_of(self.appliance.crash)

    def test_s161_a_device_that_the_file_does_not_name_any_more_goes(self):
        """By a reload, and by a start with another file: then its descriptor is closed, and the log says so."""
        self.addCleanup(lambda: self.appliance.reload(self.setting))
        without = Setting(edits=tuple((was, becomes.replace('host = "fl-servers"\n', "")) for was, becomes in self.setting.edits))
        self.appliance.reload(without)
        self.wait_for(lambda: "fl-servers" not in self.links(), 5.0, self.links)
        self.appliance.reload(self.setting)
        self.wait_for(lambda: "fl-servers" in self.links(), 5.0, self.links)
        self.appliance.write(without)
        self.appliance.restart()
        self.wait_for(lambda: "fl-servers" not in self.links(), 5.0, self.links)
        self.assertIn('is closed: no interface has host = "fl-servers"', self.appliance.said())
        self.assertTrue(self.ours.neighbour_is_up(addresses.ROUTER))

    def nothing_is_seen_of(self, end) -> None:
        """Whatever the kernel tells of links, addresses and neighbours of the devices, it tells none of it."""
        before, established = self.links(), self.established()
        self.run_in("appliance", "ip", "neigh", "replace", "192.0.2.77", "lladdr", "02:00:00:00:00:77", "dev", "fl-clients", "nud", "permanent")
        watched = self.start_in("appliance", "stdbuf", "-oL", "ip", "-o", "monitor", "link", "address")
        time.sleep(0.5)
        at = time.monotonic()
        end()
        took = time.monotonic() - at
        time.sleep(2.0)
        events = [line for line in watched.said().splitlines() if any(device in line for device in DEVICES)]
        print(f"back after {took:.2f} s, {len(events)} events of the devices", file=sys.stderr)
        self.assertEqual(events, [])
        self.assertEqual((self.links(), self.established()), (before, established), "devices are the same, and the session is")
        self.assertIn("192.0.2.77", self.run_in("appliance", "ip", "neigh", "show", "dev", "fl-clients"))
        # And what is said over them arrives.
        self.run_in("appliance", "ping", "-c", "1", "-W", "3", addresses.ROUTER)
        time.sleep(10.0)
        self.assertEqual(self.established(), established, "beyond its hold time as well")
        for device in DEVICES:
            self.assertIn(f"host device {device} is that of the process before", self.appliance.said())

    def links(self) -> str:
        """The devices by number and name, with their flags."""
        lines = self.run_in("appliance", "ip", "-o", "link").splitlines()
        return "\n".join(line.split(" mtu ")[0] for line in lines if any(device in line for device in DEVICES))

    def established(self) -> str:
        """How often the session was established, and dropped."""
        said = self.ours.show(f"show bgp neighbors {addresses.ROUTER}")
        return "; ".join(line.split(",")[0].strip() for line in said.splitlines() if "Connections established" in line or "BGP state" in line)
