"""Capture files (pcap, little-endian, microseconds): written for a device to replay, read back to see what was sent.

Owns: the format. Never: what is in the frames.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

_HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
_CHUNK = 1 << 20


def write(path: Path, frames: Iterable[bytes]) -> int:
    """Writes frames, all with the same timestamp; returns how many."""
    count = 0
    with path.open("wb", buffering=_CHUNK) as file:
        file.write(_HEAD)
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)))
            file.write(frame)
            count += 1
    return count


def read(path: Path) -> Iterator[bytes]:
    """The frames of a file whose last one may be truncated."""
    with path.open("rb", buffering=_CHUNK) as file:
        if file.read(len(_HEAD))[:4] not in (_HEAD[:4], b"\x4d\x3c\xb2\xa1"):
            raise ValueError(f"{path} is not a capture in this machine's byte order")
        while len(head := file.read(16)) == 16:
            kept = struct.unpack_from("<I", head, 8)[0]
            frame = file.read(kept)
            if len(frame) < kept:
                return
            yield frame
