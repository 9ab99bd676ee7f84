#!/usr/bin/env bash
# DPDK's net_pcap replays any capture as Ethernet: it never looks at the file's link type.
#
# Seen with: dpdk-dev 22.11.11-0+deb12u1 (dpdk-testpmd), librte-net-pcap23. As root; no hugepages, no NIC.
#
# Two captures that hold the same UDP datagram, one as `tcpdump -i any` writes it (LINUX_SLL, 113), one as raw IP (101),
# go through one port (rx_pcap, tx_pcap) in io mode. Nothing is refused or said. The file that comes out claims Ethernet
# and holds the bytes as they were, so that a destination address is read out of the cooked or the IP header:
#     cooked:  link type 1, destination 00:00:00:01:00:06, 69 bytes
#     raw IP:  link type 1, destination 45:00:00:35:00:01, 53 bytes
# The raw one is worse than wrong: 0x45, IPv4's first byte, has the group bit set, so each packet is a multicast frame
# and passes a filter for one's own address.
#
# Why it matters: captures come from operators, and `-i any` is how most take them. Replayed into a box under test they
# count as received and die as unknown EtherType or "not for us", which reads as a fault of the box.
. "$(dirname "$0")/common.bash"
debian dpdk-dev=22.11.11-0+deb12u1 librte-net-pcap23=22.11.11-0+deb12u1 librte-mempool-ring23=22.11.11-0+deb12u1
# DPDK loads no driver from below a folder that all may write, such as /tmp: preloaded they register all the same.
drivers=$(find "$tmp" -path '*/pmds-*/librte_*' -regex '.*/librte_\(bus_vdev\|mempool_ring\|net_pcap\).so.23' | paste -sd:)

python3 - "$tmp" <<'P'
import sys
from frames import ipv4, udp, write_pcap
packet = ipv4("192.0.2.1", "198.51.100.2", udp("192.0.2.1", "198.51.100.2", b"OPTIONS sip:x SIP/2.0\r\n\r\n"))
cooked = bytes.fromhex("0000" "0001" "0006" "0200000000010000" "0800")
write_pcap(sys.argv[1] + "/cooked.pcap", [cooked + packet], 113)
write_pcap(sys.argv[1] + "/raw.pcap", [packet], 101)
P
through() {
    LD_PRELOAD=$drivers dpdk-testpmd --no-huge --no-shconf --no-telemetry -m 128 --no-pci --lcores 0@0,1@0 \
        --vdev "net_pcap0,rx_pcap=$tmp/$1.pcap,tx_pcap=$tmp/out.pcap" \
        -- --no-flush-rx --total-num-mbufs=2048 --forward-mode=io < <(sleep 2) >"$tmp/log" 2>&1
    python3 - "$tmp/out.pcap" "$tmp/$1.pcap" <<'P'
import struct, sys
out, given = (open(name, "rb").read() for name in sys.argv[1:])
same = "unchanged" if out[40:] == given[40:] else "changed"
print(f"link type {struct.unpack('<I', out[20:24])[0]}, destination {out[40:46].hex(':')}, {len(out) - 40} bytes {same}")
P
}
same "cooked" "$(through cooked)" "link type 1, destination 00:00:00:01:00:06, 69 bytes unchanged"
same "raw IP" "$(through raw)" "link type 1, destination 45:00:00:35:00:01, 53 bytes unchanged"
verdict
