"""The log has a reader who sleeps, or who is gone: nobody waits for him, and what he misses is counted."""

import fcntl
import os
import signal
import socket
import time
import unittest
import urllib.request

from bare import PATIENCE, Bare, free_port

#: Lines that fill the smallest pipe and the queue behind it several times over.
REQUESTS = 1_500


class TheLog(Bare):
    def setUp(self):
        super().setUp()
        self.metrics = free_port()
        self.write(appliance=f'metrics = "127.0.0.1:{self.metrics}"')
        self.reader, writer = os.pipe()
        self.addCleanup(lambda: self._close(self.reader))
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        self.process = self.start(writer)
        os.close(writer)

    def test_a_reader_that_is_gone_costs_lines_and_nothing_else(self):
        self._close(self.reader)
        self.assertEqual(self.command("reload").returncode, 0)
        self.wait_for(lambda: self.counter("log_lines_lost") > 0, "no line is counted as lost")
        self.assertEqual(self.ask("log", "level", "warn"), {"level": "warn", "file": "info"})
        self._is_alive_and_ends_when_told()

    def test_a_reader_that_sleeps_delays_nothing_and_learns_what_he_missed(self):
        self.ask("log", "level", "trace")
        self._ask_often()
        self.wait_for(lambda: self.counter("log_lines_lost"), "no line is lost")
        self.assertIn("fairlead_log_lines_lost_total", self._page())
        self.ask("log", "level", "info")
        said = self._read_until(b" log lines lost: nobody read them event=note\n")
        self.assertIn(b"ready event=ready\n", said)
        self.ask("log", "level", "trace")
        self._ask_often()
        self._is_alive_and_ends_when_told()

    def _ask_often(self) -> None:
        """Asks so much, over one connection, that the log of it is longer than what may wait."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.socket))
            with client.makefile("rwb") as stream:
                for _ in range(REQUESTS):
                    stream.write(b'{"command":"log-level"}\n')
                    stream.flush()
                    self.assertIn(b'"ok":true', stream.readline())

    def _is_alive_and_ends_when_told(self) -> None:
        self.assertEqual(self.command("status").returncode, 0)
        self.assertIn("fairlead_uptime_seconds", self._page())
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(PATIENCE), 0)
        print(f"it ended {time.monotonic() - began:.2f} s after SIGTERM")

    def _page(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=PATIENCE) as page:
            return page.read().decode()

    def _read_until(self, text: bytes) -> bytes:
        said, deadline = b"", time.monotonic() + PATIENCE
        while text not in said:
            self.assertLess(time.monotonic(), deadline, said[-2000:])
            said += os.read(self.reader, 4096)
        return said

    def _close(self, descriptor: int) -> None:
        try:
            os.close(descriptor)
        except OSError:
            pass  # closed by the test already


if __name__ == "__main__":
    unittest.main()
