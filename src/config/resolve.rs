//! What is meant: the document, free of contradictions, as settings and intent.
//!
//! Owns names to indices and absent keys to what follows from the rest. Refuses nothing: the checks did. Each function
//! gives `None` where a value is missing that the reader reports as missing, so it can never be the first to notice.

use super::document::Document;
use super::leaf::Needed;
use super::reader::{Field, Meant};
use super::schema::{self, Mode, OnDownUdp, Probe};
use super::settings::Settings;
use crate::policy::ids::Lives;
use crate::policy::intent::{self, *};
use crate::wire::VlanId;
use std::net::Ipv4Addr;
use std::time::Duration;

/// What the appliance is and what traffic means to it.
pub(super) fn meaning(document: &Document) -> Option<(Settings, Intent)> {
    Some((settings(document)?, intent(document)?))
}

fn settings(document: &Document) -> Option<Settings> {
    let appliance = &document.appliance;
    let socket: String = appliance.admin_socket.meant()?;
    Some(Settings {
        name: appliance.name.meant()?,
        admin_socket: socket.into(),
        metrics: appliance.metrics.meant()?,
        log: appliance.log.meant()?,
        cores: document.cores.meant()?,
        dpdk: document.dpdk.meant()?,
    })
}

fn intent(document: &Document) -> Option<Intent> {
    let (monitors, asked) = monitors(document)?;
    let (pools, members) = pools(document, asked)?;
    Some(Intent {
        ports: document.ports.iter().map(Meant::meant).collect::<Option<_>>()?,
        interfaces: document.interfaces.iter().map(|entry| interface(document, entry)).collect::<Option<_>>()?,
        routes: document.routes.iter().map(|entry| route(document, entry)).collect::<Option<_>>()?,
        monitors: monitors.into(),
        pools: pools.into(),
        members: members.into(),
        virtual_servers: document.virtual_servers.iter().map(|entry| server(document, entry)).collect::<Option<_>>()?,
        snats: document.snats.iter().map(|entry| snat(document, entry)).collect::<Option<_>>()?,
        timeouts: document.timeouts.meant()?,
        limits: document.limits.meant()?,
        lives: Lives::default(),
    })
}

/// The place of the entry whose name is `name`.
fn place<T>(entries: &[T], name: &Field<String>, name_of: impl Fn(&T) -> &Field<String>) -> Option<u16> {
    let name = &name.as_ref()?.value;
    let place = entries.iter().position(|entry| name_of(entry).as_ref().is_some_and(|at| at.value == *name))?;
    u16::try_from(place).ok()
}

fn interface_of(document: &Document, address: Ipv4Addr) -> Option<InterfaceId> {
    Some(InterfaceId(u16::try_from(document.link_of(address)?).ok()?))
}

fn interface(document: &Document, entry: &schema::Interface) -> Option<Interface> {
    let port = place(&document.ports, &entry.port, |port| &port.name)?;
    Some(Interface {
        name: entry.name.meant()?,
        port: PortId(u8::try_from(port).ok()?),
        vlan: entry.vlan.meant().and_then(VlanId::new),
        addresses: entry.addresses.meant()?,
        mtu: entry.mtu.meant().or_else(|| document.ports.get(usize::from(port))?.mtu.meant())?,
    })
}

fn route(document: &Document, entry: &schema::Route) -> Option<Route> {
    let via = entry.via.meant()?;
    Some(Route { to: entry.to.meant()?, via, interface: interface_of(document, via)? })
}

/// The monitors as they are asked, and for each pool which of them. One that leaves its port to the virtual server
/// stands once for each port it comes to; one that no pool uses does not stand.
fn monitors(document: &Document) -> Option<(Vec<intent::Monitor>, Vec<Vec<MonitorId>>)> {
    let mut known: Vec<(usize, Option<u16>)> = Vec::new();
    let mut asked = Vec::new();
    for pool in &document.pools {
        let mut ids = Vec::new();
        for name in &pool.monitors {
            let named = |monitor: &schema::Monitor| monitor.name.as_ref().is_some_and(|at| at.value == name.value);
            let place = document.monitors.iter().position(named)?;
            let key = (place, document.port_asked(pool, &document.monitors[place]));
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

fn monitor(entry: &schema::Monitor, port: Option<u16>) -> Option<intent::Monitor> {
    let interval = entry.interval.meant()?;
    Some(intent::Monitor {
        name: entry.name.meant()?,
        kind: monitor_kind(entry, port)?,
        interval,
        timeout: entry.timeout.meant().unwrap_or_else(|| default_timeout(interval)),
        rise: entry.rise.meant()?,
        fall: entry.fall.meant()?,
    })
}

/// Four fifths of the interval, in whole milliseconds.
fn default_timeout(interval: Duration) -> Duration {
    Duration::from_millis(u64::try_from(interval.as_millis() * 4 / 5).unwrap_or(u64::MAX))
}

fn monitor_kind(entry: &schema::Monitor, port: Option<u16>) -> Option<MonitorKind> {
    let bytes = |field: &Field<String>| field.as_ref().map(|at| at.value.clone().into_bytes()).unwrap_or_default();
    Some(match entry.kind.meant()? {
        Probe::Icmp => MonitorKind::Icmp,
        Probe::Tcp => MonitorKind::Tcp { port: port? },
        Probe::TcpHalfOpen => MonitorKind::TcpHalfOpen { port: port? },
        Probe::Udp => MonitorKind::Udp { port: port?, send: bytes(&entry.send), receive: bytes(&entry.receive) },
        Probe::Sip => MonitorKind::Sip(SipProbe {
            transport: entry.transport.meant()?,
            port: port?,
            host: entry.host.meant()?,
            user: entry.user.meant()?,
            up_codes: entry.up_codes.meant()?,
            down_codes: entry.down_codes.meant()?,
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
            let address = member.address.meant()?;
            members.push(Member {
                name: member.name.meant()?,
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

fn pool(entry: &schema::Pool, members: Vec<MemberId>, monitors: Vec<MonitorId>) -> Option<intent::Pool> {
    let on_down = entry.on_down.first()?;
    let (Mode::ActiveStandby, OnDownUdp::Reselect) = (entry.mode.meant()?, on_down.udp.meant()?);
    let Needed(require) = entry.require.meant()?;
    Some(intent::Pool {
        name: entry.name.meant()?,
        members,
        require: require.unwrap_or(monitors.len()),
        monitors,
        fail_back: entry.fail_back.meant()?,
        on_down_tcp: on_down.tcp.meant()?,
        no_member: entry.no_member.meant()?,
    })
}

fn server(document: &Document, entry: &schema::VirtualServer) -> Option<VirtualServer> {
    Some(VirtualServer {
        name: entry.name.meant()?,
        address: entry.address.meant()?,
        pool: PoolId(place(&document.pools, &entry.pool, |pool| &pool.name)?),
        listen: entry.listen.meant()?,
        enabled: entry.enabled.meant()?,
        icmp_echo: entry.icmp_echo.meant()?,
        unmatched: entry.unmatched.meant()?,
    })
}

fn snat(document: &Document, entry: &schema::Snat) -> Option<Snat> {
    Some(Snat {
        pool: PoolId(place(&document.pools, &entry.pool, |pool| &pool.name)?),
        address: entry.address.meant()?,
        exclude: entry.exclude.meant()?,
        no_snat_udp_ports: entry.no_snat_udp_ports.meant()?,
        resumes: true,
    })
}
