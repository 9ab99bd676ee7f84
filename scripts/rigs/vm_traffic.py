"""Traffic of the virtual machine's rig, to be run in a namespace: `python3 -m rigs.vm_traffic WHAT ...`.

Owns: servers that answer, and clients that count the answers; a client's last line is JSON. Never: what is enough.
"""

import json
import select
import socket
import socketserver
import struct
import sys
import time

from lab.options import answer_options, bound, datagrams

_ETH_P_ALL, _SOL_PACKET, _PACKET_AUXDATA, _TP_STATUS_VLAN_VALID = 3, 263, 8, 1 << 4


def answer_sip(*addresses: str) -> None:
    """A SIP Server as far as `OPTIONS` goes, at port 5060 of every address."""
    answer_options([(address, 5060) for address in addresses])


def tell_source(address: str, port: str) -> None:
    """Answers every datagram with the address it came from."""
    for _, peer, ours in datagrams([(address, int(port))]):
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
        sockets = [bound(here, number) for number in range(first, first + int(count))]
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


def tag(tagged: str, untagged: str, vlan: str) -> None:
    """A switch with two ports: what has this tag on one interface is untagged on the other, and nothing else passes. The kernels
    this runs on may have no VLANs of their own."""
    trunk, access = (_every_frame(name) for name in (tagged, untagged))
    trunk.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    header = b"\x81\x00" + int(vlan).to_bytes(2, "big")
    while True:
        for ours in select.select([trunk, access], [], [])[0]:
            frame, notes, _, address = ours.recvmsg(65536, 256)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if ours is access:
                trunk.send(frame[:12] + header + frame[12:])
            elif _tag_taken_off(notes) == int(vlan):
                access.send(frame)


def _every_frame(interface: str) -> socket.socket:
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    one.bind((interface, _ETH_P_ALL))
    return one


def _tag_taken_off(notes: list[tuple[int, int, bytes]]) -> int | None:
    """The VLAN of a received frame: the kernel takes the tag off and tells it beside (packet(7), PACKET_AUXDATA)."""
    for level, kind, data in notes:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, _, _, _, _, control, _ = struct.unpack_from("IIIHHHH", data)
            return control & 0xFFF if status & _TP_STATUS_VLAN_VALID else None
    return None


if __name__ == "__main__":
    what = {"answer_sip": answer_sip, "tell_source": tell_source, "echo": echo, "send": send, "connect": connect,
            "tag": tag}
    try:
        what[sys.argv[1]](*sys.argv[2:])
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
