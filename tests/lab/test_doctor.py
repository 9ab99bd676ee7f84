"""Faults put into a network: the doctor names the cause of each in words, and none of them while it is sound."""

import json
import stat
import sys
import tarfile
import time
import unittest

from standing import Setting, StandingLab, addresses

#: Half a second, so that a busy machine finds nobody late or dead by itself.
MONITOR = 'kind = "sip"\ninterval = "500ms"\ntimeout = "500ms"\nfall = 8\n'
#: Nobody is there, or nobody that leads anywhere.
ELSEWHERE = "10.20.0.254"
CONNECT = """
import socket, sys
client = socket.socket()
client.settimeout(30)
client.connect((sys.argv[1], int(sys.argv[2])))
"""
WARNING, ERROR = 4, 5


class DoctorLab(StandingLab):
    """What is asked where the appliance runs."""

    def in_box(self, *words: str):
        """A command where the appliance runs."""
        command = [str(self.appliance.program), "--socket", str(self.lab.file("admin.sock")), *words]
        return self.lab.host("appliance").run(command, 60.0, check=False)

    def diagnose(self, *checks: str) -> dict:
        done = self.in_box("doctor", "--json", *(word for check in checks for word in ("--only", check)))
        self.assertIn(done.returncode, (0, WARNING, ERROR), done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode, {"warning": WARNING, "error": ERROR}.get(found["worst"], 0))
        return found

    def found(self, check: str, *severities: str) -> dict:
        """The finding of a check, as soon as it has one so severe."""
        deadline = time.monotonic() + 60.0
        while True:
            found = self.diagnose(check)
            for row in found["findings"]:
                if row["severity"] in severities:
                    print(f"{row['severity']}: {row['what']}\n  {row['evidence']}\n  {row['remedy']}", file=sys.stderr)
                    return row
            self.assertLess(time.monotonic(), deadline, found)


class Sound(DoctorLab):
    def test_s106_of_a_sound_network_no_fault_is_named(self):
        self.lab.host("appliance").sysctl("net.ipv4.ip_forward", "0")
        checks = ("appliance", "offloads", "mtu", "kernel-forwarding", "kernel-addresses", "duplicate-address", "exclusions",
                  "vlans", "mtu-hole", "asymmetric-route")
        found = self.diagnose(*checks)
        self.assertEqual({row["check"]: row["severity"] for row in found["findings"]}, dict.fromkeys(checks, "ok"), found)
        self.assertTrue(found["running"])
        # What nothing was sent through yet has proved nothing of its way back.
        gateway = self.diagnose("member-gateway")
        self.assertEqual([row for row in gateway["findings"] if row["severity"] != "ok"], [], gateway)
        self.assertTrue(all("has passed yet" in row["why"] or "has been sent" in row["why"] for row in gateway["left_out"]), gateway)


class Faults(DoctorLab):
    setting = Setting(
        monitor=MONITOR,
        edits=(('exclude = ["172.16.1.20/32", "172.16.2.0/24"]', 'exclude = ["172.16.2.0/24"]'),),
    )

    def test_s106_a_member_whose_default_gateway_is_another_host(self):
        member = self.lab.host("sip-a")
        self.addCleanup(lambda: member.ip("route", "replace", "default", "via", addresses.INNER_SELF))
        member.ip("route", "replace", "default", "via", ELSEWHERE)
        call = [sys.executable, "-c", CONNECT, addresses.VIP, str(addresses.SIP_PORT)]
        self.addCleanup(self.lab.host("gateway").start("caller", call).stop)
        row = self.found("member-gateway", "error")
        self.assertIn("member sip-a answers probes", row["what"])
        self.assertIn("its default gateway is another host", row["what"])
        self.assertIn(f"{addresses.GATEWAY}:", row["evidence"])
        self.assertIn("ip route replace default via it", row["remedy"])
        self.assertIn(addresses.INNER_SELF, row["remedy"])

    def test_s106_a_host_that_has_the_virtual_address_as_well(self):
        thief = self.lab.plug_in("thief", [f"{addresses.VIP}/24"])
        self.addCleanup(thief.delete)
        mac = json.loads(thief.ip("-j", "link", "show", "eth0"))[0]["address"]
        thief.run(["ping", "-c", "2", "-i", "0.2", "-W", "1", addresses.INNER_SELF], check=False)
        row = self.found("duplicate-address", "error")
        self.assertIn("duplicate address", row["what"])
        self.assertIn(mac, row["what"])
        self.assertIn(addresses.VIP, row["what"])

    def test_s106_a_kernel_that_joins_segments_beneath_a_port(self):
        box = self.lab.host("appliance")
        self.addCleanup(lambda: box.run(["ethtool", "-K", "outer0", "gro", "off"]))
        box.run(["ethtool", "-K", "outer0", "gro", "on"])
        row = self.found("offloads", "error")
        self.assertIn("port outer: the kernel joins TCP segments", row["what"])
        self.assertEqual(row["remedy"], "ethtool -K outer0 gro off")

    def test_s106_an_interface_beneath_a_port_that_carries_less(self):
        box = self.lab.host("appliance")
        self.addCleanup(lambda: box.ip("link", "set", "inner0", "mtu", "1500"))
        box.ip("link", "set", "inner0", "mtu", "1400")
        row = self.found("mtu", "error")
        self.assertIn("interface inner0 carries 1400 bytes and the port 1500", row["what"])
        self.assertIn("ip link set inner0 mtu 1500", row["remedy"])

    def test_s106_a_member_that_answers_late(self):
        self.addCleanup(lambda: self.pair.order("sip-a", "late", seconds=0))
        self.pair.order("sip-a", "late", seconds=0.3)
        row = self.found("late-answers", "warning", "error")
        self.assertIn("member sip-a answers probes", row["what"])
        self.assertIn("late", row["what"])
        self.assertIn("timeout 500 ms", row["evidence"])

    def test_s106_a_configuration_server_that_is_not_excluded(self):
        listening = self.listen_in("config", addresses.CONFIG_SERVER, addresses.CONFIG_PORT)
        self.connected("sip-a", listening, addresses.CONFIG_SERVER)
        row = self.found("exclusions", "warning")
        self.assertIn(f"sip-a reaches {addresses.CONFIG_SERVER}:{addresses.CONFIG_PORT} (tcp) translated", row["what"])
        self.assertIn("exclusion group", row["what"])
        self.assertIn(f"fairlead exclude add pair-1 {addresses.CONFIG_SERVER}/32", row["remedy"])

    def test_an_archive_holds_what_somebody_needs_who_was_not_there(self):
        path = self.lab.file("support.tar.gz")
        done = self.in_box("support", "--output", str(path))
        self.assertEqual((done.returncode, done.stdout.strip()), (0, str(path)), done.stderr)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        with tarfile.open(path) as archive:
            files = {name.partition("/")[2]: archive.extractfile(name).read().decode() for name in archive.getnames()}
        tables = ("status", "members", "probes", "virtual-servers", "flows", "snat", "neighbours", "routes", "ports", "counters",
                  "counters-before", "latency", "switchovers", "traffic", "sip", "history", "state-show", "exclude-pair-1")
        for name in (*(f"tables/{table}.json" for table in tables), "configuration/file.toml", "configuration/in-force.toml",
                     "doctor.json", "doctor.txt", "versions.txt", "host/proc/cmdline", "host/sys/class/net/outer0/mtu"):
            self.assertIn(name, files)
        self.assertEqual(files["configuration/file.toml"], self.appliance.file.read_text())
        manifest = json.loads(files["manifest.json"])
        self.assertEqual({row["name"] for row in manifest["files"]}, files.keys() - {"manifest.json"})
        again = self.in_box("support", "--output", str(path))
        self.assertEqual(again.returncode, 1)
        self.assertIn("--force", again.stderr)
        self.assertEqual(self.in_box("support", "--force", "--output", str(path)).returncode, 0)


if __name__ == "__main__":
    unittest.main()
