//! What an operator may ask, parsed and typed.
//!
//! Owns the request line: `{"id":1,"command":"members","args":{}}`. The word in `command` is the words of the shell
//! command joined by hyphens: `fairlead pool force P M` asks `pool-force`. Names are not resolved here: only the
//! controller knows what exists.

use super::answer::{AdminError, Code};
use ipnet::Ipv4Net;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::Ipv4Addr;

/// Rows that `flows` tells when no limit is given.
pub const FLOWS_DEFAULT: usize = 1000;
/// Rows that `flows` tells at most.
pub const FLOWS_MAX: usize = 100_000;
/// Longest name of a member, a pool or a service that is looked up, in bytes.
pub const NAME_MAX: usize = 255;

/// What an operator may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// One screen. Told as [`Data::Status`](super::Data::Status).
    Status,
    /// The members of all pools.
    Members,
    /// The virtual servers.
    Services,
    /// Each monitor of each member.
    Probes,
    /// The flows that match.
    Flows {
        /// Which.
        filter: FlowSelection,
        /// At most so many rows over all workers, 1 to [`FLOWS_MAX`].
        limit: usize,
    },
    /// What members send outward: addresses and ports in use.
    Snat,
    /// Who is on the link.
    Neighbours,
    /// Where packets go.
    Routes,
    /// The NICs.
    Ports,
    /// The counters.
    Counters {
        /// Also those that stand at zero.
        all: bool,
    },
    /// The switchovers, oldest first.
    Switchovers,
    /// How long frames are in the box and turns take. Told by worker, and of all together.
    Latency {
        /// Measure anew after this answer, which tells what was measured until then.
        reset: bool,
    },
    /// The operator's word on a member. Told as the members of its pool afterwards.
    MemberSet {
        /// The member's name.
        name: String,
        /// The word.
        word: MemberWord,
    },
    /// Make this member the active one until told otherwise. Told as the members of the pool afterwards.
    PoolForce {
        /// The pool's name.
        pool: String,
        /// The member's name.
        member: String,
    },
    /// Give the choice back to the monitors. Told as the members of the pool afterwards.
    PoolAuto {
        /// The pool's name.
        pool: String,
    },
    /// Forget the flows that match. Told as [`Data::Cleared`](super::Data::Cleared).
    FlowsClear {
        /// Which; empty: all.
        filter: FlowSelection,
    },
    /// The exclusion group of a pool's SNAT.
    ExcludeList {
        /// The pool's name.
        pool: String,
    },
    /// Put a prefix into it. Told as the whole group afterwards.
    ExcludeAdd {
        /// The pool's name.
        pool: String,
        /// Destinations, host bits zero.
        prefix: Ipv4Net,
    },
    /// Take a prefix out of it. Told as the whole group afterwards.
    ExcludeRemove {
        /// The pool's name.
        pool: String,
        /// Destinations, host bits zero.
        prefix: Ipv4Net,
    },
    /// Probe a member at once; told, as its probes, once every monitor has an answer or has given up.
    ProbeNow {
        /// The member's name.
        member: String,
    },
    /// Read the file again, all or nothing. Told as [`Data::Reloaded`](super::Data::Reloaded).
    Reload,
}

/// The operator's word on a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberWord {
    /// The monitors decide.
    Enable,
    /// No new work; what it has may finish.
    Drain,
    /// No work at all.
    Offline,
}

/// Which flows are meant, by name. Everything that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowSelection {
    /// The outside address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Ipv4Addr>,
    /// The member's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The virtual server's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// A request line, parsed as far as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Comes back with each line of the answer; 0 where the line does not say.
    pub id: u64,
    /// What is asked, or what is wrong with it.
    pub request: Result<Request, AdminError>,
}

impl Line {
    /// Reads one line, without its line feed. Never fails as a whole: what is wrong is to be told to the client.
    pub fn parse(bytes: &[u8]) -> Line {
        let object: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(why) => return Line { id: 0, request: Err(not_json(&why)) },
        };
        let id = object.get("id").and_then(Value::as_u64).unwrap_or(0);
        let request = serde_json::from_value::<Envelope>(object).map_err(|why| bad_envelope(&why));
        Line { id, request: request.and_then(|envelope| typed(&envelope.command, envelope.args)) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(default, rename = "id")]
    _id: u64,
    command: String,
    #[serde(default)]
    args: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArgs {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowsArgs {
    client: Option<Ipv4Addr>,
    member: Option<String>,
    service: Option<String>,
    #[serde(default = "flows_default")]
    limit: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountersArgs {
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LatencyArgs {
    #[serde(default)]
    reset: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberArgs {
    member: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolArgs {
    pool: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForceArgs {
    pool: String,
    member: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrefixArgs {
    pool: String,
    prefix: String,
}

const fn flows_default() -> usize {
    FLOWS_DEFAULT
}

fn typed(command: &str, args: Map<String, Value>) -> Result<Request, AdminError> {
    let plain = |request| arguments::<NoArgs>(command, args.clone()).map(|NoArgs {}| request);
    match command {
        "status" => plain(Request::Status),
        "members" => plain(Request::Members),
        "services" => plain(Request::Services),
        "probes" => plain(Request::Probes),
        "snat" => plain(Request::Snat),
        "neighbours" => plain(Request::Neighbours),
        "routes" => plain(Request::Routes),
        "ports" => plain(Request::Ports),
        "switchovers" => plain(Request::Switchovers),
        "reload" => plain(Request::Reload),
        "counters" => arguments(command, args).map(|CountersArgs { all }| Request::Counters { all }),
        "latency" => arguments(command, args).map(|LatencyArgs { reset }| Request::Latency { reset }),
        "flows" => flows(arguments(command, args)?),
        "flows-clear" => Ok(Request::FlowsClear { filter: checked_selection(arguments(command, args)?)? }),
        "member-enable" => member_set(arguments(command, args)?, MemberWord::Enable),
        "member-drain" => member_set(arguments(command, args)?, MemberWord::Drain),
        "member-offline" => member_set(arguments(command, args)?, MemberWord::Offline),
        "pool-force" => force(arguments(command, args)?),
        "pool-auto" => Ok(Request::PoolAuto { pool: pool(arguments(command, args)?)? }),
        "exclude-list" => Ok(Request::ExcludeList { pool: pool(arguments(command, args)?)? }),
        "exclude-add" => prefix(arguments(command, args)?).map(|(pool, prefix)| Request::ExcludeAdd { pool, prefix }),
        "exclude-remove" => {
            prefix(arguments(command, args)?).map(|(pool, prefix)| Request::ExcludeRemove { pool, prefix })
        }
        "probe-now" => {
            let MemberArgs { member } = arguments(command, args)?;
            Ok(Request::ProbeNow { member: checked_name("member", member)? })
        }
        other => Err(unknown_command(other)),
    }
}

fn arguments<T: DeserializeOwned>(command: &str, args: Map<String, Value>) -> Result<T, AdminError> {
    serde_json::from_value(Value::Object(args)).map_err(|why| {
        let why = shortened(&why.to_string());
        AdminError::new(Code::BadArguments, format!("the arguments of `{command}` cannot be read: {why}"))
    })
}

fn flows(args: FlowsArgs) -> Result<Request, AdminError> {
    let FlowsArgs { client, member, service, limit } = args;
    if !(1..=FLOWS_MAX).contains(&limit) {
        let message = format!("`limit` is {limit}: write a number from 1 to {FLOWS_MAX}");
        return Err(AdminError::new(Code::BadArguments, message));
    }
    Ok(Request::Flows { filter: checked_selection(FlowSelection { client, member, service })?, limit })
}

fn checked_selection(selection: FlowSelection) -> Result<FlowSelection, AdminError> {
    let FlowSelection { client, member, service } = selection;
    Ok(FlowSelection {
        client,
        member: member.map(|name| checked_name("member", name)).transpose()?,
        service: service.map(|name| checked_name("service", name)).transpose()?,
    })
}

fn member_set(MemberArgs { member }: MemberArgs, word: MemberWord) -> Result<Request, AdminError> {
    Ok(Request::MemberSet { name: checked_name("member", member)?, word })
}

fn force(ForceArgs { pool, member }: ForceArgs) -> Result<Request, AdminError> {
    Ok(Request::PoolForce { pool: checked_name("pool", pool)?, member: checked_name("member", member)? })
}

fn pool(PoolArgs { pool }: PoolArgs) -> Result<String, AdminError> {
    checked_name("pool", pool)
}

fn prefix(PrefixArgs { pool, prefix }: PrefixArgs) -> Result<(String, Ipv4Net), AdminError> {
    let parsed = parse_prefix(&prefix).map_err(|why| AdminError::new(Code::BadArguments, why))?;
    Ok((checked_name("pool", pool)?, parsed))
}

/// Reads `10.0.0.0/8`, or one address for a prefix of 32 bits.
///
/// # Errors
/// A sentence that names the value and the remedy: not a prefix, or host bits that are not zero.
pub fn parse_prefix(text: &str) -> Result<Ipv4Net, String> {
    let host = text.parse::<Ipv4Addr>().map(Ipv4Net::from);
    let net = host.or_else(|_| text.parse::<Ipv4Net>()).map_err(|_| {
        let text = shortened(text);
        format!("`{text}` is not a prefix: write one such as 172.16.2.0/24, or one address such as 172.16.1.20")
    })?;
    if net != net.trunc() {
        return Err(format!(
            "`{net}` has host bits set: write {} for the network, or {}/32 for the host",
            net.trunc(),
            net.addr()
        ));
    }
    Ok(net)
}

fn checked_name(what: &str, name: String) -> Result<String, AdminError> {
    let wrong = |why: &str| Err(AdminError::new(Code::BadArguments, format!("the name of the {what} {why}")));
    match name.len() {
        0 => wrong("is empty"),
        length if length > NAME_MAX => wrong(&format!("has {length} bytes, at most {NAME_MAX} are allowed")),
        _ => Ok(name),
    }
}

fn not_json(why: &serde_json::Error) -> AdminError {
    let message =
        format!("not a JSON object on one line, such as {{\"id\":1,\"command\":\"status\",\"args\":{{}}}}: {why}");
    AdminError::new(Code::BadJson, message)
}

fn bad_envelope(why: &serde_json::Error) -> AdminError {
    let why = shortened(&why.to_string());
    AdminError::new(Code::BadRequest, format!("a request has the keys `id` (a number), `command` and `args`: {why}"))
}

fn unknown_command(command: &str) -> AdminError {
    let message = format!("there is no command `{}`; the commands are {}", shortened(command), COMMANDS.join(", "));
    AdminError::new(Code::UnknownCommand, message)
}

/// A client's own text in an answer to it: short, and free of what a terminal would obey.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Every word that `command` may hold.
pub const COMMANDS: &[&str] = &[
    "status",
    "members",
    "services",
    "probes",
    "flows",
    "flows-clear",
    "snat",
    "neighbours",
    "routes",
    "ports",
    "counters",
    "switchovers",
    "latency",
    "member-enable",
    "member-drain",
    "member-offline",
    "pool-force",
    "pool-auto",
    "exclude-list",
    "exclude-add",
    "exclude-remove",
    "probe-now",
    "reload",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Request {
        Line::parse(line.as_bytes()).request.unwrap_or_else(|why| panic!("{line}: {why}"))
    }

    fn refused(line: &str) -> (u64, Code, String) {
        let Line { id, request } = Line::parse(line.as_bytes());
        let error = request.expect_err(line);
        (id, error.code, error.message)
    }

    #[test]
    fn each_command_is_understood() {
        let words = |pool: &str| pool.to_owned();
        let net: Ipv4Net = "172.16.1.20/32".parse().unwrap();
        let selection = FlowSelection {
            client: Some(Ipv4Addr::new(172, 16, 5, 5)),
            member: Some(words("sip-a")),
            service: Some(words("sip-1")),
        };
        let rows = [
            (r#"{"id":1,"command":"status","args":{}}"#, Request::Status),
            (r#"{"command":"members"}"#, Request::Members),
            (
                r#"{"id":1,"command":"flows"}"#,
                Request::Flows { filter: FlowSelection::default(), limit: FLOWS_DEFAULT },
            ),
            (
                r#"{"command":"flows","args":{"client":"172.16.5.5","member":"sip-a","service":"sip-1","limit":7}}"#,
                Request::Flows { filter: selection.clone(), limit: 7 },
            ),
            (
                r#"{"command":"flows-clear","args":{"client":"172.16.5.5","member":"sip-a","service":"sip-1"}}"#,
                Request::FlowsClear { filter: selection },
            ),
            (r#"{"command":"counters","args":{"all":true}}"#, Request::Counters { all: true }),
            (r#"{"command":"latency"}"#, Request::Latency { reset: false }),
            (r#"{"command":"latency","args":{"reset":true}}"#, Request::Latency { reset: true }),
            (
                r#"{"command":"member-drain","args":{"member":"sip-a"}}"#,
                Request::MemberSet { name: words("sip-a"), word: MemberWord::Drain },
            ),
            (
                r#"{"command":"pool-force","args":{"pool":"p","member":"m"}}"#,
                Request::PoolForce { pool: words("p"), member: words("m") },
            ),
            (
                r#"{"command":"exclude-add","args":{"pool":"p","prefix":"172.16.1.20"}}"#,
                Request::ExcludeAdd { pool: words("p"), prefix: net },
            ),
            (r#"{"command":"probe-now","args":{"member":"m"}}"#, Request::ProbeNow { member: words("m") }),
        ];
        for (line, request) in rows {
            assert_eq!(asked(line), request, "{line}");
        }
    }

    #[test]
    fn the_list_of_commands_is_the_list_that_is_understood() {
        for command in COMMANDS {
            let line = format!(r#"{{"command":"{command}"}}"#);
            if let Err(error) = Line::parse(line.as_bytes()).request {
                assert_eq!(error.code, Code::BadArguments, "{command}: {error}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!(r#"{{"command":"probe-now","args":{{"member":"{}"}}}}"#, "m".repeat(256));
        let rows = [
            ("", 0, Code::BadJson, "EOF"),
            ("nonsense", 0, Code::BadJson, "line 1 column"),
            ("[]", 0, Code::BadRequest, "keys"),
            ("7", 0, Code::BadRequest, "keys"),
            (r#"{"id":9}"#, 9, Code::BadRequest, "missing field `command`"),
            (r#"{"id":-1,"command":"status"}"#, 0, Code::BadRequest, "-1"),
            (r#"{"id":9,"command":"status","args":[]}"#, 9, Code::BadRequest, "map"),
            (r#"{"id":9,"command":"status","arg":{}}"#, 9, Code::BadRequest, "unknown field `arg`"),
            (
                r#"{"id":9,"command":"stat\u001b[2J"}"#,
                9,
                Code::UnknownCommand,
                "`stat?[2J`; the commands are status, members",
            ),
            (r#"{"id":9,"command":"status","args":{"x":1}}"#, 9, Code::BadArguments, "unknown field `x`"),
            (r#"{"id":9,"command":"flows","args":{"limit":0}}"#, 9, Code::BadArguments, "from 1 to 100000"),
            (r#"{"id":9,"command":"flows","args":{"client":"x"}}"#, 9, Code::BadArguments, "IPv4"),
            (r#"{"id":9,"command":"pool-auto","args":{"pool":""}}"#, 9, Code::BadArguments, "is empty"),
            (
                r#"{"id":9,"command":"exclude-add","args":{"pool":"p","prefix":"10.1.0.0/8"}}"#,
                9,
                Code::BadArguments,
                "10.0.0.0/8",
            ),
            (r#"{"id":9,"command":"exclude-add","args":{"pool":"p","prefix":"ten"}}"#, 9, Code::BadArguments, "`ten`"),
            (&long, 0, Code::BadArguments, "256 bytes"),
        ];
        for (line, id, code, part) in rows {
            let (told_id, told_code, message) = refused(line);
            assert_eq!((told_id, told_code), (id, code), "{line}: {message}");
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
