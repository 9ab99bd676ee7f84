//! Which file a part of a text is from, where several have been made one.
//!
//! Owns the lines that say so, which are comments to TOML.

/// A line that begins so, and ends with [`END`], says from which file the next ones are.
const BEGIN: &str = "#<from \"";
const END: &str = "\">";
/// The line of a file that includes others, where none is there yet.
pub(super) const NONE_YET: &str = "#<includes no file yet>";

/// Of which file `text` is from the place on that is said with it, and where that begins; in order. What stands before the first is the
/// file's own.
pub(super) fn origins(text: &str) -> Vec<(usize, String)> {
    if !text.contains(BEGIN) {
        return Vec::new();
    }
    let mut at = 0;
    let mut origins = Vec::new();
    for line in text.split_inclusive('\n') {
        at += line.len();
        if let Some(name) = line.trim_end().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)) {
            origins.push((at, name.to_owned()));
        }
    }
    origins
}

/// The text is of several files, or of one that would include others if they were there.
pub fn is_of_several(text: &str) -> bool {
    !origins(text).is_empty() || text.lines().any(|line| line == NONE_YET)
}

/// The text, after a line that says which file it is from.
pub(super) fn marked(name: &str, text: &str) -> String {
    format!("{BEGIN}{name}{END}\n{text}")
}
