//! Texts that may be longer than a frame.
//!
//! Owns how one is cut into parts that a frame has room for, and how they become one again: bounded, whoever sends them.

use super::refusal::Refusal;
use crate::handover::PAYLOAD;
use std::collections::BTreeMap;

/// The longest text, in bytes: that of thousands of pools, and of tens of thousands of excluded prefixes.
pub const LONGEST: usize = 16 << 20;
/// Bytes of a text that one frame has room for.
pub(super) const PART: usize = PAYLOAD - 2;
/// Keys that are named where configurations differ.
const NAMED: usize = 64;

/// What a text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Topic {
    /// What management says to the other's.
    Management = 0,
    /// Of each key of the file that has to be the same on both, a digest of what it says; JSON.
    Configuration = 1,
}

/// In what the two configurations differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The first of the keys, in order.
    pub keys: Vec<String>,
    /// How many there are.
    pub count: usize,
}

impl Differences {
    /// Those between two configurations.
    pub(super) fn of(ours: &BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>) -> Differences {
        let only_theirs = theirs.keys().filter(|key| !ours.contains_key(*key));
        let mut keys: Vec<&String> = ours.keys().filter(|key| ours.get(*key) != theirs.get(*key)).collect();
        keys.extend(only_theirs);
        keys.sort_unstable();
        Differences { count: keys.len(), keys: keys.into_iter().take(NAMED).cloned().collect() }
    }
}

/// The parts of a text, each with whether it is the last one; one of an empty text.
pub(super) fn parts(text: &str) -> Vec<(bool, String)> {
    let (mut parts, mut rest) = (Vec::new(), text);
    loop {
        let (part, more) = rest.split_at(boundary(rest));
        parts.push((more.is_empty(), part.to_owned()));
        if more.is_empty() {
            return parts;
        }
        rest = more;
    }
}

/// How much of a text one frame takes.
fn boundary(text: &str) -> usize {
    let most = text.len().min(PART);
    (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(most)
}

/// Texts of which not all parts have come.
#[derive(Debug, Default)]
pub(super) struct Texts([String; 2]);

impl Texts {
    /// A part has come. The text, if that was the last one.
    pub fn take(&mut self, (topic, is_last): (Topic, bool), part: &str, frame: u32) -> Result<Option<String>, Refusal> {
        let text = &mut self.0[topic as usize];
        if text.len() + part.len() > LONGEST {
            return Err(Refusal::OutOfPlace { frame, what: "it is of a text that is too long" });
        }
        text.push_str(part);
        Ok(is_last.then(|| std::mem::take(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_many_frames_is_put_together_again_and_has_an_end() {
        let texts = [String::new(), "a".repeat(PART), "a".repeat(PART + 1), "\u{e9}".repeat(PART + 7)];
        for (text, count) in texts.into_iter().zip([1, 1, 2, 3]) {
            let parts = parts(&text);
            let mut texts = Texts::default();
            let mut whole = Vec::new();
            for (is_last, part) in &parts {
                assert!(part.len() <= PART);
                whole.extend(texts.take((Topic::Management, *is_last), part, 0).unwrap());
            }
            assert_eq!((whole.len(), parts.len()), (1, count));
            assert!(whole[0] == text);
        }
        let mut texts = Texts::default();
        let part = "a".repeat(PART);
        let refused = (0..).find_map(|at| texts.take((Topic::Configuration, false), &part, at).err());
        let frame = (LONGEST / PART) as u32;
        assert_eq!(refused, Some(Refusal::OutOfPlace { frame, what: "it is of a text that is too long" }));
        assert_eq!(texts.take((Topic::Management, true), "b", 0), Ok(Some("b".into())), "the other one is apart");
    }

    #[test]
    fn keys_that_differ_are_named() {
        let of = |keys: &[(&str, u64)]| keys.iter().map(|(key, digest)| ((*key).to_owned(), *digest)).collect();
        let ours = of(&[("pool sip: mode", 1), ("timeouts: udp", 2), ("snat of pool sip: exclude", 3)]);
        let theirs = of(&[("pool sip: mode", 1), ("timeouts: udp", 4), ("direct_access: allow", 5)]);
        let differ = Differences::of(&ours, &theirs);
        assert_eq!(differ.keys, ["direct_access: allow", "snat of pool sip: exclude", "timeouts: udp"]);
        assert_eq!(differ, Differences::of(&theirs, &ours));
        assert_eq!(Differences::of(&ours, &ours), Differences::default());
        let many = (0..1_000).map(|at| (format!("pool {at}"), 1)).collect();
        let differ = Differences::of(&many, &BTreeMap::new());
        assert_eq!((differ.keys.len(), differ.count), (NAMED, 1_000));
    }
}
