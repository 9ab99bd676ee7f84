#!/usr/bin/env bash
# `tshark -Y sip -w` leaves out the calls whose INVITE came in fragments, and `-2 -Y` and `-2 -R` differ in it.
#
# Seen with: tshark 4.0.17-0+deb12u3.
#
# A capture holds two INVITEs, one whole, one in two IP fragments. `tshark -Y sip` shows both. Written with -w and read
# again with the same filter there are:
#     tshark -Y sip -w          1 call      (of the fragments only the one that came last is written)
#     tshark -2 -R sip -w       1 call
#     tshark -2 -Y sip -w       2 calls     (two passes, and the display filter: the fragments that it needs come too)
#
# Why it matters: INVITEs with long SDP are the ones that fragment, and the ones a NAT or balancer gets wrong. The extract
# sent to a vendor lacks exactly these, and its lone last fragments look as if the box in the path had lost the first.
. "$(dirname "$0")/common.bash"
debian tshark=4.0.17-0+deb12u3

python3 - "$tmp/in.pcap" <<'P'
import sys
from frames import ethernet, ipv4, udp, write_pcap

def invite(call, subject):
    lines = ["INVITE sip:bob@10.0.0.2 SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK" + call, "Max-Forwards: 70",
             "From: <sip:alice@10.0.0.1>;tag=" + call, "To: <sip:bob@10.0.0.2>", "Call-ID: " + call, "CSeq: 1 INVITE",
             "Contact: <sip:alice@10.0.0.1>", "Subject: " + subject, "Content-Length: 0", "", ""]
    return udp("10.0.0.1", "10.0.0.2", "\r\n".join(lines).encode())

long = invite("fragmented", "x" * 1600)
packets = [ipv4("10.0.0.1", "10.0.0.2", invite("whole", "x"), 1),
           ipv4("10.0.0.1", "10.0.0.2", long[:1480], 2, 0, True), ipv4("10.0.0.1", "10.0.0.2", long[1480:], 2, 1480)]
write_pcap(sys.argv[1], [ethernet(packet) for packet in packets])
P
calls() { tshark -r "$1" -Y sip -T fields -e sip.Call-ID 2>>"$tmp/log" | sort | paste -sd' '; }
again() {
    rm -f "$tmp/out.pcap"
    tshark -r "$tmp/in.pcap" "$@" -w "$tmp/out.pcap" 2>>"$tmp/log"
    calls "$tmp/out.pcap"
}
same "the capture" "$(calls "$tmp/in.pcap")" "fragmented whole"
same "-Y sip -w" "$(again -Y sip)" "whole"
same "-2 -R sip -w" "$(again -2 -R sip)" "whole"
same "-2 -Y sip -w" "$(again -2 -Y sip)" "fragmented whole"
verdict
