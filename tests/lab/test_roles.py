"""A pair that says itself which member is active: a standby answers OPTIONS with 503, and the appliance follows when they swap."""

import time
import unittest

from lab import addresses, sipp
from standing import Setting, StandingLab

#: The 503 of a standby is a good answer that says its role.
MONITOR = 'kind = "sip"\ninterval = "200ms"\ntimeout = "200ms"\nfall = 2\nstandby_codes = ["503"]\n'


class Roles(StandingLab):
    setting = Setting(monitor=MONITOR)

    def setUp(self):
        self.addCleanup(self.back_to_sip_a)
        self.pair.order("sip-b", "standby")
        # As the backup of the test before its port was closed, and it is up still: its role is what is waited for.
        says = {"state": "up", "reason": "sip-options: 503 Service Unavailable, standby"}
        self.wait_for(lambda: says.items() <= self.row("sip-b").items(), seen=lambda: f"{self.row('sip-b')}")

    def row(self, member: str) -> dict:
        return next(row for row in self.appliance.ask("members") if row["name"] == member)

    def swap(self, old: str, new: str) -> None:
        """The pair changes its roles, and the appliance follows."""
        already = len(self.appliance.switchovers())
        self.pair.order(old, "standby")
        self.pair.order(new, "primary")
        done = self.appliance.wait_for_switchover(already + 1)
        self.assertEqual((done.source, done.target), (old, new))
        self.assertEqual(done.reason, f"{new} takes over: it says that it is active, and {old} that it is standby")

    def test_calls_go_to_the_member_that_says_it_is_active(self):
        before = self.pair.stats()
        self.assertEqual(self.appliance.wait_for_active()["name"], "sip-a")
        self.assertEqual(self.row("sip-b")["state"], "up")
        self.assertEqual(self.appliance.ask("status")["alarms"], [], "they agree")
        caller = sipp.udp_calls(self.lab, rate=100, count=900)
        self.wait_for_calls(caller, 150)
        self.swap("sip-a", "sip-b")
        time.sleep(2.0)
        self.assertEqual(self.appliance.wait_for_active()["name"], "sip-b", "whatever stands first in the file")
        self.swap("sip-b", "sip-a")
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (900, 900, 0))
        for member, counted in self.pair.stats().items():
            served = counted["requests"]["INVITE"] - before[member]["requests"].get("INVITE", 0)
            self.assertGreater(served, 0, f"{member} was active for a while")

    def test_there_is_no_drill_to_a_member_that_says_it_is_standby(self):
        refused = self.appliance.command("drill", "pair-1", "--for-real", "--back-after", "2s", "--yes", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("sip-b says that it is standby", refused.stderr)
        self.assertEqual(self.appliance.wait_for_active()["address"], addresses.MEMBERS["sip-a"])


if __name__ == "__main__":
    unittest.main()
