#!/usr/bin/env bash
# Linux's SIP helper drops whole INVITEs and answers for what their SDP says of the media, with no NAT and no rule to drop.
#
# Seen with: Linux 6.18.44 (nf_conntrack_sip), nftables 1.0.6-2+deb12u2, conntrack 1:1.4.7-1+b2. Needs root, for network
# namespaces.
#
# A router that only forwards, a phone and a server on either side; its one rule gives the helper `sip` to UDP port 5060, as
# the service "sip" of firewalld 1.3.3 does beside opening the port. All of these are valid SDP (RFC 8866, 9):
#     an INVITE without a body                                   arrives
#     SIP and media on IPv4, or both on IPv6                     arrives
#     SIP on IPv4, media on IPv6 (c=IN IP6 ...)                  lost
#     SIP on IPv6, media on IPv4                                 lost
#     media at a name (c=IN IP4 media.example.com)               lost
#     trickle ICE (m=audio 9, c=IN IP4 0.0.0.0)                  lost
#     the 200 with any of these, though its INVITE arrived       lost
# The packet dies after the last chain: a counter in postrouting counts it and Ip: ForwDatagrams too, `conntrack -S` has no
# drop, Ip: OutDiscards stays 0. Without the helper all arrive. The phone repeats the INVITE and the server the 200, and
# each copy has the same end.
#
# Why it matters: calls of some phones never reach the server, or ring on after they were taken, while the rules, their
# counters and the boxes around are in order. What a balancer probes with is OPTIONS, without a body, and always passes.
# Fairlead looks at no SDP, and each of its drops has a name and a counter.
. "$(dirname "$0")/common.bash"
debian nftables=1.0.6-2+deb12u2 conntrack=1:1.4.7-1+b2

for name in phone router server; do
    space $name
    at $name sysctl -qw net.ipv6.conf.default.accept_dad=0
done
wire phone eth0 router p; wire server eth0 router s
address phone eth0 10.9.1.2/24; address router p 10.9.1.1/24
address server eth0 10.9.2.2/24; address router s 10.9.2.1/24
at router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
at phone ip route add default via 10.9.1.1
at server ip route add default via 10.9.2.1
for row in "phone eth0 1::2" "router p 1::1" "server eth0 2::2" "router s 2::1"; do
    read -r who device which <<<"$row"
    ip -n "$who$$" address add "2001:db8:$which/64" dev "$device" nodad
done
at phone ip route add default via 2001:db8:1::1
at server ip route add default via 2001:db8:2::1

cat >"$tmp/call.py" <<'P'
"""Arguments PHONE SERVER FAMILY OFFER ANSWER: one call between two namespaces; says what of it arrived."""
import ctypes, socket, sys

def message(first, to, media):
    sdp = ""
    if media != "none":
        port, address = {"v4": (20000, "IP4 192.0.2.1"), "v6": (20000, "IP6 2001:db8::1"), "ice": (9, "IP4 0.0.0.0"),
                         "name": (20000, "IP4 media.example.com")}[media]
        lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN " + address, "t=0 0", f"m=audio {port} RTP/AVP 0", ""]
        if media == "ice":
            lines[-1:] = ["a=ice-ufrag:abcd", "a=ice-pwd:0123456789abcdefghijkl", "a=ice-options:trickle", ""]
        sdp = "\r\n".join(lines)
    lines = [first, f"Via: SIP/2.0/UDP {host(PHONE)}:5060;branch=z9hG4bK1", "From: <sip:a@example.com>;tag=1",
             "To: <sip:b@example.com>" + to, "Call-ID: 1@example.com", "CSeq: 1 INVITE", f"Contact: <sip:{host(PHONE)}>",
             "Max-Forwards: 70"]
    lines += ["Content-Type: application/sdp"] * bool(sdp) + [f"Content-Length: {len(sdp)}", "", sdp]
    return "\r\n".join(lines).encode()

def host(address):
    return f"[{address}]" if ":" in address else address

def socket_at(space, address):
    """A socket lives in the namespace that it was made in."""
    with open("/var/run/netns/" + space) as file:
        assert ctypes.CDLL(None).setns(file.fileno(), 0) == 0
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 5060))
    sock.settimeout(1)
    return sock

def arrives(sock):
    try:
        return bool(sock.recv(4000))
    except TimeoutError:
        return False

PHONE, SERVER = {"4": ("10.9.1.2", "10.9.2.2"), "6": ("2001:db8:1::2", "2001:db8:2::2")}[sys.argv[3]]
phone, server = socket_at(sys.argv[1], PHONE), socket_at(sys.argv[2], SERVER)
phone.sendto(message(f"INVITE sip:b@{host(SERVER)} SIP/2.0", "", sys.argv[4]), (SERVER, 5060))
if not arrives(server):
    print("INVITE lost")
else:
    server.sendto(message("SIP/2.0 200 OK", ";tag=2", sys.argv[5]), (PHONE, 5060))
    print("both arrive" if arrives(phone) else "200 lost")
P
call() {
    at router conntrack -F 2>/dev/null
    python3 "$tmp/call.py" "phone$$" "server$$" "$@"
}
count() { at router nft list table inet t | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'; }
# Forwarded, discarded on the way out; dropped by conntrack, all CPUs together.
counters() {
    at router awk '/^Ip: [0-9]/ { print $7, $12 }' /proc/net/snmp
    at router conntrack -S | grep -o ' drop=[0-9]*' | awk -F= '{ n += $2 } END { print n + 0 }'
}

same "no helper, IPv4, media on IPv6" "$(call 4 v6 v6)" "both arrive"
same "no helper, IPv6, media on IPv4" "$(call 6 v4 v4)" "both arrive"
same "no helper, trickle ICE" "$(call 4 ice ice)" "both arrive"
same "no helper, media at a name" "$(call 4 name name)" "both arrive"
at router nft 'table inet t {
    ct helper four { type "sip" protocol udp; l3proto ip; }
    ct helper six { type "sip" protocol udp; l3proto ip6; }
    chain p { type filter hook prerouting priority filter
        meta nfproto ipv4 udp dport 5060 ct helper set "four"; meta nfproto ipv6 udp dport 5060 ct helper set "six"; }
    chain o { type filter hook postrouting priority 301; ip daddr 10.9.2.2 counter; }
}'
same "no body" "$(call 4 none none)" "both arrive"
same "IPv4, media on IPv4" "$(call 4 v4 v4)" "both arrive"
same "IPv6, media on IPv6" "$(call 6 v6 v6)" "both arrive"
read -r -d '' forwarded discarded dropped < <(counters) || true
seen=$(count)
same "IPv4, media on IPv6" "$(call 4 v6 v6)" "INVITE lost"
same "counted in postrouting" "$(($(count) - seen))" 1
read -r -d '' forwarded_now discarded_now dropped_now < <(counters) || true
same "forwarded, discarded, conntrack drops" \
    "$((forwarded_now - forwarded)) $((discarded_now - discarded)) $((dropped_now - dropped))" "1 0 0"
same "IPv6, media on IPv4" "$(call 6 v4 v4)" "INVITE lost"
same "IPv4, media at a name" "$(call 4 name v4)" "INVITE lost"
same "IPv4, trickle ICE" "$(call 4 ice v4)" "INVITE lost"
same "IPv4, answered with media on IPv6" "$(call 4 v4 v6)" "200 lost"
same "IPv4, answered with a name" "$(call 4 v4 name)" "200 lost"
same "IPv4, answered with trickle ICE" "$(call 4 v4 ice)" "200 lost"
verdict
