#!/usr/bin/env bash
# The answer to what a DPDK queue sent to a tap comes back on that queue, unless it takes more than three seconds.
#
# Seen with: dpdk-dev 22.11.11-0+deb12u1 (dpdk-testpmd), librte-net-tap23, librte-net-pcap23, Linux 6.18.44 (tun). Needs
# root, for network namespaces; no hugepages, no NIC.
#
# testpmd sends datagrams of many flows, all on queue 0 of a net_tap with four queues, to a server on the kernel's side,
# which answers each of them. On which queue the answers come:
#     64 flows, after 1 s, and again 1 s later      all on queue 0
#     the same, a third answer 6 s later            on all four, about 16 on each
#     5000 flows, after 1 s                         about 4300 on queue 0, the others on the other three
# The kernel remembers for every flow on which queue user space last wrote it, forgets that 3 s later (TUN_FLOW_EXPIRE; that
# the answers go on does not count) and has room for 4096 flows. All others go where a hash of addresses and ports says.
# DPDK's driver hands the queues over as they are, and its guide says nothing of this.
#
# Why it matters: a NAT with a flow table for each worker translates on the queue that the request came on, and finds the
# answer in the same table because the tap has steered it there, not because of any hash. Each short test passes:
# registration, OPTIONS, a call that is taken at once. The 200 to an INVITE that rang for longer than 3 s, the BYE from the
# other side and everything from the 4097th flow on go to a worker that has never seen the flow, three times in four. Two
# devices on the way have two hashes, as the NAT has changed what is hashed. One queue for each tap, or one table for all.
. "$(dirname "$0")/common.bash"
version=22.11.11-0+deb12u1
debian dpdk-dev=$version librte-net-tap23=$version librte-net-pcap23=$version librte-mempool-ring23=$version
# DPDK loads no driver from below a folder that all may write, such as /tmp: preloaded they register all the same.
driver() { find "$tmp" /usr/lib/x86_64-linux-gnu -name "librte_$1.so.23" 2>/dev/null | head -1; }
drivers=$(for name in net_tap net_pcap mempool_ring; do driver $name; done | paste -sd:)

cat >"$tmp/asks.py" <<'P'
import sys
from frames import ethernet, ipv4, udp, write_pcap

ends = "10.9.1.2", "10.9.1.1"
write_pcap(sys.argv[1] + "/asks.pcap",
           [ethernet(ipv4(*ends, udp(*ends, b"ask", 20000 + flow))) for flow in range(int(sys.argv[2]))])
write_pcap(sys.argv[1] + "/none.pcap", [])
P
cat >"$tmp/server.py" <<'P'
"""Arguments: how many flows there are, and how long to wait before each round of answers."""
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 25)  # SO_RCVBUFFORCE
sock.bind(("10.9.1.1", 5060))
sock.settimeout(20)
print("ready", flush=True)
peers = [sock.recvfrom(100)[1] for _ in range(int(sys.argv[1]))]
for number, pause in enumerate(sys.argv[2:]):
    time.sleep(float(pause))
    for done, peer in enumerate(peers):
        sock.sendto(b"answer%d" % number, peer)
        if done % 50 == 0:
            time.sleep(0.001)
P
# Arguments: as server.py takes them. The answers are in $tmp/0.pcap for queue 0, and so on.
run() {
    space box
    at box sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    python3 "$tmp/asks.py" "$tmp" "$1"
    local queue pcap=net_pcap0 asks=asks
    for queue in 0 1 2 3; do
        pcap+=,rx_pcap=$tmp/$asks.pcap,tx_pcap=$tmp/$queue.pcap
        asks=none
    done
    coproc { at box env LD_PRELOAD="$drivers" stdbuf -oL dpdk-testpmd --no-huge --no-shconf --no-telemetry -m 64 --no-pci \
        --lcores 0@0,1@1 --vdev "$pcap" --vdev net_tap0,iface=tap0,mac=02:00:00:00:00:02 -- -i --rxq=4 --txq=4 \
        --forward-mode=io --disable-link-check --no-flush-rx --total-num-mbufs=8192 >"$tmp/testpmd" 2>&1; }
    local in=${COPROC[1]} pid=$COPROC_PID
    for _ in $(seq 300); do ! grep -q 'testpmd>' "$tmp/testpmd" || break; sleep 0.1; done
    address box tap0 10.9.1.1/24
    ip -n "box$$" link set tap0 txqueuelen 10000
    ip -n "box$$" neighbour add 10.9.1.2 lladdr 02:00:00:00:00:01 dev tap0
    : >"$tmp/server"
    at box python3 "$tmp/server.py" "$@" >>"$tmp/server" &
    local server=$!
    until grep -q ready "$tmp/server"; do sleep 0.1; done
    echo start >&"$in"
    wait $server || failed "not all datagrams reached the server"
    sleep 1
    printf 'stop\nquit\n' >&"$in"
    wait "$pid" || failed "testpmd: $(tail -1 "$tmp/testpmd")"
    leave_spaces
}
# How many answers of round $1 came on each queue.
queues() {
    local queue
    for queue in 0 1 2 3; do
        grep -ao "answer$1" "$tmp/$queue.pcap" | wc -l
    done | paste -sd' '
}
sum() { echo $(($(tr ' ' + <<<"$1"))); }
run 64 1 1 6
same "after 1 s" "$(queues 0)" "64 0 0 0"
same "1 s later" "$(queues 1)" "64 0 0 0"
seen=$(queues 2)
same "6 s later, all queues together" "$(sum "$seen")" 64
read -r -a each <<<"$seen"
where="on all four"
for count in "${each[@]}"; do
    [ "$count" -ge 3 ] || where=$seen
done
same "6 s later ($seen)" "$where" "on all four"
run 5000 1
seen=$(queues 0)
same "5000 flows, all queues together" "$(sum "$seen")" 5000
first=${seen%% *}
[ "$first" -lt 4200 ] || [ "$first" -gt 4450 ] || first="about 4300"
same "5000 flows ($seen), on queue 0" "$first" "about 4300"
verdict
