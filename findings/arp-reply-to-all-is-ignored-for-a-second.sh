#!/usr/bin/env bash
# Of the two programs named arping one can announce a takeover so that Linux hosts miss it for half a minute, if they have
# just made sure of the address.
#
# Seen with: arping 2.23-1, iputils-arping 3:20221126-1+deb12u1, Linux 6.18.44. Needs root, for network namespaces.
#
# Two hosts and a router on one network. The router knows the first one's MAC; the second takes the address over and
# announces it once. What the router's table says then, if the address was learned just now, 1.5 s ago, or was learned
# before and confirmed just now (the entry became REACHABLE):
#                                                  learned     1.5 s ago    confirmed
#     iputils:  arping -A      (reply, to itself)  believed    believed     believed
#     iputils:  arping -U      (request)           believed    believed     believed
#     arping:   arping -U      (request)           believed    believed     believed
#     arping:   arping -U -P   (reply, to all)     ignored     believed     ignored
# All four are broadcast and have the address taken over as sender and as target. The target MAC of the replies is the
# sender's with iputils and ff:ff:ff:ff:ff:ff with the other. Linux takes the first alone for gratuitous (RFC 5944, 4.6,
# asks for it so) and the second for one more answer to a question: within a second after the entry changed its state
# the earlier answer counts (`locktime`), and confirming it is such a change.
#
# Why it matters: the router goes on sending to the host that gave the address up, 7 or 8 s in the first column, 27 to 49 s
# in the last, as the entry is fresh. It hits only the takeovers that fall into that second, and the capture looks right.
# Fairlead announces by requests, and again 2, 15, 30, 45 and 60 seconds later.
. "$(dirname "$0")/common.bash"
debian iputils-arping=3:20221126-1+deb12u1
iputils=$(PATH=$tmp/root/usr/bin:/usr/bin command -v arping)
debian arping=2.23-1 libnet1=1.1.6+dfsg-3.2
other=$(PATH=$tmp/root/usr/sbin:/usr/sbin command -v arping)

space first; space second; space router
ip -n "router$$" link add lan type bridge
ip -n "router$$" link set dev lan up
address router lan 10.9.1.1/24
for host in first second; do
    wire $host eth0 router $host
    ip -n "router$$" link set dev $host master lan
done
ip -n "first$$" link set dev eth0 address 02:00:00:00:00:01
ip -n "second$$" link set dev eth0 address 02:00:00:00:00:02

# The router learns the first host's MAC; the second takes the address over at this moment and announces it with a command.
takeover() {
    local moment=$1
    shift
    ip -n "second$$" address flush dev eth0
    ip -n "router$$" neigh flush dev lan
    address first eth0 10.9.1.9/24
    at first bash -c 'echo >/dev/udp/10.9.1.1/9'
    until entry | grep -q :01; do sleep 0.05; done
    case $moment in
    later) sleep 1.5 ;;
    confirmed) until entry | grep -q ':01 REACHABLE'; do sleep 0.05; done ;;
    esac
    ip -n "first$$" address flush dev eth0
    address second eth0 10.9.1.9/24
    at second timeout 1 "$@" >"$tmp/log" 2>&1 || true
}
entry() { ip -n "router$$" neigh show 10.9.1.9; }
believed() {
    takeover "$@"
    case $(entry) in
    *:02\ *) echo believed ;;
    *:01\ *) echo ignored ;;
    esac
}
to_all=("$other" -U -P -c 1 -i eth0 -S 10.9.1.9 10.9.1.9)
for moment in learned later confirmed; do
    same "$moment, iputils -A" "$(believed $moment "$iputils" -A -c 1 -I eth0 10.9.1.9)" believed
    same "$moment, iputils -U" "$(believed $moment "$iputils" -U -c 1 -I eth0 10.9.1.9)" believed
    same "$moment, arping -U" "$(believed $moment "$other" -U -c 1 -i eth0 -S 10.9.1.9 10.9.1.9)" believed
done
same "learned, arping -U -P" "$(believed learned "${to_all[@]}")" ignored
same "later, arping -U -P" "$(believed later "${to_all[@]}")" believed
same "confirmed, arping -U -P" "$(believed confirmed "${to_all[@]}")" ignored
# The router goes on sending to the address.
began=$SECONDS
until entry | grep -q :02 || [ $((SECONDS - began)) -ge 90 ]; do
    at router bash -c 'echo >/dev/udp/10.9.1.9/9' 2>/dev/null || true
    sleep 0.2
done
missed=$((SECONDS - began))
echo "  the router asked again after $missed s"
same "after 10 to 90 s" "$([ $missed -ge 10 ] && [ $missed -lt 90 ] && echo yes || echo no)" yes
verdict
