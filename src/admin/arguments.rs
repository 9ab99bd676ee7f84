//! What the arguments of requests may be.
//!
//! Owns their bounds, and the reading of those that serde alone would take whatever they are. Knows no request.

use super::events::COMMENT_MAX;
use crate::config::{parse_prefix, visible};
use ipnet::Ipv4Net;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Rows that `flows` answers with when no limit is given.
pub const FLOWS_DEFAULT: usize = 1000;
/// Rows that `flows` answers with at most.
pub const FLOWS_MAX: usize = 100_000;
/// Seconds that a drill may take at most.
pub const DRILL_MAX: u64 = 3_600;
/// Seconds for which a member may be drained at most: 30 days.
pub const DRAIN_MAX: u64 = 30 * 86_400;
/// Seconds for which a configuration may wait for its confirmation at most.
pub const CONFIRM_MAX: u64 = 86_400;
/// Longest file that a request carries, in bytes: written as JSON it is longer.
pub const FILE_MAX: usize = 8 << 20;
/// Longest name of a member, a pool or a virtual server that is looked up, in bytes.
pub const NAME_MAX: usize = 255;
/// How much a packet that is asked about can say, in bytes.
pub const CONTENT_MAX: usize = 65_000;

pub(super) const fn flows_default() -> usize {
    FLOWS_DEFAULT
}

pub(super) fn flows_limit<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let limit = usize::deserialize(from)?;
    if !(1..=FLOWS_MAX).contains(&limit) {
        return Err(D::Error::custom(format!("`limit` is {limit}: write a number from 1 to {FLOWS_MAX}")));
    }
    Ok(limit)
}

pub(super) fn drain_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let seconds = Option::deserialize(from)?;
    if seconds.is_some_and(|seconds| !(1..=DRAIN_MAX).contains(&seconds)) {
        let shown = seconds.unwrap_or_default();
        return Err(D::Error::custom(format!("`for_s` is {shown}: write a number from 1 to {DRAIN_MAX}")));
    }
    Ok(seconds)
}

pub(super) fn confirm_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let seconds = Option::deserialize(from)?;
    if seconds.is_some_and(|seconds| !(1..=CONFIRM_MAX).contains(&seconds)) {
        let shown = seconds.unwrap_or_default();
        return Err(D::Error::custom(format!("`confirm_s` is {shown}: write a number from 1 to {CONFIRM_MAX}")));
    }
    Ok(seconds)
}

pub(super) fn comment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let comment: Option<String> = Option::deserialize(from)?;
    match comment.as_ref().map_or(0, String::len) {
        length if length > COMMENT_MAX => {
            Err(D::Error::custom(format!("`comment` has {length} bytes: write at most {COMMENT_MAX}")))
        }
        _ => Ok(comment),
    }
}

pub(super) fn drill_time<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let seconds = u64::deserialize(from)?;
    if !(1..=DRILL_MAX).contains(&seconds) {
        return Err(D::Error::custom(format!("`back_after_s` is {seconds}: write a number from 1 to {DRILL_MAX}")));
    }
    Ok(seconds)
}

pub(super) fn prefix<'de, D: Deserializer<'de>>(from: D) -> Result<Ipv4Net, D::Error> {
    let text = String::deserialize(from)?;
    parse_prefix(&text).map_err(|why| D::Error::custom(format!("`{}`: {why}", shortened(&text))))
}

/// A client's own text in an answer to it: of bounded length, and free of control characters.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 500;
    let mut short: String = visible(text).chars().take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}
