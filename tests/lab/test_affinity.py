"""Two Kamailios ping one gateway: each gets the answers to its own requests, and new calls go to the active one."""

import re
import socket
import threading
import time
import unittest

from lab import addresses, kamailio, sockets
from lab.appliance import Appliance
from lab.sniffer import Sniffer
from lab.topology import Lab

GATEWAY = (addresses.GATEWAY, 6200)
#: The gateway thinks for so long before it answers: meanwhile the other member asks.
THINKS = 0.15
CALL = (
    "INVITE sip:someone@{vip} SIP/2.0\r\nVia: SIP/2.0/UDP {gateway}:6200;branch=z9hG4bKcall{number}\r\n"
    "From: <sip:gateway@lab.example>;tag=g{number}\r\nTo: <sip:someone@{vip}>\r\nCall-ID: call-{number}\r\n"
    "CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:gateway@{gateway}:6200>\r\nContent-Length: 0\r\n\r\n"
)


class Gateway(threading.Thread):
    """Answers OPTIONS a while after they came, and calls the virtual address."""

    def __init__(self, bound: socket.socket):
        super().__init__(daemon=True)
        self.socket = bound
        #: The branches of the requests of each member.
        self.asked: dict[str, set[str]] = {}
        #: The reasons with which calls were refused: the names of the members that took them.
        self.refused: list[str] = []
        self.sources: set[tuple[str, int]] = set()
        self.ends = threading.Event()
        self._due: list[tuple[float, bytes]] = []

    def run(self) -> None:
        self.socket.settimeout(0.02)
        while not self.ends.is_set():
            try:
                payload, source = self.socket.recvfrom(65535)
                self._take(payload.decode(errors="replace"), source)
            except TimeoutError:
                pass
            while self._due and self._due[0][0] <= time.monotonic():
                self.socket.sendto(self._due.pop(0)[1], (addresses.VIP, addresses.SIP_PORT))

    def call(self, number: int) -> None:
        text = CALL.format(vip=addresses.VIP, gateway=addresses.GATEWAY, number=number)
        self.socket.sendto(text.encode(), (addresses.VIP, addresses.SIP_PORT))

    def _take(self, text: str, source: tuple[str, int]) -> None:
        self.sources.add(source)
        if text.startswith("SIP/2.0 480 "):
            self.refused.append(text.splitlines()[0].removeprefix("SIP/2.0 480 "))
        if not text.startswith("OPTIONS "):
            return
        member = re.search(r"^From: <sip:([^@]*)@", text, re.MULTILINE)[1]
        self.asked.setdefault(member, set()).add(re.search(r";branch=([^;\s]*)", text)[1])
        kept = [line for line in text.splitlines() if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
        answer = "\r\n".join([f"SIP/2.0 200 for {member}", *kept, "Content-Length: 0", "", ""])
        self._due.append((time.monotonic() + THINKS, answer.encode()))


class Affinity(unittest.TestCase):
    """A lab of its own for each test: what the members write into Via differs."""

    def lay_out(self, advertised: dict[str, str]) -> None:
        self.lab = self.enterContext(Lab())
        self.gateway = Gateway(self.enterContext(sockets.udp(self.lab.host("gateway"), *GATEWAY)))
        self.members = {"sip-a": kamailio.start(self.lab, "sip-a", GATEWAY, advertised["sip-a"])}
        self.appliance = Appliance(self.lab)
        self.appliance.start()
        self.appliance.wait_for_active("sip-a", 60.0)
        self.members["sip-b"] = kamailio.start(self.lab, "sip-b", GATEWAY, advertised["sip-b"])
        self.appliance.wait_for_state("sip-b", "up", 60.0)
        self.sniffers = {member: Sniffer(self.lab, member) for member in addresses.MEMBERS}
        self.gateway.start()
        self.addCleanup(self.gateway.join)
        self.addCleanup(self.gateway.ends.set)

    def each_is_answered(self) -> None:
        deadline = time.monotonic() + 60.0
        number = 0
        pings = lambda: min(len(self.gateway.asked.get(member, ())) for member in addresses.MEMBERS)
        while pings() < 8:
            self.assertLess(time.monotonic(), deadline, f"{self.gateway.asked}")
            number += 1
            self.gateway.call(number)
            time.sleep(0.1)
        time.sleep(1.0)
        self.assertEqual(self.gateway.sources, {(addresses.VIP, addresses.SIP_PORT)})
        for member, sniffer in self.sniffers.items():
            sniffer.stop()
            answers = [seen.start for seen in sniffer.seen() if seen.src == addresses.GATEWAY and " 200 " in seen.start]
            self.assertEqual(set(answers), {f"SIP/2.0 200 for {member}"})
            self.assertGreaterEqual(len(answers), 8)
        self.assertEqual(set(self.gateway.refused), {"sip-a"}, "new calls are the active member's")
        self.assertGreaterEqual(len(self.gateway.refused), number // 2)
        self.assertGreaterEqual(self.appliance.counters()["event_speaker_answered"], 8)

    def test_s20_by_the_address_in_via(self):
        self.lay_out(dict(addresses.MEMBERS))
        self.each_is_answered()

    def test_s20_by_the_branch_where_both_write_the_virtual_address(self):
        self.lay_out(dict.fromkeys(addresses.MEMBERS, addresses.VIP))
        self.each_is_answered()


if __name__ == "__main__":
    unittest.main()
