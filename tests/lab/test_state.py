"""What an operator has set outlives a crash of the process, whatever has become of the file it is kept in."""

import subprocess
import unittest

from bare import PATIENCE, Bare


class OperatorState(Bare):
    def setUp(self):
        super().setUp()
        self.write()
        self.kept = self.directory / "state" / "operator.json"
        self.process = None

    def restart(self) -> str:
        """Kills it as nothing else can, starts it again, and returns what it logs until it answers."""
        if self.process:
            self.process.kill()
            self.process.wait(PATIENCE)
        log = self.directory / "log"
        with log.open("w") as stderr:
            self.process = self.start(stderr)
        return log.read_text()

    def settings(self) -> list[tuple[str, str]]:
        return [(row["what"], row["setting"]) for row in self.ask("state", "show")]

    def alarms(self) -> list[str]:
        return [alarm["message"] for alarm in self.ask("status")["alarms"] if "operator" in alarm["message"]]

    def test_a_kill_loses_nothing_that_was_answered(self):
        self.assertNotIn("before the restart", self.restart())
        self.wait_for(self.kept.exists, "it is tried at the start whether anything can be kept")
        for words in (
            ("member", "offline", "sip-b"),
            ("pool", "force", "pair-1", "sip-a"),
            ("exclude", "add", "pair-1", "10.99.0.0/16"),
            ("exclude", "remove", "pair-1", "172.16.2.0/24"),
        ):
            self.assertEqual(self.command(*words).returncode, 0, words)
        expected = [
            ("sip-b", "offline"),
            ("sip-a", "forced active"),
            ("10.99.0.0/16", "excluded"),
            ("172.16.2.0/24", "not excluded"),
        ]
        log = self.restart()
        self.assertEqual(log.count("before the restart"), 4, log)
        self.assertEqual(self.settings(), expected)
        self.assertIn("4 settings by the operator differ from the file", self.command("status").stdout)
        self.assertIn("sip-b is offline by the operator", self.command("members").stdout)
        self.assertIn("removed", self.command("exclude", "list", "pair-1").stdout)
        self.assertIn("172.16.2.0/24", self.command("reload").stdout)
        self.assertIn('"10.99.0.0/16"', self.command("state", "lines").stdout)
        self.assertEqual(self.command("state", "drop").returncode, 0)
        self.assertNotIn("before the restart", self.restart())
        self.assertEqual(self.settings(), [])

    def test_no_state_keeps_it_from_starting(self):
        for content, why in ((b"\0\0\0", "damaged"), (b'{"servers": []}', "not a state"), (b"", "damaged")):
            self.kept.parent.mkdir(exist_ok=True)
            self.kept.write_bytes(content)
            self.restart()
            # Lines are written by a thread of their own, perhaps after the first answer.
            self.wait_for(lambda: why in (self.directory / "log").read_text(), f"the log does not say `{why}`")
            self.assertIn(why, "".join(self.alarms()))
            self.assertEqual(self.kept.read_bytes(), content, "kept until something else is to be saved")
            self.assertEqual(self.command("member", "drain", "sip-a").returncode, 0)
            self.assertEqual(self.alarms(), [])
            self.assertEqual(self.kept.with_name("operator.json.unread").read_bytes(), content)

    def test_a_folder_that_cannot_be_written_is_an_alarm(self):
        self.restart()
        self.assertEqual(self.command("member", "drain", "sip-a").returncode, 0)
        # Root writes where it likes: an immutable folder, a read-only mount or, here, a folder in the way of the file.
        self.kept.with_name("operator.json.new").mkdir()
        self.restart()
        self.assertEqual(self.settings(), [("sip-a", "draining")])
        self.wait_for(lambda: any("is not saved" in alarm for alarm in self.alarms()), "no alarm")
        self.assertEqual(self.command("member", "enable", "sip-a").returncode, 0)
        self.kept.with_name("operator.json.new").rmdir()
        self.wait_for(lambda: not self.alarms(), "the alarm stays")
        self.restart()
        self.assertEqual(self.settings(), [])

    def test_a_second_appliance_leaves_the_first_one_s_state_alone(self):
        self.restart()
        other = self.directory / "other.toml"
        text = self.file.read_text().replace(str(self.socket), f"{self.socket}-2")
        other.write_text(text)
        with (self.directory / "log-2").open("w") as stderr:
            second = subprocess.Popen([self.program, "run", "--config", str(other)], stderr=stderr)
        self.addCleanup(second.wait)
        self.addCleanup(second.kill)
        self.wait_for(lambda: "another Fairlead" in (self.directory / "log-2").read_text(), "nothing is said")


if __name__ == "__main__":
    unittest.main()
