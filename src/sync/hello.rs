//! How a stream begins: the mark, the format, and who speaks.
//!
//! Owns [`Hello`], a text of JSON, so that a later version can say more to an earlier one.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What every stream begins with.
pub(super) const MARK: [u8; 8] = *b"FLEADSY\n";
/// How many bytes the mark and the format have.
pub(super) const GREETING: usize = MARK.len() + 2;
/// The format that is spoken, and the only one that is understood.
pub const FORMAT: u16 = 1;

/// Who speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What the appliance calls itself.
    pub name: String,
    /// Drawn at its start: no two processes have the same.
    pub process: u64,
    /// What the order is drawn from in which ports of SNAT addresses are given away.
    pub snat_seed: u64,
    /// Of each key of its file that must be the same on both, a digest of what it says.
    pub configuration: BTreeMap<String, u64>,
}

impl Hello {
    /// The keys whose values are not those of `other`, in order.
    pub fn differences(&self, other: &Hello) -> Vec<String> {
        let keys = self.configuration.keys().chain(other.configuration.keys());
        let differs = |key: &&String| self.configuration.get(*key) != other.configuration.get(*key);
        let mut keys: Vec<String> = keys.filter(differs).cloned().collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}
