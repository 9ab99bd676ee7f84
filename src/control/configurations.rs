//! The configurations that were in force, as they are kept over a restart.
//!
//! Owns the last of them with their texts, which of them is confirmed, and what the file said when it was last read: by these it is known
//! which of the two a start is made with. Owns the text in which all that is kept: JSON with a header that tells whose it is and of
//! which format. Reads and writes no file.

use crate::admin::rows::{ConfigurationCause, Wall};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The format that is written. One with a higher number is not read.
const FORMAT: u32 = 1;
/// Configurations that are kept, at most.
pub const MOST: usize = 10;
/// Bytes that their texts have together, at most; the last two are kept in any case.
const TEXTS: usize = 64 << 20;

/// Where configurations are kept, what was found there, and what the appliance starts with.
#[derive(Clone, Debug)]
pub struct SavedConfigurations {
    /// The file in which they are kept, for messages.
    pub place: String,
    /// What it held; `None`: there was none; else why it cannot be used.
    pub found: Result<Option<Configurations>, String>,
    /// The path of the appliance's own file, absolute.
    pub path: String,
    /// What that says.
    pub file: Arc<str>,
    /// What the appliance starts with, which may be what was kept.
    pub in_force: Arc<str>,
}

/// The configurations that were in force, the last of which is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Configurations {
    /// Oldest first; never empty.
    entries: Vec<Entry>,
    /// What the file said when it was last read, if that is not what the last entry says.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<Arc<str>>,
    /// The last entry waits for a confirmation, and would be followed by the one of this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<u64>,
}

/// A configuration that is in force, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from 1.
    pub number: u64,
    /// Since when it was in force.
    pub since: Wall,
    /// How it came.
    pub cause: ConfigurationCause,
    /// What it changed, in one line.
    pub changes: String,
    /// What the file said.
    pub text: Arc<str>,
}

#[derive(Serialize)]
struct Written<'a> {
    fairlead_configurations: u32,
    written_by: &'static str,
    #[serde(flatten)]
    all: &'a Configurations,
}

#[derive(Deserialize)]
struct Header {
    fairlead_configurations: u32,
    #[serde(default)]
    written_by: String,
}

/// All of it at once: it may be long, and whoever starts waits for it.
#[derive(Deserialize)]
struct Read {
    fairlead_configurations: u32,
    entries: Vec<Entry>,
    #[serde(default)]
    file: Option<Arc<str>>,
    #[serde(default)]
    confirmed: Option<u64>,
}

impl Configurations {
    /// The first start, or the first of which anything is known, with `text`, while the file says `file`.
    pub fn begin_beside(text: Arc<str>, file: &Arc<str>, since: Wall) -> Configurations {
        let mut first = Configurations::begin(text, since);
        first.note_file(file);
        first
    }

    /// The first start with a file that says this.
    pub fn begin(text: Arc<str>, since: Wall) -> Configurations {
        let changes = "the first one kept".into();
        let first = Entry { number: 1, since, cause: ConfigurationCause::Start, changes, text };
        Configurations { entries: vec![first], file: None, confirmed: None }
    }

    /// All of them, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The one of this number, if it is kept.
    pub fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.number == number)
    }

    /// The last one, which is in force.
    pub fn last(&self) -> &Entry {
        // Never empty: nothing makes one that is, and nothing that is read is used if it is.
        &self.entries[self.entries.len() - 1]
    }

    /// The last one waits for a confirmation; else the one of this number is next.
    pub fn unconfirmed(&self) -> Option<u64> {
        self.confirmed
    }

    /// The last one that is confirmed.
    pub fn confirmed(&self) -> &Entry {
        self.confirmed.and_then(|number| self.get(number)).unwrap_or_else(|| self.last())
    }

    /// What the file said when it was last read.
    pub fn file(&self) -> &Arc<str> {
        self.file.as_ref().unwrap_or(&self.last().text)
    }

    /// The file does not say what is in force.
    pub fn differ_from_file(&self) -> bool {
        self.file.is_some()
    }

    /// What a start is made with in place of a file that says `file`: that was in force and was not confirmed, or was replaced by an
    /// earlier one. Not if the file has been written since: whoever has done so wants that.
    pub fn instead_of(&self, file: &str) -> Option<&Entry> {
        let confirmed = self.confirmed();
        (**self.file() == *file && *confirmed.text != *file).then_some(confirmed)
    }

    /// What a start must know of all that if nothing else of it can be read: the last one confirmed, where a start is not made with what
    /// the file said; else `None`. It is short, and kept beside the whole.
    pub fn for_a_start(&self) -> Option<Configurations> {
        let (confirmed, file) = (self.confirmed(), self.file());
        let reduced =
            || Configurations { entries: vec![confirmed.clone()], file: Some(Arc::clone(file)), confirmed: None };
        (confirmed.text != *file).then(reduced)
    }

    /// The appliance has started with `in_force`, while the file says `file`.
    pub fn started(&mut self, in_force: &Arc<str>, file: &Arc<str>, since: Wall) {
        let was_confirmed = self.confirmed.take().is_none();
        if self.last().text != *in_force {
            let (cause, changes) = match self.entries.iter().rev().find(|entry| entry.text == *in_force) {
                Some(entry) if !was_confirmed => {
                    let number = entry.number;
                    (ConfigurationCause::Rollback, format!("back to {number}: not confirmed before the restart"))
                }
                _ => (ConfigurationCause::Start, "another file at the start".into()),
            };
            self.push(cause, changes, Arc::clone(in_force), since);
        }
        self.note_file(file);
    }

    /// Another one is in force, after which the file says `file`. Unless it is confirmed, the one that was is kept for a start. What
    /// means the same as before takes its place.
    pub fn record(&mut self, entry: NewEntry, file: &Arc<str>, since: Wall) {
        let NewEntry { cause, changes, text, is_confirmed } = entry;
        let before = self.last().number;
        match changes {
            Some(changes) => self.push(cause, changes, text, since),
            None => self.entries.iter_mut().next_back().into_iter().for_each(|last| last.text = Arc::clone(&text)),
        }
        self.confirmed = (!is_confirmed).then_some(before);
        self.note_file(file);
    }

    /// The last one is confirmed.
    pub fn confirm(&mut self) {
        self.confirmed = None;
    }

    /// The last one, which was not confirmed, was never in force. The file says what it said.
    pub fn forget_unconfirmed(&mut self, file: &Arc<str>) {
        if self.confirmed.take().is_some() && self.entries.len() > 1 {
            self.entries.pop();
        }
        self.note_file(file);
    }

    fn push(&mut self, cause: ConfigurationCause, changes: String, text: Arc<str>, since: Wall) {
        let number = self.last().number + 1;
        self.entries.push(Entry { number, since, cause, changes, text });
        let size = |entries: &[Entry]| entries.iter().map(|entry| entry.text.len()).sum::<usize>();
        while self.entries.len() > MOST || (self.entries.len() > 2 && size(&self.entries) > TEXTS) {
            self.entries.remove(0);
        }
    }

    fn note_file(&mut self, file: &Arc<str>) {
        self.file = (self.last().text != *file).then(|| Arc::clone(file));
    }

    /// The text in which they are kept.
    pub fn text(&self) -> String {
        let written = Written { fairlead_configurations: FORMAT, written_by: env!("CARGO_PKG_VERSION"), all: self };
        // Nothing in it can fail to be written: keys are texts, numbers are whole.
        serde_json::to_string_pretty(&written).unwrap_or_default() + "\n"
    }

    /// Reads such a text.
    ///
    /// # Errors
    /// Why it cannot be used, in words for an operator.
    pub fn parse(bytes: &[u8]) -> Result<Configurations, String> {
        let read = match serde_json::from_slice::<Read>(bytes) {
            Ok(read) if read.fairlead_configurations <= FORMAT => read,
            Ok(_) => return Err(why_unread(bytes, "")),
            Err(why) => return Err(why_unread(bytes, &why.to_string())),
        };
        let all = Configurations { entries: read.entries, file: read.file, confirmed: read.confirmed };
        match all.is_whole() {
            true => Ok(all),
            false => Err("it is damaged: what it says of its configurations does not fit together".into()),
        }
    }

    /// There is one, their numbers rise, and the one to go back to is there.
    fn is_whole(&self) -> bool {
        let numbers = || self.entries.iter().map(|entry| entry.number);
        (1..=MOST).contains(&self.entries.len())
            && numbers().is_sorted_by(|one, next| one < next)
            && self.last().number < u64::MAX
            && self.confirmed.is_none_or(|number| number != self.last().number && self.get(number).is_some())
    }
}

/// What is wrong with such a text, which cannot be read because of `fault`, or is of a later format.
fn why_unread(bytes: &[u8], fault: &str) -> String {
    match serde_json::from_slice::<Header>(bytes) {
        Err(why) if why.classify() == serde_json::error::Category::Data => {
            "it holds no configurations of Fairlead's".into()
        }
        Err(why) => format!("it is damaged: {why}"),
        Ok(header) if header.fairlead_configurations > FORMAT => format!(
            "it is of format {}, written by Fairlead {}; this is {}, which knows format {FORMAT}",
            header.fairlead_configurations,
            header.written_by.escape_debug(),
            env!("CARGO_PKG_VERSION")
        ),
        Ok(_) => format!("it is damaged: {fault}"),
    }
}

/// What a start is made with in place of a file that says `file`; `None`: with that. `spare` reads what
/// [`Configurations::for_a_start`] has left: it is asked where `found` cannot be used, or is not there, as when somebody has moved
/// it away.
///
/// # Errors
/// Why the spare cannot be used either: then nobody knows whether the file was ever confirmed.
pub fn instead_of(
    found: &Result<Option<Configurations>, String>,
    spare: impl FnOnce() -> Result<Option<Configurations>, String>,
    file: &str,
) -> Result<Option<Entry>, String> {
    let spare = if matches!(found, Ok(Some(_))) { None } else { spare()? };
    let known = found.as_ref().ok().and_then(Option::as_ref).or(spare.as_ref());
    Ok(known.and_then(|known| known.instead_of(file)).cloned())
}

/// One that is in force from now on.
pub struct NewEntry {
    /// How it came.
    pub cause: ConfigurationCause,
    /// What it changed, in one line; `None`: nothing but its text.
    pub changes: Option<String>,
    /// What the file said.
    pub text: Arc<str>,
    /// A restart may begin with it.
    pub is_confirmed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: u64) -> Arc<str> {
        format!("[appliance]\nname = \"lead-{number}\"\n").into()
    }

    fn at(seconds: u64) -> Wall {
        Wall(1_795_352_645_000_000 + seconds * 1_000_000)
    }

    fn entry(number: u64, is_confirmed: bool) -> NewEntry {
        let changes = Some(format!("appliance: name → lead-{number}"));
        NewEntry { cause: ConfigurationCause::Reload, changes, text: text(number), is_confirmed }
    }

    fn numbers(all: &Configurations) -> Vec<u64> {
        all.entries().iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn they_are_read_as_they_were_written_and_the_oldest_give_way() {
        let mut all = Configurations::begin(text(1), at(0));
        for number in 2..=13 {
            all.record(entry(number, true), &text(number), at(number));
            assert_eq!(Configurations::parse(all.text().as_bytes()), Ok(all.clone()));
        }
        assert_eq!(numbers(&all), (4..=13).collect::<Vec<_>>());
        assert_eq!((all.get(3), all.get(7).map(|entry| &entry.text)), (None, Some(&text(7))));
        assert_eq!((all.last().since, all.differ_from_file()), (at(13), false));
        let long: Arc<str> = "#".repeat(TEXTS / 2).into();
        for number in 14..=16 {
            all.record(NewEntry { text: Arc::clone(&long), ..entry(number, true) }, &long, at(number));
        }
        assert_eq!(numbers(&all), [15, 16], "those before are too much together");
    }

    #[test]
    fn only_a_file_that_nobody_has_written_since_is_not_started_with() {
        let mut all = Configurations::begin(text(1), at(0));
        let instead = |all: &Configurations, file| all.instead_of(&text(file)).map(|entry| entry.number);
        assert_eq!((instead(&all, 1), instead(&all, 2)), (None, None));
        all.record(entry(2, false), &text(2), at(1));
        assert_eq!(all.unconfirmed(), Some(1));
        assert_eq!((instead(&all, 1), instead(&all, 2), instead(&all, 3)), (None, Some(1), None));
        let mut confirmed = all.clone();
        confirmed.confirm();
        assert_eq!((confirmed.unconfirmed(), instead(&confirmed, 2)), (None, None));
        // The time is up: the first is in force again, and the file is what it was.
        let back = NewEntry { cause: ConfigurationCause::Rollback, text: text(1), ..entry(3, true) };
        all.record(back, &text(2), at(2));
        assert_eq!((instead(&all, 2), all.differ_from_file()), (Some(3), true));
        all.record(entry(2, true), &text(2), at(3));
        assert_eq!((instead(&all, 2), all.differ_from_file()), (None, false), "who reloads again wants it");
    }

    #[test]
    fn what_a_start_was_made_with_is_the_last_one() {
        let mut unconfirmed = Configurations::begin(text(1), at(0));
        unconfirmed.record(entry(2, false), &text(2), at(1));
        // In force, the file, and the cause of the last one; how many there are.
        let rows = [
            (1, 2, ConfigurationCause::Rollback, 3),
            (3, 3, ConfigurationCause::Start, 3),
            (2, 2, ConfigurationCause::Reload, 2),
        ];
        for (in_force, file, cause, count) in rows {
            let mut all = unconfirmed.clone();
            all.started(&text(in_force), &text(file), at(9));
            assert_eq!(
                (all.last().cause, all.last().text.clone(), all.entries().len()),
                (cause, text(in_force), count)
            );
            assert_eq!((all.unconfirmed(), all.differ_from_file()), (None, in_force != file));
            let before = all.clone();
            all.started(&text(in_force), &text(file), at(10));
            assert_eq!(all, before, "another start with the same is nothing new");
        }
    }

    #[test]
    fn what_was_never_in_force_is_forgotten_and_another_text_of_the_same_meaning_is_none() {
        let mut all = Configurations::begin(text(1), at(0));
        let before = all.clone();
        all.record(entry(2, false), &text(2), at(1));
        all.forget_unconfirmed(&text(1));
        assert_eq!(all, before);
        all.record(NewEntry { changes: None, text: text(4), ..entry(4, true) }, &text(4), at(2));
        assert_eq!((numbers(&all), all.last().text.clone()), (vec![1], text(4)));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let mut all = Configurations::begin(text(1), at(0));
        all.record(entry(2, false), &text(2), at(1));
        let text = all.text();
        let replaced = |old: &str, new: &str| {
            assert!(text.contains(old), "{old}: {text}");
            text.replacen(old, new, 1)
        };
        let apart = "it is damaged: what it says of its configurations does not fit together";
        let rows = [
            (String::new(), "it is damaged: EOF"),
            (text[..text.len() / 2].to_owned(), "it is damaged: EOF"),
            ("{}".into(), "it holds no configurations of Fairlead's"),
            (replaced("\"fairlead_configurations\": 1", "\"fairlead_configurations\": 2"), "it is of format 2"),
            (replaced("reload", "magic"), "it is damaged: unknown variant `magic`"),
            (replaced("\"number\": 2", "\"number\": 1"), apart),
            (replaced("\"confirmed\": 1", "\"confirmed\": 2"), apart),
            (replaced("\"confirmed\": 1", "\"confirmed\": 7"), apart),
            (r#"{"fairlead_configurations": 1, "entries": []}"#.into(), apart),
        ];
        for (text, expected) in rows {
            let why = Configurations::parse(text.as_bytes()).unwrap_err();
            assert!(why.starts_with(expected), "{why}");
        }
    }

    /// Whatever is wrong with the whole, a start is made with the last one confirmed, or, where nobody knows it, with none.
    #[test]
    fn a_start_never_begins_with_what_was_not_confirmed() {
        let mut all = Configurations::begin(text(1), at(0));
        assert_eq!(all.for_a_start(), None, "the file is what was confirmed");
        all.record(entry(2, false), &text(2), at(1));
        let spare = all.for_a_start().expect("the file was not confirmed");
        assert_eq!((numbers(&spare), spare.file()), (vec![1], &text(2)));
        assert_eq!(Configurations::parse(spare.text().as_bytes()), Ok(spare.clone()));
        let damaged = || Err("it is damaged".to_owned());
        let start = |found: &Result<_, String>, spare: Result<_, String>, file: u64| {
            instead_of(found, || spare, &text(file)).map(|entry| entry.map(|entry| entry.number))
        };
        let kept = || Ok(Some(all.clone()));
        for (found, spare, file, expected) in [
            (kept(), damaged(), 2, Ok(Some(1))),
            (kept(), damaged(), 3, Ok(None)),
            (Ok(None), damaged(), 2, Err("it is damaged".to_owned())),
            (Ok(None), Ok(None), 2, Ok(None)),
            (Ok(None), Ok(Some(spare.clone())), 2, Ok(Some(1))),
            (Ok(None), Ok(Some(spare.clone())), 3, Ok(None)),
            (damaged(), Ok(Some(spare.clone())), 2, Ok(Some(1))),
            (damaged(), Ok(Some(spare.clone())), 3, Ok(None)),
            (damaged(), Ok(None), 2, Ok(None)),
            (damaged(), damaged(), 2, Err("it is damaged".to_owned())),
        ] {
            assert_eq!(start(&found, spare, file), expected);
        }
        // It was not confirmed in time: the file says what it said, and is not started with.
        let back = NewEntry { cause: ConfigurationCause::Rollback, text: text(1), ..entry(3, true) };
        all.record(back, &text(2), at(2));
        assert_eq!(all.for_a_start().as_ref().map(numbers), Some(vec![3]));
        all.record(entry(2, true), &text(2), at(3));
        assert_eq!(all.for_a_start(), None);
    }

    /// However a text is cut or a byte of it changed, it is read or refused, never anything else, and what is read can be used.
    #[test]
    fn no_damage_does_more_than_be_refused() {
        let mut all = Configurations::begin(text(1), at(0));
        all.record(entry(2, false), &text(2), at(1));
        let text = all.text().into_bytes();
        for length in 0..text.len() - 1 {
            assert!(Configurations::parse(&text[..length]).is_err(), "cut at {length}");
        }
        for at in 0..text.len() {
            for byte in [0, b'"', 0xff, b'9'] {
                let mut damaged = text.clone();
                damaged[at] = byte;
                if let Ok(mut read) = Configurations::parse(&damaged) {
                    read.started(&"x".into(), &"y".into(), Wall(0));
                    assert_eq!(&*read.last().text, "x");
                }
            }
        }
    }
}
