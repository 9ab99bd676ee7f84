//! Fairlead: a packet appliance that stands in front of pairs of SIP Servers.
//!
//! The floors, from the ground up; imports go down only (`tests/floors` holds it):
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | 0 | [`wire`], [`capture_file`], [`time`], [`chance`] | bytes and facts; files of packets; a point in time; numbers that follow from a seed |
//! | 1 | [`flow`], [`policy`], [`io`] | who is talking; what is meant; what a NIC is to us |
//! | 1 | [`netlink`] | links and addresses of the kernel, by rtnetlink |
//! | 2 | [`engine`], [`monitor`] | the decision; is it alive |
//! | 2 | [`handover`] | the file in which one process leaves the next one what it remembers |
//! | 3 | [`worker`], `dpdk` | one turn of the loop; the only unsafe code |
//! | 3 | [`config`], [`probe`] | the file; the host stack that carries probes |
//! | 4 | [`admin`], [`explain`], [`doctor`] | what an operator asks and is answered; metrics; what happens to one packet, and why; what is wrong with the box |
//! | 4 | [`host`] | the kernel's devices of interfaces, and the thread that serves them |
//! | 4 | [`sync`] | what two appliances of a pair tell each other of flows |
//! | 4 | [`support`] | one archive of all that somebody needs who was not there |
//! | 5 | [`channel`] | the connection between two appliances of a pair |
//! | 5 | [`control`] | the controller and its parts |
//! | 6 | [`replay`], [`cli`], [`programs`], [`keepalived`], [`peer`], `app` | a capture through a worker; the command; programs of the operator's; who of a pair is active; the other one of it; wiring, threads, signals |

pub mod admin;
#[cfg(feature = "dpdk")]
pub mod app;
pub mod capture_file;
pub mod chance;
pub mod channel;
pub mod cli;
pub mod config;
pub mod control;
pub mod doctor;
#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod engine;
pub mod events;
pub mod explain;
pub mod flow;
pub mod handover;
pub mod host;
pub mod import;
pub mod io;
pub mod keepalived;
pub mod monitor;
pub mod netlink;
pub mod peer;
pub mod policy;
pub mod probe;
pub mod programs;
pub mod replay;
pub mod support;
pub mod sync;
pub mod time;
pub mod wire;
pub mod worker;
