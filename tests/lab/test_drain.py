"""A member that is drained for a time: what stands on it lives until then, what is new goes to others, and whoever waits is shown it."""

import json
import signal
import time
import unittest
from datetime import datetime

from lab.host import Program
from several import MEMBERS, THIRD, Connection, SeveralLab, Setting

#: Flows of connections that are over are soon forgotten: a member that has any has not been drained completely.
SOON_FORGOTTEN = '\n[timeouts]\ntcp_closing = "1s"\n'
#: For how many seconds a member is drained.
TIME = 10
#: So many seconds after the start nobody is drained completely yet: a connection that stood before it may be silent.
FIRST_DRAINED = 32
#: As long as a busy machine may take; no test measures anything with it.
PATIENCE = 60.0


class Drain(SeveralLab):
    setting = Setting(mode="round-robin", further=(THIRD,), more=SOON_FORGOTTEN)

    def setUp(self):
        super().setUp()
        # Peers over UDP are remembered for minutes.
        self.appliance.command("flows", "clear", "--all")

    def drain(self, member: str, *words: str) -> Program:
        """Somebody has a member drained, and waits."""
        drain = self.appliance.begin("member", "drain", member, *words, "--wait")
        self.addCleanup(drain.stop)
        self.wait_until_active(*(other for other in MEMBERS if other != member))
        return drain

    def wait_until_said(self, drain: Program, text: str) -> None:
        self.wait_for(lambda: text in drain.said(), PATIENCE, lambda: f"`{text}` is not in {drain.said()!r}")

    def is_logged_once(self, line: str) -> None:
        """The log is written by a thread of its own."""
        self.wait_for(lambda: line in self.appliance.said(), PATIENCE)
        self.assertEqual(self.appliance.said().count(line), 1)

    def each_until_it_is_reset(self, connections: list[Connection]) -> float:
        """On each of these it is asked until it is reset; says when the first was."""
        first, deadline = None, time.monotonic() + PATIENCE
        while connections:
            self.assertLess(time.monotonic(), deadline, f"{len(connections)} still live")
            for each in list(connections):
                try:
                    self.answered(each.socket)
                except ConnectionResetError:
                    first = first or time.time()
                    connections.remove(each)
            time.sleep(0.1)
        return first

    def test_s99_a_member_that_is_enabled_again_keeps_nobody_waiting_and_ctrl_c_leaves_the_drain(self):
        [mine] = [each for each in self.connections(3) if each.member == "sip-c"]
        drain = self.drain("sip-c", "--for", "10m")
        self.wait_until_said(drain, "sip-c: 1 TCP connection, 0 UDP peers and SNAT mappings; ")
        self.assertEqual(drain.stop(signal.SIGINT, PATIENCE), 1)
        limit, remedy = "and taken offline in [0-9ms]+", "`fairlead member enable sip-c` ends that"
        end = drain.said().splitlines()[-1]
        self.assertRegex(end, f"^fairlead: interrupted: sip-c is still drained, {limit}; {remedy}$")
        self.assertEqual(self.appliance.member("sip-c")["admin"], "draining")
        drain = self.drain("sip-c", "--for", "20m")
        self.wait_until_said(drain, "sip-c: 1 TCP connection, 0 UDP peers and SNAT mappings; ")
        self.appliance.command("member", "enable", "sip-c")
        self.assertEqual(drain.wait(PATIENCE), 1)
        self.assertEqual(drain.said().splitlines()[-1], "sip-c: not drained: it is enabled")
        self.answered(mine.socket)

    def test_s99_calls_and_connections_live_until_the_time_is_up_and_what_is_new_goes_elsewhere(self):
        connections = self.connections(9)
        mine = [each for each in connections if each.member == "sip-a"]
        self.assertEqual(len(mine), 3)
        caller = self.calls("running", 60, hold=2.0)
        running = self.of("sip-a", self.wait_for_requests("ACK", 60))
        peers = f"{len(running)} UDP peers and SNAT mappings"
        drain = self.drain("sip-a", "--for", f"{TIME}s")
        began = time.time()
        row = self.appliance.member("sip-a")
        until = datetime.fromisoformat(row["drain_until"].replace("Z", "+00:00")).timestamp()
        self.assertEqual((row["admin"], row["role"], row["tcp_connections"]), ("draining", "none", 3))
        self.wait_until_said(drain, f"sip-a: 3 TCP connections, {peers}; ")
        mine.pop().socket.close()
        self.wait_until_said(drain, f"sip-a: 2 TCP connections, {peers}; ")
        self.completed(self.calls("new", 30, hold=0.5), 30)
        others = [each for each in connections if each.member != "sip-a"] + self.connections(6)
        self.completed(caller, 60)
        self.assertGreaterEqual(self.each_until_it_is_reset(mine) + 0.1, until, "what stands lives until then")
        self.assertEqual(drain.wait(PATIENCE), 0)
        *progress, end = drain.said().splitlines()
        lines = [f"sip-a: {left} TCP connections, {peers}" for left in (3, 2)]
        self.assertEqual([line.rpartition("; ")[0] for line in progress], lines)
        self.assertTrue(all(line.endswith("s left") for line in progress), progress)
        fate = f"2 TCP connections reset, {peers} moved, or left to run out"
        self.assertEqual(end, f"sip-a: taken offline, as its time was up: {fate}")
        self.is_logged_once(f"member sip-a: its time to drain is up: taken offline; {fate}")
        self.nothing_new_since(began, others + self.connections(4))
        self.wait_for_requests("BYE", 90)
        self.stayed({seen.call for seen in self.requests() if seen.method == "BYE" and seen.time < until})
        self.is_offline_until_enabled()

    def nothing_new_since(self, began: float, connections: list[Connection]) -> None:
        """Of the calls since then, and of these connections, which live, none is sip-a's."""
        new = self.callees(since=began)
        self.assertEqual(len(new), 30)
        self.assertEqual(set.union(*new.values()), {"sip-b", "sip-c"})
        self.assertEqual({each.member for each in connections}, {"sip-b", "sip-c"})
        for each in connections:
            self.answered(each.socket)

    def is_offline_until_enabled(self) -> None:
        row = self.appliance.member("sip-a")
        self.assertEqual((row["state"], row["admin"], row["drain_until"], row["drained"]), ("up", "offline", None, False))
        said = " ".join(self.appliance.show("members").split())
        self.assertIn("sip-a is offline by the operator, which is not in the file", said)
        self.appliance.command("member", "enable", "sip-a")
        self.wait_until_active(*MEMBERS)
        self.assertEqual({each.member for each in self.connections(3)}, set(MEMBERS))

    def test_s99_it_is_drained_completely_when_the_last_connection_has_ended(self):
        mine = [each for each in self.connections(6) if each.member == "sip-b"]
        drain = self.drain("sip-b", "--for", "10m", "--json")
        self.wait_for(lambda: self.appliance.ask("status")["uptime_s"] > FIRST_DRAINED, PATIENCE)
        for left in (2, 1):
            self.wait_until_said(drain, f'"connections":{left},')
            self.assertFalse(self.appliance.member("sip-b")["drained"])
            self.answered(mine[0].socket)
            mine.pop().socket.close()
        self.assertEqual(drain.wait(PATIENCE), 0)
        objects = [json.loads(line) for line in drain.said().splitlines()]
        has = list(dict.fromkeys((each["connections"], each["others"]) for each in objects))
        self.assertEqual(has, [(2, 0), (1, 0), (0, 0)])
        self.assertEqual({(each["member"], each["pool"]) for each in objects}, {("sip-b", "pair-1")})
        self.assertEqual([each["state"] for each in objects], ["running"] * (len(objects) - 1) + ["drained"])
        self.assertEqual(objects[-1]["outcome"], "drained completely")
        row = self.appliance.member("sip-b")
        self.assertEqual((row["admin"], row["drained"], row["flows"]), ("draining", True, 0))
        said = " ".join(self.appliance.show("members").split())
        limit, left = "for another [0-9ms]+, then offline", "drained completely, nothing of it is left here, it may be powered off"
        self.assertRegex(said, f"sip-b is draining by the operator {limit}, which is not in the file: {left}")
        self.is_logged_once("member sip-b: drained completely")


if __name__ == "__main__":
    unittest.main()
