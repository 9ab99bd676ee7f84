//! What one appliance of a pair knows of the other, as data.

use crate::policy::intent::PairRole;
use crate::sync::{Report, State};
use crate::time::Duration;
use crate::wire::Mac;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::net::{Ipv4Addr, SocketAddr};

/// What the other appliance says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerState {
    /// What it is.
    pub role: PairRole,
    /// Its `[pair] priority`.
    pub priority: u16,
    /// Its address, by which two of the same priority are told apart.
    pub address: Ipv4Addr,
    /// Its MACs on its ports, by which its ARP is known.
    #[serde(serialize_with = "octets", deserialize_with = "macs")]
    pub macs: Vec<Mac>,
    /// It is active by an operator's word: the number of that word, higher than any that it had heard of then; 0: by somebody else's.
    #[serde(default)]
    pub order: u64,
}

/// Who is farther behind than this is not in sync: what began meanwhile would be lost by a take-over. Management may be away for less.
pub const LAG: Duration = Duration::from_secs(1);

/// How far this appliance has what the other one knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncState {
    /// It has all that was there when it was connected, and what came since, but for a moment's worth.
    pub is_in_sync: bool,
    /// Changes that are on their way, as far as is known.
    pub lag_flows: u64,
    /// How old the oldest of them is.
    pub lag: Duration,
}

/// How the connection stands, as its thread shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// What the sync says.
    pub report: Report,
    /// Where the other one is connected to, or from.
    pub peer: Option<SocketAddr>,
    /// Why nobody can connect here, if this one listens.
    pub listening: Option<String>,
}

impl LinkFacts {
    /// How far one has what the other knows; `None`: neither is told anything.
    pub(super) fn sync(&self) -> Option<SyncState> {
        let Report { state, lag_records, lag, .. } = self.report;
        let is_in_sync = state == State::InSync && lag <= LAG;
        (state == State::InSync || is_copying(state)).then_some(SyncState { is_in_sync, lag_flows: lag_records, lag })
    }

    /// Why there is no connection.
    pub(super) fn failure(&self) -> &str {
        let why = self.listening.as_deref().or(self.report.last_error.as_deref());
        why.unwrap_or("it has not been tried yet")
    }
}

/// All is being told, or has to be.
pub(super) fn is_copying(state: State) -> bool {
    matches!(state, State::Copying | State::CopyDue)
}

/// MACs as lists of six octets.
fn octets<S: Serializer>(macs: &[Mac], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(macs.iter().map(|mac| mac.0))
}

fn macs<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Mac>, D::Error> {
    Ok(Vec::<[u8; 6]>::deserialize(from)?.into_iter().map(Mac).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_all_but_is_seconds_behind_is_not_in_sync() {
        for (state, lag, is_in_sync) in [
            (State::InSync, 0, Some(true)),
            (State::InSync, 1_000, Some(true)),
            (State::InSync, 1_001, Some(false)),
            (State::Copying, 0, Some(false)),
            (State::Away, 0, None),
        ] {
            let report = Report { state, lag: Duration::from_millis(lag), ..Report::default() };
            let facts = LinkFacts { report, ..LinkFacts::default() };
            assert_eq!(facts.sync().map(|sync| sync.is_in_sync), is_in_sync, "{state:?}, {lag} ms");
        }
    }
}
