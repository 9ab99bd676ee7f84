"""Monitors that ask by HTTP, against Python's own server: what it answers, what it serves, and whose certificate it shows."""

import sys
import unittest

import standing  # noqa: F401  (finds the lab)
from lab import addresses
from lab.appliance import Appliance, Setting
from lab.host import Program
from lab.shell import run
from lab.topology import Lab

PORT = 8080
#: Serves a directory over TLS: address, port, directory, and the file of certificate and key.
SECURE = """
import functools, http.server, ssl, sys
address, port, directory, certificate = sys.argv[1:]
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
server = http.server.ThreadingHTTPServer((address, int(port)), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def monitor(kind: str, more: str = "") -> Setting:
    """Its keys, at five probes a second."""
    pace = 'interval = "200ms"\ntimeout = "200ms"\nfall = 3\n'
    return Setting(monitor=f'kind = "{kind}"\n{pace}port = {PORT}\npath = "/health"\n{more}')


class Http(unittest.TestCase):
    def setUp(self):
        self.lab = self.enterContext(Lab())
        self.page = self.lab.file("site") / "health"
        self.page.parent.mkdir()
        self.page.write_text("all is well\n")

    def ask(self, setting: Setting) -> Appliance:
        """An appliance that asks both members so."""
        appliance = Appliance(self.lab, setting=setting)
        appliance.start()
        self.addCleanup(appliance.stop)
        return appliance

    def serve(self, secure: bool = False) -> Program:
        """sip-b serves; on sip-a nobody listens."""
        address, site = addresses.MEMBERS["sip-b"], str(self.page.parent)
        plain = [sys.executable, "-m", "http.server", str(PORT), "--bind", address, "--directory", site]
        certificate = str(self.lab.file("pbx.pem"))
        return self.lab.start("sip-b", "http", [sys.executable, "-c", SECURE, address, str(PORT), site, certificate] if secure else plain)

    def sign(self) -> None:
        """A certificate that signs itself, with its key in one file, and alone in another."""
        key, certificate = self.lab.file("pbx.pem"), self.lab.file("pbx.crt")
        run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=pbx.example", "-addext", "subjectAltName=DNS:pbx.example", "-keyout", str(key), "-out", str(certificate),
        ])
        key.write_text(key.read_text() + certificate.read_text())

    def test_what_the_server_answers_decides(self):
        appliance = self.ask(monitor("http", 'receive = "is well"\n'))
        appliance.wait_for_state("sip-b", "down")
        server = self.serve()
        row = appliance.wait_for_state("sip-b", "up", 20.0)
        self.assertEqual(row["reason"], "sip-options: 200 OK, with the text expected", server.said())
        self.assertEqual(appliance.wait_for_active()["name"], "sip-b")
        self.assertIn("closed", appliance.wait_for_state("sip-a", "down")["reason"])
        self.page.write_text("all is lost\n")
        self.assertIn("but the text expected is not in it", appliance.wait_for_state("sip-b", "down")["reason"])
        self.page.write_text("again all is well\n")
        appliance.wait_for_state("sip-b", "up")
        self.page.unlink()
        self.assertIn("404", appliance.wait_for_state("sip-b", "down")["reason"])
        self.assertIn('"GET /health HTTP/1.', server.said())

    def test_a_certificate_that_signs_itself_is_as_good_as_any_unless_it_is_verified(self):
        self.sign()
        server = self.serve(secure=True)
        appliance = self.ask(monitor("https"))
        self.assertEqual(appliance.wait_for_state("sip-b", "up", 20.0)["reason"], "sip-options: 200 OK", server.said())
        appliance.stop()
        verified = 'verify = true\nserver_name = "pbx.example"\n'
        appliance = self.ask(monitor("https", verified))
        self.assertIn("self-signed", appliance.wait_for_state("sip-b", "down", 20.0)["reason"])
        appliance.stop()
        appliance = self.ask(monitor("https", f'{verified}ca = "{self.lab.file("pbx.crt")}"\n'))
        self.assertEqual(appliance.wait_for_state("sip-b", "up", 20.0)["reason"], "sip-options: 200 OK", server.said())


if __name__ == "__main__":
    unittest.main()
