"""Calls of real SIP clients while the active member changes."""

import time
import unittest

from lab import sipp
from lab.sniffer import TCP, Sniffer
from standing import Setting, StandingLab, addresses

FIN, RST = 0x01, 0x04
SERVICE = (addresses.VIP, addresses.SIP_PORT)


def asks(call: str) -> bytes:
    """A client's OPTIONS, with a transaction and a Call-ID of its own."""
    fields = [
        f"OPTIONS sip:{addresses.VIP} SIP/2.0",
        f"Via: SIP/2.0/UDP {addresses.PHONE}:5099;branch=z9hG4bK{call}",
        "From: <sip:phone>;tag=1",
        f"To: <sip:{addresses.VIP}>",
        f"Call-ID: {call}",
        "CSeq: 1 OPTIONS",
        "Max-Forwards: 70",
        "Content-Length: 0",
    ]
    return ("\r\n".join(fields) + "\r\n\r\n").encode()


class Switchover(StandingLab):
    setting = Setting(fall=2)

    def setUp(self):
        self.addCleanup(self.back_to_sip_a)
        self.already = len(self.appliance.switchovers())

    def test_every_udp_call_outlives_the_closing_of_the_port(self):
        caller = sipp.udp_calls(self.lab, rate=100, count=700)
        time.sleep(3.0)
        self.pair.take_over()
        done = self.appliance.wait_for_switchover(self.already + 1)
        calls = caller.finish(60.0)
        self.assertEqual((done.source, done.target), ("sip-a", "sip-b"))
        # How soon is a matter of the appliance's own time, which the scenarios have (18): here others may keep it from its core.
        self.assertGreater(done.detection_ms, 0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (700, 700, 0))

    def test_every_udp_call_outlives_a_pulled_cable(self):
        self.addCleanup(self.lab.plug_cable, "sip-a")
        caller = sipp.udp_calls(self.lab, rate=100, count=700)
        time.sleep(3.0)
        self.lab.pull_cable("sip-a")
        self.pair.take_over()
        done = self.appliance.wait_for_switchover(self.already + 1)
        self.assertEqual(done.target, "sip-b")
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (700, 700, 0))

    def test_tcp_calls_reach_the_new_member(self):
        caller = sipp.tcp_calls(self.lab, rate=10)
        time.sleep(3.0)
        self.pair.take_over()
        done = self.appliance.wait_for_switchover(self.already + 1)
        time.sleep(4.0)
        caller.finish(20.0)
        after = [each for each in caller.rounds() if each.began > done.installed_at + 0.1]
        self.assertGreaterEqual(len(after), 2)
        self.assertEqual([each.completed for each in after], [10] * len(after))

    def test_s90_every_udp_call_outlives_the_killing_of_the_primary(self):
        caller = sipp.udp_calls(self.lab, rate=100, count=600)
        self.wait_for_calls(caller, 150)
        self.pair.kill_primary()
        done = self.appliance.wait_for_switchover(self.already + 1)
        self.assertEqual((done.source, done.target), ("sip-a", "sip-b"))
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (600, 600, 0))

    def test_s22_the_request_of_a_client_that_believes_icmp_is_answered_by_the_next_active_member(self):
        asked = []
        ask = ["sip-options", "--all", f"sip:{addresses.VIP}:{addresses.SIP_PORT}"]
        self.pair.kill_primary(gap=0.3, then=lambda: asked.append(self.start_in("phone", *ask)))
        self.appliance.wait_for_switchover(self.already + 1)
        asked[0].wait(20.0)
        said = asked[0].said()
        self.assertIn("200", said)
        self.assertNotIn("SIP/2.0 503", said)
        self.assertGreater(self.appliance.counters().get("drop_unreachable_superseded", 0), 0, "nothing was held")

    def test_s91_requests_of_clients_that_repeat_nothing_are_answered_by_the_next_active_member(self):
        phone = self.udp_in("phone", addresses.PHONE, 5099)
        before = self.appliance.counters().get("redelivery_delivered", 0)
        calls = [f"{self.already}-{number}" for number in range(5)]
        self.pair.kill_primary(gap=0.3, then=lambda: [phone.sendto(asks(call), SERVICE) for call in calls])
        answered = []
        while len(answered) < len(calls):
            datagram, source = phone.recvfrom(4000)
            self.assertEqual(source, SERVICE)
            answered.append(datagram.decode())
        self.assertEqual({text.split("\r\n")[0] for text in answered}, {"SIP/2.0 200 OK"})
        self.assertEqual(sorted(call for call in calls for text in answered if f"Call-ID: {call}\r\n" in text), calls)
        phone.settimeout(1.0)
        self.assertRaises(TimeoutError, phone.recvfrom, 4000)
        done = self.appliance.wait_for_switchover(self.already + 1)
        self.assertEqual((done.source, done.target), ("sip-a", "sip-b"))
        self.assertEqual(self.appliance.counters()["redelivery_delivered"] - before, len(calls))

    def test_s90_tcp_clients_of_the_killed_primary_are_reset_and_reach_the_new_one(self):
        at_phone = Sniffer(self.lab, "phone")
        self.addCleanup(at_phone.stop)
        caller = sipp.tcp_calls(self.lab, rate=10)
        self._wait_for_rounds(caller, 0.0, 1)
        killed = time.time()
        self.pair.kill_primary()
        done = self.appliance.wait_for_switchover(self.already + 1)
        self._wait_for_rounds(caller, done.installed_at + 0.1, 2)
        caller.finish(20.0)
        at_phone.stop()
        ended = [seen for seen in at_phone.seen() if seen.protocol == TCP and seen.flags & (RST | FIN)]
        self.assertTrue([seen for seen in ended if killed < seen.time < done.installed_at + 1.0], "nobody was reset")
        after = [each for each in caller.rounds() if each.began > done.installed_at + 0.1]
        self.assertEqual([each.completed for each in after], [10] * len(after))

    def _wait_for_rounds(self, caller: sipp.StreamCaller, since: float, count: int) -> None:
        """Waits for the end of that many rounds that began after a moment."""
        ended = lambda: sum(each.began > since for each in caller.rounds())
        self.wait_for(lambda: ended() >= count, 20.0, lambda: f"{caller.rounds()}")

    def test_the_operator_forces_a_member_and_gives_the_choice_back(self):
        self.pair.order("sip-b", "primary")
        self.appliance.wait_for_state("sip-b", "up")
        self.addCleanup(self.appliance.command, "pool", "auto", "pair-1", check=False)
        self.appliance.command("pool", "force", "pair-1", "sip-b")
        self.assertEqual(self.appliance.wait_for_active("sip-b")["address"], addresses.MEMBERS["sip-b"])
        self.appliance.command("pool", "auto", "pair-1")
        self.assertEqual(self.appliance.wait_for_active()["name"], "sip-b", "no failback by itself")

    def test_members_that_both_answer_keep_the_active_one(self):
        self.pair.order("sip-b", "primary")
        self.appliance.wait_for_state("sip-b", "up")
        self.assertEqual(self.appliance.wait_for_active()["name"], "sip-a")
        self.assertTrue(self.appliance.ask("status")["alarms"])


if __name__ == "__main__":
    unittest.main()
