"""Disturbances at full load: switchovers (P6), queries from operators (P9).

Owns: what is done to the appliance while it forwards. Read `forwarding` first.
"""

import time

from lab.shell import LabError

from . import accounts, traffic
from .admin import Admin
from .appliance import Appliance, Tuning
from .bench import Bench, Outcome
from .forwarding import verify
from .measure import Figure, percentile, rate, ratio

PEERS = 1_000_000
#: Peers of the run in which everything sent is captured.
RECORDED_PEERS = 4_096
SWITCHOVERS = 20
#: From one switchover to the next, in seconds.
PAUSE = 0.1
QUESTIONED_FLOWS = 100_000
QUESTIONS = ("status", "flows", "counters")
#: How often each is queried, per second.
ASKED = 10
#: Capacity of the flow table: more than the callers need.
_ROOM = 20_000


def switchovers(bench: Bench) -> Outcome:
    """P6: from published to installed, forced, at full load; nothing lost, and nothing to the old member afterwards."""
    _watch_receivers(bench)
    medians, worst, rates = [], [], []
    kind = traffic.peers_and_callers(PEERS)
    with bench.setting(kind) as setting:
        for number in range(bench.runs):
            with bench.appliance(setting, Tuning(_ROOM)) as fairlead:
                before = fairlead.settle()
                rates.append(rate(fairlead, SWITCHOVERS * PAUSE, lambda _: _switch(fairlead, SWITCHOVERS)))
                accounts.check(before, fairlead.counters())
                spans = fairlead.installations()[-SWITCHOVERS:]
            medians.append(percentile(spans, 0.5))
            worst.append(max(spans))
            bench.say(f"run {number + 1} of {bench.runs}: median {medians[-1]} µs, worst {worst[-1]} µs")
    head = ["peers", "load, M/s", f"median of {SWITCHOVERS} switchovers, µs", "slowest of each run, µs"]
    row = [f"{PEERS:,}", Figure(tuple(rates)).text(), Figure(tuple(medians)).text(0), Figure(tuple(worst)).text(0)]
    notes = [f"In a separate run with {RECORDED_PEERS:,} peers everything sent was captured: in {SWITCHOVERS} switchovers no "
             "frame went to the old member after the first one to the new member; no run lost a frame."]
    return Outcome(head, [row], {"P6": Figure(tuple(worst))}, notes)


def _switch(fairlead: Appliance, count: int) -> None:
    for number in range(count):
        fairlead.force("sip-a" if number % 2 else "sip-b")
        time.sleep(PAUSE)


def _watch_receivers(bench: Bench) -> None:
    """Every switchover shows as exactly one change of receiver in the frames sent to members."""
    path = bench.directory / "sent-inner.pcap"
    kind = traffic.peers_and_callers(RECORDED_PEERS)
    try:
        with bench.setting(kind, record={"inner": path}) as setting:
            with bench.appliance(setting, Tuning(_ROOM)) as fairlead:
                before = fairlead.settle()
                _switch(fairlead, SWITCHOVERS)
                accounts.check(before, fairlead.counters())
        found = len(accounts.receivers(path))
    finally:
        path.unlink(missing_ok=True)
    if found != SWITCHOVERS + 1:
        raise LabError(f"{SWITCHOVERS} switchovers show as {found - 1} changes of receiver")
    bench.say(f"{SWITCHOVERS} switchovers: nothing went to the old member after the first frame to the new one")


def questions(bench: Bench) -> Outcome:
    """P9: `status`, `flows` and `counters`, each queried ten times per second, next to none at all."""
    kind = traffic.live_flows(QUESTIONED_FLOWS)
    verify(bench, traffic.live_flows(QUESTIONED_FLOWS // 10))
    alone, asked, answered = [], [], []
    with bench.setting(kind) as setting:
        for number in range(bench.runs):
            with bench.appliance(setting, Tuning(2 * QUESTIONED_FLOWS)) as fairlead:
                before = fairlead.settle()
                for busy in ((False, True), (True, False))[number % 2]:
                    if busy:
                        with fairlead.another() as operator:
                            count: list[int] = []
                            asked.append(rate(fairlead, bench.seconds, lambda span: count.append(_ask(operator, span))))
                            answered.append(count[0] / bench.seconds)
                    else:
                        alone.append(rate(fairlead, bench.seconds))
                accounts.check(before, fairlead.counters())
            bench.say(f"run {number + 1} of {bench.runs}: undisturbed {alone[-1]:.2f}, queried {asked[-1]:.2f}")
    figure = ratio(Figure(tuple(asked)), Figure(tuple(alone)))
    head = ["flows", "answers per second", "undisturbed, M/s", "queried, M/s", "ratio"]
    row = [f"{QUESTIONED_FLOWS:,}", Figure(tuple(answered)).text(0), Figure(tuple(alone)).text(),
           Figure(tuple(asked)).text(), figure.text(3)]
    return Outcome(head, [row], {"P9": figure})


def _ask(operator: Admin, seconds: float) -> int:
    """Queries for this long at the set rate; returns the number of answers."""
    began, count = time.monotonic(), 0
    while (now := time.monotonic()) < began + seconds:
        for question in QUESTIONS:
            operator.ask(question)
            count += 1
        time.sleep(max(0.0, 1 / ASKED - (time.monotonic() - now)))
    return count
