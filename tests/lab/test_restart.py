"""The appliance's process is killed under calls and started again: what the members hold survives. It is ended by SIGTERM and started
again: what the appliance itself remembers does as well."""

import os
import socket
import sys
import time
import unittest
from pathlib import Path

from lab import sipp
from lab.sniffer import Sniffer, UDP
from standing import Setting, StandingLab, addresses

A = addresses.MEMBERS["sip-a"]
SERVICE = 5070
CALLS, RATE = 300, 50


class Restart(StandingLab):
    setting = Setting(also_listen=(f"tcp/{SERVICE}",))

    def setUp(self):
        self.addCleanup(self.back_to_sip_a)

    def test_s81_service_datagrams_go_on_with_not_one_wrong_translation(self):
        at_switch, at_phone = Sniffer(self.lab, "switch", "appliance"), Sniffer(self.lab, "phone")
        self.addCleanup(at_switch.stop)
        self.addCleanup(at_phone.stop)
        caller = self._calls()
        self._restart("sip-a")
        self._all_complete(caller)
        at_switch.stop(), at_phone.stop()
        inward = {
            (packet.src, packet.src_port, packet.dst, packet.dst_port)
            for packet in at_switch.seen() if packet.protocol == UDP and packet.src != addresses.INNER_SELF
        }
        outward = {(packet.src, packet.src_port, packet.dst_port) for packet in at_phone.seen()}
        self.assertEqual(inward, {(addresses.PHONE, 5060, A, 5060)})
        self.assertEqual(outward, {(addresses.VIP, 5060, 5060)})

    def test_s81_connections_go_on(self):
        """Of each both ends are held; the first one sends while nobody forwards, and again when it is forwarded."""
        gateway = self.listen_in("gateway", addresses.GATEWAY, 9000)
        config = self.listen_in("config", addresses.CONFIG_SERVER, addresses.CONFIG_PORT)
        member, own = self.listen_in("sip-a", A, SERVICE), self.listen_in("sip-a", A, addresses.T_LIB_PORT)
        connections = {
            "a phone's to the virtual server": self.connected("phone", member, addresses.VIP),
            "a T-client's to a member's own port": self.connected("tclient", own, A),
            "a T-client's on which the member speaks first": tuple(reversed(self.connected("tclient", own, A))),
            "a member's to the outside": self.connected("sip-a", gateway, addresses.GATEWAY),
            "a member's to the exclusion group": self.connected("sip-a", config, addresses.CONFIG_SERVER),
        }
        for ends in connections.values():
            self._converse(*ends)
        caller = self._calls()
        self.appliance.kill()
        for first, _ in connections.values():
            first.sendall(b"while nobody forwards")
        self._start_again("sip-a")
        for name, (first, second) in connections.items():
            with self.subTest(name):
                self._expect(second, b"while nobody forwards")
                self._converse(first, second)
        self._all_complete(caller)

    def test_s82_a_restart_while_sip_b_is_active_sends_nothing_to_sip_a(self):
        self.pair.take_over()
        self.appliance.wait_for_active("sip-b")
        caller = self._calls()
        at_a = Sniffer(self.lab, "sip-a")
        self.addCleanup(at_a.stop)
        self._restart("sip-b")
        self._all_complete(caller)
        at_a.stop()
        sources = {packet.src for packet in at_a.seen()} - {addresses.MEMBERS["sip-b"]}
        self.assertEqual(sources, {addresses.INNER_SELF}, "sip-a sees probes, and nothing of a client's")

    def _calls(self) -> sipp.Caller:
        """Calls over UDP for some seconds, of which some have completed."""
        caller = sipp.udp_calls(self.lab, RATE, CALLS)
        self.wait_for_calls(caller, RATE)
        return caller

    def _restart(self, active: str) -> None:
        self.appliance.kill()
        self._start_again(active)

    def _start_again(self, active: str) -> None:
        began = time.monotonic()
        self.appliance.start()
        self.assertEqual(self.appliance.wait_for_active()["name"], active)
        print(f"{active} is active {time.monotonic() - began:.2f} s after the start", file=sys.stderr)

    def _all_complete(self, caller: sipp.Caller) -> None:
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (CALLS, CALLS, 0))

    def _converse(self, first: socket.socket, second: socket.socket) -> None:
        for sender, receiver, text in ((first, second, b"there"), (second, first, b"and back")):
            sender.sendall(text)
            self._expect(receiver, text)

    def _expect(self, receiver: socket.socket, text: bytes) -> None:
        receiver.settimeout(10.0)  # a retransmission may be that late after some seconds of silence
        arrived = b""
        while len(arrived) < len(text):
            piece = receiver.recv(len(text) - len(arrived))
            self.assertTrue(piece, f"closed after {arrived!r}")
            arrived += piece
        self.assertEqual(arrived, text)


LEFT = Path("/dev/shm") / f"fairlead-handover-{os.getpid()}"


class Succession(StandingLab):
    """Each start takes up what the process before has left."""

    setting = Setting(edits=(("[appliance]\n", f'[appliance]\nhandover = "{LEFT}"\n'),))

    @classmethod
    def setUpClass(cls) -> None:
        cls.addClassCleanup(LEFT.unlink, missing_ok=True)  # what the last process leaves
        super().setUpClass()

    def setUp(self):
        self.addCleanup(self.back_to_sip_a)

    def test_s110_calls_and_connections_go_on_over_a_restart(self):
        gateway = self.listen_in("gateway", addresses.GATEWAY, 9000)
        first, second = self.connected("sip-a", gateway, addresses.GATEWAY)
        port = second.getpeername()[1]
        caller = sipp.udp_calls(self.lab, RATE, CALLS)
        self.wait_for_calls(caller, RATE)
        began = time.monotonic()
        self.assertEqual(self.appliance.stop(), 0)
        self.assertIn("event=handover.written", self.appliance.said())
        stopped = time.monotonic()
        self.appliance.start()
        row = self.appliance.wait_for_active("sip-a")
        active = time.monotonic()
        print(f"ended in {stopped - began:.2f} s, sip-a is active {active - stopped:.2f} s after that", file=sys.stderr)
        self.assertEqual(row["name"], "sip-a")
        self.assertIn("event=handover.taken", self.appliance.said())
        for sender, receiver, text in ((first, second, b"there"), (second, first, b"and back")):
            sender.sendall(text)
            receiver.settimeout(10.0)
            self.assertEqual(receiver.recv(len(text)), text)
        self.assertEqual(second.getpeername()[1], port)
        calls = caller.finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (CALLS, CALLS, 0))


if __name__ == "__main__":
    unittest.main()
