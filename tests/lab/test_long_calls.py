"""SIP calls that need fragments: INVITEs and answers with bodies of 6,000 bytes, and fragments that are only noise."""

import sys
import unittest
from pathlib import Path

from lab import proofs, sipp
from lab.appliance import PCAP
from standing import Setting, StandingLab, addresses

JUNK = Path(__file__).with_name("junk.py")
A, SERVICE = addresses.MEMBERS["sip-a"], 5070
BODY = 6000
FRAMES = 20_000


class LongCalls(StandingLab):
    setting = Setting(PCAP, also_listen=(f"udp/{SERVICE}",))

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
        """Of 20,000 datagrams nothing but the first fragment ever comes, some 10,000 a second, from 250 sources."""
        caller = sipp.udp_calls(self.lab, rate=50, count=300)
        self.wait_for_calls(caller, 50)
        before = self.appliance.counters()["received"]
        self.run_in("router", sys.executable, str(JUNK), addresses.VIP, str(FRAMES), timeout=60.0)
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (300, 300, 0))
        counters = proofs.settled(self.appliance)
        self.assertGreater(counters["received"] - before, FRAMES * 0.9, "too few of the frames reached the appliance")
        self.assertEqual(proofs.imbalance(counters), 0, counters)
        self._fragments_pass_again()

    def _fragments_pass_again(self) -> None:
        """At once if the flood is what has to make room, and else when it is forgotten: within 30 s (and some)."""
        phone, member = self.udp_in("phone", addresses.PHONE, 6000), self.udp_in("sip-a", A, SERVICE)
        member.settimeout(0.5)

        def passes() -> bool:
            phone.sendto(b"x" * 4000, (addresses.VIP, SERVICE))
            try:
                return len(member.recv(65535)) == 4000
            except TimeoutError:
                return False

        self.wait_for(passes, 35.0, lambda: f"no fragments pass after the flood; dropped so far: {self.dropped()}")


if __name__ == "__main__":
    unittest.main()
