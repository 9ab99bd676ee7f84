#!/usr/bin/env bash
# `tcprewrite`, asked for another MAC address, makes TCP data of Ethernet padding and wrong checksums right, in IPv4.
#
# Seen with: tcpreplay 4.4.3-1, tshark 4.0.17-0+deb12u3. By the sources 4.4.0 does not do it, 4.4.1 to 4.4.4 do, and 4.5.0 and
# later only with --fixhdrlen.
#
# A capture as a NIC takes it, frames shorter than 60 bytes filled up. After `tcprewrite --enet-dmac=... -i IN -o OUT`:
#                                                     before               after
#     SYN with one option, 44 bytes                   no data              2 bytes of data
#     ACK, 40 bytes                                   no data              6 bytes of data, all zero
#     SIP keepalive (CRLF CRLF) over UDP              checksum right       checksum wrong
#     UDP datagram with a wrong checksum, IPv4        wrong                right
#     UDP datagram with a wrong checksum, IPv6        wrong                wrong
#     a SIP request and its answer over TCP           tshark shows both    tshark shows none
# The total length of IPv4 is set to what the frame has; then all checksums are computed anew, --fixcsum or not. The zeros take
# the sequence numbers of what the same side says next: "REGIST" of REGISTER and "SIP/2." of the answer are overwritten.
#
# Why it matters: new MAC addresses are what every capture needs before it is replayed into a box. The box under test gets TCP
# streams that no host ever sent and refuses keepalives that were good, and the frame that was put in to see a wrong
# checksum dropped passes. Stacks with TCP timestamps have no frame below 60 bytes, so that some captures come out whole.
. "$(dirname "$0")/common.bash"
debian tcpreplay=4.4.3-1 tshark=4.0.17-0+deb12u3

cat >"$tmp/write.py" <<'P'
"""Argument: a folder. What a NIC captures: frames shorter than 60 bytes are filled up to that with zeros."""
import socket, struct, sys
from frames import ethernet, ipv4, ipv6, total, udp, write_pcap

PHONE, SERVER = "192.0.2.1", "192.0.2.2"
ACK, SYN, PUSH = 16, 2, 8

def frame(src, dst, body, protocol):
    return ethernet(ipv4(src, dst, body, protocol=protocol)).ljust(60, b"\0")

def tcp(src, dst, seq, ack, flags, data=b""):
    ports = (40000, 5060) if src == PHONE else (5060, 40000)
    options = bytes([2, 4, 5, 180]) if flags & SYN else b""
    head = struct.pack(">HHIIBBHHH", *ports, seq, ack, (20 + len(options)) * 4, flags, 64240, 0, 0) + options
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack(">HH", 6, len(head) + len(data))
    head = head[:16] + struct.pack(">H", 0xFFFF - total(pseudo + head + data)) + head[18:]
    return frame(src, dst, head + data, 6)

def sip(first):
    lines = [first, "Via: SIP/2.0/TCP 192.0.2.1:40000;branch=z9hG4bK1", "From: <sip:a@example.com>;tag=1",
             "To: <sip:a@example.com>", "Call-ID: 1@example.com", "CSeq: 1 REGISTER", "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()

request, answer = sip("REGISTER sip:example.com SIP/2.0"), sip("SIP/2.0 200 OK")
write_pcap(sys.argv[1] + "/tcp.pcap", [
    tcp(PHONE, SERVER, 1000, 0, SYN), tcp(SERVER, PHONE, 5000, 1001, SYN | ACK), tcp(PHONE, SERVER, 1001, 5001, ACK),
    tcp(PHONE, SERVER, 1001, 5001, PUSH | ACK, request), tcp(SERVER, PHONE, 5001, 1001 + len(request), ACK),
    tcp(SERVER, PHONE, 5001, 1001 + len(request), PUSH | ACK, answer),
    tcp(PHONE, SERVER, 1001 + len(request), 5001 + len(answer), ACK)])

def wrong(frame):
    return frame[:-1] + bytes([frame[-1] ^ 1])

four, six = udp(PHONE, SERVER, bytes(40)), udp("2001:db8::1", "2001:db8::2", bytes(40))
write_pcap(sys.argv[1] + "/udp.pcap", [frame(PHONE, SERVER, udp(PHONE, SERVER, b"\r\n\r\n"), 17),
                                       wrong(frame(PHONE, SERVER, four, 17)),
                                       wrong(ethernet(ipv6("2001:db8::1", "2001:db8::2", six)))])
P
python3 "$tmp/write.py" "$tmp"
for name in tcp udp; do
    tcprewrite --enet-dmac=02:00:00:00:00:09 -i "$tmp/$name.pcap" -o "$tmp/$name.new.pcap"
done
show() { tshark -r "$tmp/$1.pcap" -o udp.check_checksum:TRUE -T fields "${@:2}" 2>>"$tmp/log" | xargs; }
# 0 is wrong, 1 is right.
same "UDP checksums" "$(show udp -e udp.checksum.status)" "1 0 0"
same "UDP checksums, rewritten" "$(show udp.new -e udp.checksum.status)" "0 1 0"
same "data in TCP" "$(show tcp -e tcp.len)" "0 0 0 205 0 187 0"
same "data in TCP, rewritten" "$(show tcp.new -e tcp.len)" "2 2 6 205 6 187 6"
same "SIP over TCP" "$(show tcp -e sip.Method -e sip.Status-Code)" "REGISTER 200"
same "SIP over TCP, rewritten" "$(show tcp.new -e sip.Method -e sip.Status-Code)" ""
verdict
