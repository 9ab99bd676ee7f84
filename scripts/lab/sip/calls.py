"""The calls of one member, and what its partner knows of them.

Owns: the states of inbound and outward UDP calls and their retransmissions (RFC 3261 13.3.1.4, 17.1). Sans-I/O: time is
an argument (seconds of wall time, because the partner continues with the same timers), datagrams are returned as data.
Never: sockets, transports, roles. Every change of a call is handed out as a record for the partner, as a hot-standby
pair does over its own link, so that whoever is primary can finish any call.
"""

import hashlib
import re
from dataclasses import asdict, dataclass, field

from .message import Message, answer_port

T1, T2, GIVE_UP = 0.5, 4.0, 32.0
RING = 0.1
PADDING = f"a=padding:{'x' * 52}\r\n"

Peer = tuple[str, int]
Datagram = tuple[str, Peer]


@dataclass
class Call:
    """One call. `pending` is sent again when `due` passes, ever more slowly, until `began` is 32 s ago."""

    id: str
    stage: str  # ringing, answered | inviting, proceeding, talking, ending
    peer: Peer
    pending: str
    due: float
    began: float
    interval: float = 0.0
    sent: int = 0


@dataclass
class Tally:
    """What a member counts: outward calls it placed, what it sent again, answers that belong to no call."""

    made: int = 0
    retransmitted: int = 0
    strangers: int = 0


@dataclass
class Calls:
    """The table of open calls. `identity` is the address and port written in Via and Contact: the virtual server's.

    `ended` says of each outward call that ended here whether it did so well. A call may end at both members: when the
    first one could not tell the other any more.
    """

    identity: Peer
    hold: float = 1.0
    open: dict[str, Call] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    ended: dict[str, bool] = field(default_factory=dict)
    changes: list[dict] = field(default_factory=list)

    def contact(self, transport: str) -> str:
        """The Contact of every member: the virtual server, never the member."""
        return f"<sip:{self.identity[0]}:{self.identity[1]};transport={transport}>"

    def request(self, request: Message, source: Peer, now: float) -> list[Datagram]:
        """A request over UDP, from `source`: the datagrams that answer it."""
        peer = (source[0], answer_port(request, source[1]))
        if request.method == "INVITE":
            return self._invited(request, peer, now)
        if request.method == "ACK":
            self._close(request.call_id)
            return []
        if request.method == "BYE":
            self._close(request.call_id)
        return [(plain_answer(request, self.contact("udp")).text(), peer)]

    def answer(self, answer: Message, now: float) -> list[Datagram]:
        """An answer over UDP to what this member, or its partner before it, has sent outward."""
        call = self.open.get(answer.call_id)
        if answer.method == "INVITE" and 200 <= answer.status < 300:
            return self._accepted(answer, call, now)
        if call is None:
            self.tally.strangers += 1
        elif answer.method == "INVITE" and answer.status < 200:
            if call.stage == "inviting":
                self._change(call, stage="proceeding", due=call.began + GIVE_UP)
        elif answer.method == "INVITE" or answer.method == "BYE" and answer.status >= 200:
            self.ended[call.id] = answer.method == "BYE" and answer.status == 200
            self._close(call.id)
        return []

    def place(self, name: str, peer: Peer, now: float) -> list[Datagram]:
        """Places an outbound call with a Call-ID of its own."""
        address, port = self.identity
        invite = self._outward("INVITE", 1, name, peer, f"<sip:gateway@{peer[0]}:{peer[1]}>")
        invite.headers.append(("Contact", self.contact("udp")))
        invite.headers.append(("Content-Type", "application/sdp"))
        invite.body = session(address)
        call = Call(f"{name}@{address}", "inviting", peer, invite.text(), now + T1, now, T1)
        self.tally.made += 1
        self._change(call)
        return [(call.pending, peer)]

    def turn(self, now: float) -> list[Datagram]:
        """What is due by `now`: rings that end, calls that have lasted, retransmissions."""
        due = [call for call in self.open.values() if call.due <= now]
        return [datagram for call in due for datagram in self._due(call, now)]

    def learn(self, change: dict) -> None:
        """A record from the partner."""
        if change["stage"] == "closed":
            self.open.pop(change["id"], None)
        else:
            self.open[change["id"]] = Call(**{**change, "peer": tuple(change["peer"])})

    def _invited(self, request: Message, peer: Peer, now: float) -> list[Datagram]:
        call = self.open.get(request.call_id)
        if call is None:
            offered = len(request.body)
            accept = request.answer("200 OK", tag(request), self.contact("udp"), session(self.identity[0], offered))
            call = Call(request.call_id, "ringing", peer, accept.text(), now + RING, now)
            self._change(call)
        if call.stage == "answered":
            return [(call.pending, peer)]
        return [(request.answer("180 Ringing", tag(request), self.contact("udp")).text(), peer)]

    def _accepted(self, answer: Message, call: Call | None, now: float) -> list[Datagram]:
        """Every 200 is acknowledged, also one that comes again (RFC 3261 13.2.2.4)."""
        peer = call.peer if call else _contact_peer(answer)
        if not peer[0]:
            return []
        ack = self._in_dialog("ACK", 1, answer, peer)
        if call and call.stage in ("inviting", "proceeding"):
            bye = self._in_dialog("BYE", 2, answer, peer)
            again = {"due": now + self.hold, "began": now, "interval": 0.0, "sent": 0}
            self._change(call, stage="talking", pending=bye.text(), **again)
        return [(ack.text(), peer)]

    def _due(self, call: Call, now: float) -> list[Datagram]:
        if now - call.began > GIVE_UP + self.hold or call.stage == "proceeding":
            if call.stage not in ("ringing", "answered"):
                self.ended[call.id] = False
            self._close(call.id)
            return []
        self.tally.retransmitted += call.sent > 0 or call.stage == "inviting"
        stage = {"ringing": "answered", "talking": "ending"}.get(call.stage, call.stage)
        interval = min(max(T1, call.interval * 2), T2)
        self._change(call, stage=stage, interval=interval, due=now + interval, sent=call.sent + 1)
        return [(call.pending, call.peer)]

    def _outward(self, method: str, number: int, name: str, peer: Peer, to: str) -> Message:
        address, port = self.identity
        branch = hashlib.md5(f"{name}/{method}".encode()).hexdigest()[:16]
        return Message(
            f"{method} sip:gateway@{peer[0]}:{peer[1]} SIP/2.0",
            [
                ("Via", f"SIP/2.0/UDP {address}:{port};branch=z9hG4bK{branch}"),
                ("From", f"<sip:agent@{address}:{port}>;tag={name}"),
                ("To", to),
                ("Call-ID", f"{name}@{address}"),
                ("CSeq", f"{number} {method}"),
                ("Max-Forwards", "70"),
            ],
        )

    def _in_dialog(self, method: str, number: int, answer: Message, peer: Peer) -> Message:
        return self._outward(method, number, answer.call_id.partition("@")[0], peer, answer.header("To"))

    def _change(self, call: Call, **fields) -> None:
        for name, value in fields.items():
            setattr(call, name, value)
        self.open[call.id] = call
        self.changes.append(asdict(call))

    def _close(self, call_id: str) -> None:
        if self.open.pop(call_id, None):
            self.changes.append({"id": call_id, "stage": "closed"})


def tag(request: Message) -> str:
    """The same tag from either member, or a retransmission answered by the partner would fork the call."""
    return hashlib.md5(request.call_id.encode()).hexdigest()[:10]


def plain_answer(request: Message, contact: str) -> Message:
    """200 OK for a request that changes no call here: OPTIONS, REGISTER, BYE and the like."""
    shown = request.header("Contact") if request.method == "REGISTER" else contact
    return request.answer("200 OK", tag(request), shown)


def session(address: str, size: int = 0) -> str:
    """A session description with one audio stream (RFC 4566). To a long offer the answer is `size` bytes or more."""
    lines = ["v=0", f"o=- 1 1 IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0", "m=audio 6000 RTP/AVP 0"]
    text = "".join(f"{line}\r\n" for line in lines)
    return text + PADDING * max(0, (size - len(text)) // len(PADDING))


def _contact_peer(answer: Message) -> Peer:
    found = re.search(r"sip:(?:[^@>;]*@)?([^:;>]+)(?::(\d+))?", answer.header("Contact"))
    return (found.group(1), int(found.group(2) or 5060)) if found else ("", 5060)
