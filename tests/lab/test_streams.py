"""Streams of real kernels through the appliance: iperf3 and openssl, and whom the other end saw."""

import json
import unittest

from standing import StandingLab, addresses

PORT = "5201"


class Streams(StandingLab):
    def test_a_member_sends_outward_as_the_virtual_address(self):
        report = self._iperf("sip-a", "gateway", addresses.GATEWAY)
        self.assertEqual(report["start"]["accepted_connection"]["host"], addresses.VIP)
        self.assertGreater(report["end"]["sum_received"]["bytes"], 0)

    def test_both_members_send_outward_at_once(self):
        other = self.start_in("config", "iperf3", "-s", "-1", "-p", PORT)
        self.wait_until_it_listens("config", int(PORT))
        client = self.start_in("sip-b", "iperf3", "-c", addresses.CONFIG_SERVER, "-p", PORT, "-t", "2")
        report = self._iperf("sip-a", "gateway", addresses.GATEWAY)
        self.assertGreater(report["end"]["sum_received"]["bytes"], 1e6)
        self.assertEqual((client.wait(10.0), other.wait(10.0)), (0, 0))

    def test_an_excluded_destination_sees_the_physical_address(self):
        report = self._iperf("sip-b", "config", addresses.CONFIG_SERVER)
        self.assertEqual(report["start"]["accepted_connection"]["host"], addresses.MEMBERS["sip-b"])

    def test_datagrams_of_a_member_arrive_outside(self):
        report = self._iperf("sip-a", "gateway", addresses.GATEWAY, "-u", "-b", "10M", "-l", "1200")
        self.assertEqual(report["start"]["accepted_connection"]["host"], addresses.VIP)
        self.assertGreater(report["end"]["sum"]["packets"], report["end"]["sum"]["lost_packets"])

    def test_a_visitor_reaches_either_member_untranslated(self):
        for member, address in addresses.MEMBERS.items():
            with self.subTest(member):
                report = self._iperf("tclient", member, address)
                self.assertEqual(report["start"]["accepted_connection"]["host"], addresses.T_CLIENT)
                self.assertGreater(report["end"]["sum_received"]["bytes"], 0)

    def test_what_a_visitor_downloads_arrives(self):
        report = self._iperf("tclient", "sip-a", addresses.MEMBERS["sip-a"], "-R")
        self.assertGreater(report["end"]["sum_sent"]["bytes"], 1e6)

    def test_what_a_member_downloads_from_outside_arrives(self):
        report = self._iperf("sip-a", "gateway", addresses.GATEWAY, "-R")
        self.assertEqual(report["start"]["accepted_connection"]["host"], addresses.VIP)
        self.assertGreater(report["end"]["sum_sent"]["bytes"], 1e6)

    def test_datagrams_from_outside_come_back_to_the_member_that_asked(self):
        self._datagrams("sip-b", "gateway", addresses.GATEWAY, "-R")

    def test_datagrams_of_a_visitor_arrive_at_a_member(self):
        self._datagrams("tclient", "sip-b", addresses.MEMBERS["sip-b"])

    def test_datagrams_of_a_member_arrive_at_its_visitor(self):
        self._datagrams("tclient", "sip-a", addresses.MEMBERS["sip-a"], "-R")

    def test_tls_passes_through_to_the_active_member(self):
        said = self.run_in(
            "phone", "openssl", "s_client", "-connect", f"{addresses.VIP}:{addresses.SIP_TLS_PORT}",
            "-CAfile", str(self.lab.file("pair.crt")), "-verify_return_error", "-brief", "-no_ign_eof",
        )
        self.assertIn("Verification: OK", said)
        self.assertIn("CN = sip.example", said)

    def _datagrams(self, client: str, server: str, to: str, *more: str) -> None:
        """Ten megabits a second over UDP arrive. What is lost, a busy receiver lost, and not the appliance."""
        before = self.dropped()
        self._iperf(client, server, to, "-u", "-b", "10M", "-l", "1200", "--json", *more)
        report = json.loads(self.client_said)["end"]["sum_received"]
        self.assertGreater(report["packets"], report["lost_packets"])
        self.assertEqual(self.dropped(), before)

    def _iperf(self, client: str, server: str, to: str, *more: str) -> dict:
        """Two seconds of traffic; what the server tells."""
        listener = self.start_in(server, "iperf3", "-s", "-1", "-J", "-p", PORT)
        self.wait_until_it_listens(server, int(PORT))
        self.client_said = self.run_in(client, "iperf3", "-c", to, "-p", PORT, "-t", "2", *more)
        listener.wait(10.0)
        return json.loads(listener.said())


if __name__ == "__main__":
    unittest.main()
