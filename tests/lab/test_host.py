"""The kernel's devices beside the data path: what is sent to the box reaches its kernel, what the box sends leaves, and a flood of it
costs nobody else anything."""

import json
import socket
import struct
import sys
import time
import unittest

from standing import Setting, StandingLab, addresses, sockets

#: A few, so that a flood of Python's is one.
LIMIT = 300
ROUTERS = "224.0.0.5"
OSPF = 89
#: linux/in.h and linux/errqueue.h, which Python does not name, and RFC 792's type and code of a hop limit that was reached.
IP_RECVERR, SO_EE_ORIGIN_ICMP, TIME_EXCEEDED = 11, 2, (11, 0)

#: Many times what the kernel may get, and what the cores of a lab can still carry beside everything else; for so many seconds.
FLOOD = """
import socket, sys, time
flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + float(sys.argv[3])
count = 0
while time.monotonic() < end:
    for _ in range(10):
        flood.sendto(b"x" * 64, (sys.argv[1], int(sys.argv[2])))
        count += 1
    time.sleep(0.002)
print(count)
"""

#: Asks who has an address, and counts who answers within a second.
WHO_HAS = """
import socket, struct, sys, time
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
link.bind((sys.argv[1], 0))
mac, own, wanted = link.getsockname()[4], socket.inet_aton(sys.argv[2]), socket.inet_aton(sys.argv[3])
link.send(b"\\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac + own + bytes(6) + wanted)
link.settimeout(0.2)
answers, end = [], time.monotonic() + 1
while time.monotonic() < end:
    try:
        frame = link.recv(100)
    except TimeoutError:
        continue
    if frame[20:22] == b"\\x00\\x02" and frame[28:32] == wanted:
        answers.append(frame[22:28].hex(":"))
print(" ".join(answers))
"""


def device(name: str, *further: str) -> str:
    """The interface's addresses, and its device."""
    listed = {"fl-clients": addresses.OUTER_SELF, "fl-servers": addresses.INNER_SELF}[name]
    return "addresses = " + json.dumps([f"{listed}/24", *further]) + f'\nhost = "{name}"\n'


class HostDevices(StandingLab):
    setting = Setting(
        edits=(
            (f'addresses = ["{addresses.OUTER_SELF}/24"]\n', device("fl-clients", "198.51.100.0/31")),
            (f'addresses = ["{addresses.INNER_SELF}/24"]\n', device("fl-servers")),
        ),
        more=f"\n[limits]\nhost_packets_per_second = {LIMIT}\n",
    )

    def setUp(self):
        super().setUp()
        # As an operator would, or a routing daemon; a device that is made anew has no routes.
        self.lab.host("appliance").ip("route", "replace", "default", "via", addresses.ROUTER)

    def links(self) -> dict[str, dict]:
        """The appliance's devices, by name."""
        said = json.loads(self.run_in("appliance", "ip", "-json", "address", "show"))
        return {link["ifname"]: link for link in said}

    def test_s111_a_device_has_mac_mtu_and_addresses_of_its_interface(self):
        links = self.links()
        for name, beneath, expected in (
            ("fl-clients", "outer0", ["192.0.2.2/24", "198.51.100.0/31"]),
            ("fl-servers", "inner0", ["10.20.0.1/24"]),
        ):
            link = links[name]
            self.assertEqual((link["address"], link["mtu"]), (links[beneath]["address"], 1500))
            self.assertIn("LOWER_UP", link["flags"])
            has = [f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"] if one["family"] == "inet"]
            self.assertEqual(has, expected)
            self.assertNotIn("broadcast", [key for one in link["addr_info"] if one["prefixlen"] > 30 for key in one])

    def test_s111_a_tcp_server_on_the_box_is_reached_over_the_data_port(self):
        for port in (22, 179):
            listening = self.listen_in("appliance", addresses.OUTER_SELF, port)
            ours, theirs = self.connected("tclient", listening, addresses.OUTER_SELF)
            sent = bytes(range(256)) * 400
            ours.sendall(sent)
            self.assertEqual(self.read(theirs, len(sent)), sent)
            theirs.sendall(sent)
            ours.settimeout(sockets.PATIENCE)
            self.assertEqual(self.read(ours, len(sent)), sent)
        with self.assertRaises(ConnectionRefusedError):
            sockets.connect(self.lab.host("tclient"), addresses.OUTER_SELF, 23)

    def test_s111_a_member_reaches_the_box_as_well(self):
        here = self.udp_in("appliance", addresses.INNER_SELF, 123)
        self.udp_in("sip-a", "0.0.0.0").sendto(b"time", (addresses.INNER_SELF, 123))
        self.assertEqual(here.recvfrom(100)[0], b"time")

    def test_s111_traceroute_from_the_box_hears_of_the_router(self):
        asking = self.udp_in("appliance", addresses.OUTER_SELF)
        asking.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        asking.sendto(b"who is first", (addresses.PHONE, 33_434))
        _, notes, _, _ = asking.recvmsg(100, 512, socket.MSG_ERRQUEUE)
        # struct sock_extended_err: errno, origin, ICMP type and code; then who has sent the error (ip(7)).
        found = [(*data[4:7], socket.inet_ntoa(data[20:24])) for _, kind, data in notes if kind == IP_RECVERR]
        self.assertEqual(found, [(SO_EE_ORIGIN_ICMP, *TIME_EXCEEDED, addresses.ROUTER)])

    def test_s112_ospf_reaches_the_box_by_its_group(self):
        here = self.enterContext(self.raw("appliance"))
        group = socket.inet_aton(ROUTERS) + socket.inet_aton(addresses.OUTER_SELF)
        here.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        here.settimeout(sockets.PATIENCE)
        there = self.enterContext(self.raw("router"))
        there.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(addresses.ROUTER))
        there.sendto(b"\x02\x01hello", (ROUTERS, 0))
        self.assertEqual(here.recvfrom(100)[0][20:], b"\x02\x01hello")
        # And the other way.
        group = socket.inet_aton(ROUTERS) + socket.inet_aton(addresses.ROUTER)
        there.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        there.settimeout(sockets.PATIENCE)
        here.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(addresses.OUTER_SELF))
        here.sendto(b"\x02\x01back", (ROUTERS, 0))
        answers = iter(lambda: there.recvfrom(100), None)
        self.assertEqual(next(data[20:] for data, (who, _) in answers if who == addresses.OUTER_SELF), b"\x02\x01back")

    def test_s112_one_answers_arp_and_that_is_the_data_path(self):
        answers = self.python_in("router", WHO_HAS, "outer", addresses.ROUTER, addresses.OUTER_SELF)
        self.assertEqual(answers.split(), [self.links()["outer0"]["address"]])
        self.assertIn("49152-65535", self.run_in("appliance", "cat", "/proc/sys/net/ipv4/ip_local_reserved_ports"))

    def test_s113_the_box_reaches_routers_members_and_hosts_behind_them(self):
        for address in (addresses.ROUTER, addresses.MEMBERS["sip-b"], addresses.PHONE):
            said = self.run_in("appliance", "ping", "-n", "-c", "3", "-i", "0.2", "-W", "2", address)
            self.assertIn(" 3 received", said)
        listening = self.listen_in("sip-b", addresses.MEMBERS["sip-b"], 2222)
        ours, theirs = self.connected("appliance", listening, addresses.MEMBERS["sip-b"])
        self.assertEqual(theirs.getpeername()[0], addresses.INNER_SELF, "no NAT")
        ours.sendall(b"from the box")
        self.assertEqual(self.read(theirs, 12), b"from the box")

    def test_s114_a_flood_towards_the_box_costs_nobody_else_anything(self):
        before, count = self.appliance.counters(), len(self.appliance.ask("switchovers"))
        floods = [
            self.start_in(host, sys.executable, "-c", FLOOD, to, "9", "6")
            for host, to in (("router", addresses.OUTER_SELF), ("sip-b", addresses.INNER_SELF))
        ]
        time.sleep(1.0)
        phone = self.udp_in("phone", addresses.PHONE)
        phone.settimeout(sockets.PATIENCE)
        ping = self.start_in("tclient", "ping", "-n", "-c", "20", "-i", "0.1", "-W", "5", addresses.MEMBERS["sip-a"])
        # A daemon's own class is not touched.
        listening = self.listen_in("appliance", addresses.OUTER_SELF, 179)
        ours, theirs = self.connected("router", listening, addresses.OUTER_SELF)
        ours.sendall(b"OPEN")
        self.assertEqual(self.read(theirs, 4), b"OPEN")
        self.assertEqual(ping.wait(20.0), 0, ping.said())
        self.assertIn(" 20 received", ping.said())
        sent = 0
        for flood in floods:
            self.assertEqual(flood.wait(20.0), 0, flood.said())
            sent += int(flood.said().split()[-1])
        self.assertEqual(len(self.appliance.ask("switchovers")), count, "no probe was lost")
        after = self.appliance.counters()
        grown = {name: after[name] - before.get(name, 0) for name in after}
        self.assertGreater(grown["drop_host_limited"], 0)
        self.assertLess(grown["punt_host"], 10 * LIMIT, "the kernel gets what it may")
        print(f"of {sent} datagrams the kernel was handed {grown['punt_host']}, {grown['drop_host_limited']} were beyond")

    def test_a_device_that_is_removed_is_made_anew_with_its_addresses(self):
        before = self.links()["fl-servers"]["ifindex"]
        self.lab.host("appliance").ip("link", "delete", "fl-servers")
        made_anew = lambda: self.links().get("fl-servers", {"ifindex": before})["ifindex"] != before
        self.wait_for(made_anew, 10.0)
        self.wait_for(lambda: self.links()["fl-servers"]["addr_info"], 5.0)
        self.test_s111_a_member_reaches_the_box_as_well()

    def test_a_reload_renames_a_device_and_takes_an_address_away(self):
        usual = self.setting
        self.addCleanup(self.wait_for, lambda: "fl-clients" in self.links(), 10.0)
        self.addCleanup(self.appliance.reload, usual)
        edits = ((usual.edits[0][0], device("fl-clients").replace("fl-clients", "fl-other")), *usual.edits[1:])
        self.appliance.reload(Setting(edits=edits, more=usual.more))
        self.wait_for(lambda: "fl-other" in self.links() and "fl-clients" not in self.links(), 10.0)
        has = [one["local"] for one in self.links()["fl-other"]["addr_info"] if one["family"] == "inet"]
        self.assertEqual(has, [addresses.OUTER_SELF])

    def test_the_carrier_follows_a_link_that_stays_down(self):
        def carrier() -> str:
            return self.run_in("appliance", "cat", "/sys/class/net/fl-clients/carrier").strip()

        router = self.lab.host("router")
        self.addCleanup(self.wait_for, lambda: carrier() == "1", 10.0)
        self.addCleanup(router.ip, "link", "set", "outer", "up")
        router.ip("link", "set", "outer", "down")
        time.sleep(1.5)
        self.assertEqual(carrier(), "1", "a moment is not passed on")
        self.wait_for(lambda: carrier() == "0", 10.0)
        router.ip("link", "set", "outer", "up")
        self.wait_for(lambda: carrier() == "1", 10.0)

    def read(self, by: socket.socket, length: int) -> bytes:
        """So many bytes of a connection."""
        got = b""
        while len(got) < length:
            more = by.recv(length - len(got))
            self.assertTrue(more, "the connection ended")
            got += more
        return got

    def raw(self, host: str) -> socket.socket:
        """A raw socket of OSPF's protocol in a host."""
        return sockets.raw(self.lab.host(host), OSPF)


if __name__ == "__main__":
    unittest.main()
