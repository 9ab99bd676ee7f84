#!/usr/bin/env bash
# Before two balancers, large datagrams go to another one than their flow's small ones, unless a rule of the router's says "ct".
#
# Seen with: Linux 6.18.44, nftables 1.0.6-2+deb12u2. Needs root, for network namespaces.
#
# A router has two equal routes to the service address, one by each of two balancers, and hashes addresses and ports
# (fib_multipath_hash_policy 1), so that a flow keeps its balancer. A phone sends from 32 ports, each time a datagram of 500
# bytes and then one of 2500 from the same socket, over IPv4 and then over IPv6, MTU 1500:
#                                                         small ones            a flow's large one
#     no rules                                            to both balancers     all to one of the two, whatever the port
#     nft: iifname "unused" ct state new counter          to both balancers     where its small one went
#     nft: iifname "unused" counter                       to both balancers     all to one of the two
# A fragment is hashed by its addresses alone, the first one too, though it has the ports. A rule that has "ct" in it turns
# connection tracking on for the whole namespace; that puts fragments together before they are routed, and the whole datagram
# has its ports again. The rule need not match anything, and a packet counter without "ct" does not do it.
#
# Why it matters: OPTIONS, REGISTER and the ACK go to one balancer and the INVITE with SDP to the other, which has no such
# flow: for half of the phones, those with the wrong port. It comes or goes when somebody removes an old NAT or firewall rule,
# or one for another interface, of a router that "only routes", and tests with one address and small messages show nothing.
# Hash addresses only (policy 0), or have the rule and say what for.
. "$(dirname "$0")/common.bash"
debian nftables=1.0.6-2+deb12u2

for name in phone router one two; do
    space $name
    # A veth, unlike a wire, hands on the hash that the sender's kernel has made for the flow label.
    at $name sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.auto_flowlabels=0
done
# join NAME DEVICE NUMBER: a link to the router, DEVICE there; the router is .1 and ::1 on it.
join() {
    wire "$1" eth0 router "$2"
    address "$1" eth0 "10.9.$3.2/24"
    address router "$2" "10.9.$3.1/24"
    ip -n "$1$$" address add "2001:db8:$3::2/64" dev eth0 nodad
    ip -n "router$$" address add "2001:db8:$3::1/64" dev "$2" nodad
    at "$1" ip route add default via "10.9.$3.1"
    at "$1" ip route add default via "2001:db8:$3::1"
}
join phone p 1; join one a 2; join two b 3
for name in one two; do
    address $name lo 192.0.2.1/32
    ip -n "$name$$" address add 2001:db8::1/128 dev lo nodad
done
at router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
at router sysctl -qw net.ipv4.fib_multipath_hash_policy=1 net.ipv6.fib_multipath_hash_policy=1
at router ip route add 192.0.2.1 nexthop via 10.9.2.2 nexthop via 10.9.3.2
at router ip route add 2001:db8::1 nexthop via 2001:db8:2::2 nexthop via 2001:db8:3::2

cat >"$tmp/phone.py" <<'P'
"""Arguments: the namespaces of the phone and of both balancers, the phone's address, the service's. Where datagrams arrive."""
import ctypes, select, socket, sys

def bound(space, address, port):
    """A socket lives in the namespace that it was made in."""
    with open("/var/run/netns/" + space) as file:
        assert ctypes.CDLL(None).setns(file.fileno(), 0) == 0
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    return sock

balancers = [bound(space, sys.argv[5], 5060) for space in sys.argv[2:4]]
small, large, together = set(), set(), 0
for port in range(20000, 20032):
    phone, went = bound(sys.argv[1], sys.argv[4], port), []
    for size in 500, 2500:
        phone.sendto(b"x" * size, (sys.argv[5], 5060))
        ready = select.select(balancers, [], [], 3)[0]
        assert len(ready) == 1 and len(ready[0].recv(4000)) == size, f"{size} bytes from {port}: {len(ready)} have it"
        went.append(balancers.index(ready[0]))
    small.add(went[0])
    large.add(went[1])
    together += went[0] == went[1]
print(f"(the same for {together} of 32)", file=sys.stderr)
print("small to", "both," if len(small) == 2 else "one,", "large",
      "as the small" if together == 32 else "all to one" if len(large) == 1 else "otherwise")
P
# Over IPv4, then over IPv6.
four() { python3 "$tmp/phone.py" "phone$$" "one$$" "two$$" 10.9.1.2 192.0.2.1; }
six() { python3 "$tmp/phone.py" "phone$$" "one$$" "two$$" 2001:db8:1::2 2001:db8::1; }
# Arguments: what is there, what is stated.
both() {
    same "$1, IPv4" "$(four)" "$2"
    same "$1, IPv6" "$(six)" "$2"
}
apart="small to both, large all to one"
both "no rules" "$apart"
for row in "iifname \"unused\" ct state new counter|small to both, large as the small" "iifname \"unused\" counter|$apart"; do
    at router nft "table inet t { chain c { type filter hook forward priority 0; ${row%|*}; }; }"
    both "${row%|*}" "${row#*|}"
    same "packets that the rule matched" "$(at router nft list ruleset | grep -o 'packets [0-9]*')" "packets 0"
    at router nft delete table inet t
done
both "rules deleted" "$apart"
verdict
