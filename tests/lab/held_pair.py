"""A pair of appliances with a thousand connections and a thousand ports of the virtual address through it, and what of that continues when
something happens to one of the two.

Read first: `twin_pair.py`, `held.py`. Owns: what is looked at, and the line of it. Never: what happens.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from held import SERVICE, Held
from lab.gaps import OVERDUE, Cost
from twin_pair import PairLab, Watched

#: Calls a second, for how long in seconds, and how long they have been placed when something happens.
RATE, SECONDS, BEFORE = 200, 12, 3.0
#: Of a thousand connections so many may be lost, and of the ports none.
LOST_CONNECTIONS = 1
PATIENCE = 30.0


@dataclass
class Standing:
    """What of all that stands does not any more."""

    held: Held
    silent: list[str]
    lost: list[str]

    def line(self) -> str:
        """For the last line of a test."""
        connections, ports = len(self.held.connections), len(self.held.mappings)
        return (
            f"connections kept {connections - len(self.silent)}, lost {len(self.silent)}; ports kept {ports - len(self.lost)}, lost "
            f"{len(self.lost)}"
        )


class HeldPairLab(PairLab):
    also_listen = (f"tcp/{SERVICE}",)

    def all_is_in_sync(self) -> None:
        """Waits until each of the two says so."""
        self.wait_for(self.are_in_sync, PATIENCE, self.what_was_said)

    def what_stands(self, held: Held, has_spoken: bool = False) -> Standing:
        """Asks all of it. `has_spoken`: it has already said something, which may not have been forwarded."""
        if not has_spoken:
            held.speak_up()
        return Standing(held, held.silent_connections(), held.lost_mappings())

    def continues(self, standing: Standing, so_many: int = LOST_CONNECTIONS) -> None:
        """All of it, but for so many connections."""
        self.assertLessEqual(len(standing.silent), so_many, f"{standing.silent[:20]} {self.what_was_said()}")
        self.assertEqual(standing.lost[:20], [], self.what_was_said())

    def taken_over(self, held: Held, what: str, end: Callable[[str], None], so_many: int = LOST_CONNECTIONS) -> tuple[str, Cost]:
        """The active one is ended, under calls, and the other one has all that stands: who was ended, and what the calls paid."""
        first, second = self.by_role()
        with self.watched(RATE, SECONDS) as calls:
            time.sleep(BEFORE)
            at = time.time()
            end(first)
            held.speak_up()
            self.wait_for(lambda: self.role(second) == "active", PATIENCE, self.what_was_said)
            standing = self.what_stands(held, has_spoken=True)
            until = time.time()
        paid = self.paid(what, calls, at, min(until, at + 4.0) + OVERDUE, standing)
        self.continues(standing, so_many)
        return first, paid

    def paid(self, what: str, calls: Watched, at: float, until: float, standing: Standing) -> Cost:
        """What happened at `at`, in words on standard error and as figures, but for what was still to be answered when the next thing was done."""
        paid = calls.cost(at, until - OVERDUE)
        print(f"{paid.line(what)}; {standing.line()}", file=sys.stderr)
        return paid
