"""scripts/machine: huge pages, cores and NICs, on a tree of files in place of the machine; what was before comes back, and a dry run changes nothing."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/machine"
FIRST, SECOND = "0000:3b:00.0", "0000:3b:00.1"
GRUB, BIND = "etc/default/grub.d/fairlead-machine.cfg", "etc/fairlead/bind.conf"
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
        words = self.read(GRUB)
        for word in ("intel_iommu=on", "isolcpus=managed_irq,domain,2-3", "nohz_full=2-3", "rcu_nocbs=2-3"):
            self.assertIn(word, words)
        self.assertIn("Environment=HOUSEKEEPING=3", self.read("etc/systemd/system/fairlead-irq.service.d/machine.conf"))
        self.assertIn("workers = [2,3]", said)
        self.assertIn("would run update-grub", said)
        self.run_it("undo", "cores")
        self.assertEqual(self.files(), before)

    def test_cores_that_cannot_be_had_are_refused(self):
        before = self.files()
        for cores, why in (("0-3", "no core would be left"), ("3-4", "there is no core 4"), ("two", "no list of cores"), ("2,x", "no list of cores"), ("2 3", "no list of cores"),
                           ("2,,3", "no list of cores"), ("3-2", "ends before it begins"), ("2-99999999999", "no list of cores")):
            self.assertIn(why, self.run_it("cores", cores, code=1))
        self.assertEqual(self.files(), before)

    def test_without_numa_nodes_huge_pages_are_refused_in_words(self):
        for node in ("node0", "node1"):
            shutil.rmtree(self.root / "sys/devices/system/node" / node)
        before = self.files()
        said = self.run_it("hugepages", "64", code=1)
        self.assertIn("shows no NUMA nodes", said)
        self.assertNotIn("division", said)
        self.assertEqual(self.files(), before)

    def test_pages_of_both_sizes_are_given_back(self):
        before = self.files()
        large = PAGES.format("node1").replace("2048", "1048576")
        self.run_it("hugepages", "64")
        self.run_it("hugepages", "2048", "--size", "1G")
        self.assertEqual(self.read(large), "1")
        self.run_it("undo", "hugepages")
        self.assertEqual(self.files(), before)

    def test_a_list_of_cores_that_an_operator_has_written_is_not_replaced(self):
        by_hand = 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT hugepagesz=1G hugepages=2{}"\n'
        hand = "etc/default/grub.d/fairlead.cfg"
        self.write(hand, "# no isolcpus=2 here\n" + by_hand.format(""))
        before = self.files()
        self.run_it("cores", "2")
        self.run_it("cores", "2-3")
        self.assertIn("isolcpus=managed_irq,domain,2-3", self.read(GRUB))
        self.run_it("undo", "cores")
        self.assertEqual(self.files(), before)
        self.write(hand, by_hand.format(" isolcpus=3"))
        before = self.files()
        self.assertIn("etc/default/grub.d/fairlead.cfg has isolcpus= already", self.run_it("cores", "2-3", code=1))
        self.assertEqual(self.files(), before)

    def test_a_unit_that_was_enabled_before_stays_so(self):
        for words, unit in ((("hugepages", "64"), "hugepages"), (("cores", "3"), "irq"), (("nics", FIRST, SECOND), "bind")):
            for enabled in (True, False):
                if enabled:
                    self.write(f"enabled/fairlead-{unit}.service", "")
                self.run_it(*words)
                self.run_it(*words)
                said = self.run_it("undo", words[0])
                self.assertEqual(f"disable fairlead-{unit}.service" in said, not enabled, said)
                (self.root / f"enabled/fairlead-{unit}.service").unlink(missing_ok=True)
        # One that this script has not enabled is none of its.
        self.run_it("hugepages", "2048", "--size", "1G")
        self.assertNotIn("systemctl", self.run_it("undo", "hugepages"))

    def test_what_an_operator_has_written_into_bind_conf_stays(self):
        self.nic("0000:5e:00.0", "vfio-pci", "8")
        for theirs in ('# ours\nPCI="0000:5e:00.0"\n', "PCI=0000:5e:00.0\n"):
            self.write(BIND, theirs)
            self.run_it("nics", FIRST, SECOND)
            self.assertIn(f'PCI="0000:5e:00.0 {FIRST} {SECOND}"', self.read(BIND))
            self.run_it("undo", "nics")
            self.assertEqual(self.read(BIND).splitlines()[-1], 'PCI="0000:5e:00.0"')
            self.assertEqual("# ours" in self.read(BIND), "# ours" in theirs)
        # Also one that is named a second time here, and what was written in between.
        self.run_it("nics", "0000:5e:00.0", FIRST, SECOND)
        self.write(BIND, self.read(BIND).replace(f"{SECOND}", f"{SECOND} 0000:5e:00.1") + "\n")
        self.run_it("undo", "nics")
        self.assertEqual(self.read(BIND).splitlines()[-1], 'PCI="0000:5e:00.0 0000:5e:00.1"')
        self.assertFalse((self.root / "etc/fairlead/machine").exists())

    def bound(self, address: str) -> None:
        """vfio-pci has taken it."""
        driver = self.root / "sys/bus/pci/devices" / address / "driver"
        driver.unlink(missing_ok=True)
        driver.symlink_to(self.root / "sys/bus/pci/drivers/vfio-pci")

    def test_a_nic_without_a_driver_and_one_of_uio_come_back_too(self):
        self.write("sys/bus/pci/drivers/uio_pci_generic/unbind", "")
        (self.root / "sys/bus/pci/devices" / FIRST / "driver").unlink()
        second = self.root / "sys/bus/pci/devices" / SECOND / "driver"
        second.unlink()
        second.symlink_to(self.root / "sys/bus/pci/drivers/uio_pci_generic")
        self.run_it("--force", "nics", FIRST, SECOND)
        for address in (FIRST, SECOND):
            self.bound(address)
        self.write("sys/bus/pci/drivers_probe", "")
        self.run_it("undo", "nics")
        self.assertEqual(self.read(f"sys/bus/pci/devices/{FIRST}/driver_override"), "")
        self.assertEqual(self.read(f"sys/bus/pci/devices/{SECOND}/driver_override"), "uio_pci_generic")
        self.assertEqual(self.read("sys/bus/pci/drivers_probe"), SECOND, "of the one that had a driver only")
        self.assertFalse((self.root / "etc/fairlead/machine").exists())

    def test_a_nic_that_does_not_come_back_keeps_no_other(self):
        self.run_it("nics", FIRST, SECOND)
        for address in (FIRST, SECOND):
            self.bound(address)
        override = self.root / "sys/bus/pci/devices" / FIRST / "driver_override"
        override.unlink()
        override.mkdir()
        self.assertIn(f"not with the driver of before: {FIRST}.", self.run_it("undo", "nics", code=1))
        self.assertEqual(self.read("sys/bus/pci/drivers/vfio-pci/unbind"), SECOND)
        self.assertFalse((self.root / BIND).exists())
        self.assertEqual(self.read("etc/fairlead/machine/nics"), f"{FIRST} ice by_script")
        override.rmdir()
        self.run_it("undo", "nics")
        self.assertEqual(self.read("sys/bus/pci/drivers/vfio-pci/unbind"), FIRST)
        self.assertFalse((self.root / "etc/fairlead/machine").exists())

    def test_a_nic_beneath_a_bond_a_bridge_or_a_vlan_is_left(self):
        for link, upper in (("master", "bond0"), ("upper_vlan7", "e1.7"), ("upper_br0", "br0")):
            (self.root / "sys/class/net" / upper).mkdir(parents=True)
            place = self.root / "sys/bus/pci/devices" / SECOND / "net/e1" / link
            place.symlink_to(self.root / "sys/class/net" / upper)
            before = self.files()
            self.assertIn(f"beneath {upper}: you may be logged in", self.run_it("nics", FIRST, SECOND, code=1))
            self.assertEqual(self.files(), before)
            self.run_it("--dry-run", "--force", "nics", FIRST, SECOND)
            place.unlink()

    def test_nics_are_given_to_vfio_and_come_back_to_their_driver(self):
        self.run_it("nics", FIRST, SECOND)
        for address in (FIRST, SECOND):
            self.assertEqual(self.read(f"sys/bus/pci/devices/{address}/driver_override"), "vfio-pci")
        self.assertEqual(self.read("sys/bus/pci/drivers/ice/unbind"), SECOND, "the last one")
        self.assertEqual(self.read("sys/bus/pci/drivers_probe"), SECOND)
        self.assertEqual(self.read("etc/fairlead/bind.conf"), f'PCI="{FIRST} {SECOND}"')
        for address in (FIRST, SECOND):
            self.bound(address)
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
