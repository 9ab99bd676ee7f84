"""`fairlead capture` beside real calls: what it shows, what tshark reads of its files, and how it ends."""

import json
import re
import signal
import subprocess
import unittest
from pathlib import Path

from lab import sipp
from lab.host import Program
from standing import StandingLab, addresses

#: As long as a busy machine may take; no test measures anything with it.
PATIENCE = 60.0
FIELDS = ("frame.comment", "frame.interface_name", "ip.src", "ip.dst", "sip.Method", "frame.packet_flags_direction")
#: A port of the virtual address where nobody listens.
CLOSED = 9_999


class Capture(StandingLab):
    def capture(self, *words: str) -> Program:
        """A capture that has begun."""
        before = self.begun()
        capture = self.appliance.begin("capture", *words)
        self.addCleanup(capture.stop)
        self.wait_for(lambda: self.begun() > before or not capture.is_running(), PATIENCE, capture.said)
        return capture

    def begun(self) -> int:
        return len(re.findall(r"capture \d+ begun by the operator", self.appliance.said()))

    def ends(self, capture: Program, code: int = 0) -> str:
        """How it ends by itself: the last line."""
        self.assertEqual(capture.wait(PATIENCE), code, capture.said())
        return capture.said().strip().splitlines()[-1]

    def read(self, file: Path, *filters: str) -> list[dict[str, str]]:
        """The frames of a file, as tshark reads it; it finds nothing wrong with it."""
        words = ["tshark", "-r", str(file), "-T", "fields", "-E", "occurrence=f", "-E", "separator=|", *filters]
        for field in FIELDS:
            words += ["-e", field]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
        wrong = [line for line in done.stderr.splitlines() if "Running as user" not in line]
        self.assertEqual((done.returncode, wrong), (0, []))
        return [dict(zip(FIELDS, line.split("|"), strict=True)) for line in done.stdout.splitlines()]

    def call(self, count: int = 2) -> None:
        calls = sipp.udp_calls(self.lab, rate=50, count=count, hold=0.1).finish(PATIENCE)
        self.assertEqual((calls.made, calls.completed, calls.failed), (count, count, 0))

    def knock(self) -> None:
        """Somebody sends to a port where nobody listens."""
        self.udp_in("phone", addresses.PHONE).sendto(b"hello", (addresses.VIP, CLOSED))

    def test_s102_calls_are_seen_before_and_after_by_either_address(self):
        for name, address in (("vip", addresses.VIP), ("member", addresses.MEMBERS["sip-a"])):
            file = self.lab.file(f"{name}.pcapng")
            capture = self.capture("-w", str(file), "udp", "port", "5060", "and", "host", address, "and", "host", addresses.PHONE)
            self.call()
            self.assertEqual(capture.stop(signal.SIGINT, PATIENCE), 0, capture.said())
            frames = self.read(file)
            self.assertIn(f"{len(frames)} frames, 0 lost", capture.said())
            packets: dict[str, list[dict]] = {}
            for frame in frames:
                self.assertTrue(frame["frame.comment"].startswith("verdict=forward member=sip-a side="), frame)
                packets.setdefault(re.search(r"packet=(\S+)", frame["frame.comment"])[1], []).append(frame)
            # Of each call INVITE, ACK and BYE, and what answers them.
            self.assertGreaterEqual(len(packets), 2 * 5)
            for pair in packets.values():
                before, after = pair
                self.assertEqual(before["sip.Method"], after["sip.Method"])
                ends = {(frame["ip.src"], frame["ip.dst"]) for frame in pair}
                phone, vip, member = addresses.PHONE, addresses.VIP, addresses.MEMBERS["sip-a"]
                self.assertIn(ends, [{(phone, vip), (phone, member)}, {(member, phone), (vip, phone)}])
                self.assertEqual([side["frame.comment"].split("side=")[1].split()[0] for side in pair], ["before", "after"])
                self.assertNotEqual(before["frame.interface_name"], after["frame.interface_name"])
            self.assertTrue(any(frame["sip.Method"] == "INVITE" for frame in frames))
            self.assertEqual(self.read(file, "-Y", 'frame.comment contains "verdict=drop"'), [])

    def test_s102_what_is_dropped_is_found_by_its_reason(self):
        file = self.lab.file("dropped.pcapng")
        capture = self.capture("--verdict", "drop", "--reason", "no_listener", "--side", "before", "--count", "2", "-w", str(file))
        self.call(1)
        self.knock()
        self.knock()
        self.assertEqual(self.ends(capture), f"2 frames, 0 lost in {file}")
        frames = self.read(file, "-Y", f'udp.dstport == {CLOSED} && frame.comment contains "verdict=drop reason=no_listener"')
        self.assertEqual([(frame["ip.src"], frame["ip.dst"]) for frame in frames], [(addresses.PHONE, addresses.VIP)] * 2)

    def test_s102_lines_and_objects_say_the_same_and_end_by_count_and_time(self):
        only = ("udp", "dst", "port", str(CLOSED))
        shown, listed = self.capture(*only, "--count", "1"), self.capture(*only, "--json", "--count", "1")
        self.knock()
        self.assertEqual([self.ends(each) for each in (shown, listed)], ["1 frame, 0 lost"] * 2)
        [row] = [json.loads(line) for line in listed.said().splitlines() if line.startswith("{")]
        self.assertEqual(row["destination"], f"{addresses.VIP}:{CLOSED}")
        self.assertEqual((row["verdict"], row["reason"], row["side"], row["protocol"]), ("drop", "no_listener", "before", "udp"))
        line = shown.said().splitlines()[0]
        self.assertRegex(line, rf"^\d\d:\d\d:\d\d\.\d{{6}} \S+ in  {addresses.PHONE}:\d+ > {addresses.VIP}:{CLOSED} udp \d+ drop \(no_listener\) - #0-\d+$")
        timed = self.capture("--duration", "1s", "udp", "port", "9")
        self.assertEqual(self.ends(timed), "0 frames, 0 lost")

    def test_s102_a_ring_of_files_keeps_the_newest_and_each_is_whole(self):
        file = self.lab.file("ring.pcapng")
        capture = self.capture("-w", str(file), "--file-size", "100kB", "--files", "2", "sip")
        calls = sipp.udp_calls(self.lab, rate=100, count=60, hold=0.1, body=900)
        calls.finish(PATIENCE)
        self.assertEqual(capture.stop(signal.SIGTERM, PATIENCE), 0, capture.said())
        files = sorted(file.parent.glob("ring*"))
        self.assertEqual([each.name for each in files], ["ring.1.pcapng", "ring.2.pcapng"])
        for each in files:
            self.assertLessEqual(each.stat().st_size, 100_000)
            self.assertEqual(each.stat().st_mode & 0o777, 0o600)
            self.assertTrue(self.read(each))

    def test_s102_a_mistake_in_the_filter_is_the_users_and_nothing_is_begun(self):
        before = self.begun()
        for words, part in ((("udp", "prot", "5060"), "syntax error"), (("tcp", "and", "udp"), "rejects all packets"),
                            (("--member", "sip-x"), "sip-x"), (("--reason", "bad_luck"), "is no reason")):
            done = self.appliance.command("capture", *words, check=False)
            self.assertIn(part, done.stderr)
            self.assertEqual(done.returncode, 1 if words[0] == "--member" else 2, done.stderr)
        self.assertEqual(self.begun(), before)

    def test_s102_four_are_on_at_most_and_one_whose_client_is_gone_has_ended(self):
        four = [self.capture("udp", "port", "9") for _ in range(4)]
        done = self.appliance.command("capture", "--count", "1", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("4 captures are on, which is the limit", done.stderr)
        for each in four:
            each.stop(signal.SIGKILL)

        def begins() -> bool:
            return self.appliance.command("capture", "--duration", "1s", "udp", "port", "9", check=False).returncode == 0

        self.wait_for(begins, PATIENCE)


if __name__ == "__main__":
    unittest.main()
