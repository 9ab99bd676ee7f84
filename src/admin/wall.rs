//! A point in time by the calendar, for people and their tools.
//!
//! Owns how such a moment is written: an RFC 3339 text in UTC. Reads no clock.

use crate::time::Duration;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time by the calendar: microseconds since 1970-01-01 UTC. In JSON an RFC 3339 text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub u64);

/// The last moment of the year 9999, which RFC 3339 cannot pass.
const WALL_MAX: u64 = 253_402_300_799_999_999;

impl Wall {
    /// The moment `span` after this one.
    pub fn plus(self, span: Duration) -> Wall {
        Wall(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// The moment `span` before this one.
    pub fn minus(self, span: Duration) -> Wall {
        Wall(self.0.saturating_sub(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when `earlier` is later.
    pub const fn since(self, earlier: Wall) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Wall {
    fn from(time: SystemTime) -> Wall {
        Wall::default().plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = UNIX_EPOCH + Duration::from_micros(self.0.min(WALL_MAX));
        humantime::format_rfc3339_micros(time).fmt(f)
    }
}

impl Serialize for Wall {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wall {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Wall, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_rfc3339(&text).map(Wall::from).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_travels_as_rfc_3339() {
        let moment = Wall(1_795_352_645_123_456);
        let text = serde_json::to_string(&moment).unwrap();
        assert_eq!(text, "\"2026-11-22T13:04:05.123456Z\"");
        assert_eq!(serde_json::from_str::<Wall>(&text).unwrap(), moment);
        assert_eq!(Wall(u64::MAX).to_string(), "9999-12-31T23:59:59.999999Z");
        assert!(serde_json::from_str::<Wall>("\"yesterday\"").is_err());
    }
}
