"""Memory for packets: huge pages, taken for a run and given back.

Owns: the kernel's count of huge pages while a run lasts. Never: who uses them.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

_COUNT = Path("/proc/sys/vm/nr_hugepages")
_SIZE_MB = 2

#: A packet buffer of DPDK with room for 2,048 bytes, and what is around it, in bytes.
_BUFFER = 2048 + 128 + 320
#: Rings, queues and tables beside the buffers, in MB.
_OTHER = 320


def needed_mb(mbufs: int) -> int:
    """Memory for so many packet buffers, in MB."""
    return mbufs * _BUFFER // (1 << 20) + _OTHER


@contextlib.contextmanager
def huge_pages(megabytes: int) -> Iterator[bool]:
    """Huge pages for this much more than is taken already, until the end of the block. `False`: there are none to be had.

    What others take or give meanwhile is left alone: the count goes up by what is needed, and down by as much.
    """
    free = _free_mb()
    wanted = max(0, megabytes - free + _SIZE_MB * 16) // _SIZE_MB
    before = _read()
    _write(before + wanted)
    taken = _read() - before
    try:
        enough = taken >= wanted
        if not enough:
            print(f"bench: only {taken} of {wanted} huge pages can be had: ordinary pages instead", file=sys.stderr)
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
    # A kernel without huge pages, or a container that may not ask for them.
    with contextlib.suppress(OSError):
        _COUNT.write_text(str(pages))
