#!/usr/bin/env bash
# A packet without a time gets the time at which scapy reads it, and two captures put together are 1000 times too early.
#
# Seen with: scapy 2.7.0, dpkt 1.9.8, python-pcapng 2.1.1 (PyPI), tcpdump 4.99.3-1 with libpcap 1.10.3-1.
#
# Three valid pcapng files; a packet each at 1700000000 s, then one second later, seen by
#                                                tcpdump        scapy           dpkt        python-pcapng
#     a simple packet block (has no time)        0              now, the time   left out    no time
#                                                               of reading
#     `cat` of a file in ns and one in us        1700000001     1700000.001     1700000.001 1700000001
#     if_tsoffset (time counted from a start)    1700000001     1               1700000001  1
# The second line is the second packet: a new section starts a new list of interfaces, but both readers look up its
# resolution in the first section's. In the third the offset is passed over. No reader but libpcap takes all three.
#
# Why it matters: scripts over captures are how latency and lost answers are judged. A simple packet read twice has two
# times; a week of files joined with cat, which the format allows, sorts half of them into January 1970.
. "$(dirname "$0")/common.bash"
debian tcpdump=4.99.3-1 libpcap0.8=1.10.3-1
pypi scapy==2.7.0 dpkt==1.9.8 python-pcapng==2.1.1

python3 - "$tmp" <<'P'
import sys
from frames import enhanced, ethernet, interface, ipv4, section, simple, udp
frame = ethernet(ipv4("10.0.0.1", "10.0.0.2", udp("10.0.0.1", "10.0.0.2", b"x")))
at, us, ns = 1_700_000_000, 10**6, 10**9
files = {
    "simple": [section(), interface(), enhanced(at * us, frame), simple(frame)],
    "joined": [section(), interface(resolution=9), enhanced(at * ns, frame),
               section(), interface(resolution=6), enhanced((at + 1) * us, frame)],
    "offset": [section(), interface(resolution=9, offset=at), enhanced(0, frame), enhanced(ns, frame)],
}
for name, blocks in files.items():
    with open(f"{sys.argv[1]}/{name}.pcapng", "wb") as file:
        file.writelines(blocks)
P
cat >"$tmp/last.py" <<'P'
"""The time of the second packet, as the library named says it."""
import logging, sys, time, warnings
warnings.simplefilter("ignore")
logging.disable()
library, name = sys.argv[1:]
start = time.time()
if library == "scapy":
    from scapy.utils import PcapNgReader
    times = [float(packet.time) for packet in PcapNgReader(name)]
elif library == "dpkt":
    import dpkt
    times = [when for when, _ in dpkt.pcapng.Reader(open(name, "rb"))]
else:
    from pcapng import FileScanner, blocks
    kinds = blocks.EnhancedPacket, blocks.SimplePacket
    times = [getattr(block, "timestamp", None) for block in FileScanner(open(name, "rb")) if isinstance(block, kinds)]
last = times[1] if len(times) == 2 else "left out"
if last is None:
    last = "no time"
elif last != "left out":
    last = "now" if start <= last <= time.time() else f"{last:.3f}".rstrip("0").rstrip(".")
print(last)
P
row() {
    local name=$1 library
    shift
    same "$name, tcpdump" "$(tcpdump -tt -nr "$tmp/$name.pcapng" 2>/dev/null | sed -n '2s/\.0* .*//p')" "$1"
    for library in scapy dpkt pcapng; do
        shift
        same "$name, $library" "$(python3 "$tmp/last.py" $library "$tmp/$name.pcapng" 2>>"$tmp/log")" "$1"
    done
}
row simple 0 now "left out" "no time"
row joined 1700000001 1700000.001 1700000.001 1700000001
row offset 1700000001 1 1700000001 1
verdict
