"""One revision's appliance in one revision's rig, measured when asked: `scripts/bench against` runs one in each tree.

It runs on the `rigs` of the tree that is measured (PYTHONPATH), since file, commands and counters belong to a revision. So it may use
only what those of `benches/baseline` have: `Bench`, `verify`, `accounted_rate`, `Tuning`, `Traffic`.

`contender.py TARGET PROGRAM FRAMES SECONDS`: prints `{"ready": true}` once the output was compared byte by byte, and answers every
line of its input with `{"rate": MILLIONS_PER_SECOND}`.
"""

import contextlib
import dataclasses
import json
import signal
import sys
import tempfile
from pathlib import Path

from lab.shell import LabError
from rigs import forwarding, traffic
from rigs.appliance import Tuning
from rigs.bench import Bench
from rigs.setting import PORTS

PEERS, FLOWS = 4_096, 1_000_000
KINDS = {
    "P1": (lambda: traffic.service_udp(PEERS), lambda: traffic.service_udp(PEERS)),
    "P2": (lambda: traffic.live_flows(FLOWS), lambda: traffic.live_flows(FLOWS // 100)),
}


def main(target: str, program: str, frames: str, seconds: str) -> None:
    """Measures until its input ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    whole, checked = KINDS[target]
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-", ignore_cleanup_errors=True) as directory:
        bench = Bench(Path(program), Path(directory), Path(frames), 1, float(seconds))
        # Standard output belongs to the answers.
        with contextlib.redirect_stdout(sys.stderr):
            forwarding.verify(bench, checked())
            kind = _written(bench, whole())
        _say(ready=True)
        for _ in sys.stdin:
            with contextlib.redirect_stdout(sys.stderr), bench.setting(kind) as setting:
                tuning = Tuning(2 * max(len(kind.outer), len(kind.inner)))
                with bench.appliance(setting, tuning) as fairlead:
                    rate = forwarding.accounted_rate(fairlead, bench.seconds)
            _say(rate=rate)


def _written(bench: Bench, kind: traffic.Traffic) -> traffic.Traffic:
    """The traffic once its files are written: from then on only the number of its packets matters, and the rest takes gigabytes."""
    with bench.setting(kind) as setting:
        for port in PORTS:
            setting.device(port)
    return dataclasses.replace(kind, outer=range(len(kind.outer)), inner=range(len(kind.inner)))


def _say(**answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except LabError as error:
        _say(error=str(error))
        sys.exit(1)
