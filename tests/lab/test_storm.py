"""One link replays ARP as fast as the device gives it: commands are answered, signals are heard, what it makes is bounded."""

import os
import signal
import struct
import time
import unittest

from bare import PATIENCE, Bare

#: Hosts of our network, some of which say they have the same address.
STRANGERS = 200
SELF_IP = bytes([10, 20, 0, 1])


def request(number: int) -> bytes:
    """A stranger asks for our self-IP."""
    mac, address = struct.pack("!HI", 0x0204, number), bytes([10, 20, 0, 20 + number % 70])
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + address + bytes(6) + SELF_IP
    return b"\xff" * 6 + mac + b"\x08\x06" + arp + bytes(18)


def claim(number: int) -> bytes:
    """A stranger says that our self-IP is his."""
    mac = struct.pack("!HI", 0x0206, number)
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + SELF_IP + bytes(6) + SELF_IP
    return b"\xff" * 6 + mac + b"\x08\x06" + arp + bytes(18)


def capture(frames: list[bytes]) -> bytes:
    """A pcap file."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame for frame in frames)


class Storm(Bare):
    def setUp(self):
        super().setUp()
        pcap = self.directory / "storm.pcap"
        frames = [make(number) for number in range(STRANGERS) for make in (request, claim)]
        pcap.write_bytes(capture(frames))
        self.write(('"net_null1"', f'"net_pcap1,rx_pcap={pcap},infinite_rx=1"'))
        self.log = self.directory / "log"
        with self.log.open("wb") as log:
            self.process = self.start(log)

    def test_commands_and_signals_are_heard_and_what_a_storm_leaves_is_bounded(self):
        self.wait_for(lambda: self.counter("event_arp_unlearnt") > 10_000, "the storm has not begun")
        for word in ("status", "members", "neighbours", "counters", "reload") * 3:
            began = time.monotonic()
            self.assertEqual(self.command(word, "--timeout", str(int(PATIENCE))).returncode, 0, word)
            print(f"{word} took {time.monotonic() - began:.2f} s")
        status = self.ask("status")
        claims = [alarm["message"] for alarm in status["alarms"] if alarm["message"].startswith("duplicate address")]
        self.assertEqual(len(claims), 1, claims)
        self.assertRegex(claims[0], f"^duplicate address: {STRANGERS} MACs on interface servers claim 10.20.0.1, ")
        # The first, and those of links, members and a router that do not answer.
        self.assertLess(status["epoch"], 100, "strangers make no snapshots")
        os.kill(self.process.pid, signal.SIGHUP)
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(PATIENCE), 0)
        print(f"it ended {time.monotonic() - began:.2f} s after SIGTERM; {len(self.log.read_text().splitlines())} lines")


if __name__ == "__main__":
    unittest.main()
