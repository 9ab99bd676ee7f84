#!/usr/bin/env bash
# In DPDK a capture filter on ports works and one on the payload reads another place, unless it reads two bytes.
#
# Seen with: librte-bpf23 22.11.11-0+deb12u1, libpcap0.8 1.10.3-1. As root; no hugepages, no NIC.
#
# rte_bpf_convert() turns libpcap's program into DPDK's, as dpdk-dumpcap does for its -f. For loads relative to the IP
# header (base register X) it takes the base from the opcode's source bit, which such a load has not: the width stands
# in its place. Two bytes wide happens to say "X"; one and four say "A", whatever was loaded last. In the same frame:
#     filter                        libpcap   rte_bpf
#     udp port 5060                 match     match
#     udp[8:2] = 0x494e             match     match      ("IN")
#     udp[8:4] = 0x494e5649         match     -          ("INVI")
#     udp[8] = 0x49                 match     -          ("I")
#     udp[8] = 64                   -         match
# The last one compares the TTL: A holds the fragment field, 0, and 0 + 22 is where the TTL stands. With DF set A is
# 0x4000 and the load falls behind the frame, so that nothing matches at all.
#
# Why it matters: "only INVITEs" is the filter that one wants on a busy SIP link. Nothing is refused; the capture is empty
# or full of other things, and a filter by port, which anybody tries first, says that filters work.
. "$(dirname "$0")/common.bash"
debian librte-bpf23=22.11.11-0+deb12u1 libpcap0.8=1.10.3-1

cat >"$tmp/both.py" <<'P'
import ctypes, sys
from frames import ethernet, ipv4, udp

pcap = ctypes.CDLL("libpcap.so.0.8")
eal = ctypes.CDLL("librte_eal.so.23", ctypes.RTLD_GLOBAL)
bpf = ctypes.CDLL("librte_bpf.so.23")
for function in (pcap.pcap_open_dead, bpf.rte_bpf_convert, bpf.rte_bpf_load):
    function.restype = ctypes.c_void_p
bpf.rte_bpf_exec.restype = ctypes.c_uint64


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint), ("instructions", ctypes.c_void_p)]


class PcapHeader(ctypes.Structure):
    _fields_ = [("time", ctypes.c_long * 2), ("captured", ctypes.c_uint32), ("length", ctypes.c_uint32)]


class Mbuf(ctypes.Structure):
    """What rte_bpf_exec() reads of an rte_mbuf of one segment."""
    _fields_ = [("buffer", ctypes.c_void_p), ("iova", ctypes.c_uint64), ("data_offset", ctypes.c_uint16),
                ("references", ctypes.c_uint16), ("segments", ctypes.c_uint16), ("port", ctypes.c_uint16),
                ("flags", ctypes.c_uint64), ("kind", ctypes.c_uint32), ("packet_length", ctypes.c_uint32),
                ("data_length", ctypes.c_uint16), ("rest", ctypes.c_uint8 * 86)]


words = "x --no-huge --no-shconf --no-telemetry --no-pci -m 64 -l 0 --log-level 1".split()
assert eal.rte_eal_init(len(words), (ctypes.c_char_p * len(words))(*(word.encode() for word in words))) >= 0
frame = ethernet(ipv4("10.0.0.1", "10.0.0.2", udp("10.0.0.1", "10.0.0.2", b"INVITE sip:x SIP/2.0\r\n\r\n")))
memory = ctypes.create_string_buffer(frame, len(frame))
mbuf = Mbuf(buffer=ctypes.addressof(memory), references=1, segments=1, packet_length=len(frame), data_length=len(frame))
handle = ctypes.c_void_p(pcap.pcap_open_dead(1, 262144))
program = Program()
assert pcap.pcap_compile(handle, ctypes.byref(program), sys.argv[1].encode(), 1, ctypes.c_uint32(0xFFFFFFFF)) == 0
header = PcapHeader(captured=len(frame), length=len(frame))
by_pcap = pcap.pcap_offline_filter(ctypes.byref(program), ctypes.byref(header), memory)
loaded = bpf.rte_bpf_load(ctypes.c_void_p(bpf.rte_bpf_convert(ctypes.byref(program))))
by_dpdk = bpf.rte_bpf_exec(ctypes.c_void_p(loaded), ctypes.byref(mbuf))
print("libpcap", "match," if by_pcap else "-,", "rte_bpf", "match" if by_dpdk else "-")
P
filter() { python3 "$tmp/both.py" "$1" 2>"$tmp/log" | grep ^libpcap || sed 1q "$tmp/log"; }
for row in "udp port 5060|libpcap match, rte_bpf match" "udp[8:2] = 0x494e|libpcap match, rte_bpf match" \
    "udp[8:4] = 0x494e5649|libpcap match, rte_bpf -" "udp[8] = 0x49|libpcap match, rte_bpf -" \
    "udp[8] = 64|libpcap -, rte_bpf match"; do
    same "${row%|*}" "$(filter "${row%|*}")" "${row#*|}"
done
verdict
