"""`fairlead top` on a terminal: what an operator sees, types and is left with."""

import os
import re
import signal
import unittest

from standing import StandingLab
from terminal import Terminal

RIGHT_NOW = "--interval=500ms"
#: A control sequence that sets one.
COLOR = r"\x1b\[(38;5;\d|3[0-7])"


class Top(StandingLab):
    def top(self, *words: str, columns: int = 80, rows: int = 24, **environment: str) -> Terminal:
        """Somebody looks at the appliance."""
        terminal = Terminal(columns, rows)
        self.addCleanup(terminal.close)
        socket = str(self.lab.file("admin.sock"))
        terminal.start(self.appliance.program, "--socket", socket, "top", RIGHT_NOW, *words, **environment)
        return terminal

    def test_s107_an_operator_sees_members_and_rates_walks_to_a_member_and_leaves(self):
        top = self.top()
        screen = top.wait_for("worker 0")
        for part in ("1 PORT, WORKER", "2 MEMBER", "3 VIRTUAL SERVER", "4 DROP REASON", "5 LATENCY", "6 EVENT", "sip-1"):
            self.assertIn(part, screen)
        lines = screen.split("\n")
        self.assertEqual((len(lines), max(map(len, lines)) <= 80), (24, True), screen)
        self.assertRegex(screen, r"sip-a +pair-1 +up +active")
        # Probes alone are traffic.
        self.wait_for(lambda: re.search(r"outer +up 10G +[1-9]", top.screen()) is not None, 20.0, top.screen)
        print(f"\n{top.screen()}", flush=True)
        top.type("2" + "\r")
        shown = top.wait_for("PROBED AGO")
        self.assertIn("member sip-a of pool pair-1", shown)
        self.assertIn("200 OK", shown)
        top.type("\x1b")
        top.wait_for("2 MEMBER")
        top.type("?")
        self.assertIn("leave", top.wait_for("lines 1 to"))
        top.type("q")
        self.assertEqual((top.end(), top.is_restored()), (0, True))

    def test_s107_a_lost_appliance_is_said_and_comes_back(self):
        top = self.top()
        top.wait_for("sip-1")
        self.appliance.kill()
        self.assertRegex(top.wait_for("NO ANSWER for"), r"sip-a +pair-1", "the last picture stays")
        self.appliance.start()
        self.wait_for(lambda: "NO ANSWER" not in top.screen(), 20.0)
        self.appliance.wait_for_active("sip-a")
        top.wait_for("active")
        self.assertNotRegex(top.screen(), r" -\d", "no rate is negative")
        top.type("\x03")
        self.assertEqual((top.end(), top.is_restored()), (0, True))

    def test_s107_the_terminal_is_restored_however_it_ends(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                top = self.top()
                top.wait_for("sip-1")
                self.assertFalse(top.is_restored())
                top.process.send_signal(number)
                self.assertEqual((top.end(), top.is_restored()), (0, True))

    def test_s107_any_size_will_do_and_colors_are_left_away_if_asked(self):
        top = self.top(columns=0, rows=0, NO_COLOR="1")
        lines = top.wait_for("sip-1").split("\n")
        self.assertEqual((len(lines), max(map(len, lines)) <= 80), (24, True))
        self.assertNotRegex(top.raw, COLOR)
        top.resize(200, 60)
        os.kill(top.process.pid, signal.SIGWINCH)
        top.wait_for("4 DROP REASON")
        self.wait_for(lambda: any("1 PORT" in line and "4 DROP" in line for line in top.screen().split("\n")))
        colored = self.top()
        colored.wait_for("sip-1")
        self.assertRegex(colored.raw, COLOR)

    def test_s107_a_script_has_one_frame_and_without_a_terminal_it_says_so(self):
        once = self.appliance.show("top", "--once", RIGHT_NOW)
        self.assertRegex(once, r"(?m)^sip-a +pair-1 +up +active")
        self.assertNotIn("\x1b", once)
        for words, hint in ((["top"], "--once"), (["top", "--json"], "--json --watch")):
            refused = self.appliance.command(*words, check=False)
            self.assertEqual((refused.returncode, refused.stdout), (2, ""))
            self.assertIn(hint, refused.stderr)
        nobody = Terminal()
        self.addCleanup(nobody.close)
        nobody.start(self.appliance.program, "--socket", "/nowhere", "top")
        nobody.wait_for("there is no such socket")
        self.assertEqual(nobody.end(), 3)


if __name__ == "__main__":
    unittest.main()
