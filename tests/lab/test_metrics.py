"""Metrics cannot be served where the file says, and clients who do nothing: neither keeps the appliance, or a scraper, waiting."""

import signal
import socket
import subprocess
import unittest
import urllib.request

from bare import PATIENCE, Bare, free_port


class Metrics(Bare):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.write(appliance=f'metrics = "127.0.0.1:{self.port}"')

    def test_a_port_that_is_taken_is_an_alarm_and_served_once_it_is_free(self):
        with socket.create_server(("127.0.0.1", self.port)):
            self.start(subprocess.DEVNULL)
            [alarm] = self.wait_for(lambda: self._alarms("no metrics: "), "there is no alarm")
            self.assertIn(f"127.0.0.1:{self.port}", alarm)
        self.wait_for(lambda: not self._alarms("no metrics: "), "the alarm stands")
        self.assertIn("fairlead_uptime_seconds", self._page(self.port))

    def test_another_address_in_the_file_is_taken_over_by_a_reload(self):
        self.start(subprocess.DEVNULL)
        other = free_port()
        self.write(appliance=f'metrics = "127.0.0.1:{other}"')
        self.assertEqual(self.command("reload").returncode, 0)
        self.wait_for(lambda: self._listens(other), "nobody listens there")
        self.assertIn("fairlead_uptime_seconds", self._page(other))
        self.wait_for(lambda: not self._listens(self.port), "somebody listens where the file said before")

    def test_idle_clients_keep_nobody_out(self):
        self.start(subprocess.DEVNULL)
        for _ in range(100):
            self.enterContext(socket.create_connection(("127.0.0.1", self.port), PATIENCE))
        self.assertIn("fairlead_uptime_seconds", self._page(self.port))
        for _ in range(300):
            client = self.enterContext(socket.socket(socket.AF_UNIX))
            client.connect(str(self.socket))
        self.assertEqual(self.command("status").returncode, 0)

    def test_a_stopped_appliance_is_reported_and_not_waited_for(self):
        process = self.start(subprocess.DEVNULL)
        process.send_signal(signal.SIGSTOP)
        done = self.command("status")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn(f"the appliance does not answer at {self.socket}: nothing came in 5 s", done.stderr)
        process.send_signal(signal.SIGCONT)
        self.assertEqual(self.command("status").returncode, 0)

    def _alarms(self, begin: str) -> list[str]:
        return [alarm["message"] for alarm in self.ask("status")["alarms"] if alarm["message"].startswith(begin)]

    def _listens(self, port: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except ConnectionRefusedError:
            return False
        return True

    def _page(self, port: int) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as page:
            return page.read().decode()


if __name__ == "__main__":
    unittest.main()
