"""What labs leave behind when they are killed, and its removal.

Owns: the directory of a lab under `/run`, the record of the process that owns it, and the sweep of labs without an owner.
A lab that somebody asked to keep is swept only on request.
"""

import os
import shutil
from pathlib import Path

from .host import delete_namespace, namespaces

#: One directory per lab, named by its id: logs, sockets, the appliance's file.
ROOT = Path("/run/fairlead-lab")


def claim(directory: Path) -> None:
    """Creates a lab's directory together with the record of its owner, atomically: a concurrent sweep sees all or nothing."""
    growing = directory.with_name(f".{directory.name}")
    growing.mkdir(parents=True)
    (growing / "owner").write_text(f"{os.getpid()} {_start_time(os.getpid())}\n")
    growing.rename(directory)


def mark_kept(directory: Path) -> None:
    """Records that the lab outlives its owner on purpose."""
    (directory / "kept").touch()


def sweep(with_kept: bool = False, lab_id: str | None = None) -> list[str]:
    """Removes every lab whose owner is gone, or only the one named, and on request those kept on purpose. Returns their ids."""
    swept = []
    for directory in sorted(ROOT.glob("[0-9a-f]*")):
        if lab_id not in (None, directory.name):
            continue
        kept = (directory / "kept").exists()
        if _is_owned(directory) or (kept and not with_kept):
            continue
        _remove(directory)
        swept.append(directory.name)
    return swept


def remains(lab_id: str) -> list[str]:
    """What is left of a lab: namespaces and its directory."""
    found = [namespace for namespace in namespaces() if namespace.startswith(f"fl-{lab_id}-")]
    return found + [str(path) for path in ROOT.glob(lab_id)]


def _remove(directory: Path) -> None:
    for namespace in namespaces():
        if namespace.startswith(f"fl-{directory.name}-"):
            delete_namespace(namespace)
    shutil.rmtree(directory, ignore_errors=True)


def _is_owned(directory: Path) -> bool:
    """Whether the process that made the lab is still running."""
    try:
        pid, started = (directory / "owner").read_text().split()
    except (OSError, ValueError):
        return False
    return _start_time(int(pid)) == started


def _start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5)): distinguishes a reused pid. Empty if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19]
