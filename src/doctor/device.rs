//! What the `device` of a port stands on.

/// A NIC, or what takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device<'a> {
    /// A PCI device, with its domain: `0000:3b:00.0`.
    Pci(String),
    /// A virtual device on an interface of the kernel.
    Kernel {
        /// Such as `net_af_packet0`.
        driver: &'a str,
        /// Such as `eth0`.
        interface: &'a str,
    },
    /// Any other: what stands beneath is its own.
    Other,
}

/// Virtual devices that stand on an interface that is there already, by the beginning of their names. A tap makes its own.
const STANDS_ON: [&str; 6] = ["net_af_packet", "net_af_xdp", "net_pcap", "eth_af_packet", "eth_af_xdp", "eth_pcap"];
/// Arguments that name it, the first that is there counts.
const NAMED_BY: [&str; 4] = ["iface", "rx_iface", "rx_iface_in", "tx_iface"];

impl<'a> Device<'a> {
    /// By the text of the file.
    pub fn of(text: &'a str) -> Device<'a> {
        let (name, arguments) = text.split_once(',').unwrap_or((text, ""));
        if is_pci(name) {
            return Device::Pci(if name.len() == 7 { format!("0000:{name}") } else { name.to_owned() });
        }
        let named = |key: &&str| arguments.split(',').find_map(|it| it.strip_prefix(*key)?.strip_prefix('='));
        match NAMED_BY.iter().find_map(named) {
            Some(interface) if STANDS_ON.iter().any(|driver| name.starts_with(driver)) => {
                Device::Kernel { driver: name, interface }
            }
            _ => Device::Other,
        }
    }

    /// The kernel may join what it receives before we read it, and takes it as well: XDP takes frames before, and away.
    pub fn reads_after_the_kernel(&self) -> bool {
        matches!(self, Device::Kernel { driver, .. } if !driver.contains("af_xdp"))
    }

    /// Of an XDP device: the queues of its interface that it reads, by DPDK's `start_queue` and `queue_count`.
    pub fn xdp_queues(text: &str) -> Option<std::ops::Range<usize>> {
        let (name, arguments) = text.split_once(',')?;
        let number = |key: &str, usual: usize| {
            let value = arguments.split(',').find_map(|it| it.strip_prefix(key)?.strip_prefix('='));
            value.map_or(Some(usual), |value| value.trim().parse().ok())
        };
        let first = number("start_queue", 0)?;
        name.contains("af_xdp").then_some(first..first.saturating_add(number("queue_count", 1)?))
    }
}

/// `0000:3b:00.1`, or without the domain.
fn is_pci(name: &str) -> bool {
    let pattern = match name.len() {
        12 => "xxxx:xx:xx.x",
        7 => "xx:xx.x",
        _ => return false,
    };
    name.chars().zip(pattern.chars()).all(|(c, of)| if of == 'x' { c.is_ascii_hexdigit() } else { c == of })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_by_their_texts() {
        let kernel = |driver, interface| Device::Kernel { driver, interface };
        for (text, device) in [
            ("3b:00.1", Device::Pci("0000:3b:00.1".into())),
            ("0000:3b:00.0,safe-mode-support=1", Device::Pci("0000:3b:00.0".into())),
            ("net_af_packet0,iface=eth1,framecnt=512", kernel("net_af_packet0", "eth1")),
            ("net_pcap0,rx_iface_in=inner0,tx_iface=inner0", kernel("net_pcap0", "inner0")),
            ("net_af_xdp0,start_queue=0,iface=eth2", kernel("net_af_xdp0", "eth2")),
            ("net_tap0,iface=fl0", Device::Other),
            ("net_null0", Device::Other),
        ] {
            assert_eq!(Device::of(text), device, "{text}");
        }
        assert!(Device::of("net_pcap0,iface=eth0").reads_after_the_kernel());
        assert!(!Device::of("net_af_xdp0,iface=eth0").reads_after_the_kernel());
        assert_eq!(Device::xdp_queues("net_af_xdp0,iface=eth0"), Some(0..1));
        assert_eq!(Device::xdp_queues("net_af_xdp0,iface=eth0,start_queue=4,queue_count=2"), Some(4..6));
        assert_eq!(Device::xdp_queues("net_pcap0,iface=eth0"), None);
    }
}
