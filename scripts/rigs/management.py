"""Management under load: commands and verdicts beside a flood (Q4), thousands of pools (Q5), the cost of a punted frame (Q6).

Owns: what is done, and what is read of it. Read `fleet` first.
"""

import subprocess
import time
from pathlib import Path

from lab.shell import LabError

from . import build, captures, frames
from .bench import Bench, Outcome
from .fleet import QUIET, SELF_IP, Fleet, member
from .measure import Figure, percentile

#: Q4: pairs, hosts that ask for us, milliseconds from one probe of a member to the next, members that die in turn.
PAIRS, STRANGERS, INTERVAL, DEATHS = 100, 4_000, 200, 5
#: Q5.
POOLS, SWITCHOVERS = 4_000, 20
#: Q6: the second over the first.
FEW, MANY = 1, 1_000
#: From one command to the next, in seconds.
PAUSE = 0.05


def measure(bench: Bench) -> Outcome:
    """Q4 to Q6."""
    flood = _flood(bench)
    still = [_disturbed(bench, QUIET, f"quiet, run {number + 1}") for number in range(bench.runs)]
    hot = [_disturbed(bench, flood, f"flooded, run {number + 1}") for number in range(bench.runs)]
    busy = [_busy(bench, number) for number in range(bench.runs)]
    costs = _costs()
    worst = Figure(tuple(run["worst"] for run in hot))
    later = Figure(tuple(1e3 * (run["found"] - usual["found"]) for run, usual in zip(hot, still, strict=True)))
    share, installed = (Figure(tuple(run[name] for run in busy)) for name in ("share", "installed"))
    switchover = costs.pop("switchover")
    ratio = Figure((max(many / few for few, many in costs.values()),))
    rows = [
        ["Q4", f"`members` at worst, {PAIRS} pairs, one link flooded with ARP requests for a self-IP", "≤ 100 ms", f"{worst.text(1)} ms"],
        ["", "the same without the flood", "", f"{_figure(still, 'worst').text(1)} ms"],
        ["", "ARP requests received in a second", "", f"{_figure(hot, 'rate').text(0)}"],
        ["", f"a dead member found, probed each {INTERVAL} ms, with the flood", "as without", f"{_figure(hot, 'found').text(2)} s"],
        ["", "the same without the flood", "", f"{_figure(still, 'found').text(2)} s"],
        ["", "members that were never silent and found down", "0", f"{sum(run['false'] for run in hot)}"],
        ["", "from SIGTERM to the end, with the flood", "heard", f"{_figure(hot, 'term').text(2)} s"],
        ["Q5", f"{POOLS:,} pools of two, all probed each second: management's core busy", "≤ 50 %", f"{share.text(1)} %"],
        ["", "probes in a second", "", f"{_figure(busy, 'probes').text(0)}"],
        ["Q5b", f"the same, a switchover from published to installed, median of {SWITCHOVERS}", "≤ 500 µs", f"{installed.text(0)} µs"],
        ["", "the slowest of them", "", f"{_figure(busy, 'slowest').text(0)} µs"],
        ["", f"a switchover in the controller alone, {MANY:,} pools and {FEW}", "", f"{switchover[1] / 1e3:.0f} and {switchover[0] / 1e3:.0f} µs"],
        ["", "`members` of all, and `status`", "", f"{_figure(busy, 'members').text(0)} and {_figure(busy, 'status').text(0)} ms"],
    ]
    for name, (few, many) in costs.items():
        rows.append(["Q6", f"{name.replace('_', ' ')}, {MANY:,} pools over {FEW}", "≤ 1.5", f"{many:.0f} ns over {few:.0f} ns: {many / few:.2f}"])
    figures = {"Q4": worst, "Q4b": later, "Q5": share, "Q5b": installed, "Q6": ratio}
    return Outcome(["", "what", "target", "seen"], rows, figures)


def _figure(runs: list[dict[str, float]], name: str) -> Figure:
    return Figure(tuple(run[name] for run in runs))


def _flood(bench: Bench) -> str:
    """A device that replays ARP requests for a self-IP, of many hosts, as fast as it can."""
    path = bench.frames / "arp.pcap"
    asked = frames.address(SELF_IP)
    senders = ((b"\x02\x09\x00\x00" + number.to_bytes(2, "big"), frames.address("192.0.16.0") + number) for number in range(STRANGERS))
    captures.write(path, (frames.arp_request(mac, address, b"", asked) for mac, address in senders))
    return f"net_pcap0,rx_pcap={path},infinite_rx=1"


def _disturbed(bench: Bench, outer: str, what: str) -> dict[str, float]:
    """Commands for a while, then members that die one after the other, then SIGTERM."""
    with Fleet(bench.program, bench.directory, PAIRS, INTERVAL, outer) as fleet:
        before, began, spans = _received(fleet), time.monotonic(), []
        while time.monotonic() < began + bench.seconds:
            asked = time.monotonic()
            fleet.admin.ask("members")
            spans.append(1e3 * (time.monotonic() - asked))
            time.sleep(PAUSE)
        rate = (_received(fleet) - before) / (time.monotonic() - began)
        down = {row["name"] for row in fleet.admin.ask("members") if row["state"] == "down"}
        found = [_death(fleet, number) for number in range(DEATHS)]
        found_down = {row["name"] for row in fleet.admin.ask("members") if row["state"] == "down"}
        wrong = len(down | found_down - {f"a-{number}" for number in range(DEATHS)})
        term = fleet.terminate()
    bench.say(f"{what}: `members` at worst {max(spans):.1f} ms of {len(spans)}, a dead one found in {percentile(found, 0.5):.2f} s, "
              f"SIGTERM {term:.2f} s, {rate:,.0f} frames a second")
    return {"worst": max(spans), "found": percentile(found, 0.5), "term": term, "rate": rate, "false": wrong}


def _received(fleet: Fleet) -> int:
    return sum(row["rx_frames"] for row in fleet.admin.ask("ports") if row["name"] == "outer")


def _death(fleet: Fleet, pool: int) -> float:
    """Seconds until the first member of a pool, which answers no more, is found down."""
    def is_down() -> bool:
        return any(row["name"] == f"a-{pool}" and row["state"] == "down" for row in fleet.admin.ask("members"))

    fleet.silence(2 * pool)
    return fleet.wait(f"find {member(2 * pool)} down", is_down, 10.0, 0.005)


def _busy(bench: Bench, number: int) -> dict[str, float]:
    with Fleet(bench.program, bench.directory, POOLS, 1_000) as fleet:
        time.sleep(3.0)
        sent = _sent(fleet)
        began, ran = time.monotonic(), fleet.ran()
        time.sleep(max(10.0, bench.seconds))
        span, ran = time.monotonic() - began, fleet.ran() - ran
        probes = (_sent(fleet) - sent) / span
        spans = [_timed(fleet, question) for question in ("members", "status")]
        active = {row["pool"]: row["active"] for row in fleet.admin.ask("virtual-servers")}
        for pool in range(SWITCHOVERS):
            # What the question before has kept waiting is no part of the switchover.
            time.sleep(PAUSE)
            other = f"b-{pool}" if active[f"pair-{pool}"] == f"a-{pool}" else f"a-{pool}"
            fleet.admin.ask("pool-force", pool=f"pair-{pool}", member=other)
        installed = fleet.installations(SWITCHOVERS)
    found = {"share": 100 * ran / span / 1e9, "installed": percentile(installed, 0.5), "slowest": max(installed), "probes": probes,
             "members": spans[0], "status": spans[1]}
    bench.say(f"{POOLS:,} pools, run {number + 1}: {found['share']:.1f} % of a core for {probes:,.0f} probes a second, switchovers "
              f"{found['installed']} µs, {found['slowest']} µs at worst")
    if probes < 1.9 * POOLS:
        raise LabError(f"only {probes:.0f} of {2 * POOLS} probes a second were made: the machine is too busy to measure")
    return found


def _sent(fleet: Fleet) -> int:
    return sum(row["sent"] for row in fleet.admin.ask("probes"))


def _timed(fleet: Fleet, question: str) -> float:
    """Milliseconds until a command is answered."""
    began = time.monotonic()
    fleet.admin.ask(question)
    return 1e3 * (time.monotonic() - began)


def _costs() -> dict[str, tuple[float, float]]:
    """Nanoseconds of a frame that workers pass on, by what it is."""
    program: Path = build.release(build.REPOSITORY, "management").with_name("management")
    said = subprocess.run([str(program), str(FEW), str(MANY)], capture_output=True, text=True, check=True).stdout
    lines = (line.split() for line in said.splitlines())
    return {name: (float(few), float(many)) for name, few, many in lines}
