//! What is meant: the document, free of contradictions, as settings and intent.
//!
//! Owns names to indices and absent keys to what follows from the rest. Refuses nothing: the checks did. Each function
//! gives `None` where a value is missing that the reader reports as missing, so it can never be the first to notice.

use super::checks::resolved_port;
use super::document::{Document, Field, Monitor, Pool};
use super::{CpuCores, Dpdk, Idle, LogLevel, Settings};
use crate::policy::ids::Lives;
use crate::policy::intent::{self, *};
use crate::wire::VlanId;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::time::Duration;

/// What the appliance is and what traffic means to it.
pub(super) fn meaning(document: &Document) -> Option<(Settings, Intent)> {
    Some((settings(document)?, intent(document)?))
}

fn of<T: Clone>(field: &Field<T>) -> Option<T> {
    field.as_ref().map(|at| at.value.clone())
}

fn settings(document: &Document) -> Option<Settings> {
    let Document { cores, dpdk, .. } = document;
    Some(Settings {
        name: of(&document.name)?,
        admin_socket: of(&document.admin_socket)?.into(),
        metrics: of(&document.metrics),
        log: LogLevel::from_word(&of(&document.log)?)?,
        cores: CpuCores {
            management: of(&cores.management)?,
            workers: cores.workers.iter().map(|at| at.value).collect(),
            idle: if of(&cores.idle)? == "pause" { Idle::Pause } else { Idle::Poll },
            stall: of(&cores.stall)?,
        },
        dpdk: Dpdk {
            hugepages: of(&dpdk.hugepages)?,
            eal: dpdk.eal.iter().map(|at| at.value.clone()).collect(),
            mbufs: of(&dpdk.mbufs)?,
            memory_mib: of(&dpdk.memory)?,
        },
    })
}

fn intent(document: &Document) -> Option<Intent> {
    let (monitors, asked) = monitors(document)?;
    let (pools, members) = pools(document, asked)?;
    Some(Intent {
        ports: document.ports.iter().map(port).collect::<Option<_>>()?,
        interfaces: document.interfaces.iter().map(|entry| interface(document, entry)).collect::<Option<_>>()?,
        routes: document.routes.iter().map(|entry| route(document, entry)).collect::<Option<_>>()?,
        monitors: monitors.into(),
        pools: pools.into(),
        members: members.into(),
        virtual_servers: document.virtual_servers.iter().map(|entry| server(document, entry)).collect::<Option<_>>()?,
        snats: document.snats.iter().map(|entry| snat(document, entry)).collect::<Option<_>>()?,
        timeouts: timeouts(document)?,
        limits: limits(document)?,
        lives: Lives::default(),
    })
}

/// The place of the entry whose name is `name`.
fn place<T>(entries: &[T], name: &Field<String>, name_of: impl Fn(&T) -> &Field<String>) -> Option<u16> {
    let name = &name.as_ref()?.value;
    let place = entries.iter().position(|entry| name_of(entry).as_ref().is_some_and(|at| at.value == *name))?;
    u16::try_from(place).ok()
}

/// The interface whose network holds `address`; the most specific where one interface has several.
fn interface_of(document: &Document, address: Ipv4Addr) -> Option<InterfaceId> {
    let holds = |net: &Ipv4Net| net.contains(&address);
    let place = document.interfaces.iter().position(|entry| entry.addresses.iter().any(|at| holds(&at.value)))?;
    Some(InterfaceId(u16::try_from(place).ok()?))
}

fn port(entry: &super::document::Port) -> Option<PortIntent> {
    Some(PortIntent {
        name: of(&entry.name)?,
        device: of(&entry.device)?,
        mtu: of(&entry.mtu)?,
        queues: of(&entry.queues),
    })
}

fn interface(document: &Document, entry: &super::document::Interface) -> Option<Interface> {
    let port = place(&document.ports, &entry.port, |port| &port.name)?;
    Some(Interface {
        name: of(&entry.name)?,
        port: PortId(u8::try_from(port).ok()?),
        vlan: of(&entry.vlan).and_then(VlanId::new),
        addresses: entry.addresses.iter().map(|at| at.value).collect(),
        mtu: of(&entry.mtu).or_else(|| of(&document.ports.get(usize::from(port))?.mtu))?,
    })
}

fn route(document: &Document, entry: &super::document::Route) -> Option<Route> {
    let via = of(&entry.via)?;
    Some(Route { to: of(&entry.to)?, via, interface: interface_of(document, via)? })
}

/// The monitors as they are asked, and for each pool which of them. One that leaves its port to the virtual server
/// stands once for each port it comes to; one that no pool uses does not stand.
fn monitors(document: &Document) -> Option<(Vec<intent::Monitor>, Vec<Vec<MonitorId>>)> {
    let mut known: Vec<(usize, Option<u16>)> = Vec::new();
    let mut asked = Vec::new();
    for pool in &document.pools {
        let mut ids = Vec::new();
        for name in &pool.monitors {
            let named = |monitor: &Monitor| monitor.name.as_ref().is_some_and(|at| at.value == name.value);
            let place = document.monitors.iter().position(named)?;
            let key = (place, resolved_port(document, pool, &document.monitors[place]));
            let id = known.iter().position(|other| *other == key).unwrap_or_else(|| {
                known.push(key);
                known.len() - 1
            });
            ids.push(MonitorId(u16::try_from(id).ok()?));
        }
        asked.push(ids);
    }
    let monitors = known.into_iter().map(|(place, port)| monitor(&document.monitors[place], port));
    Some((monitors.collect::<Option<_>>()?, asked))
}

fn monitor(entry: &Monitor, port: Option<u16>) -> Option<intent::Monitor> {
    let interval = of(&entry.interval)?;
    Some(intent::Monitor {
        name: of(&entry.name)?,
        kind: monitor_kind(entry, port)?,
        interval,
        timeout: of(&entry.timeout).unwrap_or_else(|| default_timeout(interval)),
        rise: of(&entry.rise)?,
        fall: of(&entry.fall)?,
    })
}

/// Four fifths of the interval, in whole milliseconds.
fn default_timeout(interval: Duration) -> Duration {
    Duration::from_millis(u64::try_from(interval.as_millis() * 4 / 5).unwrap_or(u64::MAX))
}

fn monitor_kind(entry: &Monitor, port: Option<u16>) -> Option<MonitorKind> {
    let bytes = |field: &Field<String>| of(field).unwrap_or_default().into_bytes();
    Some(match of(&entry.kind)?.as_str() {
        "icmp" => MonitorKind::Icmp,
        "tcp" => MonitorKind::Tcp { port: port? },
        "tcp-half-open" => MonitorKind::TcpHalfOpen { port: port? },
        "udp" => MonitorKind::Udp { port: port?, send: bytes(&entry.send), receive: bytes(&entry.receive) },
        _ => MonitorKind::Sip(SipProbe {
            transport: match of(&entry.transport)?.as_str() {
                "tcp" => SipTransport::Tcp,
                "tls" => SipTransport::Tls,
                _ => SipTransport::Udp,
            },
            port: port?,
            host: of(&entry.host),
            user: of(&entry.user),
            up_codes: entry.up_codes.iter().map(|at| at.value).collect(),
            down_codes: entry.down_codes.iter().map(|at| at.value).collect(),
        }),
    })
}

fn pools(document: &Document, asked: Vec<Vec<MonitorId>>) -> Option<(Vec<intent::Pool>, Vec<Member>)> {
    let mut members = Vec::new();
    let mut pools = Vec::new();
    for (place, (entry, monitors)) in document.pools.iter().zip(asked).enumerate() {
        let id = PoolId(u16::try_from(place).ok()?);
        let first = members.len();
        for member in &entry.members {
            let address = of(&member.address)?;
            members.push(Member {
                name: of(&member.name)?,
                address,
                pool: id,
                interface: interface_of(document, address)?,
            });
        }
        let ids = (first..members.len()).map(|place| u16::try_from(place).ok().map(MemberId));
        pools.push(pool(entry, ids.collect::<Option<_>>()?, monitors)?);
    }
    Some((pools, members))
}

fn pool(entry: &Pool, members: Vec<MemberId>, monitors: Vec<MonitorId>) -> Option<intent::Pool> {
    Some(intent::Pool {
        name: of(&entry.name)?,
        members,
        require: of(&entry.require)?.unwrap_or(monitors.len()),
        monitors,
        fail_back: match of(&entry.fail_back)?.as_str() {
            "immediate" => FailBack::Immediate,
            _ => FailBack::Never,
        },
        on_down_tcp: match of(&entry.on_down_tcp)?.as_str() {
            "drain" => OnDownTcp::Drain,
            "drop" => OnDownTcp::Drop,
            _ => OnDownTcp::Reset,
        },
        no_member: match of(&entry.no_member)?.as_str() {
            "keep-last" => NoMember::KeepLast,
            "drop" => NoMember::Drop,
            _ => NoMember::Reject,
        },
    })
}

fn server(document: &Document, entry: &super::document::VirtualServer) -> Option<VirtualServer> {
    Some(VirtualServer {
        name: of(&entry.name)?,
        address: of(&entry.address)?,
        pool: PoolId(place(&document.pools, &entry.pool, |pool| &pool.name)?),
        listen: entry.listen.iter().map(|at| at.value).collect(),
        enabled: of(&entry.enabled)?,
        echo: if of(&entry.echo)? == "when-active" { EchoPolicy::WhenActive } else { EchoPolicy::Always },
        unmatched: match of(&entry.unmatched)?.as_str() {
            "reject-now" => Unmatched::RejectNow,
            "drop" => Unmatched::Drop,
            _ => Unmatched::Reject,
        },
    })
}

fn snat(document: &Document, entry: &super::document::Snat) -> Option<Snat> {
    Some(Snat {
        pool: PoolId(place(&document.pools, &entry.pool, |pool| &pool.name)?),
        address: of(&entry.address)?,
        exclude: entry.exclude.iter().map(|at| at.value).collect(),
        untranslated_udp_ports: entry.untranslated_udp_ports.iter().map(|at| at.value).collect(),
        resumes: true,
    })
}

fn timeouts(document: &Document) -> Option<Timeouts> {
    let entry = &document.timeouts;
    Some(Timeouts {
        udp: of(&entry.udp)?,
        tcp_established: of(&entry.tcp_established)?,
        tcp_opening: of(&entry.tcp_opening)?,
        tcp_closing: of(&entry.tcp_closing)?,
        icmp: of(&entry.icmp)?,
        fragments: of(&entry.fragments)?,
    })
}

fn limits(document: &Document) -> Option<Limits> {
    let entry = &document.limits;
    Some(Limits {
        flows_per_worker: of(&entry.flows_per_worker)?,
        rejects_per_second: of(&entry.rejects_per_second)?,
        icmp_errors_per_second: of(&entry.icmp_errors_per_second)?,
        fragments_per_worker: of(&entry.fragments_per_worker)?,
    })
}
