#!/usr/bin/env bash
# All IPv6 datagrams that DPDK fragments have the identification 0: once a first fragment is lost, none of them arrives.
#
# Seen with: librte-ip-frag23 22.11.11-0+deb12u1, librte-mempool-ring23, Linux 6.18.44. Needs root, for network namespaces;
# no hugepages, no NIC.
#
# rte_ipv6_fragment_packet() cuts eight datagrams, A to H, of 2008 bytes each (an INVITE with SDP, say) to an MTU of 1280.
# The fragments go to a Linux host. Which datagrams its socket gets:
#                                                 as DPDK made them     with a number for each datagram
#     every fragment, in order                    A B C D E F G H       A B C D E F G H
#     the second fragment of A is lost            C D E F G H           B C D E F G H
#     the first fragment of A is lost             -                     B C D E F G H
#     the same, and a silence after D             E F G H               B C D E F G H
#     the first of A and the second of D are lost E F G H               B C E F G H
#     the first of B before the second of A       A                     A B C D E F G H
# The function writes 0 into every fragment header and has no argument for another number, whereas rte_ipv4_fragment_packet()
# keeps the datagram's own. RFC 8200, 4.5, wants one that no other datagram between the two hosts has had recently. The
# receiver puts what is left of A before what comes of B, or after it; the checksum is wrong, what is left of B waits for C,
# and so on. It ends when nothing has come for net.ipv6.ip6frag_time, 60 s (here 3 s), or when a second fragment is lost.
#
# Why it matters: a test without loss passes. On a real network large requests over IPv6 arrive until the first fragment is
# lost or overtaken, and then no more from that peer, while its small ones and all of IPv4 do; after a minute of silence they
# arrive again, before anybody has looked into it. All fragments are there in a capture, and each is sound. Write a number of
# one's own into the fragments after the call: it is the last four bytes of the fragment header.
. "$(dirname "$0")/common.bash"
version=22.11.11-0+deb12u1
debian librte-ip-frag23=$version librte-mempool-ring23=$version

cat >"$tmp/cut.py" <<'P'
"""Argument: a source address. Writes the fragments of eight datagrams from it, in hex."""
import ctypes, sys
from frames import ipv6, udp

eal = ctypes.CDLL("librte_eal.so.23", ctypes.RTLD_GLOBAL)
pools = ctypes.CDLL("librte_mempool_ring.so.23", ctypes.RTLD_GLOBAL)
mbufs = ctypes.CDLL("librte_mbuf.so.23", ctypes.RTLD_GLOBAL)
frag = ctypes.CDLL("librte_ip_frag.so.23")
for function in (mbufs.rte_pktmbuf_pool_create, mbufs.rte_pktmbuf_copy, mbufs.__rte_pktmbuf_read):
    function.restype = ctypes.c_void_p


class Mbuf(ctypes.Structure):
    """The beginning of an rte_mbuf."""
    _fields_ = [("buffer", ctypes.c_void_p), ("iova", ctypes.c_uint64), ("data_offset", ctypes.c_uint16),
                ("references", ctypes.c_uint16), ("segments", ctypes.c_uint16), ("port", ctypes.c_uint16),
                ("flags", ctypes.c_uint64), ("kind", ctypes.c_uint32), ("packet_length", ctypes.c_uint32),
                ("data_length", ctypes.c_uint16), ("rest", ctypes.c_uint8 * 86)]


words = "x --no-huge --no-shconf --no-telemetry --no-pci -m 64 -l 0 --log-level 1".split()
assert eal.rte_eal_init(len(words), (ctypes.c_char_p * len(words))(*(word.encode() for word in words))) >= 0
pool = ctypes.c_void_p(mbufs.rte_pktmbuf_pool_create(b"pool", 255, 0, 0, 4096, 0))
for letter in b"ABCDEFGH":
    packet = ipv6(sys.argv[1], "2001:db8::2", udp(sys.argv[1], "2001:db8::2", bytes([letter]) * 2000))
    memory = ctypes.create_string_buffer(packet, len(packet))
    mine = Mbuf(buffer=ctypes.addressof(memory), references=1, segments=1, packet_length=len(packet), data_length=len(packet))
    whole = ctypes.c_void_p(mbufs.rte_pktmbuf_copy(ctypes.byref(mine), pool, 0, ctypes.c_uint32(0xFFFFFFFF)))
    parts = (ctypes.c_void_p * 8)()
    count = frag.rte_ipv6_fragment_packet(whole, parts, ctypes.c_uint16(8), ctypes.c_uint16(1280), pool, pool)
    assert count == 2, count
    for part in parts[:count]:
        size = Mbuf.from_address(part).packet_length
        copy = ctypes.create_string_buffer(size)
        ctypes.memmove(copy, mbufs.__rte_pktmbuf_read(ctypes.c_void_p(part), 0, size, copy), size)
        print(copy.raw.hex())
P
cat >"$tmp/case.py" <<'P'
"""Arguments: the namespaces of box and host, the fragments, their order, "own" for a number for each datagram. What arrives."""
import ctypes, socket, sys, time
from frames import ethernet

def enter(space):
    with open("/var/run/netns/" + space) as file:
        assert ctypes.CDLL(None).setns(file.fileno(), 0) == 0

enter(sys.argv[1])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
enter(sys.argv[2])
host = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
host.bind(("2001:db8::2", 5060))
host.settimeout(1)
parts = [bytearray.fromhex(line) for line in open(sys.argv[3])]
if sys.argv[5] == "own":
    for number, part in enumerate(parts):
        part[44:48] = (number // 2 + 1).to_bytes(4, "big")
for number in sys.argv[4].split():
    if number == "pause":
        time.sleep(5)
    else:
        wire.send(ethernet(bytes(parts[int(number)])))
arrived = []
try:
    while True:
        data = host.recv(4000)
        assert len(data) == 2000 and len(set(data)) == 1
        arrived.append(chr(data[0]))
except TimeoutError:
    print(*arrived or "-")
P

space box; space host
wire box eth0 host eth0
for name in box host; do
    at $name sysctl -qw net.ipv6.conf.eth0.accept_dad=0
done
ip -n "host$$" link set eth0 address 02:00:00:00:00:02
ip -n "host$$" address add 2001:db8::2/64 dev eth0 nodad
at host sysctl -qw net.ipv6.ip6frag_time=3
number=0
# Arguments: order, "own" or "same". Each case has a source of its own, so that nothing waits from the case before.
arrives() {
    python3 "$tmp/cut.py" "2001:db8::1:$number" >"$tmp/parts" 2>"$tmp/log" || failed "DPDK: $(tail -1 "$tmp/log")"
    python3 "$tmp/case.py" "box$$" "host$$" "$tmp/parts" "$1" "$2"
}
while IFS='|' read -r what order by_dpdk own; do
    number=$((number + 1))
    same "$what, as DPDK made them" "$(arrives "$order" same)" "$by_dpdk"
    number=$((number + 1))
    same "$what, numbered" "$(arrives "$order" own)" "$own"
done <<T
every fragment|$(echo {0..15})|A B C D E F G H|A B C D E F G H
without the second of A|$(echo 0 {2..15})|C D E F G H|B C D E F G H
without the first of A|$(echo {1..15})|-|B C D E F G H
the same, silence after D|$(echo {1..7} pause {8..15})|E F G H|B C D E F G H
without the first of A and the second of D|$(echo {1..6} {8..15})|E F G H|B C E F G H
the first of B before the second of A|$(echo 0 2 1 {3..15})|A|A B C D E F G H
T
same "fragments" "$(wc -l <"$tmp/parts")" 16
same "the numbers that DPDK gave them" "$(cut -c89-96 "$tmp/parts" | sort -u | paste -sd' ')" 00000000
same "checksums that the host found wrong" "$(at host awk '/^Udp6InCsumErrors/ { print $2 }' /proc/net/snmp6)" 20
verdict
