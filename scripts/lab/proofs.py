"""What must have held, read from what was seen on the wires and counted by the programs.

Owns: every expectation of the demo. Never: causing anything. Each function looks at one matter and tells the report.
"""

from collections import Counter

from . import addresses
from .appliance import Switchover
from .report import Report
from .rounds import Calls, Round
from .sniffer import TCP, UDP, Seen
from .traffic import Traffic

DETECTION_MS, PUBLICATION_US = 700, 1000
#: A frame that left the appliance before a moment can be seen on the wire that much later.
WIRE = 0.001
RST = 0x04
#: A round's calls begin within a second and last one; the rest is setup and the ends of processes.
ROUND = 2.3


def timeline(report: Report, switchover: Switchover, old: str, new: str) -> None:
    """The right member took over, fast enough."""
    report.expect(f"{new} took over from {old}", (switchover.source, switchover.target) == (old, new), switchover.reason)
    detection = switchover.detection_ms
    report.expect(
        f"Detected within {DETECTION_MS} ms of the last good answer",
        detection is not None and detection < DETECTION_MS,
        "there was none" if detection is None else f"{detection:.0f} ms",
    )
    publication = switchover.publication_us
    report.expect("Published to the last worker within 1 ms", publication < PUBLICATION_US, f"{publication} µs")


def calls_over_udp(report: Report, calls: dict[str, Calls]) -> None:
    """Retransmission saved every call."""
    for kind in ("UDP", "outward UDP"):
        count = calls[kind]
        seen = f"{count.completed} of {count.made}, {count.failed} failed, {count.retransmitted} retransmissions"
        report.expect(f"Every {kind} call completed", 0 < count.made == count.completed, seen)


def calls_over_streams(report: Report, kind: str, rounds: list[Round], harm: list[tuple[float, float]]) -> None:
    """Only calls that were in progress at a switchover were lost. `harm`: when it began and when it was installed."""
    spared = [r for r in rounds if not any(r.began < end + 0.1 and r.began + ROUND > start for start, end in harm)]
    made, completed = sum(r.made for r in spared), sum(r.completed for r in spared)
    report.expect(f"Every {kind} call that met no switchover completed", 0 < made == completed, f"{completed} of {made}")
    last = max((end for _, end in harm), default=0.0)
    after = [r for r in spared if r.began > last]
    report.expect(f"New {kind} connections reach the new member", sum(r.completed for r in after) > 0)


def nothing_to_the_old(report: Report, traffic: Traffic, switchovers: list[Switchover]) -> None:
    """Once installed, not one SIP datagram and not one new connection goes to the member that was left."""
    seen = [packet for packet in traffic.at_switch.seen() if packet.src != addresses.INNER_SELF]
    for number, (switchover, until) in enumerate(zip(switchovers, [*(s.time for s in switchovers[1:]), float("inf")]), 1):
        old = addresses.MEMBERS[switchover.source]
        late = [p for p in seen if switchover.installed_at + WIRE < p.time < until and p.dst == old and _is_sip_opening(p)]
        before = sum(p.dst == old and p.protocol == UDP for p in seen if p.time <= switchover.installed_at)
        what = f"Not one datagram to {switchover.source} after switchover {number} was installed"
        first = f", the first {1e3 * (late[0].time - switchover.installed_at):.1f} ms after it: {late[0].start}" if late else ""
        report.expect(what, not late and before > 0, f"{before} before, {len(late)} after{first}")


def addresses_seen(report: Report, traffic: Traffic) -> None:
    """Who saw which address."""
    at_members = {
        (p.src, p.src_port) for p in traffic.at_switch.seen()
        if p.protocol == UDP and p.dst in addresses.MEMBERS.values() and p.dst_port == addresses.SIP_PORT
    }
    peers = {(addresses.PHONE, 5060), (addresses.GATEWAY, 5060)}
    strangers = {end for end in at_members if end[0] != addresses.INNER_SELF} - peers
    report.expect("The members see the phone's and the gateway's own address and port", not strangers and peers <= at_members, _list(at_members & peers | strangers))
    at_gateway = {(p.src, p.src_port) for p in traffic.at_gateway.seen()}
    report.expect("The gateway saw only the virtual address, port 5060 kept", at_gateway == {(addresses.VIP, 5060)}, _list(at_gateway))
    at_phone = {p.src for p in traffic.at_phone.seen()}
    report.expect("The phone saw only the virtual address", at_phone == {addresses.VIP}, ", ".join(sorted(at_phone)))
    at_config = traffic.config.peers()
    report.expect("The configuration server saw only physical addresses", at_config == set(addresses.MEMBERS.values()), ", ".join(sorted(at_config)))


def long_connections(report: Report, traffic: Traffic) -> None:
    """Connections to and from physical addresses went on through both switchovers."""
    for name, talker in traffic.talkers.items():
        state = talker.state()
        seen = state["ended"] or f"{state['echoed']} lines, the longest wait {1e3 * state['longest']:.0f} ms"
        report.expect(f"The connection from {name} survived", talker.stands() and state["echoed"] > 100, seen)


def resets(report: Report, traffic: Traffic, silent: Switchover) -> None:
    """Clients connected to a member that died in silence learn of it at once."""
    window = (silent.installed_at - WIRE, silent.installed_at + 0.25)
    found = [p for p in traffic.at_phone.seen() if p.protocol == TCP and p.flags & RST and window[0] < p.time < window[1]]
    seen = Counter(p.src_port for p in found)
    report.expect("Clients of the silent member were reset at once", bool(found), ", ".join(f"{n} on port {port}" for port, n in seen.items()))


def imbalance(counters: dict[str, int]) -> int:
    """Frames that came into the workers' hands less frames that left them: not zero means lost or made up."""
    ways = sum(value for name, value in counters.items() if name.startswith(("drop_", "punt_")))
    came = counters["received"] + counters["originated"] + counters["taken_over"]
    return came - (counters["transmitted"] + ways + counters["handed_off"] + counters["held"])


def _is_sip_opening(packet: Seen) -> bool:
    if packet.protocol == UDP:
        return packet.dst_port == addresses.SIP_PORT
    return packet.dst_port in (addresses.SIP_PORT, addresses.SIP_TLS_PORT) and packet.flags & 0x12 == 0x02


def _list(ends: set[tuple[str, int]]) -> str:
    return ", ".join(f"{address}:{port}" for address, port in sorted(ends))
