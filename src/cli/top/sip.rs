//! How many SIP requests there are in a second, where they are counted.
//!
//! Owns the sums over methods and sides, and that one of so many transactions stands for all.

use super::model::{Model, per_second};
use super::sample::Sample;
use crate::admin::rows::SipRow;
use std::collections::BTreeMap;

/// Requests in a second, by what `key` finds of a row; `None`: SIP is not counted, or has been for less than two samples.
pub fn requests_by(model: &Model, key: impl Fn(&SipRow) -> &str) -> Option<BTreeMap<String, f64>> {
    let (before, now) = (model.before()?, model.now()?);
    let is_one_count = now.sip.sample > 0 && (before.sip.sample, before.sip.since) == (now.sip.sample, now.sip.since);
    let sums = |sample: &Sample| {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for row in &sample.sip.rows {
            let sum = sums.entry(key(row).to_owned()).or_default();
            *sum = row.requests.iter().fold(*sum, |sum, row| sum.saturating_add(row.count));
        }
        sums
    };
    is_one_count.then(|| {
        let (was, is, over) = (sums(before), sums(now), now.at.saturating_sub(before.at));
        let rate = |name: &String, count: u64| per_second(was.get(name).copied().unwrap_or(0), count, over);
        let rates = is.iter().filter_map(|(name, count)| Some((name.clone(), rate(name, *count)?)));
        rates.map(|(name, rate)| (name, rate * f64::from(now.sip.sample))).collect()
    })
}
