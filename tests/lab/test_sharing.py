"""Three SIP Servers that are all active: real calls are shared among them, and the loss of one concerns only its own."""

import json
import socket
import time
import unittest
from dataclasses import dataclass
from functools import partial

from lab import addresses, sipp, sockets
from lab.appliance import Appliance
from lab.sip.pair import Servers
from lab.topology import Lab
from standing import Setting, StandingLab

THIRD = ("sip-c", "10.20.0.13")
MEMBERS = {**addresses.MEMBERS, THIRD[0]: THIRD[1]}
SERVICE = (addresses.VIP, addresses.SIP_PORT)
#: A call over UDP: what a server has received of it when it is over.
WHOLE = {"INVITE", "ACK", "BYE"}


@dataclass(frozen=True)
class Request:
    """A phone's request that a server has received."""

    member: str
    time: float
    transport: str
    method: str
    call: str
    port: int


@dataclass(frozen=True)
class Connection:
    """A phone's TCP connection to the virtual address, and the server at its other end."""

    socket: socket.socket
    member: str


class Sharing(StandingLab):
    setting = Setting(mode="round-robin", further=(THIRD,))
    servers: Servers

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = cls.enterClassContext(Lab())
        cls.lab.plug_in(THIRD[0], [f"{THIRD[1]}/24"])
        cls.servers = Servers(cls.lab, MEMBERS)
        cls.servers.start()
        cls.appliance = Appliance(cls.lab, setting=cls.setting)
        cls.appliance.start()

    def setUp(self):
        self.all_take_part()
        self.began = time.time()

    def all_take_part(self) -> None:
        for member in MEMBERS:
            self.lab.plug_cable(member)
            self.servers.revive(member)
            self.servers.order(member, "primary")
            self.appliance.command("member", "enable", member)
        self.wait_until_active(*MEMBERS)

    def wait_until_active(self, *members: str) -> None:
        """Waits until these members, and no others, take new calls; the operator reads how many of all that are."""
        row = lambda: self.appliance.ask("virtual-servers")[0]
        self.wait_for(lambda: row()["active_members"] == sorted(members), 20.0, lambda: f"{row()}")
        self.assertIn(f" {len(members)} of {len(MEMBERS)} ", self.appliance.show("virtual-servers"))

    def calls(self, name: str, count: int, hold: float) -> sipp.Caller:
        """Phones call over UDP, from ports that no phone has had before: who has no flow goes to whoever has the turn."""
        first = 10000 + 1000 * next(self.numbers)
        self.lab.host("phone").sysctl("net.ipv4.ip_local_port_range", f"{first} {first + 999}")
        return sipp.udp_phones(self.lab, 50, count, hold, name)

    def requests(self, transport: str = "udp") -> list[Request]:
        """What phones have sent to the servers since the test began, as these have written it down."""
        found = []
        for member in MEMBERS:
            for line in self.lab.file(f"{member}.requests.jsonl").read_text().splitlines(keepends=True):
                seen = json.loads(line) if line.endswith("\n") else {"source": None}
                if seen.pop("source") == addresses.PHONE:
                    found.append(Request(member, **seen))
        return [seen for seen in found if seen.time >= self.began and seen.transport == transport]

    def callees(self, method: str = "INVITE", since: float = 0.0, transport: str = "udp") -> dict[str, set[str]]:
        """The members that have received such requests, by call."""
        found: dict[str, set[str]] = {}
        for seen in self.requests(transport):
            if seen.method == method and seen.time >= since:
                found.setdefault(seen.call, set()).add(seen.member)
        return found

    def wait_for_requests(self, method: str, count: int, **which) -> dict[str, set[str]]:
        """Waits until so many calls have got so far, and says who has them."""
        seen = partial(self.callees, method, **which)
        self.wait_for(lambda: len(seen()) >= count, 20.0, lambda: f"{len(seen())} calls with {method}")
        return seen()

    def completed(self, caller: sipp.Caller, count: int) -> None:
        """All calls have been made, and all were completed."""
        calls = caller.finish(90.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (count, count, 0))

    def stayed(self, calls: set[str], transport: str = "udp") -> None:
        """Each of these calls was one member's from beginning to end."""
        for call in calls:
            seen = [each for each in self.requests(transport) if each.call == call]
            self.assertEqual(len({each.member for each in seen}), 1, f"{seen}")
            self.assertEqual({each.method for each in seen}, WHOLE, f"{seen}")

    def of(self, member: str, callees: dict[str, set[str]]) -> set[str]:
        """The calls that are this member's."""
        return {call for call, members in callees.items() if members == {member}}

    def connections(self, count: int) -> list[Connection]:
        """So many phones connect over TCP and ask; the servers say whom they have reached."""
        made = [self.enterContext(sockets.connect(self.lab.host("phone"), *SERVICE)) for _ in range(count)]
        asked = {self.answered(each): each for each in made}
        reached = lambda: {seen.call: seen.member for seen in self.requests("tcp") if seen.call in asked}
        self.wait_for(lambda: len(reached()) == count, seen=lambda: f"{reached()}")
        return [Connection(asked[call], member) for call, member in reached().items()]

    def answered(self, connection: socket.socket) -> str:
        """A request on a connection is answered; returns its Call-ID."""
        call, port = f"{time.time()}-{next(self.numbers)}", connection.getsockname()[1]
        fields = [
            f"OPTIONS sip:{addresses.VIP} SIP/2.0",
            f"Via: SIP/2.0/TCP {addresses.PHONE}:{port};branch=z9hG4bK{call}",
            f"From: <sip:phone>;tag={port}",
            f"To: <sip:{addresses.VIP}>",
            f"Call-ID: {call}",
            "CSeq: 1 OPTIONS",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        connection.sendall(("\r\n".join(fields) + "\r\n\r\n").encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            received = connection.recv(4000)
            self.assertTrue(received, "the connection was closed")
            answer += received
        self.assertIn(f"Call-ID: {call}\r\n".encode(), answer)
        self.assertTrue(answer.startswith(b"SIP/2.0 200 "), answer)
        return call

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
