"""A mix: sizes 64, 594 and 1,518 as 7 to 4 to 1 (the simple IMIX), half service UDP, half outbound TCP.

`-t --flows 4096`: of each size and kind.
"""

import box

SIZES = ((64, 7), (594, 4), (1518, 1))
INSIDE = 41_000


class Imix:
    """What TRex asks for."""

    def get_streams(self, direction=0, tunables=(), **_):
        """The streams of one of its ports; their rates are shares of the rate TRex is given."""
        chosen = box.options(tunables)
        inward = box.from_world(direction)
        streams = []
        for number, (size, share) in enumerate(SIZES):
            inside = INSIDE + number
            if inward:
                udp = (box.ip(box.CLIENTS, box.VIP), box.UDP(sport=20_000, dport=box.SERVICE_PORT))
                tcp = (box.ip(box.REMOTES, box.VIP), box.TCP(sport=20_000, dport=inside, flags="A"))
            else:
                udp = (box.ip(box.SIP_A, box.CLIENTS), box.UDP(sport=box.SERVICE_PORT, dport=20_000))
                tcp = (box.ip(box.SIP_A, box.REMOTES), box.TCP(sport=inside, dport=20_000, flags="A"))
            field = "src" if inward else "dst"
            streams.append(box.stream(udp, field, box.CLIENTS, chosen.flows, size, pps=share))
            streams.append(box.stream(tcp, field, box.REMOTES, chosen.flows, size, pps=share))
        return streams


def register():
    """What TRex calls."""
    return Imix()
