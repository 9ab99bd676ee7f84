#!/usr/bin/env bash
# Behind Linux NAT a phone whose registrar answers quickly is lost after 30 s, one that had to wait a little after 120 s.
#
# Seen with: Linux 6.18.44 (nf_conntrack), nftables 1.0.6-2+deb12u2. Needs root, for network namespaces.
#
# One rule, `masquerade`, and conntrack's two UDP timeouts, 30 and 120 s; here 5 and 20 s, so that it takes a minute. An
# INVITE comes to the phone's mapping after 8 s of silence, more than the first and less than the second:
#     REGISTER, 200 at once                                                    lost
#     REGISTER, 401, REGISTER, 200 at once                                     lost
#     REGISTER, 200 after 2.5 s                                                lost
#     REGISTER, 100 at once, 200 after 2.5 s                                   arrives
#     REGISTER three times in 1.5 s (SIP's T1), 200 to each after 2.5 s        arrives
#     REGISTER, 200 at once, after 2.5 s a keepalive (CRLF)                    arrives
#     REGISTER, 200 at once, then a keepalive every 10 s                       lost
#     REGISTER, 100 at once, 200 after 2.5 s, then a keepalive every 10 s      arrives
# The long timeout is for a packet that comes when there was an answer before it and more than 2 s have passed since the first
# packet of the flow, in either direction. An exchange that is over by then has the short one, and a keepalive that comes
# later than that opens a new flow, which nobody answers.
#
# Why it matters: with a keepalive a minute, as 120 s seem to allow (and RFC 4787, REQ-5, asks of a NAT), calls to a phone
# arrive or not by whether its registration took two seconds: the day that the registrar gets faster, phones are lost that
# were not, and nothing else has changed. A test that asks once and waits measures 30 s for flows that mostly have 120.
. "$(dirname "$0")/common.bash"
debian nftables=1.0.6-2+deb12u2

for name in phone router server; do
    space $name
done
wire phone eth0 router p; wire server eth0 router s
address phone eth0 10.9.1.2/24; address router p 10.9.1.1/24
address server eth0 192.0.2.2/24; address router s 192.0.2.1/24
at phone ip route add default via 10.9.1.1
at router sysctl -qw net.ipv4.ip_forward=1
at router nft -f - <<'N'
table ip t {
    chain s {
        type nat hook postrouting priority srcnat
        oifname "s" masquerade
    }
}
N
timeout=net.netfilter.nf_conntrack_udp_timeout
same "UDP timeouts" "$(at router sysctl -n $timeout ${timeout}_stream | paste -sd' ')" "30 120"
at router sysctl -qw $timeout=5 ${timeout}_stream=20

cat >"$tmp/phones.py" <<'P'
"""Arguments: the namespaces of the phones and of the registrar. Every phone is a socket of its own, all at the same time."""
import ctypes, socket, sys, threading, time
SLOW, SILENT = 2.5, 8

def bound(space, address, port):
    """A socket lives in the namespace that it was made in."""
    with open("/var/run/netns/" + space) as file:
        assert ctypes.CDLL(None).setns(file.fileno(), 0) == 0
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    sock.settimeout(1)
    return sock

class Phone:
    def __init__(self, port):
        self.phone, self.registrar = bound(sys.argv[1], "10.9.1.2", port), bound(sys.argv[2], "192.0.2.2", port)
        self.port = port
    def asks(self):
        self.phone.sendto(b"REGISTER", ("192.0.2.2", self.port))
        self.mapping = self.registrar.recvfrom(100)[1]
    def keeps(self):
        self.phone.sendto(b"\r\n\r\n", ("192.0.2.2", self.port))
        self.registrar.recv(100)
    def answers(self, what=b"200"):
        self.registrar.sendto(what, self.mapping)
        assert self.phone.recv(100) == what
    def reached(self):
        self.registrar.sendto(b"INVITE", self.mapping)
        try:
            return self.phone.recv(100) == b"INVITE"
        except TimeoutError:
            return False

def at_once(phone):
    phone.asks()
    phone.answers()

def challenged(phone):
    phone.asks()
    phone.answers(b"401")
    at_once(phone)

def slow(phone):
    phone.asks()
    time.sleep(SLOW)
    phone.answers()

def trying(phone):
    phone.asks()
    phone.answers(b"100")
    time.sleep(SLOW)
    phone.answers()

def repeated(phone):
    for pause in (0.5, 1, SLOW - 1.5):
        phone.asks()
        time.sleep(pause)
    for _ in range(3):
        phone.answers()

def kept_once(phone):
    at_once(phone)
    time.sleep(SLOW)
    phone.keeps()

def kept(phone, begin=at_once):
    begin(phone)
    for _ in range(2):
        time.sleep(10)
        phone.keeps()

def trying_kept(phone):
    kept(phone, trying)

def run(case, phone):
    case(phone)
    time.sleep(SILENT)
    results[case.__name__] = "arrives" if phone.reached() else "lost"

CASES = at_once, challenged, slow, trying, repeated, kept_once, kept, trying_kept
results = {}
threads = [threading.Thread(target=run, args=(case, Phone(5060 + number))) for number, case in enumerate(CASES)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for name, result in results.items():
    print(name, result)
P
python3 "$tmp/phones.py" "phone$$" "server$$" >"$tmp/results"
result() { sed -n "s/^$1 //p" "$tmp/results"; }
same "200 at once" "$(result at_once)" lost
same "401, REGISTER, 200 at once" "$(result challenged)" lost
same "200 after 2.5 s" "$(result slow)" lost
same "100 at once, 200 after 2.5 s" "$(result trying)" arrives
same "REGISTER three times, 200 after 2.5 s" "$(result repeated)" arrives
same "200 at once, a keepalive after 2.5 s" "$(result kept_once)" arrives
same "200 at once, keepalives" "$(result kept)" lost
same "100 at once, 200 after 2.5 s, keepalives" "$(result trying_kept)" arrives
verdict
