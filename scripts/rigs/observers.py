"""Observers at full load: a capture that waits (O1), all that an operator leaves open, the recorder among it (O2), the recorder (O3).

Owns: who observes, and how. Read `disturbance` first, which asks questions.
"""

import contextlib
import dataclasses
import os
import pty
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator

from lab.shell import LabError

from . import accounts, traffic
from .appliance import Appliance, Tuning
from .bench import Bench, Outcome
from .forwarding import PEERS, verify
from .measure import Figure, rate

#: What the captures wait for: nobody in the traffic has this address, nothing uses that port, and no frame is as long. Only for the last
#: of these every frame is looked at.
NOBODY = "203.0.113.253"
CAPTURES = {
    "capture of a host": ["host", NOBODY],
    "capture of a port": ["udp", "port", "9"],
    "capture of a client": ["--client", NOBODY],
    "capture of drops": ["--verdict", "drop", "host", NOBODY],
    "capture of a length": ["udp", "and", "greater", "1400"],
}
#: From one page of metrics to the next, in seconds.
_SCRAPED = 1.0
#: What the recorder writes on.
_RECORDER_MIB = 16
#: How long an observer gets to begin, in seconds.
_BEGINS = 1.0


def observers(bench: Bench) -> Outcome:
    """O1 to O3: the rate while somebody observes, next to that of the same process alone before and after."""
    verify(bench, traffic.service_udp(PEERS))
    metrics = _free_address()
    observed: dict[str, list[float]] = {}
    with bench.setting(traffic.service_udp(PEERS)) as setting:
        for number in range(bench.runs):
            tuning = Tuning(2 * PEERS, metrics=metrics, recorder_mib=0, known=traffic.HOSTS)
            with bench.appliance(setting, tuning) as fairlead:
                before = fairlead.settle()
                kinds = list(_kinds(bench, tuning, setting.management).items())
                # Each is the first in turn: what an appliance does in its first seconds is nobody's.
                first = number % len(kinds)
                for name, begin in kinds[first:] + kinds[:first]:
                    figure = _beside(bench, fairlead, begin)
                    observed.setdefault(name, []).append(figure)
                    bench.say(f"run {number + 1} of {bench.runs}: {name}: {figure:.3f}")
                accounts.check(before, fairlead.counters())
    figures = {name: Figure(tuple(values)) for name, values in observed.items()}
    rows = [[name, figure.text(3)] for name, figure in figures.items()]
    waits = min((figures[name] for name in ("capture of a host", "capture of a port")), key=lambda figure: figure.median)
    return Outcome(["observers", "rate over that alone"], rows, {"O1": waits, "O2": figures["all"], "O3": figures["recorder"]})


Observer = Callable[[Appliance], contextlib.AbstractContextManager]


def _kinds(bench: Bench, tuning: Tuning, core: int) -> dict[str, Observer]:
    def capture(words: list[str]) -> Observer:
        return lambda fairlead: _capture(bench, fairlead, words, core)

    def top(fairlead: Appliance) -> contextlib.AbstractContextManager:
        return _top(bench, fairlead, core)

    def scraped(_: Appliance) -> contextlib.AbstractContextManager:
        return _scraped(tuning.metrics)

    def recorder(fairlead: Appliance) -> contextlib.AbstractContextManager:
        return _recorder(fairlead, tuning)

    kinds: dict[str, Observer] = {name: capture(words) for name, words in CAPTURES.items()}
    kinds |= {"top": top, "metrics each second": scraped, "recorder": recorder}
    return kinds | {"all": lambda fairlead: _all([kinds["capture of a host"], top, scraped, recorder], fairlead)}


def _beside(bench: Bench, fairlead: Appliance, begin: Observer) -> float:
    """The rate with the observer over that without: alone, watched for twice as long, alone, so that what drifts is in both."""
    def alone() -> float:
        return rate(fairlead, bench.seconds)

    first = alone()
    with begin(fairlead):
        watched = rate(fairlead, 2 * bench.seconds)
    return 2 * watched / (first + alone())


@contextlib.contextmanager
def _all(begin: list[Observer], fairlead: Appliance) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for one in begin:
            stack.enter_context(one(fairlead))
        yield


@contextlib.contextmanager
def _capture(bench: Bench, fairlead: Appliance, words: list[str], core: int) -> Iterator[None]:
    argv = _command(bench, fairlead, core, ["capture", "-w", "/dev/null", *words])
    with _running(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)):
        yield


@contextlib.contextmanager
def _top(bench: Bench, fairlead: Appliance, core: int) -> Iterator[None]:
    """On a terminal that somebody reads."""
    ours, its = pty.openpty()
    argv = ["env", "TERM=xterm", *_command(bench, fairlead, core, ["top"])]
    process = subprocess.Popen(argv, stdin=its, stdout=its, stderr=its, start_new_session=True)
    os.close(its)
    seen = threading.Event()

    def read() -> None:
        with contextlib.suppress(OSError):
            while os.read(ours, 65536):
                seen.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        with _running(process):
            yield
        if not seen.is_set():
            raise LabError("fairlead top has shown nothing")
    finally:
        os.close(ours)


@contextlib.contextmanager
def _running(process: subprocess.Popen) -> Iterator[None]:
    """Begun, and still there at the end; then it is ended."""
    try:
        time.sleep(_BEGINS)
        yield
        if process.poll() is not None:
            said = process.stderr.read().decode(errors="replace") if process.stderr else ""
            raise LabError(f"{' '.join(process.args)} exited with {process.returncode}: {said}")
    finally:
        process.terminate()
        process.wait()
        if process.stderr:
            process.stderr.close()


@contextlib.contextmanager
def _recorder(fairlead: Appliance, tuning: Tuning) -> Iterator[None]:
    """It is on, and its memory was made."""
    fairlead.reload(dataclasses.replace(tuning, recorder_mib=_RECORDER_MIB))
    try:
        time.sleep(_BEGINS)
        yield
    finally:
        fairlead.reload(tuning)


@contextlib.contextmanager
def _scraped(address: str) -> Iterator[None]:
    over, pages = threading.Event(), []

    def scrape() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as page:
                pages.append(len(page.read()))
            over.wait(_SCRAPED)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if not pages:
        raise LabError(f"http://{address}/metrics has given no page")


def _command(bench: Bench, fairlead: Appliance, core: int, words: list[str]) -> list[str]:
    """Never on the worker's core."""
    return ["taskset", "-c", str(core), str(bench.program), *fairlead.reached_by, *words]


def _free_address() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"
