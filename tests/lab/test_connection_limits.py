"""Members and a virtual server that may have only so many connections: what is beyond goes to another member, or is refused, and what
stands is never touched."""

import contextlib
import re
import socket
import struct
import unittest
from collections import Counter
from dataclasses import replace

from lab import sockets, two_arm
from several import MEMBERS, SERVICE, SeveralLab, has

#: Of a member, and of a virtual server.
PASSED_OVER = "is met: new connections go to other members, or are refused if none has room"
REFUSED = "is met: new connections are refused"


class ConnectionLimits(SeveralLab):
    def setUp(self):
        super().setUp()
        self.limit("connection_limit = 1000")
        self.wait_for(lambda: self.of_server()["now"] == 0, seen=lambda: f"{self.of_server()}")
        self.before = self.refusals()

    def limit(self, server: str = "", **members: str) -> None:
        """Another file is taken over, with these keys of the virtual server, and of members by what their names end with."""
        edits = [has(f"sip-{end}", keys) for end, keys in members.items()]
        self.appliance.reload(replace(self.setting, edits=(*edits, (two_arm.LISTEN, f"{server}\n{two_arm.LISTEN}"))))

    def of_server(self) -> dict | None:
        """What is said of the virtual server's connections."""
        return self.appliance.ask("virtual-servers")[0]["connections"]

    def of_member(self, member: str) -> dict | None:
        """What is said of a member's connections."""
        return self.appliance.member(member)["connections"]

    def refusals(self) -> Counter:
        """What was refused so far, and the segments that the phones have sent again: a SYN that waited is counted again."""
        counters = self.appliance.counters()
        counted = {what: counters[f"drop_{what}"] for what in ("connection_limit", "connection_rate_limit")}
        return Counter(again=sockets.repeated_segments(self.lab.host("phone")), **counted)

    def were_refused(self, count: int, by: str = "connection_limit") -> None:
        """So many connections were refused since the test began, for this reason and for no other."""
        now = self.refusals()
        now.subtract(self.before)
        self.assertIn(now.pop(by), range(count, count + now.pop("again") + 1))
        self.assertEqual(set(now.values()), {0}, f"{now}")

    def tries(self) -> socket.socket | None:
        """A phone connects, or is reset."""
        with contextlib.suppress(ConnectionRefusedError):
            return self.enterContext(sockets.connect(self.lab.host("phone"), *SERVICE))

    def each_answers(self, connections: list) -> None:
        for each in connections:
            self.answered(each.socket)

    def waits_for(self, number: int, of, *whose: str) -> None:
        """Waits until so many connections are counted of a member or the virtual server."""
        self.wait_for(lambda: of(*whose)["now"] == number, seen=lambda: f"{of(*whose)}")

    def waits_for_alarm(self, alarm: str) -> None:
        self.wait_for(lambda: alarm in self.appliance.alarms(), seen=lambda: f"{self.appliance.alarms()}")

    def test_s97_a_member_at_its_limit_is_passed_over_until_one_of_its_connections_ends(self):
        self.limit(a="connection_limit = 2")
        connections = self.connections(9)
        found = Counter(each.member for each in connections)
        self.assertEqual((found["sip-a"], found["sip-b"] + found["sip-c"]), (2, 7), "by turns each would have three")
        self.assertEqual(self.of_member("sip-a"), {"now": 2, "limit": 2, "rate_limit": None})
        self.assertIsNone(self.of_member("sip-b"), "it has no limit")
        self.assertRegex(self.appliance.show("members"), r"\nMEMBER +CONNECTIONS +LIMIT +RATE LIMIT\nsip-a +2 +2 +-\n")
        self.waits_for_alarm(f"member sip-a: connection_limit = 2 {PASSED_OVER}")
        ended = next(each for each in connections if each.member == "sip-a")
        connections.remove(ended)
        ended.socket.close()
        self.waits_for(1, self.of_member, "sip-a")
        further = self.connections(3)
        self.assertEqual(Counter(each.member for each in further)["sip-a"], 1)
        self.assertEqual(self.of_member("sip-a")["now"], 2)
        self.each_answers(connections + further)
        self.were_refused(0)

    def test_s97_where_no_member_has_room_a_connection_is_reset(self):
        self.limit(**dict.fromkeys("abc", "connection_limit = 2"))
        connections = self.connections(6)
        self.assertEqual(Counter(each.member for each in connections), dict.fromkeys(MEMBERS, 2))
        self.assertEqual([self.tries() for _ in range(3)], [None] * 3)
        self.were_refused(3)
        ended = next(each for each in connections if each.member == "sip-b")
        connections.remove(ended)
        # Nothing is waited for at its end: it is reset.
        ended.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ended.socket.close()
        self.waits_for(1, self.of_member, "sip-b")
        [further] = self.connections(1)
        self.assertEqual(further.member, "sip-b", "nobody else has room, whoever has the turn")
        self.assertIsNone(self.tries())
        self.were_refused(4)
        self.assertEqual([self.of_member(member)["now"] for member in MEMBERS], [2, 2, 2])
        self.each_answers([*connections, further])

    def test_s97_a_virtual_server_at_its_limit_refuses_what_is_new_also_when_the_limit_is_lowered(self):
        self.limit("connection_limit = 5")
        connections = self.connections(5)
        self.assertIsNone(self.tries())
        self.assertEqual(self.of_server(), {"now": 5, "limit": 5, "rate_limit": None})
        self.assertRegex(self.appliance.show("virtual-servers"), r"\nVIRTUAL SERVER +CONNECTIONS +LIMIT .*\nsip-1 +5 +5 +-\n")
        self.waits_for_alarm(f"virtual server sip-1: connection_limit = 5 {REFUSED}")
        self.limit("connection_limit = 2")
        self.assertEqual(self.of_server(), {"now": 5, "limit": 2, "rate_limit": None})
        self.each_answers(connections)
        for left in (4, 3, 2):
            connections.pop().socket.close()
            self.waits_for(left, self.of_server)
            self.assertIsNone(self.tries())
        connections.pop().socket.close()
        self.waits_for(1, self.of_server)
        connections += self.connections(1)
        self.assertIsNone(self.tries())
        self.were_refused(5)
        self.each_answers(connections)

    def test_s97_connections_of_a_lost_member_make_room(self):
        self.limit("connection_limit = 6", c="connection_limit = 2")
        connections = self.connections(6)
        lost = [each for each in connections if each.member == "sip-c"]
        self.assertEqual((len(lost), self.of_member("sip-c")["now"]), (2, 2))
        # Its host is gone from the net, so that only the appliance can end its connections.
        self.lab.pull_cable("sip-c")
        self.wait_until_active("sip-a", "sip-b")
        for each in lost:
            self.assertRaises(ConnectionResetError, each.socket.recv, 1)
        self.waits_for(0, self.of_member, "sip-c")
        self.waits_for(4, self.of_server)
        further = self.connections(2)
        self.assertIsNone(self.tries())
        self.assertEqual(self.of_server()["now"], 6)
        self.each_answers([each for each in connections if each not in lost] + further)
        self.were_refused(1)

    def test_s97_a_udp_peer_beyond_the_limit_gets_no_answer_and_the_others_stay(self):
        self.addCleanup(self.appliance.command, "flows", "clear", "--all")
        self.limit("connection_limit = 2")
        first, second, third = self.phones(3)
        servers = [self.server_of(first), self.server_of(second)]
        call = self.ask(third)
        self.wait_for(lambda: self.refusals()["connection_limit"] > self.before["connection_limit"])
        self.assertEqual([self.server_of(first), self.server_of(second)], servers)
        self.assertNotIn(call, self.callees("OPTIONS"))
        self.were_refused(1)
        self.appliance.command("flows", "clear", "--virtual-server", "sip-1")
        self.assertEqual(self.of_server()["now"], 0)
        self.server_of(third)
        self.assertEqual(self.of_server()["now"], 1)

    def test_s97_more_at_a_time_than_a_virtual_server_may_take_in_a_second_are_reset_and_a_later_one_is_not(self):
        self.limit("connection_rate_limit = 1")
        tried = [self.tries()]
        self.assertIsNotNone(tried[0], "nobody has begun one")

        def is_other() -> bool:
            tried.append(self.tries())
            return (tried[-1] is None) != (tried[-2] is None)

        self.wait_for(is_other, 60.0, lambda: "however soon they follow, none is refused")
        self.wait_for(is_other, 60.0, lambda: "what is refused keeps others out")
        refused = tried.count(None)
        self.assertEqual(self.of_server(), {"now": len(tried) - refused, "limit": None, "rate_limit": 1})
        self.assertTrue(re.search(r"\nsip-1 +\d+ +- +1/s\n", self.appliance.show("virtual-servers")))
        self.waits_for_alarm(f"virtual server sip-1: connection_rate_limit = 1 {REFUSED}")
        self.were_refused(refused, by="connection_rate_limit")

    def test_s97_more_at_a_time_than_a_member_may_take_in_a_second_go_to_others(self):
        self.limit(a="connection_rate_limit = 1")
        connections = []

        def is_met() -> bool:
            connections.extend(self.connections(9))
            return f"member sip-a: connection_rate_limit = 1 {PASSED_OVER}" in self.appliance.alarms()

        self.wait_for(is_met, 60.0)
        found = Counter(each.member for each in connections)
        self.assertLess(found["sip-a"], len(connections) // 3, "it was passed over when it had the turn")
        self.assertEqual(self.of_member("sip-a"), {"now": found["sip-a"], "limit": None, "rate_limit": 1})
        self.were_refused(0)
        self.each_answers(connections)


if __name__ == "__main__":
    unittest.main()
