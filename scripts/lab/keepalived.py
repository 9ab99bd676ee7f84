"""keepalived on a host of the lab, beside its appliance.

Owns: its process and its files. Never: who should be master.
"""

import os
import signal
from pathlib import Path

from .appliance import Appliance
from .host import Program
from .shell import need_programs
from .topology import Lab


class Keepalived:
    """VRRP on an appliance's host, with the shipped file, whose paths become the lab's own."""

    def __init__(self, lab: Lab, appliance: Appliance, configuration: str, fifo: str):
        need_programs("keepalived")
        self._lab, self._host = lab, appliance.host
        self._file = lab.file(f"keepalived-{self._host}.conf")
        for was, becomes in (
            ("/run/fairlead/keepalived.fifo", fifo),
            ("/usr/bin/fairlead health", f"{appliance.program} --socket {appliance.socket} health"),
        ):
            assert was in configuration, was
            configuration = configuration.replace(was, becomes)
        self._file.write_text(configuration)
        self._program: Program | None = None

    def start(self) -> None:
        """Starts it; it says in its log what it becomes."""
        pids = [str(self._lab.file(f"keepalived-{self._host}{end}.pid")) for end in ("", "-vrrp")]
        self._program = self._lab.start(self._host, f"keepalived-{self._host}", [
            "keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp", "--use-file", str(self._file),
            "--pid", pids[0], "--vrrp_pid", pids[1],
        ])

    def stop(self) -> None:
        """Has it end, which it tells the others."""
        self._program.stop()

    def kill(self) -> None:
        """Kills it, and first its child that speaks VRRP, which would see it gone and resign."""
        parent = self._program.process.pid
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self._program.stop(signal.SIGKILL)

    def reload(self) -> None:
        """Has it read its file again."""
        self._program.process.send_signal(signal.SIGHUP)

    def said(self) -> str:
        """Its log so far."""
        return self._program.said()
