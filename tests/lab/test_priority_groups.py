"""Two servers of a higher priority and one of a lower, of which two are to be active: it takes part while one of the higher is away, and
keeps what it has."""

import time
import unittest

from lab import two_arm
from several import THIRD, SeveralLab, Setting, has

HIGHER = ("sip-a", "sip-b")


class PriorityGroups(SeveralLab):
    setting = Setting(
        mode="round-robin",
        further=(THIRD,),
        edits=(
            (two_arm.MONITORS, f"{two_arm.MONITORS}min_active = 2\n"),
            *(has(member, "priority = 10") for member in HIGHER),
            has("sip-c", "priority = 5"),
        ),
    )
    takers = HIGHER

    def reason(self) -> str:
        return self.appliance.ask("virtual-servers")[0]["reason"]

    def all_new_goes_to(self, *members: str) -> None:
        """Calls, connections and peers over UDP that begin now, each of these members gets some of them, and nobody else."""
        began = time.time()
        self.completed(self.calls(f"to-{'-'.join(members)}-{next(self.numbers)}", 20, hold=0.5), 20)
        callees = self.callees(since=began)
        self.assertEqual(len(callees), 20)
        self.assertEqual(set.union(*callees.values()), set(members))
        self.assertEqual({each.member for each in self.connections(4)}, set(members))
        self.assertEqual({self.server_of(phone) for phone in self.phones(4)}, set(members))

    def test_s95_a_lower_group_takes_part_while_one_of_the_higher_is_away_and_then_only_keeps_what_it_has(self):
        self.assertEqual(self.reason(), "2 of 3 members take new work: priority 10 (counted: 2, min_active: 2); spare: sip-c")
        spare = self.appliance.member("sip-c")
        self.assertEqual(spare["role"], "standby")
        self.assertIn("spare: its priority 5 is not needed while higher ones have min_active = 2", spare["reason"])
        self.all_new_goes_to(*HIGHER)
        self.servers.kill("sip-b")
        self.wait_until_active("sip-a", "sip-c")
        groups = "priorities 10 and 5 (counted above 5: 1, min_active: 2)"
        self.assertTrue(self.reason().startswith(f"2 of 3 members take new work: {groups}; sip-b is down ("), self.reason())
        self.all_new_goes_to("sip-a", "sip-c")
        standing = [each.socket for each in self.connections(4)] + self.phones(4)
        servers = [self.server_of(phone) for phone in standing]
        self.assertEqual((set(servers[:4]), set(servers[4:])), ({"sip-a", "sip-c"},) * 2)
        began = time.time()
        caller = self.calls("under-way", 40, hold=5.0)
        under_way = self.wait_for_requests("ACK", 40, since=began)
        self.assertTrue(self.of("sip-c", under_way))
        self.servers.revive("sip-b")
        self.servers.order("sip-b", "primary")
        self.wait_until_active(*HIGHER)
        self.all_new_goes_to(*HIGHER)
        self.assertEqual([self.server_of(phone) for phone in standing], servers)
        self.completed(caller, 40)
        self.wait_for_requests("BYE", 40, since=began)
        self.stayed(set(under_way))


if __name__ == "__main__":
    unittest.main()
