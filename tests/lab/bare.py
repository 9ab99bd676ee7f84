"""Fairlead on devices that lead nowhere, for what concerns its process alone: no namespaces, no members.

Read first: `Bare`. Owns: its file, its process, its commands.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from lab import two_arm  # noqa: E402
from lab.appliance import binary  # noqa: E402

#: As long as a busy machine may take; no test measures anything with it.
PATIENCE = 60.0


class Bare(unittest.TestCase):
    """An appliance for each test, started by `start` and killed with the test."""

    def setUp(self):
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="fl-bare-")))
        self.file, self.socket = self.directory / "fairlead.toml", self.directory / "admin.sock"
        self.program = str(binary())

    def write(self, *edits: tuple[str, str], appliance: str = "") -> None:
        """Its file: the fixture on null devices; `appliance` is added to its section."""
        cores = sorted(os.sched_getaffinity(0))
        section = f'[appliance]\nadmin_socket = "{self.socket}"\nstate = "{self.directory}/state"\n{appliance}\n'
        text = two_arm.edited(
            two_arm.FIXTURE,
            ("[cores]\n", f"{section}[cores]\n"),
            (two_arm.MANAGEMENT, f"management = {cores[0]}\n"),
            (two_arm.WORKERS, f'workers = [{cores[-1]}]\nidle = "sleep"\n'),
            (two_arm.OUTER_DEVICE, "net_null0"),
            (two_arm.INNER_DEVICE, "net_null1"),
        )
        for was, becomes in edits:
            self.assertIn(was, text)
            text = text.replace(was, becomes)
        self.file.write_text(text)

    def start(self, stderr) -> subprocess.Popen:
        """Starts it and waits until it answers."""
        process = subprocess.Popen(
            [self.program, "run", "--config", str(self.file)], stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + PATIENCE
        while self.command("status").returncode != 0:
            self.assertIsNone(process.poll(), "it has ended")
            self.assertLess(time.monotonic(), deadline, "it does not answer")
            time.sleep(0.05)
        return process

    def command(self, *words: str) -> subprocess.CompletedProcess:
        """What a `fairlead` command says."""
        command = [self.program, "--socket", str(self.socket), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)

    def ask(self, *words: str):
        """The answer of a `fairlead` command with `--json`."""
        done = self.command(*words, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def counter(self, name: str) -> int:
        """A counter of the management core."""
        return next(row["value"] for row in self.ask("counters", "--all") if row["name"] == name)

    def wait_for(self, it, what: str):
        """What `it` returns, once that is true."""
        deadline = time.monotonic() + PATIENCE
        while not (found := it()):
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)
        return found


def free_port() -> int:
    """A TCP port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


__all__ = ["PATIENCE", "Bare", "free_port"]
