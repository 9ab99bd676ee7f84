#!/usr/bin/env bash
# tshark's RTP statistics say "jitter 0" where they do not know the codec, and a NAT or a filter takes that knowledge away.
#
# Seen with: tshark 4.0.17-0+deb12u3, tcpdump 4.99.3-1.
#
# `tshark --enable-heuristic rtp_udp -q -z rtp,streams` on calls whose every other packet is 15 ms late, both directions:
#                                                              mean jitter (ms), payload type
#     PCMU (type 0), whatever is done below                    13.869 13.869     g711U
#     Opus (type 96), the call as captured                     13.869 13.869     opus
#       written again by `tshark -Y rtp -w`                     0.000  0.000     RTPType-96
#       written again by `tcpdump udp port 20000`               0.000  0.000     RTPType-96
#     Opus, one end's SDP with an address from behind a NAT    13.869 13.869     opus
#     Opus, both ends' SDP with such addresses                  0.000  0.000     RTPType-96
# Jitter needs the clock rate of the timestamps. Types below 96 have theirs by definition, others by the SDP, which tshark finds
# by the media's address and port. Without it no jitter is computed, and 0 printed, beside right deltas and right losses (0
# packets, 0.0%). "Min Jitter -1.000" is the one sign; "Problems?" stays empty.
#
# Why it matters: one call captured inside and outside a NAT shows what the path between adds, and here the outside has the
# perfect voice; so has the extract without SIP that one may give away, and any capture begun after the INVITE. A limit
# in a script (mean jitter under 10 ms) passes all of them. Older codecs, with which one tries it out, are right.
. "$(dirname "$0")/common.bash"
debian tshark=4.0.17-0+deb12u3 tcpdump=4.99.3-1

cat >"$tmp/write.py" <<'P'
"""Arguments: a file, the payload type, its name and clock rate, the addresses in the SDP of the INVITE and of its 200. A call of
200 packets each way, due every 20 ms; every other one is 15 ms late."""
import struct, sys
from frames import ethernet, ipv4, udp

PHONE, SERVER = "192.0.2.1", "192.0.2.2"
path, kind, name, rate, *media = sys.argv[1:]

def sip(first, to, address):
    sdp = ["v=0", f"o=- 1 1 IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0", f"m=audio 20000 RTP/AVP {kind}"]
    sdp = "\r\n".join(sdp + [f"a=rtpmap:{kind} {name}/{rate}", ""])
    lines = [first, f"Via: SIP/2.0/UDP {PHONE}:5060;branch=z9hG4bK1", "From: <sip:a@example.com>;tag=1",
             "To: <sip:b@example.com>" + to, "Call-ID: 1@example.com", "CSeq: 1 INVITE", f"Contact: <sip:{address}>",
             "Content-Type: application/sdp", f"Content-Length: {len(sdp)}", "", sdp]
    return "\r\n".join(lines).encode()

with open(path, "wb") as file:
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
    def put(millis, src, dst, payload, port):
        frame = ethernet(ipv4(src, dst, udp(src, dst, payload, port, port)))
        file.write(struct.pack("<IIII", 1_700_000_000 + millis // 1000, millis % 1000 * 1000, len(frame), len(frame)) + frame)
    put(0, PHONE, SERVER, sip("INVITE sip:b@example.com SIP/2.0", "", media[0]), 5060)
    put(10, SERVER, PHONE, sip("SIP/2.0 200 OK", ";tag=2", media[1]), 5060)
    for number in range(200):
        head = struct.pack(">BBHI", 0x80, int(kind), number, number * int(rate) // 50)
        millis = 1000 + number * 20 + number % 2 * 15
        put(millis, PHONE, SERVER, head + struct.pack(">I", 1) + bytes(60), 20000)
        put(millis, SERVER, PHONE, head + struct.pack(">I", 2) + bytes(60), 20000)
P
# Arguments: a capture. Of each of its streams the mean jitter, in ms, and the payload type; of both whether there is a problem.
streams() {
    tshark -r "$1" --enable-heuristic rtp_udp -q -z rtp,streams 2>>"$tmp/log" | grep 192.0.2 |
        awk '{ said = said $(NF - 1) " "; type = $8; lost += $10 } END { print said type, "lost", lost }'
}
# Arguments: the type, name and rate, the SDP's addresses. The call as it is, and what two filters make of it.
call() {
    python3 "$tmp/write.py" "$tmp/call.pcap" "$@"
    tshark -r "$tmp/call.pcap" --enable-heuristic rtp_udp -Y rtp -w "$tmp/tshark.pcap" 2>>"$tmp/log"
    tcpdump -r "$tmp/call.pcap" -w "$tmp/tcpdump.pcap" udp port 20000 2>>"$tmp/log"
}
call 0 PCMU 8000 192.0.2.1 192.0.2.2
same "PCMU" "$(streams "$tmp/call.pcap")" "13.869 13.869 g711U lost 0"
same "PCMU, tshark -Y rtp -w" "$(streams "$tmp/tshark.pcap")" "13.869 13.869 g711U lost 0"
same "PCMU, tcpdump udp port 20000" "$(streams "$tmp/tcpdump.pcap")" "13.869 13.869 g711U lost 0"
call 0 PCMU 8000 10.0.0.1 10.0.1.1
same "PCMU, both ends' SDP from behind a NAT" "$(streams "$tmp/call.pcap")" "13.869 13.869 g711U lost 0"
call 96 opus 48000 192.0.2.1 192.0.2.2
same "Opus" "$(streams "$tmp/call.pcap")" "13.869 13.869 opus lost 0"
same "Opus, tshark -Y rtp -w" "$(streams "$tmp/tshark.pcap")" "0.000 0.000 RTPType-96 lost 0"
same "Opus, tcpdump udp port 20000" "$(streams "$tmp/tcpdump.pcap")" "0.000 0.000 RTPType-96 lost 0"
call 96 opus 48000 10.0.0.1 192.0.2.2
same "Opus, one end's SDP from behind a NAT" "$(streams "$tmp/call.pcap")" "13.869 13.869 opus lost 0"
call 96 opus 48000 10.0.0.1 10.0.1.1
same "Opus, both ends' SDP from behind a NAT" "$(streams "$tmp/call.pcap")" "0.000 0.000 RTPType-96 lost 0"
verdict
