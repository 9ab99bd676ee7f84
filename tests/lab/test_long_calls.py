"""SIP calls that need fragments: INVITEs and answers with bodies of 6,000 bytes, and fragments that are only noise."""

import sys
import unittest
from pathlib import Path

from lab import proofs, sipp
from lab.appliance import PCAP
from standing import Setting, StandingLab, addresses

JUNK = Path(__file__).with_name("junk.py")
BODY = 6000
FRAMES = 20_000


class LongCalls(StandingLab):
    setting = Setting(PCAP)

    def setUp(self):
        self.addCleanup(self.back_to_sip_a)

    def test_calls_with_long_bodies_complete(self):
        calls = sipp.udp_calls(self.lab, rate=50, count=150, body=BODY).finish(45.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (150, 150, 0))

    def test_s69_calls_with_long_bodies_outlive_a_switchover(self):
        already = len(self.appliance.switchovers())
        caller = sipp.udp_calls(self.lab, rate=50, count=300, body=BODY)
        self.wait_for_calls(caller, 100)
        self.pair.take_over()
        self.appliance.wait_for_switchover(already + 1)
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (300, 300, 0))

    def test_s68_a_flood_of_first_fragments_costs_no_call(self):
        """20,000 datagrams of which nothing but the first fragment ever comes, some 10,000 a second, from 250 sources."""
        caller = sipp.udp_calls(self.lab, rate=50, count=300)
        self.wait_for_calls(caller, 50)
        before = self.appliance.counters()["received"]
        self.run_in("router", sys.executable, str(JUNK), addresses.VIP, str(FRAMES), timeout=60.0)
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (300, 300, 0))
        counters = proofs.settled(self.appliance)
        self.assertGreater(counters["received"] - before, FRAMES * 0.9, "too few of the frames reached the appliance")
        self.assertEqual(proofs.imbalance(counters), 0, counters)
        longer = sipp.udp_calls(self.lab, rate=50, count=50, body=BODY).finish(45.0)
        self.assertEqual((longer.made, longer.completed), (50, 50), "no room for fragments is left after the flood")


if __name__ == "__main__":
    unittest.main()
