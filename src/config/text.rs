//! A text of the file to the value its key asks for.
//!
//! Owns which kinds are written as a text, names and choices; the forms of the others are in [`super::value`].

use super::form::Kind;
use super::reader::Value;
use super::suggest::did_you_mean;
use super::value::{self, Refusal};

/// A value of this kind is written in quotes.
pub(super) fn takes_text(kind: &Kind) -> bool {
    !matches!(kind, Kind::Flag | Kind::Integer { .. } | Kind::Many(..) | Kind::Inside(_))
}

/// `text` as a value of `kind`; the bounds of durations are not looked at.
pub(super) fn text_value(kind: &Kind, text: &str) -> Result<Value, Refusal> {
    match kind {
        Kind::Name => name(text),
        Kind::Choice(words, later) => choice(words, later, text),
        Kind::Span { .. } => value::duration(text).map(Value::Span),
        Kind::Address => value::address(text).map(Value::Address),
        Kind::SelfAddress => value::self_address(text).map(Value::Network),
        Kind::Network => value::network(text).map(Value::Network),
        Kind::Socket => value::socket(text).map(Value::Socket),
        Kind::Listen => value::listen(text).map(Value::Listen),
        Kind::Codes => value::codes(text).map(Value::Codes),
        Kind::Require if text == "all" => Ok(Value::Require(None)),
        Kind::Require => Err(Refusal { why: "it is neither \"all\" nor a number".into(), remedy: String::new() }),
        _ if text.is_empty() => {
            Err(Refusal { why: "it is empty".into(), remedy: "write something, or leave the key out".into() })
        }
        _ => Ok(Value::Text(text.into())),
    }
}

fn name(text: &str) -> Result<Value, Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let why = match text.chars().find(|c| !fits(*c)) {
        Some(c) => format!("{c:?} does not belong in a name"),
        None if text.is_empty() => "it is empty".into(),
        None if text.len() > 32 => format!("it has {} characters", text.len()),
        None => return Ok(Value::Text(text.into())),
    };
    let near: String = text.chars().take(32).map(|c| if fits(c) { c } else { '-' }).collect();
    Err(Refusal { why, remedy: if near.is_empty() { near } else { format!("write \"{near}\"") } })
}

fn choice(words: &[&str], later: &[&str], text: &str) -> Result<Value, Refusal> {
    if words.contains(&text) {
        return Ok(Value::Text(text.into()));
    }
    let why = if later.contains(&text) { "it is not supported yet" } else { "there is no such choice" };
    let remedy = match words {
        [only] => format!("write \"{only}\""),
        _ => did_you_mean(text, words.iter().copied(), "write one of the words allowed"),
    };
    Err(Refusal { why: why.into(), remedy })
}
