//! `fairlead check --here`: what a file asks of the machine that it is checked on.
//!
//! Owns the comparison with this machine: cores, devices, memory, the group of the socket. Starts nothing, and asks DPDK
//! nothing: what a driver takes is known only once it runs.

use crate::config::{Configuration, count};
use crate::doctor::Device;
use crate::policy::intent::Advertise;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a flow takes: its two cache lines, and its cell in the index with room to grow.
const FLOW_BYTES: u64 = 128 + 16;
/// How often the recorder takes its memory at most: what is written on, four recordings, and the next.
const RECORDER_SHARES: u64 = 6;

/// In the sets of capabilities that the kernel shows (linux/capability.h).
const CAP_NET_ADMIN: u64 = 1 << 12;

/// A machine, by the files in which the kernel tells of it.
pub struct Machine {
    /// Where `proc`, `sys` and `etc` are.
    root: PathBuf,
}

impl Machine {
    /// This one.
    pub fn this() -> Machine {
        Machine { root: "/".into() }
    }

    /// Everything that keeps the appliance of `file` from running here; empty: nothing that can be seen without a start.
    pub fn lacks(&self, file: &Configuration) -> Vec<String> {
        let devices = file.intent.ports.iter().filter_map(|port| {
            let why = self.device(&port.device)?;
            Some(format!("port {}: {}: {why}", port.name, port.device))
        });
        let all = self.cores(file).into_iter().chain(devices).chain(self.memory(file)).chain(self.pages(file));
        all.chain(self.groups(file)).chain(self.kernel(file)).collect()
    }

    fn cores(&self, file: &Configuration) -> Vec<String> {
        let cores = &file.settings.cores;
        let Some(allowed) = self.allowed_cores() else { return Vec::new() };
        let named = cores.workers.iter().map(|core| (core, "workers"));
        let named = named.chain([(&cores.management, "management")]);
        let missing = named.filter(|(core, _)| !allowed.contains(core));
        let listed: Vec<String> = allowed.iter().map(usize::to_string).collect();
        missing
            .map(|(core, key)| {
                let (have, listed) = (count(allowed.len(), "core"), listed.join(", "));
                format!(
                    "[cores] {key}: core {core} is not there, or may not be used: this process may use {have}: {listed}"
                )
            })
            .collect()
    }

    /// Those that this process may run on.
    fn allowed_cores(&self) -> Option<BTreeSet<usize>> {
        let status = self.read("proc/self/status")?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        let mut cores = BTreeSet::new();
        for range in list.trim().split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            cores.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
        }
        Some(cores)
    }

    /// Why a device cannot be had.
    fn device(&self, device: &str) -> Option<String> {
        let interface = match Device::of(device) {
            Device::Pci(address) => return self.pci(&address),
            Device::Kernel { interface, .. } => interface,
            Device::Other => return self.vhost(device),
        };
        match self.exists(&format!("sys/class/net/{interface}")) {
            true => None,
            false => Some(format!("there is no interface {interface}: `ip link` lists those there are")),
        }
    }

    /// A device of the kernel's by vhost-net takes the kernel's side of that.
    fn vhost(&self, device: &str) -> Option<String> {
        let is_one = device.starts_with("net_virtio_user") && device.split(',').any(|one| one == "path=/dev/vhost-net");
        let missing = ["dev/vhost-net", "dev/net/tun"].into_iter().find(|file| is_one && !self.exists(file))?;
        let module = if missing.ends_with("tun") { "tun" } else { "vhost-net" };
        Some(format!(
            "/{missing} is missing: load its module (modprobe {module}), or name a net_tap, which does without vhost-net"
        ))
    }

    fn pci(&self, address: &str) -> Option<String> {
        let place = format!("sys/bus/pci/devices/{address}");
        if !self.exists(&place) {
            return Some("there is no such PCI device: `dpdk-devbind.py --status` lists those there are".into());
        }
        let driver = fs::read_link(self.root.join(&place).join("driver")).ok();
        let driver = driver.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        match driver {
            // The first three give the device to DPDK, which shares it with the last.
            Some("vfio-pci" | "igb_uio" | "uio_pci_generic" | "mlx5_core" | "mlx4_core" | "mana") => None,
            Some(driver) => Some(format!(
                "the kernel's driver {driver} has it: `dpdk-devbind.py --bind=vfio-pci {address}`, once its interface is down"
            )),
            None => Some(format!("no driver has it: `dpdk-devbind.py --bind=vfio-pci {address}`")),
        }
    }

    /// Flows and packets, if these do not lie in huge pages, must fit into the memory that is there.
    fn memory(&self, file: &Configuration) -> Option<String> {
        let (settings, limits) = (&file.settings, &file.intent.limits);
        let available = self.meminfo("MemAvailable")? >> 10;
        let workers = settings.cores.workers.len() as u64;
        let flows = (limits.flows_per_worker as u64).next_power_of_two() * FLOW_BYTES * workers;
        let packets = if settings.dpdk.hugepages { 0 } else { u64::from(file.memory_mib()) };
        let recorder = RECORDER_SHARES * u64::from(settings.recorder_mib);
        let needed = (flows >> 20) + packets + recorder;
        (needed > available).then(|| {
            format!(
                "memory: some {needed} MiB are needed and {available} MiB are available: [limits] flows_per_worker = {} for {}, \
                 {packets} for {} packet buffers ([dpdk] mbufs, memory_mib), and {recorder} for recorder_mib",
                limits.flows_per_worker,
                count(settings.cores.workers.len(), "worker"),
                settings.dpdk.mbufs
            )
        })
    }

    fn pages(&self, file: &Configuration) -> Option<String> {
        let dpdk = &file.settings.dpdk;
        let sizes = fs::read_dir(self.root.join("sys/kernel/mm/hugepages")).ok();
        if !dpdk.hugepages {
            return None;
        }
        let free: u64 = sizes
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                let size: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
                let pages = self.read(&format!("sys/kernel/mm/hugepages/{name}/free_hugepages"))?;
                Some(pages.trim().parse::<u64>().ok()? * size)
            })
            .sum();
        let free = free >> 10;
        let (needed, memory) = (file.memory_needed_mib(), dpdk.memory_mib);
        match free < u64::from(file.memory_mib()) {
            true if memory < needed => Some(format!(
                "[dpdk] hugepages: DPDK needs {needed} MiB for {} packet buffers, more than memory_mib = {memory}, and {free} MiB of huge \
                 pages are free: raise memory_mib (and the reserved huge pages) to {}, or write fewer mbufs",
                dpdk.mbufs,
                needed.next_multiple_of(2)
            )),
            true => Some(format!(
                "[dpdk] hugepages: memory_mib = {memory} and {free} MiB of huge pages are free: reserve more, stop what holds them, \
                 or lower memory_mib to {} at least",
                needed.next_multiple_of(2)
            )),
            false => None,
        }
    }

    fn groups(&self, file: &Configuration) -> Vec<String> {
        let Some(groups) = self.read("etc/group") else { return Vec::new() };
        let unknown = |group: &&String| {
            group.parse::<u32>().is_err() && groups.lines().all(|line| line.split(':').next() != Some(group))
        };
        let settings = &file.settings;
        let named = [("admin_group", &settings.admin_group), ("admin_group_ro", &settings.admin_group_ro)];
        let lacks = named.into_iter().filter_map(|(key, group)| Some((key, group.as_ref().filter(unknown)?)));
        lacks
            .map(|(key, group)| format!("[appliance] {key}: there is no group {group}: `groupadd --system {group}`"))
            .collect()
    }

    /// The kernel is given virtual addresses, and devices.
    fn kernel(&self, file: &Configuration) -> Option<String> {
        let mut servers = file.intent.virtual_servers.iter();
        let server = servers.find(|server| server.advertise != Advertise::Never);
        let mut interfaces = file.intent.interfaces.iter();
        let device = interfaces.find_map(|interface| Some((&interface.name, interface.host.as_ref()?)));
        let what = match (server, device) {
            (_, Some((name, host))) => format!("interface {name}: host = \"{host}\""),
            (Some(server), None) => format!("virtual_server {}: advertise = \"{}\"", server.name, server.advertise),
            (None, None) => return None,
        };
        if device.is_some() && !self.root.join("dev/net/tun").exists() {
            return Some(format!("{what}: /dev/net/tun is missing: load the module tun (modprobe tun)"));
        }
        let status = self.read("proc/self/status")?;
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        let effective = u64::from_str_radix(effective.trim(), 16).ok()?;
        (effective & CAP_NET_ADMIN == 0).then(|| {
            format!(
                "{what} takes the right to give the kernel devices and addresses (CAP_NET_ADMIN), which this user lacks: run as \
                 root, or give the program that capability"
            )
        })
    }

    /// In KiB.
    fn meminfo(&self, key: &str) -> Option<u64> {
        let all = self.read("proc/meminfo")?;
        let line = all.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    fn read(&self, place: &str) -> Option<String> {
        fs::read_to_string(self.root.join(place)).ok()
    }

    fn exists(&self, place: &str) -> bool {
        fs::symlink_metadata(self.root.join(place)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const FILE: &str = include_str!("../../dpdk-config/examples/intel-e810.toml");

    /// A machine of eight cores, 8 GiB of memory and 2 GiB of huge pages.
    fn machine() -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine { root: root.path().into() };
        write(&machine, "proc/self/status", "Name:\tfairlead\nCpus_allowed_list:\t0-5,7\n");
        write(&machine, "proc/meminfo", "MemTotal:  9000000 kB\nMemAvailable:    8388608 kB\n");
        write(&machine, "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "512\n");
        write(&machine, "sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
        write(&machine, "etc/group", "root:x:0:\nfairlead:x:998:ann\n");
        (root, machine)
    }

    fn write(machine: &Machine, place: &str, text: &str) {
        let path = machine.root.join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn nic(machine: &Machine, address: &str, driver: Option<&str>) {
        let place = machine.root.join("sys/bus/pci/devices").join(address);
        fs::create_dir_all(&place).unwrap();
        if let Some(driver) = driver {
            std::os::unix::fs::symlink(format!("../../drivers/{driver}"), place.join("driver")).unwrap();
        }
    }

    fn lacks(machine: &Machine, edits: &[(&str, &str)]) -> String {
        let mut text = FILE.to_owned();
        for (was, becomes) in edits {
            assert!(text.contains(was), "{was}");
            text = text.replacen(was, becomes, 1);
        }
        let file = config::parse_for(64, "file", &text).unwrap_or_else(|errors| panic!("{errors}"));
        machine.lacks(&file).join("\n")
    }

    /// The devices of the example, in its order.
    fn devices() -> Vec<String> {
        let file = config::parse_for(64, "file", FILE).unwrap();
        file.intent.ports.iter().map(|port| port.device.split(',').next().unwrap().to_owned()).collect()
    }

    fn instead<'a>(key: &str, becomes: &'a str) -> (String, &'a str) {
        let line = FILE.lines().find(|line| line.trim_start().starts_with(&format!("{key} ="))).expect(key);
        (line.to_owned(), becomes)
    }

    #[test]
    fn a_machine_that_has_it_all_lacks_nothing() {
        let (_root, machine) = machine();
        devices().iter().for_each(|device| nic(&machine, device, Some("vfio-pci")));
        let workers = instead("workers", "workers = [2, 3]");
        let memory = instead("memory_mib", "memory_mib = 2048");
        assert_eq!(lacks(&machine, &[(&workers.0, workers.1), (&memory.0, memory.1)]), "");
    }

    #[test]
    fn a_kernel_device_takes_a_right_and_a_module() {
        let (_root, machine) = machine();
        let host = ("[[interface]]\n", "[[interface]]\nhost = \"fl-a\"\n");
        write(&machine, "proc/self/status", "Cpus_allowed_list:\t0-63\nCapEff:\t0000000000000000\n");
        let found = lacks(&machine, &[host]);
        assert!(found.contains("host = \"fl-a\": /dev/net/tun is missing"), "{found}");
        write(&machine, "dev/net/tun", "");
        let found = lacks(&machine, &[host]);
        assert!(found.contains("host = \"fl-a\" takes the right"), "{found}");
    }

    #[test]
    fn a_port_by_vhost_net_takes_its_modules() {
        let (_root, machine) = machine();
        let (device, by_vhost) = instead("device", "device = \"net_virtio_user0,path=/dev/vhost-net,iface=fl-wire\"");
        let lacks = || lacks(&machine, &[(&device, by_vhost)]);
        assert!(lacks().contains("/dev/vhost-net is missing: load its module (modprobe vhost-net)"), "{}", lacks());
        write(&machine, "dev/vhost-net", "");
        assert!(lacks().contains("/dev/net/tun is missing: load its module (modprobe tun)"), "{}", lacks());
        write(&machine, "dev/net/tun", "");
        assert!(!lacks().contains("is missing"), "{}", lacks());
    }

    #[test]
    fn addresses_that_are_advertised_take_a_right() {
        let (_root, machine) = machine();
        let advertised = ("[[virtual_server]]\n", "[[virtual_server]]\nadvertise = \"when-active\"\n");
        for (effective, edits, is_lacking) in [
            ("00000000a80425fb", &[advertised][..], true),
            ("00000000a80435fb", &[advertised], false),
            ("0000000000000000", &[], false),
        ] {
            let status = format!("Cpus_allowed_list:\t0-63\nCapEff:\t{effective}\n");
            write(&machine, "proc/self/status", &status);
            let found = lacks(&machine, edits);
            assert_eq!(found.contains("advertise = \"when-active\" takes the right"), is_lacking, "{found}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        let (_root, machine) = machine();
        let [first, second] = devices().try_into().unwrap();
        nic(&machine, &first, Some("ice"));
        let workers = instead("workers", "workers = [2, 6]");
        let memory = instead("memory_mib", "memory_mib = 4096");
        let found = lacks(
            &machine,
            &[
                (&workers.0, workers.1),
                (&memory.0, memory.1),
                ("[appliance]", "[appliance]\nadmin_group = \"noc\""),
                ("[cores]", "[limits]\nflows_per_worker = 60000000\n[cores]"),
            ],
        );
        for part in [
            "[cores] workers: core 6 is not there, or may not be used: this process may use 7 cores: 0, 1, 2, 3, 4, 5, 7",
            &format!("the kernel's driver ice has it: `dpdk-devbind.py --bind=vfio-pci {first}`"),
            &format!("{second},safe-mode-support=1: there is no such PCI device"),
            "MiB are needed and 8192 MiB are available: [limits] flows_per_worker = 60000000 for 2 workers",
            "memory_mib = 4096 and 2048 MiB of huge pages are free",
            "there is no group noc: `groupadd --system noc`",
        ] {
            assert!(found.contains(part), "{part}: {found}");
        }
        assert_eq!(found.lines().count(), 6, "{found}");
    }

    #[test]
    fn packet_buffers_need_their_memory_whatever_memory_mib_says() {
        let (_root, machine) = machine();
        write(&machine, "sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "0\n");
        let small = [instead("mbufs", "mbufs = 16383"), instead("memory_mib", "memory_mib = 128")];
        let edits: Vec<(&str, &str)> = small.iter().map(|(was, becomes)| (was.as_str(), *becomes)).collect();
        let of_pages = |free: &str| {
            write(&machine, "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", free);
            let found = lacks(&machine, &edits);
            found.lines().find(|line| line.starts_with("[dpdk] hugepages")).map(str::to_owned)
        };
        let expected = "[dpdk] hugepages: DPDK needs 231 MiB for 16383 packet buffers, more than memory_mib = 128, and 128 MiB of huge \
                        pages are free: raise memory_mib (and the reserved huge pages) to 232, or write fewer mbufs";
        assert_eq!(of_pages("64").as_deref(), Some(expected));
        assert_eq!(of_pages("116"), None, "232 MiB are enough");
    }

    #[test]
    fn interfaces_beneath_virtual_devices_are_looked_for_and_taps_are_not() {
        let (_root, machine) = machine();
        write(&machine, "sys/class/net/eth1/mtu", "1500");
        for (device, found) in [
            ("net_af_packet0,iface=eth1", true),
            ("net_af_packet0,iface=nope0", false),
            ("net_pcap0,iface=nope0", false),
            ("net_af_xdp0,start_queue=0,iface=nope0", false),
            ("net_tap0,iface=fl0", true),
            ("net_null0", true),
            ("3b:00.1", false),
        ] {
            assert_eq!(machine.device(device).is_none(), found, "{device}");
        }
        nic(&machine, "0000:3b:00.1", None);
        assert!(machine.device("3b:00.1").is_some_and(|why| why.contains("no driver has it")));
    }
}
