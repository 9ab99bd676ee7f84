"""SIP messages as text (RFC 3261 7): enough of it for calls, registrations and OPTIONS.

Owns reading and writing of start line, headers and body. Never: what a message means (see `calls`).
"""

import re
from dataclasses import dataclass, field

#: RFC 3261 7.3.3: the compact forms that clients use.
COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length"}

#: Headers that an answer takes over from its request, in this order (RFC 3261 8.2.6.2).
ECHOED = ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq")


class Malformed(Exception):
    """The text is not a SIP message; says why."""


@dataclass
class Message:
    """One request or answer. Headers keep their order; names compare without case."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @classmethod
    def parse(cls, text: str) -> "Message":
        """Parses one complete message. Raises `Malformed`."""
        head, _, body = text.partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        if "SIP/2.0" not in start:
            raise Malformed(f"no SIP start line: {start[:60]!r}")
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise Malformed(f"no colon in header: {line[:60]!r}")
            headers.append((name.strip(), value.strip()))
        return cls(start, headers, body)

    @property
    def is_request(self) -> bool:
        """It asks, rather than answers."""
        return not self.start.startswith("SIP/2.0")

    @property
    def method(self) -> str:
        """The request's method, or that of the request which is answered."""
        if self.is_request:
            return self.start.split()[0]
        return (self.header("CSeq").split() or [""])[-1]

    @property
    def status(self) -> int:
        """The answer's code; 0 for a request."""
        words = self.start.split()
        return int(words[1]) if not self.is_request and len(words) > 1 and words[1].isdigit() else 0

    @property
    def call_id(self) -> str:
        """What ties the messages of a call together."""
        return self.header("Call-ID")

    def header(self, name: str) -> str:
        """The first header of that name, or nothing."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """All headers of that name, compact form included, in order."""
        wanted = name.lower()
        return [value for key, value in self.headers if COMPACT.get(key.lower(), key.lower()) == wanted]

    def answer(self, status: str, to_tag: str = "", contact: str = "", body: str = "") -> "Message":
        """The answer to this request, with a tag on To where there was none (RFC 3261 8.2.6.2)."""
        headers = [(name, value) for name in ECHOED for value in self.all(name)]
        if to_tag:
            headers = [(n, f"{v};tag={to_tag}" if n == "To" and ";tag=" not in v else v) for n, v in headers]
        if contact:
            headers.append(("Contact", contact))
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return Message(f"SIP/2.0 {status}", headers, body)

    def text(self) -> str:
        """The message as it travels, with the length of its body."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers if name.lower() != "content-length")]
        return "\r\n".join([*lines, f"Content-Length: {len(self.body.encode())}", "", self.body])


def answer_port(request: Message, source_port: int) -> int:
    """Where a UDP answer goes: the Via's sent-by port, unless `rport` asks for the source's (RFC 3581 4)."""
    via = request.header("Via")
    if re.search(r";\s*rport\b", via):
        return source_port
    sent_by = re.match(r"SIP/2\.0/\w+\s+[^\s;:]+(?::(\d+))?", via)
    return int(sent_by.group(1)) if sent_by and sent_by.group(1) else 5060


class Stream:
    """Cuts a TCP stream into messages by Content-Length (RFC 3261 18.3)."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Takes received data and returns the messages that are now complete."""
        self._rest += data
        messages = []
        while (whole := self._next()) is not None:
            messages.append(whole)
        return messages

    def _next(self) -> str | None:
        self._rest = self._rest.lstrip(b"\r\n")  # keep-alives (RFC 5626 4.4.1)
        head, end, rest = self._rest.partition(b"\r\n\r\n")
        if not end:
            return None
        length = re.search(rb"^(?:content-length|l)\s*:\s*(\d+)", head, re.IGNORECASE | re.MULTILINE)
        size = int(length.group(1)) if length else 0
        if len(rest) < size:
            return None
        self._rest = rest[size:]
        return (head + end + rest[:size]).decode(errors="replace")
