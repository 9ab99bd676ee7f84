//! Texts that may be longer than a frame.
//!
//! Owns how one is cut into parts that a frame has room for, and how they become one again: bounded, whoever sends them.

use super::refusal::Refusal;
use crate::handover::PAYLOAD;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The longest text, in bytes: that of thousands of pools, and of tens of thousands of excluded prefixes.
pub const LONGEST: usize = 16 << 20;
/// Bytes of a text that one frame has room for.
pub(super) const PART: usize = PAYLOAD - 2;
/// Keys that are named where configurations differ.
const NAMED: usize = 64;
/// Characters of such a key: whoever sends more has not read it from a file.
const KEY: usize = 200;
/// Between a thing and its key.
const OF_THING: &str = ": ";

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
    /// Those between two configurations; things are compared where one of the two says no more.
    pub(super) fn of(ours: &BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>) -> Differences {
        let is_by_thing = is_by_thing(ours) || is_by_thing(theirs);
        let same = |digests| if is_by_thing { Cow::Owned(by_thing(digests)) } else { Cow::Borrowed(digests) };
        let (ours, theirs) = (same(ours), same(theirs));
        let only_theirs = theirs.keys().filter(|key| !ours.contains_key(*key));
        let mut keys: Vec<&String> = ours.keys().filter(|key| ours.get(*key) != theirs.get(*key)).collect();
        keys.extend(only_theirs);
        keys.sort_unstable();
        let named = keys.iter().take(NAMED).map(|key| key.chars().take(KEY).collect());
        Differences { keys: named.collect(), count: keys.len() }
    }
}

/// One digest (FNV-1a) for each thing, of its keys and of theirs: of a configuration that is too long for one text.
pub(super) fn by_thing(digests: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut things = BTreeMap::new();
    for (key, digest) in digests {
        let Some((thing, name)) = key.rsplit_once(OF_THING) else {
            things.insert(key.clone(), *digest);
            continue;
        };
        let sum = things.entry(thing.to_owned()).or_insert(0xcbf2_9ce4_8422_2325);
        for byte in name.bytes().chain(digest.to_le_bytes()) {
            *sum = (*sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    things
}

fn is_by_thing(digests: &BTreeMap<String, u64>) -> bool {
    !digests.is_empty() && !digests.keys().any(|key| key.contains(OF_THING))
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
        let endless = [("k".repeat(1 << 20), 1)].into();
        let differ = Differences::of(&of(&[("timeouts: udp", 2)]), &endless);
        assert_eq!((differ.keys[0].len(), differ.count), (KEY, 2), "whoever sends it");
    }

    #[test]
    fn things_are_compared_where_one_says_no_more() {
        let of = |keys: &[(&str, u64)]| keys.iter().map(|(key, digest)| ((*key).to_owned(), *digest)).collect();
        let ours: BTreeMap<_, _> = of(&[("pool sip: mode", 1), ("pool sip: members", 2), ("timeouts: udp", 3)]);
        let short = by_thing(&ours);
        assert_eq!(short.keys().collect::<Vec<_>>(), ["pool sip", "timeouts"]);
        assert_eq!((by_thing(&short), Differences::of(&ours, &short)), (short.clone(), Differences::default()));
        for theirs in [
            of(&[("pool sip: mode", 1), ("pool sip: members", 4), ("timeouts: udp", 3)]),
            of(&[("pool sip: mode", 2), ("pool sip: members", 1), ("timeouts: udp", 3)]),
            of(&[("pool sip: mode", 1), ("pool sip: member", 2), ("timeouts: udp", 3)]),
            of(&[("pool sip: mode", 1), ("timeouts: udp", 3)]),
        ] {
            let expected = Differences { keys: vec!["pool sip".into()], count: 1 };
            assert_eq!(
                [Differences::of(&theirs, &short), Differences::of(&short, &theirs)],
                [expected.clone(), expected]
            );
        }
    }
}
