"""A SIP Server of the pair, as a program: `python3 -m lab.sip.member --address 10.20.0.11 ...`.

Owns: the sockets (UDP and TCP on the SIP port, TLS on its own, all bound to the member's physical address), the role,
the link to the partner, the log of requests. As the real pair does it: only the primary has its SIP ports open, both
members have their other ports open, and a backup that becomes primary continues the calls it was sent.

It is controlled over a Unix socket, one JSON object per line: {"do": "primary" | "warm" | "standby" | "backup" | "outward" | "late" | "stats"}. One
that is warm answers, and continues no call. A standby says so: it answers OPTIONS with 503, or with the `words` of the order, and nothing else.
Read first: `calls`.
"""

import argparse
import asyncio
import json
import socket
import ssl
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from .calls import Calls, plain_answer, session, tag
from .message import Malformed, Message, Stream, answer_port

HA_PORT = 7077
TURN = 0.02
REFUSAL = "503 Service Unavailable"


class Member:
    """One SIP Server process."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.calls = Calls((options.virtual, options.port), options.hold)
        self.role = "backup"
        #: What a standby answers.
        self.refusal = REFUSAL
        self.sources: Counter = Counter()
        self.requests: Counter = Counter()
        #: Datagrams are heeded so many seconds after they came.
        self.late = 0.0
        self.outward_rate = 0.0
        self._outward_since = 0.0
        self._placed = 0
        self._udp: socket.socket | None = None
        self._listeners: list[asyncio.Server] = []
        self._streams: set[asyncio.StreamWriter] = set()
        self._log = open(options.log, "a", encoding="utf-8")
        self._partner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def serve(self) -> None:
        """Runs until it is killed."""
        loop = asyncio.get_running_loop()
        self._partner.setblocking(False)
        self._partner.bind((self.options.address, HA_PORT))
        loop.add_reader(self._partner, self._learn)
        await asyncio.start_unix_server(self._obey, self.options.control)
        while True:
            if self.role == "primary":
                self._place_outward()
                self._send(self.calls.turn(time.time()))
            self._log.flush()
            await asyncio.sleep(TURN)

    async def become(self, role: str) -> None:
        """Opens the SIP ports, or closes them with every connection on them."""
        if role == self.role:
            return
        if role != "backup" and self._udp is None:
            await self._open()
        if role == "primary":
            self._outward_since, self._placed = time.monotonic(), 0
        self.role = role
        if role == "backup":
            self._close()

    async def _open(self) -> None:
        address, options = self.options.address, self.options
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._udp.setblocking(False)
        self._udp.bind((address, options.port))
        asyncio.get_running_loop().add_reader(self._udp, self._receive)
        secrets = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secrets.load_cert_chain(options.certificate)
        for port, context in ((options.port, None), (options.tls_port, secrets)):
            serve = lambda reader, writer, tls=context is not None: self._converse(reader, writer, tls)
            self._listeners.append(await asyncio.start_server(serve, address, port, ssl=context, backlog=1024))

    def _close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._udp)
        self._udp.close()
        self._udp = None
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for writer in list(self._streams):
            writer.transport.abort() if self.options.abrupt else writer.close()

    def _receive(self) -> None:
        while self._udp is not None:
            try:
                data, source = self._udp.recvfrom(65535)
            except OSError:  # nothing left, or a port unreachable that belongs to an earlier datagram
                return
            if self.late:
                asyncio.get_running_loop().call_later(self.late, self._datagram, data, source)
            else:
                self._datagram(data, source)

    def _datagram(self, data: bytes, source: tuple[str, int]) -> None:
        if self._udp is None:  # closed meanwhile
            return
        try:
            message = Message.parse(data.decode(errors="replace"))
        except Malformed:
            return
        now = time.time()
        if self.role == "standby":
            self._say_standby(message, source)
        elif message.is_request:
            self._note("udp", message, source)
            self._send(self.calls.request(message, source, now))
        else:
            self._send(self.calls.answer(message, now))

    def _say_standby(self, message: Message, source: tuple[str, int]) -> None:
        """What else comes waits for its sender to repeat it, who finds the primary then."""
        if message.is_request and message.method == "OPTIONS":
            peer = (source[0], answer_port(message, source[1]))
            self._send([(message.answer(self.refusal, tag(message)).text(), peer)])

    def _send(self, datagrams: list) -> None:
        """The partner is updated first: whatever was sent to a peer must survive this member."""
        self._tell_partner()
        for text, peer in datagrams:
            try:
                self._udp.sendto(text.encode(), peer)
            except OSError:  # no route while the link is away: the call's timer sends it again
                pass

    def _place_outward(self) -> None:
        due = int((time.monotonic() - self._outward_since) * self.outward_rate)
        while self._placed < due:
            self._placed += 1
            name = f"out-{self.options.name}-{self._outward_since:.3f}-{self._placed}"
            self._send(self.calls.place(name, (self.options.gateway, 5060), time.time()))

    def _tell_partner(self) -> None:
        """What changed goes to the partner over the pair's own link, never through the appliance."""
        for change in self.calls.changes:
            try:
                self._partner.sendto(json.dumps(change).encode(), (self.options.partner, HA_PORT))
            except OSError:
                pass
        self.calls.changes.clear()

    def _learn(self) -> None:
        while True:
            try:
                self.calls.learn(json.loads(self._partner.recv(65535)))
            except OSError:
                return

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: bool) -> None:
        """One TCP or TLS connection of a client."""
        source, stream = writer.get_extra_info("peername"), Stream()
        self._streams.add(writer)
        try:
            while data := await reader.read(65536):
                for text in stream.feed(data):
                    for answer in self._answers(Message.parse(text), source, tls):
                        writer.write(answer.text().encode())
                await writer.drain()
        except (OSError, Malformed):
            pass
        finally:
            self._streams.discard(writer)
            writer.close()

    def _answers(self, request: Message, source: tuple[str, int], tls: bool) -> list[Message]:
        """Over a stream nothing is lost, so an INVITE rings and is answered at once."""
        if not request.is_request or self.role == "standby":
            return []
        self._note("tls" if tls else "tcp", request, source)
        contact = self.calls.contact("tls" if tls else "tcp")
        if request.method == "ACK":
            return []
        if request.method != "INVITE":
            return [plain_answer(request, contact)]
        ringing = request.answer("180 Ringing", tag(request), contact)
        return [ringing, request.answer("200 OK", tag(request), contact, session(self.options.virtual))]

    def _note(self, transport: str, request: Message, source: tuple[str, int]) -> None:
        self.sources[f"{transport} {source[0]}"] += 1
        self.requests[request.method] += 1
        line = {"time": time.time(), "transport": transport, "method": request.method}
        self._log.write(json.dumps({**line, "call": request.call_id, "source": source[0], "port": source[1]}) + "\n")

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(await self._do(json.loads(line))).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _do(self, order: dict) -> dict:
        if order["do"] in ("primary", "warm", "standby", "backup"):
            self.refusal = order.get("words", REFUSAL)
            await self.become(order["do"])
        elif order["do"] == "outward":
            self.outward_rate, self._outward_since, self._placed = order["rate"], time.monotonic(), 0
        elif order["do"] == "late":
            self.late = order["seconds"]
        return {
            "role": self.role,
            "sources": self.sources,
            "requests": self.requests,
            "open": len(self.calls.open),
            "ended": self.calls.ended,
            **asdict(self.calls.tally),
        }


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True)
    parser.add_argument("--address", required=True, help="the member's physical address")
    parser.add_argument("--partner", required=True, help="the other member's physical address")
    parser.add_argument("--virtual", required=True, help="the virtual server's address: what Via and Contact say")
    parser.add_argument("--gateway", required=True, help="where outward calls go")
    parser.add_argument("--port", type=int, default=5060)
    parser.add_argument("--tls-port", type=int, default=5061)
    parser.add_argument("--hold", type=float, default=1.0, help="seconds an outward call lasts")
    parser.add_argument("--certificate", type=Path, required=True, help="certificate and key, PEM")
    parser.add_argument("--control", type=Path, required=True, help="path of the Unix socket that takes orders")
    parser.add_argument("--log", type=Path, required=True, help="one JSON line a request goes here")
    parser.add_argument("--abrupt", action="store_true", help="a backup resets its connections instead of closing them")
    asyncio.run(Member(parser.parse_args()).serve())


if __name__ == "__main__":
    main()
