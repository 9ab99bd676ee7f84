#!/usr/bin/env bash
# Linux NAT rewrites the source port of a flow that none of its rules matches.
#
# Seen with: Linux 6.18.44, nftables 1.0.6-2+deb12u2. Needs root, for network namespaces.
#
# A router has one rule: UDP to the service address, port 5060, goes to the member. A phone sends from port 5060 to the
# service address, then from the same socket to the member's own address. The second flow matches no rule, yet it
# arrives from another port, as its answers would otherwise look like the first one's:
#     to the service: the member sees port 5060
#     to the member:  the member sees port 58147      (another number each time)
# In the other order it is the translated flow that loses its port, although the rule speaks of the destination only.
#
# Why it matters: SIP phones and trunks use 5060 on both sides and reach one server both by its service address and by its
# own. Behind such a balancer a Via without rport, or a trunk known by its port, fails for whichever flow came second.
# Whoever builds a NAT must choose what to do when two flows want one reply tuple; here the choice hides in conntrack.
. "$(dirname "$0")/common.bash"
debian nftables=1.0.6-2+deb12u2

cat >"$tmp/member.py" <<'P'
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("10.9.2.2", 5060))
while True:
    data, peer = sock.recvfrom(100)
    sock.sendto(str(peer[1]).encode(), peer)
P
cat >"$tmp/phone.py" <<'P'
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("10.9.1.2", 5060))
sock.settimeout(3)
ports = []
for target in sys.argv[1:]:
    sock.sendto(b"x", (target, 5060))
    port, peer = sock.recvfrom(100)
    assert peer == (target, 5060), peer
    ports.append("kept" if port == b"5060" else "another")
print(*ports, sep=", ")
P

# What became of the source port of the flows to these two addresses, one after the other, in a new world.
ports() {
    space phone; space router; space member
    wire phone eth0 router p; wire member eth0 router m
    address phone eth0 10.9.1.2/24; address router p 10.9.1.1/24
    address member eth0 10.9.2.2/24; address router m 10.9.2.1/24
    at phone ip route add default via 10.9.1.1
    at member ip route add default via 10.9.2.1
    at router sysctl -qw net.ipv4.ip_forward=1
    at router nft 'table ip t { chain c { type nat hook prerouting priority dstnat; ip daddr 10.9.3.3 udp dport 5060 dnat to 10.9.2.2; }; }'
    at member python3 "$tmp/member.py" & disown
    sleep 0.5
    at phone python3 "$tmp/phone.py" "$@" >"$tmp/seen"
    leave_spaces
}
ports 10.9.3.3 10.9.2.2
same "service, then the member itself" "$(cat "$tmp/seen")" "kept, another"
ports 10.9.2.2 10.9.3.3
same "member itself, then the service" "$(cat "$tmp/seen")" "kept, another"
verdict
