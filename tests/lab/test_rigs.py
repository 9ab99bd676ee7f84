"""What `scripts/bench` reckons, writes and draws is right; nothing here measures anything."""

import importlib.util
import ipaddress
import struct
import tempfile
import tomllib
import unittest
import xml.dom.minidom
from pathlib import Path

from standing import SCRIPTS  # finds the scripts
from lab import addresses, two_arm
from lab.shell import LabError
from rigs import accounts, answerer, captures, catalogue, criterion, fleet, forwarding, frames, pages, results, targets, traffic
from rigs.appliance import Tuning, configuration
from rigs.measure import Figure, Reading, in_turn, percentile, rate, ratio
from rigs.plots import Plot, Series
from rigs.setting import Setting

COUNTERS = {"received": 10, "originated": 2, "handed_in": 0, "transmitted": 9, "handed_off": 0, "queued": 1,
            "drop_no_flow": 1, "punt_local": 1}


def whole(frame: bytes) -> bool:
    """Both checksums of a frame come out (RFC 1071: the sum over everything is zero)."""
    pseudo = frame[26:34] + struct.pack("!BBH", 0, frame[23], len(frame) - 34)
    return frames.checksum(frame[14:34]) == 0 and frames.checksum(pseudo + frame[34:]) == 0


class Frames(unittest.TestCase):
    def test_every_frame_of_every_traffic_is_whole_and_of_its_size(self):
        kinds = (traffic.service_udp(64), traffic.service_udp(64, 1518), traffic.live_flows(64),
                 traffic.service_and_outbound_udp(64), traffic.peers_and_callers(64, 64), traffic.sip(64))
        for kind in kinds:
            for port in ("outer", "inner"):
                for frame in (*kind.incoming(port), *kind.outgoing(port)):
                    self.assertEqual(len(frame), kind.size - 4 if frame[12:14] == b"\x08\x00" else 60)
                    self.assertTrue(frame[12:14] == b"\x08\x06" or whole(frame), frame.hex())

    def test_a_datagram_byte_by_byte(self):
        """As scapy makes it."""
        template = frames.Template(traffic.ROUTER_MAC, traffic.OUTER_MAC, frames.UDP)
        ends = (frames.address("172.20.0.1"), 20_000, frames.address("10.20.0.100"), 5060)
        self.assertEqual(template.frame(ends).hex(), (
            "027063617000" "020000000008" "0800" "4500002e" "00004000" "4011" "8432" "ac140001" "0a140064"
            "4e20" "13c4" "001a" "ab0c" + "78" * 18))

    def test_one_port_has_what_the_other_must_send(self):
        kind = traffic.live_flows(1_000)
        self.assertEqual(len(set(kind.outgoing("inner"))), len(kind.outer))
        self.assertNotEqual([packet.came for packet in kind.outer], [packet.leaves for packet in kind.inner])

    def test_a_frame_without_room_for_its_headers_is_refused(self):
        with self.assertRaises(ValueError):
            frames.Template(traffic.ROUTER_MAC, traffic.OUTER_MAC, frames.TCP, 57)
        template = frames.Template(traffic.ROUTER_MAC, traffic.OUTER_MAC, frames.UDP)
        with self.assertRaises(ValueError):
            template.frame((1, 2, 3, 4), b"x" * 17)


class Files(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def test_a_capture_gives_back_its_frames_and_stops_where_it_was_cut(self):
        path = self.directory / "some.pcap"
        captures.write(path, [b"a" * 60, b"b" * 70])
        self.assertEqual(list(captures.read(path)), [b"a" * 60, b"b" * 70])
        path.write_bytes(path.read_bytes()[:-1])
        self.assertEqual(list(captures.read(path)), [b"a" * 60])

    def test_a_capture_that_lacks_or_changes_a_frame_is_refused(self):
        kind, path = traffic.service_udp(16), self.directory / "sent.pcap"
        sent = list(kind.outgoing("inner"))
        captures.write(path, sent + sent)
        self.assertEqual(accounts.check_capture(path, kind, "inner"), 32)
        captures.write(path, sent[1:])
        self.assertRaisesRegex(LabError, "did not send 1 of 16", accounts.check_capture, path, kind, "inner")
        captures.write(path, [*sent, sent[0][:-1] + b"y"])
        self.assertRaisesRegex(LabError, "should not have", accounts.check_capture, path, kind, "inner")

    def test_receivers_are_told_once_for_each_change(self):
        kind, path = traffic.service_udp(4), self.directory / "sent.pcap"
        a = list(kind.outgoing("inner"))
        b = [traffic.MEMBER_MACS[traffic.SIP_B] + frame[6:] for frame in a]
        captures.write(path, [*a, *b, *b, *a])
        self.assertEqual([at[-1] for at in accounts.receivers(path)], [0x0b, 0x0c, 0x0b])

    def test_workers_share_the_frames_of_a_port(self):
        kind = traffic.service_udp(100)
        device = Setting(kind, self.directory, 0, (0, 1), False).device("inner")
        files = [word.partition("=")[2] for word in device.split(",") if word.startswith("rx_pcap=")]
        lengths = [len(list(captures.read(Path(file)))) for file in files]
        self.assertEqual((len(files), sum(lengths)), (2, len(list(kind.incoming("inner")))))
        self.assertTrue(device.startswith("net_pcap1,") and device.endswith(",infinite_rx=1"))

    def test_estimates_of_criterion_are_read(self):
        where = self.directory / "group" / "name" / "new"
        where.mkdir(parents=True)
        (where / "estimates.json").write_text('{"median": {"point_estimate": 640.0}}')
        (where / "benchmark.json").write_text('{"throughput": {"Elements": 64}}')
        self.assertEqual(criterion.median("group/name", self.directory), 640.0)
        self.assertEqual(criterion.rate("group/name", self.directory), 1e8)
        self.assertIsNone(criterion.median("group/other", self.directory))


class TwoArm(unittest.TestCase):
    """The fixture of nearly every test, and what a rig makes of it."""

    def test_its_addresses_are_the_labs(self):
        file = tomllib.loads(two_arm.FIXTURE.read_text())
        self.assertEqual({member["name"]: member["address"] for member in file["pool"][0]["members"]}, addresses.MEMBERS)
        self.assertEqual([interface["addresses"] for interface in file["interface"]],
                         [[f"{addresses.OUTER_SELF}/24"], [f"{addresses.INNER_SELF}/24"]])
        self.assertEqual((file["route"][0]["via"], file["virtual_server"][0]["address"]), (addresses.ROUTER, addresses.VIP))
        self.assertEqual(file["snat"], [{"pool": "pair-1", "address": addresses.VIP, "exclude": addresses.EXCLUDED}])

    def test_a_rig_has_its_own_devices_cores_and_limits(self):
        with tempfile.TemporaryDirectory() as directory:
            setting = Setting(traffic.service_udp(16), Path(directory), 0, (0, 1), False)
            file = tomllib.loads(configuration(setting, Tuning(2_000, ("192.168.77.0/24",)), Path("/run/rig.sock")))
            self.assertEqual([port["device"] for port in file["port"]], [setting.device("outer"), setting.device("inner")])
        self.assertEqual(file["cores"], {"management": 0, "workers": [0, 1], "idle": "sleep"})
        self.assertEqual((file["limits"], file["appliance"]["admin_socket"]), ({"flows_per_worker": 2_000}, "/run/rig.sock"))
        self.assertEqual((file["pool"][0]["monitors"], file["monitor"][0]["name"]), (["rare"], "rare"))
        self.assertEqual(file["snat"][0]["exclude"], ["192.168.77.0/24"])

    def test_a_text_that_is_not_there_cannot_be_replaced(self):
        self.assertRaisesRegex(LabError, "two-arm.toml no longer has `vlan = 7`", two_arm.edited, two_arm.FIXTURE, ("vlan = 7", ""))


class Fleet(unittest.TestCase):
    """The pairs that management is measured with."""

    def test_its_file_has_every_pool_with_members_and_addresses_of_its_own(self):
        file = tomllib.loads(fleet.configuration(4_000, 1_000, fleet.QUIET, Path("/run/rig.sock"), Path("/run/state")))
        members = [member["address"] for pool in file["pool"] for member in pool["members"]]
        virtuals = {server["address"] for server in file["virtual_server"]}
        self.assertEqual((len(file["pool"]), len(set(members)), len(virtuals)), (4_000, 8_000, 4_000))
        self.assertEqual((members[14], fleet.member(14)), ("10.1.0.15", "10.1.0.15"))
        self.assertEqual((file["monitor"][0]["interval"], file["monitor"][0]["timeout"]), ("1000ms", "800ms"))
        self.assertFalse(virtuals & set(members))

    def test_an_answer_is_to_the_request(self):
        request = (b"OPTIONS sip:10.1.0.15 SIP/2.0\r\nVia: SIP/2.0/UDP 10.255.255.1:50000;branch=z9hG4bK7;rport\r\nMax-Forwards: 1\r\n"
                   b"From: <sip:a@b>;tag=3\r\nTo: <sip:10.1.0.15>\r\nCall-ID: 5@b\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(answerer.answer(request), (
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.255.255.1:50000;branch=z9hG4bK7;rport\r\nFrom: <sip:a@b>;tag=3\r\n"
            b"To: <sip:10.1.0.15>;tag=1\r\nCall-ID: 5@b\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"))


class Reckoning(unittest.TestCase):
    def test_a_missing_or_dropped_frame_is_reported(self):
        self.assertEqual(accounts.imbalance(COUNTERS), 0)
        accounts.check(COUNTERS, COUNTERS | {"received": 20, "transmitted": 19})
        lost = COUNTERS | {"received": 20, "drop_no_flow": 11}
        self.assertRaisesRegex(LabError, "drop_no_flow': 10", accounts.check, COUNTERS, lost)
        accounts.check(COUNTERS, lost, allowed=["drop_no_flow"])
        gone = COUNTERS | {"received": 2_000}
        self.assertRaisesRegex(LabError, "1990 frames are not accounted", accounts.check, COUNTERS, gone)

    def test_a_rate_is_by_the_workers_own_time(self):
        readings = iter([Reading(1_000, 500), Reading(7_000_000 + 1_000, 1_000_000_500)])

        class Fake:
            def sent(self):
                return next(readings)

        self.assertEqual(rate(Fake(), 3.0, lambda _: None), 7.0)

    def test_contenders_take_turns_and_neither_is_always_first(self):
        order = []
        found = in_turn(3, {name: lambda name=name: order.append(name) or len(order) for name in "AB"}, lambda _: None)
        self.assertEqual("".join(order), "ABBAAB")
        self.assertEqual(found["A"].values, (1, 4, 5))
        self.assertEqual(ratio(Figure((1.0, 4.0)), Figure((2.0, 2.0))).values, (0.5, 2.0))

    def test_figures_in_words(self):
        self.assertEqual(Figure((1.0, 3.0, 2.0)).text(), "2.00 (1.00 to 3.00)")
        self.assertEqual(Figure((1.0,)).text(1), "1.0")
        self.assertEqual([percentile([5, 1, 3], part) for part in (0.0, 0.5, 1.0)], [1, 3, 5])

    def test_the_long_exclusion_list_excludes_nobody_of_the_traffic(self):
        prefixes = [ipaddress.ip_network(text) for text in forwarding.excluded(10_000)]
        self.assertEqual(len(set(prefixes)), 10_000)
        self.assertTrue(all(prefix.network_address.packed[0] in (11, 12) for prefix in prefixes))
        self.assertFalse(any(a.overlaps(b) for a, b in zip(prefixes, prefixes[1:])))


class Throughput(unittest.TestCase):
    """The search of `benches/trex/throughput.py`."""

    def setUp(self):
        place = SCRIPTS.parent / "benches" / "trex" / "throughput.py"
        spec = importlib.util.spec_from_file_location("throughput", place)
        self.throughput = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.throughput)

    def test_it_finds_the_highest_rate_that_loses_nothing(self):
        for limit in (3.0, 42.4, 99.9):
            tried = []
            found = self.throughput.search(lambda rate: tried.append(rate) or rate <= limit, 100.0, 0.5)
            self.assertTrue(limit - 0.5 <= found <= limit, (limit, found))
            self.assertLess(len(tried), 12)
        self.assertEqual(self.throughput.search(lambda _: True, 100.0, 0.5), 100.0)
        self.assertEqual(self.throughput.search(lambda _: False, 100.0, 0.5), 0.0)


class Pages(unittest.TestCase):
    def test_a_run_replaces_its_own_table_only(self):
        page = pages.replaced(pages.replaced("# Page\n", "one", "1"), "two", "2")
        self.assertIn("<!-- bench: one -->\nnew \\1\n<!-- bench: end of one -->", pages.replaced(page, "one", "new \\1"))
        self.assertIn("\n2\n", pages.replaced(page, "one", "new"))

    def test_every_target_has_a_row_and_says_whether_it_holds(self):
        rows = {"P1": {"values": [0.8], "machine": ""}, "P6": {"values": [120, 90, 130], "machine": ""}}
        text = results.table(rows)
        self.assertEqual(text.count("\n"), len(targets.TARGETS) + 1)
        self.assertIn("| 0.80 ✔ | `scripts/bench P1` |", text)
        self.assertIn("| 120 (90 to 130) µs ✘ |", text)

    def test_rigs_are_found_by_name_and_by_target(self):
        rigs, unknown = catalogue.chosen(["p2", "flows", "P3", "P12", "nothing"])
        self.assertEqual([rig.name for rig in rigs], ["flows"])
        self.assertEqual(len(unknown), 2)
        known = {rig.name for rig in catalogue.RIGS}
        self.assertTrue({target.rig for target in targets.TARGETS if target.rig} <= known)

    def test_a_plot_is_well_formed_and_names_everything(self):
        plot = Plot("A & B", "flows", ["10", "1,000"], [Series("Fairlead", [1.0, 2.5]), Series("testpmd", [9.0, 33.1])])
        text = plot.svg("small print")
        xml.dom.minidom.parseString(text)
        for word in ("A &amp; B", "1,000", "Fairlead", "testpmd", "33.1", ">36<", "small print"):
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main()
