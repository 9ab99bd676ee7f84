#!/usr/bin/env bash
# The filter that tcpdump took VLAN frames with finds none of them in the file that it wrote.
#
# Seen with: tcpdump 4.99.3-1 with libpcap 1.10.3-1, dumpcap 4.0.17-0+deb12u3, Linux 6.18.44. Needs root, for network
# namespaces.
#
# Five SIP datagrams over a veth, `-w FILE udp port 5060` at its receiving end, then `-r FILE` with the same filter and with
# `vlan and udp port 5060`:
#     frames sent with         taken     same filter     vlan and ...
#     no tag                     5            5               0
#     one tag                    5            0               5
#     two tags                   0            -               -
#     one tag, `-i any`          5            5               0       (the tags are not in the file)
#     one tag, sending end       0            -               -       (sent as whole frames, as DPDK's af_packet does)
# The kernel takes the outer tag of a received frame off and hands it over beside the frame; the filter runs on what is
# left, and libpcap puts the tag back only then. In a file nothing stands beside. dumpcap does as tcpdump does.
#
# Why it matters: with the balancer's networks as VLANs on one port, the capture looks empty to whoever gets the file and
# repeats the filter: "no SIP arrived". On a trunk with two tags, or at the end that sends, the same filter takes nothing in
# the first place, which looks no different. `udp port 5060 or (vlan and udp port 5060)` is right for one tag in both.
. "$(dirname "$0")/common.bash"
debian tcpdump=4.99.3-1 libpcap0.8=1.10.3-1 wireshark-common=4.0.17-0+deb12u3

cat >"$tmp/send.py" <<'P'
import socket, sys
from frames import ethernet, ipv4, udp
frame = ethernet(ipv4("10.9.1.1", "10.9.1.2", udp("10.9.1.1", "10.9.1.2", b"OPTIONS sip:x SIP/2.0\r\n\r\n")), "ffffffffffff")
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind(("eth0", 0))
for _ in range(5):
    sock.send(frame[:12] + bytes.fromhex(sys.argv[1]) + frame[12:])
P
space sender; space receiver
wire sender eth0 receiver eth0
one=81000005
two=88a8000981000005

# Frames with these tags: how many the command takes at that place, and how many of them each filter finds in the file.
seen() {
    local place=$1 tags=$2
    shift 2
    rm -f "$tmp/file"
    at "$place" timeout 3 "$@" -w "$tmp/file" 2>"$tmp/log" &
    until grep -qi '^\(.*listening on\|capturing on\|file:\)' "$tmp/log" 2>/dev/null; do sleep 0.1; done
    sleep 0.3
    at sender python3 "$tmp/send.py" "$tags"
    wait $! || true
    found
    found udp port 5060
    found vlan and udp port 5060
}
found() { tcpdump -nr "$tmp/file" "$@" 2>/dev/null | wc -l; }
take() { seen "$@" | paste -sd' '; }
filter="udp port 5060"
same "no tag" "$(take receiver "" tcpdump -pni eth0 $filter)" "5 5 0"
same "one tag" "$(take receiver $one tcpdump -pni eth0 $filter)" "5 0 5"
same "two tags" "$(take receiver $two tcpdump -pni eth0 $filter)" "0 0 0"
same "one tag, -i any" "$(take receiver $one tcpdump -pni any $filter)" "5 5 0"
same "one tag, at the sender" "$(take sender $one tcpdump -pni eth0 $filter)" "0 0 0"
same "one tag, dumpcap" "$(take receiver $one dumpcap -pi eth0 -f "$filter")" "5 0 5"
both="$filter or (vlan and $filter)"
same "one tag, filter for both" "$(take receiver $one tcpdump -pni eth0 "$both")" "5 0 5"
same "the same for the file" "$(found "$both")" 5
verdict
