//! How a stream begins: the mark, the format, and who speaks.
//!
//! Owns [`Hello`], a text of JSON, so that a later version can say more to an earlier one.

use serde::{Deserialize, Serialize};

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
}
