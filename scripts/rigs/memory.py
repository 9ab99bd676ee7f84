"""Memory for packets: huge pages, reserved for a run and released afterwards.

Owns: the kernel's number of huge pages during a run. Never: who uses them.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

_COUNT = Path("/proc/sys/vm/nr_hugepages")
_SIZE_MB = 2

#: A DPDK packet buffer with room for 2,048 bytes, headers included, in bytes.
_BUFFER = 2048 + 128 + 320
#: Rings, queues and tables, in MB.
_OTHER = 320


def needed_mb(mbufs: int) -> int:
    """Memory for this many packet buffers, in MB."""
    return mbufs * _BUFFER // (1 << 20) + _OTHER


@contextlib.contextmanager
def huge_pages(megabytes: int) -> Iterator[bool]:
    """Huge pages for this much on top of those in use, until the end of the block. `False` if there are not enough.

    Whatever others reserve or release meanwhile is left alone: the count goes up by what is needed, and down by as much.
    """
    free = _free_mb()
    wanted = max(0, megabytes - free + _SIZE_MB * 16) // _SIZE_MB
    before = _read()
    _write(before + wanted)
    taken = _read() - before
    try:
        enough = taken >= wanted
        if not enough:
            print(f"bench: only {taken} of {wanted} huge pages are available: using ordinary pages", file=sys.stderr)
        yield enough
    finally:
        _write(max(0, _read() - taken))


def _free_mb() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("HugePages_Free:"):
            return int(line.split()[1]) * _SIZE_MB
    return 0


def _read() -> int:
    try:
        return int(_COUNT.read_text())
    except OSError:
        return 0


def _write(pages: int) -> None:
    # A kernel without huge pages, or a container that may not reserve them.
    with contextlib.suppress(OSError):
        _COUNT.write_text(str(pages))
