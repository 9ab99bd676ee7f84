#!/usr/bin/env bash
# DPDK's net_af_packet cuts off what does not fit and hands the rest over as a good frame; the kernel's TCP does not fit.
#
# Seen with: dpdk-dev 22.11.11-0+deb12u1 (dpdk-testpmd), librte-net-af-packet23, librte-net-pcap23, ethtool 1:6.1-1,
# Linux 6.18.44. Needs root, for network namespaces; no hugepages, no NIC.
#
# A phone sends to a box over a veth. On the box's interface listen the kernel and, through net_af_packet as it comes, testpmd,
# which writes what it receives to a file:
#                                                               the kernel has     testpmd has
#     datagrams of 1000, 1472 and 1900 bytes (MTU 9000)         -                  all of it
#     datagrams of 2000 and 8000 bytes                          -                  frames of 1982 bytes
#     a TCP stream of 100000 bytes (MTU 1500)                   100000             about 11500, in frames of 1982 bytes
#     the same, the phone's tso and gso off                     100000             100000
#     the same, and the box's gro on                            100000             about 11500, in frames of 1982 bytes
# testpmd's port counts no error, nothing missed, nothing dropped; the IPv4 header of such a frame says up to 64 KB. The
# kernel puts the segments of a stream together before a packet socket sees them, and cuts what is longer than the ring's
# frame (`framesz`, 2048). The driver takes the length that is left (tp_snaplen) and never looks at the other (tp_len).
#
# Why it matters: the port is how one runs a DPDK box in a VM, a container or a lab without NICs to spare, and NICs have gro
# on. SIP over UDP works and so do a TCP connection and its first requests; what is sent in a burst loses nine tenths, and
# the box looks guilty: it passes frames on that contradict their own header, or drops what every capture shows as sound.
# Switch gro off on the port's interface, and tso and gso on the peer of a veth. An MTU of 1500 is no protection.
. "$(dirname "$0")/common.bash"
version=22.11.11-0+deb12u1
debian dpdk-dev=$version librte-net-af-packet23=$version librte-net-pcap23=$version ethtool=1:6.1-1
# DPDK loads no driver from below a folder that all may write, such as /tmp: preloaded they register all the same.
driver() { find "$tmp" /usr/lib/x86_64-linux-gnu -name "librte_$1.so.23" 2>/dev/null | head -1; }
drivers=$(for name in net_af_packet net_pcap; do driver $name; done | paste -sd:)

space phone; space box
wire phone eth0 box eth0
address phone eth0 10.9.1.1/24
address box eth0 10.9.1.2/24
for name in phone box; do
    at $name sysctl -qw net.ipv6.conf.all.disable_ipv6=1
done

cat >"$tmp/server.py" <<'P'
import socket
with socket.create_server(("10.9.1.2", 5060)) as door:
    print("ready", flush=True)
    call, received = door.accept()[0], 0
    while data := call.recv(65536):
        received += len(data)
    print(received)
P
cat >"$tmp/phone.py" <<'P'
"""Arguments: sizes of datagrams, and then one of a TCP stream."""
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, 10, 3)  # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE: no fragments
for size in sys.argv[1:-1]:
    sock.sendto(b"u" * int(size), ("10.9.1.2", 5060))
with socket.create_connection(("10.9.1.2", 5060)) as call:
    call.sendall(b"t" * int(sys.argv[-1]))
P
cat >"$tmp/seen.py" <<'P'
"""Arguments: a capture, and "udp" or "tcp". The datagrams' sizes by their header and as they are, or the stream's bytes."""
import struct, sys
data, at, stream, datagrams = open(sys.argv[1], "rb").read(), 24, 0, []
while at < len(data):
    size, = struct.unpack_from("<8xI", data, at)
    frame = data[at + 16:at + 16 + size]
    at += 16 + size
    if frame[12:14] != b"\x08\x00" or frame[30:34] != bytes([10, 9, 1, 2]):
        continue
    total, = struct.unpack_from(">H", frame, 16)
    if frame[23] == 17:
        datagrams.append(f"{total + 14}/{size}")
    if frame[23] == 6:
        head = 20 + (frame[46] >> 4) * 4
        stream += min(size - 14, total) - head
print(*datagrams if sys.argv[2] == "udp" else [stream])
P
# Arguments: MTU, then what phone.py takes.
run() {
    ip -n "phone$$" link set eth0 mtu "$1"
    ip -n "box$$" link set eth0 mtu "$1"
    rm -f "$tmp/out.pcap" "$tmp/testpmd"
    coproc { at box env LD_PRELOAD="$drivers" stdbuf -oL dpdk-testpmd --no-huge --no-shconf --no-telemetry -m 64 --no-pci \
        --lcores 0@0,1@1 --vdev net_af_packet0,iface=eth0 --vdev "net_pcap0,tx_pcap=$tmp/out.pcap" -- -i \
        --forward-mode=io --disable-link-check --total-num-mbufs=2048 >"$tmp/testpmd" 2>&1; }
    local in=${COPROC[1]} pid=$COPROC_PID
    echo start >&"$in"
    for _ in $(seq 300); do ! grep -q 'io packet forwarding' "$tmp/testpmd" || break; sleep 0.1; done
    at box python3 "$tmp/server.py" >"$tmp/received" &
    local server=$!
    until grep -q ready "$tmp/received"; do sleep 0.1; done
    at phone python3 "$tmp/phone.py" "${@:2}"
    wait $server
    sleep 0.5
    printf 'stop\nshow port stats 0\nquit\n' >&"$in"
    wait "$pid" || failed "testpmd: $(tail -1 "$tmp/testpmd")"
}
seen() { python3 "$tmp/seen.py" "$tmp/out.pcap" "$1"; }
counted() { sed '1,/NIC statistics for port 0/d' "$tmp/testpmd" | grep -oE 'RX-(missed|errors|nombuf): *[0-9]+' | tr -s ' \n' ' '; }
# A little of the stream can be there twice, when it was sent again.
stream() {
    local there
    there=$(seen tcp)
    echo "  ($there of 100000)" >&2
    if [ "$there" -ge 100000 ]; then echo all; elif [ "$there" -lt 50000 ]; then echo "a part"; else echo "$there"; fi
}
run 9000 1000 1472 1900 2000 8000 1
same "datagrams, said/there" "$(seen udp)" "1042/1042 1514/1514 1942/1942 2042/1982 8042/1982"
same "counted" "$(counted)" "RX-missed: 0 RX-errors: 0 RX-nombuf: 0 "
run 1500 100000
same "the kernel's stream" "$(tail -1 "$tmp/received")" 100000
same "testpmd's stream" "$(stream)" "a part"
same "counted" "$(counted)" "RX-missed: 0 RX-errors: 0 RX-nombuf: 0 "
at phone ethtool -K eth0 tso off gso off
run 1500 100000
same "testpmd's stream, tso and gso off at the phone" "$(stream)" all
at box ethtool -K eth0 gro on
run 1500 100000
same "the kernel's stream, and gro on at the box" "$(tail -1 "$tmp/received")" 100000
same "testpmd's stream" "$(stream)" "a part"
same "counted" "$(counted)" "RX-missed: 0 RX-errors: 0 RX-nombuf: 0 "
verdict
