"""A lab with two appliances beside each other: both on the link towards clients, and both on that of the servers.

Owns: the second appliance's host and wires, and the switch between the router and the two. Never: which of them is whose next hop.
Read first: the picture in `addresses`.
"""

import re

from . import addresses
from .appliance import HOST, Setting
from .topology import Lab

#: The second one, and its addresses.
SECOND = "appliance-b"
OUTER_SECOND, INNER_SECOND = "192.0.2.3", "10.20.0.2"
BOTH = (HOST, SECOND)


class TwinLab(Lab):
    """The deployment with a second appliance. The router has no way to the servers, and they have none out: that is for who uses it to say."""

    def _lay_out(self) -> None:
        super()._lay_out()
        self._add(SECOND)
        router = self.hosts["router"]
        # The router's port becomes a switch with a port for each.
        router.ip("address", "flush", "dev", "outer")
        router.ip("link", "set", "outer", "name", "outer-a", "down")
        router.ip("link", "add", "outer", "type", "bridge")
        router.sysctl("net.bridge.bridge-nf-call-iptables", "0")
        self._wire(SECOND, "outer0", "router", "outer-b")
        for port in ("outer-a", "outer-b"):
            router.ip("link", "set", port, "master", "outer", "up")
        router.ip("link", "set", "outer", "up")
        self._address("router", "outer", f"{addresses.ROUTER}/24")
        self._wire(SECOND, "inner0", "switch", SECOND)
        self.hosts["switch"].ip("link", "set", SECOND, "master", "br0")
        for member in addresses.MEMBERS:
            self.hosts[member].ip("route", "delete", "default")

    def cut_outside(self, host: str) -> None:
        """The link of an appliance towards clients goes down, and that alone."""
        self.hosts["router"].ip("link", "set", "outer-a" if host == HOST else "outer-b", "down")

    def cut(self, host: str) -> None:
        """Both links of an appliance go down, as if it had lost its power."""
        self._both_links(host, "down")

    def mend(self, host: str) -> None:
        """And come up again."""
        self._both_links(host, "up")

    def _both_links(self, host: str, state: str) -> None:
        self.hosts["router"].ip("link", "set", "outer-a" if host == HOST else "outer-b", state)
        self.hosts["switch"].ip("link", "set", host, state)


def of_second(setting: Setting) -> Setting:
    """What the second appliance's file has where the first one's is `setting`."""
    own = lambda text: _replaced(text, {addresses.OUTER_SELF: OUTER_SECOND, addresses.INNER_SELF: INNER_SECOND})
    edits = tuple((was, own(becomes)) for was, becomes in setting.edits)
    return Setting(**{**setting.__dict__, "edits": edits, "more": own(setting.more)})


def _replaced(text: str, own: dict[str, str]) -> str:
    """The addresses whole: 10.20.0.1 stands in 10.20.0.11 and 10.20.0.100 as well."""
    for was, becomes in own.items():
        text = re.sub(rf"(?<![\d.]){re.escape(was)}(?![\d.])", becomes, text)
    return text
