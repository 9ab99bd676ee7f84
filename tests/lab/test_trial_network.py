"""The network of the handbook's first calls says what is missing before it makes anything, and fails where a step does."""

import os
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

NETWORK = Path(__file__).parents[2] / "dpdk-config/trial/network"
#: A machine's own /run, gone with the shell.
ALONE = "mount -t tmpfs none /run && mkdir /run/netns && exec "


class TrialNetwork(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.programs = Path(folder.name)
        os.chmod(self.programs, 0o755)
        for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
            for name in ("cat", "ethtool", "id", "ip", "rm", "sed", "sh", "sysctl", "xargs"):
                if (Path(folder) / name).exists() and not (self.programs / name).exists():
                    (self.programs / name).symlink_to(Path(folder) / name)

    def up(self, **options):
        command = ["unshare", "-m", "/bin/sh", "-c", f"{ALONE} env PATH={self.programs} sh {NETWORK} up"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)

    def test_whole(self):
        done = self.up()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("phone 172.16.5.5", done.stdout)

    def test_a_missing_program_is_named_with_its_package(self):
        (self.programs / "ethtool").unlink()
        done = self.up()
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("there is no program ethtool: install it (apt-get install ethtool)", done.stderr)

    def test_a_step_that_fails_is_a_failure(self):
        broken = self.programs / "ethtool"
        broken.unlink()
        broken.write_text("#!/bin/sh\necho 'netlink error: no such device' >&2\nexit 75\n")
        broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
        done = self.up()
        self.assertEqual((done.returncode, done.stdout), (75, ""))
        self.assertIn("no such device", done.stderr)
        self.assertIn("down` removes what there is", done.stderr)

    def test_anybody_else_is_told_who_may(self):
        command = ["setpriv", "--reuid", "65534", "--clear-groups", "env", f"PATH={self.programs}", "sh", str(NETWORK), "up"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("network namespaces are made by root: sudo ", done.stderr)


if __name__ == "__main__":
    unittest.main()
