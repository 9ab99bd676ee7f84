"""The status page in a real browser, beside an appliance that has switched over: wide and narrow, light and dark, nothing lies over anything
else, no error is reported, and what a server says stays a text."""

import itertools
import os
import unittest
from pathlib import Path

from lab.browser import Browser, Page
from standing import Setting, StandingLab

TARGET = "127.0.0.1:9469"
#: What a standby says of itself.
MARKUP = "<script>taken=1</script><img src=x onerror=taken=1>"
#: Pixels: a phone, a large one, a tablet, a small desk, a desk.
WIDTHS = (360, 390, 768, 1024, 1280)
#: Where pictures are left for people to look at, if anywhere.
PICTURES = os.environ.get("FAIRLEAD_PICTURES")


class StatusPage(StandingLab):
    setting = Setting(
        edits=(('log = "info"\n', f'log = "info"\nmetrics = "{TARGET}"\n'),),
        # What a virtual server's pool has not is an alarm: nobody serves it.
        more='\n[[pool]]\nname = "pair-2"\nmembers = [{ name = "other", address = "10.20.0.77" }]\nmonitors = ["sip-options"]\n'
             '[[virtual_server]]\nname = "sip-2"\naddress = "10.20.0.101"\npool = "pair-2"\nlisten = ["udp/5060"]\n',
    )

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        already = len(cls.appliance.switchovers())
        cls.pair.take_over()
        cls.appliance.wait_for_switchover(already + 1)
        cls.pair.order("sip-a", "standby", words=f"503 {MARKUP}")
        inside = ["ip", "netns", "exec", cls.lab.host("appliance").namespace]
        cls.browser = cls.enterClassContext(Browser(cls.lab.directory, inside))

    def opened(self, width: int, dark: bool = False) -> Page:
        """The page, once it shows something."""
        page = self.browser.page(width, dark)
        self.addCleanup(page.close)
        page.open(f"http://{TARGET}/")
        page.wait_for("document.querySelectorAll('#members tbody tr').length > 0 && document.querySelectorAll('.canvas .curve').length > 3")
        return page

    def test_s171_it_shows_the_switchover_the_alarm_and_who_is_active_and_markup_is_text(self):
        page = self.opened(1280)
        page.wait_for("document.querySelector('#members').textContent.includes('onerror')")
        text = page.text()
        for part in (f"lab-{self.lab.id}", "sip-1", "sip-2", "pair-1: sip-a → sip-b", "until it was found lost", MARKUP, "1 of 2 virtual servers is down"):
            self.assertIn(part, text)
        rows = page.run("[...document.querySelectorAll('#members tbody tr')].map((row) => row.innerText)")
        [active] = [row for row in rows if row.startswith("sip-b")]
        self.assertIn("active", active)
        self.assertIn("critical", page.run("document.querySelector('#alarms').innerText"))
        self.assertEqual(page.run("document.querySelectorAll('main script, main img').length"), 0)
        self.assertEqual(page.run("typeof taken"), "undefined")
        self.assertEqual(page.complaints(), [])

    def test_s171_nothing_lies_over_anything_else_in_any_width_and_colour(self):
        for width, dark in itertools.product(WIDTHS, (False, True)):
            with self.subTest(width=width, dark=dark):
                page = self.opened(width, dark)
                if PICTURES:
                    page.picture(Path(PICTURES) / f"status-{width}-{'dark' if dark else 'light'}.png")
                self.assertEqual(page.faults(), [])
                self.assertEqual(page.complaints(), [])
                ground = page.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
                self.assertEqual(ground < 128, dark)

    def test_s171_it_asks_the_appliance_alone_and_may_run_nothing_that_is_put_in(self):
        page = self.opened(1280)
        self.assertEqual({address.split("?")[0] for address in page.asked_for() if not address.startswith("data:")},
                         {f"http://{TARGET}/", f"http://{TARGET}/status.json"})
        page.run("(() => { const it = document.createElement('script'); try { it.textContent = 'window.taken = 1'; document.body.append(it); } catch {} })()")
        self.assertIsNone(page.run("window.taken"))
        with self.assertRaises(Exception):
            page.run("document.body.innerHTML = '<p>x</p>'")

    def test_s171_who_does_not_see_it_can_read_and_move_in_it(self):
        page = self.opened(390)
        for name in ("Alarms", "Virtual servers", "Pools and members", "Last minutes", "Switchovers", "Dropped frames", "Ports and workers"):
            self.assertIn(name, page.named("heading"))
        self.assertIn("Members by pool", page.named("table"))
        self.assertTrue({"Member", "Role", "State", "Admin"} <= set(page.named("columnheader")), "a table, though laid out as cards")
        self.assertTrue(any(name.startswith("Frames, frames a second, last ten minutes. received ") for name in page.named("image")))
        page.run("document.querySelector('.canvas').focus()")
        self.assertEqual(page.run("document.querySelector('.plot .at').textContent"), "frames a second")
        page.press("ArrowLeft")
        self.assertRegex(page.run("document.querySelector('.plot .at').textContent"), r"^at \d\d:\d\d:\d\d$")

    def test_s171_an_appliance_that_does_not_answer_is_said_and_forgotten_when_it_does(self):
        page = self.opened(1280)
        self.appliance.freeze()
        self.addCleanup(self.appliance.thaw)
        page.wait_for("document.querySelector('#lost').textContent.startsWith('No answer from the appliance')", 30.0)
        self.assertEqual(page.faults(), [])
        self.appliance.thaw()
        page.wait_for("document.querySelector('#lost').textContent === ''", 30.0)


if __name__ == "__main__":
    unittest.main()
