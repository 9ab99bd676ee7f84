"""The connection between two appliances of a pair, where either one's kernel gives it to the device of the servers' network: cut without a word,
or slow.

Read first: `twin_pair.py`. Owns: the queues in front of those devices, until they are made anew. All else that passes there, VRRP too, is not
touched. On the lab's wires no frame may wait: it would keep its place in the sender's AF_PACKET ring, and all behind it (`transmit_full`). The
lab's kernel has no netem; at 64 kbit/s a full frame takes 0.19 s by itself, and what waits before it as long again.
"""

from lab.host import Host
from lab.topology import Lab
from lab.twins import BOTH

#: The kernel's device that the connection goes by.
DEVICE = "fl-servers"
#: How slow it is, and how many frames may wait.
RATE, WAITING = "64kbit", 100


class SyncWire:
    """Of one lab, by the TCP port at which either one listens."""

    def __init__(self, lab: Lab, port: int):
        self._hosts, self._port = [lab.host(host) for host in BOTH], port

    def cut(self) -> None:
        """What either one sends disappears; nobody hears why."""
        self._queue(0)

    def slow(self) -> None:
        """What either one sends takes its time."""
        self._queue(WAITING)

    def mend(self) -> None:
        """As it was; also where nothing was done."""
        for host in self._hosts:
            host.run(["tc", "qdisc", "del", "dev", DEVICE, "root"], check=False)

    def _queue(self, waiting: int) -> None:
        self.mend()
        for host in self._hosts:
            self._tc("qdisc", host, "root", "handle", "1:", "htb")
            self._tc("class", host, "parent", "1:", "classid", "1:1", "htb", "rate", RATE)
            self._tc("qdisc", host, "parent", "1:1", "pfifo", "limit", str(waiting))
            for end in ("sport", "dport"):
                match = ["match", "ip", "protocol", "6", "0xff", "match", "ip", end, str(self._port), "0xffff"]
                self._tc("filter", host, "parent", "1:", "protocol", "ip", "u32", *match, "flowid", "1:1")

    @staticmethod
    def _tc(what: str, host: Host, *words: str) -> None:
        host.run(["tc", what, "add", "dev", DEVICE, *words])
