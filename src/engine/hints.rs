//! By what workers tell each other whom they have given something to.
//!
//! Owns the number and the second under which a persistence record stands in the table of all workers, and that one which was taken up of
//! another process is left there. Who looks there, and believes what, is `persistence`'s.

use super::identification::mix;
use crate::flow::{PersistenceKey, PersistenceTable};
use crate::policy::health::Generation;
use crate::policy::intent::MemberId;
use crate::policy::{Life, Snapshot};
use crate::time::Instant;

/// What one worker has taken up of another process is for all of them to find.
pub(super) fn leave_hints(snapshot: &Snapshot, table: Option<&PersistenceTable>) {
    let Some((hints, table)) = snapshot.persistence_hints().zip(table) else { return };
    for (key, record, used) in table.oldest_first() {
        if snapshot.members.find(usize::from(record.member.id), Life(record.member.since)).is_some() {
            hints.note(mixed(key), MemberId(record.member.id), Generation(record.generation), second(used));
        }
    }
}

/// A number that stands for what belongs together.
pub(super) fn mixed(key: PersistenceKey) -> u64 {
    let number = key.number ^ u64::from(key.pool) << 48;
    u64::from(mix(number)) << 32 | u64::from(mix(!number))
}

/// When.
pub(super) fn second(now: Instant) -> u64 {
    now.nanos() / 1_000_000_000
}
