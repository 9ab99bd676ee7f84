#!/usr/bin/env bash
# A rule in a Linux router's own INPUT chain, past which no translated packet goes, decides what kind of NAT it is.
#
# Seen with: pystun3 2.0.0 (PyPI), coturn 4.6.1-1 as the STUN server and its turnutils_natdiscovery as a second tester,
# nftables 1.0.6-2+deb12u2, Linux 6.18.44. Needs root, for network namespaces.
#
# One router with `masquerade`, one host behind it, a STUN server with two addresses outside:
#     pystun3                                        Symmetric NAT
#     turnutils_natdiscovery -m                      NAT with Endpoint Independent Mapping!
#     the same two after `iifname "out" ct state new drop` in the router's input hook:
#     pystun3                                        Restric Port NAT      (sic)
#     turnutils_natdiscovery -m                      NAT with Endpoint Independent Mapping!
# The tester makes what it measures. It first asks the server to answer from its second address; the router does not let
# that answer in, but takes it as a packet to itself and keeps it in conntrack. When the host then writes to that second
# address, the reply tuple is taken, so the flow gets another port: "symmetric". A packet dropped in the input hook is
# never confirmed in conntrack, so with the rule the port stays. The second tester asks in another order.
#
# Why it matters: hole punching and ICE through Linux fail or work by which side's first packet was early, and a report
# "symmetric NAT" may speak of the tester. A NAT must not let refused inbound packets claim the tuple of its mapping.
. "$(dirname "$0")/common.bash"
debian coturn=4.6.1-1 nftables=1.0.6-2+deb12u2
pypi pystun3==2.0.0

space host; space router; space server
wire host eth0 router in; wire server eth0 router out
address host eth0 10.9.1.2/24; address router in 10.9.1.1/24
address router out 10.9.9.254/24; address server eth0 10.9.9.1/24; address server eth0 10.9.9.2/24
at host ip route add default via 10.9.1.1
at router sysctl -qw net.ipv4.ip_forward=1
at router nft 'table ip t { chain n { type nat hook postrouting priority srcnat; oifname "out" masquerade; }; chain i { type filter hook input priority filter; }; }'
at server turnserver -n --no-cli -S -z --no-tls --no-dtls -L 10.9.9.1 -L 10.9.9.2 --pidfile "$tmp/pid" \
    --log-file stdout --db "$tmp/db" >"$tmp/log" 2>&1 & disown
sleep 2

pystun() { at host python3 -m stun.cli -H 10.9.9.1 -P 3478 -p "$1" | sed -n 's/^NAT Type: //p'; }
coturn() { at host turnutils_natdiscovery -m 10.9.9.1 2>&1 | grep 'Mapping!' || true; }

same "pystun3" "$(pystun 40001)" "Symmetric NAT"
same "natdiscovery" "$(coturn)" "NAT with Endpoint Independent Mapping!"
at router nft 'add rule ip t i iifname "out" ct state new drop'
same "pystun3, new input refused" "$(pystun 40002)" "Restric Port NAT"
same "natdiscovery, new input refused" "$(coturn)" "NAT with Endpoint Independent Mapping!"
verdict
