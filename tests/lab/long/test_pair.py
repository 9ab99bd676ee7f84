"""A pair of appliances. One is active; calls go on when it dies, hangs, is cut off, or its keepalived is stopped, and nothing moves back when
it returns."""

import sys
import time

from lab.twins import BOTH
from standing import sipp
from twin_pair import PairLab

#: Calls a second, for how long in seconds, and how long they have been placed when something happens.
RATE, SECONDS, BEFORE = 100, 12, 3.0
#: The longest gap, in seconds; a busy machine may miss it.
GAP, ATTEMPTS = 1.0, 3
#: The same where a script finds it that is run once a second.
WEIGHED = 3.0
#: Until a change has been seen, and its calls are over.
PATIENCE = 20.0


class TwoAppliances(PairLab):
    def test_s144_calls_go_on_when_the_active_appliance_is_killed(self):
        self.takes_over("the active appliance is killed", lambda host: self.both[host].kill(), lambda host: self.both[host].start())

    def test_s144_calls_go_on_when_the_active_appliance_hangs(self):
        self.takes_over("the active appliance hangs", lambda host: self.both[host].freeze(), lambda host: self.both[host].thaw())

    def test_s144_calls_go_on_when_the_active_appliance_loses_its_power(self):
        self.takes_over("both links of the active appliance are cut", self.lab.cut, self.lab.mend)

    def test_s144_calls_go_on_when_keepalived_is_stopped(self):
        self.takes_over("keepalived is stopped", lambda host: self.daemons[host].stop(), lambda host: self.daemons[host].start())

    def test_s144_calls_go_on_when_keepalived_is_killed(self):
        self.takes_over("keepalived is killed", lambda host: self.daemons[host].kill(), lambda host: self.daemons[host].start())

    def test_s144_calls_go_on_when_the_active_appliance_loses_the_link_to_clients(self):
        """keepalived, which speaks over the other link, finds `fairlead health` failing, and has the lower priority: by its weight."""
        self.takes_over("the link towards clients is cut", self.lab.cut_outside, self.lab.mend, WEIGHED)

    def test_s144_a_reload_of_keepalived_changes_nothing(self):
        before = self.roles()
        caller = sipp.udp_calls(self.lab, RATE, RATE * 5)
        for host in BOTH:
            self.daemons[host].reload()
            time.sleep(1.5)
            self.assertEqual(self.roles(), before, self.what_was_said())
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed), (RATE * 5, RATE * 5))
        # And both are heard afterwards.
        active = BOTH[before.index("active")]
        self.daemons[active].stop()
        self.addCleanup(self.daemons[active].start)
        self.wait_for(lambda: self.roles()[before.index("standby")] == "active", 5.0, self.what_was_said)

    def takes_over(self, what, end, back, bound: float = GAP) -> None:
        """One is ended, the other takes over, the first is back and stays standby: until the gap was as short as it is to be."""
        for attempt in range(1, ATTEMPTS + 1):
            gap = self.one_take_over(what, end, back, attempt)
            if gap <= bound:
                return
        self.fail(f"{what}: never within {bound:g} s in {ATTEMPTS} attempts")

    def one_take_over(self, what, end, back, attempt: int) -> float:
        """The longest gap of the calls, in seconds; none of them is lost, and nothing goes astray."""
        first, second = self.by_role()
        with self.watched(RATE, SECONDS) as calls:
            time.sleep(BEFORE)
            at = time.time()
            end(first)
            self.wait_for(lambda: self.role(second) == "active", PATIENCE, self.what_was_said)
            took = time.time() - at
            time.sleep(3.0)
            until = time.time()
            back(first)
        print(f"{what}: active after {took:.2f} s (attempt {attempt})", file=sys.stderr)
        paid = calls.cost(at, until)
        self.wait_for(lambda: (self.role(first), self.role(second)) == ("standby", "active"), PATIENCE, self.what_was_said)
        time.sleep(2.0)
        self.assertEqual((self.role(first), self.role(second)), ("standby", "active"), "nothing moves back")
        print(paid.line(what), file=sys.stderr)
        return max(paid.gap, paid.silence)
