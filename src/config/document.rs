//! What was written: every entry of the file with typed values and their places.
//!
//! Owns the shape of the file in Rust. A field is `None` when its key has no default and is absent, or when its value was
//! refused (and reported). Knows no meaning beyond a single value: read [`super::checks`] and [`super::meaning`] next.

use super::reader::{At, Section, Value};
use crate::policy::intent::{CodeRange, Listen};
use ipnet::Ipv4Net;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A value with its place, unless absent or refused.
pub(super) type Field<T> = Option<At<T>>;

/// What messages need to know of an entry.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// `pool "pair-1"`
    pub(super) title: String,
    /// Its header in the file.
    pub(super) span: std::ops::Range<usize>,
    /// Keys the file writes, defaults not among them, with their places.
    pub(super) written: Vec<(&'static str, std::ops::Range<usize>)>,
}

/// The whole file.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) name: Field<String>,
    pub(super) admin_socket: Field<String>,
    pub(super) metrics: Field<SocketAddr>,
    pub(super) log: Field<String>,
    pub(super) cores: Cores,
    pub(super) dpdk: Dpdk,
    pub(super) ports: Vec<Port>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) routes: Vec<Route>,
    pub(super) monitors: Vec<Monitor>,
    pub(super) pools: Vec<Pool>,
    pub(super) virtual_servers: Vec<VirtualServer>,
    pub(super) snats: Vec<Snat>,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
}

/// `[cores]`
#[derive(Debug)]
pub(super) struct Cores {
    pub(super) management: Field<usize>,
    pub(super) workers: Vec<At<usize>>,
    pub(super) idle: Field<String>,
    pub(super) stall: Field<Duration>,
}

/// `[dpdk]`
#[derive(Debug)]
pub(super) struct Dpdk {
    pub(super) hugepages: Field<bool>,
    pub(super) eal: Vec<At<String>>,
    pub(super) mbufs: Field<u32>,
    pub(super) memory: Field<u32>,
}

/// `[[port]]`
#[derive(Debug)]
pub(super) struct Port {
    pub(super) name: Field<String>,
    pub(super) device: Field<String>,
    pub(super) mtu: Field<u16>,
    pub(super) queues: Field<u16>,
}

/// `[[interface]]`
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) head: Head,
    pub(super) name: Field<String>,
    pub(super) port: Field<String>,
    pub(super) vlan: Field<u16>,
    pub(super) addresses: Vec<At<Ipv4Net>>,
    pub(super) mtu: Field<u16>,
}

/// `[[route]]`
#[derive(Debug)]
pub(super) struct Route {
    pub(super) head: Head,
    pub(super) to: Field<Ipv4Net>,
    pub(super) via: Field<Ipv4Addr>,
}

/// `[[monitor]]`
#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) head: Head,
    pub(super) name: Field<String>,
    pub(super) kind: Field<String>,
    pub(super) transport: Field<String>,
    pub(super) port: Field<u16>,
    pub(super) interval: Field<Duration>,
    pub(super) timeout: Field<Duration>,
    pub(super) rise: Field<u32>,
    pub(super) fall: Field<u32>,
    pub(super) up_codes: Vec<At<CodeRange>>,
    pub(super) down_codes: Vec<At<CodeRange>>,
    pub(super) host: Field<String>,
    pub(super) user: Field<String>,
    pub(super) send: Field<String>,
    pub(super) receive: Field<String>,
}

/// `[[pool]]`
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) head: Head,
    pub(super) name: Field<String>,
    pub(super) members: Vec<Member>,
    pub(super) monitors: Vec<At<String>>,
    pub(super) require: Field<Option<usize>>,
    pub(super) fail_back: Field<String>,
    pub(super) on_down_tcp: Field<String>,
    pub(super) no_member: Field<String>,
}

/// An entry of `members`.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) head: Head,
    pub(super) name: Field<String>,
    pub(super) address: Field<Ipv4Addr>,
}

/// `[[virtual_server]]`
#[derive(Debug)]
pub(super) struct VirtualServer {
    pub(super) head: Head,
    pub(super) name: Field<String>,
    pub(super) address: Field<Ipv4Addr>,
    pub(super) pool: Field<String>,
    pub(super) listen: Vec<At<Listen>>,
    pub(super) enabled: Field<bool>,
    pub(super) echo: Field<String>,
    pub(super) unmatched: Field<String>,
}

/// `[[snat]]`
#[derive(Debug)]
pub(super) struct Snat {
    pub(super) head: Head,
    pub(super) pool: Field<String>,
    pub(super) address: Field<Ipv4Addr>,
    pub(super) exclude: Vec<At<Ipv4Net>>,
    pub(super) untranslated_udp_ports: Vec<At<u16>>,
}

/// `[timeouts]`
#[derive(Debug)]
pub(super) struct Timeouts {
    pub(super) udp: Field<Duration>,
    pub(super) tcp_established: Field<Duration>,
    pub(super) tcp_opening: Field<Duration>,
    pub(super) tcp_closing: Field<Duration>,
    pub(super) icmp: Field<Duration>,
    pub(super) fragments: Field<Duration>,
}

/// `[limits]`
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) flows_per_worker: Field<usize>,
    pub(super) rejects_per_second: Field<u32>,
    pub(super) icmp_errors_per_second: Field<u32>,
    pub(super) fragments_per_worker: Field<usize>,
}

impl Document {
    /// The typed entries of what was read; `None` only if a section that stands once is not there, which was reported.
    pub(super) fn new(mut sections: BTreeMap<&'static str, Vec<Section>>) -> Option<Document> {
        let mut many = |path: &str| sections.remove(path).unwrap_or_default();
        let appliance = many("appliance").pop()?;
        Some(Document {
            name: appliance.at("name"),
            admin_socket: appliance.at("admin_socket"),
            metrics: appliance.at("metrics"),
            log: appliance.at("log"),
            cores: cores(&many("cores").pop()?),
            dpdk: dpdk(&many("dpdk").pop()?),
            ports: many("port").iter().map(port).collect(),
            interfaces: many("interface").iter().map(interface).collect(),
            routes: many("route").iter().map(route).collect(),
            monitors: many("monitor").iter().map(monitor).collect(),
            pools: many("pool").iter().map(pool).collect(),
            virtual_servers: many("virtual_server").iter().map(virtual_server).collect(),
            snats: many("snat").iter().map(snat).collect(),
            timeouts: timeouts(&many("timeouts").pop()?),
            limits: limits(&many("limits").pop()?),
        })
    }
}

fn cores(section: &Section) -> Cores {
    Cores {
        management: section.at("management"),
        workers: section.list("workers"),
        idle: section.at("idle"),
        stall: section.at("stall"),
    }
}

fn dpdk(section: &Section) -> Dpdk {
    Dpdk {
        hugepages: section.at("hugepages"),
        eal: section.list("eal"),
        mbufs: section.at("mbufs"),
        memory: section.at("memory"),
    }
}

fn port(section: &Section) -> Port {
    Port {
        name: section.at("name"),
        device: section.at("device"),
        mtu: section.at("mtu"),
        queues: section.at("queues"),
    }
}

fn interface(section: &Section) -> Interface {
    Interface {
        head: section.head(),
        name: section.at("name"),
        port: section.at("port"),
        vlan: section.at("vlan"),
        addresses: section.list("addresses"),
        mtu: section.at("mtu"),
    }
}

fn route(section: &Section) -> Route {
    Route { head: section.head(), to: section.at("to"), via: section.at("via") }
}

fn monitor(section: &Section) -> Monitor {
    Monitor {
        head: section.head(),
        name: section.at("name"),
        kind: section.at("kind"),
        transport: section.at("transport"),
        port: section.at("port"),
        interval: section.at("interval"),
        timeout: section.at("timeout"),
        rise: section.at("rise"),
        fall: section.at("fall"),
        up_codes: section.list("up_codes"),
        down_codes: section.list("down_codes"),
        host: section.at("host"),
        user: section.at("user"),
        send: section.at("send"),
        receive: section.at("receive"),
    }
}

fn pool(section: &Section) -> Pool {
    let on_down = section.inside("on_down").first();
    Pool {
        head: section.head(),
        name: section.at("name"),
        members: section.inside("members").iter().map(member).collect(),
        monitors: section.list("monitors"),
        require: section.at("require"),
        fail_back: section.at("fail_back"),
        on_down_tcp: on_down.and_then(|on_down| on_down.at("tcp")),
        no_member: section.at("no_member"),
    }
}

fn member(section: &Section) -> Member {
    Member { head: section.head(), name: section.at("name"), address: section.at("address") }
}

fn virtual_server(section: &Section) -> VirtualServer {
    VirtualServer {
        head: section.head(),
        name: section.at("name"),
        address: section.at("address"),
        pool: section.at("pool"),
        listen: section.list("listen"),
        enabled: section.at("enabled"),
        echo: section.at("echo"),
        unmatched: section.at("unmatched"),
    }
}

fn snat(section: &Section) -> Snat {
    Snat {
        head: section.head(),
        pool: section.at("pool"),
        address: section.at("address"),
        exclude: section.list("exclude"),
        untranslated_udp_ports: section.list("untranslated_udp_ports"),
    }
}

fn timeouts(section: &Section) -> Timeouts {
    Timeouts {
        udp: section.at("udp"),
        tcp_established: section.at("tcp_established"),
        tcp_opening: section.at("tcp_opening"),
        tcp_closing: section.at("tcp_closing"),
        icmp: section.at("icmp"),
        fragments: section.at("fragments"),
    }
}

fn limits(section: &Section) -> Limits {
    Limits {
        flows_per_worker: section.at("flows_per_worker"),
        rejects_per_second: section.at("rejects_per_second"),
        icmp_errors_per_second: section.at("icmp_errors_per_second"),
        fragments_per_worker: section.at("fragments_per_worker"),
    }
}

/// A type that a [`Value`] can be taken out as.
trait Typed: Sized {
    fn of(value: &Value) -> Option<Self>;
}

impl Section {
    fn head(&self) -> Head {
        let written = self.values.iter().filter(|(_, at)| at.written).map(|(name, at)| (*name, at.span.clone()));
        Head { title: self.title.clone(), span: self.span.clone(), written: written.collect() }
    }

    fn at<T: Typed>(&self, name: &str) -> Field<T> {
        self.values.get(name).and_then(At::typed)
    }

    fn list<T: Typed>(&self, name: &str) -> Vec<At<T>> {
        match self.values.get(name).map(|at| &at.value) {
            Some(Value::Many(items)) => items.iter().filter_map(At::typed).collect(),
            _ => Vec::new(),
        }
    }

    fn inside(&self, name: &str) -> &[Section] {
        match self.values.get(name).map(|at| &at.value) {
            Some(Value::Inside(sections)) => sections,
            _ => &[],
        }
    }
}

impl At<Value> {
    fn typed<T: Typed>(&self) -> Field<T> {
        Some(At { value: T::of(&self.value)?, span: self.span.clone(), written: self.written })
    }
}

macro_rules! typed {
    ($($variant:ident => $type:ty;)*) => {$(
        impl Typed for $type {
            fn of(value: &Value) -> Option<$type> {
                match value {
                    Value::$variant(inner) => Some(inner.clone()),
                    _ => None,
                }
            }
        }
    )*};
}

typed! {
    Flag => bool;
    Text => String;
    Span => Duration;
    Address => Ipv4Addr;
    Network => Ipv4Net;
    Socket => SocketAddr;
    Listen => Listen;
    Codes => CodeRange;
    Require => Option<usize>;
}

macro_rules! whole_numbers {
    ($($type:ty)*) => {$(
        impl Typed for $type {
            fn of(value: &Value) -> Option<$type> {
                match value {
                    Value::Integer(number) => <$type>::try_from(*number).ok(),
                    _ => None,
                }
            }
        }
    )*};
}

whole_numbers! { u16 u32 usize }
