"""One process, one core: frames per second, next to testpmd on the same devices in the same run.

Owns: the rigs of P1, P2, P3 and P10, and the sweeps over frame sizes and cores. Before measuring, each
compares everything that leaves with what must leave, byte by byte; after each interval it checks that every frame is accounted for.
"""

import time
from collections.abc import Callable, Iterable

from . import accounts, traffic
from .appliance import Appliance, Tuning
from .bench import Bench, Outcome
from .measure import Figure, in_turn, rate, ratio
from .plots import Plot, Series
from .setting import PORTS, Setting
from .traffic import Traffic

PEERS = 4_096
SIZES = (64, 128, 256, 512, 1024, 1518)
FLOWS = (10_000, 100_000, 1_000_000)
PREFIXES = 10_000
#: How long everything sent is captured for that comparison, in seconds.
_RECORDED = 1.0


def service_udp(bench: Bench) -> Outcome:
    """P1: datagrams to the service port and the answers to them."""
    kind = traffic.service_udp(PEERS)
    verify(bench, kind)
    found = beside_testpmd(bench, kind)
    figure = ratio(found["Fairlead"], found["testpmd"])
    head = ["peers", "Fairlead, M/s", "testpmd macswap, M/s", "ratio"]
    return Outcome(head, [[f"{PEERS:,}", *_texts(found), figure.text()]], {"P1": figure})


def live_flows(bench: Bench) -> Outcome:
    """P2, P3: segments of TCP connections, to the service port and outbound, over the number of them."""
    verify(bench, traffic.live_flows(FLOWS[0]))
    rows, each = [], {}
    for flows in FLOWS:
        bench.say(f"{flows:,} flows")
        each[flows] = found = beside_testpmd(bench, traffic.live_flows(flows))
        rows.append([f"{flows:,}", *_texts(found), ratio(found["Fairlead"], found["testpmd"]).text(),
                     f"{1e3 / found['Fairlead'].median:.0f} ns", f"{1e3 / found['testpmd'].median:.0f} ns"])
    few, many = each[FLOWS[0]], each[FLOWS[-1]]
    figures = {"P2": ratio(many["Fairlead"], many["testpmd"]), "P3": ratio(few["Fairlead"], many["Fairlead"])}
    notes = [f"A packet costs {figures['P3'].text()} times as much with {FLOWS[-1]:,} flows as with {FLOWS[0]:,}; for testpmd, "
             f"which tracks no flows, the factor is {ratio(few['testpmd'], many['testpmd']).text()}: each frame of the file occupies "
             "a buffer of its own, and the buffers outgrow the caches as well."]
    head = ["flows", "Fairlead, M/s", "testpmd macswap, M/s", "ratio", "Fairlead, per packet", "testpmd, per packet"]
    plot = Plot("Rate by number of live TCP flows", "flows", [f"{flows:,}" for flows in FLOWS],
                _series(each[flows] for flows in FLOWS))
    return Outcome(head, rows, figures, notes, plot)


def frame_sizes(bench: Bench) -> Outcome:
    """The traffic of P1 with larger frames."""
    return _sweep(bench, "Rate by size of frame", "bytes a frame", {
        f"{size:,}": (traffic.service_udp(PEERS, size), 1) for size in SIZES
    })


def cores(bench: Bench) -> Outcome:
    """The traffic of P1 with one worker and with two, where half of the frames belong to the other worker."""
    found = _sweep(bench, "Rate by number of workers", "workers", {
        "1": (traffic.service_udp(PEERS), 1), "2": (traffic.service_udp(PEERS), 2)
    })
    found.notes.append("With two workers the second shares its core with management; no device here steers frames to the worker that owns "
                       "them, so half of all frames are handed off to the other one.")
    return found


def exclusions(bench: Bench) -> Outcome:
    """P10: a long exclusion list, next to one with a single prefix."""
    kind = traffic.service_and_outbound_udp(PEERS)
    verify(bench, kind)
    lists = {"one": (f"{11}.0.0.0/24",), "many": tuple(excluded(PREFIXES))}
    with bench.setting(kind) as setting:
        found = in_turn(bench.runs, {
            name: _fairlead(bench, setting, Tuning(_room(kind), prefixes)) for name, prefixes in lists.items()
        }, bench.say)
    figure = ratio(found["many"], found["one"])
    head = ["prefixes in the exclusion list", "Fairlead, M/s", "ratio"]
    rows = [["1", found["one"].text(), ""], [f"{PREFIXES:,}", found["many"].text(), figure.text()]]
    return Outcome(head, rows, {"P10": figure})


def excluded(count: int) -> Iterable[str]:
    """This many prefixes that overlap neither each other nor any address in the rig's traffic."""
    return (f"{11 + number // 32_768}.{number // 128 % 256}.{number % 128 * 2}.0/24" for number in range(count))


def verify(bench: Bench, kind: Traffic) -> None:
    """Forwards for a moment with everything sent captured, and compares every frame whole."""
    paths = {port: bench.directory / f"sent-{port}.pcap" for port in PORTS}
    try:
        with bench.setting(kind, record=paths) as setting, bench.appliance(setting, Tuning(_room(kind))) as fairlead:
            time.sleep(_RECORDED)
            before = fairlead.settle()
            accounts.check(before, fairlead.counters())
        compared = sum(accounts.check_capture(path, kind, port) for port, path in paths.items())
        bench.say(f"{compared:,} forwarded frames were compared byte by byte: all correct")
    finally:
        for path in paths.values():
            path.unlink(missing_ok=True)


def beside_testpmd(bench: Bench, kind: Traffic, workers: int = 1, allowed: Iterable[str] = ()) -> dict[str, Figure]:
    """Fairlead and testpmd in turn, in millions of frames per second."""
    with bench.setting(kind, workers) as setting:
        def testpmd() -> float:
            with bench.testpmd(setting) as forwarding:
                rate(forwarding, bench.seconds / 3)
                return rate(forwarding, bench.seconds)

        contenders = {"Fairlead": _fairlead(bench, setting, Tuning(_room(kind)), allowed), "testpmd": testpmd}
        return in_turn(bench.runs, contenders, bench.say)


def _fairlead(bench: Bench, setting: Setting, tuning: Tuning, allowed: Iterable[str] = ()) -> Callable[[], float]:
    def measured() -> float:
        with bench.appliance(setting, tuning) as fairlead:
            return accounted_rate(fairlead, bench.seconds, len(setting.workers), allowed)

    return measured


def accounted_rate(fairlead: Appliance, seconds: float, workers: int = 1, allowed: Iterable[str] = ()) -> float:
    """Its rate once it has settled, with every frame of the interval accounted for."""
    before = fairlead.settle() if not allowed else fairlead.counters()
    found = rate(fairlead, seconds)
    accounts.check(before, fairlead.counters(), workers, allowed)
    return found


def _sweep(bench: Bench, title: str, what: str, points: dict[str, tuple[Traffic, int]]) -> Outcome:
    rows, each = [], []
    for name, (kind, workers) in points.items():
        bench.say(f"{what}: {name}")
        # A worker whose ring is full cannot take what the other hands off: that is counted, not hidden.
        allowed = ("drop_hand_off_full",) if workers > 1 else ()
        each.append(found := beside_testpmd(bench, kind, workers, allowed))
        rows.append([name, *_texts(found), ratio(found["Fairlead"], found["testpmd"]).text()])
    head = [what, "Fairlead, M/s", "testpmd macswap, M/s", "ratio"]
    return Outcome(head, rows, plot=Plot(title, what, list(points), _series(each)))


def _texts(found: dict[str, Figure]) -> list[str]:
    return [found["Fairlead"].text(), found["testpmd"].text()]


def _series(each: Iterable[dict[str, Figure]]) -> list[Series]:
    each = list(each)
    return [Series(name, [found[key].median for found in each])
            for name, key in (("Fairlead", "Fairlead"), ("testpmd macswap", "testpmd"))]


def _room(kind: Traffic) -> int:
    """Capacity of the flow table: twice as many as there will be."""
    return 2 * max(len(kind.outer), len(kind.inner))
