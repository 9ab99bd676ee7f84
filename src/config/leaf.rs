//! The types that one value of the file has.
//!
//! Owns which TOML values each type takes, and their bounds. Text forms are [`super::value`]'s; tables and lists are
//! [`super::reader`]'s.

use super::form::{Kind, did_you_mean};
use super::value::{self, Refusal, refuse};
use crate::policy::intent::{CodeRange, Listen};
use crate::policy::words::Word;
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use toml::de::DeValue;

/// A value that was read, or why it was refused; `None`: it is of another type.
pub(super) type Taken<T> = Option<Result<T, Refusal>>;

/// A type that one value of the file has.
pub(super) trait Leaf: Clone {
    /// `value` as a key of `kind` takes it.
    fn of(kind: &Kind, value: &DeValue) -> Taken<Self>;
}

/// How many monitors must be good; `None`: all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needed(pub(super) Option<usize>);

impl Leaf for bool {
    fn of(_: &Kind, value: &DeValue) -> Taken<bool> {
        value.as_bool().map(Ok)
    }
}

impl Leaf for String {
    fn of(kind: &Kind, value: &DeValue) -> Taken<String> {
        let read = if matches!(kind, Kind::Name) { value::name } else { value::filled };
        value.as_str().map(read)
    }
}

impl Leaf for Duration {
    fn of(kind: &Kind, value: &DeValue) -> Taken<Duration> {
        let text = value.as_str()?;
        let Kind::Span { least, most, .. } = kind else { return None };
        Some(value::duration(text).and_then(|span| match span {
            short if short < *least => {
                refuse("it is too short", format!("write \"{}\" or more", value::duration_text(*least)))
            }
            long if long > *most => {
                refuse("it is too long", format!("write \"{}\" or less", value::duration_text(*most)))
            }
            span => Ok(span),
        }))
    }
}

impl Leaf for Ipv4Net {
    fn of(kind: &Kind, value: &DeValue) -> Taken<Ipv4Net> {
        let read = if matches!(kind, Kind::SelfAddress) { value::self_address } else { value::network };
        value.as_str().map(read)
    }
}

impl Leaf for Needed {
    fn of(_: &Kind, value: &DeValue) -> Taken<Needed> {
        match value.as_str() {
            Some("all") => Some(Ok(Needed(None))),
            Some(_) => Some(refuse("it is neither \"all\" nor a number", "")),
            None => {
                let number = whole(value, 1, 16)?;
                Some(number.map(|number| Needed(usize::try_from(number).ok())))
            }
        }
    }
}

impl<W: Word> Leaf for W {
    fn of(kind: &Kind, value: &DeValue) -> Taken<W> {
        let text = value.as_str()?;
        let unknown = |_| match kind {
            Kind::Choice(_, later) if later.contains(&text) => "it is not supported yet",
            _ => "it is not a valid choice",
        };
        let remedy = || match W::WORDS {
            [only] => format!("write \"{only}\""),
            words => did_you_mean(text, words.iter().copied(), "write one of the words allowed"),
        };
        Some(text.parse().map_err(unknown).or_else(|why| refuse(why, remedy())))
    }
}

macro_rules! texts {
    ($($type:ty => $read:path;)*) => {$(
        impl Leaf for $type {
            fn of(_: &Kind, value: &DeValue) -> Taken<$type> {
                value.as_str().map($read)
            }
        }
    )*};
}

texts! {
    Ipv4Addr => value::address;
    SocketAddr => value::socket;
    Listen => value::listen;
    CodeRange => value::codes;
}

macro_rules! whole_numbers {
    ($($type:ty)*) => {$(
        impl Leaf for $type {
            fn of(kind: &Kind, value: &DeValue) -> Taken<$type> {
                let Kind::Integer { least, most, .. } = kind else { return None };
                let number = whole(value, *least, *most)?;
                Some(number.and_then(|number| <$type>::try_from(number).or_else(|_| too_large(*most))))
            }
        }
    )*};
}

whole_numbers! { u16 u32 usize }

fn whole(value: &DeValue, least: i64, most: i64) -> Taken<i64> {
    let DeValue::Integer(number) = value else { return None };
    Some(match i64::from_str_radix(number.as_str(), number.radix()) {
        Ok(number) if number < least => refuse("it is too small", format!("write {least} or more")),
        Ok(number) if number <= most => Ok(number),
        _ => too_large(most),
    })
}

fn too_large<T>(most: i64) -> Result<T, Refusal> {
    refuse("it is too large", format!("write {most} or less"))
}
