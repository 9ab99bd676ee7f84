"""Thousands of SIP Servers that do nothing but answer OPTIONS: one socket on every address that the kernel takes for its own.

A program (`python3 -m rigs.answerer`): reads `silent ADDRESS` and `speak ADDRESS` from its standard input. Who is silent does not
answer a probe, though its host answers ARP.
"""

import os
import socket
import struct
import sys

PORT = 5060
_BUFFER = 16 << 20
#: linux/in.h, asm-generic/socket.h; Python does not name them.
_IP_PKTINFO, _SO_RCVBUFFORCE = 8, 33
_KEPT = (b"via", b"from", b"call-id", b"cseq")


def main() -> None:
    """Answers until its input ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        server.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        server.bind(("0.0.0.0", PORT))
        _serve(server, sys.stdin.fileno())


def _serve(server: socket.socket, orders: int) -> None:
    os.set_blocking(orders, False)
    server.settimeout(0.05)
    silent: set[bytes] = set()
    rest, count = b"", 0
    while True:
        count += 1
        if count % 64 == 0 and (rest := _obey(orders, rest, silent)) is None:
            return
        try:
            request, ancillary, _, peer = server.recvmsg(4096, 64)
        except TimeoutError:
            count = 63
            continue
        # struct in_pktinfo: interface, the local address, the destination (ip(7)).
        asked = ancillary[0][2][8:12]
        if asked not in silent:
            info = [(socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=i4s4s", 0, asked, b"\0" * 4))]
            server.sendmsg([answer(request)], info, 0, peer)


def answer(request: bytes) -> bytes:
    """200 OK, with what RFC 3261 8.2.6.2 has copied from the request."""
    lines = [b"SIP/2.0 200 OK"]
    for line in request.split(b"\r\n")[1:]:
        name = line.partition(b":")[0].lower()
        if name in _KEPT:
            lines.append(line)
        elif name == b"to":
            lines.append(line + b";tag=1")
    return b"\r\n".join([*lines, b"Content-Length: 0", b"", b""])


def _obey(orders: int, rest: bytes, silent: set[bytes]) -> bytes | None:
    try:
        read = os.read(orders, 4096)
    except BlockingIOError:
        return rest
    if not read:
        return None
    *lines, rest = (rest + read).split(b"\n")
    for line in lines:
        word, _, address = line.decode().partition(" ")
        (silent.add if word == "silent" else silent.discard)(socket.inet_aton(address))
    return rest


if __name__ == "__main__":
    main()
