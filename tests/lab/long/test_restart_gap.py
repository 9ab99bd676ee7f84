"""A restart as the unit does it, SIGTERM and a new process, under load: 200 calls a second, a thousand connections, a thousand ports of the
virtual address through which members have asked.

The gap is that of the service's datagrams on the appliance's own wires, the longest of three: nothing that the phone had sent left towards the
servers, nothing of the virtual address came to the phone, and from the first of the INVITEs that never left until the last. (How soon servers
written in Python answer on busy cores is no part of it; calls are counted beside it.) From it is taken what DPDK and the two devices need for
themselves, measured in the same run on the same devices while nobody else has them, five times, of which the shortest counts
(`device_alone.py`): `rte_eal_init`, buffers, ports started, ports closed, `rte_eal_cleanup`. All else is the appliance's: what it writes, the
end of its process and the next one's beginning, what it reads and takes up. Both run before every other program (`at_once`), so that the load
that shares their cores here, as it would not on a box, is not what is measured; and under a service manager, as the unit, that looks each 10 ms
whether it has ended and starts it again at once.
"""

import os
import re
import sys
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from device_alone import device_time
from held import GATEWAY_UDP, SERVICE, Held
from lab.appliance import ManagedAppliance
from lab.gaps import not_forwarded
from lab.rounds import Calls
from lab.sniffer import UDP, Seen, Sniffer
from standing import Setting, StandingLab, addresses, sipp
from upstream import seconds

#: Calls a second, for how long in seconds, and how long they have been placed when the appliance is ended.
RATE, SECONDS, BEFORE = 200, 12, 3.0
#: The longest gap beyond what the device needs, in seconds; a busy machine may miss it.
BEYOND, ATTEMPTS = 0.3, 5
#: How often the device alone is opened and closed.
ALONE = 5
#: After its end all that stands says something, so soon, in seconds: nobody forwards yet.
MEANWHILE = 0.1
#: For so long it is looked whether anything is missing, and so soon what is forwarded leaves, in seconds.
LOOKED_AT, SOON = 5.0, 0.1
#: Where is looked at what is on the wires.
PLACES = (("phone", "eth0"), ("router", "phone"), ("switch", "appliance"), ("gateway", "eth0"))

LEFT = Path("/dev/shm") / f"fairlead-handover-gap-{os.getpid()}"
A = addresses.MEMBERS["sip-a"]


class AtOnce(ManagedAppliance):
    """Started again as soon as it has ended."""

    pause = 0.0


@dataclass(frozen=True)
class Gaps:
    """Of one restart, in seconds: nothing towards the servers, nothing to the phone, INVITEs that never left, and how many those are."""

    inward: float
    outward: float
    lost: float
    count: int

    @property
    def longest(self) -> float:
        """Of the three."""
        return max(self.inward, self.outward, self.lost)


class RestartGap(StandingLab):
    kind = AtOnce
    setting = Setting(also_listen=(f"tcp/{SERVICE}",), edits=(("[appliance]\n", f'[appliance]\nhandover = "{LEFT}"\n'),))
    appliance: AtOnce

    @classmethod
    def setUpClass(cls) -> None:
        cls.addClassCleanup(LEFT.unlink, missing_ok=True)  # what the last process leaves
        super().setUpClass()

    def test_s181_a_restart_under_load_costs_a_moment_and_nothing_that_stands(self):
        self.appliance.stop()
        alone = [device_time(self.lab) for _ in range(ALONE)]
        device = min(map(sum, alone))
        said = ", ".join(f"{1e3 * opened:.0f} + {1e3 * closed:.0f}" for opened, closed in alone)
        print(f"DPDK and its devices alone, opened and closed: {said} ms", file=sys.stderr)
        self.appliance.start(at_once=True)
        self.appliance.wait_for_active("sip-a")
        gaps = []
        with Held(self.lab) as held:
            self.assertGreaterEqual(held.moved_ports(), 400, "ports that no packet of a member says")
            for attempt in range(1, ATTEMPTS + 1):
                gaps.append(self._one_restart(held, device, attempt))
                if gaps[-1] - device <= BEYOND:
                    return
        self.fail(f"never within {BEYOND:g} s of the {device:.3f} s that the device needs: {gaps}")

    def _one_restart(self, held: Held, device: float, attempt: int) -> float:
        """The longest gap in seconds; of what stands nothing is lost, and nothing goes astray."""
        watchers = {place: Sniffer(self.lab, *place) for place in PLACES}
        for watcher in watchers.values():
            self.addCleanup(watcher.stop)
        caller = sipp.udp_calls(self.lab, RATE, RATE * SECONDS)
        time.sleep(BEFORE)
        speaking = threading.Timer(MEANWHILE, held.speak_up)
        at = time.time()
        speaking.start()
        self.appliance.restart()
        speaking.join()
        silent, lost = held.silent_connections(), held.lost_mappings()
        timeline = self._timeline(at)
        calls = caller.finish(60.0)
        for watcher in watchers.values():
            watcher.stop()
        seen = {place: [one for one in watcher.seen() if one.protocol == UDP] for place, watcher in watchers.items()}
        gaps, astray = self._gaps(seen, at), self._astray(seen, held)
        print(f"attempt {attempt}, after SIGTERM: {timeline}", file=sys.stderr)
        print(self._line(gaps, device, calls, (held, silent, lost), len(astray)), file=sys.stderr)
        self.assertEqual((calls.made, calls.completed), (RATE * SECONDS,) * 2, f"{calls}")
        self.assertEqual((silent[:20], lost[:20], astray[:20]), ([], [], []), self.appliance.said()[-2000:])
        return gaps.longest

    def _timeline(self, at: float) -> str:
        """What the log says of the end and the beginning, in milliseconds since `at`."""
        lines = [line.split() for line in self.appliance.said().splitlines() if " event=" in line]
        found = [(seconds(words[0]) - at, words) for words in lines if seconds(words[0]) >= at]
        wanted = {"event=stop", "event=handover.written", "event=start", "event=handover.taken", "event=ready"}
        taken = re.findall(r"\d+ flows.* taken up in \d+ ms", self.appliance.said())
        steps = [f"{word.removeprefix('event=')} {1e3 * after:.0f} ms" for after, words in found for word in words if word in wanted]
        return ", ".join([*steps, *taken[-1:]])

    def _line(self, gaps: Gaps, device: float, calls: Calls, stands: tuple[Held, list[str], list[str]], astray: int) -> str:
        """The last line of the test."""
        held, silent, lost = stands
        return (
            f"a restart: longest gap {1e3 * gaps.longest:.0f} ms, {1e3 * (gaps.longest - device):+.0f} ms beyond the device's {1e3 * device:.0f} ms "
            f"({1e3 * gaps.inward:.0f} ms inward, {1e3 * gaps.outward:.0f} ms outward, {gaps.count} INVITEs within {1e3 * gaps.lost:.0f} ms lost); "
            f"calls kept {calls.completed}, lost {calls.made - calls.completed}; "
            f"connections kept {len(held.connections) - len(silent)}, lost {len(silent)}; ports kept {len(held.mappings) - len(lost)}, lost "
            f"{len(lost)}; {astray} datagrams from a wrong source or to a wrong member"
        )

    def _gaps(self, seen: dict[tuple[str, str], list[Seen]], at: float) -> Gaps:
        """Of a restart that began at `at`."""
        until = at + LOOKED_AT
        left = [one for one in seen["switch", "appliance"] if one.src == addresses.PHONE]
        came = [one for one in seen["phone", "eth0"] if one.src == addresses.VIP]
        lost = not_forwarded(seen["router", "phone"], left, at - 1.0, until, SOON)
        return Gaps(_silence(left, at, until), _silence(came, at, until), max(lost) - min(lost) if lost else 0.0, len(lost))

    def _astray(self, seen: dict[tuple[str, str], list[Seen]], held: Held) -> list[Seen]:
        """Datagrams that were translated as nothing is that stands."""
        service, gateway = (addresses.VIP, addresses.SIP_PORT), (addresses.GATEWAY, GATEWAY_UDP)
        asked = {mapping.seen: mapping.socket.getsockname() for mapping in held.mappings}
        inward = [one for one in seen["switch", "appliance"] if one.src != addresses.INNER_SELF]
        outward = [one for one in seen["gateway", "eth0"] if (one.dst, one.dst_port) == gateway]
        return [
            *(one for one in seen["phone", "eth0"] if (one.src, one.src_port) != service),
            *(one for one in inward if one.src == addresses.PHONE and (one.dst, one.dst_port) != (A, addresses.SIP_PORT)),
            *(one for one in inward if (one.src, one.src_port) == gateway and (one.dst, one.dst_port) not in asked.values()),
            *(one for one in outward if (one.src, one.src_port) not in asked),
        ]


def _silence(packets: list[Seen], at: float, until: float) -> float:
    """The longest time between two of them, in seconds."""
    times = [one.time for one in packets if at - 1.0 <= one.time <= until]
    return max((later - earlier for earlier, later in pairwise(times)), default=until - at)
