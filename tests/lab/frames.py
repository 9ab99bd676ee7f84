"""Frames that nobody should send, made by scapy: `python3 frames.py INTERFACE OUR-MAC SOURCE SEED`.

Every kind of damage the appliance must count or answer, and random frames of one seed. Sent on the wire as they are.
"""

import random
import sys

from scapy.all import (
    ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPOption_LSRR, IPOption_RR, Raw, fragment, fuzz, get_if_hwaddr, raw,
    sendp,
)

V, A = "10.20.0.100", "10.20.0.11"
NOBODY = ("127.0.0.1", "224.0.0.5", "0.0.0.0", "255.255.255.255")
FLAGS = ("", "SF", "SR", "FPU", "A", "RA")


def damaged(source: str) -> list:
    """One of each way to be wrong, at any layer."""
    sip = Raw(b"OPTIONS sip:v SIP/2.0\r\n\r\n")
    to_v = IP(src=source, dst=V)
    return [
        to_v / UDP(sport=5060, dport=5060, len=4) / sip,
        to_v / UDP(sport=5060, dport=5060, len=9000) / sip,
        to_v / UDP(sport=5060, dport=5060, chksum=1) / sip,
        to_v / UDP(sport=5060, dport=5060, chksum=0),
        to_v / TCP(dport=5060, dataofs=3, flags="S"),
        to_v / TCP(dport=5060, dataofs=15, flags="S"),
        *(to_v / TCP(sport=n, dport=5060, flags=flags) for n, flags in enumerate(FLAGS, 4000)),
        IP(src=source, dst=V, ihl=3) / UDP(dport=5060),
        IP(src=source, dst=V, ihl=15) / UDP(dport=5060),
        IP(src=source, dst=V, version=6) / UDP(dport=5060),
        IP(src=source, dst=V, chksum=1) / UDP(dport=5060),
        IP(src=source, dst=V, len=20) / UDP(dport=5060) / sip,
        IP(src=source, dst=V, len=60000) / UDP(dport=5060) / sip,
        IP(src=source, dst=V, ttl=0) / UDP(dport=5060),
        IP(src=source, dst=A, ttl=1) / UDP(dport=5060),
        IP(src=source, dst=V, options=[IPOption_LSRR(routers=["1.2.3.4"])]) / UDP(dport=5060),
        IP(src=source, dst=V, options=[IPOption_RR(routers=["0.0.0.0"] * 4)]) / UDP(dport=5060),
        *(IP(src=bad, dst=V) / UDP(dport=5060) for bad in (V, A, *NOBODY)),
        *(IP(src=source, dst=bad) / UDP(dport=5060) for bad in ("10.20.0.255", *NOBODY)),
        *(IP(src=source, dst=V, proto=number) / sip for number in (0, 2, 41, 47, 50, 132, 255)),
        *(to_v / ICMP(type=kind, code=code) for kind in (0, 3, 4, 5, 8, 11, 12, 13, 17, 255) for code in (0, 15)),
        to_v / ICMP(type=3, code=3) / IP(src=V, dst=source) / UDP(sport=5060, dport=5060),
        to_v / ICMP(type=3, code=4) / IP(src=V, dst=source, ihl=15),
        to_v / ICMP(type=3, code=3) / Raw(raw(IP(src=V, dst=source) / ICMP(type=3, code=3))[:24]),
        *fragment(to_v / UDP(sport=5060, dport=5060) / Raw(b"x" * 4000), 1000),
        IP(src=source, dst=V, frag=8189, flags="MF") / Raw(b"y" * 1400),
        IP(src=source, dst=V, frag=1) / Raw(b"tiny"),
    ]


def links(mac: str, source: str) -> list:
    """Wrong below IP: tags, ARP that lies, frames that end too early."""
    whole = raw(Ether(dst=mac, src="02:00:00:00:00:77") / IP(src=source, dst=V) / UDP(dport=5060) / Raw(b"x" * 40))
    return [
        Ether(dst=mac) / Dot1Q(vlan=0) / IP(src=source, dst=V) / UDP(dport=5060),
        Ether(dst=mac) / Dot1Q(vlan=4095) / IP(src=source, dst=V) / UDP(dport=5060),
        Ether(dst=mac) / Dot1Q(vlan=7) / Dot1Q(vlan=8) / IP(src=source, dst=V) / UDP(dport=5060),
        Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, psrc="10.20.0.77", pdst="10.20.0.77", hwsrc="00:00:00:00:00:00"),
        Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwlen=7, plen=3),
        Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=9, hwtype=77),
        Ether(dst=mac, type=0x0800) / Raw(b""),
        Ether(dst=mac, type=0x86DD) / Raw(b"\x60" + b"\0" * 60),
        Ether(dst=mac, type=0x88CC) / Raw(b"\0" * 46),
        *(Raw(whole[:length]) for length in range(14, len(whole), 3)),
    ]


def noise(mac: str, count: int) -> list:
    """Random fields, and random bytes behind a true Ethernet head."""
    layers = (UDP, TCP, ICMP)
    made = [Ether(dst=mac) / fuzz(IP(dst=V) / random.choice(layers)()) for _ in range(count)]
    return made + [Ether(dst=mac, type=0x0800) / Raw(random.randbytes(random.randint(0, 200))) for _ in range(count)]


def main() -> None:
    """Sends everything twice, so that what a first frame leaves behind meets a second one."""
    interface, mac, source, seed = sys.argv[1:5]
    random.seed(int(seed))
    ours = get_if_hwaddr(interface)
    frames = [Ether(dst=mac) / packet for packet in damaged(source)] + links(mac, source) + noise(mac, 400)
    for frame in frames:
        if Ether in frame:
            frame[Ether].src = ours  # or a switch in between would not take it
    whole = [Raw(raw(frame)) for frame in frames]
    sendp(whole * 2, iface=interface, verbose=False)
    print(f"sent {len(whole) * 2}")


if __name__ == "__main__":
    main()
