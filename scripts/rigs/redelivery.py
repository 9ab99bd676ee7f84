"""What it costs to keep requests against their member's death: on and off in turn, pair by pair.

Owns: two comparisons of the same SIP traffic. The worker's loop in memory, by a clock that offers exactly a million datagrams a second
(`benches/redelivery.rs`), as time and as instructions; and the whole appliance on `net_pcap` devices as fast as they go, `redeliver`
changed by reload. Both check that nothing is lost.
"""

import re
import statistics
import subprocess
import sys
import time

from lab.shell import LabError
from lab.toolchain import REPOSITORY, cargo

from . import accounts, traffic
from .appliance import Appliance, Tuning
from .bench import Bench, Outcome
from .forwarding import verify
from .measure import Figure, rate
from .pairs import first_is_other, median_interval

PEERS, PAIRS = 4_096, 15
#: Datagrams a second.
OFFERED = 1_000_000
#: Loop iterations between two counts of instructions, each of 128 datagrams: more than a second's.
_FEW, _MANY, _EACH = 8_000, 16_000, 128
#: What is measured begins so long after a reload, in seconds: first more comes than is read.
_SETTLED = 0.3
_ROOM = 20_000
_SIDES = {"on": "4s", "off": "0"}


def measure(bench: Bench) -> Outcome:
    """R1, and the same on devices."""
    program = _built()
    counted = {side: _instructions(program, side) for side in _SIDES}
    bench.say(f"instructions a datagram: {counted}")
    paced = _paced(program, max(bench.runs, PAIRS))
    kind = traffic.sip(PEERS)
    verify(bench, kind)
    rates = _on_devices(bench, kind, max(bench.runs, PAIRS))
    loop = [on / off for on, off in zip(paced["on"], paced["off"], strict=True)]
    # Rates: the other way round, it is time again.
    whole = [off / on for on, off in zip(rates["on"], rates["off"], strict=True)]
    rows = [
        [f"loop in memory, {OFFERED:,}/s offered, ns", *_medians(paced), _interval(loop)],
        ["the same, instructions", *(f"{counted[side]:.0f}" for side in _SIDES), f"{counted['on'] / counted['off']:.3f}"],
        ["on `net_pcap`, as fast as it goes, M/s", *_medians(rates), _interval(whole)],
    ]
    notes = [f"Medians of {len(loop)} pairs; the ratio is the median of the pairs' ratios, with the interval that holds the true one with "
             "95 %. No frame was lost, and each is accounted for."]
    head = ["500-byte requests and answers, 4,096 peers", "`redeliver = \"4s\"`", "`\"0\"`", "time, on over off"]
    return Outcome(head, rows, {"R1": Figure(tuple(loop))}, notes)


def _medians(found: dict[str, list[float]]) -> list[str]:
    return [f"{statistics.median(found[side]):.2f}" for side in _SIDES]


def _interval(ratios: list[float]) -> str:
    low, high = median_interval(tuple(ratios))
    return f"{statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})"


def _built():
    words = ("build", "--release", "--locked", "--features", "static-link,instructions", "--bin", "redelivery")
    if subprocess.run(cargo(*words), cwd=REPOSITORY, stdout=sys.stderr, check=False).returncode:
        raise LabError("benches/redelivery.rs does not build; cargo says why above")
    return REPOSITORY / "target/release/redelivery"


def _paced(program, pairs: int) -> dict[str, list[float]]:
    run = subprocess.run([program, str(OFFERED), str(pairs)], capture_output=True, text=True, check=False)
    if run.returncode:
        raise LabError(f"the loop did not do: {run.stderr.strip().splitlines()[-1:]}")
    lines = [[float(word) for word in line.split()] for line in run.stdout.splitlines()]
    return {"on": [on for on, _ in lines], "off": [off for _, off in lines]}


def _instructions(program, side: str) -> float:
    counts = []
    for iterations in (_FEW, _MANY):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, str(OFFERED), side, str(iterations)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if not (collected := re.search(r"Collected : (\d+)", run.stderr)):
            raise LabError(f"valgrind did not count: {run.stderr.strip().splitlines()[-1:]}")
        counts.append(int(collected[1]))
    return (counts[1] - counts[0]) / ((_MANY - _FEW) * _EACH)


def _on_devices(bench: Bench, kind: traffic.Traffic, pairs: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {side: [] for side in _SIDES}
    with bench.setting(kind) as setting, bench.appliance(setting, Tuning(_ROOM, redeliver=_SIDES["on"])) as fairlead:
        before = fairlead.settle()
        for number in range(pairs):
            for side in list(_SIDES)[:: 1 if first_is_other(number) else -1]:
                found[side].append(_rate(fairlead, side, bench.seconds))
            bench.say(f"pair {number + 1} of {pairs}: on {found['on'][-1]:.2f}, off {found['off'][-1]:.2f} M/s")
        accounts.check(before, fairlead.counters())
    return found


def _rate(fairlead: Appliance, side: str, seconds: float) -> float:
    fairlead.reload(Tuning(_ROOM, redeliver=_SIDES[side]))
    time.sleep(_SETTLED)
    return rate(fairlead, seconds)
