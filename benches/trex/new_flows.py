"""New flows: every datagram of sip-a's opens one. `-t --flows 4000000`: so many before the first comes again.

Give TRex the rate of new flows, such as `-m 1mpps`, on port 1 alone. A flow lives two minutes at least (`[timeouts] udp`):
at R new flows a second the table needs room for 120 R, or it is the full table that is measured (P11).
"""

import box

INSIDE = 42_000


class NewFlows:
    """What TRex asks for."""

    def get_streams(self, direction=1, tunables=(), **_):
        """The stream of port 1; port 0 has none."""
        chosen = box.options(tunables, flows=4_000_000)
        if box.from_world(direction):
            return []
        layers = box.ip(box.SIP_A, box.REMOTES), box.UDP(sport=INSIDE, dport=20_000)
        return [box.stream(layers, "dst", box.REMOTES, chosen.flows, chosen.size)]


def register():
    """What TRex calls."""
    return NewFlows()
