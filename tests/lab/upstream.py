"""What a router learns of routes to the virtual address, and what the tests of routing daemons share."""

import datetime
import re
import subprocess

from standing import Setting, addresses

#: Where the file of the lab says something else with the device of an interface.
_OUTER, _INNER = (f'addresses = ["{address}/24"]\n' for address in (addresses.OUTER_SELF, addresses.INNER_SELF))

#: What routers ask of the appliance: three packets, 300 ms apart.
BFD = """
bfd
 profile fairlead
  detect-multiplier 3
  transmit-interval 300
  receive-interval 300
 exit
exit
"""


class Upstream:
    """What a host's kernel hears of routes to the virtual address, and when."""

    def __init__(self, host):
        command = ["ip", "netns", "exec", host.namespace, "ip", "-ts", "monitor", "route"]
        self.log = host.directory / f"routes-{host.name}.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, env={"TZ": "UTC", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def stop(self) -> None:
        """Hears no more."""
        self._process.kill()
        self._process.wait()

    def changes(self) -> list[tuple[float, bool]]:
        """When, in seconds of wall time, and whether it came or went."""
        found = re.findall(rf"^\[(\S+)\] (Deleted )?{re.escape(addresses.VIP)} ", self.log.read_text(), re.MULTILINE)
        return [(seconds(time), not gone) for time, gone in found]

    def ways(self, to: str) -> list[tuple[float, set[str]]]:
        """When the next hops to it, or to `default`, became others, in seconds of wall time, and which they were from then on; none: it was
        withdrawn."""
        found = []
        for event in re.split(r"^(?=\[\d)", self.log.read_text(), flags=re.MULTILINE):
            if (head := re.match(rf"\[(\S+)\] (Deleted )?{re.escape(to)} ", event)) and (event.endswith("\n")):
                hops = set() if head[2] else set(re.findall(r"via ([\d.]+)", event))
                found.append((seconds(head[1]), hops))
        return found

    def has_it(self) -> bool:
        """Whether there is a route to the address now."""
        changes = self.changes()
        return bool(changes) and changes[-1][1]


def seconds(text: str) -> float:
    """Of wall time, of a time as `ip` and Fairlead print it."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp()


def advertise(when: str) -> tuple[str, str]:
    """The edit of the file by which the virtual address is advertised."""
    return "[[virtual_server]]\n", f'[[virtual_server]]\nadvertise = "{when}"\n'


def over_both_ports(*further: tuple[str, str]) -> Setting:
    """Advertised, and with a device for either interface."""
    devices = ((_OUTER, f'{_OUTER}host = "fl-clients"\n'), (_INNER, f'{_INNER}host = "fl-servers"\n'))
    return Setting(edits=(advertise("when-active"), *devices, *further))


def over_the_port(when: str = "when-active") -> Setting:
    """Advertised, and what speaks to routers does so over the device of the interface towards clients."""
    return Setting(edits=(advertise(when), (_OUTER, f'{_OUTER}host = "fl-clients"\n')))
