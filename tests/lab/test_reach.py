"""Who can be reached from where: ping, traceroute, and errors that find their way back."""

import re
import unittest

from standing import StandingLab, addresses

CONNECTED = """
import socket, sys
phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
phone.settimeout(10)
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

    def test_s61_a_visitor_traces_the_route_to_the_virtual_server(self):
        self.assertEqual(self._hops("tclient", addresses.VIP), ["172.16.7.1", addresses.VIP])

    def test_s36_a_visitor_of_a_member_without_a_link_is_told_that_it_is_unreachable(self):
        self.addCleanup(self.lab.plug_cable, "sip-b")
        self.lab.pull_cable("sip-b")
        unreachable = re.compile(rf"From {re.escape(addresses.OUTER_SELF)} icmp_seq=\d+ Destination Host Unreachable")
        ping = self.start_in("tclient", "ping", "-n", "-i", "0.2", "-W", "1", addresses.MEMBERS["sip-b"])
        self.wait_for(lambda: bool(unreachable.search(ping.said())), 30.0, ping.said)
        self.lab.plug_cable("sip-b")
        back = f"bytes from {addresses.MEMBERS['sip-b']}: icmp_seq="
        self.wait_for(lambda: back in ping.said(), 30.0, ping.said)

    def test_s77_the_next_packet_goes_to_the_new_mac_of_the_router_or_of_a_member(self):
        """As a router does that takes over an address (VRRP): a gratuitous ARP says so."""
        for host, interface, mac in (("router", "outer", "02:00:00:00:77:01"), ("sip-a", "eth0", "02:00:00:00:77:02")):
            with self.subTest(host):
                self._ping_a_member_out(3)
                self.lab.host(host).sysctl(f"net.ipv4.conf.{interface}.arp_notify", "1")
                self.lab.host(host).ip("link", "set", interface, "address", mac)
                self.wait_for(lambda: mac in self.appliance.show("neighbours"), 5.0, lambda: f"{mac} was not learnt")
                self._ping_a_member_out(3)

    def _ping_a_member_out(self, count: int) -> None:
        """Not one of them may be lost."""
        said = self.run_in("sip-a", "ping", "-n", "-c", str(count), "-i", "0.2", "-W", "1", addresses.GATEWAY)
        self.assertIn(f" {count} received", said)

    def test_a_connected_socket_of_the_phone_is_refused_when_the_port_closes(self):
        self.addCleanup(self.back_to_sip_a)
        self.pair.order("sip-a", "backup")
        # As soon as the gap is over in which the other member might have taken it.
        self.assertEqual(self.python_in("phone", CONNECTED, addresses.VIP), "ConnectionRefusedError")

    def _hops(self, host: str, to: str, *how: str) -> list[str]:
        said = self.run_in(host, "traceroute", "-n", "-q", "1", "-w", "2", "-m", "6", *how, to)
        return re.findall(r"^ *\d+ +(\S+)", said, re.MULTILINE)


if __name__ == "__main__":
    unittest.main()
