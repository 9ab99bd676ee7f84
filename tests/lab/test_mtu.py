"""A server network whose MTU is below the clients': datagrams are cut for it, or their senders learn what fits."""

import errno
import random
import unittest

from lab import sockets
from lab.appliance import PCAP
from standing import Setting, StandingLab, addresses, digest

A = addresses.MEMBERS["sip-a"]
SERVICE, T_LIB = 5070, 7001
MTU = 1400
#: In one frame outside, with the headers of IP and UDP (28 bytes), and in two towards the servers.
WHOLE_FRAME = 1500 - 28


class ServerMtu(StandingLab):
    setting = Setting(PCAP, server_mtu=MTU, also_listen=(f"udp/{SERVICE}", f"tcp/{SERVICE}"))

    def setUp(self):
        for host in ("phone", "gateway", "tclient"):  # forgets what an earlier test taught it
            self.lab.host(host).ip("route", "flush", "cache")

    def test_s63_datagrams_that_may_be_cut_arrive_whole(self):
        member, visited = self.udp_in("sip-a", A, SERVICE), self.udp_in("sip-a", A, T_LIB)
        for host, at, to, by in (
            ("phone", addresses.PHONE, (addresses.VIP, SERVICE), member),
            ("tclient", addresses.T_CLIENT, (A, T_LIB), visited),
        ):
            sender = self.udp_in(host, at, 6000)
            for size in (WHOLE_FRAME, 4000):
                with self.subTest(host, size=size):
                    payload = random.Random(size).randbytes(size)
                    sender.sendto(payload, to)
                    self.assertEqual(self.received(by), (digest(payload), (at, 6000)))

    def test_s63_a_visitor_who_forbids_cutting_is_told_the_mtu(self):
        said = self.run_in("tclient", "ping", "-n", "-M", "do", "-c", "3", "-i", "0.2", "-s", "1472", A, check=False)
        self.assertIn(f"From {addresses.OUTER_SELF} icmp_seq=1 Frag needed and DF set (mtu = {MTU})", said)
        self.assertIn(" 0 received", said)
        fits = self.run_in("tclient", "ping", "-n", "-M", "do", "-c", "1", "-W", "2", "-s", str(MTU - 28), A)
        self.assertIn(" 1 received", fits)

    def test_a_udp_socket_of_a_phone_discovers_the_mtu(self):
        member = self.udp_in("sip-a", A, SERVICE)
        phone = self.udp_in("phone", addresses.PHONE, 6000, discover=sockets.PMTUDISC_DO)
        phone.connect((addresses.VIP, SERVICE))
        self.assertEqual(sockets.path_mtu(phone), 1500)
        phone.send(b"x" * WHOLE_FRAME)
        with self.assertRaises(OSError) as refused:
            phone.recv(1)
        self.assertEqual(refused.exception.errno, errno.EMSGSIZE)
        self.assertEqual(sockets.path_mtu(phone), MTU)
        phone.send(b"y" * (MTU - 28))
        self.assertEqual(len(member.recv(65535)), MTU - 28)

    def test_tcp_connections_discover_the_mtu_and_carry_what_they_are_given(self):
        for host, to, port in (("gateway", addresses.VIP, SERVICE), ("tclient", A, T_LIB)):
            with self.subTest(host):
                listening = self.listen_in("sip-a", A, port)
                client, member = self.connected(host, listening, to)
                payload = random.Random(port).randbytes(200_000)
                client.sendall(payload)
                arrived = b""
                while len(arrived) < len(payload):
                    arrived += member.recv(65536)
                self.assertEqual(digest(arrived), digest(payload))
                self.assertEqual(sockets.path_mtu(client), MTU)


if __name__ == "__main__":
    unittest.main()
