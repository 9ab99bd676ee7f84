#!/usr/bin/env bash
# SIPp as a server sends every answer of a call to the source of the call's first datagram, whoever asked.
#
# Seen with: sip-tester 1:3.6.1-1+b2 (SIPp 3.6.1), `sipp -sn uas`. On loopback.
#
# INVITE and ACK come from port 41001, the BYE of the same call from port 41002, with its own Via and rport, as after a NAT
# has forgotten its mapping. The 200 for the BYE:
#     RFC 3581, section 4, wants:    41002      (source of the request)
#     RFC 3261, 18.2.2, wants:       41002      (its topmost Via)
#     SIPp sends to:                 41001      (with the Via that says 41002)
#
# Why it matters: tests of NAT timeouts, of failover with another source port and of several balancers before one server
# are run against SIPp. The answer goes to the old mapping; the box under test is blamed for a 200 that it never got, or
# passes because its old mapping still stands.
. "$(dirname "$0")/common.bash"
debian sip-tester=1:3.6.1-1+b2

cd "$tmp"
sipp -sn uas -i 127.0.0.1 -p 41000 -mp 41100 -timeout 30 -nostdin >"$tmp/log" 2>&1 & disown
sipp=$!
sleep 1
seen=$(python3 - <<'P'
import socket, time

def bound(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    sock.settimeout(2)
    return sock

def ask(sock, method, number):
    port = sock.getsockname()[1]
    lines = [f"{method} sip:service@127.0.0.1:41000 SIP/2.0", f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{method};rport",
             "Max-Forwards: 70", "From: <sip:a@127.0.0.1>;tag=1", "To: <sip:service@127.0.0.1>" + to, "Call-ID: moved@127.0.0.1",
             f"CSeq: {number} {method}", f"Contact: <sip:a@127.0.0.1:{port}>", "Content-Length: 0", "", ""]
    sock.sendto("\r\n".join(lines).encode(), ("127.0.0.1", 41000))

def answered(sock, method):
    """Whether the final answer to `method` arrives here."""
    try:
        while True:
            text = sock.recv(4000).decode()
            if text.startswith("SIP/2.0 200") and f" {method}\r\n" in text:
                return text
    except TimeoutError:
        return ""

first, second, to = bound(41001), bound(41002), ""
ask(first, "INVITE", 1)
to = ";tag=" + answered(first, "INVITE").split("\r\nTo:")[1].split("tag=")[1].split("\r\n")[0]
ask(first, "ACK", 1)
time.sleep(0.3)
ask(second, "BYE", 2)
old, new = answered(first, "BYE"), answered(second, "BYE")
print("old port" if old else "", "new port" if new else "", "Via names the new" if "127.0.0.1:41002" in old + new else "")
P
)
kill $sipp
same "the answer to the BYE" "$seen" "old port  Via names the new"
verdict
