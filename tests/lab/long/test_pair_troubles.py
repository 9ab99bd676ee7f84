"""A pair in trouble beside calls: the standby dies, the connection between the two is cut or slow, both are made active. What stands, a thousand
connections and a thousand ports of the virtual address, and the calls continue through all of it, and through the death of the active one after
it, which shows that the other one has everything again."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from threading import Thread

from held import Held
from held_pair import BEFORE, RATE, SECONDS, HeldPairLab, Standing
from lab.gaps import OVERDUE, not_forwarded
from lab.twins import BOTH
from standing import addresses
from sync_wire import SyncWire
from twin_pair import SYNC_PORT, ByHand, Watched

#: The longest silence, in seconds, of calls through an active one to which nothing happens; a busy machine has longer ones by itself.
UNDISTURBED, ATTEMPTS = 0.5, 3
#: How long the connection is cut, in seconds; after five it is an alarm.
CUT = 8.0
#: What alarms say.
UNSYNCHRONISED, SPLIT = "the standby does not have what the active appliance knows", "both appliances of the pair are active"
#: Until a trouble is an alarm, or is over, in seconds.
SOON = 10.0
#: For so long one alone has to be active, and so soon, in seconds.
SETTLED, ENDED = 3.0, 30.0


class Trouble(HeldPairLab):
    """What the connection of the two goes through, and what is looked at."""

    def setUp(self):
        self.wire = SyncWire(self.lab, SYNC_PORT)
        self.addCleanup(self.wire.mend)
        super().setUp()

    def undisturbed(self, once: Callable[[], tuple[Held, list[str]]]) -> Held:
        """Until neither the calls nor what stands have noticed anything of a trouble: on a busy machine they do now and then without one."""
        for attempt in range(1, ATTEMPTS + 1):
            held, noticed = once()
            if not noticed:
                return held
            print(f"attempt {attempt}: {noticed}", file=sys.stderr)
        self.fail(f"noticed each of {ATTEMPTS} times: {noticed} {self.what_was_said()}")

    def noticed(self, what: str, calls: Watched, at: float, until: float, standing: Standing) -> tuple[Held, list[str]]:
        """What the calls, and what stands, could have noticed of the appliance: servers that answer late on busy cores are another matter."""
        paid = self.paid(what, calls, at, until, standing)
        left = [one for host in BOTH for one in calls.seen["switch", host] if one.src == addresses.PHONE]
        late = not_forwarded(calls.seen["router", "phone"], left, at, until - OVERDUE)
        print(f"{what}: {len(late)} INVITEs were not forwarded within {1e3 * OVERDUE:.0f} ms", file=sys.stderr)
        found = {
            "connections lost": len(standing.silent), "ports lost": len(standing.lost), "INVITEs late": len(late),
            "ms of silence": round(1e3 * paid.silence) if paid.silence > UNDISTURBED else 0,
        }
        return standing.held, [f"{count} {name}" for name, count in found.items() if count]

    def are_alarmed(self, text: str) -> list[bool]:
        """Whether each of the two has an alarm that says so."""
        return [any(text in alarm for alarm in self.both[host].alarms()) for host in BOTH]

    def killed_afterwards(self, held: Held, what: str) -> None:
        """The active one dies, and what stands continues."""
        self.all_is_in_sync()
        first, _ = self.taken_over(held, f"{what}; then the active one is killed", lambda host: self.both[host].kill())
        self.both[first].start()


class Troubles(Trouble):
    """With keepalived."""

    def test_s183_a_standby_that_dies_disturbs_nobody_and_has_everything_again(self):
        with Held(self.lab) as held:
            self.undisturbed(lambda: self._standby_dies(held))
            self.killed_afterwards(held, "the standby was killed")

    def test_s183_what_began_while_the_connection_was_cut_is_at_the_other_one_when_it_is_back(self):
        with ExitStack() as stack:
            held = self.undisturbed(lambda: self._cut(stack))
            self.killed_afterwards(held, "the connection was cut")

    def _standby_dies(self, held: Held) -> tuple[Held, list[str]]:
        self.all_is_in_sync()
        _, second = self.by_role()
        with self.watched(RATE, SECONDS) as calls:
            time.sleep(BEFORE)
            at = time.time()
            self.both[second].kill()
            standing = self.what_stands(held)
            self.both[second].start()
            self.all_is_in_sync()
            until = time.time()
        return self.noticed("the standby is killed and started again", calls, at, until, standing)

    def _cut(self, stack: ExitStack) -> tuple[Held, list[str]]:
        """What stands begins while it is cut."""
        with self.watched(RATE, 2 * SECONDS) as calls:
            time.sleep(BEFORE)
            at = time.time()
            self.wire.cut()
            held = stack.enter_context(Held(self.lab))
            time.sleep(max(0.0, at + CUT - time.time()))
            self.wait_for(lambda: self.are_alarmed(UNSYNCHRONISED) == [True, True], SOON, self.what_was_said)
            mended = time.time()
            self.wire.mend()
            self.all_is_in_sync()
            print(f"cut for {mended - at:.1f} s, and in sync {time.time() - mended:.2f} s after that", file=sys.stderr)
            self.wait_for(lambda: self.are_alarmed(UNSYNCHRONISED) == [False, False], SOON, self.what_was_said)
            standing, until = self.what_stands(held), time.time()
        return self.noticed("the connection of the two is cut", calls, at, until, standing)


class ByHandTroubles(ByHand, Trouble):
    """Without keepalived, for which a busy machine is trouble by itself: what two operators say at once, and a connection that is slow."""

    def test_s183_a_slow_connection_costs_the_active_one_nothing(self):
        with ExitStack() as stack:
            held = self.undisturbed(lambda: self._slow(stack))
            self.all_is_in_sync()
            other = self.by_role()[1]
            what = "the connection was slow; then the other one is made active"
            self.taken_over(held, what, lambda _: self.both[other].command("pair", "active"))

    def _slow(self, stack: ExitStack) -> tuple[Held, list[str]]:
        """What stands begins while it is slow."""
        self.all_is_in_sync()
        active = self.by_role()[0]
        with self.watched(RATE, 2 * SECONDS) as calls:
            time.sleep(BEFORE)
            at, before = time.time(), self._given_up()
            self.wire.slow()
            held = stack.enter_context(Held(self.lab))
            behind = self.pair_report(active)
            standing, mended, given_up = self.what_stands(held), time.time(), self._given_up() - before
            self.wire.mend()
            self.wait_for(lambda: self.are_in_sync() and self.pair_report(active)["lag_flows"] == 0, 30.0, self.what_was_said)
            until = time.time()
        print(
            f"64 kbit/s for {mended - at:.1f} s: {behind['lag_flows']} changes, {behind['lag_ms']} ms behind, given up {given_up} times; all "
            f"is there {until - mended:.2f} s after that", file=sys.stderr,
        )
        self.assertTrue(not behind["in_sync"] or behind["lag_ms"] > 500, "slow enough to be felt")
        return self.noticed("the connection of the two is slow", calls, at, until, standing)

    def _given_up(self) -> int:
        """How often the active one has found the connection dead."""
        return self.both[self.by_role()[0]].said().count(" is lost: ")

    def test_s184_of_two_that_are_made_active_at_once_one_stays(self):
        """The later word counts, so soon that it is no alarm; of two at the very same moment priority decides after a second."""
        self.both_are_made_active("both are made active at once, and hear each other", lambda: None)

    def test_s184_of_two_that_do_not_hear_each_other_one_yields_by_its_priority(self):
        """By their ARP, once the other one's was heard twice, more than a second apart: by what is said at a take-over, and else by what members have
        asked for."""
        alarmed = self.both_are_made_active("both are made active, and do not hear each other", self.wire.cut)
        self.assertIn(True, alarmed)

    def both_are_made_active(self, what: str, before: Callable[[], None]) -> list[bool]:
        """At once, under calls; then one is, and has all that stands. Whether each of the two had an alarm."""
        with Held(self.lab) as held:
            self.all_is_in_sync()
            with self.watched(RATE, 2 * SECONDS) as calls:
                before()
                time.sleep(BEFORE)
                at = time.time()
                saying = [Thread(target=self.both[host].command, args=("pair", "active", "--yes")) for host in BOTH]
                for one in saying:
                    one.start()
                alarmed, ended = self._until_one_is(at)
                for one in saying:
                    one.join()
                roles = self.roles()
                self.wire.mend()
                self.all_is_in_sync()
                until = time.time()
                standing = self.what_stands(held)
        self.paid(what, calls, at, until, standing)
        print(f"{what}: both were active until {ended:.2f} s after that, alarm pair.split at {alarmed}; then {roles}", file=sys.stderr)
        self.assertEqual(sorted(roles), ["active", "standby"])
        self.continues(standing)
        return alarmed

    def _until_one_is(self, at: float) -> tuple[list[bool], float]:
        """Whether each had the alarm at any time, and how long after `at` both were active last, in seconds."""
        alarmed, last = [False, False], at
        while time.time() < max(at + SETTLED, min(last + SETTLED, at + ENDED)):
            if self.roles() == ["active", "active"]:
                last = time.time()
            alarmed = [was or now for was, now in zip(alarmed, self.are_alarmed(SPLIT))]
            time.sleep(0.05)
        return alarmed, last - at
