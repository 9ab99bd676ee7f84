"""`scripts/vm`: Fairlead on PCI devices of a virtual machine, and whether their hash does what it was asked.

Owns: the guest, the two namespaces that its NICs lead to, the traffic, and the judgement. The NICs are QEMU's virtio with two
queues and RSS (VIRTIO 1.2, 5.1.6.5.7), bound to vfio-pci behind an emulated IOMMU; the processor is emulated, so nothing here
says anything about speed.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from lab.host import Host, Program
from lab.shell import LabError, need_programs, need_root, run
from lab.toolchain import REPOSITORY
from lab.two_arm import edited

from . import build, vm_image
from .process import Process

# By name of the port: the host's end of the wire, the PCI slot, the MAC; and how it is asked to spread.
NICS = {"outer": ("fl-vm-outer", 3, "02:fe:00:00:00:01"), "inner": ("fl-vm-inner", 4, "02:fe:00:00:00:02")}
ASKED = {"outer": "by source", "inner": "by destination"}
CLIENT, MEMBERS, VIRTUAL = "192.0.2.1", ("10.20.0.11", "10.20.0.12"), "10.20.0.100"
CLIENTS, ACCESS, VLAN = "fl-vm-clients", "fl-vm-access", "120"
PAGES = 400
PEERS, ROUNDS = 200, 60
# Frames of a port that must be received by the worker that owns them, in percent.
ENOUGH = 99.0


def main() -> int:
    """Runs the rig and prints what was seen."""
    options = _options()
    try:
        need_root()
        need_programs("qemu-system-x86_64", "busybox", "cpio", "apt-get", "dpkg-deb", "ip", "ethtool")
        program = options.program or build.release()
        if "static" not in run([str(program), "--version"]).stdout:
            raise LabError(f"{program} loads DPDK's drivers as plug-ins, which the guest does not have: build one with "
                           "`cargo build --release --features static-link`")
        with tempfile.TemporaryDirectory(prefix="fairlead-vm-") as directory:
            failed = _Rig(Path(directory)).seen(program)
    except LabError as error:
        print(f"scripts/vm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 1 if failed else 0


class _Rig:
    def __init__(self, directory: Path):
        self._directory = directory
        self._hosts = {name: Host("vm", name, directory) for name in NICS}
        self._servers: list[Program] = []
        self._guest: Process | None = None
        self._failed = 0

    def seen(self, program: Path) -> int:
        """Runs everything; returns the number of failed checks."""
        try:
            self._lay_wires()
            self._boot(program)
            self._plug_in()
            self._wait_for_service()
            self._judge_traffic()
            self._judge_arrivals()
        finally:
            if self._guest:
                self._guest.stop(2)
            for host in self._hosts.values():
                host.delete()
            for wire, _, _ in NICS.values():
                run(["ip", "link", "delete", wire], check=False)
        print(f"{'FAILED' if self._failed else 'ok'}: Fairlead in a virtual machine")
        return self._failed

    def _lay_wires(self) -> None:
        for (wire, _, _), host in zip(NICS.values(), self._hosts.values(), strict=True):
            host.delete()
            run(["ip", "link", "delete", wire], check=False)
            run(["ip", "tuntap", "add", "dev", wire, "mode", "tap", "multi_queue"])
            host.create()

    def _boot(self, program: Path) -> None:
        kernel, modules = vm_image.kernel(REPOSITORY / "target/vm")
        devices = [f"0000:00:{slot:02x}.0" for _, slot, _ in NICS.values()]
        files = vm_image.file_system(self._directory, program, _file(devices), modules, devices, PAGES)
        nics = []
        for name, (wire, slot, mac) in NICS.items():
            nics += ["-netdev", f"tap,id={name},ifname={wire},queues=2,vhost=off,script=no,downscript=no", "-device",
                     f"virtio-net-pci,netdev={name},addr={slot},mac={mac},mq=on,vectors=6,rss=on,romfile=,disable-legacy=on,"
                     "iommu_platform=on"]
        self._guest = Process("the virtual machine", [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35,kernel-irqchip=split", "-cpu", "max",
            "-smp", "3", "-m", "2560", "-nodefaults", "-nographic", "-serial", "stdio", "-no-reboot",
            "-kernel", str(kernel), "-initrd", str(files), "-append", "console=ttyS0 quiet intel_iommu=on panic=-1",
            "-device", "intel-iommu,intremap=on,caching-mode=on",
            *nics], self._directory / "console")

    def _plug_in(self) -> None:
        """Moves the taps into their hosts once the guest has opened them."""
        until = time.monotonic() + 30
        while not all(_is_open(wire) for wire, _, _ in NICS.values()):
            self._guest.must_run()
            if time.monotonic() > until:
                raise LabError(f"The virtual machine does not open its NICs. {self._guest.last_words()}")
            time.sleep(0.2)
        for (wire, _, _), host in zip(NICS.values(), self._hosts.values(), strict=True):
            run(["ip", "link", "set", wire, "netns", host.namespace])
            # Otherwise frames would arrive with partial checksums.
            host.run(["ethtool", "-K", wire, "tx", "off"])
            host.ip("link", "set", wire, "up")
        outer, inner = self._hosts["outer"], self._hosts["inner"]
        # The clients' network is tagged on the guest's NIC, as the example has it.
        outer.ip("link", "add", CLIENTS, "type", "veth", "peer", "name", ACCESS)
        for end in (CLIENTS, ACCESS):
            outer.run(["ethtool", "-K", end, "tx", "off"])
            outer.ip("link", "set", end, "up")
        outer.ip("address", "add", f"{CLIENT}/24", "dev", CLIENTS)
        self._serve(outer, "tag", NICS["outer"][0], ACCESS, VLAN)
        outer.ip("route", "add", "10.20.0.0/24", "via", "192.0.2.2")
        for member in MEMBERS:
            inner.ip("address", "add", f"{member}/24", "dev", NICS["inner"][0])
        inner.ip("route", "add", "default", "via", "10.20.0.1")
        # A pair in its usual state: one answers, the other is up and silent.
        self._serve(inner, "answer_sip", MEMBERS[0])
        self._serve(inner, "echo", MEMBERS[0], "5060")
        self._serve(outer, "tell_source", CLIENT, "7000")

    def _serve(self, host: Host, what: str, *words: str) -> None:
        self._servers.append(host.start(what, _traffic(what, *words), _here()))

    def _wait_for_service(self) -> None:
        print("vm: booting the machine", flush=True)
        until = time.monotonic() + 180
        while not any(server["active"] for server in self._last("status").get("virtual_servers", [])):
            self._guest.must_run()
            if time.monotonic() > until:
                raise LabError(f"No member became active in the virtual machine. {self._guest.last_words()}")
            time.sleep(0.5)

    def _judge_traffic(self) -> None:
        outer, inner = self._hosts["outer"], self._hosts["inner"]
        many = [str(PEERS), VIRTUAL, "5060", str(ROUNDS)]
        self._answers("clients reach the virtual address over UDP", outer, f"{VIRTUAL} says SIP/2.0 200 OK",
                      "send", CLIENT, "20000", *many)
        self._answers("members reach clients, translated to the virtual address", inner, f"{CLIENT} says {VIRTUAL}",
                      "send", MEMBERS[0], "30000", str(PEERS), CLIENT, "7000", str(ROUNDS))
        self._answers("clients hold TCP connections", outer, "echo", "connect", VIRTUAL, "5060", "100")

    def _answers(self, what: str, host: Host, word: str, *words: str) -> None:
        client = host.start(words[0], _traffic(*words), _here())
        if client.wait(180):
            raise LabError(f"{what}: {client.said()}")
        report = json.loads(client.said().splitlines()[-1])
        client.log.unlink()
        answered = report["answers"].get(word, 0)
        self._judge(answered == report["sent"] == sum(report["answers"].values()), what, f"{answered:,} of {report['sent']:,}")

    def _judge_arrivals(self) -> None:
        # By now the guest's last report covers all of it.
        time.sleep(10)
        ports, counters = self._last("ports"), {row["name"]: row["value"] for row in self._last("counters")}
        if {port["name"] for port in ports} != set(NICS):
            raise LabError(f"Fairlead does not report its ports. {self._guest.last_words()}")
        for port in ports:
            frames = port["arrived"]
            here = 100 * (frames - port["handed_off"]) / max(1, frames)
            good = port["rss"] == ASKED[port["name"]] and port["rx_queues"] == 2
            self._judge(good and frames > 10_000 and here >= ENOUGH,
                        f"port {port['name']} has RSS {port['rss']} over {port['rx_queues']} queues",
                        f"{here:.1f} % of {frames:,} frames were received by the owning worker")
        workers = self._last("status")["workers"]
        received = [worker["rx"] for worker in workers]
        self._judge(min(received) * 5 > sum(received), "both workers receive traffic",
                    " and ".join(f"{frames:,}" for frames in received) + " frames")
        lost = {name: value for name, value in counters.items() if name.startswith("drop_")}
        self._judge(not lost, "no frame was dropped", ", ".join(f"{name} {value:,}" for name, value in lost.items()) or "none")
        punted = sum(value for name, value in counters.items() if name.startswith("punt_"))
        came = counters["received"] + counters["originated"]
        went = counters["transmitted"] + punted + sum(lost.values())
        self._judge(came == went, "every frame is accounted for",
                    f"{came:,} received or originated, {went:,} sent, punted or dropped")

    def _judge(self, good: bool, what: str, seen: str) -> None:
        print(f"  {'ok    ' if good else 'FAILED'} {what}: {seen}", flush=True)
        self._failed += not good

    def _last(self, what: str):
        """Fairlead's latest answer to this command in the guest; empty if there is none yet."""
        for line in reversed(self._guest.said().splitlines()[:-1]):
            if line.startswith(f"{vm_image.MARK}{what} "):
                try:
                    return json.loads(line.partition(" ")[2])
                except ValueError:
                    continue
        return {}


def _file(devices: list[str]) -> str:
    """The virtio example with this machine's devices."""
    return edited(REPOSITORY / "dpdk-config/examples/virtio.toml", ("0000:01:00.0", devices[0]), ("0000:02:00.0", devices[1]),
                  ("mbufs = 65535", "mbufs = 32767"), ("memory_mib = 512", "memory_mib = 400"))


def _traffic(*words: str) -> list[str]:
    return [sys.executable, "-m", "rigs.vm_traffic", *words]


def _here() -> dict[str, str]:
    return {"PYTHONPATH": str(REPOSITORY / "scripts"), "PYTHONDONTWRITEBYTECODE": "1"}


def _is_open(wire: str) -> bool:
    """Whether the tap's other end is open: it has a carrier."""
    run(["ip", "link", "set", wire, "up"])
    return "NO-CARRIER" not in run(["ip", "link", "show", wire]).stdout


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/vm", description="Runs Fairlead in an emulated machine on PCI devices with RSS, "
                                     "an IOMMU and huge pages, sends it traffic, and checks that every packet is answered and "
                                     "received by the worker that owns it. Downloads a Debian kernel the first time.")
    parser.add_argument("--program", type=Path, metavar="FILE", help="use this Fairlead (built with `--features static-link`) instead of building one")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
