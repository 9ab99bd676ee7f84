"""Datagrams larger than a frame, made and put together again by real kernels on both sides of the appliance."""

import json
import random
import socket
import unittest

import fragments
from lab import sockets
from lab.appliance import PCAP
from standing import Setting, StandingLab, addresses, digest

A, B = addresses.MEMBERS["sip-a"], addresses.MEMBERS["sip-b"]
#: A service port with no SIP Server on it: the test holds both ends.
SERVICE = 5070
#: In three fragments, and the largest there is (RFC 768: 65,535 less both headers), in forty-five.
SIZES = (4000, 65507)


class Pings(StandingLab):
    """`ping -s 60000`: 41 fragments there, 41 back."""

    setting = Setting(PCAP)

    def test_a_member_pings_the_outside(self):
        self._ping("sip-a", addresses.GATEWAY)

    def test_a_visitor_pings_a_member(self):
        self._ping("tclient", B)

    def test_a_phone_pings_the_virtual_server(self):
        self._ping("phone", addresses.VIP)

    def test_a_member_pings_its_default_gateway(self):
        self._ping("sip-a", addresses.INNER_SELF)

    def _ping(self, host: str, to: str) -> None:
        said = self.run_in(host, "ping", "-n", "-c", "3", "-i", "0.2", "-W", "2", "-s", "60000", to, check=False)
        self.assertIn(" 3 received", said)


class Streams(StandingLab):
    """iperf3 with datagrams of 8,000 bytes, six fragments each, 10 megabits a second for a second."""

    setting = Setting(PCAP)

    def test_a_member_and_the_outside(self):
        for more in ((), ("-R",)):
            with self.subTest(more):
                self._iperf("sip-a", "gateway", addresses.GATEWAY, *more)

    def test_a_visitor_and_a_member(self):
        for more in ((), ("-R",)):
            with self.subTest(more):
                self._iperf("tclient", "sip-b", B, *more)

    def _iperf(self, client: str, server: str, to: str, *more: str) -> None:
        self.start_in(server, "iperf3", "-s", "-1", "-p", "5201")
        self.wait_until_it_listens(server, 5201)
        stream = ["iperf3", "-J", "-u", "-b", "10M", "-l", "8000", "-t", "1", "-p", "5201"]
        said = self.run_in(client, *stream, "-c", to, *more, check=False)
        report, _ = json.JSONDecoder().raw_decode(said)  # an error message may follow
        arrived = report["end"]["sum_received"]
        # How many is for the receiver to say: its buffer holds a tenth of a second, and it may be kept from its core.
        self.assertGreater(arrived["packets"], arrived["lost_packets"], f"dropped so far: {self.dropped()}")


class Datagrams(StandingLab):
    setting = Setting(PCAP, also_listen=(f"udp/{SERVICE}",))

    def test_s65_large_datagrams_pass_the_service_port_both_ways(self):
        phone, member = self.udp_in("phone", addresses.PHONE, 6000), self.udp_in("sip-a", A, SERVICE)
        for size in SIZES:
            with self.subTest(size):
                self._there_and_back(phone, (addresses.VIP, SERVICE), member, (addresses.PHONE, 6000), size)

    def test_large_datagrams_of_a_member_pass_outward_and_their_answers_back(self):
        gateway, member = self.udp_in("gateway", addresses.GATEWAY, 9000), self.udp_in("sip-b", B, 41000)
        for size in SIZES:
            with self.subTest(size):
                self._there_and_back(member, (addresses.GATEWAY, 9000), gateway, (addresses.VIP, 41000), size)

    def test_large_datagrams_pass_untranslated_to_a_member(self):
        visitor, member = self.udp_in("tclient", addresses.T_CLIENT, 6000), self.udp_in("sip-b", B, 9000)
        for size in SIZES:
            with self.subTest(size):
                self._there_and_back(visitor, (B, 9000), member, (addresses.T_CLIENT, 6000), size)

    def test_s66_fragments_in_any_order_and_twice_arrive_as_one_datagram(self):
        member, source = self.udp_in("sip-a", A, SERVICE), (addresses.PHONE, 6001)
        with sockets.raw(self.lab.host("phone")) as phone:
            for seed in range(12):
                payload = random.Random(seed).randbytes(4000)
                whole = fragments.udp_datagram(source, (addresses.VIP, SERVICE), payload)
                pieces = fragments.cut(source[0], addresses.VIP, 7000 + seed, whole)
                random.Random(seed).shuffle(pieces)
                for piece in pieces if seed % 3 else [pieces[0], *pieces]:
                    phone.sendto(piece, (addresses.VIP, 0))
                self.assertEqual(self.received(member), (digest(payload), source), f"seed {seed}")

    def test_s70_both_members_send_fragments_of_one_identification_to_one_host(self):
        """As the members know nothing of each other, both may use an identification at the same time."""
        gateway = self.udp_in("gateway", addresses.GATEWAY, 9001)
        raws = {at: self.enterContext(sockets.raw(self.lab.host(name))) for name, at in addresses.MEMBERS.items()}
        for identification in range(100, 120):
            sent = {at: random.Random(f"{at} {identification}").randbytes(5000) for at in raws}
            cut = [
                fragments.cut(at, addresses.GATEWAY, identification, fragments.udp_datagram(
                    (at, port), (addresses.GATEWAY, 9001), sent[at],
                ))
                for at, port in ((A, 42001), (B, 42002))
            ]
            for pieces in zip(*cut):  # a fragment of one, a fragment of the other
                for raw, piece in zip(raws.values(), pieces):
                    raw.sendto(piece, (addresses.GATEWAY, 0))
            arrived = {self.received(gateway) for _ in raws}
            self.assertEqual(arrived, {
                (digest(sent[A]), (addresses.VIP, 42001)), (digest(sent[B]), (addresses.VIP, 42002)),
            })

    def _there_and_back(self, asker: socket.socket, to: tuple, answerer: socket.socket, seen: tuple, size: int) -> None:
        """A datagram arrives from `seen`, and another goes back, both of `size` bytes."""
        question, answer = random.Random(size).randbytes(size), random.Random(-size).randbytes(size)
        asker.sendto(question, to)
        self.assertEqual(self.received(answerer), (digest(question), seen))
        answerer.sendto(answer, seen)
        self.assertEqual(self.received(asker), (digest(answer), to))


if __name__ == "__main__":
    unittest.main()
