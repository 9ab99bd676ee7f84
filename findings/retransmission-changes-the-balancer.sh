#!/usr/bin/env bash
# Behind a Linux router with two equal routes, one second of loss cuts half of the TCP connections in use over IPv6, none over IPv4.
#
# Seen with: Linux 6.18.44, nftables 1.0.6-2+deb12u2. Needs root, for network namespaces.
#
# A client, a router with two next hops for a service address (as BIRD or FRR install them for two balancers that announce
# it), and a member behind each that knows its own connections only. 32 connections ask and are answered; then the router
# drops for one second what the client sends. Of the 32, cut by a reset from the member that does not know them:
#     the router's fib_multipath_hash_policy        IPv4     IPv6
#     0 (the default, addresses)                      0      about half
#     0, with net.core.txrehash=0 at the client       0        0
#     1 (addresses and ports)                       about half, here
#     3 (fields, the default ones)                    0        0
# Linux gives a TCP connection another IPv6 flow label with each timeout (to route around a broken path), and "addresses"
# includes the label in IPv6. Policy 1 takes the hash that a packet brings with it before it looks at ports; between network
# namespaces, as on a host with containers, that is the sender's own, which is drawn anew with the label, so that IPv4 is hit
# too. A UDP socket keeps its label and its member.
#
# Why it matters: a short loss that TCP would have mended ends SIP registrations over TCP by the thousand, over one family,
# and the box that never lost a packet sends the resets. And a lab of namespaces shows with policy 1 what no wire does.
. "$(dirname "$0")/common.bash"
debian nftables=1.0.6-2+deb12u2

for name in client router one two; do
    space $name
    at $name sysctl -qw net.ipv6.conf.default.accept_dad=0
done
at router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
wire client eth0 router client
wire router one one eth0
wire router two two eth0
join() { # SPACE DEVICE NETWORK HOST
    address "$1" "$2" "10.9.$3.$4/24"
    ip -n "$1$$" address add "2001:db8:$3::$4/64" dev "$2" nodad
}
join client eth0 1 2; join router client 1 1
join one eth0 2 2; join router one 2 1
join two eth0 3 2; join router two 3 1
for row in "client 1" "one 2" "two 3"; do
    read -r name network <<<"$row"
    at "$name" ip route add default via "10.9.$network.1"
    at "$name" ip route add default via "2001:db8:$network::1"
done
for name in one two; do
    join $name lo 9 9
done
at router ip route add 10.9.9.9 nexthop via 10.9.2.2 nexthop via 10.9.3.2
at router ip route add 2001:db8:9::9 nexthop via 2001:db8:2::2 nexthop via 2001:db8:3::2

cat >"$tmp/member.py" <<'P'
"""Argument: its name. Answers over TCP what it is told, over UDP its name."""
import selectors, socket, sys
ready = selectors.DefaultSelector()
for family, address in ((socket.AF_INET, "10.9.9.9"), (socket.AF_INET6, "2001:db8:9::9")):
    ready.register(socket.create_server((address, 5060), family=family, backlog=100), selectors.EVENT_READ, "calls")
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, 5060))
    ready.register(sock, selectors.EVENT_READ, "datagrams")
while True:
    for key, _ in ready.select():
        if key.data == "calls":
            ready.register(key.fileobj.accept()[0], selectors.EVENT_READ)
            continue
        if key.data == "datagrams":
            key.fileobj.sendto(sys.argv[1].encode(), key.fileobj.recvfrom(100)[1])
            continue
        try:
            data = key.fileobj.recv(100)
        except ConnectionError:
            data = b""
        if data:
            key.fileobj.send(data)
        else:
            ready.unregister(key.fileobj)
            key.fileobj.close()
P
cat >"$tmp/client.py" <<'P'
"""Argument: the service's address. Opens connections, then says a line, waits for one, and says how many are cut."""
import socket, sys, time
calls = [socket.create_connection((sys.argv[1], 5060), 9) for _ in range(32)]
def ask():
    cut = 0
    for call in calls:
        call.send(b"hello")
    for call in calls:
        try:
            cut += call.recv(100) != b"hello"
        except ConnectionResetError:
            cut += 1
    return cut
assert ask() == 0
print("answered", flush=True)
input()
print(ask())
P
cat >"$tmp/datagrams.py" <<'P'
"""Argument: the service's address. How many of 32 sockets are answered by both members, asking four times each."""
import socket, sys
members = []
for _ in range(32):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.settimeout(9)
        seen = set()
        for _ in range(4):
            sock.sendto(b"hello", (sys.argv[1], 5060))
            seen.add(sock.recv(100))
        members.append(seen)
assert set.union(*members) == {b"one", b"two"}
print(sum(len(seen) > 1 for seen in members))
P
for name in one two; do
    at $name python3 "$tmp/member.py" $name 2>>"$tmp/log" &
    disown
done
at router nft -f - <<'N'
table inet loss {
    chain forward {
        type filter hook forward priority filter
    }
}
N
sleep 1
# Arguments: the policy and the address. How many of 32 are cut.
cut() {
    at router sysctl -qw "net.ipv4.fib_multipath_hash_policy=$1" "net.ipv6.fib_multipath_hash_policy=$1"
    coproc { at client python3 "$tmp/client.py" "$2"; }
    local answer
    read -r -t 30 answer <&"${COPROC[0]}" || failed "the connections are not answered"
    at router nft add rule inet loss forward iifname client drop
    echo >&"${COPROC[1]}"
    sleep 1
    at router nft flush chain inet loss forward
    read -r -t 30 answer <&"${COPROC[0]}" || failed "no result"
    wait "$COPROC_PID" 2>/dev/null || true
    echo "$answer"
}
some() {
    echo "  ($1 of 32)" >&2
    if [ "$1" -ge 4 ] && [ "$1" -le 28 ]; then echo "about half"; else echo "$1"; fi
}
four=10.9.9.9 six=2001:db8:9::9
same "policy 0, IPv4, cut" "$(cut 0 $four)" 0
same "policy 0, IPv6, cut" "$(some "$(cut 0 $six)")" "about half"
same "policy 0, IPv6, sockets answered by both" "$(at client python3 "$tmp/datagrams.py" $six)" 0
same "policy 3, IPv4, cut" "$(cut 3 $four)" 0
same "policy 3, IPv6, cut" "$(cut 3 $six)" 0
same "policy 1 between namespaces, IPv4, cut" "$(some "$(cut 1 $four)")" "about half"
same "policy 1 between namespaces, IPv6, cut" "$(some "$(cut 1 $six)")" "about half"
at client sysctl -qw net.core.txrehash=0
same "policy 0, IPv4, no rehash at the client, cut" "$(cut 0 $four)" 0
same "policy 0, IPv6, no rehash at the client, cut" "$(cut 0 $six)" 0
same "policy 1, IPv4, no rehash at the client, cut" "$(cut 1 $four)" 0
verdict
