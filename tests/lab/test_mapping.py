"""What kind of NAT the members are behind, as a STUN server outside tells them (RFC 5780 4.3)."""

import unittest

from standing import StandingLab, addresses

STUN_PORT = 3478
#: The gateway's second address: to tell kinds of mapping apart a STUN server needs two addresses and two ports.
SECOND = "172.16.9.10"

#: STUN only, over UDP, on these addresses, and no files but its log on standard output.
SERVER = [
    "turnserver", "-n", "--stun-only", "--no-tls", "--no-dtls", "--no-tcp", "--no-cli", "--no-auth",
    "--log-file", "stdout", "--simple-log", "--pidfile", "turnserver.pid", "--userdb", "turnserver.db",
    "--listening-port", str(STUN_PORT), "-L", addresses.GATEWAY, "-L", SECOND,
]


class Mapping(StandingLab):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.host("gateway").ip("address", "add", f"{SECOND}/24", "dev", "eth0")
        cls.lab.start("gateway", "turnserver", SERVER)

    def setUp(self):
        self.wait_until_it_listens("gateway", STUN_PORT + 1)

    def test_a_member_has_one_mapping_for_all_endpoints_outside(self):
        """RFC 4787 REQ-1: an ephemeral port is seen as one and the same address and port, whoever looks."""
        for member, address in addresses.MEMBERS.items():
            with self.subTest(member):
                said = self.run_in(member, "turnutils_natdiscovery", "-m", "-L", address, addresses.GATEWAY)
                self.assertIn("NAT with Endpoint Independent Mapping!", said)
                self.assertIn(f"UDP reflexive addr: {addresses.VIP}:", said)

    def test_an_excluded_destination_is_behind_no_nat(self):
        self.appliance.command("exclude", "add", "pair-1", "172.16.9.0/24")
        self.addCleanup(self.appliance.command, "exclude", "remove", "pair-1", "172.16.9.0/24")
        at = addresses.MEMBERS["sip-b"]
        said = self.run_in("sip-b", "turnutils_natdiscovery", "-m", "-L", at, addresses.GATEWAY)
        self.assertIn(f"UDP reflexive addr: {at}:", said)


if __name__ == "__main__":
    unittest.main()
