"""A bare root of a Debian, in which the handbook's own commands install the package and what else it says.

Owns the shell there. What is written in the root stays, and the processes in it end with the shell. Never: making the root
(`scripts/packages`), or what is typed.
"""

import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from .pages import REPOSITORY
from .room import Shell

#: As on a server that a person has logged in to. Nobody is there to answer apt's question.
SETUP = r"""
umount /proc/sys
mkdir -p /run/lock
hostname lead-1
ip link set lo up 2>/dev/null
export LC_ALL=C.UTF-8 TZ=UTC DEBIAN_FRONTEND=noninteractive
echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/90fairlead-trial
cd "$WORK"
"""
#: A package may not change how this machine's kernel is set.
CAREFUL = 'mount --make-rprivate / && mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && . "$1"'


class InstalledRoom(Shell):
    """The shell, as a context manager. `package` is where it is typed, under the name that the handbook uses."""

    #: What is not run elsewhere, for these reasons, is run here.
    runs = frozenset({"package"})
    #: Packages are fetched.
    patience = 900.0

    def __init__(self, root: Path, package: Path, name: str):
        folder = tempfile.TemporaryDirectory(prefix="fairlead-handbook-", dir="/dev/shm")
        work = Path(folder.name) / "work"
        work.mkdir()
        Path(folder.name).chmod(0o755)
        shutil.copy(package, work / name)
        # Commands have a network of their own; what fetches packages has this machine's.
        self._network = open("/proc/self/ns/net", "rb")
        enter = f"source scripts/roots.sh; enter_alone {shlex.quote(str(root.resolve()))} {shlex.quote(folder.name)} env WORK={shlex.quote(str(work))} bash"
        self.command = ["unshare", "--net", "--uts", "--ipc", "bash", "-c", enter]
        self.setup = SETUP
        shell = {"cwd": REPOSITORY, "pass_fds": (self._network.fileno(),)}
        super().__init__(folder, shell)

    def __exit__(self, *problem) -> None:
        super().__exit__(*problem)
        self._network.close()

    def type(self, command: str, reason: str | None = None) -> tuple[int, str]:
        """As [`Shell.type`]; what is typed for `package` reaches the network of this machine."""
        if reason != "package":
            return super().type(command)
        script = self.keep("install", f"{command}\n")
        outside = f"nsenter --net=/proc/self/fd/{self._network.fileno()} unshare --mount bash -c {shlex.quote(CAREFUL)} bash {shlex.quote(str(script))}"
        return super().type(outside)
