"""What happens is an event, a line of the log, and given to a program; alarms are raised, acknowledged and cleared; all over a restart.
A program that hangs holds nothing up, and the socket for looking on changes nothing."""

import json
import os
import signal
import subprocess
import threading
import time
import unittest

from bare import PATIENCE, Bare

#: Writes down what it is given, or sleeps for longer than it may.
NOTIFIED = """#!/bin/sh
[ -e "{directory}/hang" ] && exec sleep 60
[ -e "{directory}/fail" ] && echo "no route" && exit 3
cat >>"{directory}/given"
"""


class Events(Bare):
    def setUp(self):
        super().setUp()
        # The program is run as nobody.
        self.directory.chmod(0o755)
        self.given = self.directory / "given"
        self.given.mkdir()
        self.given.chmod(0o777)
        self.tell = self.directory / "tell"
        self.tell.write_text(NOTIFIED.format(directory=self.given))
        self.tell.chmod(0o755)
        self.read_only = self.directory / "ro.sock"
        self.log = self.directory / "log"
        self.process = None

    def configure(self, more: str = "") -> None:
        notify = f'[notify]\ncommand = ["{self.tell}"]\ntimeout = "1s"\n'
        events = 'events = ["switchover", "alarm.raised", "alarm.cleared"]\n'
        self.write(("[cores]\n", f"{notify}{events}[cores]\n"), appliance=f'admin_socket_ro = "{self.read_only}"\n{more}')

    def run_it(self) -> None:
        with self.log.open("a") as stderr:
            self.process = self.start(stderr)

    def end(self, how: int) -> None:
        self.process.send_signal(how)
        self.process.wait(PATIENCE)

    def events(self, *words: str) -> list[dict]:
        return self.ask("events", *words)

    def heard(self) -> list[dict]:
        """What the program was given."""
        given = self.given / "given"
        return [json.loads(line) for line in given.read_text().splitlines()] if given.exists() else []

    def alarm(self, code: str) -> dict | None:
        return next((row for row in self.ask("alarms") if row["code"] == code), None)

    def test_a_switchover_and_an_alarm_are_seen_everywhere_and_outlive_a_restart(self):
        self.configure()
        self.run_it()
        self.assertEqual(self.command("pool", "force", "pair-1", "sip-b").returncode, 0)
        self.wait_for(lambda: self.alarm("pool.active-down"), "no alarm that the forced member is down")
        alarm = self.alarm("pool.active-down")
        self.assertEqual((alarm["severity"], alarm["pool"]), ("critical", "pair-1"))
        (switchover,) = [row for row in self.events("--event", "switchover") if row.get("to") == "sip-b"]
        self.assertEqual((switchover["pool"], switchover["cause"]), ("pair-1", "operator"))
        (forced,) = self.events("--event", "pool.forced")
        self.assertEqual(forced["by_uid"], os.getuid())
        self.wait_for(lambda: " event=switchover pool=pair-1 to=sip-b cause=operator" in self.log.read_text(), "no line")
        self.wait_for(lambda: any(row["number"] == switchover["number"] for row in self.heard()), "nobody is notified")
        self.wait_for(lambda: any(row.get("alarm_id") == alarm["id"] for row in self.heard()), "nobody is notified of the alarm")
        self.assertEqual(next(row for row in self.heard() if row["number"] == switchover["number"]), switchover)

        check = self.command("alarms", "--check")
        self.assertEqual((check.returncode, check.stdout.split(":")[0]), (2, "CRITICAL"))
        done = self.command("alarms", "acknowledge", str(alarm["id"]), "--comment", "it is being mended")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.alarm("pool.active-down")["acknowledged"]["comment"], "it is being mended")
        time.sleep(1.2)  # they are saved once a second
        before = self.events()
        self.end(signal.SIGKILL)
        self.run_it()
        after = self.events()
        self.assertEqual(after[: len(before)], before)
        self.assertIn(switchover["time"], [row["time"] for row in self.ask("switchovers")])
        self.wait_for(lambda: self.alarm("pool.active-down") or self.alarm("pool.no-member"), "no alarm any more")

        self.assertEqual(self.command("pool", "auto", "pair-1").returncode, 0)
        self.wait_for(lambda: not self.alarm("pool.active-down"), "the alarm stays")
        self.wait_for(lambda: [row for row in self.heard() if row["event"] == "alarm.cleared"], "nobody is notified of the end")
        self.end(signal.SIGTERM)
        self.run_it()
        self.assertIn("stop", [row["event"] for row in self.events()], "the last event is saved at the end")
        kept = self.directory / "state" / "events.json"
        self.end(signal.SIGTERM)
        kept.write_text("{")
        self.run_it()
        self.wait_for(lambda: (kept.with_name("events.json.unread")).exists(), "the broken file is not moved aside")
        self.assertIn("events.json cannot be used: it is damaged", self.log.read_text())

    def test_a_program_that_hangs_or_fails_holds_nothing_up(self):
        self.configure()
        (self.given / "hang").touch()
        self.run_it()
        for at in range(120):
            began = time.monotonic()
            self.assertEqual(self.command("pool", "force", "pair-1", "sip-a" if at % 2 else "sip-b").returncode, 0)
            self.assertLess(time.monotonic() - began, 10.0)
        self.wait_for(lambda: self.alarm("notify.failing"), "no alarm that it fails")
        self.assertIn("took longer than 1 s and was killed", self.alarm("notify.failing")["message"])
        self.wait_for(lambda: self.counter("notify_dropped"), "no event finds the queue full")
        self.assertTrue(self.alarm("notify.overflow"))
        (self.given / "hang").unlink()
        (self.given / "fail").touch()
        failed = self.counter("notify_failed")
        self.wait_for(lambda: self.counter("notify_failed") > failed + 3, "it does not fail")
        self.assertIn("exit status 3: no route", self.alarm("notify.failing")["message"])
        (self.given / "fail").unlink()
        self.wait_for(lambda: not self.alarm("notify.failing"), "the alarm stays")
        self.assertTrue(self.heard())

    def test_who_follows_reads_each_event_at_once_and_who_does_not_read_holds_nothing_up(self):
        self.configure()
        self.run_it()
        command = [self.program, "--socket", str(self.socket), "events", "--follow", "--json"]
        sleeper = subprocess.Popen(command, stdout=subprocess.PIPE)
        follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for process in (sleeper, follower):
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(map(json.loads, follower.stdout)))
        reader.start()
        time.sleep(1.0)  # they have asked where it begins
        os.kill(sleeper.pid, signal.SIGSTOP)
        for at in range(200):
            level = ("info", "debug")[at % 2]
            self.assertEqual(self.ask("log", "level", level)["level"], level)
        self.wait_for(lambda: len([row for row in seen if row.get("event") == "log.level"]) >= 199, "not all are seen")
        follower.kill()
        reader.join()
        numbers = [row["number"] for row in seen]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))), "each once, in order")

    def test_the_second_socket_changes_nothing(self):
        self.configure()
        self.run_it()

        def look(*words: str) -> subprocess.CompletedProcess:
            command = [self.program, "--socket", str(self.read_only), *words]
            return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)

        self.assertEqual(self.read_only.stat().st_mode & 0o777, 0o660)
        for words in (("status",), ("alarms",), ("events",), ("log", "level"), ("latency",)):
            self.assertEqual(look(*words).returncode, 0, words)
        changes = (
            ("pool", "force", "pair-1", "sip-a"),
            ("member", "drain", "sip-a"),
            ("log", "level", "debug"),
            ("latency", "--reset"),
            ("reload",),
            ("state", "drop"),
            ("alarms", "acknowledge", "1"),
            ("announce",),
            # All workers look at all of their flows for it.
            ("diff",),
        )
        for words in changes:
            refused = look(*words)
            self.assertEqual(refused.returncode, 1, words)
            self.assertIn(f"ask at {self.socket}", refused.stderr, words)
        self.assertEqual(self.ask("log", "level"), {"level": "info", "file": "info"})
        self.assertEqual(self.ask("state", "show"), [])

    def test_the_log_as_json_is_an_event_a_line(self):
        self.configure('log_format = "json"')
        self.run_it()
        self.assertEqual(self.command("pool", "force", "pair-1", "sip-b").returncode, 0)
        self.wait_for(lambda: self.alarm("pool.active-down"), "no alarm that the forced member is down")
        self.end(signal.SIGTERM)
        rows = [json.loads(line) for line in self.log.read_text().splitlines()]
        names = [row["event"] for row in rows]
        for name in ("start", "pool.forced", "switchover", "alarm.raised", "stop"):
            self.assertIn(name, names)
        self.assertTrue(all(row["level"] in ("error", "warn", "info") and row["message"] for row in rows))


if __name__ == "__main__":
    unittest.main()
