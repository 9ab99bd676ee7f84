//! Floor 1: who is talking.
//!
//! Owns what a worker remembers of traffic: flows and their expiry, TCP states, which member last spoke to a remote
//! endpoint, and which outside port belongs to whom. Never decides anything (what may be opened, where it goes, whom a
//! member id names), reads no clock, and knows no bytes. Read first: [`flow`](mod@flow) (what an entry says), then
//! [`table`] (how it is found and forgotten), [`tcp`], [`speakers`] and [`ports`].

pub mod flow;
mod index;
pub mod key;
pub mod lifetime;
mod list;
pub mod ports;
pub mod side;
pub mod speakers;
pub mod table;
pub mod tcp;

pub use flow::{Flow, NO_MEMBER, PathKind};
pub use key::KeyAddress;
pub use lifetime::{Class, Lifetimes};
pub use ports::{ClaimTable, Claims, ReservedPorts};
pub use side::Side;
pub use speakers::{Addressed, Speaker, Speakers};
pub use table::{Fate, FlowId, FlowTable, Refused};
pub use tcp::{ResetSegment, State, Track, Transition};
