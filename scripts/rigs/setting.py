"""What both programs of a run get: devices, cores, buffers.

Owns: the files of frames a run replays, and the DPDK devices that replay them. Read `traffic` first.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from . import captures
from .traffic import Traffic

PORTS = ("outer", "inner")

#: Buffers beside those that hold the files' frames: rings, bursts, caches.
_SPARE = 16_384


@dataclass(frozen=True)
class Setting:
    """One traffic on two `net_pcap` devices, and the cores and buffers to take it with.

    `management`: the core of everything that is not a worker. `record`: by port, the capture file of what is sent there.
    """

    traffic: Traffic
    directory: Path
    management: int
    workers: tuple[int, ...]
    hugepages: bool
    record: dict[str, Path] = field(default_factory=dict)

    @property
    def mbufs(self) -> int:
        """Packet buffers: every frame of every file occupies one all the time."""
        count = len(self.traffic.outer) + len(self.traffic.inner) + _SPARE * len(self.workers)
        return max(65_535, (1 << count.bit_length()) - 1)

    def device(self, port: str) -> str:
        """The DPDK device of a port: replays its file for ever, one queue per worker; what is sent is counted and freed."""
        paths = self._files(port)
        words = [f"net_pcap{PORTS.index(port)}", *(f"rx_pcap={path}" for path in paths)]
        words += [f"tx_pcap={self.record[port]}"] * len(paths) if port in self.record else []
        return ",".join([*words, "infinite_rx=1"])

    def _files(self, port: str) -> list[Path]:
        """One file per worker, frames dealt out in turn: no NIC here knows which worker owns a flow."""
        name = hashlib.sha256(f"{self.traffic.name} {port} 3".encode()).hexdigest()[:12]
        count = len(self.workers)
        paths = [self.directory / f"{name}-{number}-of-{count}.pcap" for number in range(count)]
        if not all(path.exists() for path in paths):
            frames = list(self.traffic.incoming(port))
            for number, path in enumerate(paths):
                growing = path.with_suffix(".part")
                captures.write(growing, frames[number::count])
                growing.rename(path)
        return paths
