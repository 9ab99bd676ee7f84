#!/usr/bin/env bash
# keepalived that moves an address with a MAC of its own on a second link stays in FAULT for good once the links were away for a second.
#
# Seen with: keepalived 2.2.7-1+b2, Linux 6.18.44. Needs root, for network namespaces.
#
# Two links, an address on each, `use_vmac`, `dynamic_interfaces`. Both links are removed and made anew a second later, with the same names, MACs and
# addresses, as a program does that makes them (a TAP) and is restarted:
#     one instance, `ADDRESS dev SECOND use_vmac`    vrrp.ID on the first link is made anew, the device on the second link is not; the instance stays in
#                                                    FAULT, says nothing more, and is in FAULT after a reload as well ("interface vrrp1.ID down")
#     two instances in a vrrp_sync_group             both devices are made anew, and both instances are MASTER
#
# Why it matters: `dynamic_interfaces` is there for links that come and go, and the failure shows at the next take-over only: nobody takes over.
. "$(dirname "$0")/common.bash"
debian keepalived=1:2.2.7-1+b2

# links: both, with their addresses.
links() {
    local name last=1
    for name in first second; do
        ip -n router$$ link add "$name" address "02:00:00:00:00:0$last" type veth peer name "$name-far"
        ip -n router$$ link set dev "$name-far" up
        ip -n router$$ address add "10.9.$last.1/24" dev "$name"
        ip -n router$$ link set dev "$name" up
        last=$((last + 1))
    done
}

# instance NAME LINK ADDRESSES...: one at 20 on a link.
instance() {
    printf 'vrrp_instance %s {\n state BACKUP\n interface %s\n virtual_router_id 20\n use_vmac\n version 3\n advert_int 0.2\n virtual_ipaddress {\n' "$1" "$2"
    shift 2
    printf '  %s\n' "$@"
    printf ' }\n}\n'
}

# run NAME FILE: the state and the devices after the links were away, and the state after a reload, into `state`, `devices`, `reloaded`.
run() {
    local folder=$tmp/$1
    mkdir -p "$folder"
    { printf 'global_defs {\n dynamic_interfaces\n}\n'; cat; } >"$folder/keepalived.conf"
    space router
    links
    at router keepalived --dont-fork --log-console --vrrp --use-file "$folder/keepalived.conf" --pid "$folder/pid" --vrrp_pid "$folder/vrrp" \
        >"$folder/log" 2>&1 &
    sleep 4
    held=$(addresses)
    ip -n router$$ link delete first
    ip -n router$$ link delete second
    sleep 1
    links
    sleep 6
    state=$(addresses)
    devices=$(ip -n router$$ -o link show type macvlan | wc -l)
    kill -HUP "$(cat "$folder/pid")"
    sleep 4
    reloaded=$(addresses)
    kill "$(cat "$folder/pid")"
    sleep 1
    leave_spaces
}

# addresses: how many of the two it holds.
addresses() {
    ip -n router$$ -o -4 address | grep -c '\.100/24' || true
}

run one < <(instance one first '10.9.1.100/24 dev first' '10.9.2.100/24 dev second use_vmac')
same "one instance: addresses held at first" "$held" 2
same "one instance: devices of its own, after the links were away" "$devices" 1
same "one instance: addresses held then" "$state" 0
same "one instance: and after a reload" "$reloaded" 0
run two < <(
    printf 'vrrp_sync_group both {\n group {\n  one\n  two\n }\n}\n'
    instance one first '10.9.1.100/24'
    instance two second '10.9.2.100/24'
)
same "two instances: addresses held at first" "$held" 2
same "two instances: devices of their own, after the links were away" "$devices" 2
same "two instances: addresses held then" "$state" 2
same "two instances: and after a reload" "$reloaded" 2
verdict
