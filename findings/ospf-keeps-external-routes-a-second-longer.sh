#!/usr/bin/env bash
# When a router dies, FRR's OSPF takes its networks away at once and what it redistributed a second later; no throttle changes that.
#
# Seen with: frr 8.4.4-1.1~deb12u2, Linux 6.18.44. Needs root, for network and mount namespaces.
#
# Two routers, one wire, OSPF in both, `timers throttle spf 0 50 50`. One announces two host addresses: one on an interface that is in the area and
# passive, one by `redistribute connected`. Then its ospfd is stopped where it is, and the other one loses its neighbour. Milliseconds from when the
# first address has left the kernel of the other one until the second has:
#     as FRR comes                                           about 1000, at most 1000 and what the machine takes
#     the passive interface has both (nothing redistributed)    0
# FRR works out external routes by a timer of a whole second after the others. Until then the kernel has a route to a next hop that OSPF knows to
# be gone.
#
# Why it matters: BFD is set to find a dead router in 300 ms, and it does; the service's address, redistributed as every guide for health checks and
# anycast has it, still is without service for 1.3 s, and nothing in the configuration or the log names the second. What helps is to put the
# interface that has the address into the area, passive.
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

# router NAME NUMBER REDISTRIBUTE
router() {
    mkdir -p "$tmp/$1"
    : >"$tmp/$1/zebra.conf"
    cat >"$tmp/$1/ospfd.conf" <<C
interface eth0
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf dead-interval minimal hello-multiplier 5
interface inside
 ip ospf area 0
 ip ospf passive
router ospf
 ospf router-id 10.9.1.$2
$3
 timers throttle spf 0 50 50
C
    daemon "$1" zebra
    daemon "$1" ospfd
}

# milliseconds REDISTRIBUTE DEVICE: into `result`; 192.0.2.101 is on the passive interface, 192.0.2.102 on DEVICE.
milliseconds() {
    space announcer
    space neighbour
    wire announcer eth0 neighbour eth0
    wire announcer inside announcer far
    address announcer eth0 10.9.1.1/24
    address neighbour eth0 10.9.1.2/24
    address announcer inside 192.0.2.101/32
    address announcer "$2" 192.0.2.102/32
    router announcer 1 "$1"
    router neighbour 2 ""
    for _ in $(seq 300); do
        [ "$(at neighbour ip route show | grep -c ^192.0.2.10)" = 2 ] && break
        sleep 0.1
    done
    [ "$(at neighbour ip route show | grep -c ^192.0.2.10)" = 2 ] || failed "the neighbour never has both routes"
    sleep 3
    at neighbour ip -ts monitor route >"$tmp/routes" &
    sleep 0.5
    kill -STOP "$(cat "$tmp/announcer/ospfd.pid")"
    sleep 5
    local first second
    first=$(left 192.0.2.101)
    second=$(left 192.0.2.102)
    result=$((second - first))
    kill -CONT "$(cat "$tmp/announcer/ospfd.pid")"
    leave_spaces
    rm -rf "$tmp/announcer" "$tmp/neighbour"
}

# left ADDRESS: when the neighbour's kernel lost it, in milliseconds.
left() {
    local when
    when=$(sed -n "s/^\[\([^]]*\)\] Deleted $1 .*/\1/p" "$tmp/routes" | head -1)
    [ -n "$when" ] || failed "the neighbour keeps $1: $(cat "$tmp/routes")"
    date -d "$when" +%s%3N
}

within() {
    if [ "$result" -ge "$2" ] && [ "$result" -le "$3" ]; then echo "  $1: $result ms"; else
        echo "  $1: $result ms (stated: $2 to $3)"
        wrong=1
    fi
}
milliseconds " redistribute connected" lo
within "one redistributed" 700 1300
milliseconds "" inside
within "both on the passive interface" 0 100
verdict
