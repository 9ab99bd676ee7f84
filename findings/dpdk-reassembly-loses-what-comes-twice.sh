#!/usr/bin/env bash
# DPDK's reassembly throws a datagram away when one of its fragments comes twice, where Linux takes no notice.
#
# Seen with: librte-ip-frag23 22.11.11-0+deb12u1, librte-mempool-ring23, Linux 6.18.44. Needs root, for network namespaces;
# no hugepages, no NIC.
#
# A datagram of 4008 bytes in three fragments goes to rte_ipv4_frag_reassemble_packet() and to a socket of Linux. How many
# whole ones come out:
#     fragments in this order            DPDK     Linux
#     1 2 3, and 3 2 1                   1        1
#     1 1 2 3 (the first twice)          0        1
#     1 2 2 3 (one between)              0        1
#     3 3 2 1 (the last)                 0        1
#     1 1 2 2 3 3 (each twice)           0        1
#     1 2 3 1 2 3 (all of it twice)      2        2
# The library has one place for a first fragment and one for a last: a second one is an error, and all that is there is freed.
# The others it counts without a look at where they belong; their bytes are then too many, which is an error too. No fragment
# was changed, and what RFC 791, 3.2, does with a second copy is to write it over the first.
#
# Why it matters: where a network doubles frames (two mirrored ports into one, a bond in broadcast mode, a wireless link), it
# doubles each at once, so that 1 1 2 2 3 3 is the rule. What is not fragmented arrives twice and does no harm; INVITEs with
# SDP are never seen, while a Linux host on the same wire has them all. The function returns what it returns for a fragment
# that has to wait, the fragments are freed with those that have waited too long, and what would count them
# (RTE_LIBRTE_IP_FRAG_TBL_STAT) is not compiled in. A program must look for copies before it calls the function.
. "$(dirname "$0")/common.bash"
version=22.11.11-0+deb12u1
debian librte-ip-frag23=$version librte-mempool-ring23=$version

cat >"$tmp/fragments.py" <<'P'
from frames import ipv4, udp

WHOLE = udp("10.9.1.1", "10.9.1.2", b"x" * 4000)

def fragments(ident):
    """The three fragments of the datagram, with this identification."""
    cuts = (0, 1480), (1480, 2960), (2960, len(WHOLE))
    return [ipv4("10.9.1.1", "10.9.1.2", WHOLE[begin:end], ident, begin, end < len(WHOLE)) for begin, end in cuts]
P
cat >"$tmp/dpdk.py" <<'P'
"""Arguments: orders. How many datagrams come out of each."""
import ctypes, sys
from fragments import WHOLE, fragments

eal = ctypes.CDLL("librte_eal.so.23", ctypes.RTLD_GLOBAL)
pools = ctypes.CDLL("librte_mempool_ring.so.23", ctypes.RTLD_GLOBAL)
mbufs = ctypes.CDLL("librte_mbuf.so.23", ctypes.RTLD_GLOBAL)
frag = ctypes.CDLL("librte_ip_frag.so.23")
for function in (mbufs.rte_pktmbuf_pool_create, mbufs.rte_pktmbuf_copy, mbufs.__rte_pktmbuf_read,
                 frag.rte_ip_frag_table_create, frag.rte_ipv4_frag_reassemble_packet):
    function.restype = ctypes.c_void_p


class Mbuf(ctypes.Structure):
    """An rte_mbuf as far as the lengths of its headers."""
    _fields_ = [("buffer", ctypes.c_void_p), ("iova", ctypes.c_uint64), ("data_offset", ctypes.c_uint16),
                ("references", ctypes.c_uint16), ("segments", ctypes.c_uint16), ("port", ctypes.c_uint16),
                ("flags", ctypes.c_uint64), ("kind", ctypes.c_uint32), ("packet_length", ctypes.c_uint32),
                ("data_length", ctypes.c_uint16), ("between", ctypes.c_uint8 * 30), ("l2_length", ctypes.c_uint64, 7),
                ("l3_length", ctypes.c_uint64, 9), ("rest", ctypes.c_uint8 * 48)]


assert Mbuf.between.offset == 42 and ctypes.sizeof(Mbuf) == 128
words = "x --no-huge --no-shconf --no-telemetry --no-pci -m 64 -l 0 --log-level 1".split()
assert eal.rte_eal_init(len(words), (ctypes.c_char_p * len(words))(*(word.encode() for word in words))) >= 0
pool = ctypes.c_void_p(mbufs.rte_pktmbuf_pool_create(b"pool", 255, 0, 0, 4096, 0))
table = ctypes.c_void_p(frag.rte_ip_frag_table_create(64, 4, 256, ctypes.c_uint64(1 << 40), 0))
dead = ctypes.create_string_buffer(1 << 16)
for ident, order in enumerate(sys.argv[1:], 1):
    parts, out = fragments(ident), 0
    for now, number in enumerate(order.split(), 1):
        part = parts[int(number) - 1]
        memory = ctypes.create_string_buffer(part, len(part))
        mine = Mbuf(buffer=ctypes.addressof(memory), references=1, segments=1, packet_length=len(part),
                    data_length=len(part), l3_length=20)
        mbuf = mbufs.rte_pktmbuf_copy(ctypes.byref(mine), pool, 0, ctypes.c_uint32(0xFFFFFFFF))
        head = Mbuf.from_address(mbuf)
        whole = frag.rte_ipv4_frag_reassemble_packet(table, dead, ctypes.c_void_p(mbuf), ctypes.c_uint64(now),
                                                     ctypes.c_void_p(head.buffer + head.data_offset))
        if whole:
            copy = ctypes.create_string_buffer(20 + len(WHOLE))
            ctypes.memmove(copy, mbufs.__rte_pktmbuf_read(ctypes.c_void_p(whole), 0, len(copy), copy), len(copy))
            assert copy.raw[20:] == WHOLE
            out += 1
    frag.rte_ip_frag_free_death_row(dead, 0)
    print(out)
P
cat >"$tmp/linux.py" <<'P'
"""Arguments: the namespaces of sender and host, orders. How many datagrams come out of each."""
import ctypes, socket, sys
from frames import ethernet
from fragments import fragments

def enter(space):
    with open("/var/run/netns/" + space) as file:
        assert ctypes.CDLL(None).setns(file.fileno(), 0) == 0

enter(sys.argv[1])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
enter(sys.argv[2])
host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
host.bind(("10.9.1.2", 5060))
host.settimeout(1)
for ident, order in enumerate(sys.argv[3:], 1):
    parts, out = fragments(ident), 0
    for number in order.split():
        wire.send(ethernet(parts[int(number) - 1]))
    try:
        while True:
            assert host.recv(5000) == b"x" * 4000
            out += 1
    except TimeoutError:
        print(out)
P
space sender; space host
wire sender eth0 host eth0
ip -n "host$$" link set eth0 address 02:00:00:00:00:02
address host eth0 10.9.1.2/24
orders=("1 2 3" "3 2 1" "1 1 2 3" "1 2 2 3" "3 3 2 1" "1 1 2 2 3 3" "1 2 3 1 2 3")
export PYTHONPATH=$PYTHONPATH:$tmp
mapfile -t by_dpdk < <(python3 "$tmp/dpdk.py" "${orders[@]}" 2>"$tmp/log" || cat "$tmp/log")
mapfile -t by_linux < <(python3 "$tmp/linux.py" "sender$$" "host$$" "${orders[@]}")
stated=("1 1" "1 1" "0 1" "0 1" "0 1" "0 1" "2 2")
for number in "${!orders[@]}"; do
    same "${orders[number]}, DPDK and Linux" "${by_dpdk[number]-} ${by_linux[number]-}" "${stated[number]}"
done
verdict
