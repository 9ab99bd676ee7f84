//! What a reload changes: one row for each difference.
//!
//! Owns the comparison of two configurations and which changes the running appliance cannot take over. Changes nothing.

use super::value::duration_text;
use super::{Configuration, Settings, words};
use crate::policy::intent::{Intent, Limits, Member, Monitor, MonitorKind, Pool, Snat, VirtualServer};
use serde::{Deserialize, Serialize};
use std::fmt;

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
        let (what, before, after) = (&self.what, or(self.before.as_ref(), ""), or(self.after.as_ref(), ""));
        match self.kind {
            ChangeKind::Added => write!(f, "{what} {after} added"),
            ChangeKind::Removed => write!(f, "{what} {before} removed"),
            ChangeKind::Changed => write!(f, "{what} {before} → {after}"),
        }
    }
}

/// Everything in which `new` differs from `old`, in the order of the reference; empty when they mean the same.
pub fn difference(old: &Configuration, new: &Configuration) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut restart = Comparison { changes: &mut changes, live: false };
    restart.thing("appliance", &appliance(&old.settings), &appliance(&new.settings));
    restart.thing("cores", &cores(&old.settings), &cores(&new.settings));
    restart.thing("dpdk", &dpdk(&old.settings), &dpdk(&new.settings));
    restart.named("port", ports(&old.intent), ports(&new.intent));
    let (old, new) = (&old.intent, &new.intent);
    let mut live = Comparison { changes: &mut changes, live: true };
    live.named("interface", interfaces(old), interfaces(new));
    live.named("route", routes(old), routes(new));
    live.named("monitor", monitors(old), monitors(new));
    live.named("pool", pools(old), pools(new));
    live.named("member", members(old, new), members(new, old));
    live.named("virtual server", virtual_servers(old), virtual_servers(new));
    live.named("snat of pool", snats(old), snats(new));
    live.thing("timeouts", &timeouts(old), &timeouts(new));
    live.thing("limits", &rates(&old.limits), &rates(&new.limits));
    let mut restart = Comparison { changes: &mut changes, live: false };
    restart.thing("limits", &tables(&old.limits), &tables(&new.limits));
    changes
}

/// One key of a thing, in words.
#[derive(Clone, PartialEq)]
enum Word {
    One(String),
    Several(Vec<String>),
}

type Keys = Vec<(&'static str, Word)>;
type Things = Vec<(String, Keys)>;

struct Comparison<'c> {
    changes: &'c mut Vec<Change>,
    live: bool,
}

impl Comparison<'_> {
    fn named(&mut self, noun: &str, old: Things, new: Things) {
        let find =
            |things: &Things, name: &str| things.iter().find(|(other, _)| other == name).map(|(_, keys)| keys.clone());
        for (name, _) in old.iter().filter(|(name, _)| find(&new, name).is_none()) {
            self.removed(noun, name);
        }
        for (name, keys) in &new {
            match find(&old, name) {
                Some(before) => self.thing(&format!("{noun} {name}"), &before, keys),
                None => self.added(noun, name),
            }
        }
    }

    fn thing(&mut self, what: &str, old: &Keys, new: &Keys) {
        for ((key, before), (_, after)) in old.iter().zip(new).filter(|(before, after)| before != after) {
            let what = format!("{what}: {key}");
            match (before, after) {
                (Word::One(before), Word::One(after)) => self.changed(&what, before, after),
                (before, after) => self.list(&what, before.items(), after.items()),
            }
        }
    }

    fn list(&mut self, what: &str, old: &[String], new: &[String]) {
        let gone: Vec<&String> = old.iter().filter(|item| !new.contains(item)).collect();
        let come: Vec<&String> = new.iter().filter(|item| !old.contains(item)).collect();
        gone.iter().for_each(|item| self.removed(what, item));
        come.iter().for_each(|item| self.added(what, item));
        if gone.is_empty() && come.is_empty() {
            self.changed(&format!("{what} order"), &old.join(" "), &new.join(" "));
        }
    }

    fn added(&mut self, what: &str, after: &str) {
        self.add(ChangeKind::Added, what, None, Some(after));
    }

    fn removed(&mut self, what: &str, before: &str) {
        self.add(ChangeKind::Removed, what, Some(before), None);
    }

    fn changed(&mut self, what: &str, before: &str, after: &str) {
        self.add(ChangeKind::Changed, what, Some(before), Some(after));
    }

    fn add(&mut self, kind: ChangeKind, what: &str, before: Option<&str>, after: Option<&str>) {
        let (before, after) = (before.map(Into::into), after.map(Into::into));
        self.changes.push(Change { kind, what: what.into(), before, after, live: self.live });
    }
}

impl Word {
    fn items(&self) -> &[String] {
        match self {
            Word::One(item) => std::slice::from_ref(item),
            Word::Several(items) => items,
        }
    }
}

fn one(key: &'static str, value: impl ToString) -> (&'static str, Word) {
    (key, Word::One(value.to_string()))
}

fn several<T: ToString>(key: &'static str, values: impl IntoIterator<Item = T>) -> (&'static str, Word) {
    (key, Word::Several(values.into_iter().map(|value| value.to_string()).collect()))
}

fn or(value: Option<impl ToString>, otherwise: &str) -> String {
    value.map_or(otherwise.into(), |value| value.to_string())
}

fn appliance(settings: &Settings) -> Keys {
    vec![
        one("name", &settings.name),
        one("admin_socket", settings.admin_socket.display()),
        one("metrics", or(settings.metrics, "none")),
        one("log", settings.log),
    ]
}

fn cores(settings: &Settings) -> Keys {
    let cores = &settings.cores;
    vec![
        one("management", cores.management),
        several("workers", &cores.workers),
        one("idle", cores.idle),
        one("stall", duration_text(cores.stall)),
    ]
}

fn dpdk(settings: &Settings) -> Keys {
    let dpdk = &settings.dpdk;
    vec![
        one("hugepages", dpdk.hugepages),
        several("eal", &dpdk.eal),
        one("mbufs", dpdk.mbufs),
        one("memory", format!("{} MiB", dpdk.memory_mib)),
    ]
}

/// A port's place counts as well: everything running names ports by it.
fn ports(intent: &Intent) -> Things {
    let keys = |(place, port): (usize, &crate::policy::intent::PortIntent)| {
        let keys = vec![
            one("place in the file", place + 1),
            one("device", &port.device),
            one("mtu", port.mtu),
            one("queues", or(port.queues, "one per worker")),
        ];
        (port.name.clone(), keys)
    };
    intent.ports.iter().enumerate().map(keys).collect()
}

fn interfaces(intent: &Intent) -> Things {
    let entries = intent.interfaces.iter().map(|entry| {
        let port = intent.ports.get(usize::from(entry.port.0)).map_or("?", |port| &port.name);
        let keys = vec![
            one("port", port),
            one("vlan", words::vlan(entry)),
            several("addresses", &entry.addresses),
            one("mtu", entry.mtu),
        ];
        (entry.name.clone(), keys)
    });
    entries.collect()
}

fn routes(intent: &Intent) -> Things {
    intent.routes.iter().map(|route| (words::destination(route), vec![one("via", route.via)])).collect()
}

/// Monitors of one name differ in their port; the first bears the name alone.
fn monitors(intent: &Intent) -> Things {
    let entries = intent.monitors.iter().enumerate().map(|(place, monitor)| {
        let twin = intent.monitors.iter().take(place).any(|other| other.name == monitor.name);
        let name =
            if twin { format!("{} ({})", monitor.name, words::question(&monitor.kind)) } else { monitor.name.clone() };
        (name, monitor_keys(monitor))
    });
    entries.collect()
}

fn monitor_keys(monitor: &Monitor) -> Keys {
    let none = || String::from("none");
    let (host, user, send) = match &monitor.kind {
        MonitorKind::Sip(probe) => (or(probe.host.as_ref(), "the member's"), or(probe.user.as_ref(), "none"), none()),
        MonitorKind::Udp { send, .. } if !send.is_empty() => (none(), none(), send.escape_ascii().to_string()),
        _ => (none(), none(), none()),
    };
    vec![
        one("asks", words::question(&monitor.kind)),
        one("good answer", words::good_answer(&monitor.kind)),
        one("host", host),
        one("user", user),
        one("send", send),
        one("interval", duration_text(monitor.interval)),
        one("timeout", duration_text(monitor.timeout)),
        one("rise", monitor.rise),
        one("fall", monitor.fall),
    ]
}

fn pools(intent: &Intent) -> Things {
    intent.pools.iter().map(|pool| (pool.name.clone(), pool_keys(intent, pool))).collect()
}

fn pool_keys(intent: &Intent, pool: &Pool) -> Keys {
    let members = pool.members.iter().filter_map(|id| intent.members.get(id.index())).map(|member| &member.name);
    vec![
        several("member", members),
        several("monitor", words::monitor_names(intent, pool)),
        one("require", pool.require),
        one("fail_back", words::fail_back(pool)),
        one("on_down.tcp", words::on_down_tcp(pool)),
        one("no_member", words::no_member(pool)),
    ]
}

/// The members that `other` has as well: those that come and go are told with their pool.
fn members(intent: &Intent, other: &Intent) -> Things {
    let stays = |member: &&Member| other.members.iter().any(|twin| twin.name == member.name);
    let members = intent.members.iter().filter(stays);
    members.map(|member| (member.name.clone(), vec![one("address", member.address)])).collect()
}

fn virtual_servers(intent: &Intent) -> Things {
    intent.virtual_servers.iter().map(|server| (server.name.clone(), server_keys(intent, server))).collect()
}

fn server_keys(intent: &Intent, server: &VirtualServer) -> Keys {
    vec![
        one("address", server.address),
        one("pool", intent.pools.get(server.pool.index()).map_or("?", |pool| &pool.name)),
        several("listen", words::listens(&server.listen)),
        one("enabled", server.enabled),
        one("echo", words::echo(server.echo)),
        one("unmatched", words::unmatched(server.unmatched)),
    ]
}

fn snats(intent: &Intent) -> Things {
    let name = |snat: &Snat| intent.pools.get(snat.pool.index()).map_or("?".into(), |pool| pool.name.clone());
    let keys = |snat: &Snat| {
        vec![
            one("address", snat.address),
            several("exclude", snat.exclude.iter().map(|net| words::network(*net))),
            several("untranslated_udp_ports", &snat.untranslated_udp_ports),
        ]
    };
    intent.snats.iter().map(|snat| (name(snat), keys(snat))).collect()
}

fn timeouts(intent: &Intent) -> Keys {
    words::timeouts(intent).into_iter().map(|(key, span)| one(key, span)).collect()
}

fn rates(limits: &Limits) -> Keys {
    vec![
        one("rejects_per_second", limits.rejects_per_second),
        one("icmp_errors_per_second", limits.icmp_errors_per_second),
    ]
}

/// The tables are taken at start.
fn tables(limits: &Limits) -> Keys {
    vec![one("flows_per_worker", limits.flows_per_worker), one("fragments_per_worker", limits.fragments_per_worker)]
}
