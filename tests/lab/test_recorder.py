"""The recorder beside real calls: what is on a recording of a switchover that nobody had waited for."""

import re
import subprocess
import unittest

from lab import sipp
from lab.appliance import Setting
from standing import StandingLab, addresses

#: As long as a busy machine may take; no test measures anything with it.
PATIENCE = 60.0


class Recorder(StandingLab):
    setting = Setting(edits=(("[appliance]\n", "[appliance]\nrecorder_mib = 8\n"),))

    def recordings(self) -> list[dict]:
        return self.appliance.ask("recorder", "list")

    def test_s108_a_switchover_is_on_a_recording_with_the_calls_before_and_after(self):
        # Its memory is made ready bit by bit.
        self.wait_for(lambda: self.appliance.command("recorder", "freeze", check=False).returncode == 0, PATIENCE)
        before = max(row["id"] for row in self.recordings())
        self.addCleanup(self.appliance.command, "pool", "force", "pair-1", "sip-a")
        sipp.udp_calls(self.lab, rate=50, count=2, hold=0.1).finish(PATIENCE)
        self.appliance.command("pool", "force", "pair-1", "sip-b")
        # The standby serves no calls; they are sent there all the same.
        phone = self.udp_in("phone", addresses.PHONE)
        for _ in range(3):
            phone.sendto(b"OPTIONS sip:pair SIP/2.0\r\n\r\n", (addresses.VIP, addresses.SIP_PORT))

        def switchovers() -> list[dict]:
            return [row for row in self.recordings() if row["id"] > before and row["cause"] == "switchover"]

        self.wait_for(lambda: bool(switchovers()), PATIENCE, lambda: str(self.recordings()))
        row = switchovers()[0]
        self.assertIn("sip-b", row["reason"])
        file = self.lab.file("switchover.pcapng")
        self.appliance.command("recorder", "save", str(row["id"]), str(file))
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        frames = self.read(file)
        self.assertEqual(len(frames), row["frames"])
        asked = [ends for comment, *ends in frames if "side=after" in comment and ends[0] == addresses.PHONE]
        receivers = [to for _, to in asked]
        a, b = addresses.MEMBERS["sip-a"], addresses.MEMBERS["sip-b"]
        self.assertIn(a, receivers)
        self.assertIn(b, receivers)
        self.assertNotIn(a, receivers[receivers.index(b):], "nothing to the old one behind the first to the new one")

    def read(self, file) -> list[list[str]]:
        """Comment, source and destination of each frame, as tshark reads it; it finds nothing wrong with it."""
        words = ["tshark", "-r", str(file), "-T", "fields", "-E", "separator=|"]
        for field in ("frame.comment", "ip.src", "ip.dst"):
            words += ["-E", "occurrence=f", "-e", field]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
        wrong = [line for line in done.stderr.splitlines() if "Running as user" not in line]
        self.assertEqual((done.returncode, wrong), (0, []))
        frames = [line.split("|") for line in done.stdout.splitlines()]
        self.assertTrue(all(re.match(r"verdict=\w+ ", comment) for comment, *_ in frames))
        return frames


if __name__ == "__main__":
    unittest.main()
