//! Enums whose variants are words of the file or of a column.
//!
//! Owns their spelling: the file, the reference, error messages, tables and JSON take it from here.

use std::fmt::Display;
use std::str::FromStr;

/// One of a few words.
pub trait Word: FromStr<Err = UnknownWord> + Display + Clone + 'static {
    /// All of them, in the order in which they are offered.
    const WORDS: &'static [&'static str];
}

/// A text that is none of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord;

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$word_meta:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$word_meta])* #[serde(rename = $text)] $variant,)* }

        impl $crate::policy::words::Word for $name {
            const WORDS: &'static [&'static str] = &[$($text),*];
        }

        impl std::str::FromStr for $name {
            type Err = $crate::policy::words::UnknownWord;

            fn from_str(text: &str) -> Result<$name, Self::Err> {
                match text {
                    $($text => Ok($name::$variant),)*
                    _ => Err($crate::policy::words::UnknownWord),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self { $($name::$variant => $text,)* })
            }
        }
    )*};
}

pub(crate) use words;
