"""The lab itself: two stand side by side, and one that was killed is taken away by the next."""

import signal
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

from standing import SCRIPTS, addresses
from lab import leftovers
from lab.topology import Lab

#: Whoever is started in the background ignores SIGINT, and so do its children unless they say otherwise.
LAY_OUT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
from lab.topology import Lab
with Lab() as lab:
    lab.start("phone", "sleep", ["sleep", "60"])
    print(lab.id, flush=True)
    time.sleep(60)
"""


class TheLab(unittest.TestCase):
    def test_two_labs_stand_side_by_side(self):
        with Lab() as one, Lab() as other:
            for lab in (one, other):
                lab.host("phone").run(["ping", "-c", "1", "-W", "1", addresses.T_CLIENT])
        self.assertEqual(leftovers.remains(one.id) + leftovers.remains(other.id), [])

    def test_a_killed_lab_is_taken_away_by_the_next(self):
        killed = self._lay_out_and_end_by(signal.SIGKILL)
        self.assertNotEqual(leftovers.remains(killed), [])
        with Lab():
            self.assertEqual(leftovers.remains(killed), [])

    def test_a_lab_is_taken_away_by_its_name_and_no_other(self):
        with tempfile.TemporaryDirectory() as root, unittest.mock.patch.object(leftovers, "ROOT", Path(root)):
            for lab_id in ("0a", "0b"):
                (Path(root) / lab_id).mkdir()
            self.assertEqual(leftovers.sweep(with_kept=True, lab_id="0b"), ["0b"])
            self.assertEqual(leftovers.sweep(), ["0a"])

    def test_an_interrupted_lab_leaves_nothing(self):
        self.assertEqual(leftovers.remains(self._lay_out_and_end_by(signal.SIGINT)), [])

    def _lay_out_and_end_by(self, which: signal.Signals) -> str:
        process = subprocess.Popen(
            [sys.executable, "-c", LAY_OUT, str(SCRIPTS)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        lab_id = process.stdout.readline().strip()
        process.send_signal(which)
        process.wait(20)
        process.stdout.close()
        return lab_id


if __name__ == "__main__":
    unittest.main()
