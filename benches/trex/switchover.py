#!/usr/bin/env python3
"""Switchovers under load: what TRex lost while the active member changed. `switchover.py --help`

sip-a is behind port 1 of TRex, sip-b behind port 2 (port 3 is unused: TRex takes ports in pairs). Whoever is active gets
what port 0 sends; the sum of both must be everything.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

PROFILE = Path(__file__).with_name("service_udp.py")


def main() -> int:
    """Sends, changes the member by hand again and again, and counts."""
    options = _options()
    from trex_stl_lib.api import STLClient, STLProfile

    client = STLClient(server=options.server)
    client.connect()
    try:
        client.reset(ports=[0, 1, 2])
        tunables = {"tunables": ["--flows", str(options.flows)]}
        profile = STLProfile.load_py(str(PROFILE), direction=0, port_id=0, **tunables)
        client.add_streams(profile.get_streams(), ports=[0])
        _force(options, "sip-a")
        client.clear_stats()
        client.start(ports=[0], mult=options.rate, duration=options.count * options.pause + 2, force=True)
        for number in range(options.count):
            time.sleep(options.pause)
            _force(options, "sip-a" if number % 2 else "sip-b")
        client.wait_on_traffic(ports=[0], timeout=60, rx_delay_ms=1_000)
        stats = client.get_stats(ports=[0, 1, 2])
    finally:
        client.disconnect()
    sent, came = stats[0]["opackets"], [stats[port]["ipackets"] for port in (1, 2)]
    lost = sent - sum(came)
    print(f"{options.count} switchovers: sent {sent:,}, sip-a got {came[0]:,}, sip-b got {came[1]:,}, lost {lost:,}")
    return 0 if lost <= 0 and min(came) > 0 else 1


def _force(options: argparse.Namespace, member: str) -> None:
    subprocess.run([*options.fairlead.split(), "pool", "force", "pair-1", member], check=True, stdout=subprocess.DEVNULL)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Counts what is lost while the active member changes.")
    parser.add_argument("--server", default="127.0.0.1", help="where t-rex-64 runs")
    parser.add_argument("--fairlead", default="ssh root@box fairlead", help="how the command is run on the box")
    parser.add_argument("--rate", default="50%", help="as TRex takes it: 50%%, 5mpps, 10gbps")
    parser.add_argument("--flows", type=int, default=1_000_000, help="peers")
    parser.add_argument("--count", type=int, default=20, help="switchovers")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between them")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
