"""A drill under calls: there and back, and none is lost."""

import unittest

from lab import sipp
from standing import Setting, StandingLab

#: It answers when the drill has ended.
DRILL = ["drill", "pair-1", "--for-real", "--back-after", "2s", "--yes"]


class Drill(StandingLab):
    setting = Setting(fall=2)

    def setUp(self):
        self.addCleanup(self.back_to_sip_a)

    def test_calls_outlive_a_drill_there_and_back(self):
        self.pair.order("sip-b", "primary")
        self.appliance.wait_for_state("sip-b", "up")
        before = self.pair.stats()
        caller = sipp.udp_calls(self.lab, rate=100, count=900)
        self.wait_for_calls(caller, 150)
        report = self.appliance.ask(*DRILL)
        moves = [(row["from"], row["to"], row["cause"]) for row in report["switchovers"]]
        self.assertEqual(moves, [("sip-a", "sip-b", "drill"), ("sip-b", "sip-a", "drill")], report)
        self.assertEqual((report["state"], report["outcome"]), ("done", "sip-a is active again"))
        self.assertFalse(report["from_lost"])
        there, back = report["switchovers"]
        self.assertGreaterEqual(back["detected_us"] - there["detected_us"], 2_000_000)
        self.assertEqual(self.appliance.wait_for_active()["name"], "sip-a")
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (900, 900, 0))
        for member, counted in self.pair.stats().items():
            served = counted["requests"]["INVITE"] - before[member]["requests"].get("INVITE", 0)
            self.assertGreater(served, 0, f"{member} was active for a while")

    def test_there_is_no_drill_while_nobody_could_take_over(self):
        self.appliance.wait_for_state("sip-b", "down")
        why = "no other member is healthy: sip-b is down ("
        self.assertTrue(self.appliance.ask("drill", "pair-1", "--shadow")["refused"].startswith(why))
        said = self.appliance.command(*DRILL, check=False)
        self.assertEqual((said.returncode, said.stderr.startswith(f"fairlead: no drill of pool `pair-1`: {why}")), (1, True), said.stderr)
        self.assertEqual(self.appliance.wait_for_active()["name"], "sip-a")

    def test_who_dies_in_a_drill_is_left_and_the_drill_ends(self):
        self.pair.order("sip-b", "primary")
        self.appliance.wait_for_state("sip-b", "up")
        drill = self.appliance.begin(*DRILL)
        self.appliance.wait_for_active("sip-b")
        self.pair.order("sip-b", "backup")
        drill.wait(20.0)
        report = self.appliance.ask("drill", "pair-1", "--report")
        self.assertEqual(report["state"], "ended", report)
        self.assertIn("sip-b is down (", " ".join(drill.said().split()))
        self.assertIn("sip-b is down (", report["outcome"])
        self.assertEqual([row["cause"] for row in report["switchovers"]], ["drill", "monitor"])
        self.assertEqual(self.appliance.wait_for_active()["name"], "sip-a")


if __name__ == "__main__":
    unittest.main()
