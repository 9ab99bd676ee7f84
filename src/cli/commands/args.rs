//! What several commands take, and how what was typed is read.

use crate::admin::request::parse_prefix;
use clap::builder::{StringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, ValueHint, value_parser};
use std::net::Ipv4Addr;
use std::path::PathBuf;

pub(super) fn none() -> Vec<Arg> {
    Vec::new()
}

pub(super) fn pool() -> Arg {
    required("pool", "POOL", "The pool")
}

pub(super) fn member() -> Arg {
    required("member", "MEMBER", "The member")
}

pub(super) fn prefix() -> Arg {
    required("prefix", "PREFIX", "Destinations, such as 172.16.2.0/24, or one address")
        .value_parser(StringValueParser::new().try_map(|prefix| parse_prefix(&prefix)))
}

pub(super) fn file(name: &'static str) -> Arg {
    required(name, "FILE", "The appliance's file, TOML")
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
}

pub(super) fn flag(name: &'static str, about: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(about)
}

/// `--name VALUE`, to be left out.
pub(super) fn option(name: &'static str, placeholder: &'static str, about: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(about)
}

pub(super) fn address(name: &'static str, about: &'static str) -> Arg {
    option(name, "ADDRESS", about).value_parser(value_parser!(Ipv4Addr))
}

/// What was typed for an argument that must be there.
pub(super) fn text(args: &ArgMatches, name: &str) -> String {
    typed(args, name).unwrap_or_default()
}

/// What was typed for an argument that may be left out.
pub(super) fn typed<T: Clone + Send + Sync + 'static>(args: &ArgMatches, name: &str) -> Option<T> {
    args.get_one::<T>(name).cloned()
}

fn required(name: &'static str, placeholder: &'static str, about: &'static str) -> Arg {
    Arg::new(name).required(true).value_name(placeholder).help(about)
}
