"""A configuration that one appliance of a pair sends to the other: over the connection that both have, into the other process, and back where nobody
confirms it. And what an operator is refused while there is no connection."""

from dataclasses import replace

from lab.twins import BOTH
from twin_pair import OWN, SYNC_PORT, PairLab

#: `fall` of the file, and of another one.
WAS, BECOMES = 5, 6


class Sent(PairLab):
    def setUp(self):
        super().setUp()
        self.active, self.standby = self.by_role()
        self.assertEqual([self.differ(host) for host in BOTH], [False, False])

    def test_s155_what_is_sent_is_in_force_there_and_stays_once_it_is_confirmed(self):
        self.change()
        said = self.both[self.active].show("pair", "push", "--confirm", "60s")
        self.assertIn(f"fall {WAS} \u2192 {BECOMES}", said)
        self.assertIn("`fairlead confirm` there keeps it", said.replace("\n", " "))
        self.wait_for(lambda: not any(self.differ(host) for host in BOTH), 10.0, self.what_was_said)
        cause, text = self.in_force(self.standby)
        self.assertEqual(cause, "pushed")
        self.assertIn(f"fall = {BECOMES}", text)
        for own, other in zip(OWN[self.standby], OWN[self.active]):
            self.assertIn(f'"{own}/24"', text, "what is its own stays")
            self.assertNotIn(f'"{other}/24"', text)
        self.both[self.standby].command("confirm")
        self.assertEqual(self.both[self.standby].command("confirm", check=False).returncode, 1, "nothing waits for it any more")
        self.assertIn(f"fall = {BECOMES}", self.in_force(self.standby)[1])
        self.assertEqual(self.by_role(), (self.active, self.standby))
        # The file there is as it was.
        self.assertIn(f"fall = {WAS}", self.both[self.standby].file.read_text())

    def test_s155_what_nobody_confirms_is_gone_again(self):
        self.change()
        self.both[self.active].command("pair", "push", "--confirm", "2s")
        self.assertIn(f"fall = {BECOMES}", self.in_force(self.standby)[1])
        self.wait_for(lambda: f"fall = {WAS}" in self.in_force(self.standby)[1], 10.0, self.what_was_said)
        self.wait_for(lambda: all(self.differ(host) for host in BOTH), 10.0, self.what_was_said)
        self.assertEqual(self.by_role(), (self.active, self.standby))

    def test_s155_a_standby_s_is_sent_where_it_is_meant_only(self):
        self.assertIn("stands by", self.refused(self.standby, "pair", "push"))
        said = self.both[self.standby].show("pair", "push", "--yes")
        self.assertIn("no difference", said)

    def test_s153_without_a_connection_nothing_is_sent_and_nobody_becomes_active_unawares(self):
        """The standby's kernel has no route to the other one; VRRP, which goes to a group, passes."""
        peer = OWN[self.active][1]
        host = self.lab.host(self.standby)
        host.ip("route", "add", "blackhole", f"{peer}/32")
        delete = lambda: host.run(["ip", "route", "delete", "blackhole", f"{peer}/32"], check=False)
        self.addCleanup(delete)
        self.wait_for(lambda: not any(self.is_connected(host) for host in BOTH), 10.0, self.what_was_said)
        for words in (("pair", "push"), ("pair", "push", "--yes")):
            self.assertIn("there is no connection", self.refused(self.active, *words))
        said = self.refused(self.standby, "pair", "active")
        self.assertIn(f"whether the other appliance is active is not known, as there is no connection to it at {peer}:{SYNC_PORT}", said)
        self.assertIn("`fairlead pair active --yes`", said)
        self.assertEqual(self.by_role(), (self.active, self.standby))
        # keepalived is not asked whether it knows.
        self.daemons[self.active].stop()
        self.addCleanup(self.daemons[self.active].start)
        self.wait_for(lambda: self.role(self.standby) == "active", 10.0, self.what_was_said)
        delete()
        self.wait_for(self.are_in_sync, 30.0, self.what_was_said)
        self.assertEqual(self.by_role(), (self.standby, self.active))

    def change(self) -> None:
        """The active one has another file, and both know that."""
        for host in BOTH:
            self.addCleanup(lambda host=host: self.both[host].reload(self.file_of(host)))
        self.both[self.active].reload(replace(self.file_of(self.active), fall=BECOMES))
        self.wait_for(lambda: all(self.differ(host) for host in BOTH), 10.0, self.what_was_said)

    def differ(self, host: str) -> bool:
        """It has an alarm that the configurations differ."""
        return any("the configurations of the two appliances differ" in alarm for alarm in self.both[host].alarms())

    def in_force(self, host: str) -> tuple[str, str]:
        """By what its configuration came, and its text."""
        (row,) = [row for row in self.both[host].ask("history") if row["in_force"]]
        return row["cause"], self.both[host].show("history", "show", str(row["number"]))

    def is_connected(self, host: str) -> bool:
        """It has a connection to the other one."""
        return (self.pair_report(host).get("link") or {}).get("connected") is not None

    def refused(self, host: str, *words: str) -> str:
        """Why a command is refused there."""
        done = self.both[host].command(*words, check=False)
        self.assertEqual(done.returncode, 1, f"{words}: {done.stdout}")
        return " ".join(done.stderr.split())
