//! Floor 4: what two appliances of a pair tell each other of flows.
//!
//! Owns the stream: how it begins, its messages, and what each side does with them, sans-I/O. Whoever is active feeds whoever stands by:
//! all once, what changes at once, and which flows live on; what is told goes from worker to worker, past management. Frames and records are
//! those of the hand-over ([`crate::handover`]). Whatever comes from the other side is looked at before anything of it is believed; what is
//! damaged ends the connection with a reason. Opens no socket, reads no clock. Read first: [`Message`] for what is said, then [`Sync`].

mod connection;
mod hello;
mod lateness;
mod message;
mod refusal;
mod report;
mod sending;
mod side;
mod texts;
mod unacked;

#[cfg(test)]
mod tests;

pub use hello::{FORMAT, Hello};
pub use message::Message;
pub use refusal::Refusal;
pub use report::{News, Report, State};
pub use side::{SILENCE, Sync};
pub use texts::{Differences, LONGEST, Topic};
