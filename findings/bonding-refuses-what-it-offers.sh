#!/usr/bin/env bash
# DPDK's bonding driver refuses three of the ten arguments that it says it takes: the three that are about time.
#
# Seen with: dpdk-dev 22.11.11-0+deb12u1 (dpdk-testpmd), librte-net-bond23, librte-net-null23. As root; no hugepages, no NIC.
#
# The driver's own description, which stands in its library for `dpdk-pmdinfo.py` to print, ends with
# "lsc_poll_period_ms=<int> up_delay=<int> down_delay=<int>". Given any of them, no bond is made:
#     mode, primary, xmit_policy, agg_mode, socket_id, mac:  taken, three ports
#     lsc_poll_period_ms, up_delay, down_delay:              "Invalid args", and the program goes on with two ports
# What they would set, a program can set by a call (rte_eth_bond_link_monitoring_set and its like in rte_eth_bond.h).
#
# Why it matters: up_delay is how one keeps a bond from going back to a switch that has a link but does not forward yet,
# and whoever runs somebody else's program has the arguments only. EAL does not fail: a program that does not count its
# ports starts without the bond.
. "$(dirname "$0")/common.bash"
version=22.11.11-0+deb12u1
debian dpdk-dev=$version librte-net-bond23=$version librte-net-null23=$version librte-mempool-ring23=$version
# DPDK loads no driver from below a folder that all may write, such as /tmp: preloaded they register all the same.
drivers=$(find "$tmp" -path '*/pmds-*/librte_*' -regex '.*/librte_\(bus_vdev\|mempool_ring\|net_bond\|net_null\).so.23' | paste -sd:)
mkdir -p "$tmp/root"
driver=$(find "$tmp/root" /usr/lib -name librte_net_bond.so.23 | sed -n 1p)

offered=$(python3 - "$driver" <<'P'
import json, re, sys
text = open(sys.argv[1], "rb").read()
said = re.search(rb"PMD_INFO_STRING= (\{.*?\})\0", text)
print(*re.findall(r"(\w+)=", json.loads(said[1])["params"]))
P
)
same "offered" "$offered" "slave primary mode xmit_policy agg_mode socket_id mac lsc_poll_period_ms up_delay down_delay"

bond() {
    local ports
    ports=$(LD_PRELOAD=$drivers dpdk-testpmd --no-huge --no-shconf --no-telemetry -m 128 --no-pci --lcores 0@0,1@0 \
        --vdev net_null0 --vdev net_null1 --vdev "net_bonding0,$1,slave=net_null0,slave=net_null1" \
        -- --no-flush-rx --total-num-mbufs=2048 --forward-mode=io < <(sleep 1) 2>&1 | tee "$tmp/log" |
        grep -c '^Configuring Port' || true)
    if grep -q 'Invalid args' "$tmp/log"; then echo "refused, $ports ports"; else echo "taken, $ports ports"; fi
}
for argument in mode=1 mode=1,primary=net_null1 mode=2,xmit_policy=l34 mode=4,agg_mode=count mode=1,socket_id=0 \
    mode=1,mac=02:00:00:00:00:07; do
    same "$argument" "$(bond "$argument")" "taken, 3 ports"
done
for argument in lsc_poll_period_ms=100 up_delay=10 down_delay=50; do
    same "$argument" "$(bond "mode=1,$argument")" "refused, 2 ports"
done
verdict
