#!/usr/bin/env bash
# An address that goes and is back half a second later is missing at FRR's OSPF neighbour for eight; the timer one would set changes nothing.
#
# Seen with: frr 8.4.4-1.1~deb12u2, Linux 6.18.44. Needs root, for network and mount namespaces.
#
# Two routers, one wire, OSPF in both. One announces a host address that it has (`redistribute connected`). The address is there for
# ten seconds, is taken away, and is back half a second later. Seconds from then until the neighbour has the route to stay:
#     as FRR comes                                                   8.3
#     the one that announces: timers throttle lsa all 100            8.3
#     the same, and it sends again sooner: retransmit-interval 1     1.4
#     the same without that, the neighbour: lsa min-arrival 50       at once
# The announcement leaves at once. The neighbour takes none of the same address within a second of the one before (RFC 2328, MinLSArrival):
# it discards this one without a word and does not acknowledge it, and it is sent again much later.
#
# Why it matters: a service's address that follows a health check is announced so, and goes and comes when a server is restarted. Whoever
# looks for the delay finds the throttle of the router that announces, whose five seconds seem to fit, and it is not that. What helps is
# the neighbour's timer, or the one for what was lost on the way.
. "$(dirname "$0")/common.bash"
debian frr=8.4.4-1.1~deb12u2
daemons=$(find "$tmp/root/usr/lib/frr" /usr/lib/frr -name ospfd -printf '%h\n' 2>/dev/null | head -1) || true

# daemon SPACE NAME: as root; the group that FRR wants for its sockets is made in a file of the daemon's own view alone.
{ grep -v ^frrvty: /etc/group && echo frrvty:x:998:root; } >"$tmp/group"
daemon() {
    local files="$tmp/$1"
    unshare --mount bash -c 'mount --bind "$1/group" /etc/group && shift && exec "$@"' bash "$tmp" \
        ip netns exec "$1$$" "$daemons/$2" -u root -g root -f "$files/$2.conf" -i "$files/$2.pid" -z "$files/zserv" \
        --vty_socket "$files" -A 127.0.0.1 -P 0 >"$files/$2.log" 2>&1 &
    for _ in $(seq 100); do
        [ -S "$files/$2.vty" ] && return
        sleep 0.1
    done
    failed "$2 does not start: $(tail -2 "$files/$2.log")"
}

# router NAME NUMBER TIMERS INTERFACE-TIMERS
router() {
    mkdir -p "$tmp/$1"
    : >"$tmp/$1/zebra.conf"
    cat >"$tmp/$1/ospfd.conf" <<C
interface eth0
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
$4
router ospf
 ospf router-id 10.9.1.$2
 redistribute connected
 timers throttle spf 0 50 50
$3
C
    daemon "$1" zebra
    daemon "$1" ospfd
}

has() { [ -n "$(at neighbour ip route show 192.0.2.100)" ]; }
until_has() {
    for _ in $(seq 300); do
        has && return
        sleep 0.1
    done
    failed "the neighbour never has the route"
}

# tenths TIMERS INTERFACE-TIMERS NEIGHBOURS-TIMERS: of a second, into `result`, until the neighbour has the route again.
tenths() {
    space announcer
    space neighbour
    wire announcer eth0 neighbour eth0
    address announcer eth0 10.9.1.1/24
    address neighbour eth0 10.9.1.2/24
    router announcer 1 "$1" "$2"
    router neighbour 2 "$3" ""
    address announcer lo 192.0.2.100/32
    until_has
    sleep 10
    ip -n announcer$$ address del 192.0.2.100/32 dev lo
    sleep 0.5
    address announcer lo 192.0.2.100/32
    local back
    back=$(date +%s%N)
    sleep 0.1
    # What is asked is when it is there to stay.
    local seen=0 last=$back
    for _ in $(seq 120); do
        if has; then seen=$((seen + 1)); else seen=0 last=$(date +%s%N); fi
        [ $seen -lt 30 ] || break
        sleep 0.1
    done
    result=$(((last - back) / 100000000))
    leave_spaces
    rm -rf "$tmp/announcer" "$tmp/neighbour"
}
within() {
    if [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; then echo "  $1: $((result / 10)).$((result % 10)) s"; else
        echo "  $1: $((result / 10)).$((result % 10)) s (stated: $3 to $4 tenths)"
        wrong=1
    fi
}
quick=" timers throttle lsa all 100"
tenths "" "" ""
within "as FRR comes" "$result" 50 110
tenths "$quick" "" ""
within "timers throttle lsa all 100" "$result" 50 110
tenths "$quick" " ip ospf retransmit-interval 1" ""
within "and it is sent again after a second" "$result" 5 30
tenths "$quick" "" " timers lsa min-arrival 50"
within "or the neighbour takes it" "$result" 0 5
verdict
