"""Three SIP Servers that are all active: real calls are shared among them, and the loss of one concerns only its own."""

import time
import unittest

from lab import sipp
from several import MEMBERS, SeveralLab


class Sharing(SeveralLab):
    def test_s92_calls_are_spread_over_all_members_and_each_stays_with_its_own(self):
        over_udp, over_tcp = self.calls("spread", 150, hold=1.0), sipp.tcp_calls(self.lab, rate=10)
        self.completed(over_udp, 150)
        calls = over_tcp.finish(60.0)
        self.assertGreaterEqual(calls.made, 20)
        self.assertEqual((calls.completed, calls.failed), (calls.made, 0))
        for transport, count in (("udp", 150), ("tcp", calls.made)):
            self.wait_for_requests("BYE", count, transport=transport)
            callees = self.callees(transport=transport)
            self.assertEqual(len(callees), count)
            for member in MEMBERS:
                self.assertTrue(self.of(member, callees), f"{member} got no call over {transport}")
            self.stayed(set(callees), transport)

    def test_s92_a_killed_server_takes_no_call_of_the_others_along(self):
        caller = self.calls("before", 60, hold=6.0)
        callees = self.wait_for_requests("ACK", 60)
        for member in MEMBERS:
            self.assertTrue(self.of(member, callees), f"{member} got no call")
        self.servers.kill("sip-b")
        self.wait_until_active("sip-a", "sip-c")
        killed = time.time()
        self.completed(self.calls("meanwhile", 30, hold=1.0), 30)
        after = self.wait_for_requests("INVITE", 30, since=killed)
        self.assertTrue(self.of("sip-a", after) and self.of("sip-c", after), f"{after}")
        # The phones of the killed server hang up at another one, which has the same address.
        self.completed(caller, 60)
        self.wait_for_requests("BYE", 90)
        self.stayed(set(after) | self.of("sip-a", callees) | self.of("sip-c", callees))
        self.servers.revive("sip-b")
        self.servers.order("sip-b", "primary")
        self.wait_until_active(*MEMBERS)
        back = time.time()
        self.completed(self.calls("after", 30, hold=1.0), 30)
        self.assertTrue(self.of("sip-b", self.wait_for_requests("INVITE", 30, since=back)), "sip-b takes no new calls")

    def test_s92_connections_of_a_dead_server_are_reset_and_the_others_survive(self):
        connections = self.connections(12)
        self.assertEqual({each.member for each in connections}, set(MEMBERS))
        # Its host is gone from the net, so that only the appliance can end its connections.
        self.lab.pull_cable("sip-c")
        self.servers.kill("sip-c")
        self.wait_until_active("sip-a", "sip-b")
        for each in connections:
            if each.member == "sip-c":
                self.assertRaises(ConnectionResetError, each.socket.recv, 1)
            else:
                self.answered(each.socket)
        self.assertEqual({each.member for each in self.connections(6)}, {"sip-a", "sip-b"})

    def test_s92_a_drained_server_finishes_its_calls_and_takes_no_new_ones(self):
        connections = self.connections(6)
        caller = self.calls("running", 60, hold=4.0)
        running = self.of("sip-a", self.wait_for_requests("ACK", 60))
        self.assertTrue(running)
        self.appliance.command("member", "drain", "sip-a")
        self.wait_until_active("sip-b", "sip-c")
        drained = time.time()
        self.completed(self.calls("new", 30, hold=1.0), 30)
        self.assertEqual({each.member for each in self.connections(6)}, {"sip-b", "sip-c"})
        self.completed(caller, 60)
        self.wait_for_requests("BYE", 90)
        self.assertFalse(self.of("sip-a", self.callees(since=drained)), "new calls")
        self.assertTrue(running <= self.of("sip-a", self.callees("BYE")), "running calls end where they began")
        self.stayed(set(self.callees()))
        self.assertIn("sip-a", {each.member for each in connections})
        for each in connections:
            self.answered(each.socket)


if __name__ == "__main__":
    unittest.main()
