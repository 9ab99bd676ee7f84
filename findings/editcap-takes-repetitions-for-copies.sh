#!/usr/bin/env bash
# `editcap -d`, which removes packets captured twice, removes a SIP client's repetitions too: all over IPv6, none over IPv4.
#
# Seen with: editcap 4.0.17-0+deb12u3, tcpdump 4.99.3-1, sip-tester 1:3.6.1-1+b2 (SIPp 3.6.1), Linux 6.18.44. Needs root,
# for network namespaces.
#
# SIPp sends an INVITE to a server that says nothing for four seconds, and repeats it after 0.5, 1.5 and 3.5 s. INVITEs left:
#                                           over IPv4    over IPv6
#     in the capture                            4            4
#     editcap -d   (the last 5 packets)         4            1
#     editcap -D 100                            4            1
#     editcap -w 0.1   (the last 0.1 s)         4            4
# A copy is a frame with the same bytes, however much later, and a SIP repetition is the same datagram. What tells it from a
# copy is the Identification of the IPv4 header, which Linux sets anew each time; IPv6 has none.
#
# Why it matters: mirror ports take packets twice, joined captures overlap, and -d is how one cleans them for the report. The
# proof goes with the copies: the client seems to have asked once and waited, the loss before the balancer is not to be
# seen, and the same network's IPv4 calls say otherwise. Use -w, with less than SIP's T1.
. "$(dirname "$0")/common.bash"
debian sip-tester=1:3.6.1-1+b2 tcpdump=4.99.3-1 wireshark-common=4.0.17-0+deb12u3

space client; space server
for host in client server; do at $host sysctl -qw net.ipv6.conf.default.accept_dad=0; done
wire client eth0 server eth0
address client eth0 10.9.1.1/24; address server eth0 10.9.1.2/24
address client eth0 2001:db8::1/64; address server eth0 2001:db8::2/64
# The server has the port, and says nothing.
cat >"$tmp/mute.py" <<'P'
import socket, time
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.bind(("::", 5060))
time.sleep(60)
P
at server python3 "$tmp/mute.py" 2>/dev/null & disown
sleep 2

cd "$tmp"
# capture FILE CLIENT SERVER: what SIPp sends in four seconds
capture() {
    at server timeout 6 tcpdump -pni eth0 -w "$1" udp port 5060 2>"$tmp/log" &
    until grep -q 'listening on' "$tmp/log" 2>/dev/null; do sleep 0.1; done
    at client timeout 4 sipp -sn uac "$3" -i "$2" -p 5060 -m 1 -nostdin >/dev/null 2>&1 || true
    wait $! || true
}
invites() { tcpdump -nr "$1" 2>/dev/null | grep -c 'SIP: INVITE'; }
left() {
    editcap "${@:2}" "$1" edited 2>/dev/null
    invites edited
}
capture 4.pcap 10.9.1.1 10.9.1.2:5060
capture 6.pcap 2001:db8::1 '[2001:db8::2]:5060'
for family in 4 6; do
    same "IPv$family, in the capture" "$(invites $family.pcap)" 4
done
for way in "-d" "-D 100"; do
    # shellcheck disable=SC2086 # an option and its value
    same "$way" "$(left 4.pcap $way) and $(left 6.pcap $way)" "4 and 1"
done
same "-w 0.1" "$(left 4.pcap -w 0.1) and $(left 6.pcap -w 0.1)" "4 and 4"
verdict
