//! The bench that tests put the appliance on: ports in memory, neighbours made of bytes, a clock that the test holds.
//!
//! * [`rig`] is workers on ports of any kind, with the test in the place of management; [`lab`] puts neighbours around it
//!   and says what they send and get; [`fragments`] is the same for datagrams in pieces.
//! * [`bench`] is the whole appliance, controller and all, with members, a router and an operator.
//! * [`explained`] asks what would happen to a frame; [`pair`] is two appliances and the wire between; [`namespace`] gives a test a network namespace of its own.
//! * [`places`] says who is where; [`plan`] is a configuration of two pairs that changes by chance, [`features`] what it may say of them,
//!   [`dice`] is chance, and [`mend`] makes damaged frames pass the first check.
//!
//! Never asserts how the appliance decides: only what comes out, what was counted, and that nothing was lost.

pub mod bench;
pub mod dice;
pub mod explained;
pub mod features;
pub mod fragments;
pub mod lab;
pub mod mend;
pub mod namespace;
pub mod pair;
pub mod places;
pub mod plan;
pub mod rig;

/// A file with one pair between two ports, and nothing in it that has a default: what nearly every test starts from.
///
/// Tests, the lab and the rigs all read this one, and say what they change in it as texts to replace. The devices are PCI
/// addresses, for which no test has a NIC; the interface towards clients is tagged.
pub const TWO_ARM: &str = include_str!("../two-arm.toml");
