"""What must hold, judged by what was seen on the wires and counted by the programs.

Owns: every expectation of the demo. Never: causing anything. Each function checks one thing and reports it.
"""

import time
from collections import Counter

from . import addresses
from .appliance import Appliance
from .report import Report
from .rounds import Calls, Round
from .sniffer import TCP, UDP, Seen
from .switchover import Switchover
from .traffic import Traffic

DETECTION_MS, PUBLICATION_US = 700, 1000
#: A frame may show on the wire this much later than it left the appliance.
WIRE = 0.001
#: How soon after a switchover was installed the clients of the lost member must have been reset.
RESET = 0.25
RST, SYN, ACK = 0x04, 0x02, 0x10


def timeline(report: Report, switchover: Switchover, old: str, new: str) -> None:
    """The right member took over, fast enough."""
    moved = (switchover.source, switchover.target) == (old, new)
    report.expect(f"{new} took over from {old}", moved, switchover.reason)
    detection = switchover.detection_ms
    report.expect(
        f"Detected within {DETECTION_MS} ms of the last good answer",
        detection is not None and detection < DETECTION_MS,
        "there was none" if detection is None else f"{detection:.0f} ms",
    )
    if switchover.gap_ms is not None:
        report.say(f"  {new} in service {switchover.gap_ms:.0f} ms after {old}'s last good answer")
    publication = switchover.publication_us
    report.expect("Published to the last worker within 1 ms", publication < PUBLICATION_US, f"{publication} µs")


def calls_over_udp(report: Report, calls: dict[str, Calls]) -> None:
    """Retransmission recovered every call."""
    for kind in ("UDP", "outward UDP"):
        count = calls[kind]
        seen = f"{count.completed} of {count.made}, {count.failed} failed, {count.retransmitted} retransmissions"
        report.expect(f"Every {kind} call completed", 0 < count.made == count.completed, seen)


def calls_over_streams(report: Report, kind: str, rounds: list[Round], harm: list[tuple[float, float]]) -> None:
    """Only calls in progress during a switchover were lost. `harm`: when each one began and when it was installed."""
    spared = [r for r in rounds if not any(r.began < end + 0.1 and r.ended > start for start, end in harm)]
    made, completed = sum(r.made for r in spared), sum(r.completed for r in spared)
    what = f"Every {kind} call outside a switchover completed"
    report.expect(what, 0 < made == completed, f"{completed} of {made}")
    last = max((end for _, end in harm), default=0.0)
    after = sum(r.completed for r in spared if r.began > last)
    report.expect(f"{kind} clients that reconnected reached the new member", after > 0, f"{after} calls")


def nothing_to_the_old(report: Report, traffic: Traffic, switchovers: list[Switchover]) -> None:
    """Once a switchover is installed, not one SIP request or new connection goes to the old member. Answers to what it has asked do:
    whoever is promoted asks before it is found up."""
    seen = [packet for packet in traffic.at_switch.seen() if packet.src != addresses.INNER_SELF]
    ends = [*(later.left.time for later in switchovers[1:]), float("inf")]
    for number, (switchover, end) in enumerate(zip(switchovers, ends), 1):
        old, left = addresses.MEMBERS[switchover.source], switchover.left_at
        opening = [packet for packet in seen if packet.dst == old and _is_sip_opening(packet)]
        before = sum(packet.time <= left for packet in opening)
        late = [packet for packet in opening if left + WIRE < packet.time < end]
        detail = f"{before} before, {len(late)} after"
        if late:
            detail += f", the first {1e3 * (late[0].time - left):.1f} ms after: {late[0].start}"
        what = f"No request to {switchover.source} after switchover {number} was installed"
        report.expect(what, before > 0 and not late, detail)


def resets(report: Report, traffic: Traffic, silent: Switchover) -> None:
    """Clients connected to a member that vanished silently find out at once."""
    start, end = silent.left_at - WIRE, silent.left_at + RESET
    resets = [p for p in traffic.at_phone.seen() if p.protocol == TCP and p.flags & RST and start < p.time < end]
    ports = Counter(packet.src_port for packet in resets)
    detail = ", ".join(f"{count} from port {port}" for port, count in sorted(ports.items()))
    report.expect(f"Clients of {silent.source}, which vanished silently, were reset at once", bool(resets), detail)


def addresses_seen(report: Report, traffic: Traffic) -> None:
    """Who saw which address."""
    at_members = {
        (packet.src, packet.src_port)
        for packet in traffic.at_switch.seen()
        if packet.protocol == UDP and packet.dst_port == addresses.SIP_PORT and packet.src != addresses.INNER_SELF
    }
    peers = {(addresses.PHONE, 5060), (addresses.GATEWAY, 5060)}
    what = "The members see the phone's and the gateway's own address and port"
    report.expect(what, at_members == peers, _list(at_members))
    at_gateway = {(packet.src, packet.src_port) for packet in traffic.at_gateway.seen()}
    what = "The gateway saw only the virtual address, port 5060 kept"
    report.expect(what, at_gateway == {(addresses.VIP, addresses.SIP_PORT)}, _list(at_gateway))
    at_phone = {packet.src for packet in traffic.at_phone.seen()}
    report.expect("The phone saw only the virtual address", at_phone == {addresses.VIP}, ", ".join(sorted(at_phone)))
    at_config = traffic.config.peers()
    what = "The configuration server saw only physical addresses"
    report.expect(what, at_config == set(addresses.MEMBERS.values()), ", ".join(sorted(at_config)))


def long_connections(report: Report, traffic: Traffic) -> None:
    """Connections to and from physical addresses survived both switchovers."""
    for name, talker in traffic.talkers.items():
        state = talker.state()
        seen = state["ended"] or f"{state['echoed']} lines, longest wait {1e3 * state['longest']:.0f} ms"
        report.expect(f"The connection from {name} survived", talker.stands() and state["echoed"] > 100, seen)


def every_frame(report: Report, appliance: Appliance) -> None:
    """Whatever came in went out, or was counted with its reason."""
    counters = settled(appliance)
    detail = f"{counters['received']} received, {counters['transmitted']} sent"
    report.expect("Every frame is accounted for", imbalance(counters) == 0, detail)


def settled(appliance: Appliance) -> dict[str, int]:
    """The counters at a moment when no frame is in flight; after two seconds, the last ones read."""
    deadline = time.monotonic() + 2.0
    while imbalance(counters := appliance.counters()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return counters


def imbalance(counters: dict[str, int]) -> int:
    """Frames the workers took in minus frames they disposed of: anything but zero is a frame lost or invented."""
    ways = sum(value for name, value in counters.items() if name.startswith(("drop_", "ignored_", "punt_")))
    came = counters["received"] + counters["originated"] + counters["handed_in"]
    return came - (counters["transmitted"] + ways + counters["handed_off"] + counters["queued"])


def _is_sip_opening(packet: Seen) -> bool:
    if packet.protocol == UDP:
        return packet.dst_port == addresses.SIP_PORT and not packet.start.startswith("SIP/2.0 ")
    return packet.dst_port in (addresses.SIP_PORT, addresses.SIP_TLS_PORT) and packet.flags & (SYN | ACK) == SYN


def _list(ends: set[tuple[str, int]]) -> str:
    return ", ".join(f"{address}:{port}" for address, port in sorted(ends))
