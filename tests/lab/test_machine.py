"""scripts/machine: huge pages, cores and NICs, on a tree of files in place of the machine; what was before comes back, and a dry run changes nothing."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/machine"
FIRST, SECOND = "0000:3b:00.0", "0000:3b:00.1"
PAGES = "sys/devices/system/node/{}/hugepages/hugepages-2048kB/nr_hugepages"


class Machine(unittest.TestCase):
    def setUp(self):
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for node in ("node0", "node1"):
            self.write(PAGES.format(node), "7\n")
            self.write(PAGES.format(node).replace("2048", "1048576"), "0\n")
        self.write("sys/devices/system/cpu/online", "0-3\n")
        self.write("proc/cpuinfo", "vendor_id : GenuineIntel\n")
        for driver in ("ice", "vfio-pci", "mlx5_core"):
            self.write(f"sys/bus/pci/drivers/{driver}/unbind", "")
        self.write("sys/bus/pci/drivers_probe", "")
        for address in (FIRST, SECOND):
            self.nic(address, "ice", "7")

    def write(self, path: str, text: str) -> None:
        """A file of the machine."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def nic(self, address: str, driver: str, group: str) -> None:
        """A NIC with its driver, in an IOMMU group, and the kernel's device of it."""
        device = self.root / "sys/bus/pci/devices" / address
        (device / "net" / f"e{address[-1]}").mkdir(parents=True)
        (device / "driver_override").write_text("(null)\n")
        (device / "driver").symlink_to(self.root / "sys/bus/pci/drivers" / driver)
        members = self.root / "sys/kernel/iommu_groups" / group / "devices"
        members.mkdir(parents=True, exist_ok=True)
        (members / address).symlink_to(device)
        (device / "iommu_group").symlink_to(members.parent)

    def run_it(self, *words: str, code: int = 0) -> str:
        """What the script says; it must end so."""
        environment = {**os.environ, "FAIRLEAD_MACHINE_ROOT": str(self.root)}
        done = subprocess.run([str(SCRIPT), *words], capture_output=True, text=True, env=environment, timeout=30)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def files(self) -> dict[str, str]:
        """All files of the machine."""
        found = (path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())
        return {str(path.relative_to(self.root)): path.read_text() for path in found}

    def read(self, path: str) -> str:
        return (self.root / path).read_text().strip()

    def test_huge_pages_are_divided_among_the_nodes_and_given_back(self):
        before = self.files()
        said = self.run_it("hugepages", "1023")
        for node in ("node0", "node1"):
            self.assertEqual(self.read(PAGES.format(node)), "256")
        self.assertIn("memory_mib of at most 1024", said)
        drop_in = self.read("etc/systemd/system/fairlead-hugepages.service.d/machine.conf")
        self.assertEqual(drop_in, "[Service]\nEnvironment=PAGES_PER_NODE=256")
        self.assertIn("would run systemctl enable fairlead-hugepages.service", said)
        # Asked for again, it is still what was before the first time that is given back.
        self.run_it("hugepages", "512")
        self.assertEqual(self.read(PAGES.format("node1")), "128")
        self.run_it("undo", "hugepages")
        self.assertEqual(self.files(), before)
        self.assertIn("nothing is known", self.run_it("undo", "hugepages", code=1))

    def test_cores_are_isolated_from_the_next_boot_on(self):
        before = self.files()
        said = self.run_it("cores", "2-3")
        words = self.read("etc/default/grub.d/fairlead.cfg")
        for word in ("intel_iommu=on", "isolcpus=managed_irq,domain,2-3", "nohz_full=2-3", "rcu_nocbs=2-3"):
            self.assertIn(word, words)
        self.assertIn("Environment=HOUSEKEEPING=3", self.read("etc/systemd/system/fairlead-irq.service.d/machine.conf"))
        self.assertIn("workers = [2,3]", said)
        self.assertIn("would run update-grub", said)
        self.run_it("undo", "cores")
        self.assertEqual(self.files(), before)

    def test_cores_that_cannot_be_had_are_refused(self):
        before = self.files()
        for cores, why in (("0-3", "no core would be left"), ("3-4", "there is no core 4"), ("two", "no list of cores")):
            self.assertIn(why, self.run_it("cores", cores, code=1))
        self.assertEqual(self.files(), before)

    def test_nics_are_given_to_vfio_and_come_back_to_their_driver(self):
        self.run_it("nics", FIRST, SECOND)
        for address in (FIRST, SECOND):
            self.assertEqual(self.read(f"sys/bus/pci/devices/{address}/driver_override"), "vfio-pci")
        self.assertEqual(self.read("sys/bus/pci/drivers/ice/unbind"), SECOND, "the last one")
        self.assertEqual(self.read("sys/bus/pci/drivers_probe"), SECOND)
        self.assertEqual(self.read("etc/fairlead/bind.conf"), f'PCI="{FIRST} {SECOND}"')
        for address in (FIRST, SECOND):
            driver = self.root / "sys/bus/pci/devices" / address / "driver"
            driver.unlink()
            driver.symlink_to(self.root / "sys/bus/pci/drivers/vfio-pci")
        self.run_it("undo", "nics")
        self.assertEqual(self.read(f"sys/bus/pci/devices/{FIRST}/driver_override"), "")
        self.assertEqual(self.read("sys/bus/pci/drivers/vfio-pci/unbind"), SECOND)
        self.assertFalse((self.root / "etc/fairlead/bind.conf").exists())

    def test_a_nic_that_is_in_use_or_has_neighbours_in_its_group_is_left(self):
        before = self.files()
        self.assertIn("has to be bound with it", self.run_it("nics", FIRST, code=1))
        self.assertIn("there is no PCI device", self.run_it("nics", "0000:ff:00.0", code=1))
        self.assertIn("no PCI address", self.run_it("nics", "eth0", code=1))
        self.nic("0000:5e:00.0", "mlx5_core", "8")
        self.assertIn("do not bind it", self.run_it("nics", "0000:5e:00.0", code=1))
        self.write("uses/e1", "192.0.2.7/24\n")
        self.assertIn("you may be logged in by it", self.run_it("nics", FIRST, SECOND, code=1))
        self.assertEqual({path: text for path, text in self.files().items() if path in before}, before)
        self.run_it("--force", "nics", FIRST, SECOND)
        self.assertEqual(self.read(f"sys/bus/pci/devices/{SECOND}/driver_override"), "vfio-pci")

    def test_a_dry_run_changes_nothing(self):
        before = self.files()
        for words in (("hugepages", "64"), ("cores", "2-3"), ("nics", FIRST, SECOND)):
            self.assertIn("would write", self.run_it("--dry-run", *words))
            self.assertEqual(self.files(), before)
        self.run_it("hugepages", "64")
        reserved = self.files()
        self.assertIn("would write", self.run_it("undo", "hugepages", "--dry-run"))
        self.assertEqual(self.files(), reserved)

    def test_what_there_is_is_shown(self):
        self.write(f"sys/bus/pci/devices/{FIRST}/class", "0x020000\n")
        said = self.run_it("status")
        self.assertIn("node1: 7 pages of 2048kB", said)
        self.assertIn(f"{FIRST}: driver ice", said)
        self.assertNotIn(SECOND, said)

    def test_what_is_not_known_is_bad_usage(self):
        for words in ((), ("pages",), ("hugepages",), ("hugepages", "1", "2"), ("--what",)):
            self.assertIn("usage:", self.run_it(*words, code=2))


if __name__ == "__main__":
    unittest.main()
