#!/usr/bin/env python3
"""RFC 2544 26.1: the highest rate at which a profile loses nothing, by halving. `throughput.py --help`

Owns: the search, and what counts as lost. Needs a TRex server (`t-rex-64 -i`) with ports 0 and 1 on the box.
"""

import argparse
import sys
from pathlib import Path

SETTLE = 1.0


def search(trial, most: float, precision: float) -> float:
    """The highest rate in (0, most] for which `trial(rate)` is true, to within `precision`; 0: there is none."""
    if trial(most):
        return most
    good, bad = 0.0, most
    while bad - good > precision:
        middle = (good + bad) / 2
        if trial(middle):
            good = middle
        else:
            bad = middle
    return good


def main() -> int:
    """One search, every trial on a line."""
    options = _options()
    from trex_stl_lib.api import STLClient, STLProfile

    client = STLClient(server=options.server)
    client.connect()
    try:
        client.reset(ports=[0, 1])
        for port in (0, 1):
            tunables = {"tunables": options.tunable}
            profile = STLProfile.load_py(str(options.profile), direction=port, port_id=port, **tunables)
            if streams := profile.get_streams():
                client.add_streams(streams, ports=[port])
        # What makes flows must not be measured as what finds them: every conversation is sent once, slowly.
        _trial(client, options.warm, options.warm_percent, options.tolerate)
        found = search(lambda rate: _trial(client, options.seconds, rate, options.tolerate), 100.0, options.precision)
        confirmed = found > 0 and _trial(client, options.confirm, found, options.tolerate)
        print(f"throughput {found:.2f} % of line rate, {'confirmed' if confirmed else 'NOT confirmed'} "
              f"over {options.confirm:g} s")
        return 0 if confirmed else 1
    finally:
        client.disconnect()


def _trial(client, seconds: float, percent: float, tolerate: float) -> bool:
    client.clear_stats()
    client.start(ports=[0, 1], mult=f"{percent}%", duration=seconds, force=True)
    client.wait_on_traffic(ports=[0, 1], timeout=seconds + 60, rx_delay_ms=int(SETTLE * 1e3))
    stats = client.get_stats(ports=[0, 1])
    sent = sum(stats[port]["opackets"] for port in (0, 1))
    came = sum(stats[port]["ipackets"] for port in (0, 1))
    lost = max(0, sent - came)
    good = sent > 0 and lost <= sent * tolerate
    print(f"{percent:7.2f} %: sent {sent:,}, lost {lost:,}: {'good' if good else 'too much'}", file=sys.stderr)
    return good


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The highest rate at which nothing is lost (RFC 2544 26.1).")
    parser.add_argument("profile", type=Path, help="service_udp.py, outbound.py or imix.py")
    parser.add_argument("--server", default="127.0.0.1", help="where t-rex-64 runs")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a trial")
    parser.add_argument("--confirm", type=float, default=60.0, help="length of the last one (RFC 2544 24: 60 s)")
    parser.add_argument("--precision", type=float, default=0.5, help="percent of line rate")
    parser.add_argument("--tolerate", type=float, default=0.0, help="part that may be lost; RFC 2544 says none")
    parser.add_argument("--warm", type=float, default=5.0, help="seconds of a first trial that is not counted")
    parser.add_argument("--warm-percent", type=float, default=1.0, help="its rate, percent of line rate")
    parser.add_argument("tunable", nargs="*", help="for the profile, behind --: such as -- --flows 1000000 --size 64")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
