//! What the kernel tells of the box, in its files.
//!
//! Owns reading them under a root, which of them are read, and how one that could not be read is told of. Needs no right that not
//! everybody has: what may not be read is said. Judges nothing.

use super::device::Device;
use super::found::LeftOut;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

/// Bytes read of a file at most.
const LARGEST: u64 = 1 << 20;
/// Entries of a folder at most.
const ENTRIES: usize = 65_536;
/// Interrupts looked at, at most.
const INTERRUPTS: usize = 4_096;
/// Where the names of all processes are put, though they are read in many places.
pub const PROCESSES: &str = "proc/*/comm";

/// What was found at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A file, without white space at its ends.
    Text(String),
    /// A link: the last part of where it leads.
    Link(String),
    /// The names in a folder, sorted.
    Folder(Vec<String>),
    /// There is no such place.
    Absent,
    /// It is there and could not be read.
    Unread(String),
}

/// All that was read, by where it stands below the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    readings: BTreeMap<String, Reading>,
}

/// Files that are read of every box.
const ALWAYS: &[&str] = &[
    "proc/cmdline",
    "proc/version",
    "proc/sys/kernel/osrelease",
    "proc/sys/kernel/hostname",
    "etc/os-release",
    "proc/meminfo",
    "proc/swaps",
    "proc/interrupts",
    "proc/net/fib_trie",
    "proc/net/route",
    "proc/net/dev",
    "proc/sys/net/ipv4/ip_forward",
    "proc/sys/net/ipv4/conf/all/rp_filter",
    "sys/devices/system/cpu/online",
    "sys/devices/system/cpu/isolated",
    "sys/devices/system/cpu/nohz_full",
    "sys/devices/system/clocksource/clocksource0/current_clocksource",
    "sys/devices/system/clocksource/clocksource0/available_clocksource",
    "sys/kernel/mm/transparent_hugepage/enabled",
    "sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
    "run/systemd/timesync/synchronized",
];

impl Host {
    /// Reads what is to be known of a box on which these cores are used, and these devices.
    pub fn read(root: &Path, cores: &[usize], devices: &[Device<'_>]) -> Host {
        let mut host = Host::default();
        ALWAYS.iter().for_each(|place| host.file(root, place));
        host.cores(root, cores);
        host.huge_pages(root, "sys/kernel/mm/hugepages");
        host.nodes(root);
        host.interrupts(root);
        host.processes(root);
        for device in devices {
            match device {
                Device::Pci(address) => host.pci(root, address),
                Device::Kernel { interface, .. } => host.interface(root, interface),
                Device::Other => {}
            }
        }
        host
    }

    /// As if this had been read.
    pub fn with(mut self, place: &str, reading: Reading) -> Host {
        self.readings.insert(place.into(), reading);
        self
    }

    /// Everything, in the order of the places.
    pub fn readings(&self) -> impl Iterator<Item = (&str, &Reading)> {
        self.readings.iter().map(|(place, reading)| (place.as_str(), reading))
    }

    /// What stands there; absent if nobody looked.
    pub fn reading(&self, place: &str) -> &Reading {
        self.readings.get(place).unwrap_or(&Reading::Absent)
    }

    /// What a file says.
    ///
    /// # Errors
    /// That there is no such file, or that it could not be read.
    pub fn text(&self, place: &str) -> Result<&str, LeftOut> {
        match self.reading(place) {
            Reading::Text(text) => Ok(text),
            Reading::Unread(why) => Err(LeftOut::because(format!("/{place} cannot be read: {why}"))),
            _ => Err(LeftOut::because(format!("there is no /{place} here"))),
        }
    }

    /// A file that holds one number, or the like.
    ///
    /// # Errors
    /// As [`Host::text`], or that it holds something else.
    pub fn value<T: FromStr>(&self, place: &str) -> Result<T, LeftOut> {
        let text = self.text(place)?;
        text.parse()
            .map_err(|_| LeftOut::because(format!("/{place} says `{}`", text.chars().take(40).collect::<String>())))
    }

    /// Where a link leads.
    pub fn link(&self, place: &str) -> Option<&str> {
        match self.reading(place) {
            Reading::Link(to) => Some(to),
            _ => None,
        }
    }

    /// What is in a folder; nothing if there is none.
    pub fn folder(&self, place: &str) -> &[String] {
        match self.reading(place) {
            Reading::Folder(names) => names,
            _ => &[],
        }
    }

    /// In KiB, of `/proc/meminfo`.
    pub fn memory(&self, key: &str) -> Option<u64> {
        let line =
            self.text("proc/meminfo").ok()?.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    fn put(&mut self, place: &str, read: io::Result<Reading>) {
        let reading = read.unwrap_or_else(|why| match why.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Reading::Absent,
            // What a driver does not know of itself (`/sys/class/net/IF/speed`).
            io::ErrorKind::InvalidInput => Reading::Absent,
            _ => Reading::Unread(why.to_string()),
        });
        self.readings.insert(place.into(), reading);
    }

    fn file(&mut self, root: &Path, place: &str) {
        self.put(place, text_of(&root.join(place)).map(Reading::Text));
    }

    fn names(&mut self, root: &Path, place: &str) -> Vec<String> {
        let read = names_of(&root.join(place));
        let names = read.as_ref().map(Clone::clone).unwrap_or_default();
        self.put(place, read.map(Reading::Folder));
        names
    }

    fn leads(&mut self, root: &Path, place: &str) {
        let leaf = |to: std::path::PathBuf| to.file_name().map(|name| name.to_string_lossy().into_owned());
        let read = fs::read_link(root.join(place)).map(|to| Reading::Link(leaf(to).unwrap_or_default()));
        self.put(place, read);
    }

    fn cores(&mut self, root: &Path, cores: &[usize]) {
        for core in cores {
            let place = format!("sys/devices/system/cpu/cpu{core}");
            self.file(root, &format!("{place}/topology/thread_siblings_list"));
            self.file(root, &format!("{place}/cpufreq/scaling_governor"));
            self.file(root, &format!("{place}/cpufreq/scaling_driver"));
        }
    }

    fn huge_pages(&mut self, root: &Path, place: &str) {
        for size in self.names(root, place).iter().filter(|name| name.starts_with("hugepages-")) {
            self.file(root, &format!("{place}/{size}/nr_hugepages"));
            self.file(root, &format!("{place}/{size}/free_hugepages"));
        }
    }

    fn nodes(&mut self, root: &Path) {
        let place = "sys/devices/system/node";
        for node in self.names(root, place) {
            if node.strip_prefix("node").is_some_and(|number| number.parse::<u32>().is_ok()) {
                self.file(root, &format!("{place}/{node}/cpulist"));
                self.huge_pages(root, &format!("{place}/{node}/hugepages"));
            }
        }
    }

    /// Of those that somebody handles: their folder holds one of the handler's name.
    fn interrupts(&mut self, root: &Path) {
        let names = names_of(&root.join("proc/irq")).unwrap_or_default();
        let numbers = names.into_iter().filter(|name| name.parse::<u32>().is_ok()).take(INTERRUPTS);
        let mut handled = Vec::new();
        for number in numbers {
            let mut inside = fs::read_dir(root.join("proc/irq").join(&number)).into_iter().flatten().flatten();
            let is_handled = inside.any(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            if is_handled {
                self.file(root, &format!("proc/irq/{number}/effective_affinity_list"));
                self.file(root, &format!("proc/irq/{number}/smp_affinity_list"));
                handled.push(number);
            }
        }
        self.put("proc/irq", Ok(Reading::Folder(handled)));
    }

    fn processes(&mut self, root: &Path) {
        let all = names_of(&root.join("proc")).unwrap_or_default();
        let numbers = all.into_iter().filter(|name| name.parse::<u32>().is_ok());
        let mut names: Vec<String> =
            numbers.filter_map(|it| text_of(&root.join("proc").join(it).join("comm")).ok()).collect();
        names.sort();
        names.dedup();
        self.put(PROCESSES, Ok(Reading::Folder(names)));
    }

    fn pci(&mut self, root: &Path, address: &str) {
        let place = format!("sys/bus/pci/devices/{address}");
        for link in ["driver", "iommu_group", "physfn"] {
            self.leads(root, &format!("{place}/{link}"));
        }
        for file in ["numa_node", "vendor", "device", "current_link_speed", "current_link_width", "max_link_width"] {
            self.file(root, &format!("{place}/{file}"));
        }
    }

    fn interface(&mut self, root: &Path, interface: &str) {
        let place = format!("sys/class/net/{interface}");
        for file in ["mtu", "operstate", "address", "flags", "speed"] {
            self.file(root, &format!("{place}/{file}"));
        }
        for link in ["master", "device/driver", "device"] {
            self.leads(root, &format!("{place}/{link}"));
        }
        self.file(root, &format!("{place}/device/numa_node"));
        self.names(root, &format!("{place}/queues"));
        for key in ["forwarding", "rp_filter", "arp_ignore", "proxy_arp"] {
            self.file(root, &format!("proc/sys/net/ipv4/conf/{interface}/{key}"));
        }
    }
}

fn text_of(path: &Path) -> io::Result<String> {
    // A device or a pipe would never end, or never begin.
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn names_of(path: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(path)?.flatten().take(ENTRIES);
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, place: &str, text: &str) {
        let path = root.join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_tree_of_files_becomes_what_was_read() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        write(at, "proc/cmdline", "quiet isolcpus=2-3\n");
        write(at, "proc/meminfo", "MemTotal:  9000000 kB\nHugePages_Free: 4\n");
        write(at, "proc/irq/24/eth0-rx/x", "");
        write(at, "proc/irq/24/effective_affinity_list", "2\n");
        write(at, "proc/irq/25/effective_affinity_list", "2\n");
        write(at, "proc/77/comm", "chronyd\n");
        write(at, "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "512\n");
        write(at, "sys/devices/system/node/node0/cpulist", "0-3\n");
        write(at, "sys/class/net/eth0/mtu", "1500\n");
        write(at, "sys/bus/pci/devices/0000:3b:00.0/numa_node", "1\n");
        std::os::unix::fs::symlink("../../drivers/vfio-pci", at.join("sys/bus/pci/devices/0000:3b:00.0/driver"))
            .unwrap();
        let devices = [Device::Pci("0000:3b:00.0".into()), Device::Kernel { driver: "net_pcap0", interface: "eth0" }];
        let host = Host::read(at, &[2], &devices);
        assert_eq!(host.text("proc/cmdline"), Ok("quiet isolcpus=2-3"));
        assert_eq!((host.memory("MemTotal"), host.memory("HugePages_Free")), (Some(9_000_000), Some(4)));
        assert_eq!(host.folder("proc/irq"), ["24"], "nobody handles the other");
        assert_eq!(host.text("proc/irq/24/effective_affinity_list"), Ok("2"));
        assert_eq!(host.folder(PROCESSES), ["chronyd"]);
        assert_eq!(host.value("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"), Ok(512));
        assert_eq!(host.text("sys/devices/system/node/node0/cpulist"), Ok("0-3"));
        assert_eq!(host.value("sys/class/net/eth0/mtu"), Ok(1500));
        assert_eq!(host.value("sys/bus/pci/devices/0000:3b:00.0/numa_node"), Ok(1));
        assert_eq!(host.link("sys/bus/pci/devices/0000:3b:00.0/driver"), Some("vfio-pci"));
        let LeftOut(why) = host.text("proc/swaps").unwrap_err();
        assert_eq!(why, "there is no /proc/swaps here");
        assert!(host.value::<u64>("proc/cmdline").is_err_and(|LeftOut(why)| why.contains("says `quiet")));
    }
}
