//! Texts of somebody else's on a terminal.
//!
//! Owns which characters a terminal, or whoever lays out its lines, obeys instead of showing them. A file may hold them, in comments too:
//! TOML forbids only those of ASCII.

use std::borrow::Cow;

/// A control character (C0, DEL, and C1, such as the CSI in one character, U+009B), the end of a line or paragraph (U+2028, U+2029), or
/// what turns the direction in which a line is read (UAX 9: marks, embeddings, overrides, isolates).
pub fn is_obeyed(c: char) -> bool {
    let turns =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns(c)
}

/// `text` in one line, with a question mark for each such character.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { '?' } else { c }).collect()
}

/// `text` with its lines and tabs, and each other such character as TOML and JSON write it in a string, such as `\u009b`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| is_obeyed(c) && !matches!(c, '\n' | '\t');
    if !text.contains(is_hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) {
            // None of them is beyond U+FFFF.
            true => shown += &format!("\\u{:04x}", u32::from(c)),
            false => shown.push(c),
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        let rows = [
            ("plain, Grüße, 日本", "plain, Grüße, 日本", "plain, Grüße, 日本"),
            ("\u{9b}2J\u{1b}[2J", "?2J?[2J", "\\u009b2J\\u001b[2J"),
            ("\u{85}\u{7f}\r\0", "????", "\\u0085\\u007f\\u000d\\u0000"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a?b?c?", "a\\u202eb\\u2066c\\u200f"),
            ("\u{2028}\u{2029}\u{61c}", "???", "\\u2028\\u2029\\u061c"),
            ("one\n\ttwo", "one??two", "one\n\ttwo"),
        ];
        for (text, line, lines) in rows {
            assert_eq!((visible(text).as_str(), &*escaped(text)), (line, lines));
        }
        let all: String = (char::MIN..=char::MAX).collect();
        assert!(!escaped(&all).replace(['\n', '\t'], "").contains(is_obeyed) && !visible(&all).contains(is_obeyed));
        assert!((char::MIN..=char::MAX).all(|c| !is_obeyed(c) || u32::from(c) <= 0xffff));
    }

    /// What is escaped in JSON is the same JSON.
    #[test]
    fn json_stays_what_it_is() {
        let value = serde_json::json!({ "text": "\u{9b}31m \u{202e}\n\u{1b}", "other": ["\u{7f}"] });
        let written = serde_json::to_string_pretty(&value).unwrap();
        let shown = escaped(&written);
        assert!(!shown.replace('\n', "").contains(is_obeyed));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
