//! The types that one value of the file has: durations, addresses, networks, service ports, status codes, words.
//!
//! Owns which TOML value each type takes, text to value and value to text, each with a refusal in words. Tables and lists
//! are [`super::reader`]'s.

use super::form::{Kind, did_you_mean, duration_text};
use crate::netlink::RouteProtocol;
use crate::policy::intent::{CodeRange, DayWindow, Listen};
use crate::policy::words::Word;
use crate::wire::{Mac, Protocol};
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use toml::de::DeValue;

/// Why a text is not the value wanted, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is wrong with it.
    pub(super) why: String,
    /// What to write instead; may be empty.
    pub(super) remedy: String,
}

/// Refuses.
fn refuse<T>(why: impl Into<String>, remedy: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { why: why.into(), remedy: remedy.into() })
}

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// `500ms`, `5m`, `2h4m`: whole numbers, each with a unit. Nothing at all needs none.
pub(super) fn duration(text: &str) -> Result<Duration, Refusal> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return refuse("it is empty", "");
    }
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let end_of = |text: &str, part: fn(&char) -> bool| text.find(|c| !part(&c)).unwrap_or(text.len());
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(end_of(rest, char::is_ascii_digit));
        let (unit, tail) = tail.split_at(end_of(tail, char::is_ascii_alphabetic));
        let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return bad_unit(number, unit, tail);
        };
        let Some(sum) = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*millis)?.checked_add(total)) else {
            return refuse("its number is missing or too large", "");
        };
        total = sum;
        rest = tail.trim_start();
    }
    Ok(Duration::from_millis(total))
}

fn bad_unit<T>(number: &str, unit: &str, tail: &str) -> Result<T, Refusal> {
    match (number, unit) {
        (_, "") if tail.starts_with('.') => refuse("fractions are not accepted", "use a smaller unit: 1500ms for 1.5s"),
        ("", "") => refuse("a number is missing", ""),
        (n, "") => refuse("its unit is missing", format!("write \"{n}ms\", \"{n}s\", \"{n}m\" or \"{n}h\"")),
        (_, unit) => refuse(format!("`{unit}` is not a unit"), "the units are ms, s, m, h and d"),
    }
}

/// Any text that is not empty.
pub(super) fn filled(text: &str) -> Result<String, Refusal> {
    if text.is_empty() { refuse("it is empty", "write something, or leave the key out") } else { Ok(text.into()) }
}

/// A name that commands can take.
pub(super) fn name(text: &str) -> Result<String, Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let why = match text.chars().find(|c| !fits(*c)) {
        Some(c) => format!("{c:?} does not belong in a name"),
        None if text.is_empty() => "it is empty".into(),
        None if text.len() > 32 => format!("it has {} characters", text.len()),
        None => return Ok(text.into()),
    };
    let near: String = text.chars().take(32).map(|c| if fits(c) { c } else { '-' }).collect();
    // What a letter of another alphabet stands for, nobody knows but who wrote it.
    let remedy =
        if text.is_ascii() { format!("write \"{near}\"") } else { "use letters a-z, digits, `-`, `_` and `.`".into() };
    refuse(why, if near.is_empty() { near } else { remedy })
}

/// An IPv4 address that a host can have.
pub(super) fn address(text: &str) -> Result<Ipv4Addr, Refusal> {
    if text.contains(':') {
        return refuse("IPv6 is not supported yet", "write an IPv4 address");
    }
    if let Some((address, _)) = text.split_once('/').filter(|(address, _)| address.parse::<Ipv4Addr>().is_ok()) {
        return refuse("a prefix length does not belong here", format!("write \"{address}\""));
    }
    match text.parse::<Ipv4Addr>() {
        Ok(address) => host(address),
        Err(_) if text.parse::<u32>().is_ok() || text.chars().any(|c| c.is_ascii_alphabetic()) => {
            refuse("it is not an IPv4 address", "names are not resolved: write the address in four decimal numbers")
        }
        Err(_) => refuse("it is not an IPv4 address", "write four decimal numbers, 0 to 255, without leading zeros"),
    }
}

fn host(address: Ipv4Addr) -> Result<Ipv4Addr, Refusal> {
    let why = match address.octets() {
        [0, ..] => "an address that begins with 0 is not a host's (RFC 1122 3.2.1.3)",
        [127, ..] => "a loopback address never appears on a network (RFC 1122 3.2.1.3)",
        [224..=239, ..] => "it is a multicast address",
        [240..=255, ..] => "it is reserved (RFC 1112 4) or the broadcast address",
        _ => return Ok(address),
    };
    refuse(why, "write the address of one host")
}

/// `02:00:00:00:00:01`: a MAC that a host can have.
pub(super) fn station(text: &str) -> Result<Mac, Refusal> {
    match text.parse::<Mac>() {
        Err(_) => refuse("it is not a MAC address", "write six pairs of hexadecimal digits, joined by colons"),
        Ok(mac) if mac.is_group() => refuse("it is the MAC of a group (RFC 1812 3.3.2)", "write the MAC of one host"),
        Ok(Mac::ZERO) => refuse("no host has it", "write the MAC of one host"),
        Ok(mac) => Ok(mac),
    }
}

/// `192.0.2.2/24`: an address of ours with the length of its network.
pub(super) fn self_address(text: &str) -> Result<Ipv4Net, Refusal> {
    if text.contains(':') {
        return refuse("IPv6 is not supported yet", "write an IPv4 address with its prefix length");
    }
    let Some((left, right)) = text.split_once('/') else {
        let remedy = address(text).map(|own| format!("write \"{own}/24\", with the length your network has"));
        return refuse("its prefix length is missing", remedy.unwrap_or_default());
    };
    let address = address(left)?;
    let net = match prefix_length(right) {
        Some(length @ 1..=31) => Ipv4Net::new_assert(address, length),
        Some(32) => return refuse("a /32 has no neighbours", "write the length of the network the interface is in"),
        _ => return refuse(format!("`{right}` is not a prefix length"), "write 1 to 31 after the slash"),
    };
    let why = match net.prefix_len() < 31 {
        true if address == net.network() => "it is the address of the network itself",
        true if address == net.broadcast() => "it is the broadcast address of its network",
        _ => return Ok(net),
    };
    refuse(why, "write an address of one host in it")
}

/// `172.16.2.0/24`, `172.16.1.20` for one host, `default` for everything.
pub(super) fn network(text: &str) -> Result<Ipv4Net, Refusal> {
    if text == "default" {
        return Ok(Ipv4Net::default());
    }
    if text.contains(':') {
        return refuse("IPv6 is not supported yet", "write an IPv4 network");
    }
    let (address, length) = text.split_once('/').unwrap_or((text, "32"));
    // Numbers with leading zeros are decimal to some programs and octal to others.
    let net =
        address.parse().ok().zip(prefix_length(length)).map(|(address, length)| Ipv4Net::new_assert(address, length));
    let Some(net) = net else {
        let remedy = "write it as address/length, such as \"172.16.2.0/24\", without leading zeros";
        return refuse("it is not an IPv4 network", remedy);
    };
    if net.addr() != net.network() {
        let remedy = format!("write \"{}\" for the network, \"{}\" for the host", net.trunc(), net.addr());
        return refuse("it has host bits set", remedy);
    }
    Ok(net)
}

/// A prefix length, written as nobody would write another.
fn prefix_length(text: &str) -> Option<u8> {
    text.parse().ok().filter(|length: &u8| *length <= 32 && length.to_string() == text)
}

/// As in the file, for a command: `172.16.2.0/24`, `172.16.1.20`, `default`.
///
/// # Errors
/// A sentence that says what is wrong and what to write.
pub fn parse_prefix(text: &str) -> Result<Ipv4Net, String> {
    network(text).map_err(|Refusal { why, remedy }| format!("{why}: {remedy}"))
}

/// The text of a network: `default`, one address without its length, or the network.
pub fn network_text(net: Ipv4Net) -> String {
    match net.prefix_len() {
        0 => "default".into(),
        32 => net.addr().to_string(),
        _ => net.to_string(),
    }
}

/// `127.0.0.1:9469`
pub(super) fn socket(text: &str) -> Result<SocketAddr, Refusal> {
    match text.parse::<SocketAddr>() {
        Ok(socket) if socket.port() == 0 => refuse("0 is not a port", "write a port from 1 to 65535"),
        Ok(socket) => Ok(socket),
        Err(_) => refuse("it is not an address and a port", "write it as \"127.0.0.1:9469\""),
    }
}

/// `udp/5060`, `tcp/5061`
pub(super) fn listen(text: &str) -> Result<Listen, Refusal> {
    let Some((name, number)) = text.split_once('/') else {
        let either = |port: u16| format!("write \"udp/{port}\" or \"tcp/{port}\"");
        return refuse("it is not a protocol and a port", text.parse().map(either).unwrap_or_default());
    };
    let protocol = match name {
        "udp" => Protocol::Udp,
        "tcp" => Protocol::Tcp,
        "tls" | "sips" => return refuse("TLS is passed through as TCP", format!("write \"tcp/{number}\"")),
        _ => {
            return refuse(
                format!("`{name}` is not a protocol of a service port"),
                "write udp/ or tcp/ before the port",
            );
        }
    };
    match number.parse() {
        Ok(port) if port > 0 => Ok(Listen { protocol, port }),
        _ => refuse(format!("`{number}` is not a port"), "write 1 to 65535 after the slash"),
    }
}

/// The text of a service port, as the file has it.
pub fn listen_text(listen: Listen) -> String {
    format!("{}/{}", listen.protocol, listen.port)
}

/// `2xx`, `404`, `200-299`, `any`
pub(super) fn codes(text: &str) -> Result<CodeRange, Refusal> {
    let code = |text: &str| text.parse::<u16>().ok().filter(|code| (100..=699).contains(code));
    if text == "any" {
        return Ok(CodeRange { first: 100, last: 699 });
    }
    if let Some(class) = text.strip_suffix("xx").and_then(|class| code(&format!("{class}00"))) {
        return Ok(CodeRange { first: class, last: class + 99 });
    }
    if let Some((first, last)) = text.split_once('-') {
        return match (code(first.trim()), code(last.trim())) {
            (Some(first), Some(last)) if first <= last => Ok(CodeRange { first, last }),
            (Some(first), Some(last)) => refuse("it ends before it begins", format!("write \"{last}-{first}\"")),
            _ => refuse("its ends are not SIP status codes", "both ends are 100 to 699"),
        };
    }
    match code(text) {
        Some(code) => Ok(CodeRange { first: code, last: code }),
        None if text.ends_with("XX") => {
            refuse("the class is written in lower case", format!("write \"{}\"", text.to_ascii_lowercase()))
        }
        None => refuse("it is not a SIP status code", "codes are 100 to 699 (RFC 3261 7.2)"),
    }
}

/// The shortest text that [`codes`] reads as `range`.
pub fn codes_text(range: CodeRange) -> String {
    match (range.first, range.last) {
        (100, 699) => "any".into(),
        (first, last) if first == last => first.to_string(),
        (first, last) if first % 100 == 0 && last == first + 99 => format!("{}xx", first / 100),
        (first, last) => format!("{first}-{last}"),
    }
}

/// `02:00-04:00`: from a minute of the day to another.
pub(super) fn window(text: &str) -> Result<DayWindow, Refusal> {
    let digits = |text: &str, below: u16| {
        let number = text.parse::<u16>().ok().filter(|number| *number < below)?;
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
    };
    let minute = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        Some(digits(hour, 24)? * 60 + digits(minute, 60)?)
    };
    let ends = text.split_once('-').map(|(from, to)| (minute(from), minute(to)));
    match ends {
        Some((Some(from), Some(to))) if from == to => {
            refuse("it ends as it begins", "leave the key out where any time of the day will do")
        }
        Some((Some(from), Some(to))) => Ok(DayWindow { from, to }),
        _ => refuse("it is not a part of the day", "write FROM-TO, each as 00:00 to 23:59, by UTC"),
    }
}

/// `bgp`, `186`
fn protocol(text: &str) -> Result<RouteProtocol, Refusal> {
    text.parse().or_else(|_| {
        let remedy = did_you_mean(text, RouteProtocol::names(), "write its number, 0 to 255, as ip -N route shows it");
        refuse("it is no protocol of routes that is known by name", remedy)
    })
}

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

impl Leaf for Duration {
    fn of(kind: &Kind, value: &DeValue) -> Taken<Duration> {
        let (Kind::Span { least, most, .. }, text) = (kind, value.as_str()?) else { return None };
        Some(match duration(text) {
            Ok(short) if short < *least => {
                refuse("it is too short", format!("write \"{}\" or more", duration_text(*least)))
            }
            Ok(long) if long > *most => refuse("it is too long", format!("write \"{}\" or less", duration_text(*most))),
            read => read,
        })
    }
}

impl Leaf for Needed {
    fn of(_: &Kind, value: &DeValue) -> Taken<Needed> {
        match value.as_str() {
            Some("all") => Some(Ok(Needed(None))),
            Some(_) => Some(refuse("it is neither \"all\" nor a number", "")),
            None => Some(whole(value, 1, 16)?.map(|number| Needed(usize::try_from(number).ok()))),
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
    ($($type:ty => |$kind:pat_param| $read:expr;)*) => {$(
        impl Leaf for $type {
            fn of($kind: &Kind, value: &DeValue) -> Taken<$type> {
                value.as_str().map($read)
            }
        }
    )*};
}

texts! {
    String => |kind| if matches!(kind, Kind::Name) { name } else { filled };
    Ipv4Net => |kind| if matches!(kind, Kind::SelfAddress) { self_address } else { network };
    Ipv4Addr => |_| address;
    Mac => |_| station;
    SocketAddr => |_| socket;
    Listen => |_| listen;
    CodeRange => |_| codes;
    DayWindow => |_| window;
    RouteProtocol => |_| protocol;
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
