//! What a reload changes: one row for each difference.
//!
//! Owns the comparison of two configurations and which changes the running appliance cannot take over. Changes nothing.

use super::form::Fallback;
use super::settings::Configuration;
use super::value::{duration_text, listen_text, network_text};
use super::words;
use crate::policy::intent::*;
use crate::policy::words::Word;
use crate::wire::VlanId;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
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
    let mut changes = Comparison(Vec::new());
    let (before, after) = (&old.intent, &new.intent);
    changes.thing("appliance", &old.settings.keys(before), &new.settings.keys(after));
    changes.thing("cores", &old.settings.cores.keys(before), &new.settings.cores.keys(after));
    changes.thing("dpdk", &old.settings.dpdk.keys(before), &new.settings.dpdk.keys(after));
    changes.named("port", ports(before), ports(after));
    changes.named("interface", interfaces(before), interfaces(after));
    changes.named("route", routes(before), routes(after));
    changes.named("monitor", monitors(before), monitors(after));
    changes.named("pool", pools(before), pools(after));
    changes.named("member", members(before, after), members(after, before));
    changes.named("virtual server", virtual_servers(before), virtual_servers(after));
    changes.named("snat of pool", snats(before), snats(after));
    changes.thing("timeouts", &before.timeouts.keys(before), &after.timeouts.keys(after));
    changes.thing("limits", &before.limits.keys(before), &after.limits.keys(after));
    changes.0
}

/// The timeouts and limits of `intent`, each as `udp 5m, icmp 60s`.
pub fn bounds(intent: &Intent) -> [(&'static str, String); 2] {
    let text = |keys: Vec<Key>| {
        let keys = keys.iter().map(|key| format!("{} {}", key.name, key.value));
        keys.collect::<Vec<_>>().join(", ")
    };
    [("timeouts", text(intent.timeouts.keys(intent))), ("limits", text(intent.limits.keys(intent)))]
}

/// Something whose keys are compared; the table of keys says how.
pub(super) trait Compared {
    /// Each key with what it holds.
    fn keys(&self, intent: &Intent) -> Vec<Key>;
}

/// One key of a thing.
pub(super) struct Key {
    name: &'static str,
    value: Value,
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

type Things = Vec<(String, Vec<Key>)>;

struct Comparison(Vec<Change>);

impl Comparison {
    /// Things are one and the same if their name is. A whole one that comes or goes needs a restart if its first key does.
    fn named(&mut self, noun: &str, old: Things, new: Things) {
        let live = |keys: &[Key]| keys.first().is_none_or(|key| key.live);
        for (name, keys) in old.iter().filter(|(name, _)| !new.iter().any(|(other, _)| other == name)) {
            self.add(ChangeKind::Removed, noun, Some(name), None, live(keys));
        }
        for (name, keys) in &new {
            match old.iter().find(|(other, _)| other == name) {
                Some((_, before)) => self.thing(&format!("{noun} {name}"), before, keys),
                None => self.add(ChangeKind::Added, noun, None, Some(name), live(keys)),
            }
        }
    }

    fn thing(&mut self, what: &str, old: &[Key], new: &[Key]) {
        for (before, after) in old.iter().zip(new).filter(|(before, after)| before.value != after.value) {
            let what = format!("{what}: {}", after.name);
            match (&before.value, &after.value) {
                (Value::Several(old), Value::Several(new)) => self.list(&what, old, new, after.live),
                (old, new) => {
                    self.add(ChangeKind::Changed, &what, Some(&old.to_string()), Some(&new.to_string()), after.live);
                }
            }
        }
    }

    fn list(&mut self, what: &str, old: &[String], new: &[String], live: bool) {
        let gone: Vec<&String> = old.iter().filter(|item| !new.contains(item)).collect();
        let come: Vec<&String> = new.iter().filter(|item| !old.contains(item)).collect();
        gone.iter().for_each(|item| self.add(ChangeKind::Removed, what, Some(item), None, live));
        come.iter().for_each(|item| self.add(ChangeKind::Added, what, None, Some(item), live));
        if gone.is_empty() && come.is_empty() {
            let (old, new) = (old.join(" "), new.join(" "));
            self.add(ChangeKind::Changed, &format!("{what} order"), Some(&old), Some(&new), live);
        }
    }

    fn add(&mut self, kind: ChangeKind, what: &str, before: Option<&str>, after: Option<&str>, live: bool) {
        let (before, after) = (before.map(Into::into), after.map(Into::into));
        self.0.push(Change { kind, what: what.into(), before, after, live });
    }
}

/// A port's place counts as well: everything running names ports by it.
fn ports(intent: &Intent) -> Things {
    let ports = intent.ports.iter().enumerate().map(|(place, port)| {
        let place = Key { live: false, ..Key::live("place in the file", place + 1) };
        (port.name.clone(), std::iter::once(place).chain(port.keys(intent)).collect())
    });
    ports.collect()
}

fn interfaces(intent: &Intent) -> Things {
    intent.interfaces.iter().map(|entry| (entry.name.clone(), entry.keys(intent))).collect()
}

fn routes(intent: &Intent) -> Things {
    intent.routes.iter().map(|route| (network_text(route.to), route.keys(intent))).collect()
}

/// Monitors of one name differ in their port; the first bears the name alone.
fn monitors(intent: &Intent) -> Things {
    let entries = intent.monitors.iter().enumerate().map(|(place, monitor)| {
        let twin = intent.monitors.iter().take(place).any(|other| other.name == monitor.name);
        let probe = words::question(&monitor.kind);
        let name = if twin { format!("{} ({probe})", monitor.name) } else { monitor.name.clone() };
        let (host, user) = match &monitor.kind {
            MonitorKind::Sip(probe) => (probe.host.clone(), probe.user.clone()),
            _ => (None, None),
        };
        let send = match &monitor.kind {
            MonitorKind::Udp { send, .. } => send.escape_ascii().to_string(),
            _ => String::new(),
        };
        let none = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "none".into());
        let mut keys = vec![
            Key::live("probe", probe),
            Key::live("up when", words::good_answer(&monitor.kind)),
            Key::live("host", none(host)),
            Key::live("user", none(user)),
            Key::live("send", none(Some(send))),
        ];
        keys.extend(monitor.keys(intent));
        (name, keys)
    });
    entries.collect()
}

fn pools(intent: &Intent) -> Things {
    let keys = |pool: &Pool| {
        let mut keys = pool.keys(intent);
        keys.push(Key::live("on_down.tcp", pool.on_down_tcp));
        keys
    };
    intent.pools.iter().map(|pool| (pool.name.clone(), keys(pool))).collect()
}

/// The members that `other` has as well: those that come and go are listed with their pool.
fn members(intent: &Intent, other: &Intent) -> Things {
    let stays = |member: &&Member| other.members.iter().any(|twin| twin.name == member.name);
    intent.members.iter().filter(stays).map(|member| (member.name.clone(), member.keys(intent))).collect()
}

fn virtual_servers(intent: &Intent) -> Things {
    intent.virtual_servers.iter().map(|server| (server.name.clone(), server.keys(intent))).collect()
}

fn snats(intent: &Intent) -> Things {
    intent.snats.iter().map(|snat| (snat.pool.shown(intent).to_string(), snat.keys(intent))).collect()
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
                Value::One($text)
            }
        }
    )*};
}

shown! {
    bool => |flag, _intent| flag.to_string();
    u16 => |number, _intent| number.to_string();
    u32 => |number, _intent| number.to_string();
    usize => |number, _intent| number.to_string();
    String => |text, _intent| text.clone();
    PathBuf => |path, _intent| path.display().to_string();
    Duration => |span, _intent| duration_text(*span);
    Ipv4Addr => |address, _intent| address.to_string();
    Ipv4Net => |net, _intent| network_text(*net);
    SocketAddr => |socket, _intent| socket.to_string();
    VlanId => |vlan, _intent| vlan.to_string();
    Listen => |listen, _intent| listen_text(*listen);
    PortId => |id, intent| name(intent.ports.get(id.index()).map(|port| &port.name));
    PoolId => |id, intent| name(intent.pools.get(id.index()).map(|pool| &pool.name));
    MemberId => |id, intent| name(intent.members.get(id.index()).map(|member| &member.name));
    MonitorId => |id, intent| name(intent.monitors.get(id.index()).map(|monitor| &monitor.name));
}

impl<W: Word> Compares for W {
    fn shown(&self, _: &Intent) -> Value {
        Value::One(self.to_string())
    }
}

fn name(name: Option<&String>) -> String {
    name.map_or("?".into(), Clone::clone)
}
