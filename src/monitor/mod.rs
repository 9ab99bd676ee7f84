//! Floor 2: is it alive, and who is chosen.
//!
//! Owns the questions put to members and what follows from their answers: when each is asked ([`schedule`]), how many
//! answers make a verdict ([`check`]), which member of a pool is active ([`election`]), and how a SIP OPTIONS request is
//! written and its answer read ([`sip`], [`sip_answer`]). Sends nothing, reads no clock, draws no randomness of its own:
//! time and a seed come in, probes to be started go out, and whoever carries them (`probe`) brings an
//! [`Outcome`] back. Read first: [`Monitors`], then [`election::choose`].

mod check;
mod due;
pub(crate) mod election;
mod history;
pub(crate) mod http;
mod outcome;
pub(crate) mod random;
mod schedule;
pub(crate) mod sip;
pub mod sip_answer;
#[cfg(test)]
mod tests;

pub use check::Check;
pub use history::{History, Past};
pub use outcome::{Outcome, ProbeId, Said, Start, Verdict};
pub use schedule::Monitors;
