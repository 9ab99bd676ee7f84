//! Who is where in [`crate::TWO_ARM`] and around it, and the segments that they send.

use fairlead::policy::intent::PortId;
use fairlead::wire::Endpoint;
use fairlead::wire::tcp::Flags;

/// The virtual address.
pub const V: &str = "10.20.0.100";
/// The members.
pub const A: &str = "10.20.0.11";
pub const B: &str = "10.20.0.12";
/// Our addresses towards the members and towards the router.
pub const G: &str = "10.20.0.1";
pub const E: &str = "192.0.2.2";
/// The router.
pub const R: &str = "192.0.2.1";

pub const OUTER: PortId = PortId(0);
pub const INNER: PortId = PortId(1);

pub const PHONE: &str = "172.16.5.5";
pub const PEER: &str = "172.16.9.9";
/// A host in the exclusion group.
pub const CONFIG: &str = "172.16.1.20";
pub const VISITOR: &str = "172.16.7.70";

pub const ACK: Flags = Flags::ACK;
pub const SYN: Flags = Flags::SYN;
pub const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
pub const FIN_ACK: Flags = Flags::FIN.with(Flags::ACK);
pub const DATA: Flags = Flags::PSH.with(Flags::ACK);

pub fn at(address: &str, port: u16) -> Endpoint {
    Endpoint::new(address.parse().expect("an address"), port)
}
