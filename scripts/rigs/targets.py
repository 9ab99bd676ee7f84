"""Fairlead's performance targets, and where each figure comes from: one row per target.

Owns: the numbers, the wording and the bounds. To add a target, add a row; `scripts/bench` and benches/README.md follow.

A target is measured by a rig of this package (`rig`), by a criterion bench (`criterion`: the directory under
target/criterion whose estimate is read, and `command`, which fills it), or by something else that is run by hand
(`command` alone), whose figure then stands in a table of its own.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One row. `least` and `most` bound the median of the figure, in `unit`; the figure of a rig carries `number`."""

    number: str
    what: str
    aim: str
    least: float | None = None
    most: float | None = None
    unit: str = ""
    digits: int = 2
    rig: str | None = None
    criterion: str | None = None
    command: str | None = None

    @property
    def how(self) -> str:
        """The command that measures it."""
        return self.command or f"scripts/bench {self.number}"

    def holds(self, median: float) -> bool:
        """Whether the figure is within the bounds."""
        return (self.least is None or median >= self.least) and (self.most is None or median <= self.most)


INSTRUCTIONS = "scripts/instructions"
TURN = "cargo bench --no-default-features --bench turn"

TARGETS = [
    Target("P1", "service UDP through the whole loop, 4,096 peers, relative to testpmd macswap", "≥ 0.75", least=0.75,
           rig="service-udp"),
    Target("P2", "pinned TCP and outbound SNAT, 1,000,000 live flows, relative to testpmd macswap", "≥ 0.5", least=0.5,
           rig="flows"),
    Target("P3", "cost of a packet with 1,000,000 flows, relative to 10,000; for 10,000,000 see `turn`", "≤ 2", most=2.0,
           rig="flows"),
    Target("P4", "new flows per second, including their expiry", "≥ 1,500,000", command=TURN),
    Target("P5", "memory of an IPv4 flow, both directions", "≤ 160 bytes", command=TURN),
    Target("P6", "switchover at full load, 1,000,000 peers, from published to installed; slowest of 20",
           "≤ 100 µs, none lost", most=100.0, unit=" µs", digits=0, rig="switchover"),
    Target("P7", "hand-off of a packet to another worker", "≤ 30 ns", command=TURN),
    Target("P8", "forwarding latency at half load", "p50 ≤ 5 µs, p99.9 ≤ 50 µs", most=50.0, unit=" µs (p99.9)", digits=1,
           rig="latency"),
    Target("P9", "rate while `status`, `flows` and `counters` are queried ten times per second, relative to the undisturbed rate", "≥ 0.99",
           least=0.99, digits=3, rig="questions"),
    Target("P10", "rate with 10,000 excluded prefixes, relative to the rate with one", "≥ 0.95", least=0.95, rig="exclusions"),
    Target("P11", "rate of existing flows under a flood of new ones with the table full, relative to the rate before", "≥ 0.9",
           command=TURN),
    Target("Q4", "`members` at worst, 100 pairs, one link flooded with ARP requests for a self-IP", "≤ 100 ms", most=100.0, unit=" ms",
           digits=1, rig="management"),
    Target("Q4b", "the same: how much later than without the flood a dead member is found", "≤ 100 ms", most=100.0, unit=" ms", digits=0,
           rig="management"),
    Target("Q5", "4,000 pools of two, all probed each second: management's core busy", "≤ 50 %", most=50.0, unit=" %", digits=1,
           rig="management"),
    Target("Q5b", "the same: a switchover from published to installed", "≤ 500 µs", most=500.0, unit=" µs", digits=0, rig="management"),
    Target("Q6", "cost of a punted frame to management, 1,000 pools relative to 1; the dearest kind of frame", "≤ 1.5", most=1.5,
           rig="management"),
    Target("R1", "loop time with `redeliver` over that without, SIP requests and answers, 1,000,000 datagrams/s offered", "≤ 1.03, none lost",
           most=1.03, digits=3, rig="redelivery"),
    Target("O1", "rate of P1 while a capture waits for a host or for a port that does not come, relative to the rate alone; the worse of both",
           "≥ 0.99", least=0.99, digits=3, rig="observers"),
    Target("O2", "the same with a capture, `top`, metrics scraped each second and the recorder", "≥ 0.97", least=0.97, digits=3, rig="observers"),
    Target("O3", "the same with the recorder on", "≥ 0.98", least=0.98, digits=3, rig="observers"),
    Target("P12", "instructions per packet on the fast path", "≤ 250", command=INSTRUCTIONS),
]


def find(number: str) -> Target | None:
    """The target of that number."""
    return next((target for target in TARGETS if target.number == number.upper()), None)
