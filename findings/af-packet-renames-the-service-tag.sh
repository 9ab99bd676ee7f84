#!/usr/bin/env bash
# DPDK's net_af_packet makes an 802.1Q tag of every 802.1ad one that comes first, and so sends it on.
#
# Seen with: dpdk-dev 22.11.11-0+deb12u1 (dpdk-testpmd), librte-net-af-packet23, librte-net-pcap23, Linux 6.18.44. Needs
# root, for network namespaces; no hugepages, no NIC.
#
# Frames with VLAN tags come to one interface, on which testpmd listens through net_af_packet and through net_pcap at once and
# writes what it gets to a file for each:
#     the frame's tags          by net_pcap               by net_af_packet
#     8100 100                  8100 100                  8100 100
#     88a8 100                  88a8 100                  8100 100
#     88a8 100, 8100 101        88a8 100, 8100 101        8100 100, 8100 101
#     88a8 100, 88a8 101        88a8 100, 88a8 101        8100 100, 88a8 101
#     9100 100                  9100 100                  9100 100
# The kernel takes the first tag out of every frame, if its type is one that it knows, before a packet socket sees the frame,
# and says beside it which number and type it had. libpcap puts back both. The driver puts back the number (tp_vlan_tci) and
# writes 8100 for the type; it never looks at that (tp_vlan_tpid), and a program that has VLAN tags stripped cannot ask.
#
# Why it matters: in a provider's network the customer's VLAN 100 and the provider's VLAN 100 are two, told apart by nothing
# but the type. A box on net_af_packet, as in a VM, a container or a lab, moves every frame that it passes on from the one to
# the other: the next switch takes it for a customer's own or drops it, and nothing counts it. tcpdump on the box shows the
# right tag coming in, and with plain VLANs all is well. net_pcap on the same interface has the tags right.
. "$(dirname "$0")/common.bash"
version=22.11.11-0+deb12u1
debian dpdk-dev=$version librte-net-af-packet23=$version librte-net-pcap23=$version librte-mempool-ring23=$version
# DPDK loads no driver from below a folder that all may write, such as /tmp: preloaded they register all the same.
driver() { find "$tmp" /usr/lib/x86_64-linux-gnu -name "librte_$1.so.23" 2>/dev/null | head -1; }
drivers=$(for name in net_af_packet net_pcap mempool_ring; do driver $name; done | paste -sd:)

space phone; space box
for name in phone box; do
    at $name sysctl -qw net.ipv6.conf.default.disable_ipv6=1
done
wire phone eth0 box eth0
cat >"$tmp/send.py" <<'P'
"""Arguments: the tags of each frame, in hex."""
import socket, sys
from frames import ethernet, ipv4, udp

wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
frame = ethernet(ipv4("10.9.1.2", "10.9.1.1", udp("10.9.1.2", "10.9.1.1", b"tagged")))
for tags in sys.argv[1:]:
    wire.send(frame[:12] + bytes.fromhex(tags) + frame[12:])
P
cat >"$tmp/tags.py" <<'P'
"""Argument: a capture. The tags of each frame in it, a line a frame."""
import struct, sys
data, at = open(sys.argv[1], "rb").read(), 24
while at < len(data):
    size, = struct.unpack_from("<8xI", data, at)
    frame, at, tags = data[at + 16:at + 16 + size], at + 16 + size, []
    while frame[12:14] != b"\x08\x00":
        tags.append(f"{frame[12:14].hex()} {struct.unpack_from('>H', frame, 14)[0]}")
        frame = frame[:12] + frame[16:]
    print(", ".join(tags))
P
coproc { at box env LD_PRELOAD="$drivers" stdbuf -oL dpdk-testpmd --no-huge --no-shconf --no-telemetry -m 64 --no-pci \
    --lcores 0@0,1@1 --vdev net_af_packet0,iface=eth0 --vdev "net_pcap0,tx_pcap=$tmp/af_packet.pcap" \
    --vdev net_pcap1,rx_iface=eth0 --vdev "net_pcap2,tx_pcap=$tmp/pcap.pcap" -- -i --forward-mode=io \
    --disable-link-check --total-num-mbufs=4096 >"$tmp/testpmd" 2>&1; }
in=${COPROC[1]} pid=$COPROC_PID
echo start >&"$in"
for _ in $(seq 300); do ! grep -q 'io packet forwarding' "$tmp/testpmd" || break; sleep 0.1; done
sleep 0.5
at phone python3 "$tmp/send.py" 81000064 88a80064 88a8006481000065 88a8006488a80065 91000064
sleep 1
printf 'stop\nquit\n' >&"$in"
wait "$pid" || failed "testpmd: $(tail -1 "$tmp/testpmd")"
for name in pcap af_packet; do
    python3 "$tmp/tags.py" "$tmp/$name.pcap" >"$tmp/$name"
    same "frames by net_$name" "$(wc -l <"$tmp/$name")" 5
done
number=0
while IFS='|' read -r sent by_af_packet; do
    number=$((number + 1))
    same "$sent, by net_pcap" "$(sed -n ${number}p "$tmp/pcap")" "$sent"
    same "$sent, by net_af_packet" "$(sed -n ${number}p "$tmp/af_packet")" "$by_af_packet"
done <<'T'
8100 100|8100 100
88a8 100|8100 100
88a8 100, 8100 101|8100 100, 8100 101
88a8 100, 88a8 101|8100 100, 88a8 101
9100 100|9100 100
T
verdict
