"""The status page and its data, as a browser and a program get them: what HTTP says, and that whoever looks keeps the appliance from nothing.

How it looks: `long/test_browser.py`.
"""

import http.client
import json
import re
import socket
import subprocess
import threading
import time
import unittest

from bare import PATIENCE, SCRIPTS, Bare, free_port

#: Generous: the appliance, its clients and whatever else runs share two cores here.
PROMPT = 3.0


class StatusPage(Bare):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.write(appliance=f'name = "edge-1"\nmetrics = "127.0.0.1:{self.port}"')
        self.start(subprocess.DEVNULL)
        self.wait_for(self._listens, "nobody listens")

    def test_s170_the_page_loads_nothing_from_elsewhere_and_is_not_sent_twice(self):
        page = self.request("GET", "/")
        self.assertEqual((page.status, page.getheader("Content-Type")), (200, "text/html; charset=utf-8"))
        self.assertEqual(page.getheader("X-Content-Type-Options"), "nosniff")
        policy = page.getheader("Content-Security-Policy")
        self.assertTrue(policy.startswith("default-src 'none'; "), policy)
        self.assertNotIn("unsafe", policy)
        text = page.read().decode()
        links = re.findall(r'(?:src|href|action)="([^"]*)"', text)
        self.assertIn("/metrics", links)
        for link in links:
            self.assertRegex(link, r"^(/[a-z.]*|#\w+|data:image/svg\+xml,.*)$")
        self.assertEqual(re.findall(r"@import|url\(", text), [])
        again = self.request("GET", "/", {"If-None-Match": page.getheader("ETag")})
        self.assertEqual((again.status, again.read()), (304, b""))
        self.assertEqual(self.request("GET", "/", {"If-None-Match": '"another"'}).status, 200)

    def test_s170_other_methods_and_paths_are_answered_as_http_says(self):
        for path in ("/", "/status.json", "/metrics", "/healthz"):
            with self.subTest(path):
                got = self.request("GET", path)
                head = self.request("HEAD", path)
                self.assertEqual((head.status, head.read()), (200, b""))
                self.assertEqual(head.getheader("Content-Type"), got.getheader("Content-Type"))
                refused = self.request("POST", path, body=b"x" * 10_000)
                self.assertEqual((refused.status, refused.getheader("Allow")), (405, "GET, HEAD"))
        self.assertEqual(self.request("GET", "/admin").status, 404)
        self.assertEqual(self.request("GET", f"http://box:{self.port}/healthz").read(), b"ok\n")

    def test_s170_the_data_are_those_of_the_tables_as_json_md_says(self):
        answer = self.request("GET", "/status.json")
        self.assertEqual((answer.getheader("Content-Type"), answer.getheader("Cache-Control")), ("application/json", "no-store"))
        seen, status = json.load(answer), self.ask("status")
        self.assertEqual((seen["name"], seen["version"]), ("edge-1", status["version"]))
        self.assertEqual([member["name"] for member in seen["members"]], [member["name"] for member in self.ask("members")])
        self.assertEqual([server["name"] for server in seen["virtual_servers"]], ["sip-1"])
        self.assertEqual(len(seen["alarms"]), len(status["alarms"]))
        page = (SCRIPTS.parent / "dpdk-config/json.md").read_text()
        for title, row in (("Overview", seen), ("TrendRow", seen["trend"])):
            section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
            self.assertEqual(set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)), set(row), title)

    def test_s169_who_opens_it_later_is_shown_what_has_passed(self):
        trend = self.wait_for(lambda: self._trend(3), "nothing is kept")
        self.assertEqual({len(values) for values in trend.values() if isinstance(values, list)}, {len(trend["flows"])})
        self.assertLess(len(trend["flows"]), 300)

    def test_s170_clients_that_do_not_read_and_many_that_do_keep_nobody_waiting(self):
        for number in range(60):
            client = self.enterContext(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            client.connect(("127.0.0.1", self.port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" if number % 3 else b"GET /sta")
        ending = threading.Event()
        clients = [threading.Thread(target=self._look_until, args=(ending,)) for _ in range(8)]
        for client in clients:
            client.start()
        slowest = 0.0
        for _ in range(20):
            begun = time.monotonic()
            self.assertEqual(self.command("status").returncode, 0)
            slowest = max(slowest, time.monotonic() - begun)
        ending.set()
        for client in clients:
            client.join(PATIENCE)
        self.assertLess(slowest, PROMPT)
        self.assertEqual(self.request("GET", "/").status, 200)
        self.assertEqual(self.request("GET", "/status.json").status, 200)

    def _look_until(self, ending: threading.Event) -> None:
        """Asks again and again; one that has to give way asks anew."""
        while not ending.is_set():
            try:
                self.request("GET", "/status.json").read()
            except (OSError, http.client.HTTPException):
                pass

    def _trend(self, least: int) -> dict | None:
        """What has passed, once so many samples are kept."""
        trend = json.load(self.request("GET", "/status.json"))["trend"]
        return trend if len(trend["flows"]) >= least else None

    def _listens(self) -> bool:
        try:
            return self.request("GET", "/healthz").status == 200
        except OSError:
            return False

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> http.client.HTTPResponse:
        """The answer to a request, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request(method, path, body, headers or {})
        return connection.getresponse()


if __name__ == "__main__":
    unittest.main()
