"""A program of the operator's that carries probes: what it is given, what it can do to us, and that its end decides."""

import os
import tempfile
import unittest
from pathlib import Path

import standing  # noqa: F401  (finds the lab)
from lab import addresses
from lab.appliance import Appliance, Setting, configuration
from lab.topology import Lab

#: Good while there is a file with the member's name; with one of another name it sleeps for longer than it may. Writes down the threads
#: of Fairlead's that it could end.
PROGRAM = """#!/bin/sh
echo "$(id -u) $1 $2 $3" >"{directory}/asked-$FAIRLEAD_MEMBER"
sed -n "s/^Cpus_allowed_list:[[:space:]]*//p" /proc/self/status >"{directory}/cores-$FAIRLEAD_MEMBER"
for task in /proc/$PPID/task/*; do
  kill -0 "${{task##*/}}" 2>/dev/null && echo "$task" >>"{directory}/ours"
done
[ -e "{directory}/hang" ] && sleep 60
[ -e "{directory}/$FAIRLEAD_MEMBER" ] && echo "answers" && exit 0
echo "does not answer" && exit 3
"""
#: So long whatever is waited for may take on a loaded machine.
PATIENCE = 40.0


class External(unittest.TestCase):
    def setUp(self):
        self.lab = self.enterContext(Lab())
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="fl-external-")))
        # It is run as nobody.
        self.directory.chmod(0o777)
        self.program = self.directory / "ask"
        self.program.write_text(PROGRAM.format(directory=self.directory))
        self.program.chmod(0o755)
        self.appliance = Appliance(self.lab, setting=self.setting("5s"))
        self.appliance.start()
        self.addCleanup(self.appliance.stop)

    def setting(self, time: str) -> Setting:
        """One in which a program is run each `time`, and may take as long."""
        keys = f'kind = "external"\ncommand = "{self.program}"\narguments = ["--deep"]\nport = 7777\n'
        return Setting(monitor=f'{keys}interval = "{time}"\ntimeout = "{time}"\nrise = 1\nfall = 2\n')

    def reload(self, time: str) -> None:
        self.appliance.file.write_text(configuration(self.lab, self.setting(time)))
        self.appliance.command("reload")

    def wait(self, member: str, state: str) -> dict:
        return self.appliance.wait_for_state(member, state, PATIENCE)

    def test_how_the_program_ends_decides(self):
        self.assertIn("exit status 3: does not answer", self.wait("sip-a", "down")["reason"])
        (self.directory / "sip-b").touch()
        row = self.wait("sip-b", "up")
        self.assertEqual(row["reason"], "sip-options: exit status 0: answers")
        self.assertEqual(self.appliance.wait_for_active()["name"], "sip-b")
        asked = (self.directory / "asked-sip-b").read_text().strip()
        self.assertEqual(asked, f"65534 {addresses.MEMBERS['sip-b']} 7777 --deep")
        (self.directory / "hang").touch()
        self.reload("500ms")
        self.assertIn("no answer in 500ms", self.wait("sip-b", "down")["reason"])
        (self.directory / "hang").unlink()
        self.reload("5s")
        self.wait("sip-b", "up")
        self.assertEqual(self.appliance.ask("status")["alarms"], [], "those that were killed have ended")

    def test_it_runs_on_the_core_of_management_and_could_end_no_thread_of_ours(self):
        self.wait("sip-a", "down")
        management = min(os.sched_getaffinity(0))
        self.assertEqual((self.directory / "cores-sip-a").read_text().strip(), str(management))
        self.assertTrue(self.appliance.is_running())
        self.assertFalse((self.directory / "ours").exists(), "threads that it could end")


if __name__ == "__main__":
    unittest.main()
