//! Fairlead: a packet appliance that stands in front of pairs of SIP Servers.
//!
//! The floors, from the ground up; imports go down only (`tests/floors.rs` holds it):
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | 0 | [`wire`], [`time`] | bytes and facts; a point in time |
//! | 1 | [`flow`], [`policy`], [`io`] | who is talking; what is meant; what a NIC is to us |
//! | 2 | [`engine`], [`monitor`] | the decision; is it alive |
//! | 3 | [`worker`], `dpdk` | one turn of the loop; the only unsafe code |
//! | 4 | [`control`] | file, controller, neighbours, probes' host stack, admin socket |
//! | 5 | [`cli`], `app` | the command; wiring, threads, signals |

#[cfg(feature = "dpdk")]
pub mod app;
pub mod cli;
pub mod control;
#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod engine;
pub mod flow;
pub mod io;
pub mod monitor;
pub mod policy;
pub mod time;
pub mod wire;
pub mod worker;
