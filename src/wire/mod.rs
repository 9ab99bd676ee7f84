//! Floor 0: bytes to facts, and facts to bytes.
//!
//! Owns every format on the wire: Ethernet with one 802.1Q tag, ARP, IPv4, ICMP, TCP, UDP, and their checksums. Knows no state, no clock,
//! no configuration: a function here sees one packet. Read first: [`packet`] (what is known of one) and [`facts`] (what that is made of),
//! then [`rewrite`] (how it is changed), [`fragment`] (how it comes and goes in fragments), then [`reply`] and [`compose`] (how one is
//! made); [`sip`] for what a datagram to a SIP Server says of itself, [`transaction`] for which answer is a request's, [`summary`] for
//! what is counted; [`bpf`] for which frames a capture means; [`toeplitz`] for how NICs spread packets. For tests, and not in the product: `build` makes frames, `check` proves
//! them whole, `shown` prints them.

pub mod addr;
pub mod arp;
pub mod bpf;
#[cfg(feature = "testbench")]
pub mod build;
mod bytes;
#[cfg(feature = "testbench")]
pub mod check;
pub mod checksum;
pub mod compose;
pub mod ethernet;
pub mod facts;
pub mod fragment;
pub mod icmp;
pub mod ipv4;
pub mod packet;
pub mod reply;
pub mod rewrite;
#[cfg(feature = "testbench")]
pub mod shown;
pub mod sip;
pub mod summary;
pub mod tcp;
pub mod toeplitz;
pub mod transaction;
pub mod udp;
pub mod unfinished;

pub use addr::{Address, Endpoint, Mac, Ports, Protocol, Tuple, VlanId};
pub use ethernet::RxKey;
pub use facts::{Kind, Malformed};
pub use packet::Packet;
pub use rewrite::Rewrite;
