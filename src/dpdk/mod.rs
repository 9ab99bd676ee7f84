//! Floor 3: the safe layer over DPDK, and the only unsafe code.
//!
//! Owns the environment abstraction layer ([`Eal`]), the pool of buffers, frames in them ([`Mbuf`]), and NICs with their
//! queues ([`Ports`], [`Queue`]). Knows neither what is in a frame nor what is done with it, reads no clock, and never
//! unwinds into C. Read first: [`Eal::init`], [`Eal::open_ports`], [`Ports::queues_for`], [`Eal::run_worker`], in that
//! order: it is the life of the appliance.

mod args;
mod attach;
mod carrier;
mod cores;
mod device;
mod eal;
mod ended;
mod error;
mod events;
mod frame;
mod growing;
mod inherited;
mod interface;
mod large_pages;
mod log;
mod macs;
mod mempool;
mod nic;
mod port;
mod queue;
mod rss;
mod vlans;

pub use args::EalConfig;
pub use eal::{Eal, linked_version};
pub use error::DpdkError;
pub use events::DeviceEvents;
pub use frame::Mbuf;
pub use inherited::{files_given, keep_files_from_programs};
pub use interface::joins_segments;
pub use large_pages::LargePages;
pub use nic::PortFacts;
pub use port::{Link, PortConfig, Ports};
pub use queue::Queue;
pub use rss::{Hashing, Rss};
