#!/bin/sh
# VPP's nat44-ed on one core, as a small table. See README.md.
#   VPP=PREFIX [WORK=DIR] [CORE=1] ./run.sh [--flows 64,4096] [--rigs pg,pcap] [--protocols udp,tcp] [--runs 5]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${VPP:?the prefix of a VPP with the plugins nat and dpdk}"
uptime
exec python3 "$here/measure.py" --prefix "$VPP" --work "${WORK:-$(mktemp -d)}" --core "${CORE:-1}" "$@"
