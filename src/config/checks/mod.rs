//! Contradictions: what is wrong with values that are each right on their own.
//!
//! Owns every check that looks at more than one value, or at the machine. Each reports and goes on, so that one reading
//! tells everything. Read [`names`] first: the others take for granted that it speaks of unknown names.

mod machine;
mod monitors;
mod names;
mod network;
mod services;

pub(super) use monitors::resolved_port;

use super::reader::{Field, Section};
use super::report::{Report, Span};
use super::schema::Document;
use std::collections::BTreeMap;

/// Reports every contradiction in `document`, on a machine of `cores` CPU cores.
pub(super) fn check(document: &Document, cores: usize, report: &mut Report) {
    names::check(document, report);
    machine::check(document, cores, report);
    network::check(document, report);
    monitors::check(document, report);
    services::check(document, report);
}

/// The entries of which an earlier one has the same key, each with that earlier one.
fn repeated<'d, K: Ord, T>(entries: impl Iterator<Item = (K, &'d T)>) -> Vec<(&'d T, &'d T)> {
    let mut first = BTreeMap::new();
    let mut found = Vec::new();
    for (key, entry) in entries {
        match first.get(&key) {
            Some(earlier) => found.push((*earlier, entry)),
            None => {
                first.insert(key, entry);
            }
        }
    }
    found
}

/// The place of a field, or of its entry where the field is absent.
fn span_of<'d, T>(field: &'d Field<T>, entry: &'d impl Section) -> &'d Span {
    field.as_ref().map_or(&entry.head().span, |at| &at.span)
}
