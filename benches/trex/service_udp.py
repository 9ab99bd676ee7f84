"""Service UDP: peers send to the virtual address, sip-a answers each. `-t --flows 4096 --size 64`

`-t --latency yes` adds a stream of 1,000 packets a second whose loss and latency TRex counts (its own packet group 5).
"""

import box


class ServiceUdp:
    """What TRex asks for."""

    def get_streams(self, direction=0, tunables=(), **_):
        """The streams of one of its ports."""
        chosen = box.options(tunables, latency="no")
        if box.from_world(direction):
            layers = lambda: (box.ip(box.CLIENTS, box.VIP), box.UDP(sport=20_000, dport=box.SERVICE_PORT))
            field, group = "src", 5
        else:
            layers = lambda: (box.ip(box.SIP_A, box.CLIENTS), box.UDP(sport=box.SERVICE_PORT, dport=20_000))
            field, group = "dst", 6
        streams = [box.stream(layers(), field, box.CLIENTS, chosen.flows, chosen.size)]
        if chosen.latency == "yes":
            streams.append(box.stream(layers(), field, box.CLIENTS, 1, chosen.size, pps=1_000, latency=group))
        return streams


def register():
    """What TRex calls."""
    return ServiceUdp()
