"""SIP Servers as far as `OPTIONS` goes (RFC 3261 11.2): for rigs that need many that live, and no calls.

Owns: the answer, and datagrams of many sockets. Never: who listens where.
"""

import select
import socket
from collections.abc import Iterator

KEPT = ("via", "from", "to", "call-id", "cseq")
Endpoint = tuple[str, int]


def answer_options(at: list[Endpoint]) -> None:
    """Answers at all of these, for ever."""
    for datagram, peer, ours in datagrams(at):
        lines = datagram.decode(errors="replace").split("\r\n")
        if lines[0].startswith("OPTIONS"):
            kept = [line for line in lines[1:] if line.partition(":")[0].strip().lower() in KEPT]
            ours.sendto("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode(), peer)


def datagrams(at: list[Endpoint]) -> Iterator[tuple[bytes, Endpoint, socket.socket]]:
    """Each that arrives at one of these, with who sent it and the socket it came to."""
    poll, sockets = select.poll(), {}
    for where in at:
        one = bound(*where)
        sockets[one.fileno()] = one
        poll.register(one, select.POLLIN)
    while True:
        for number, _ in poll.poll():
            ours = sockets[number]
            yield *ours.recvfrom(4000), ours


def bound(address: str, port: int) -> socket.socket:
    """A UDP socket of this process's own host."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((address, port))
    return one
