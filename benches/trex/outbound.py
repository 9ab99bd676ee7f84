"""Outbound SNAT: sip-a calls hosts outside, and they answer. `-t --protocol udp --flows 50000 --size 64`

With `--protocol tcp` the segments are of connections in mid-stream: the appliance takes each up at the first segment of the
member's. Ports of the member are 40,000 and up, which the virtual address keeps as long as nobody else holds them.
"""

import box

INSIDE = 40_000


class Outbound:
    """What TRex asks for."""

    def get_streams(self, direction=0, tunables=(), **_):
        """The streams of one of its ports."""
        chosen = box.options(tunables, protocol="udp", latency="no")
        outward = not box.from_world(direction)
        field = "dst" if outward else "src"
        streams = [box.stream(self._layers(chosen.protocol, outward), field, box.REMOTES, chosen.flows, chosen.size)]
        if chosen.latency == "yes" and chosen.protocol == "udp":
            group = 8 if outward else 7
            streams.append(box.stream(self._layers("udp", outward), field, box.REMOTES, 1, chosen.size, 1_000, group))
        return streams

    def _layers(self, protocol, outward):
        ends = {"sport": INSIDE, "dport": 20_000} if outward else {"sport": 20_000, "dport": INSIDE}
        header = box.ip(box.SIP_A, box.REMOTES) if outward else box.ip(box.REMOTES, box.VIP)
        transport = box.TCP(flags="A", **ends) if protocol == "tcp" else box.UDP(**ends)
        return header, transport


def register():
    """What TRex calls."""
    return Outbound()
