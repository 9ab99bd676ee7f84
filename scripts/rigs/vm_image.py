"""What the virtual machine boots: a Debian kernel, and an initial file system with Fairlead in it.

Owns: fetching the kernel (unpacked, never installed), and the guest's init, which binds the NICs, starts Fairlead, and
prints its status to the console every few seconds. Never: what is expected there.
"""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

from lab.shell import LabError, run

#: Console lines meant for the rig begin with this, a word, and JSON.
MARK = "@"
#: Commands the guest runs over and over.
ASKED = ("status", "ports", "counters")

_KERNEL = "linux-image-cloud-amd64"
_MODULES = ("virt/lib/irqbypass", "drivers/vfio/vfio", "drivers/vfio/vfio_virqfd", "drivers/vfio/vfio_iommu_type1",
            "drivers/vfio/pci/vfio-pci-core", "drivers/vfio/pci/vfio-pci")

_FIRST_PROGRAM = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mkdir -p /dev/hugepages /run/fairlead
mount -t hugetlbfs pages /dev/hugepages
ifconfig lo up
echo {pages} > /proc/sys/vm/nr_hugepages
for module in {modules}; do test ! -e /modules/$module.ko || insmod /modules/$module.ko; done
for device in {devices}; do
  echo vfio-pci > /sys/bus/pci/devices/$device/driver_override
  echo $device > /sys/bus/pci/drivers_probe
done
( fairlead run --config /etc/fairlead.toml; poweroff -f ) &
while sleep 2; do
  for what in {asked}; do echo "{mark}$what $(fairlead $what --json 2>/dev/null | tr -d '\\n')"; done
done
"""


def kernel(directory: Path) -> tuple[Path, Path]:
    """The kernel and the folder of its modules, unpacked under `directory`, fetched if need be."""
    if not list(directory.glob("boot/vmlinuz-*")):
        directory.mkdir(parents=True, exist_ok=True)
        named = re.search(r"Depends: (linux-image-\S+)", run(["apt-cache", "depends", _KERNEL]).stdout)
        if not named:
            raise LabError(f"apt knows no {_KERNEL}: run `apt-get update`; this rig boots Debian's kernel")
        print(f"vm: fetching {named[1]}, to boot it and no more", flush=True)
        fetched = subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", named[1]], cwd=directory)
        packages = list(directory.glob("linux-image-*.deb"))
        if fetched.returncode or not packages:
            raise LabError(f"apt-get could not download {named[1]}; it has said why above")
        run(["dpkg-deb", "-x", str(packages[0]), str(directory)])
        packages[0].unlink()
    return next(directory.glob("boot/vmlinuz-*")), next(directory.glob("lib/modules/*/kernel"))


def file_system(directory: Path, program: Path, file: str, modules: Path, devices: list[str], pages: int) -> Path:
    """The compressed archive the kernel unpacks: the program, its libraries, its file, and what starts it."""
    root = directory / "root"
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("bin", "etc", "proc", "sys", "dev", "run", "tmp", "modules"):
        (root / folder).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "/bin/busybox", root / "bin/busybox")
    shutil.copy(program, root / "bin/fairlead")
    for library in re.findall(r"(/\S+) \(0x", run(["ldd", str(program)]).stdout):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    for module in _MODULES:
        # What a kernel has built in has no file.
        if (modules / f"{module}.ko").exists():
            shutil.copy(modules / f"{module}.ko", root / "modules")
    (root / "etc/fairlead.toml").write_text(file)
    first = root / "init"
    first.write_text(_FIRST_PROGRAM.format(
        pages=pages, devices=" ".join(devices), asked=" ".join(ASKED), mark=MARK,
        modules=" ".join(Path(module).name for module in _MODULES)))
    first.chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    packed = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), cwd=root, capture_output=True)
    if packed.returncode:
        raise LabError(f"cpio could not pack the guest's files: {packed.stderr.decode().strip()}")
    archive = directory / "files.gz"
    archive.write_bytes(gzip.compress(packed.stdout, 1))
    return archive
