"""What the appliance may do as a service: over devices of the kernel it needs neither root nor more than the capabilities of
dpdk-config/systemd/fairlead.service.d/af-packet.conf, and no system call but those that the unit allows."""

import os
import pwd
import re
import shutil
import tempfile
import time
import unittest
from pathlib import Path

from standing import SCRIPTS, Setting, addresses, sipp
from lab import two_arm
from lab.appliance import Appliance, binary
from lab.shell import LabError, run
from lab.sip.pair import Pair
from lab.topology import Lab

UNITS = SCRIPTS.parent / "dpdk-config/systemd"
DROP_IN = UNITS / "fairlead.service.d/af-packet.conf"
#: The kernel's own device of an interface, as most sites have for keepalived or a routing daemon.
HOST = (
    (f'addresses = ["{addresses.OUTER_SELF}/24"]\n', f'addresses = ["{addresses.OUTER_SELF}/24"]\nhost = "fl-clients"\n'),
)
ROUTES = "\n[routes]\nfrom_kernel = true\n"


def value(file: Path, key: str) -> list[str]:
    """The words of the last such line of a unit."""
    return re.findall(rf"^{key}=(.+)$", file.read_text(), re.MULTILINE)[-1].split()


def wrapper(lab: Lab, run_with: str) -> Path:
    """A program that is the appliance, started in this way, and otherwise its commands."""
    file = lab.file("wrapped")
    file.write_text(f'#!/bin/sh\ncase "$1" in run) exec {run_with} {binary()} "$@";; esac\nexec {binary()} "$@"\n')
    file.chmod(0o755)
    return file


class Capabilities(unittest.TestCase):
    def start(self, capabilities: list[str]) -> tuple[Lab, Appliance]:
        """An appliance as nobody, with these capabilities and no others."""
        lab = self.enterContext(Lab())
        Pair(lab).start()
        nobody = pwd.getpwnam("nobody")
        runtime = lab.file("run")
        runtime.mkdir()
        for folder in (lab.directory, runtime):
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        only = ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in capabilities)])
        rights = f"--inh-caps={only} --ambient-caps={only} --bounding-set={only} --no-new-privs"
        user = f"--reuid={nobody.pw_uid} --regid={nobody.pw_gid} --clear-groups"
        program = wrapper(lab, f"env RUNTIME_DIRECTORY={runtime} setpriv {user} {rights}")
        appliance = Appliance(lab, program, Setting(edits=HOST, more=ROUTES))
        appliance.start()
        return lab, appliance

    def test_calls_pass_with_those_of_the_drop_in_alone(self):
        self.assertEqual(value(DROP_IN, "AmbientCapabilities"), value(DROP_IN, "CapabilityBoundingSet"))
        lab, appliance = self.start(value(DROP_IN, "AmbientCapabilities"))
        appliance.wait_for_active("sip-a")
        calls = sipp.udp_calls(lab, 20, 60).finish(60.0)
        self.assertEqual((calls.made, calls.completed), (60, 60))
        self.assertEqual(appliance.alarms(), [])
        lab.host("phone").run(["ping", "-c", "1", "-W", "5", addresses.OUTER_SELF])
        self.assertEqual(appliance.stop(), 0, appliance.said())

    def test_each_of_them_is_needed(self):
        needed = value(DROP_IN, "AmbientCapabilities")
        for one in needed:
            with self.subTest(one), self.assertRaises(LabError) as lacks:
                self.start([other for other in needed if other != one])
            self.assertRegex(str(lacks.exception), "permi|cannot lock", one)


class SystemCalls(unittest.TestCase):
    def allowed(self, name: str) -> set[str]:
        """The system calls that a name of SystemCallFilter stands for."""
        if not name.startswith("@"):
            return {name}
        lines = [line.strip() for line in run(["systemd-analyze", "syscall-filter", name]).stdout.splitlines()[1:]]
        return set().union(*(self.allowed(line) for line in lines if line and not line.startswith("#")))

    def test_the_unit_s_filter_lets_through_all_that_is_used(self):
        lab = self.enterContext(Lab())
        pair = Pair(lab)
        pair.start()
        counted = lab.file("calls")
        appliance = Appliance(lab, wrapper(lab, f"strace -D -f -qq -c -o {counted}"), self.everything(lab))
        appliance.start()
        appliance.wait_for_active("sip-a")
        calls = sipp.udp_calls(lab, 20, 60).finish(60.0)
        self.assertEqual(calls.completed, 60)
        for words in (["reload"], ["capture", "--duration", "1s"], ["recorder", "freeze"], ["pool", "force", "pair-1", "sip-a"]):
            appliance.command(*words)
        lab.host("appliance").run(["curl", "--silent", "--fail", "http://127.0.0.1:9469/healthz"])
        counters = appliance.counters()
        self.assertGreater(counters["notify_run"], 0)
        self.assertEqual(counters["notify_failed"], 0)
        self.assertEqual(appliance.stop(), 0)
        deadline = time.monotonic() + 20
        while not counted.exists() or " total" not in counted.read_text():
            self.assertLess(time.monotonic(), deadline, "strace does not end")
            time.sleep(0.1)
        used = {line.split()[-1] for line in counted.read_text().splitlines() if re.match(r"\s*\d", line)} - {"total"}
        self.assertGreater(len(used), 60)
        allowed = set().union(*map(self.allowed, value(UNITS / "fairlead.service", "SystemCallFilter")))
        self.assertEqual(used - allowed, set())

    def everything(self, lab: Lab) -> Setting:
        """All that asks the kernel for something."""
        files = f'admin_group = "nogroup"\nadmin_socket_ro = "{lab.file("ro.sock")}"\nhandover = "{lab.file("handover")}"\n'
        return Setting(
            edits=(
                *HOST,
                ('log = "info"\n', f'log = "info"\nmetrics = "127.0.0.1:9469"\n{files}'),
                (two_arm.LISTEN, f'{two_arm.LISTEN}advertise = "when-active"\n'),
            ),
            more=f'{ROUTES}\n[sip]\nsample = 1\n\n[notify]\ncommand = ["/bin/cat"]\n',
        )


class Exposure(unittest.TestCase):
    """`systemd-analyze security`, in tenths, at most."""

    def judged(self, *drop_ins: Path) -> str:
        root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        units = root / "etc/systemd/system"
        (units / "fairlead.service.d").mkdir(parents=True)
        shutil.copy(UNITS / "fairlead.service", units)
        for drop_in in drop_ins:
            shutil.copy(drop_in, units / "fairlead.service.d")
        most = "30" if drop_ins else "45"
        done = run(
            ["systemd-analyze", "security", "--offline=true", f"--threshold={most}", f"--root={root}", "--no-pager", "fairlead.service"], check=False
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_the_unit_is_exposed_no_more_than_its_nics_need(self):
        self.assertIn("Service runs as root user", self.judged())

    def test_without_root_it_is_at_three_at_most(self):
        self.assertIn("Service runs under a static non-root user identity", self.judged(DROP_IN))


if __name__ == "__main__":
    unittest.main()
