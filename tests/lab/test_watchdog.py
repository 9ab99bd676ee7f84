"""The service manager hears that the appliance lives as long as it does, and hears nothing from one that hangs."""

import os
import signal
import socket
import unittest

from bare import PATIENCE, Bare


class Watchdog(Bare):
    def test_a_process_that_turns_says_so_and_one_that_hangs_does_not(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        path = self.directory / "notify"
        manager.bind(str(path))
        manager.settimeout(PATIENCE)
        self.write()
        os.environ["NOTIFY_SOCKET"] = str(path)
        self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
        with (self.directory / "log").open("w") as stderr:
            process = self.start(stderr)
        said = set()
        while not {b"READY=1", b"WATCHDOG=1"} <= said:
            said |= set(manager.recv(4096).split())
        process.send_signal(signal.SIGSTOP)
        # What it said before it was stopped; then nothing, for as long as it says something twice a second.
        manager.settimeout(3.0)
        with self.assertRaises(TimeoutError):
            while True:
                manager.recv(4096)
        process.send_signal(signal.SIGCONT)
        manager.settimeout(PATIENCE)
        self.assertIn(b"WATCHDOG=1", manager.recv(4096))
        process.terminate()
        while b"STOPPING=1" not in manager.recv(4096):
            pass


if __name__ == "__main__":
    unittest.main()
