"""Runs the modules of a folder of unittest side by side, each in a process of its own: `python3 -m suite.side_by_side FOLDER`.

Most of the time a test of the lab waits for a timer or a program. Each lab has an id that its namespaces and files carry.

Owns: how many run at once, and the order. It ends as unittest does, with one count of all.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from .tally import Tally, of_unittest

#: Every appliance of a lab works on the first and the last core, however many there are.
AT_ONCE = 4

#: They begin first, longest first: the last one to end has no other beside it.
LONG = (
    "test_configurations", "test_monitoring", "test_sharing", "test_restart", "test_switchover", "test_hostile", "test_events",
    "test_learned_routes", "test_state", "test_drain", "test_privileges",
)

#: Where a module's own count begins.
_END = f"\n{'-' * 70}\nRan "


def modules(folder: Path) -> list[str]:
    """The folder's modules, in the order in which they begin."""
    found = sorted(path.stem for path in folder.glob("test_*.py"))
    return sorted(found, key=lambda name: LONG.index(name) if name in LONG else len(LONG))


def run_module(folder: Path, name: str) -> tuple[str, Tally]:
    """What a module printed, without its count, and its count. One that dies is a failure of its name."""
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    # With whoever began it, it ends as well.
    command = ["setpriv", "--pdeathsig", "TERM", "--", sys.executable, "-m", "unittest", "-v", name]
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": paths},
        )
        output.seek(0)
        said = output.read()
    count = of_unittest(said)
    before, end, _ = said.rpartition(_END)
    if not end:
        before = said
    if not end or (ended.returncode != 0 and count.failed == 0):
        before += f"\nERROR: {name} ended with {ended.returncode}, which its count does not explain"
        count += Tally(0, 1)
    return before + "\n", count


def main() -> int:
    """Prints what each module printed once it ends, those with failures last."""
    folder = Path(sys.argv[1]).resolve()
    total, failed, began = Tally(), "", time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(run_module, folder, name): name for name in modules(folder)}
        print(f"{len(running)} modules, {AT_ONCE} at once", flush=True)
        try:
            for number, ended in enumerate(as_completed(running), 1):
                said, count = ended.result()
                total += count
                failed += said if count.failed else ""
                mark, seconds = "✘" if count.failed else "✔", time.monotonic() - began
                print("" if count.failed else said)
                print(f"{mark} {running[ended]}, {number} of {len(running)} after {seconds:.0f} s", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    print(f"{failed}{_END}{total.passed + total.failed} tests in {time.monotonic() - began:.3f}s\n")
    print(f"FAILED (failures={total.failed})" if total.failed else "OK")
    return int(total.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
