"""What an operator asks while the appliance is busy: answered soon, and no packet pays for it."""

import itertools
import json
import sys
import time
import unittest

from lab import proofs, sipp
from lab.host import Program
from standing import StandingLab, addresses

#: Generous: the command, the appliance and its load share two cores here.
PROMPT = 1.0
TABLES = ("members", "flows", "probes", "snat", "counters")
#: A member's destinations outside, each a flow.
PORTS = range(20000, 22000)


class Tables(StandingLab):
    def test_s84_tables_are_answered_under_load_and_no_packet_is_dropped(self):
        self._open_outward("sip-a", 43000)
        caller = sipp.udp_calls(self.lab, rate=100, count=500)
        listener = self.start_in("sip-b", "iperf3", "-s", "-1", "-J", "-p", "5201")
        self.wait_until_it_listens("sip-b", 5201)
        stream = ["iperf3", "-u", "-b", "20M", "-l", "600", "-t", "3", "-p", "5201"]
        client = self.start_in("tclient", *stream, "-c", addresses.MEMBERS["sip-b"])
        self.wait_for_calls(caller, 50)
        before = self._drops()
        slowest = self._slowest(client)
        listed = ", ".join(f"{table} {1e3 * seconds:.0f} ms" for table, seconds in slowest.items())
        print(f"the slowest answers under load: {listed}", file=sys.stderr)
        self.assertEqual(set(slowest), set(TABLES), "the load ended before every table was asked for")
        self.assertLess(max(slowest.values()), PROMPT, listed)
        self.assertEqual((client.wait(20.0), listener.wait(20.0)), (0, 0))
        self.assertGreater(json.loads(listener.said())["end"]["sum"]["packets"], 1000)
        calls = caller.finish(60.0)
        self.assertEqual((calls.completed, calls.failed), (500, 0))
        self.assertEqual(self._drops(), before)

    def test_s84_the_flows_of_one_member_are_cleared_and_no_others(self):
        for member in addresses.MEMBERS:
            self._open_outward(member, 43001)
        self.wait_for(lambda: [self._flows(member) for member in addresses.MEMBERS] == [len(PORTS)] * 2)
        cleared = self.appliance.ask("flows", "clear", "--member", "sip-a")["count"]
        self.assertGreaterEqual(cleared, len(PORTS))
        self.assertEqual([self._flows(member) for member in addresses.MEMBERS], [0, len(PORTS)])

    def _slowest(self, load: Program) -> dict[str, float]:
        """Asks for one table after another while the load runs: the longest wait for each, in seconds."""
        slowest: dict[str, float] = {}
        for table in itertools.cycle(TABLES):
            began = time.monotonic()
            self.appliance.ask(table)
            if not load.is_running():
                return slowest
            slowest[table] = max(slowest.get(table, 0.0), time.monotonic() - began)

    def _open_outward(self, member: str, port: int) -> None:
        """A UDP flow from a port of a member to each of `PORTS`, on which nobody listens."""
        sender = self.udp_in(member, addresses.MEMBERS[member], port)
        for to in PORTS:
            sender.sendto(b"x", (addresses.GATEWAY, to))
            if to % 100 == 0:
                time.sleep(0.01)  # a burst that the rings of this lab hold

    def _flows(self, member: str) -> int:
        """Outward flows of a member from the test's port."""
        rows = self.appliance.ask("flows", "--member", member, "--limit", "10000")["rows"]
        return sum(row["original"]["src"].endswith(":43001") for row in rows)

    def _drops(self) -> dict[str, int]:
        return {name: value for name, value in proofs.settled(self.appliance).items() if name.startswith("drop_")}


if __name__ == "__main__":
    unittest.main()
