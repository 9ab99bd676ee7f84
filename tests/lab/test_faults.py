"""Faults of the network around the appliance, put in while it runs: what names the cause of each within a minute, in words."""

import json
import sys
import time
import unittest
from pathlib import Path

from lab.appliance import PCAP, Appliance, configuration
from standing import Setting, addresses
from test_doctor import MONITOR, DoctorLab

A = addresses.MEMBERS["sip-a"]
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
#: Says by itself whether ICMP gets through; one good monitor makes a member good, so that nothing else changes.
ALIVE = '\n[[monitor]]\nname = "alive"\nkind = "icmp"\ninterval = "500ms"\n'
#: Calls over and over, from an address that is not on the servers' link, and hears nothing.
VISITOR = """
import socket, sys, time
while True:
    visitor = socket.socket()
    visitor.settimeout(0.3)
    visitor.bind((sys.argv[1], 0))
    try:
        visitor.connect((sys.argv[2], int(sys.argv[3])))
    except OSError:
        pass
    visitor.close()
"""
#: Forbids cutting, and does not heed what ICMP says of it: as who does not hear it (IP_MTU_DISCOVER, IP_PMTUDISC_PROBE).
DEAF = """
import socket, sys, time
deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
deaf.setsockopt(socket.IPPROTO_IP, 10, 3)
while True:
    deaf.sendto(bytes(1472), (sys.argv[1], int(sys.argv[2])))
    time.sleep(0.05)
"""
#: A port of a switch that is in another VLAN: what its host sends goes to the trunk with that VLAN's tag.
OTHER_VLAN = """
import socket, sys
port, trunk = (socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for _ in range(2))
port.bind((sys.argv[1], 3))
trunk.bind((sys.argv[2], 0))
while True:
    frame, (_, _, kind, _, _) = port.recvfrom(2048)
    if kind != 4:
        trunk.send(frame[:12] + bytes.fromhex("8100004d") + frame[12:])
"""


class Paths(DoctorLab):
    setting = Setting(
        PCAP,
        server_mtu=1400,
        monitor=MONITOR,
        edits=(('monitors = ["sip-options"]\n', 'monitors = ["sip-options", "alive"]\nrequire = 1\n'),),
        more=ALIVE,
    )

    def named(self, check: str, severity: str, *parts: str) -> dict:
        """The finding of a check in which all of these words are, within a minute."""
        deadline = time.monotonic() + 60.0
        while True:
            found = self.diagnose(check)
            for row in found["findings"]:
                if row["severity"] == severity and all(part in row["what"] for part in parts):
                    print(f"{severity}: {row['what']}\n  {row['evidence']}\n  {row['remedy']}", file=sys.stderr)
                    return row
            self.assertLess(time.monotonic(), deadline, found)

    def test_s106_a_route_past_the_appliance_in_one_direction(self):
        self.listen_in("sip-a", A, 7001)
        detour = self.lab.plug_in("detour", ["10.20.0.77/24", "172.16.8.8/32"])
        self.addCleanup(detour.delete)
        self.start_in("detour", sys.executable, "-c", VISITOR, "172.16.8.8", A, "7001")
        row = self.named("asymmetric-route", "warning", "members answer connections whose SYN did not pass Fairlead")
        self.assertIn("of it in the last second", row["evidence"])

    def test_s106_a_sender_that_does_not_hear_of_the_smaller_mtu(self):
        self.start_in("phone", sys.executable, "-c", DEAF, addresses.VIP, str(addresses.SIP_PORT))
        row = self.named("mtu-hole", "warning", "MTU hole", "ICMP type 3 code 4 is filtered")
        self.assertIn("servers 1400", row["evidence"])

    def test_s106_a_member_whose_firewall_lets_no_icmp_through(self):
        member = self.lab.host("sip-a")
        self.addCleanup(lambda: member.sysctl("net.ipv4.icmp_echo_ignore_all", "0"))
        member.sysctl("net.ipv4.icmp_echo_ignore_all", "1")
        row = self.named("icmp", "warning", "member sip-a answers sip/udp", "no echo request", "ICMP is filtered")
        self.assertIn("alive", row["evidence"])

    def test_s106_a_member_whose_switch_port_is_in_another_vlan(self):
        switch = self.lab.host("switch")
        self.addCleanup(lambda: switch.ip("link", "set", "sip-b", "master", "br0"))
        switch.ip("link", "set", "sip-b", "nomaster")
        self.start_in("switch", sys.executable, "-c", OTHER_VLAN, "sip-b", "appliance")
        self.lab.host("sip-b").ip("neigh", "flush", "all")
        self.start_in("sip-b", "ping", "-i", "0.5", addresses.INNER_SELF)
        row = self.named("vlans", "warning", "member sip-b at 10.20.0.12 does not answer ARP", "in another VLAN")
        self.assertIn("ignored_other_vlan", row["evidence"])
        self.assertIn("switch port", row["remedy"])


class SteppedClock(Appliance):
    """Whose wall clock is set, and nobody else's."""

    def start(self, at_once: bool = False) -> None:
        self.file.write_text(configuration(self.lab, self.setting))
        self.set_clock(0)
        environment = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_CACHE_DURATION": "1",
                       "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        command = [str(self.program), "run", "--config", str(self.file)]
        self._process = self.lab.start("appliance", "fairlead", command, environment)
        self._wait("take orders", lambda: self.ask("status") is not None, 15.0)

    @property
    def clock(self) -> Path:
        return self.lab.file("clock")

    def set_clock(self, seconds: int) -> None:
        """The wall clock it sees is so many seconds ahead."""
        self.clock.write_text(f"{seconds:+d}\n")


@unittest.skipUnless(FAKETIME.exists(), "libfaketime is not installed: scripts/setup installs it")
class Clock(DoctorLab):
    kind = SteppedClock

    def test_s106_a_clock_that_is_set_while_it_runs(self):
        time.sleep(1.5)
        self.appliance.set_clock(7200)
        self.wait_for(lambda: "clock.stepped" in self.codes(), 60.0, lambda: str(self.codes()))
        alarm = next(row for row in self.alarms() if row["code"] == "clock.stepped")
        self.assertRegex(alarm["message"], r"the clock of this box was set forward by (1h 59m 5\ds|2h)")
        found = self.diagnose("alarms")
        self.assertTrue(any("was set forward" in row["what"] for row in found["findings"]), found)

    def alarms(self) -> list[dict]:
        return json.loads(self.in_box("alarms", "--json").stdout)

    def codes(self) -> list[str]:
        return [row["code"] for row in self.alarms()]


if __name__ == "__main__":
    unittest.main()
