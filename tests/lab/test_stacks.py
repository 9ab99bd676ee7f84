"""SIP stacks of others as a member: each is found up by what it answers, as the table in dpdk-config/reference.md says."""

import unittest

from lab import stacks
from lab.appliance import Appliance, Setting
from lab.topology import Lab

#: What each answers to OPTIONS without a user.
ANSWERS = [
    (stacks.kamailio, "200 Keepalive"),
    (stacks.sofia, "200 OK"),
    (stacks.baresip, "404 Not Found"),
    (stacks.linphone, "200 Ok"),
    (stacks.net_sip, "200 OK"),
    (stacks.sipp, "200 OK"),
]


class Stacks(unittest.TestCase):
    def test_each_packaged_stack_is_found_up_by_its_answer(self):
        with Lab() as lab:
            appliance = Appliance(lab, setting=Setting(up_codes=("any",)))
            appliance.start()
            for stack, answer in ANSWERS:
                with self.subTest(stack=stack.__name__):
                    program = stacks.start(lab, "sip-b", stack)
                    try:
                        row = appliance.wait_for_state("sip-b", "up", 20.0)
                        self.assertEqual(row["reason"], f"sip-options: {answer}", program.said())
                    finally:
                        program.stop()
                    appliance.wait_for_state("sip-b", "down")


if __name__ == "__main__":
    unittest.main()
