"""Runs a pair of SIP Servers through two switchovers under load, and checks what the peers and the wires saw.

`scripts/demo` runs it. Owns the sequence of events; hosts are in `topology`, the load in `traffic`, the checks in `proofs`.
"""

import argparse
import signal
import sys
import time

from . import addresses, leftovers, proofs
from .appliance import Appliance, Setting
from .deaths import Deaths
from .report import Report
from .shell import LabError, need_programs, need_root, run_script
from .sip.pair import Pair
from .switchover import Switchover
from .topology import Lab
from .toolchain import build_release
from .traffic import OUTWARD_RATE, TCP_RATE, TLS_RATE, UDP_RATE, Traffic

CALM, LOAD = 6.0, 26


class Demo:
    """One run in a lab that is up."""

    def __init__(self, lab: Lab, report: Report):
        self.lab = lab
        self.report = report
        self.appliance = Appliance(lab, setting=Setting(fall=2))
        self.pair = Pair(lab)
        self.harm: list[tuple[float, float]] = []
        self.switchovers: list[Switchover] = []

    def play(self) -> None:
        """Everything, from start to end."""
        self._begin()
        self.report.chapter("Load")
        rates = f"{UDP_RATE} UDP, {TCP_RATE} TCP, {TLS_RATE} TLS and {OUTWARD_RATE} outbound calls per second"
        self.report.say(f"{rates}; long-lived connections to a T-client and to the configuration server")
        traffic = Traffic.start(self.lab, self.pair, LOAD)
        self._watch(traffic, CALM)
        self._switch("sip-a closes its SIP ports, sip-b opens its own", "sip-a", "sip-b", self.pair.take_over)
        self._watch(traffic, CALM)
        self._switch("sip-b loses its link, sip-a opens its SIP ports", "sip-b", "sip-a", self._lose_link)
        self._watch(traffic, CALM)
        self._end(traffic)

    def _begin(self) -> None:
        self.report.chapter("A deployment in network namespaces")
        print(_picture())
        self.pair.start()
        self.appliance.start(at_once=True)
        active = self.appliance.wait_for_active()
        what = "Fairlead runs on DPDK virtual devices and selected sip-a"
        self.report.expect(what, active["name"] == "sip-a", active["reason"])
        self._show("members", "virtual-servers", "ports")

    def _switch(self, what: str, old: str, new: str, cause) -> None:
        number = len(self.switchovers) + 1
        self.report.chapter(f"Switchover {number}: {what}")
        self._show("members")
        began = time.time()
        cause()
        switchover = self.appliance.wait_for_switchover(number)
        self.switchovers.append(switchover)
        self.harm.append((began, switchover.installed_at))
        self._show("members", "switchovers")
        proofs.timeline(self.report, switchover, old, new)

    def _lose_link(self) -> None:
        """The host is alive but cut off; whatever supervises the pair tells the other one to take over."""
        self.pair.order("sip-b", "outward", rate=0)
        self.lab.pull_cable("sip-b")
        self.pair.take_over()

    def _watch(self, traffic: Traffic, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(2.0, left))
            counts = traffic.counts()
            counted = (f"{kind} {calls.completed}/{calls.made}" for kind, calls in counts.items())
            self.report.say(f"{self.report.seconds():4.0f} s  completed/made: {', '.join(counted)}")

    def _end(self, traffic: Traffic) -> None:
        self.report.chapter("Waiting for the last calls")
        calls = traffic.finish()
        self.lab.plug_cable("sip-b")
        rows = [[kind, c.made, c.completed, c.retransmitted, c.failed] for kind, c in calls.items()]
        self.report.table(["calls", "made", "completed", "retransmitted", "failed"], rows)
        self._show("counters", "status")
        self.report.chapter("Checks")
        proofs.calls_over_udp(self.report, calls)
        proofs.calls_over_streams(self.report, "TCP", traffic.tcp.rounds(), self.harm)
        proofs.calls_over_streams(self.report, "TLS", traffic.tls.rounds(), self.harm)
        proofs.nothing_to_the_old(self.report, traffic, self.switchovers)
        proofs.resets(self.report, traffic, self.switchovers[-1])
        proofs.addresses_seen(self.report, traffic)
        proofs.long_connections(self.report, traffic)
        proofs.every_frame(self.report, self.appliance)
        self.report.expect("Fairlead is still running", self.appliance.is_running())
        self.appliance.stop()
        self.appliance = Deaths(self.lab, self.pair, self.report).play()

    def _show(self, *tables: str) -> None:
        for table in tables:
            self.report.show(f"fairlead {table}", self.appliance.show(table))


def look_around(lab: Lab, appliance: Appliance) -> str:
    """Commands to try in a lab that was kept."""
    prefix = f"ip netns exec fl-{lab.id}-"
    fairlead = f"{appliance.program} --socket {lab.file('admin.sock')}"
    return f"""
The lab is up. Some things to try:

  {fairlead} status            # also members, switchovers, flows, counters, ...
  {fairlead} pool force pair-1 sip-b
  {prefix}phone ping {addresses.VIP}
  {prefix}tclient traceroute {addresses.MEMBERS['sip-a']}
  {prefix}switch tcpdump -ni appliance udp port 5060
  {prefix}phone openssl s_client -connect {addresses.VIP}:{addresses.SIP_TLS_PORT}
  less {lab.file('fairlead.log')}; cat {appliance.file}

Remove it with: scripts/demo --clean {lab.id}"""


def main() -> int:
    """Parses the command line, runs the demo, and returns the exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    return run_script("scripts/demo", lambda: _do(options))


def _do(options: argparse.Namespace) -> int:
    need_root()
    if options.clean is not None:
        swept = leftovers.sweep(with_kept=True, lab_id=options.clean or None)
        if options.clean and not swept:
            raise LabError(f"there is no lab {options.clean} that was kept or left behind")
        print(f"Removed {len(swept)} lab{'s' * (len(swept) != 1)} {' '.join(swept)}".rstrip())
        return 0
    need_programs("ip", "ethtool", "setpriv", "sipp", "stunnel", "openssl")
    if not options.no_build:
        build_release()
    return _play(options.keep)


def _play(keep: bool) -> int:
    report = Report()
    with Lab(keep) as lab:
        demo = Demo(lab, report)
        demo.play()
        if keep:
            print(look_around(lab, demo.appliance))
    if not keep:
        report.expect("Nothing is left behind", not leftovers.remains(lab.id))
    return report.end()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the lab up and print commands to try in it")
    parser.add_argument("--clean", nargs="?", const="", metavar="LAB",
                        help="remove this lab, or all that were kept or left behind, also by others, and exit")
    parser.add_argument("--no-build", action="store_true", help="use the fairlead that is already built")
    return parser.parse_args()


def _picture() -> str:
    lines = addresses.__doc__.split("\n\n", 1)[1].rstrip().splitlines()
    return "\n".join(line.replace(" " * 4, "  ", 1) for line in lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
