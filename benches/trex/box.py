"""What the profiles share: the network of the box, and streams whose fields vary.

Owns: addresses (those of `fairlead.toml` in this folder), packets, the field engine. Port 0 of TRex is the world behind the
router, port 1 is sip-a. Never: rates of a run; those are given to TRex.
"""

import argparse
from collections.abc import Sequence

from trex_stl_lib.api import (
    UDP, TCP, Ether, IP, STLFlowLatencyStats, STLPktBuilder, STLScVmRaw, STLStream, STLTXCont, STLVmFixIpv4,
    STLVmFlowVar, STLVmTupleGen, STLVmWrFlowVar,
)

VIP, SIP_A, SIP_B = "10.20.0.100", "10.20.0.11", "10.20.0.12"
SERVICE_PORT = 5060
CLIENTS, REMOTES = "172.20.0.1", "100.64.0.1"

#: A frame without its check sequence, which the NIC adds.
CHECK_SEQUENCE = 4
LATENCY_SIZE = 96


def options(tunables: Sequence[str], flows: int = 4_096, size: int = 64, **others: str) -> argparse.Namespace:
    """What may be given after `-t`: the number of conversations, the size of frames, and what a profile adds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--flows", type=int, default=flows, help="conversations")
    parser.add_argument("--size", type=int, default=size, help="bytes a frame, check sequence included")
    for name, default in others.items():
        parser.add_argument(f"--{name}", default=default)
    return parser.parse_args(list(tunables))


def addresses_up(first: str, count: int) -> str:
    """The last of so many addresses."""
    number = sum(int(part) << shift for part, shift in zip(first.split("."), (24, 16, 8, 0))) + count - 1
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def stream(layers, field: str, first: str, flows: int, size: int, pps: float = 1.0, latency: int | None = None):
    """Packets of two layers over IP, in which the address `field` ("src" or "dst") and its port are another for each of
    `flows` conversations. DF is set, as Linux does: identifications then stay as they are, and TRex counts by them."""
    address = f"IP.{field}"
    port = f"{layers[1].name}.{'sport' if field == 'src' else 'dport'}"
    hosts = max(1, min(flows, 65_000))
    ports = -(-flows // hosts)
    engine = [
        STLVmTupleGen(ip_min=first, ip_max=addresses_up(first, hosts), port_min=20_000, port_max=20_000 + ports - 1,
                      name="peer"),
        STLVmWrFlowVar(fv_name="peer.ip", pkt_offset=address),
        STLVmWrFlowVar(fv_name="peer.port", pkt_offset=port),
        *_checksums(layers[1]),
    ]
    packet = Ether() / layers[0] / layers[1]
    size = max(size, LATENCY_SIZE) if latency is not None else size
    padding = max(0, size - CHECK_SEQUENCE - len(packet))
    builder = STLPktBuilder(pkt=packet / (padding * "x"), vm=STLScVmRaw(engine))
    counted = None if latency is None else STLFlowLatencyStats(pg_id=latency)
    return STLStream(packet=builder, mode=STLTXCont(pps=pps), flow_stats=counted)


def ip(src: str, dst: str):
    """An IP header with DF."""
    return IP(src=src, dst=dst, flags="DF", id=0)


def _checksums(transport) -> list:
    """IP's in software; UDP's is left out, which IPv4 allows (RFC 768); TCP's needs the NIC."""
    if isinstance(transport, TCP):
        from trex_stl_lib.api import CTRexVmInsFixHwCs, STLVmFixChecksumHw

        return [STLVmFixChecksumHw(l3_offset="IP", l4_offset="TCP", l4_type=CTRexVmInsFixHwCs.L4_TYPE_TCP)]
    transport.chksum = 0
    return [STLVmFixIpv4(offset="IP")]


def from_world(direction: int) -> bool:
    """This is TRex's port 0."""
    return direction == 0


__all__ = [
    "CLIENTS", "REMOTES", "SERVICE_PORT", "SIP_A", "SIP_B", "TCP", "UDP", "VIP", "STLVmFlowVar", "from_world", "ip",
    "options", "stream",
]
