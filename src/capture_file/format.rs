//! Numbers that pcap and pcapng are made of.
//!
//! Owns names for them and the order of bytes. Decides nothing.

/// Ethernet, in the registry of link types.
pub(super) const ETHERNET: u16 = 1;
/// The largest packet that is read, as libpcap's MAXIMUM_SNAPLEN.
pub(super) const MOST_PACKET: usize = 262_144;

/// The largest block that is read into memory: a packet with much said of it.
pub(super) const MOST_BLOCK: usize = 1 << 20;
/// How many interfaces of a section are kept.
pub(super) const MOST_INTERFACES: usize = 1_024;

/// Block types of pcapng.
pub(super) mod block {
    pub const SECTION: u32 = 0x0a0d_0d0a;
    pub const INTERFACE: u32 = 1;
    /// The obsolete Packet Block.
    pub const PACKET: u32 = 2;
    pub const SIMPLE: u32 = 3;
    pub const ENHANCED: u32 = 6;
    /// In the order of the section.
    pub const BYTE_ORDER: u32 = 0x1a2b_3c4d;
}

/// Option codes of pcapng; they mean something only in their block.
pub(super) mod option {
    pub const END: u16 = 0;
    pub const COMMENT: u16 = 1;
    pub const SECTION_APPLICATION: u16 = 4;
    pub const INTERFACE_NAME: u16 = 2;
    pub const INTERFACE_RESOLUTION: u16 = 9;
    pub const INTERFACE_OFFSET: u16 = 14;
    pub const PACKET_FLAGS: u16 = 2;
    pub const PACKET_DROPS: u16 = 4;
}

/// The order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The number of two bytes at `at`; zero where there are none.
    pub fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let number = array(bytes, at);
        if self == Order::Little { u16::from_le_bytes(number) } else { u16::from_be_bytes(number) }
    }

    /// The number of four bytes at `at`; zero where there are none.
    pub fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let number = array(bytes, at);
        if self == Order::Little { u32::from_le_bytes(number) } else { u32::from_be_bytes(number) }
    }

    /// The number of eight bytes at `at`; zero where there are none.
    pub fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let number = array(bytes, at);
        if self == Order::Little { u64::from_le_bytes(number) } else { u64::from_be_bytes(number) }
    }
}

/// What a number of the registry is, in words, and how such a capture comes about.
pub(super) fn link_name(link: u16) -> &'static str {
    match link {
        0 | 108 => "loopback (BSD)",
        12 | 101 | 228 | 229 => "raw IP",
        105 => "802.11",
        113 => "Linux cooked, as of the interface \"any\"",
        127 => "802.11 with radiotap",
        147..=162 => "reserved for private use",
        187 | 201 => "Bluetooth",
        239 => "netfilter log",
        253 => "netlink",
        252 => "Wireshark upper PDU",
        276 => "Linux cooked v2, as of the interface \"any\"",
        _ => "another one",
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}
