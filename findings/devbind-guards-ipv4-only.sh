#!/usr/bin/env bash
# dpdk-devbind refuses to take away the interface that one is connected by, but not if that is by IPv6 or over a bridge.
#
# Seen with: dpdk 22.11.11-0+deb12u1 (dpdk-devbind.py), Linux 6.18.44. Needs root, for namespaces; the PCI device is made
# up (an `lspci`, /sys/bus/pci and /sys/module in a mount namespace), the interface, its addresses and routes are real.
#
# `dpdk-devbind.py --bind=vfio-pci ffff:ff:00.0` while the machine is reached over that NIC, eth0; without --force:
#     its address                              says                                     the NIC
#     IPv4 on eth0                             "routing table indicates that ..."       stays
#     IPv6 on eth0                             nothing                                  is unbound, bound to vfio-pci
#     IPv4 on a macvlan of eth0                nothing                                  is unbound, bound to vfio-pci
#     IPv4 on a bridge that eth0 is part of    nothing                                  is unbound, bound to vfio-pci
#     IPv4 link-local on eth0                  nothing                                  is unbound, bound to vfio-pci
# The same ones lack "*Active*" in `--status`. It searches the words "dev eth0" in `ip -o route`, which shows IPv4's main
# table; the devices that a bridge or a macvlan lies on stand in no route. (VLANs and bonds were not tried.)
#
# Why it matters: it is run over SSH, on machines far away, and one relies on the refusal that one has seen once. The machine
# is gone until somebody is at its console, and a boot script that binds "what is not active" takes it away at each boot.
. "$(dirname "$0")/common.bash"
debian dpdk=22.11.11-0+deb12u1

space box; space far
at box sysctl -qw net.ipv6.conf.default.accept_dad=0
at far sysctl -qw net.ipv6.conf.default.accept_dad=0
wire far eth0 box eth0
# No such slot in the machine: should the mounts fail, there is nothing to write to.
slot=ffff:ff:00.0
[ ! -e /sys/bus/pci/devices/$slot ] || failed "the machine has a device $slot"
mkdir "$tmp/bin"
printf '%s\t%s\n' Slot: $slot Class: "Ethernet controller [0200]" Vendor: "Example [1af4]" Device: "Example [1041]" \
    Driver: example >"$tmp/device"
printf '#!/bin/sh\ncat %s/device\necho\n' "$tmp" >"$tmp/bin/lspci"
chmod +x "$tmp/bin/lspci"
tool=$(PATH=$tmp/root/usr/bin:/usr/bin command -v dpdk-devbind.py)
cat >"$tmp/run" <<'R'
# Arguments: the slot and the tool. Says what it wrote to the drivers, and what it said itself.
set -e
mount -t tmpfs none /sys/bus/pci
mount -t tmpfs none /sys/module
mkdir -p /sys/module/vfio_pci /sys/bus/pci/devices/$1/net/eth0 /sys/bus/pci/drivers/example /sys/bus/pci/drivers/vfio-pci
: >/sys/bus/pci/devices/$1/driver_override
: >/sys/bus/pci/drivers/example/unbind
: >/sys/bus/pci/drivers/vfio-pci/bind
python3 "$2" --status-dev net >"$TMPDIR/status"
python3 "$2" --bind=vfio-pci "$1" >"$TMPDIR/said" 2>&1
cp /sys/bus/pci/drivers/example/unbind "$TMPDIR/unbound"
cp /sys/bus/pci/drivers/vfio-pci/bind "$TMPDIR/bound"
R
bind() {
    at box env TMPDIR="$tmp" PATH="$tmp/bin:$PATH" unshare -m bash "$tmp/run" $slot "$tool" ||
        failed "$(tail -1 "$tmp/said")"
    local active=no
    ! grep -q '\*Active\*' "$tmp/status" || active=yes
    case $(<"$tmp/unbound")/$(<"$tmp/bound")/$(grep -o 'routing table indicates' "$tmp/said" || cat "$tmp/said") in
    $slot/$slot/) echo "active: $active, taken" ;;
    //"routing table indicates") echo "active: $active, stays" ;;
    *) echo "active: $active, $(<"$tmp/said")" ;;
    esac
}
# Arguments: the device at the box and the addresses at both ends.
by() {
    ip -n "box$$" address add "$2" dev "$1"
    ip -n "far$$" address add "$3" dev eth0
    at box ping -c1 -W5 "${3%/*}" >/dev/null || failed "the box is not reached over $1 with $2"
    bind
    ip -n "box$$" address del "$2" dev "$1"
    ip -n "far$$" address del "$3" dev eth0
}
same "IPv4" "$(by eth0 10.9.1.1/24 10.9.1.2/24)" "active: yes, stays"
same "IPv6" "$(by eth0 2001:db8::1/64 2001:db8::2/64)" "active: no, taken"
same "IPv4 link-local" "$(by eth0 169.254.1.1/16 169.254.1.2/16)" "active: no, taken"
ip -n "box$$" link add link eth0 name mac0 type macvlan mode bridge
ip -n "box$$" link set mac0 up
same "IPv4 on a macvlan" "$(by mac0 10.9.1.1/24 10.9.1.2/24)" "active: no, taken"
ip -n "box$$" link del mac0
ip -n "box$$" link add lan type bridge
ip -n "box$$" link set eth0 master lan
ip -n "box$$" link set lan up
same "IPv4 on a bridge" "$(by lan 10.9.1.1/24 10.9.1.2/24)" "active: no, taken"
verdict
