//! Files that load and what they mean; files that are refused and what the operator reads.

mod changes;
mod examples;
mod monitors;
mod reference;
mod refusals;
mod round_trip;
mod tls;
mod values;
mod writer;

/// A good file to spoil.
pub(super) const GOOD: &str = testbench::TWO_ARM;

/// [`GOOD`] with each first text replaced by the second; an empty first text adds the second at the end.
fn edited(edits: &[(&str, &str)]) -> String {
    let mut text = GOOD.to_string();
    for (from, to) in edits {
        assert!(text.contains(from), "the good file has no {from:?}");
        match from.is_empty() {
            true => text += to,
            false => text = text.replacen(from, to, 1),
        }
    }
    text
}
