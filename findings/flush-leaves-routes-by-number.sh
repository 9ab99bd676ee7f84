#!/usr/bin/env bash
# `ip route flush` leaves the routes of routing daemons that install next hops by number, unless the kernel shows them less of each.
#
# Seen with: iproute2 6.1.0-3, Linux 6.18.44. Needs root, for a network namespace.
#
# Three routes of proto bgp to one router: two name it themselves, one names a next-hop object (`nhid`, as FRR's zebra installs all of its own).
# Left after `ip route flush proto bgp`, and what it ends with:
#     as the kernel comes                       1: the one by number    2, "Invalid argument"
#     net.ipv4.nexthop_compat_mode = 0          none                    0
# The tool sends each route back as it was shown, to be deleted. A kernel in compatible mode shows the number and, beside it, what it stands for; a
# request with both it refuses. `ip route delete` of the same destination works in either mode.
#
# Why it matters: a script that clears the routes of a dead FRR removes those that were made by hand and none of FRR's, which send traffic to
# routers that are gone; the setting that cures it is documented as one of what is shown.
. "$(dirname "$0")/common.bash"
debian iproute2=6.1.0-3

# left MODE: into `result`, the destinations that are left and the exit code.
left() {
    space router
    wire router eth0 router far
    address router eth0 192.0.2.2/24
    at router sysctl -qw net.ipv4.nexthop_compat_mode="$1"
    at router ip nexthop add id 31 via 192.0.2.3 dev eth0
    at router ip route add 10.1.0.0/24 via 192.0.2.3 proto bgp
    at router ip route add 10.2.0.0/24 nhid 31 proto bgp
    at router ip route add 10.3.0.0/24 via 192.0.2.3 proto bgp
    local code=0
    at router ip route flush proto bgp 2>"$tmp/error" || code=$?
    result="$(at router ip route show proto bgp | cut -d' ' -f1 | paste -sd' ') $code $(sed 's/.*: //' "$tmp/error")"
    at router ip route delete 10.2.0.0/24 2>/dev/null || true
    [ -z "$(at router ip route show proto bgp)" ] || failed "a route is left after it was deleted"
    leave_spaces
}
left 1
same "as the kernel comes" "$result" "10.2.0.0/24 2 Invalid argument"
left 0
same "with nexthop_compat_mode = 0" "$result" " 0 "
verdict
