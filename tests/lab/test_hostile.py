"""Frames nobody here wrote: nmap, hping3 and scapy. The appliance survives, counts every frame, and still serves."""

import re
import time
import unittest
from pathlib import Path

from lab import proofs, sipp
from standing import StandingLab, addresses, python_with

FRAMES = Path(__file__).with_name("frames.py")


class Hostile(StandingLab):
    def tearDown(self):
        self.assertTrue(self.appliance.is_running(), self.appliance.said()[-3000:])
        counters = proofs.settled(self.appliance)
        self.assertEqual(proofs.imbalance(counters), 0, counters)
        self.appliance.wait_for_active("sip-a")
        calls = sipp.udp_calls(self.lab, rate=50, count=50, hold=0.2).finish(30.0)
        self.assertEqual(calls.completed, 50)

    def test_scapy_sends_damaged_frames_from_outside(self):
        self._send_frames("router", "outer", "outer0", addresses.PHONE)

    def test_scapy_sends_damaged_frames_from_the_server_side(self):
        self._send_frames("sip-b", "eth0", "inner0", addresses.MEMBERS["sip-b"])

    def test_nmap_scans_the_virtual_server(self):
        said = self.run_in("phone", "nmap", "-n", "-Pn", "-sS", "-T4", "-p", "5050-5070", addresses.VIP, timeout=90.0)
        self.assertRegex(said, r"5060/tcp +open")
        self.assertRegex(said, r"5061/tcp +open")
        hurried = ["nmap", "-n", "-Pn", "-T4", "--max-retries", "1", "--host-timeout", "10s"]
        for option in ("-sU", "-sX", "-sA", "-sO"):
            ports = [] if option == "-sO" else ["-p", "5058-5062"]
            self.run_in("phone", *hurried, option, *ports, addresses.VIP)

    def test_hping_floods_the_service_port(self):
        flood = ["hping3", "-q", "-c", "5000", "-i", "u100", "-p", "5060"]
        for how in (["-S"], ["-2"], ["-F", "-P", "-U"], ["-S", "--rand-source"]):
            self.run_in("phone", *flood, *how, addresses.VIP, check=False)

    def _send_frames(self, host: str, interface: str, into: str, source: str) -> None:
        before = self.appliance.counters()["received"]
        mac = self.run_in("appliance", "cat", f"/sys/class/net/{into}/address").strip()
        said = self.run_in(host, python_with("scapy"), str(FRAMES), interface, mac, source, "7", timeout=120.0)
        time.sleep(0.5)
        received = self.appliance.counters()["received"] - before
        sent = int(re.search(r"^sent (\d+)$", said, re.MULTILINE).group(1))
        self.assertGreaterEqual(received, sent * 0.95, "too few of the frames reached the appliance")


if __name__ == "__main__":
    unittest.main()
