"""`dpdk-testpmd --forward-mode=macswap`: what the device and the machine can do with next to no work per frame.

Owns: its command line and its counters. It gets the same devices, buffers and cores as Fairlead, and bursts of the same
length.
"""

import re
import time
from pathlib import Path

from lab.shell import LabError

from .measure import Reading
from .memory import needed_mb
from .process import Process
from .setting import PORTS, Setting

BURST = 64


class Testpmd:
    """A running testpmd. A context manager: it forwards inside the block."""

    name = "testpmd"

    def __init__(self, setting: Setting, directory: Path, mode: str = "macswap"):
        self._setting, self._directory, self._mode = setting, directory, mode
        self._process: Process | None = None
        self._shown = 0

    def arguments(self) -> list[str]:
        """The command line."""
        setting, queues = self._setting, str(len(self._setting.workers))
        lcores = [f"0@{setting.management}", *(f"{at + 1}@{core}" for at, core in enumerate(setting.workers))]
        memory = ["--in-memory"] if setting.hugepages else ["--no-huge", "--no-shconf"]
        return [
            "stdbuf", "-oL", "dpdk-testpmd", "--lcores", ",".join(lcores), "--no-telemetry", "--no-pci", *memory,
            "-m", str(needed_mb(setting.mbufs)), *(f"--vdev={setting.device(port)}" for port in PORTS),
            "--", "--interactive", f"--forward-mode={self._mode}", f"--nb-cores={queues}", f"--rxq={queues}",
            f"--txq={queues}", f"--burst={BURST}", f"--total-num-mbufs={setting.mbufs}", "--mbcache=256",
        ]

    def __enter__(self) -> "Testpmd":
        self._process = Process("dpdk-testpmd", self.arguments(), self._directory / "testpmd.log", heard=True)
        try:
            self._wait("testpmd>", 120.0)
            self._process.tell("start")
            self.sent()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.stop()

    def sent(self) -> Reading:
        """Frames transmitted so far."""
        self._shown += 1
        self._process.tell("show port stats all")
        deadline = time.monotonic() + 10.0
        wanted = self._shown * len(PORTS)
        while len(found := re.findall(r"TX-packets: (\d+)", self._process.said())) < wanted:
            if time.monotonic() > deadline:
                raise LabError(f"dpdk-testpmd does not print its counters. {self._process.last_words()}")
            self._process.must_run()
            time.sleep(0.001)
        return Reading(sum(int(count) for count in found[-len(PORTS):]), self._process.ran("*worker-*"))

    def _wait(self, prompt: str, patience: float) -> None:
        deadline = time.monotonic() + patience
        while prompt not in self._process.said():
            self._process.must_run()
            if time.monotonic() > deadline:
                raise LabError(f"dpdk-testpmd did not start within {patience:g} s. {self._process.last_words()}")
            time.sleep(0.05)
