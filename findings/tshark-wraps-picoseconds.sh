#!/usr/bin/env bash
# tshark sets the clock of a capture in picoseconds back every 18.4 ms, and editcap sends it to February 1970.
#
# Seen with: tshark and editcap 4.0.17-0+deb12u3, tcpdump 4.99.3-1 with libpcap 1.10.3-1.
#
# pcapng lets an interface count in any 10^-n seconds (if_tsresol), from any second (if_tsoffset; in picoseconds one needs
# it, 64 bits of them are 213 days). Two frames, 18 and 19 ms past second 1700000005:
#     if_tsresol 9 and 10:    tcpdump and tshark both say .018 and .019
#     if_tsresol 12:          tcpdump says .018000000 and .019000000, tshark .018000000 and .000553255
# Somewhere the fraction times 10^9 stands in 64 bits, and 2^64 / 10^9 ps is 18.4 ms. Full seconds are right, so nothing
# looks broken at first sight. `editcap in out`, nothing else asked, keeps the resolution and leaves the offset out, so
# that the seconds wrap too; what it wrote is 2899550.236721251 and 2899550.219274506 to tcpdump, the second before
# the first, and 2899550.015360322 and .016360321 to tshark. mergecap does the same.
#
# Why it matters: one buys hardware timestamps to see what a box in the path adds, microseconds. Here a box appears to
# answer before it was asked, and sorting by time swaps what came in with what went out.
. "$(dirname "$0")/common.bash"
debian tshark=4.0.17-0+deb12u3 wireshark-common=4.0.17-0+deb12u3 tcpdump=4.99.3-1 libpcap0.8=1.10.3-1

python3 - "$tmp" <<'P'
import sys
from frames import enhanced, ethernet, interface, ipv4, section, udp
frame = ethernet(ipv4("10.0.0.1", "10.0.0.2", udp("10.0.0.1", "10.0.0.2", b"x")))
for digits in (9, 10, 12):
    second, ms = 10**digits, 10 ** (digits - 3)
    with open(f"{sys.argv[1]}/{digits}.pcapng", "wb") as file:
        file.write(section() + interface(resolution=digits, offset=1_700_000_000))
        file.writelines(enhanced(5 * second + at * ms, frame) for at in (18, 19))
P
by_tcpdump() { tcpdump --time-stamp-precision=nano -tt -nr "$1" 2>/dev/null | sed 's/ .*//' | paste -sd' '; }
by_tshark() { tshark -r "$1" -T fields -e frame.time_epoch 2>/dev/null | paste -sd' '; }
right="1700000005.018000000 1700000005.019000000"
for digits in 9 10 12; do
    same "10^-$digits s, tcpdump" "$(by_tcpdump "$tmp/$digits.pcapng")" "$right"
done
for digits in 9 10; do
    same "10^-$digits s, tshark" "$(by_tshark "$tmp/$digits.pcapng")" "$right"
done
same "10^-12 s, tshark" "$(by_tshark "$tmp/12.pcapng")" "1700000005.018000000 1700000005.000553255"
editcap "$tmp/12.pcapng" "$tmp/edited.pcapng"
same "10^-12 s, editcap, tcpdump" "$(by_tcpdump "$tmp/edited.pcapng")" "2899550.236721251 2899550.219274506"
same "10^-12 s, editcap, tshark" "$(by_tshark "$tmp/edited.pcapng")" "2899550.015360322 2899550.016360321"
verdict
