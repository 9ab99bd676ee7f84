//! Floor 1: who is talking.
//!
//! Owns what a worker remembers of traffic: flows and their expiry, TCP states, which member last spoke to a remote endpoint,
//! which outside port belongs to whom, and which datagrams are not whole yet. Never decides anything (what may be opened, where
//! it goes, whom a member id names), reads no clock, and knows no bytes. Read first: [`entry`] (what a flow says), then
//! [`table`] (how it is found and forgotten), [`tcp`] and [`tcp_state`], [`speakers`], [`ports`] and [`snat_ports`], [`fragments`];
//! [`record`] for all of that as data, of which another process makes the same again.

mod entry;
pub mod fragments;
mod journal;
pub mod key;
mod lifetime;
mod list;
mod lru;
mod persistence;
mod port_cells;
mod port_order;
mod ports;
mod record;
mod remotes;
mod route_cache;
mod snat_ports;
mod speakers;
mod table;
pub(crate) mod tcp;
mod tcp_state;

pub use entry::{Flow, NO_MEMBER, NO_VIRTUAL_SERVER, PathKind};
pub use fragments::{Fragments, MOST_FRAGMENTS};
pub use key::{Direction, KeyAddress, Tag};
pub use lifetime::{Lifetimes, TimeoutClass};
pub use persistence::{PersistenceKey, PersistenceRecord, PersistenceTable};
pub use port_order::{Range, ReservedPorts};
pub use ports::PortAllocator;
pub use record::{AskedRecord, FlowRecord, SpeakerRecord, StaysRecord};
pub use route_cache::RouteCache;
pub use snat_ports::SnatPorts;
pub use speakers::{MemberRef, Peer, Speaker, Speakers};
pub use table::{CachedRoute, Fate, FlowCount, FlowId, FlowName, FlowTable, Refused, SlotHint};
pub use tcp::{ResetSegment, Track, TrackRecord};
pub use tcp_state::State;
