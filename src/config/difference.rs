//! What a reload changes: one row for each difference.
//!
//! Owns the comparison of two configurations, what `check` and `reload` call what a key holds, and which changes the
//! running appliance cannot take over. Changes nothing.

use super::form::{Fallback, duration_text};
use super::pem;
use super::settings::Configuration;
use super::value::{codes_text, listen_text, network_text};
use crate::netlink::RouteProtocol;
use crate::policy::intent::*;
use crate::policy::sources::Sources;
use crate::policy::words::Word;
use crate::wire::{Mac, VlanId};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// One difference between two configurations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To what: `monitor sip-options: interval`; `pool` where `before` or `after` is the name of a whole one.
    pub what: String,
    /// Before; `None` when it was added.
    pub before: Option<String>,
    /// After; `None` when it was removed.
    pub after: Option<String>,
    /// A running appliance can take it over; `false`: it needs a restart.
    pub live: bool,
}

/// See [`Change::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It differs.
    Changed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, before, after) =
            (&self.what, self.before.as_deref().unwrap_or(""), self.after.as_deref().unwrap_or(""));
        match self.kind {
            ChangeKind::Added => write!(f, "{what} {after} added"),
            ChangeKind::Removed => write!(f, "{what} {before} removed"),
            ChangeKind::Changed => write!(f, "{what} {before} → {after}"),
        }
    }
}

/// Everything in which `new` differs from `old`, in the order of the reference; empty when they mean the same.
pub fn difference(old: &Configuration, new: &Configuration) -> Vec<Change> {
    let mut changes = Comparison { changes: Vec::new(), before: &old.intent, after: &new.intent };
    changes.thing("appliance", &old.settings, &new.settings);
    changes.thing("cores", &old.settings.cores, &new.settings.cores);
    changes.thing("dpdk", &old.settings.dpdk, &new.settings.dpdk);
    changes.thing("routes", &old.settings.routes, &new.settings.routes);
    changes.named("port", ports);
    changes.named("interface", |intent| each(intent, intent.interfaces.iter(), |one| one.name.clone()));
    changes.named("route", |intent| each(intent, &intent.routes, |one| network_text(one.to)));
    changes.named("neighbour", |intent| each(intent, &intent.neighbours, |one| one.address.to_string()));
    changes.named("monitor", monitors);
    changes.named("pool", pools);
    changes.named("member", |intent| each(intent, intent.members.iter(), |one| one.name.clone()));
    // Those that come and go are listed with their pool.
    changes.changes.retain(|change| change.what != "member");
    changes.named("virtual server", |intent| each(intent, intent.virtual_servers.iter(), |one| one.name.clone()));
    changes.named("snat of pool", |intent| each(intent, &intent.snats, |one| intent.pools[one.pool].name.clone()));
    changes.thing("direct_access", &old.intent.direct_access, &new.intent.direct_access);
    changes.thing("timeouts", &old.intent.timeouts, &new.intent.timeouts);
    changes.thing("limits", &old.intent.limits, &new.intent.limits);
    changes.thing("sip", &old.intent.sip, &new.intent.sip);
    changes.named("section", |intent| each(intent, &intent.pair, |_| "[pair]".into()));
    if has_peer(old) != has_peer(new) {
        // Ports of SNAT addresses are given away in an order that both appliances know, from the start on.
        let of_pair =
            |change: &&mut Change| change.what == "section" || change.what.starts_with("section [pair]: peer");
        changes.changes.iter_mut().filter(of_pair).for_each(|change| change.live = false);
    }
    changes.changes
}

fn has_peer(configuration: &Configuration) -> bool {
    configuration.intent.pair.as_ref().is_some_and(|pair| pair.peer.is_some())
}

/// Who may call the virtual servers of `intent`, and reach its members directly; its timeouts and limits, each as `udp 5m, icmp 60s`; which SIP is counted, if any is.
pub fn bounds(intent: &Intent) -> Vec<(&'static str, String)> {
    let text = |keys: Vec<Key>| {
        let keys = keys.iter().map(|key| format!("{} {}", key.name, key.value));
        keys.collect::<Vec<_>>().join(", ")
    };
    let direct = match &intent.direct_access.allow {
        None => "everybody, as no [direct_access] says who".into(),
        Some(allow) if allow.iter().any(|net| net.prefix_len() == 0) => "everybody".into(),
        Some(allow) if allow.is_empty() => "the exclusion groups".into(),
        Some(allow) => {
            let allow: Vec<String> = allow.iter().map(|net| network_text(*net)).collect();
            format!("{} and the exclusion groups", allow.join(", "))
        }
    };
    let rules = intent.direct_access.rules.iter().map(|rule| ("direct access", access_rule_text(rule, intent)));
    let narrowed = intent.virtual_servers.iter().filter(|server| !is_open(server));
    let mut bounds: Vec<_> = narrowed.map(|server| ("who may call", callers(server))).collect();
    let open = open_servers(intent);
    bounds
        .extend(open.map(|of| ("who may call", format!("everybody: {of}; allow in [[virtual_server]] says who may"))));
    bounds.push(("direct access", direct));
    bounds.extend(rules);
    bounds.extend([("timeouts", text(intent.timeouts.keys(intent))), ("limits", text(intent.limits.keys(intent)))]);
    match intent.sip.sample {
        0 => {}
        1 => bounds.push(("SIP statistics", "of all transactions".into())),
        sample => bounds.push(("SIP statistics", format!("of one transaction in {sample}"))),
    }
    bounds
}

/// The virtual servers that everybody may call, some by name; `None`: there is none.
pub fn open_servers(intent: &Intent) -> Option<String> {
    let open: Vec<&str> =
        intent.virtual_servers.iter().filter(|server| is_open(server)).map(|server| server.name.as_str()).collect();
    match open.as_slice() {
        [] => None,
        [one, two, others @ ..] if others.len() > 2 => Some(format!("{one}, {two} and {} others", others.len())),
        all => Some(all.join(", ")),
    }
}

fn is_open(server: &VirtualServer) -> bool {
    Sources::unless_everybody(&server.allow).is_none()
}

/// `sip-1: 172.16.5.0/24, 172.16.6.0/24`
fn callers(server: &VirtualServer) -> String {
    let networks: Vec<String> = server.allow.iter().map(|net| network_text(*net)).collect();
    format!("{}: {}", server.name, networks.join(", "))
}

/// `SIP OPTIONS over udp to port 5060`
pub fn question(kind: &MonitorKind) -> String {
    match kind {
        MonitorKind::Icmp => "ICMP echo".into(),
        MonitorKind::Tcp { port } => format!("TCP handshake with port {port}"),
        MonitorKind::TcpHalfOpen { port } => format!("TCP SYN to port {port}"),
        MonitorKind::Udp { port, send, .. } => format!("{}-byte datagram to port {port}", send.len()),
        MonitorKind::Sip(SipProbe { port, .. }) | MonitorKind::Http(HttpProbe { port, .. }) if is_handshake(kind) => {
            format!("TLS handshake with port {port}")
        }
        MonitorKind::Sip(probe) => format!("SIP OPTIONS over {} to port {}", probe.transport, probe.port),
        MonitorKind::External(probe) => match probe.port {
            Some(port) => format!("{} with port {port}", probe.command),
            None => probe.command.clone(),
        },
        MonitorKind::Http(probe) => {
            let HttpProbe { method, path, port, tls, .. } = probe;
            format!("HTTP{} {method} {path} to port {port}", if tls.is_some() { "S" } else { "" })
        }
    }
}

/// Nothing is asked once TLS is agreed on.
fn is_handshake(kind: &MonitorKind) -> bool {
    let tls = match kind {
        MonitorKind::Sip(probe) if probe.transport == SipTransport::Tls => Some(&probe.tls),
        MonitorKind::Http(probe) => probe.tls.as_ref(),
        _ => None,
    };
    tls.is_some_and(|tls| tls.handshake == Handshake::Enough)
}

/// What counts as a good answer: `1xx, 2xx, 3xx but not 302`; and which of them are a standby's: `; standby 503`.
pub fn good_answer(kind: &MonitorKind) -> String {
    match kind {
        MonitorKind::Icmp => "echo reply".into(),
        MonitorKind::Tcp { .. } => "it completes".into(),
        kind if is_handshake(kind) => "it completes".into(),
        MonitorKind::TcpHalfOpen { .. } => "SYN-ACK".into(),
        MonitorKind::Udp { receive, .. } if receive.is_empty() => "any datagram".into(),
        MonitorKind::Udp { receive, .. } => format!("a datagram with \"{}\"", receive.escape_ascii()),
        MonitorKind::Sip(probe) => good_codes(&probe.up_codes, &probe.down_codes) + &roles(&probe.roles),
        MonitorKind::External(probe) => match probe.up_when {
            UpWhen::Exit => "it ends with status 0".into(),
            UpWhen::Output => "it prints anything".into(),
        },
        MonitorKind::Http(HttpProbe { up_codes, down_codes, receive, .. }) => match receive.is_empty() {
            true => good_codes(up_codes, down_codes),
            false => format!("{} with \"{}\"", good_codes(up_codes, down_codes), receive.escape_ascii()),
        },
    }
}

fn good_codes(up: &[CodeRange], down: &[CodeRange]) -> String {
    if down.is_empty() { codes(up) } else { format!("{} but not {}", codes(up), codes(down)) }
}

/// By what answers members tell their roles.
fn roles(roles: &Roles) -> String {
    let Roles { standby_codes, active_header, standby_header } = roles;
    let standby = Some(codes(standby_codes)).filter(|codes| !codes.is_empty()).map(|codes| format!("standby {codes}"));
    let header = |role: &str, rule: &Option<HeaderRule>| rule.as_ref().map(|rule| format!("{role} by {rule}"));
    let all = [standby, header("active", active_header), header("standby", standby_header)];
    all.into_iter().flatten().map(|role| format!("; {role}")).collect()
}

fn codes(ranges: &[CodeRange]) -> String {
    ranges.iter().map(|range| codes_text(*range)).collect::<Vec<_>>().join(", ")
}

/// Something whose keys are compared; the table of keys says how.
pub(super) trait Compared {
    /// Each key with what it holds.
    fn keys(&self, intent: &Intent) -> Vec<Key>;
}

/// One key of a thing.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) value: Value,
    live: bool,
}

/// What a key holds, in words.
#[derive(PartialEq)]
pub(super) enum Value {
    /// Nothing: it is absent.
    Absent,
    One(String),
    Several(Vec<String>),
}

impl Key {
    /// The key `name`; where it is absent, what `fallback` says of that.
    pub(super) fn new(name: &'static str, value: Value, fallback: &Fallback, live: bool) -> Key {
        let value = match (value, fallback) {
            (Value::Absent, Fallback::Derived(words)) => Value::One((*words).into()),
            (value, _) => value,
        };
        Key { name, value, live }
    }

    fn live(name: &'static str, value: impl ToString) -> Key {
        Key { name, value: Value::One(value.to_string()), live: true }
    }
}

pub(super) type Things = Vec<(String, Vec<Key>)>;

struct Comparison<'i> {
    changes: Vec<Change>,
    before: &'i Intent,
    after: &'i Intent,
}

impl Comparison<'_> {
    fn thing<T: Compared>(&mut self, what: &str, old: &T, new: &T) {
        self.keys(what, &old.keys(self.before), &new.keys(self.after));
    }

    /// Things are one and the same if their name is. A whole one that comes or goes needs a restart if its first key does.
    fn named(&mut self, noun: &str, things: fn(&Intent) -> Things) {
        let (old, new) = (things(self.before), things(self.after));
        let live = |keys: &[Key]| keys.first().is_none_or(|key| key.live);
        // The first of its name, where one comes twice.
        let known: HashMap<&str, &[Key]> =
            old.iter().rev().map(|(name, keys)| (name.as_str(), keys.as_slice())).collect();
        let stays: HashSet<&str> = new.iter().map(|(name, _)| name.as_str()).collect();
        for (name, keys) in old.iter().filter(|(name, _)| !stays.contains(name.as_str())) {
            self.add(ChangeKind::Removed, noun, Some(name), None, live(keys));
        }
        for (name, keys) in &new {
            match known.get(name.as_str()) {
                Some(before) => self.keys(&format!("{noun} {name}"), before, keys),
                None => self.add(ChangeKind::Added, noun, None, Some(name), live(keys)),
            }
        }
    }

    fn keys(&mut self, what: &str, old: &[Key], new: &[Key]) {
        for (before, after) in old.iter().zip(new).filter(|(before, after)| before.value != after.value) {
            let what = format!("{what}: {}", after.name);
            match (&before.value, &after.value) {
                (Value::Several(old), Value::Several(new)) => self.list(&what, old, new, after.live),
                (old, new) => self.changed(&what, old.to_string(), new.to_string(), after.live),
            }
        }
    }

    fn list(&mut self, what: &str, old: &[String], new: &[String], live: bool) {
        let number = self.changes.len();
        let (had, has): (HashSet<&String>, HashSet<&String>) = (old.iter().collect(), new.iter().collect());
        let gone = old.iter().filter(|item| !has.contains(item));
        gone.for_each(|item| self.add(ChangeKind::Removed, what, Some(item), None, live));
        let come = new.iter().filter(|item| !had.contains(item));
        come.for_each(|item| self.add(ChangeKind::Added, what, None, Some(item), live));
        if self.changes.len() == number {
            self.changed(&format!("{what} order"), old.join(" "), new.join(" "), live);
        }
    }

    fn changed(&mut self, what: &str, before: String, after: String, live: bool) {
        self.add(ChangeKind::Changed, what, Some(&before), Some(&after), live);
    }

    fn add(&mut self, kind: ChangeKind, what: &str, before: Option<&str>, after: Option<&str>, live: bool) {
        let (before, after) = (before.map(Into::into), after.map(Into::into));
        self.changes.push(Change { kind, what: what.into(), before, after, live });
    }
}

/// Each of `things` with its name and keys.
pub(super) fn each<'i, T: Compared + 'i>(
    intent: &Intent,
    things: impl IntoIterator<Item = &'i T>,
    name: impl Fn(&T) -> String,
) -> Things {
    things.into_iter().map(|thing| (name(thing), thing.keys(intent))).collect()
}

/// A port's place counts as well: everything running names ports by it.
pub(super) fn ports(intent: &Intent) -> Things {
    let mut ports = each(intent, &intent.ports, |port| port.name.clone());
    for (place, (_, keys)) in ports.iter_mut().enumerate() {
        keys.insert(0, Key { live: false, ..Key::live("place in the file", place + 1) });
    }
    ports
}

/// Monitors of one name differ in their port; the first has the name alone.
pub(super) fn monitors(intent: &Intent) -> Things {
    let mut names = HashSet::new();
    let entries = intent.monitors.iter().map(|monitor| {
        let twin = !names.insert(&monitor.name);
        let probe = question(&monitor.kind);
        let name = if twin { format!("{} ({probe})", monitor.name) } else { monitor.name.clone() };
        let mut keys = vec![Key::live("probe", probe), Key::live("up when", good_answer(&monitor.kind))];
        keys.extend(texts(&monitor.kind).map(|(name, text)| Key::live(name, text.as_deref().unwrap_or("none"))));
        keys.extend(tls_keys(&monitor.kind));
        keys.extend(monitor.keys(intent));
        (name, keys)
    });
    entries.collect()
}

/// What the question says in words of the file.
fn texts(kind: &MonitorKind) -> [(&'static str, Option<String>); 10] {
    let sip = if let MonitorKind::Sip(probe) = kind { Some(probe) } else { None };
    let http = if let MonitorKind::Http(probe) = kind { Some(probe) } else { None };
    let arguments = match kind {
        MonitorKind::External(probe) if !probe.arguments.is_empty() => Some(probe.arguments.join(" ")),
        _ => None,
    };
    let send = match kind {
        MonitorKind::Udp { send, .. } if !send.is_empty() => Some(send.escape_ascii().to_string()),
        _ => None,
    };
    let of = |part: fn(&SipProbe) -> &Option<String>| sip.and_then(|probe| part(probe).clone());
    let roles = sip.map(|probe| &*probe.roles);
    let header = |rule: fn(&Roles) -> &Option<HeaderRule>| Some(rule(roles?).as_ref()?.to_string());
    [
        ("standby_codes", roles.map(|roles| codes(&roles.standby_codes)).filter(|codes| !codes.is_empty())),
        ("active_header", header(|roles| &roles.active_header)),
        ("standby_header", header(|roles| &roles.standby_header)),
        ("host", http.map_or_else(|| of(|probe| &probe.host), |probe| probe.host.clone())),
        ("user", of(|probe| &probe.user)),
        ("to", of(|probe| &probe.to)),
        ("from", of(|probe| &probe.from)),
        ("user_agent", http.map_or_else(|| of(|probe| &probe.user_agent), |probe| probe.user_agent.clone())),
        ("arguments", arguments),
        ("send", send),
    ]
}

fn tls_keys(kind: &MonitorKind) -> Vec<Key> {
    let plain = TlsProbe::default();
    let Some(tls) = kind.tls().or(matches!(kind, MonitorKind::Sip(_)).then_some(&plain)) else { return Vec::new() };
    let TlsProbe { certificate, key, verify, ca, server_name, handshake } = tls;
    let file = |file: &Option<PemFile>| file.as_ref().map_or("none".into(), pem::shown);
    vec![
        Key::live("certificate", file(certificate)),
        Key::live("key", file(key)),
        Key::live("verify", verify),
        Key::live("ca", file(ca)),
        Key::live("server_name", server_name.as_deref().unwrap_or("none")),
        Key::live("handshake", handshake),
    ]
}

pub(super) fn pools(intent: &Intent) -> Things {
    let mut pools = each(intent, intent.pools.iter(), |pool| pool.name.clone());
    for ((_, keys), pool) in pools.iter_mut().zip(intent.pools.iter()) {
        keys.push(Key::live("on_down.udp", pool.on_down_udp));
        keys.push(Key::live("on_down.tcp", pool.on_down_tcp));
    }
    pools
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Absent => f.write_str("none"),
            Value::One(item) => f.write_str(item),
            Value::Several(items) => f.write_str(&items.join(" ")),
        }
    }
}

/// What a key may hold, in words.
pub(super) trait Compares {
    /// The words, as the file has them where it can.
    fn shown(&self, intent: &Intent) -> Value;
}

impl<T: Compares> Compares for Option<T> {
    fn shown(&self, intent: &Intent) -> Value {
        self.as_ref().map_or(Value::Absent, |value| value.shown(intent))
    }
}

impl<T: Compares> Compares for Vec<T> {
    fn shown(&self, intent: &Intent) -> Value {
        Value::Several(self.iter().map(|value| value.shown(intent).to_string()).collect())
    }
}

macro_rules! shown {
    ($($type:ty => |$value:ident, $intent:ident| $text:expr;)*) => {$(
        impl Compares for $type {
            fn shown(&self, $intent: &Intent) -> Value {
                let $value = self;
                Value::One($text.to_string())
            }
        }
    )*};
}

shown! {
    bool => |flag, _intent| flag;
    u16 => |number, _intent| number;
    u32 => |number, _intent| number;
    usize => |number, _intent| number;
    String => |text, _intent| text;
    PathBuf => |path, _intent| path.display();
    Duration => |span, _intent| duration_text(*span);
    Ipv4Addr => |address, _intent| address;
    Ipv4Net => |net, _intent| network_text(*net);
    SocketAddr => |socket, _intent| socket;
    PemFile => |file, _intent| pem::shown(file);
    Mac => |mac, _intent| mac;
    VlanId => |vlan, _intent| vlan;
    Listen => |listen, _intent| listen_text(*listen);
    DayWindow => |window, _intent| window;
    RouteProtocol => |protocol, _intent| protocol;
    PortId => |id, intent| intent.ports[id.index()].name;
    PoolId => |id, intent| intent.pools[*id].name;
    MemberId => |id, intent| intent.members[*id].name;
    MonitorId => |id, intent| intent.monitors[*id].name;
    AccessRule => |rule, intent| access_rule_text(rule, intent);
}

/// `172.16.7.0/24 to pair-1 on tcp/22`
fn access_rule_text(rule: &AccessRule, intent: &Intent) -> String {
    let name = |target: &AccessTarget| match target {
        AccessTarget::Pool(id) => &*intent.pools[*id].name,
        AccessTarget::Member(id) => &*intent.members[*id].name,
    };
    let joined = |words: Vec<String>, before: &str| match words.is_empty() {
        true => String::new(),
        false => format!("{before}{}", words.join(", ")),
    };
    let from = joined(rule.from.iter().map(|net| network_text(*net)).collect(), "");
    let to = joined(rule.to.iter().map(|target| name(target).to_owned()).collect(), " to ");
    from + &to + &joined(rule.ports.iter().map(|listen| listen_text(*listen)).collect(), " on ")
}

impl<W: Word> Compares for W {
    fn shown(&self, _: &Intent) -> Value {
        Value::One(self.to_string())
    }
}
