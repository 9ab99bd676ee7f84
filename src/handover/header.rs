//! The first chunk: whose the file is, and of when.
//!
//! Owns [`Header`], and whether what it says fits here and now.

use super::coding::{Put, Take};
use super::refusal::Refusal;
use crate::time::{Duration, Instant};

/// The format that is written, and the only one that is read.
pub const FORMAT: u16 = 1;
/// For how long a file counts.
pub const FRESH: Duration = Duration::from_secs(30);

/// Where and when a file is written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// Which start of the host it is: `boot_id` of the kernel.
    pub boot: [u8; 16],
    /// For how long the host has been up.
    pub uptime: Duration,
    /// What the appliance calls itself.
    pub name: String,
}

/// What the first chunk says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where and when it was written.
    pub here: Here,
    /// The same moment by the clock that all others in the file are of.
    pub now: Instant,
    /// The last snapshot of the one that wrote it.
    pub epoch: u64,
    /// How many workers that had.
    pub workers: u16,
}

impl Header {
    pub(super) fn put(&self, into: &mut Put) {
        let Header { here: Here { boot, uptime, name }, now, epoch, workers } = self;
        into.0.extend_from_slice(boot);
        into.u64(nanos(*uptime));
        into.instant(*now);
        into.u64(*epoch);
        into.u16(*workers);
        into.0.extend_from_slice(&name.as_bytes()[..name.len().min(1_024)]);
    }

    pub(super) fn take(payload: &[u8]) -> Option<Header> {
        let mut from = Take(payload);
        let (boot, uptime) = (from.array()?, Duration::from_nanos(from.u64()?));
        let (now, epoch, workers) = (from.instant()?, from.u64()?, from.u16()?);
        let name = std::str::from_utf8(from.0).ok()?.to_owned();
        Some(Header { here: Here { boot, uptime, name }, now, epoch, workers })
    }

    /// How old it is, if it counts here and now.
    ///
    /// # Errors
    /// Why it does not.
    pub fn age(&self, here: &Here) -> Result<Duration, Refusal> {
        if self.here.boot != here.boot {
            return Err(Refusal::OtherBoot);
        }
        if self.here.name != here.name {
            return Err(Refusal::Foreign { name: self.here.name.escape_debug().to_string() });
        }
        let (written, now) = (self.here.uptime, here.uptime);
        match now.checked_sub(written) {
            Some(age) if age <= FRESH => Ok(age),
            Some(age) => Err(Refusal::Stale { age, fresh: FRESH }),
            None => Err(Refusal::NotYet { ahead: written - now }),
        }
    }

    /// A moment of the file by the clock of whoever reads it, which counts from the start of the host.
    pub(super) fn moved(&self, at: Instant) -> Instant {
        let ahead = i128::from(nanos(self.here.uptime)) - i128::from(self.now.nanos());
        let moved = (i128::from(at.nanos()) + ahead).clamp(0, i128::from(u64::MAX));
        Instant::from_nanos(moved as u64)
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
