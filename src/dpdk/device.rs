//! What the operator wrote as a port's device.
//!
//! Owns its reading: a PCI address or a virtual device, each with arguments; and what is added to the arguments of
//! drivers that need the number of queues. Touches no device.

use std::borrow::Cow;

/// Where the kernel's module vhost-net is asked for a device.
pub(super) const VHOST_NET: &str = "/dev/vhost-net";

/// A device as written in a `[[port]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device<'a> {
    /// A PCI address, or the name of a virtual device such as `net_tap0`.
    pub(super) name: &'a str,
    /// What follows the first comma.
    pub(super) arguments: &'a str,
}

/// How many bytes the kernel's packet ring has in each direction of a queue pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketRing {
    /// What carries tens of thousands of frames a second through the pauses of a busy machine.
    Long = 8 << 20,
    /// What a user without privilege may lock in memory.
    Short = 512 << 10,
}

/// A block of the packet ring, in bytes.
const PACKET_RING_BLOCK: u32 = 128 << 10;

/// A frame of the packet ring, in bytes: the driver does MTUs up to 1500, and the kernel's header is below 100.
const PACKET_RING_FRAME: u32 = 2048;

impl<'a> Device<'a> {
    pub(super) fn parse(text: &'a str) -> Device<'a> {
        let (name, arguments) = text.split_once(',').unwrap_or((text, ""));
        Device { name: name.trim(), arguments: arguments.trim() }
    }

    /// Whether the name is a PCI address: `0000:3b:00.1` or `3b:00.1`.
    pub(super) fn is_pci(&self) -> bool {
        let hex = |part: &str, digits| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parts: Vec<&str> = self.name.split([':', '.']).collect();
        match parts[..] {
            [domain, bus, slot, function] => hex(domain, 4) && hex(bus, 2) && hex(slot, 2) && hex(function, 1),
            [bus, slot, function] => hex(bus, 2) && hex(slot, 2) && hex(function, 1),
            _ => false,
        }
    }

    /// A PCI address with its domain.
    pub(super) fn pci_address(&self) -> String {
        let domain = if self.name.matches(':').count() == 1 { "0000:" } else { "" };
        format!("{domain}{}", self.name.to_ascii_lowercase())
    }

    /// The value of an argument, when it is given.
    pub(super) fn argument(&self, key: &str) -> Option<&'a str> {
        self.arguments
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// The interfaces of the kernel that the virtual device stands on.
    pub(super) fn interfaces(&self) -> Vec<&'a str> {
        let keys: &[&str] = match () {
            () if self.is("net_af_packet") || self.is("net_af_xdp") => &["iface"],
            () if self.is("net_pcap") => &["iface", "rx_iface", "rx_iface_in", "tx_iface"],
            () => &[],
        };
        let mut names: Vec<_> = keys.iter().filter_map(|key| self.argument(key)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Of one that connects to another program, and does so once: what would let it listen, and be connected to again.
    pub(super) fn listens_with(&self) -> Option<&'static str> {
        let (key, value, argument) = match () {
            () if self.is("net_memif") => ("role", "server", "role=server"),
            () if self.is("net_virtio_user") && !self.is_by_vhost_net() => ("server", "1", "server=1"),
            () => return None,
        };
        (self.argument(key) != Some(value)).then_some(argument)
    }

    /// Whether the virtual device is one of the kernel's as well, by vhost-net: nobody has to listen there, and nobody goes away.
    pub(super) fn is_by_vhost_net(&self) -> bool {
        self.is("net_virtio_user") && self.argument("path") == Some(VHOST_NET)
    }

    /// Whether the virtual device is made by this driver.
    pub(super) fn is(&self, driver: &str) -> bool {
        self.name.strip_prefix(driver).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// The arguments the driver is given: those written, and where they leave it open, as many queue pairs as there are
    /// receive queues wanted, for the kernel's packet socket a ring of the given size, and for libpcap the interface's own
    /// MAC: its driver counts addresses up from one that is the same in every process of every machine.
    pub(super) fn full_arguments(&self, queues: u16, ring: PacketRing) -> Cow<'a, str> {
        let mut arguments = Cow::Borrowed(self.arguments);
        let mut add = |key: &str, value: String| {
            let comma = if arguments.is_empty() { "" } else { "," };
            arguments.to_mut().push_str(&format!("{comma}{key}={value}"));
        };
        let count_key = match () {
            () if self.is("net_af_packet") => "qpairs",
            () if self.is("net_vhost") || self.is("net_virtio_user") => "queues",
            () => "",
        };
        if !count_key.is_empty() && queues > 1 && self.argument(count_key).is_none() {
            add(count_key, queues.to_string());
        }
        let ring_keys = ["framesz", "blocksz", "framecnt"];
        if self.is("net_af_packet") && ring_keys.iter().all(|key| self.argument(key).is_none()) {
            add("framesz", PACKET_RING_FRAME.to_string());
            add("blocksz", PACKET_RING_BLOCK.to_string());
            add("framecnt", (ring as u32 / PACKET_RING_FRAME).to_string());
        }
        if self.is("net_pcap") && self.argument("iface").is_some() && self.argument("phy_mac").is_none() {
            add("phy_mac", "1".to_owned());
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_told_apart() {
        let rows = [
            ("0000:3b:00.1", true),
            ("3b:00.1", true),
            ("0000:3B:00.0,rss=1", true),
            ("net_tap0", false),
            ("net_tap0,iface=a:b.c", false),
            ("0000:3b:00", false),
            ("", false),
        ];
        for (text, is_pci) in rows {
            assert_eq!(Device::parse(text).is_pci(), is_pci, "{text}");
        }
        assert_eq!(Device::parse("3B:00.1,x=1").pci_address(), "0000:3b:00.1");
        assert_eq!(Device::parse("0000:3b:00.1").pci_address(), "0000:3b:00.1");
    }

    #[test]
    fn a_driver_is_named_by_what_precedes_the_number() {
        assert!(Device::parse("net_af_packet12,iface=x").is("net_af_packet"));
        assert!(!Device::parse("net_af_packets0").is("net_af_packet"));
        assert_eq!(Device::parse("net_af_packet0,iface=x,qpairs=2").argument("qpairs"), Some("2"));
        assert_eq!(Device::parse("net_af_packet0").argument("iface"), None);
    }

    #[test]
    fn interfaces_beneath_are_found() {
        let rows: [(&str, &[&str]); 5] = [
            ("net_af_packet0,iface=x", &["x"]),
            ("net_af_xdp0,iface=x,start_queue=0", &["x"]),
            ("net_pcap0,rx_iface_in=x,tx_iface=x", &["x"]),
            ("net_pcap0,rx_iface=y,tx_iface=x", &["x", "y"]),
            ("net_vhost0,iface=/tmp/s", &[]),
        ];
        for (text, expected) in rows {
            assert_eq!(Device::parse(text).interfaces(), expected, "{text}");
        }
    }

    #[test]
    fn what_the_operator_left_open_is_added_and_what_he_wrote_is_kept() {
        let rows = [
            ("net_null0", 2, ""),
            ("net_tap0,iface=x", 2, "iface=x"),
            ("net_af_packet0,iface=x", 1, "iface=x,framesz=2048,blocksz=131072,framecnt=4096"),
            ("net_af_packet0,iface=x", 2, "iface=x,qpairs=2,framesz=2048,blocksz=131072,framecnt=4096"),
            ("net_af_packet0,iface=x,qpairs=1,framecnt=64", 2, "iface=x,qpairs=1,framecnt=64"),
            ("net_vhost0,iface=/tmp/s", 3, "iface=/tmp/s,queues=3"),
            ("net_pcap0,iface=x", 1, "iface=x,phy_mac=1"),
            ("net_pcap0,iface=x,phy_mac=0", 1, "iface=x,phy_mac=0"),
            ("net_pcap0,rx_iface_in=x,tx_iface=x", 1, "rx_iface_in=x,tx_iface=x"),
        ];
        for (text, queues, expected) in rows {
            assert_eq!(Device::parse(text).full_arguments(queues, PacketRing::Long), expected, "{text}");
        }
        let short = Device::parse("net_af_packet0").full_arguments(1, PacketRing::Short);
        assert_eq!(short, "framesz=2048,blocksz=131072,framecnt=256");
    }
}
