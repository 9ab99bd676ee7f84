//! What is meant: the document, free of contradictions, as settings and intent.
//!
//! Owns names to indices and absent keys to what follows from the rest. Refuses nothing: the checks did. Each function
//! gives `None` where a value is missing that the reader reports as missing, so it can never be the first to notice.

use super::document::{Document, same};
use super::reader::{Field, Meant};
use super::schema::{self, Probe};
use super::settings::Settings;
use crate::policy::intent::{self, *};
use crate::policy::slots::Id;
use crate::policy::slots::Lives;
use crate::wire::VlanId;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

/// What the appliance is and what traffic means to it.
pub(super) fn meaning(document: &Document) -> Option<(Settings, Intent)> {
    let Document { appliance, notify, cores, dpdk, routing, .. } = document;
    let settings = Settings {
        name: appliance.name.meant()?,
        recorder_mib: appliance.recorder_mib.meant()?,
        admin_socket: appliance.admin_socket.as_deref()?.into(),
        admin_group: appliance.admin_group.meant()?,
        admin_socket_ro: appliance.admin_socket_ro.meant().map(|path: String| path.into()),
        admin_group_ro: appliance.admin_group_ro.meant()?,
        state: appliance.state.meant().map(|path: String| path.into()),
        handover: appliance.handover.meant().map(|path: String| path.into()),
        metrics: appliance.metrics.meant()?,
        log: appliance.log.meant()?,
        log_format: appliance.log_format.meant()?,
        notify: notify.meant()?,
        cores: cores.meant()?,
        dpdk: dpdk.meant()?,
        routes: routing.meant()?,
    };
    Some((settings, intent(document)?))
}

fn intent(document: &Document) -> Option<Intent> {
    let (monitors, asked) = monitors(document)?;
    let (mut pools, mut members) = (Vec::new(), Vec::new());
    for (entry, monitors) in document.pools.iter().zip(asked) {
        let first = members.len();
        for member in &entry.members {
            let (name, address) = (member.name.meant()?, member.address.meant()?);
            let (weight, priority) = (member.weight.meant()?, member.priority.meant()?);
            let (pool, interface) = (Id::of(pools.len()), document.link_of(address)?);
            let connection_limit = member.connection_limit.meant()?;
            let connection_rate_limit = member.connection_rate_limit.meant()?;
            let admin_state = member.admin_state.meant()?;
            members.push(Member {
                name,
                address,
                pool,
                interface,
                weight,
                priority,
                connection_limit,
                connection_rate_limit,
                admin_state,
            });
        }
        pools.push(pool(entry, (first..members.len()).map(Id::of).collect(), monitors)?);
    }
    Some(Intent {
        ports: document.ports.iter().map(Meant::meant).collect::<Option<_>>()?,
        interfaces: document.interfaces.iter().map(|entry| interface(document, entry)).collect::<Option<_>>()?,
        routes: document.routes.iter().map(|entry| route(document, entry)).collect::<Option<_>>()?,
        learned: Default::default(),
        neighbours: document.neighbours.iter().map(|entry| neighbour(document, entry)).collect::<Option<_>>()?,
        monitors: monitors.into(),
        pools: pools.into(),
        members: members.into(),
        virtual_servers: document.virtual_servers.iter().map(|entry| server(document, entry)).collect::<Option<_>>()?,
        snats: document.snats.iter().map(|entry| snat(document, entry)).collect::<Option<_>>()?,
        direct_access: direct_access(document)?,
        timeouts: document.timeouts.meant()?,
        limits: document.limits.meant()?,
        sip: document.sip.meant()?,
        pair: document.pair.as_ref().map(Meant::meant).map_or(Some(None), |pair: Option<_>| pair.map(Some))?,
        lives: Lives::default(),
    })
}

fn interface(document: &Document, entry: &schema::Interface) -> Option<Interface> {
    let port = document.ports.iter().position(|port| same(&port.name, &entry.port))?;
    Some(Interface {
        name: entry.name.meant()?,
        port: PortId(u8::try_from(port).ok()?),
        vlan: entry.vlan.meant().and_then(VlanId::new),
        addresses: entry.addresses.meant()?,
        mtu: entry.mtu.meant().or_else(|| document.ports[port].mtu.meant())?,
        mss: entry.mss.meant()?,
        host: entry.host.meant()?,
        floating: entry.floating.meant()?,
        vrid: entry.vrid.meant()?,
    })
}

fn route(document: &Document, entry: &schema::Route) -> Option<Route> {
    let via = entry.via.meant()?;
    Some(Route { to: entry.to.meant()?, via, interface: document.link_of(via)? })
}

fn neighbour(document: &Document, entry: &schema::Neighbour) -> Option<NeighbourEntry> {
    let address = entry.address.meant()?;
    let (mac, trusted) = (entry.mac.meant()?, entry.trusted.meant()?);
    Some(NeighbourEntry { address, interface: document.link_of(address)?, mac, trusted })
}

/// The monitors as they are asked, and for each pool which of them. One that leaves its port to the virtual server
/// stands once for each port it comes to; one that no pool uses does not stand.
fn monitors(document: &Document) -> Option<(Vec<intent::Monitor>, Vec<Vec<MonitorId>>)> {
    let (mut known, mut ids_of) = (Vec::<intent::Monitor>::new(), HashMap::new());
    let mut asked = Vec::new();
    for pool in &document.pools {
        let mut ids = Vec::new();
        for name in &pool.monitors {
            let entry = document.monitor(name)?;
            let port = document.port_asked(pool, entry);
            let id = match ids_of.entry((name.as_str(), port)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(place) => {
                    known.push(monitor(entry, port)?);
                    *place.insert(known.len() - 1)
                }
            };
            ids.push(Id::of(id));
        }
        asked.push(ids);
    }
    Some((known, asked))
}

/// What an active member may be silent for unless the file says otherwise, if its intervals take no less.
const PATIENCE: Duration = Duration::from_secs(1);

fn monitor(entry: &schema::Monitor, port: Option<u16>) -> Option<intent::Monitor> {
    let interval: Duration = entry.interval.meant()?;
    // Four fifths of it, in whole milliseconds.
    let timeout = Duration::from_millis(u64::try_from(interval.as_millis() * 4 / 5).unwrap_or(u64::MAX));
    let fall: u32 = entry.fall.meant()?;
    Some(intent::Monitor {
        name: entry.name.meant()?,
        kind: monitor_kind(entry, port)?,
        address: entry.address.meant()?,
        source: entry.source.meant()?,
        interval,
        timeout: entry.timeout.meant().unwrap_or(timeout),
        rise: entry.rise.meant()?,
        fall,
        patience: entry.patience.meant().unwrap_or(PATIENCE.min(interval * fall)),
    })
}

fn monitor_kind(entry: &schema::Monitor, port: Option<u16>) -> Option<MonitorKind> {
    let bytes = |field: &Field<String>| field.as_ref().map(|at| at.as_bytes().to_vec()).unwrap_or_default();
    Some(match entry.kind.meant()? {
        Probe::Icmp => MonitorKind::Icmp,
        Probe::Tcp => MonitorKind::Tcp { port: port? },
        Probe::TcpHalfOpen => MonitorKind::TcpHalfOpen { port: port? },
        Probe::Udp => MonitorKind::Udp { port: port?, send: bytes(&entry.send), receive: bytes(&entry.receive) },
        Probe::External => MonitorKind::External(ExternalProbe {
            command: entry.command.meant()?,
            arguments: entry.arguments.meant()?,
            port: entry.port.meant()?,
            up_when: entry.up_when.meant()?,
        }),
        Probe::Http | Probe::Https => MonitorKind::Http(HttpProbe {
            port: port?,
            tls: match entry.kind.meant()? {
                Probe::Https => Some(Box::new(tls(entry)?)),
                _ => None,
            },
            method: entry.method.as_ref()?.to_string(),
            path: entry.path.meant()?,
            host: entry.host.meant()?,
            user_agent: entry.user_agent.meant()?,
            up_codes: entry.up_codes.meant()?,
            down_codes: entry.down_codes.meant()?,
            receive: bytes(&entry.receive),
        }),
        Probe::Sip => MonitorKind::Sip(SipProbe {
            transport: entry.transport.meant()?,
            port: port?,
            host: entry.host.meant()?,
            user: entry.user.meant()?,
            to: entry.to.meant()?,
            from: entry.from.meant()?,
            user_agent: entry.user_agent.meant()?,
            up_codes: entry.up_codes.meant()?,
            down_codes: entry.down_codes.meant()?,
            roles: Box::new(Roles {
                standby_codes: entry.standby_codes.meant()?,
                active_header: entry.active_header.as_ref().and_then(|at| HeaderRule::parse(at)),
                standby_header: entry.standby_header.as_ref().and_then(|at| HeaderRule::parse(at)),
            }),
            tls: Box::new(tls(entry)?),
        }),
    })
}

fn tls(entry: &schema::Monitor) -> Option<TlsProbe> {
    Some(TlsProbe {
        certificate: entry.certificate.meant()?,
        key: entry.key.meant()?,
        verify: entry.verify.meant()?,
        ca: entry.ca.meant()?,
        server_name: entry.server_name.meant()?,
        handshake: entry.handshake.meant()?,
    })
}

fn pool(entry: &schema::Pool, members: Vec<MemberId>, monitors: Vec<MonitorId>) -> Option<intent::Pool> {
    let on_down = entry.on_down.first()?;
    Some(intent::Pool {
        name: entry.name.meant()?,
        members,
        mode: entry.mode.meant()?,
        persistence: entry.persistence.meant()?,
        min_active: entry.min_active.meant()?,
        slow_start: entry.slow_start.meant()?,
        require: entry.require.as_ref()?.0.unwrap_or(monitors.len()),
        monitors,
        fail_back: entry.fail_back.meant()?,
        fail_back_after: entry.fail_back_after.meant()?,
        fail_back_window: entry.fail_back_window.meant()?,
        on_down_tcp: on_down.tcp.meant()?,
        on_down_udp: on_down.udp.meant()?,
        no_member: entry.no_member.meant()?,
        gap: entry.gap.meant()?,
        flap_count: entry.flap_count.meant()?,
        flap_window: entry.flap_window.meant()?,
        flap_quiet: entry.flap_quiet.meant()?,
        manual_resume: entry.manual_resume.meant()?,
    })
}

fn server(document: &Document, entry: &schema::VirtualServer) -> Option<VirtualServer> {
    let pool = document.pool_id(&entry.pool)?;
    let is_pair = document.pools[pool.index()].mode.meant() == Some(Mode::ActiveStandby);
    Some(VirtualServer {
        name: entry.name.meant()?,
        address: entry.address.meant()?,
        pool,
        listen: entry.listen.meant()?,
        allow: entry.allow.meant()?,
        enabled: entry.enabled.meant()?,
        icmp_echo: entry.icmp_echo.meant()?,
        unmatched: entry.unmatched.meant()?,
        unreachable: entry.unreachable.meant()?,
        // Where several are active, nobody takes over all that another had.
        redeliver: entry.redeliver.meant().filter(|_| is_pair).unwrap_or_default(),
        dscp: entry.dscp.meant()?,
        connection_limit: entry.connection_limit.meant()?,
        connection_rate_limit: entry.connection_rate_limit.meant()?,
        half_open_limit: entry.half_open_limit.meant()?,
        client_connection_limit: entry.client_connection_limit.meant()?,
        client_connection_rate_limit: entry.client_connection_rate_limit.meant()?,
        client_half_open_limit: entry.client_half_open_limit.meant()?,
        advertise: entry.advertise.meant()?,
        withdraw_delay: entry.withdraw_delay.meant()?,
    })
}

fn snat(document: &Document, entry: &schema::Snat) -> Option<Snat> {
    Some(Snat {
        pool: document.pool_id(&entry.pool)?,
        address: entry.address.meant()?,
        exclude: entry.exclude.meant()?,
        no_snat_udp_ports: entry.no_snat_udp_ports.meant()?,
        dscp: entry.dscp.meant()?,
        resumes: true,
    })
}

/// An empty list is not an absent one: nobody may, instead of everybody. With rules alone, nobody else may.
fn direct_access(document: &Document) -> Option<DirectAccess> {
    let entry = &document.direct_access;
    let allow: Vec<_> = entry.allow.meant()?;
    let is_said = entry.head.written("allow").is_some() || !entry.rules.is_empty();
    let rules: Vec<_> = entry.rules.iter().map(|rule| access_rule(document, rule)).collect::<Option<_>>()?;
    Some(DirectAccess { allow: is_said.then_some(allow), rules })
}

fn access_rule(document: &Document, entry: &schema::AccessRule) -> Option<AccessRule> {
    let target = |name: &String| {
        let member = document.members().position(|member| member.name.meant().as_ref() == Some(name));
        let member = member.map(|at| AccessTarget::Member(Id::of(at)));
        member.or_else(|| Some(AccessTarget::Pool(document.pool_named(name)?)))
    };
    Some(AccessRule {
        from: entry.from.meant()?,
        to: entry.to.iter().map(|name| target(&name.value)).collect::<Option<_>>()?,
        ports: entry.ports.meant()?,
    })
}
