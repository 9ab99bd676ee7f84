#!/usr/bin/env bash
# Clamping TCP's MSS in the path changes the UDP datagrams that iperf3 sends, and so the packet rate of the same test.
#
# Seen with: iperf3 3.12-1+deb12u2, nftables 1.0.6-2+deb12u2. Needs root, for network namespaces.
#
# `iperf3 -u -b 1M` through a router, MTU 1500 everywhere, first plain, then with a rule that sets the MSS of TCP SYNs to
# 536. No rule speaks of UDP; iperf3 sizes its datagrams by the MSS of its control connection:
#     plain                datagrams of 1448 bytes,  87 in a second
#     MSS clamped          datagrams of  524 bytes, 239 in a second
#
# Why it matters: a balancer with `clamp-mss`, or one that ends TCP itself, is compared at "1 Gbit/s of UDP" with one that
# does not, and gets nearly three times the packets. It also means that iperf3 without -l never sends a full-sized UDP
# packet (1448 + 28 of 1500), so no fragment and no MTU trouble shows. Say -l.
. "$(dirname "$0")/common.bash"
debian iperf3=3.12-1+deb12u2 nftables=1.0.6-2+deb12u2

space client; space router; space server
wire client eth0 router c; wire server eth0 router s
address client eth0 10.9.1.2/24; address router c 10.9.1.1/24
address server eth0 10.9.2.2/24; address router s 10.9.2.1/24
at client ip route add default via 10.9.1.1
at server ip route add default via 10.9.2.1
at router sysctl -qw net.ipv4.ip_forward=1
size() {
    at server iperf3 -s -1 >/dev/null & disown
    sleep 0.7
    at client iperf3 -u -c 10.9.2.2 -b 1M -t 1 -J | python3 -c '
import json, sys
print(json.load(sys.stdin)["start"]["test_start"]["blksize"])'
}
same "plain" "$(size)" 1448
at router nft 'table ip t { chain f { type filter hook forward priority filter; tcp flags syn tcp option maxseg size set 536; }; }'
same "MSS clamped to 536" "$(size)" 524
verdict
