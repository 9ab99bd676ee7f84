"""Who can be reached from where: ping, traceroute, and errors that find their way back."""

import re
import unittest

from standing import StandingLab, addresses

CONNECTED = """
import socket, sys
phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
phone.settimeout(2)
phone.connect((sys.argv[1], 5060))
phone.send(b"OPTIONS")
try:
    print(phone.recv(100))
except OSError as error:
    print(type(error).__name__)
"""


class Reach(StandingLab):
    def test_a_visitor_pings_both_members_and_the_virtual_server(self):
        for address in (*addresses.MEMBERS.values(), addresses.VIP):
            with self.subTest(address):
                said = self.run_in("tclient", "ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", address)
                self.assertEqual(said.count(f"bytes from {address}: icmp_seq="), 3, said)

    def test_both_members_ping_the_same_host_with_the_same_identifier(self):
        ping = ["ping", "-n", "-e", "77", "-c", "5", "-i", "0.2", "-W", "1", addresses.GATEWAY]
        other = self.start_in("sip-b", *ping)
        self.assertIn("5 received", self.run_in("sip-a", *ping))
        self.assertEqual(other.wait(10.0), 0, other.said())

    def test_a_member_pings_its_default_gateway(self):
        said = self.run_in("sip-b", "ping", "-n", "-c", "1", "-W", "1", addresses.INNER_SELF)
        self.assertIn(f"from {addresses.INNER_SELF}: icmp_seq=1 ttl=64", said)

    def test_a_member_traces_the_route_to_the_gateway(self):
        for how in ((), ("-I",)):
            with self.subTest(how):
                self.assertEqual(
                    self._hops("sip-a", addresses.GATEWAY, *how),
                    [addresses.INNER_SELF, addresses.ROUTER, addresses.GATEWAY],
                )

    def test_a_visitor_traces_the_route_to_a_member(self):
        hops = self._hops("tclient", addresses.MEMBERS["sip-b"])
        self.assertEqual(hops, ["172.16.7.1", addresses.OUTER_SELF, addresses.MEMBERS["sip-b"]])

    def test_a_connected_socket_of_the_phone_is_refused_when_the_port_closes(self):
        self.addCleanup(self.back_to_sip_a)
        self.pair.order("sip-a", "backup")
        self.assertEqual(self.python_in("phone", CONNECTED, addresses.VIP), "ConnectionRefusedError")

    def _hops(self, host: str, to: str, *how: str) -> list[str]:
        said = self.run_in(host, "traceroute", "-n", "-q", "1", "-w", "2", "-m", "6", *how, to)
        return re.findall(r"^ *\d+ +(\S+)", said, re.MULTILINE)


if __name__ == "__main__":
    unittest.main()
