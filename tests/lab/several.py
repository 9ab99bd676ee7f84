"""A lab with three SIP Servers that are all active, and what each of them has received.

Read first: `standing.py`. Tests leave all three up and enabled, as they found them.
"""

import itertools
import socket
import time
from dataclasses import dataclass
from functools import partial

from standing import Setting, StandingLab, addresses
from lab import sipp, sockets
from lab.appliance import Appliance
from lab.sip.pair import Request, Servers
from lab.topology import Lab

THIRD = ("sip-c", "10.20.0.13")
MEMBERS = {**addresses.MEMBERS, THIRD[0]: THIRD[1]}
SERVICE = (addresses.VIP, addresses.SIP_PORT)
#: Who a member is, as the file says it.
MEMBER = 'name = "{}", address = "{}"'
#: A call over UDP: what a server has received of it when it is over.
WHOLE = {"INVITE", "ACK", "BYE"}


def has(member: str, keys: str) -> tuple[str, str]:
    """An edit of the file: a member has further keys."""
    said = MEMBER.format(member, MEMBERS[member])
    return said, f"{said}, {keys}"


@dataclass(frozen=True)
class Connection:
    """A phone's TCP connection to the virtual address, and the server at its other end."""

    socket: socket.socket
    member: str


class SeveralLab(StandingLab):
    """They take new connections and new UDP peers by turns."""

    setting = Setting(mode="round-robin", further=(THIRD,))
    servers: Servers
    #: The members that take new work while all are up.
    takers = tuple(MEMBERS)
    ports = itertools.cycle(range(10000, 60000, 1000))

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = cls.enterClassContext(Lab())
        cls.lab.plug_in(THIRD[0], [f"{THIRD[1]}/24"])
        cls.servers = Servers(cls.lab, MEMBERS)
        cls.servers.start()
        cls.appliance = Appliance(cls.lab, setting=cls.setting)
        cls.appliance.start()

    def setUp(self):
        self.all_are_up()
        self.take_new_ports()
        self.began = time.time()

    def all_are_up(self) -> None:
        """All live, are plugged in and enabled."""
        for member in MEMBERS:
            self.lab.plug_cable(member)
            self.servers.revive(member)
            self.servers.order(member, "primary")
            self.appliance.command("member", "enable", member)
        self.wait_until_active(*self.takers)

    def wait_until_active(self, *members: str) -> None:
        """Waits until these members, and no others, take new calls; the operator reads how many of all that are."""
        row = lambda: self.appliance.ask("virtual-servers")[0]
        self.wait_for(lambda: row()["active_members"] == sorted(members), 20.0, lambda: f"{row()}")
        self.assertIn(f" {len(members)} of {len(MEMBERS)} ", self.appliance.show("virtual-servers"))

    def calls(self, name: str, count: int, hold: float) -> sipp.Caller:
        """Phones call over UDP, from ports that no phone has had before: who has no flow goes to whoever has the turn."""
        self.take_new_ports()
        return sipp.udp_phones(self.lab, 50, count, hold, name)

    def take_new_ports(self) -> None:
        """From now on phones use ports that none of them has had before."""
        first = next(self.ports)
        self.lab.host("phone").sysctl("net.ipv4.ip_local_port_range", f"{first} {first + 999}")

    def requests(self, transport: str = "udp") -> list[Request]:
        """What phones have sent to the servers since the test began, as these have written it down."""
        found = self.servers.requests(addresses.PHONE)
        return [seen for seen in found if seen.time >= self.began and seen.transport == transport]

    def callees(
        self, method: str = "INVITE", since: float = 0.0, transport: str = "udp", call: str | None = None
    ) -> dict[str, set[str]]:
        """The members that have received such requests, by call."""
        found: dict[str, set[str]] = {}
        for seen in self.requests(transport):
            if seen.method == method and seen.time >= since and call in (None, seen.call):
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
        return [Connection(each, self.server_of(each)) for each in made]

    def answered(self, phone: socket.socket) -> str:
        """A phone's request, over UDP or TCP, is answered; returns its Call-ID."""
        call, answer = self.ask(phone), b""
        while not answer.endswith(b"\r\n\r\n"):
            received = phone.recv(4000)
            self.assertTrue(received, "the connection was closed")
            answer += received
        self.assertIn(f"Call-ID: {call}\r\n".encode(), answer)
        self.assertTrue(answer.startswith(b"SIP/2.0 200 "), answer)
        return call

    def phones(self, count: int) -> list[socket.socket]:
        """So many phones over UDP that nobody has heard of yet."""
        self.take_new_ports()
        made = [self.udp_in("phone", addresses.PHONE) for _ in range(count)]
        for phone in made:
            phone.connect(SERVICE)
        return made

    def server_of(self, phone: socket.socket) -> str:
        """A phone's request is answered; says which server has received it."""
        call = self.answered(phone)
        transport = "tcp" if phone.type == socket.SOCK_STREAM else "udp"
        [member] = self.wait_for_requests("OPTIONS", 1, transport=transport, call=call)[call]
        return member

    def ask(self, phone: socket.socket) -> str:
        """A phone asks; returns the Call-ID."""
        call, port = f"{time.time()}-{next(self.numbers)}", phone.getsockname()[1]
        transport = "TCP" if phone.type == socket.SOCK_STREAM else "UDP"
        fields = [
            f"OPTIONS sip:{addresses.VIP} SIP/2.0",
            f"Via: SIP/2.0/{transport} {addresses.PHONE}:{port};branch=z9hG4bK{call}",
            f"From: <sip:phone>;tag={port}",
            f"To: <sip:{addresses.VIP}>",
            f"Call-ID: {call}",
            "CSeq: 1 OPTIONS",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        phone.sendall(("\r\n".join(fields) + "\r\n\r\n").encode())
        return call
