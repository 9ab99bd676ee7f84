//! The command line DPDK is started with.
//!
//! Owns what it is made of. Starts nothing.

use super::device::Device;
use super::error::Fault;

/// What DPDK is to be started with.
#[derive(Clone, Debug)]
pub struct EalConfig {
    /// The core of the management thread, which starts DPDK.
    pub main_core: usize,
    /// The cores workers will be bound to; only checked here.
    pub worker_cores: Vec<usize>,
    /// Whether memory is taken from hugepages; else from ordinary pages, which works anywhere and is slower.
    pub hugepages: bool,
    /// How much memory DPDK takes, in MB; see [`crate::io::memory_needed_mib`].
    pub memory_mb: u32,
    /// The devices of all ports, as configured: PCI ones are allowed to DPDK, and without any the bus is left alone.
    pub devices: Vec<String>,
    /// Tells apart processes that share hugepage files or a runtime directory; the program's name when absent.
    pub file_prefix: Option<String>,
    /// More arguments, passed through.
    pub extra: Vec<String>,
}

/// Arguments that are Fairlead's to give, and where the operator says the same.
const OURS: &[(&str, &str)] = &[
    ("-l", "is set by [cores]"),
    ("-c", "is set by [cores]"),
    ("--lcores", "is set by [cores]"),
    ("--main-lcore", "is set by [cores]"),
    ("--no-huge", "is set by hugepages = false in [dpdk]"),
    ("--in-memory", "is set by hugepages = true in [dpdk]"),
    ("--no-pci", "is set by the devices of [[port]]"),
    ("--vdev", "is set by the device of a [[port]]"),
    ("-h", "only prints a list of options"),
    ("--help", "only prints a list of options"),
    ("-v", "only prints the release, as fairlead --version does"),
    ("--version", "only prints the release, as fairlead --version does"),
];

impl EalConfig {
    /// The words of the command line, the program's name first.
    pub(super) fn arguments(&self) -> Result<Vec<String>, Fault> {
        let mut words: Vec<String> = vec!["fairlead".to_owned()];
        let mut say = |parts: &[&str]| words.extend(parts.iter().map(|&part| part.to_owned()));
        say(&["--lcores", &format!("0@{}", self.main_core), "--no-telemetry", "-m", &self.memory_mb.to_string()]);
        say(&["--file-prefix", self.file_prefix.as_deref().unwrap_or("fairlead")]);
        // With --in-memory, --no-huge is an error in 22.11.
        say(if self.hugepages { &["--in-memory"] } else { &["--no-huge", "--no-shconf"] });
        let pci: Vec<&str> =
            self.devices.iter().map(String::as_str).filter(|device| Device::parse(device).is_pci()).collect();
        if pci.is_empty() {
            say(&["--no-pci"]);
        }
        for device in pci {
            say(&["-a", device]);
        }
        for argument in &self.extra {
            check(argument)?;
            say(&[argument]);
        }
        Ok(words)
    }
}

fn check(argument: &str) -> Result<(), Fault> {
    let refuse = |reason: &str| Err(Fault::Argument { argument: argument.to_owned(), reason: reason.to_owned() });
    if argument.is_empty() || argument.contains('\0') {
        return refuse("is empty or holds a zero byte: remove it");
    }
    let name = argument.split_once('=').map_or(argument, |(name, _)| name);
    match OURS.iter().find(|(ours, _)| *ours == name) {
        Some((_, whose)) => refuse(&format!("{whose}: remove it from eal")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> EalConfig {
        EalConfig {
            main_core: 3,
            worker_cores: vec![4],
            hugepages: false,
            memory_mb: 256,
            devices: vec!["net_null0".to_owned()],
            file_prefix: None,
            extra: Vec::new(),
        }
    }

    #[test]
    fn without_hugepages_and_pci_devices() {
        let words = config().arguments().expect("arguments").join(" ");
        let expected =
            "fairlead --lcores 0@3 --no-telemetry -m 256 --file-prefix fairlead --no-huge --no-shconf --no-pci";
        assert_eq!(words, expected);
    }

    #[test]
    fn with_hugepages_a_pci_device_and_more() {
        let config = EalConfig {
            hugepages: true,
            devices: vec!["net_null0".to_owned(), "0000:3b:00.1".to_owned(), "3b:00.2,rss=1".to_owned()],
            file_prefix: Some("lab".to_owned()),
            extra: vec!["--log-level=lib.eal:debug".to_owned()],
            ..config()
        };
        let words = config.arguments().expect("arguments").join(" ");
        let expected = "fairlead --lcores 0@3 --no-telemetry -m 256 --file-prefix lab --in-memory -a 0000:3b:00.1 \
                        -a 3b:00.2,rss=1 --log-level=lib.eal:debug";
        assert_eq!(words, expected);
    }

    #[test]
    fn what_the_file_says_elsewhere_is_refused() {
        for (argument, expected) in [
            ("--lcores=0-3", r#"[dpdk] eal: "--lcores=0-3" is set by [cores]: remove it from eal"#),
            ("--no-pci", r#"[dpdk] eal: "--no-pci" is set by the devices of [[port]]: remove it from eal"#),
            ("", r#"[dpdk] eal: "" is empty or holds a zero byte: remove it"#),
        ] {
            let config = EalConfig { extra: vec![argument.to_owned()], ..config() };
            assert_eq!(config.arguments().expect_err("refused").to_string(), expected);
        }
    }
}
