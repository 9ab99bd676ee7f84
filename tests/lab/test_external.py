"""A program of the operator's that carries probes: what it is given, and that its end decides."""

import tempfile
import unittest
from pathlib import Path

import standing  # noqa: F401  (finds the lab)
from lab import addresses
from lab.appliance import Appliance, Setting
from lab.topology import Lab

#: Good while there is a file with the member's name; with one of another name it sleeps for longer than it may.
PROGRAM = """#!/bin/sh
echo "$(id -u) $1 $2 $3" >"{directory}/asked-$FAIRLEAD_MEMBER"
[ -e "{directory}/hang" ] && sleep 60
[ -e "{directory}/$FAIRLEAD_MEMBER" ] && echo "answers" && exit 0
echo "does not answer" && exit 3
"""


class External(unittest.TestCase):
    def setUp(self):
        self.lab = self.enterContext(Lab())
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="fl-external-")))
        # It is run as nobody.
        self.directory.chmod(0o777)
        program = self.directory / "ask"
        program.write_text(PROGRAM.format(directory=self.directory))
        program.chmod(0o755)
        keys = f'kind = "external"\ncommand = "{program}"\narguments = ["--deep"]\nport = 7777\n'
        self.appliance = Appliance(self.lab, setting=Setting(monitor=f'{keys}interval = "500ms"\ntimeout = "500ms"\nfall = 2\n'))
        self.appliance.start()
        self.addCleanup(self.appliance.stop)

    def test_how_the_program_ends_decides(self):
        self.assertIn("exit status 3: does not answer", self.appliance.wait_for_state("sip-a", "down")["reason"])
        (self.directory / "sip-b").touch()
        row = self.appliance.wait_for_state("sip-b", "up")
        self.assertEqual(row["reason"], "sip-options: exit status 0: answers")
        self.assertEqual(self.appliance.wait_for_active()["name"], "sip-b")
        asked = (self.directory / "asked-sip-b").read_text().strip()
        self.assertEqual(asked, f"65534 {addresses.MEMBERS['sip-b']} 7777 --deep")
        (self.directory / "hang").touch()
        self.assertIn("no answer in 500ms", self.appliance.wait_for_state("sip-b", "down")["reason"])
        (self.directory / "hang").unlink()
        self.appliance.wait_for_state("sip-b", "up")
        self.assertEqual(self.appliance.ask("status")["alarms"], [], "those that were killed have ended")


if __name__ == "__main__":
    unittest.main()
