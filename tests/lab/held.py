"""What stands for hours in a contact centre, a thousand of each: TCP connections, and ports of the virtual address that members have asked
through. Both ends are this process's, so that each is asked afterwards whether it is still what it was.

Read first: `lab/sockets.py`. Owns: making them, having them speak, and who did not answer. Never: what may be lost.
"""

import itertools
import resource
import select
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from lab import addresses, sockets
from lab.topology import Lab

#: Service port of the virtual address for connections; ports of the gateway's.
SERVICE, GATEWAY_TCP, GATEWAY_UDP = 5070, 9000, 9001
#: Both members use the same ports of their own from here, so that one of the two is shown with another port.
TCP_PORTS, UDP_PORTS = 20_000, 30_000
#: How many of each: from phones, from visitors of a member's own address; of each member's, outward over TCP and over UDP.
FROM_PHONES, FROM_VISITORS, OUTWARD, ASKED = 500, 100, 200, 500
#: A segment that was lost while nobody forwarded is repeated that late, in seconds.
PATIENCE = 15.0
#: A datagram is answered within so long, or it was lost.
SOON = 2.0
LENGTH = 8


@dataclass
class Connection:
    """Both ends, and what it is in words."""

    name: str
    caller: socket.socket
    called: socket.socket


@dataclass
class Mapping:
    """A member's UDP socket, and the address and port at which the gateway sees it."""

    member: str
    socket: socket.socket
    seen: tuple[str, int]


@dataclass
class Held:
    """A thousand connections and a thousand mappings through the appliance that is the members' gateway."""

    lab: Lab
    connections: list[Connection] = field(default_factory=list)
    mappings: list[Mapping] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)
    _round: int = 0
    #: Which one it is: ports of those before it may not be free again yet.
    _number: int = field(default_factory=itertools.count().__next__)

    def __enter__(self) -> "Held":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16_384)), hard))
        with self._stack as stack:
            self._connect()
            self._ask()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception) -> None:
        self._stack.close()

    def speak_up(self) -> None:
        """Each connection's caller sends something, whether anybody forwards it or not."""
        self._round += 1
        for one in self.connections:
            one.caller.sendall(self._word(one))

    def silent_connections(self) -> list[str]:
        """After :meth:`speak_up`: those on which that did not arrive, or nothing came back."""
        silent = self._unheard([(one, one.called) for one in self.connections])
        answered = [one for one in self.connections if one not in silent]
        for one in answered:
            one.called.sendall(self._word(one))
        return [one.name for one in [*silent, *self._unheard([(one, one.caller) for one in answered])]]

    def lost_mappings(self) -> list[str]:
        """Those by which the gateway does not reach the member any more, or is reached from elsewhere than before."""
        self._round += 1
        words = {self._datagram(number): one for number, one in enumerate(self.mappings)}
        for word, one in words.items():
            self._gateway.sendto(word, one.seen)
            time.sleep(0.0005)  # not all at once: queues of the lab's wires are not what is looked at
        unreached = self._unreached(words)
        for word, one in words.items():
            one.socket.sendto(word, (addresses.GATEWAY, GATEWAY_UDP))
            time.sleep(0.0005)
        sources, lost = self._sources(set(words)), {id(one) for one in unreached}
        said = [f"{one.member} is not reached by {one.seen}" for one in unreached]
        elsewhere = [(one, sources.get(word)) for word, one in words.items() if id(one) not in lost and sources.get(word) != one.seen]
        return said + [f"{one.member} was {one.seen}, is {source}" for one, source in elsewhere]

    def moved_ports(self) -> int:
        """Mappings whose port is not the member's own: no packet of theirs says it, so it has to be remembered."""
        return sum(one.seen[1] != one.socket.getsockname()[1] for one in self.mappings)

    def _connect(self) -> None:
        sip_a = addresses.MEMBERS["sip-a"]
        self._from("phone", "a phone's", FROM_PHONES, ("sip-a", sip_a, SERVICE), addresses.VIP)
        self._from("tclient", "a visitor's", FROM_VISITORS, ("sip-a", sip_a, addresses.T_LIB_PORT), sip_a)
        for member in addresses.MEMBERS:
            at = ("gateway", addresses.GATEWAY, GATEWAY_TCP)
            self._from(member, f"outward of {member}", OUTWARD, at, addresses.GATEWAY, TCP_PORTS + self._number % 40 * OUTWARD)

    def _from(self, host: str, name: str, count: int, at: tuple[str, str, int], called: str, own: int = 0) -> None:
        """So many connections from a host to a listener, called by that address, from ports beginning with `own`."""
        with sockets.listener(self.lab.host(at[0]), *at[1:]) as listener:
            for number in range(count):
                caller = self._stack.enter_context(sockets.tcp(self.lab.host(host)))
                if own:
                    caller.bind((addresses.MEMBERS[host], own + number))
                caller.connect((called, at[2]))
                end = self._stack.enter_context(listener.accept()[0])
                end.settimeout(sockets.PATIENCE)
                self.connections.append(Connection(f"{name} {number}", caller, end))

    def _ask(self) -> None:
        self._gateway = self._stack.enter_context(sockets.udp(self.lab.host("gateway"), addresses.GATEWAY, GATEWAY_UDP))
        for member, address in addresses.MEMBERS.items():
            for number in range(ASKED):
                own = UDP_PORTS + self._number % 40 * ASKED + number
                asking = self._stack.enter_context(sockets.udp(self.lab.host(member), address, own))
                asking.sendto(b"anybody there?", (addresses.GATEWAY, GATEWAY_UDP))
                self.mappings.append(Mapping(member, asking, self._gateway.recvfrom(100)[1]))

    def _word(self, one: Connection) -> bytes:
        return f"{self._round:08}".encode()[-LENGTH:]

    def _datagram(self, number: int) -> bytes:
        return f"{self._round}/{number}".encode()

    def _unheard(self, ends: list[tuple[Connection, socket.socket]]) -> list[Connection]:
        """Those whose end does not have this round's word in time."""
        waiting = {end.fileno(): (one, end, bytearray()) for one, end in ends}
        poll = select.poll()
        for number in waiting:
            poll.register(number, select.POLLIN)
        deadline = time.monotonic() + PATIENCE
        broken = []
        while waiting and time.monotonic() < deadline:
            for number, _ in poll.poll(200):
                one, end, so_far = waiting[number]
                try:
                    piece = end.recv(LENGTH - len(so_far))
                except OSError:
                    piece = b""
                so_far += piece
                if piece and len(so_far) < LENGTH:
                    continue
                poll.unregister(number)
                del waiting[number]
                if bytes(so_far) != self._word(one):
                    broken.append(one)
        return broken + [one for one, _, _ in waiting.values()]

    def _unreached(self, words: dict[bytes, Mapping]) -> list[Mapping]:
        """The members' sockets at which their datagram does not arrive in time."""
        waiting = {one.socket.fileno(): (one, word) for word, one in words.items()}
        poll = select.poll()
        for number in waiting:
            poll.register(number, select.POLLIN)
        deadline = time.monotonic() + SOON
        while waiting and time.monotonic() < deadline:
            for number, _ in poll.poll(100):
                one, word = waiting[number]
                if one.socket.recv(100) == word:  # and not one of an earlier round, that was late
                    poll.unregister(number)
                    del waiting[number]
        return [one for one, _ in waiting.values()]

    def _sources(self, words: set[bytes]) -> dict[bytes, tuple[str, int]]:
        """Where each datagram came from at the gateway."""
        found: dict[bytes, tuple[str, int]] = {}
        deadline = time.monotonic() + SOON
        while len(found) < len(words) and (left := deadline - time.monotonic()) > 0:
            self._gateway.settimeout(left)
            try:
                word, source = self._gateway.recvfrom(100)
            except OSError:
                break
            if word in words:
                found[word] = source
        return found
