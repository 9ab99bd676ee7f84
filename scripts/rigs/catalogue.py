"""The rigs, by name.

Owns: the list that `scripts/bench list` shows. To add a rig, write a function from `Bench` to `Outcome`, and a row here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from . import disturbance, forwarding, latency, management, observers, redelivery, targets
from .bench import Bench, Outcome


@dataclass(frozen=True)
class Rig:
    """A name to type, a heading, and the function that measures."""

    name: str
    title: str
    run: Callable[[Bench], Outcome]

    @property
    def numbers(self) -> list[str]:
        """Numbers of the targets it measures."""
        return [target.number for target in targets.TARGETS if target.rig == self.name]


RIGS = [
    Rig("service-udp", "Service UDP, 64-byte frames, one core", forwarding.service_udp),
    Rig("flows", "Live TCP flows, 64-byte frames, one core", forwarding.live_flows),
    Rig("sizes", "Service UDP by size of frame, one core", forwarding.frame_sizes),
    Rig("cores", "Service UDP by number of workers", forwarding.cores),
    Rig("switchover", "Switchovers at full load", disturbance.switchovers),
    Rig("latency", "Forwarding latency at half load", latency.half_load),
    Rig("questions", "Queries while forwarding", disturbance.questions),
    Rig("observers", "Captures, top and metrics while forwarding", observers.observers),
    Rig("exclusions", "A long exclusion list", forwarding.exclusions),
    Rig("redelivery", "SIP requests kept for the next member, and not", redelivery.measure),
    Rig("management", "Management: floods, thousands of pools", management.measure),
]


def chosen(words: list[str]) -> tuple[list[Rig], list[str]]:
    """The rigs with these names or target numbers, each once; and a complaint for every word that names none."""
    found: list[Rig] = []
    unknown = []
    for word in words:
        target = targets.find(word)
        rig = next((rig for rig in RIGS if rig.name == (target.rig if target else word)), None)
        if rig is None:
            unknown.append(f"{word} is measured by `{target.how}`" if target else f"{word} is neither a rig nor a target")
        elif rig not in found:
            found.append(rig)
    return found, unknown
