#!/usr/bin/env bash
# What a DPDK program has started keeps receiving for it: after a restart of the program, part of all flows reach nobody.
#
# Seen with: librte-eal23, librte-net-tap23 22.11.11-0+deb12u1, Linux 6.18. As root; no hugepages, no NIC.
#
# A program with a net_tap port starts `sleep` (posix_spawn, which closes nothing, like system(3), popen(3), fork with
# exec), ends EAL well (rte_eal_cleanup) and exits. DPDK opens its files without O_CLOEXEC: `sleep` holds /dev/net/tun and
# the memory of all packets. The interface stays, up, though its program has ended. A second start is not refused: the
# driver opens a tap with several queues, and joins the one that is there. The kernel spreads flows over both queues, of
# which `sleep` reads none.
# Of 256 flows, a datagram each, sent towards the port:
#     the first program receives 256
#     the second one, while `sleep` lives, about half, by the hash of addresses and ports; no counter of the port shows the others
#     a third one, when `sleep` has ended, 256
#
# Why it matters: a health check or hook that a packet program runs and that outlives it breaks half the calls after the next
# restart, always the same ones, and nothing in the program or its port's statistics says so.
. "$(dirname "$0")/common.bash"
version=22.11.11-0+deb12u1
debian librte-{eal,ethdev,mbuf,mempool,mempool-ring,bus-vdev,net-tap}23=$version
# DPDK loads no driver from below a folder that all may write, such as /tmp: preloaded they register all the same.
driver() { find "$tmp" /usr/lib/x86_64-linux-gnu -name "librte_$1.so.23" 2>/dev/null | head -1; }
drivers=$(for name in eal mempool mbuf ethdev mempool_ring bus_vdev net_tap; do driver $name; done | paste -sd:)

cat >"$tmp/program.py" <<'P'
import ctypes, os, socket, subprocess, sys, time
FLOWS = 256
whole = ctypes.CDLL(None)
words = ["program", "--no-huge", "--no-shconf", "--no-telemetry", "-m", "64", "--no-pci", "--lcores", "0@0"]
words += ["--vdev", "net_tap0,iface=probe0"]
good = whole.rte_eal_init(len(words), (ctypes.c_char_p * len(words))(*(word.encode() for word in words))) >= 0
create = whole.rte_pktmbuf_pool_create
create.restype = ctypes.c_void_p
pool = ctypes.c_void_p(create(b"packets", 2047, 0, 0, 2176, 0))
good = good and pool.value and whole.rte_eth_dev_configure(0, 1, 1, ctypes.create_string_buffer(8192)) == 0
good = good and whole.rte_eth_rx_queue_setup(0, 0, 256, 0, None, pool) == 0
good = good and whole.rte_eth_tx_queue_setup(0, 0, 256, 0, None) == 0 and whole.rte_eth_dev_start(0) == 0
if not good:
    sys.exit("the port does not start")
held = [int(number) for number in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{number}")]
tap = [number for number in held if os.readlink(f"/proc/self/fd/{number}") == "/dev/net/tun"]
neighbour = "neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev probe0"
for command in ("address replace 192.0.2.1/24 dev probe0", "link set probe0 up", neighbour):
    subprocess.run(["ip", *command.split()], check=True)
for number in range(FLOWS):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("192.0.2.1", 20000 + number))
        sender.sendto(b"flow", ("192.0.2.2", 5060))
time.sleep(0.5)
received = 0
# As the driver reads them: a header of flags, then the frame.
for number in tap:
    os.set_blocking(number, False)
    try:
        while frame := os.read(number, 2048):
            received += frame.endswith(b"flow")
    except OSError:
        pass
child = os.posix_spawn("/bin/sleep", ["sleep", "60"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
kept = {os.readlink(f"/proc/{child}/fd/{number}").split(" ")[0] for number in os.listdir(f"/proc/{child}/fd")}
if sys.argv[1:] != ["alone"]:
    print(child)
else:
    os.kill(child, 9)
print(received, *sorted(name for name in kept if "tun" in name or "memfd" in name))
whole.rte_eal_cleanup()
P
space program
run() { at program env LD_PRELOAD="$drivers" python3 "$tmp/program.py" "$@" 2>"$tmp/log" || failed "$(tail -1 "$tmp/log")"; }
there() { at program ip -o link show probe0 >/dev/null 2>&1 && echo there || echo gone; }

run >"$tmp/said"
child=$(head -1 "$tmp/said")
same "the first program receives, and its child holds" "$(tail -1 "$tmp/said")" "256 /dev/net/tun /memfd:nohuge"
same "the program has ended, and its interface is" "$(there)" "there"
run alone >"$tmp/said"
read -r received _ <"$tmp/said"
echo "  (the second program receives $received of 256)"
same "the second program receives" "$([ "$received" -gt 64 ] && [ "$received" -lt 192 ] && echo "about half")" "about half"
kill "$child"
for _ in $(seq 50); do [ "$(there)" = gone ] && break || sleep 0.1; done
same "the child has ended, and the interface is" "$(there)" "gone"
run alone >"$tmp/said"
same "the third program receives" "$(cut -d' ' -f1 "$tmp/said")" "256"
verdict
