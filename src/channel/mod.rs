//! Floor 5: the connection between two appliances of a pair.
//!
//! Owns who may be at the other end ([`Identity`]: mutual TLS 1.3, each knows the other's certificate, and nobody signs any), and the thread
//! that connects, listens, carries what [`crate::sync`] says, and notices within a second that nobody is there any more. Decides nothing
//! about flows. A connection that is slow or away holds up this thread alone.

mod board;
mod identity;
mod peers;
mod service;

pub use board::{Board, ChannelState};
pub use identity::{Identity, IdentityError, NewIdentity, new_identity};
pub use service::{Channel, Sockets};
