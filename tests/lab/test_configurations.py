"""A reload that has to be confirmed, the configurations that were in force, and what is saved into the file: with the process itself,
which is killed as nothing else can."""

import subprocess
import time
import unittest
from pathlib import Path

from bare import PATIENCE, Bare

WAS, BECOMES = "172.16.2.0/24", "172.16.3.0/24"


class Configurations(Bare):
    def setUp(self):
        super().setUp()
        self.write()
        self.log = self.directory / "log"
        self.process = None
        self.before = self.file.read_text()
        self.restart()

    def restart(self) -> None:
        """Kills it, and starts it again."""
        if self.process:
            self.process.kill()
            self.process.wait(PATIENCE)
        with self.log.open("w") as stderr:
            self.process = self.start(stderr)

    def write_another(self) -> str:
        """The file says something else."""
        self.assertIn(WAS, self.before)
        self.file.write_text(self.before.replace(WAS, BECOMES))
        return self.file.read_text()

    def excluded(self) -> set[str]:
        """The exclusion group that is in force."""
        return {row["prefix"] for row in self.ask("exclude", "list", "pair-1")}

    def is_in_force(self, prefix: str) -> None:
        other = {WAS, BECOMES} - {prefix}
        self.assertIn(prefix, self.excluded())
        self.assertFalse(other & self.excluded(), self.excluded())

    def say(self, *words: str) -> str:
        """What a command prints that is done."""
        done = self.command(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refused(self, *words: str) -> str:
        """Why a command is refused."""
        done = self.command(*words)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stderr

    def history(self) -> list[tuple[int, str, bool]]:
        return [(row["number"], row["cause"], row["in_force"]) for row in self.ask("history")]

    def waits_for_line(self, words: str) -> None:
        """Lines are written by a thread of their own, perhaps after the answer."""
        self.wait_for(lambda: words in self.log.read_text(), f"the log does not say `{words}`")

    def test_what_is_confirmed_outlives_a_kill(self):
        another = self.write_another()
        self.assertIn(BECOMES, self.say("diff"))
        self.is_in_force(WAS)
        self.say("reload", "--confirm", "1h")
        self.is_in_force(BECOMES)
        self.assertIn("confirm", self.refused("reload"))
        self.say("confirm")
        self.restart()
        self.is_in_force(BECOMES)
        self.assertEqual(self.file.read_text(), another)
        self.assertIn("nothing waits", self.refused("confirm"))

    def test_without_a_confirmation_the_one_before_is_in_force_again_and_the_file_is_left_alone(self):
        another = self.write_another()
        self.say("reload", "--confirm", "1s")
        self.wait_for(lambda: WAS in self.excluded(), "it is not undone")
        self.is_in_force(WAS)
        self.waits_for_line("was not confirmed in time")
        self.assertEqual(self.file.read_text(), another)
        self.assertEqual([row[1:] for row in self.history()], [("start", False), ("reload", False), ("rollback", True)])
        self.say("reload")
        self.is_in_force(BECOMES)

    def test_killed_while_one_waits_it_starts_with_the_one_that_was_confirmed(self):
        another = self.write_another()
        self.say("reload", "--confirm", "1h")
        self.is_in_force(BECOMES)
        for _ in range(2):
            self.restart()
            self.is_in_force(WAS)
            self.assertIn("fairlead reload", "".join(each["message"] for each in self.ask("status")["alarms"]))
        self.assertEqual(self.file.read_text(), another)
        self.say("reload")
        self.restart()
        self.is_in_force(BECOMES)

    def test_killed_while_one_waits_what_it_took_away_of_the_operator_s_is_set_again(self):
        self.say("member", "offline", "sip-b")
        lines = self.before.splitlines(keepends=True)
        without = "".join(line for line in lines if 'name = "sip-b"' not in line)
        self.assertEqual(len(without.splitlines()), len(lines) - 1)
        self.file.write_text(without)
        self.say("reload", "--confirm", "1h")
        self.assertEqual(self.ask("state", "show"), [])
        self.restart()
        self.assertEqual([(row["what"], row["setting"]) for row in self.ask("state", "show")], [("sip-b", "offline")])

    def kept(self, name: str) -> Path:
        return self.directory / "state" / name

    def test_killed_while_one_waits_and_its_history_damaged_it_starts_with_the_one_that_was_confirmed(self):
        another = self.write_another()
        self.say("reload", "--confirm", "1h")
        self.is_in_force(BECOMES)
        self.process.kill()
        self.process.wait(PATIENCE)
        self.kept("configurations.json").write_text('{"fairlead_configurations": 1, "entr')
        self.restart()
        self.is_in_force(WAS)
        self.waits_for_line("configurations.json cannot be used")
        self.assertIn("fairlead reload", "".join(each["message"] for each in self.ask("status")["alarms"]))
        # Both at once: it is not known whether the file was ever confirmed, and nothing is started.
        self.process.kill()
        self.process.wait(PATIENCE)
        for name in ("configurations.json", "configurations.start.json"):
            self.assertTrue(self.kept(name).exists(), name)
            self.kept(name).write_text("{")
        ended = subprocess.run(
            [self.program, "run", "--config", str(self.file)], capture_output=True, text=True, timeout=PATIENCE
        )
        self.assertEqual(ended.returncode, 1, ended.stderr)
        for words in ("configurations.json cannot be used", "configurations.start.json", "nothing was started"):
            self.assertIn(words, ended.stderr)
        # What it says is to be done helps.
        for name in ("configurations.json", "configurations.start.json"):
            self.kept(name).unlink()
        self.restart()
        self.is_in_force(BECOMES)
        self.assertEqual(self.file.read_text(), another)

    def test_killed_at_any_moment_of_a_reload_it_starts_with_what_was_confirmed(self):
        another = self.write_another()
        for delay in (0.0, 0.002, 0.005, 0.01, 0.02, 0.05):
            asked = subprocess.Popen(
                [self.program, "--socket", str(self.socket), "reload", "--confirm", "1h"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            time.sleep(delay)
            self.process.kill()
            self.process.wait(PATIENCE)
            answer, _ = asked.communicate(timeout=PATIENCE)
            self.restart()
            if asked.returncode == 0:
                self.assertIn("is in force for", answer)
            # Before the reload has begun the file is what an operator wrote and wants; afterwards it waits for a confirmation.
            prefixes = self.excluded()
            if asked.returncode == 0 or WAS in prefixes:
                self.is_in_force(WAS)
            else:
                self.is_in_force(BECOMES)
            self.assertEqual(self.file.read_text(), another)
            self.file.write_text(self.before)
            self.restart()
            self.is_in_force(WAS)
            self.file.write_text(another)

    def test_killed_at_any_moment_of_a_save_the_file_is_whole_and_nothing_that_was_set_is_lost(self):
        saved = self.before.replace('"10.20.0.12" }', '"10.20.0.12", admin_state = "offline" }')
        self.assertNotEqual(saved, self.before)
        outcomes = []
        for at, delay in enumerate((0.0, 0.001, 0.002, 0.003, 0.004, 0.006, 0.01, 0.03)):
            self.say("member", "offline", "sip-b")
            asked = subprocess.Popen(
                [self.program, "--socket", str(self.socket), "save"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(delay)
            # The command that writes it, and the appliance that answers it, in turn.
            (asked, self.process)[at % 2].kill()
            asked.wait(PATIENCE)
            text = self.file.read_text()
            self.assertIn(text, (self.before, saved))
            outcomes.append(text == saved)
            self.assertEqual(self.command("check", str(self.file)).returncode, 0)
            self.restart()
            self.assertIn("offline", [row["admin"] for row in self.ask("members") if row["name"] == "sip-b"])
            # What the one that was killed has left is in nobody's way.
            if text == self.before:
                self.say("save")
            self.assertEqual(self.file.read_text(), saved)
            self.file.write_text(self.before)
            self.say("reload")
            self.assertEqual([row["admin"] for row in self.ask("members")].count("offline"), 0)
        self.assertIn(False, outcomes, "each was over before it was killed")

    def test_an_earlier_one_is_shown_and_put_back(self):
        self.write_another()
        self.say("reload")
        first, second = (row[0] for row in self.history())
        self.assertEqual(self.say("history", "show", str(first)), self.before)
        self.assertIn("is the one in force", self.refused("rollback", str(second)))
        self.assertIn("there is no configuration 99", self.refused("rollback", "99"))
        self.say("rollback", str(first))
        self.is_in_force(WAS)
        self.restart()
        self.is_in_force(WAS)

    def test_what_was_excluded_at_run_time_is_saved_and_comments_stay(self):
        self.file.write_text(self.before + "# the last line\n")
        self.say("reload")
        self.say("exclude", "add", "pair-1", "10.99.0.0/16")
        self.assertEqual(len(self.ask("state", "show")), 1)
        self.say("save")
        text = self.file.read_text()
        self.assertIn('"10.99.0.0/16"', text)
        self.assertTrue(text.endswith("# the last line\n"), text)
        self.assertEqual(self.ask("state", "show"), [])
        self.say("member", "offline", "sip-b")
        self.say("save")
        self.assertEqual(self.ask("state", "show"), [])
        text = text.replace('"10.20.0.12" }', '"10.20.0.12", admin_state = "offline" }')
        self.assertEqual(self.file.read_text(), text)
        self.say("member", "drain", "sip-b", "--for", "10m")
        said = " ".join(self.say("save").split())
        self.assertIn("not written: 1 setting below, because the file has no key for forced choices and drains", said)
        self.assertEqual(self.file.read_text(), text)
        self.restart()
        self.say("state", "drop")
        self.assertIn("offline", [row["admin"] for row in self.ask("members")])
        self.assertIn("10.99.0.0/16", self.excluded())
        self.say("exclude", "remove", "pair-1", "10.99.0.0/16")
        self.file.write_text(self.before)
        self.assertIn("fairlead", self.refused("save"), "the file is not the one in force")
        self.assertEqual(self.file.read_text(), self.before)


if __name__ == "__main__":
    unittest.main()
