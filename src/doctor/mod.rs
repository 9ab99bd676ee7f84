//! What is wrong with the box and with what goes on around the appliance, from facts that were gathered before.
//!
//! Owns the checks: each is one function in one table, which reads [`Facts`] and finds. Asks nobody, starts nothing and changes nothing:
//! whoever gathers the facts does that. Read first: [`checks`].

pub mod checks;
mod cpus;
mod device;
mod facts;
mod finding;
mod found;
mod host;

pub use device::Device;
pub use facts::{COUNTERS_BEFORE, ELSEWHERE, Elsewhere, Facts, File, Offloads, PairFile, Tables, Unheard, history_of};
pub use finding::{Diagnosis, FindingRow, FindingSeverity, LeftOutRow};
pub use found::LeftOut;
pub use host::{Host, Reading};
