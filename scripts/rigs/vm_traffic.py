"""Traffic of the virtual machine's rig, to be run in a namespace: `python3 -m rigs.vm_traffic WHAT ...`.

Owns: servers that answer, and clients that count the answers; a client's last line is JSON. Never: what is enough.
"""

import json
import select
import socket
import socketserver
import sys
import time

_KEPT = ("via", "from", "to", "call-id", "cseq")


def answer_sip(*addresses: str) -> None:
    """A SIP Server as far as `OPTIONS` goes (RFC 3261 11.2), at port 5060 of every address."""
    for datagram, peer, ours in _datagrams([(address, 5060) for address in addresses]):
        lines = datagram.decode(errors="replace").split("\r\n")
        if lines[0].startswith("OPTIONS"):
            kept = [line for line in lines[1:] if line.partition(":")[0].strip().lower() in _KEPT]
            ours.sendto("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode(), peer)


def tell_source(address: str, port: str) -> None:
    """Answers every datagram with the address it came from."""
    for _, peer, ours in _datagrams([(address, int(port))]):
        ours.sendto(peer[0].encode(), peer)


def echo(address: str, port: str) -> None:
    """Connections, and what is sent on them sent back."""
    class Echo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while said := self.request.recv(1500):
                self.request.sendall(said)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads, request_queue_size = True, True, 128

    Server((address, int(port)), Echo).serve_forever()


def send(here: str, first_port: str, count: str, address: str, port: str, rounds: str) -> None:
    """`rounds` times a datagram from each of `count` ports, every time from others, and who they were answered as: by word,
    how often. No packet follows another of its flow: whatever places them has never met them."""
    sent, words = 0, {}
    for first in range(int(first_port), int(first_port) + int(count) * int(rounds), int(count)):
        sockets = [_bound(here, number) for number in range(first, first + int(count))]
        due = 0
        for one in sockets:
            due += 1
            sent += 1
            one.sendto(f"OPTIONS sip:rig SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{sent}\r\nFrom: <sip:a>;tag=1\r\n"
                       f"To: <sip:b>;tag=2\r\nCall-ID: {sent}\r\nCSeq: 1 OPTIONS\r\n\r\n".encode(), (address, int(port)))
            time.sleep(0.002)
        until = time.monotonic() + 3
        while due and time.monotonic() < until:
            for one in select.select(sockets, [], [], 0.2)[0]:
                datagram, peer = one.recvfrom(1500)
                word = f"{peer[0]} says {datagram.decode(errors='replace').partition(chr(13))[0]}"
                words[word] = words.get(word, 0) + 1
                due -= 1
        for one in sockets:
            one.close()
    print(json.dumps({"sent": sent, "answers": words}))


def connect(address: str, port: str, count: str) -> None:
    """So many connections, one after the other, with three lines on each."""
    asked = answered = 0
    for _ in range(int(count)):
        with socket.create_connection((address, int(port)), timeout=10) as one:
            for _ in range(3):
                one.sendall(b"a line")
                asked += 1
                answered += one.recv(100) == b"a line"
    print(json.dumps({"sent": asked, "answers": {"echo": answered}}))


def _datagrams(at: list[tuple[str, int]]):
    """Each that arrives at one of these, with who sent it and the socket it came to."""
    sockets = [_bound(*where) for where in at]
    while True:
        for ours in select.select(sockets, [], [])[0]:
            yield *ours.recvfrom(4000), ours


def _bound(address: str, port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((address, port))
    return one


if __name__ == "__main__":
    what = {"answer_sip": answer_sip, "tell_source": tell_source, "echo": echo, "send": send, "connect": connect}
    try:
        what[sys.argv[1]](*sys.argv[2:])
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
