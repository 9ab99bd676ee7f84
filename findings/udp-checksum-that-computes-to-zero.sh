#!/usr/bin/env bash
# One UDP datagram in 65,536 is made undeliverable by tools and libraries that compute its checksum: where it comes to 0
# they write 0, which means "none" (RFC 768 wants FFFF), and in IPv6 none is not allowed (RFC 8200, 8.1).
#
# Seen with: tcpreplay 4.4.3-1 (tcprewrite --fixcsum), dpkt 1.9.8, scapy 2.7.0 (PyPI), pnet_packet 0.35.0, etherparse
# 0.21.0 (crates.io), Linux 6.18.44. Needs root, for network namespaces, and cargo.
#
# The payload is chosen so that the sum comes to 0 (ports 5060; c44f from 10.0.0.1 to 10.0.0.2, 7cdd from 2001:db8::1 to
# 2001:db8::2). What each writes:
#                            IPv4     IPv6
#     tcprewrite --fixcsum   0000     0000
#     pnet_packet            0000     0000
#     dpkt                   ffff     0000      (right in one family, wrong in the other)
#     scapy                  ffff     ffff
#     etherparse             ffff     ffff
# Linux receives the IPv4 datagram either way, the IPv6 datagram only with ffff.
#
# Why it matters: a generator or a NAT in Rust built on such a function loses one IPv6 datagram in 65,536, silently and for
# good, as SIP's repetition has the same bytes. Random tests with fewer packets stay green. And a capture that went
# through --fixcsum is no longer a witness about checksum 0.
. "$(dirname "$0")/common.bash"
debian tcpreplay=4.4.3-1
pypi dpkt==1.9.8 scapy==2.7.0

cat >"$tmp/python.py" <<'P'
import logging, socket, sys, warnings
warnings.simplefilter("ignore")
logging.disable()
if sys.argv[1] == "dpkt":
    import dpkt
    datagram = lambda text: dpkt.udp.UDP(sport=5060, dport=5060, ulen=10, data=bytes.fromhex(text))
    address = lambda text: socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    v4 = dpkt.ip.IP(src=address("10.0.0.1"), dst=address("10.0.0.2"), p=17, data=datagram("c44f"))
    v6 = dpkt.ip6.IP6(src=address("2001:db8::1"), dst=address("2001:db8::2"), nxt=17, hlim=64, plen=10, data=datagram("7cdd"))
else:
    from scapy.all import IP, UDP, IPv6
    v4 = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5060, dport=5060) / bytes.fromhex("c44f")
    v6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=5060, dport=5060) / bytes.fromhex("7cdd")
print(bytes(v4)[26:28].hex(), bytes(v6)[46:48].hex())
P
mkdir -p "$tmp/rust/src"
cat >"$tmp/rust/Cargo.toml" <<'T'
[package]
name = "sums"
version = "0.0.0"
edition = "2021"
[dependencies]
pnet_packet = "=0.35.0"
etherparse = "=0.21.0"
[workspace]
T
cat >"$tmp/rust/src/main.rs" <<'R'
use etherparse::{IpNumber, Ipv4Header, Ipv6Header, UdpHeader};
use pnet_packet::udp::{ipv4_checksum, ipv6_checksum, UdpPacket};
use std::net::{Ipv4Addr, Ipv6Addr};

fn main() {
    let (a, b): (Ipv4Addr, Ipv4Addr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    let (c, d): (Ipv6Addr, Ipv6Addr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    let datagram = |payload: [u8; 2]| [0x13, 0xc4, 0x13, 0xc4, 0, 10, 0, 0, payload[0], payload[1]];
    let (v4, v6) = (datagram([0xc4, 0x4f]), datagram([0x7c, 0xdd]));
    let (v4, v6) = (UdpPacket::new(&v4).unwrap(), UdpPacket::new(&v6).unwrap());
    println!("pnet_packet {:04x} {:04x}", ipv4_checksum(&v4, &a, &b), ipv6_checksum(&v6, &c, &d));
    let four = Ipv4Header::new(10, 64, IpNumber::UDP, a.octets(), b.octets()).unwrap();
    let six = Ipv6Header { source: c.octets(), destination: d.octets(), ..Default::default() };
    let four = UdpHeader::with_ipv4_checksum(5060, 5060, &four, &[0xc4, 0x4f]).unwrap();
    let six = UdpHeader::with_ipv6_checksum(5060, 5060, &six, &[0x7c, 0xdd]).unwrap();
    println!("etherparse {:04x} {:04x}", four.checksum, six.checksum);
}
R
cat >"$tmp/write.py" <<'P'
"""One frame with the right checksum, ffff."""
import sys
from frames import ethernet, ipv4, ipv6, udp, write_pcap
write_pcap(sys.argv[1] + "/4.pcap", [ethernet(ipv4("10.0.0.1", "10.0.0.2", udp("10.0.0.1", "10.0.0.2", bytes.fromhex("c44f"))))])
write_pcap(sys.argv[1] + "/6.pcap", [ethernet(ipv6("2001:db8::1", "2001:db8::2", udp("2001:db8::1", "2001:db8::2", bytes.fromhex("7cdd"))))])
P
python3 "$tmp/write.py" "$tmp"
for family in 4 6; do
    tcprewrite --fixcsum -i "$tmp/$family.pcap" -o "$tmp/$family.fixed.pcap"
done
checksum() { tail -c 4 "$1" | head -c 2 | od -An -tx1 | tr -d ' \n'; }
same "written here" "$(checksum "$tmp/4.pcap") $(checksum "$tmp/6.pcap")" "ffff ffff"
same "tcprewrite --fixcsum" "$(checksum "$tmp/4.fixed.pcap") $(checksum "$tmp/6.fixed.pcap")" "0000 0000"
(cd "$tmp/rust" && HOME=$home CARGO_TARGET_DIR=$tmp/target cargo run -q) >"$tmp/sums" 2>"$tmp/log" ||
    failed "cargo: $(grep -m1 ^error "$tmp/log")"
same "pnet_packet" "$(sed -n 's/pnet_packet //p' "$tmp/sums")" "0000 0000"
same "dpkt" "$(python3 "$tmp/python.py" dpkt)" "ffff 0000"
same "scapy" "$(python3 "$tmp/python.py" scapy 2>>"$tmp/log")" "ffff ffff"
same "etherparse" "$(sed -n 's/etherparse //p' "$tmp/sums")" "ffff ffff"

cat >"$tmp/receive.py" <<'P'
import socket
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.bind(("::", 5060))
sock.settimeout(3)
try:
    sock.recv(100)
    print("received")
except TimeoutError:
    print("lost")
P
cat >"$tmp/send.py" <<'P'
import socket, sys
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind(("eth0", 0))
sock.send(open(sys.argv[1], "rb").read()[40:])
P
space receiver; space sender
wire receiver eth0 sender eth0
ip -n "receiver$$" link set dev eth0 address 02:00:00:00:00:02
address receiver eth0 10.0.0.2/24
ip -n "receiver$$" address add 2001:db8::2/64 dev eth0 nodad
fate() {
    at receiver python3 "$tmp/receive.py" >"$tmp/fate" &
    sleep 1
    at sender python3 "$tmp/send.py" "$1"
    wait $!
    cat "$tmp/fate"
}
same "Linux, IPv4, 0000" "$(fate "$tmp/4.fixed.pcap")" received
same "Linux, IPv6, ffff" "$(fate "$tmp/6.pcap")" received
same "Linux, IPv6, 0000" "$(fate "$tmp/6.fixed.pcap")" lost
verdict
