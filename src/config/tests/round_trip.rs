//! Any valid file means what it says: a random meaning, written down, reads back as itself.

use super::tls::pem;
use super::writer::written;
use crate::config::{Configuration, CpuCores, Dpdk, Idle, LogFormat, LogLevel, Notify, Routes, Settings, parse_for};
use crate::events::EventName;
use crate::netlink::RouteProtocol;
use crate::policy::intent::*;
use crate::wire::{Mac, Protocol, VlanId};
use ipnet::Ipv4Net;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

fn settings() -> impl Strategy<Value = Settings> {
    let idle = select(vec![Idle::Poll, Idle::Sleep]);
    let cores = (0..4_usize, vec(any::<bool>(), 4), idle, 1..60_000_u64).prop_map(|(management, used, idle, stall)| {
        let mut workers: Vec<usize> = (4..8).filter(|core| used[core - 4]).collect();
        workers.push(9);
        CpuCores { management, workers, idle, stall_threshold: Duration::from_millis(stall) }
    });
    let dpdk = (any::<bool>(), vec("[ -~]{1,12}", 0..3), 2_047..65_535_u32, 256..4_096_u32)
        .prop_map(|(hugepages, eal, mbufs, memory_mib)| Dpdk { hugepages, eal, mbufs, memory_mib });
    let log = select(vec![LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace]);
    let metrics = option::of((any::<[u8; 4]>(), 1..u16::MAX).prop_map(|(ip, port)| (Ipv4Addr::from(ip), port).into()));
    let state = option::of("/[ -~]{1,80}");
    ("[a-zA-Z0-9_.-]{1,32}", "/[ -~]{1,80}", state, metrics, log, cores, dpdk).prop_map(
        |(name, socket, state, metrics, log, cores, dpdk)| Settings {
            name,
            recorder_mib: cores.management as u32 * 5,
            admin_socket: socket.into(),
            admin_group: (cores.management == 1).then(|| "fairlead".into()),
            admin_socket_ro: state.as_ref().map(|path| format!("{path}.ro").into()),
            admin_group_ro: (cores.management == 2).then(|| "noc".into()),
            log_format: [LogFormat::Text, LogFormat::Json, LogFormat::Journald][cores.management % 3],
            notify: Notify {
                command: state.iter().cloned().collect(),
                events: vec![told(cores.management), EventName::Switchover],
                timeout: cores.stall_threshold.max(Duration::from_millis(100)),
            },
            handover: state.as_ref().map(|path| format!("{path}.next").into()),
            state: state.map(Into::into),
            metrics,
            log,
            routes: Routes {
                device: format!("fl-{}", cores.management),
                stop_delay: Duration::from_millis(cores.management as u64 * 250),
                from_kernel: cores.management % 2 == 1,
                table: 254 - cores.management as u32,
                protocols: [186, 12, 77].map(RouteProtocol)[..cores.management % 4].to_vec(),
                limit: 1 + cores.management * 1_000,
                stale_time: Duration::from_secs(cores.management as u64),
            },
            cores,
            dpdk,
        },
    )
}

/// One of the events that a program can be told of.
fn told(at: usize) -> EventName {
    let told = EventName::ALL.iter().filter(|name| name.untold().is_none());
    *told.cycle().nth(at).expect("there are some")
}

fn interval() -> impl Strategy<Value = (Duration, Duration)> {
    (50..3_600_000_u64, 0..1_000_u64).prop_map(|(interval, share)| {
        (Duration::from_millis(interval), Duration::from_millis((interval * share / 1_000).max(10)))
    })
}

fn codes() -> impl Strategy<Value = CodeRange> {
    (100..600_u16, 0..100_u16).prop_map(|(first, more)| CodeRange { first, last: first + more })
}

/// Nothing is asked after a handshake that is enough, so that is no part of these.
fn tls() -> impl Strategy<Value = TlsProbe> {
    let certificate = option::of(any::<bool>());
    (certificate, any::<bool>(), any::<bool>(), option::of("[a-z][a-z0-9.-]{0,20}")).prop_map(
        |(certificate, verify, ca, server_name)| TlsProbe {
            certificate: certificate.map(|apart| pem(if apart { "probe.pem" } else { "both.pem" })),
            key: certificate.filter(|apart| *apart).map(|_| pem("probe-key.pem")),
            verify,
            ca: (verify && ca).then(|| pem("probe.pem")),
            server_name,
            handshake: Handshake::Full,
        },
    )
}

fn roles() -> impl Strategy<Value = Roles> {
    let header = || option::of("[A-Za-z-]{1,12}:[a-z ]{0,8}");
    (vec(codes(), 0..2), header(), header()).prop_map(|(standby_codes, active, standby)| {
        let rule = |text: Option<String>| text.and_then(|text| HeaderRule::parse(&text));
        Roles { standby_codes, active_header: rule(active), standby_header: rule(standby) }
    })
}

fn http() -> impl Strategy<Value = MonitorKind> {
    (
        1..u16::MAX,
        option::of(tls()),
        select(vec!["GET", "HEAD", "OPTIONS"]),
        "/[a-z/]{0,9}",
        option::of("[a-z0-9.-]{1,20}"),
        vec(codes(), 1..4),
        "\\PC{0,16}",
    )
        .prop_map(|(port, tls, method, path, host, up_codes, receive)| {
            let (tls, method, receive) = (tls.map(Box::new), method.to_owned(), receive.into_bytes());
            let down_codes = vec![CodeRange { first: 699, last: 699 }];
            MonitorKind::Http(HttpProbe {
                port,
                tls,
                method,
                path,
                host,
                user_agent: None,
                up_codes,
                down_codes,
                receive,
            })
        })
}

fn external() -> impl Strategy<Value = MonitorKind> {
    let up_when = select(vec![UpWhen::Exit, UpWhen::Output]);
    ("/[a-z/]{1,20}", vec("[a-z -]{1,9}", 0..3), option::of(1..u16::MAX), up_when).prop_map(
        |(command, arguments, port, up_when)| {
            MonitorKind::External(ExternalProbe { command, arguments, port, up_when })
        },
    )
}

fn kind() -> impl Strategy<Value = MonitorKind> {
    let port = 1..u16::MAX;
    let transport = select(vec![SipTransport::Udp, SipTransport::Tcp, SipTransport::Tls]);
    let sip = (
        transport,
        port.clone(),
        option::of("[a-z0-9.-]{1,20}"),
        option::of("[a-z0-9.-]{1,20}"),
        vec(codes(), 1..4),
        tls(),
        (option::of("sip:[a-z0-9.@-]{1,20}"), option::of("sips:[a-z0-9.@-]{1,20}"), option::of("[A-Za-z0-9 ./]{1,20}")),
        roles(),
    )
        .prop_map(|(transport, port, host, user, up_codes, tls, (to, from, user_agent), roles)| {
            let down_codes = vec![CodeRange { first: 699, last: 699 }];
            let tls = Box::new(if transport == SipTransport::Tls { tls } else { TlsProbe::default() });
            MonitorKind::Sip(SipProbe {
                transport,
                port,
                host,
                user,
                to,
                from,
                user_agent,
                up_codes,
                down_codes,
                roles: Box::new(roles),
                tls,
            })
        });
    let bytes = "\\PC{0,16}".prop_map(String::into_bytes);
    prop_oneof![
        Just(MonitorKind::Icmp),
        port.clone().prop_map(|port| MonitorKind::Tcp { port }),
        port.clone().prop_map(|port| MonitorKind::TcpHalfOpen { port }),
        (port, bytes.clone(), bytes).prop_map(|(port, send, receive)| MonitorKind::Udp { port, send, receive }),
        sip,
        http(),
        external(),
    ]
}

fn monitors() -> impl Strategy<Value = Vec<Monitor>> {
    let ends = (option::of(2..250_u8), any::<bool>());
    vec((kind(), interval(), 1..=100_u32, 1..=100_u32, 50..=9_000_u64, ends), 1..4).prop_map(|list| {
        let monitor = |(place, (kind, (interval, timeout), rise, fall, patience, (address, source)))| {
            let is_ours = !matches!(kind, MonitorKind::External(_));
            Monitor {
                name: format!("monitor-{place}"),
                kind,
                address: Option::<u8>::map(address, |last| Ipv4Addr::new(10, 0, 7, last)),
                source: Some(Ipv4Addr::new(10, 0, 0, 1)).filter(|_| source && is_ours),
                interval,
                timeout,
                rise,
                fall,
                patience: Duration::from_millis(patience),
            }
        };
        list.into_iter().enumerate().map(monitor).collect()
    })
}

/// A port's mtu and queues, its interface's vlan and mtu, and whether the kernel has a device for it.
type Link = (u16, Option<u16>, Option<u16>, u16, bool);

/// One port for each interface; interface `n` is the network 10.n.0.0/16.
fn network() -> impl Strategy<Value = (Vec<PortIntent>, Vec<Interface>, Vec<Route>)> {
    let tag = option::of(1..=4_094_u16);
    vec((1_500..=9_216_u16, option::of(1..=64_u16), tag, 576..=1_500_u16, any::<bool>()), 1..4).prop_map(|list| {
        let port = |(n, (mtu, queues, ..)): (usize, &Link)| PortIntent {
            name: format!("port-{n}"),
            device: format!("net_null{n}"),
            mtu: *mtu,
            queues: *queues,
        };
        let interface = |(n, (_, _, vlan, mtu, host)): (usize, &Link)| Interface {
            name: format!("net-{n}"),
            port: PortId(n as u8),
            vlan: vlan.and_then(VlanId::new),
            addresses: vec![Ipv4Net::new_assert(Ipv4Addr::new(10, n as u8, 0, 1), 16)],
            mtu: *mtu,
            mss: (*mtu > 1_000).then(|| *mtu - 40),
            host: host.then(|| format!("fl-net-{n}")),
            floating: vec![],
            vrid: None,
        };
        let route = |n: usize| Route {
            to: if n == 0 {
                Ipv4Net::default()
            } else {
                Ipv4Net::new_assert(Ipv4Addr::new(172, 16 + n as u8, 0, 0), 16)
            },
            via: Ipv4Addr::new(10, n as u8, 255, 254),
            interface: InterfaceId(n as u16),
        };
        let ports = list.iter().enumerate().map(port).collect();
        let interfaces = list.iter().enumerate().map(interface).collect();
        (ports, interfaces, (0..list.len()).map(route).collect())
    })
}

/// Where hosts are; none: ARP about them is trusted.
fn hosts() -> impl Strategy<Value = Vec<Option<[u8; 5]>>> {
    vec(option::of(any::<[u8; 5]>()), 0..4)
}

fn neighbour(place: usize, mac: Option<[u8; 5]>, interfaces: &[Interface]) -> NeighbourEntry {
    let net = place % interfaces.len();
    NeighbourEntry {
        address: Ipv4Addr::new(10, net as u8, 200, 1 + place as u8),
        interface: InterfaceId(net as u16),
        mac: mac.map(|[a, b, c, d, e]| Mac([2, a, b, c, d, e])),
        trusted: mac.is_none(),
    }
}

/// Whether a virtual server is enabled, and what it does with echo requests, with what matches nothing, and with refusals.
type Manners = (bool, EchoPolicy, Unmatched, Unreachable, Duration);

/// Whether a pool fails back, after how long, and when on a day.
type FailsBack = (FailBack, Duration, Option<DayWindow>);

type PoolChoice =
    (usize, Vec<bool>, usize, (FailsBack, OnDownTcp, NoMember, Duration), Vec<Listen>, Manners, Vec<Ipv4Net>, Vec<u16>);

fn pool_choice() -> impl Strategy<Value = PoolChoice> {
    let policy = (
        (
            select(vec![FailBack::Never, FailBack::Immediate]),
            (0..=86_400_000_u64).prop_map(Duration::from_millis),
            proptest::option::of((0..720_u16, 720..1_440_u16).prop_map(|(from, to)| DayWindow { from, to })),
        ),
        select(vec![OnDownTcp::Reset, OnDownTcp::Drain, OnDownTcp::Drop]),
        select(vec![NoMember::Reject, NoMember::KeepLast, NoMember::Drop]),
        (100..=3_600_000_u64).prop_map(Duration::from_millis),
    );
    let listen = (any::<bool>(), 1..u16::MAX)
        .prop_map(|(udp, port)| Listen { protocol: if udp { Protocol::Udp } else { Protocol::Tcp }, port });
    let listens = proptest::collection::btree_set(listen, 1..5).prop_map(|set| set.into_iter().collect());
    let server = (
        any::<bool>(),
        select(vec![EchoPolicy::Always, EchoPolicy::Selective]),
        select(vec![Unmatched::Reject, Unmatched::RejectNow, Unmatched::Drop]),
        select(vec![Unreachable::Hold, Unreachable::Forward]),
        (0..=32_000_u64).prop_map(Duration::from_millis),
    );
    (
        1..=4_usize,
        vec(any::<bool>(), 4),
        0..4_usize,
        policy,
        listens,
        server,
        vec(prefix(), 0..4),
        vec(1..u16::MAX, 0..3),
    )
}

fn prefix() -> impl Strategy<Value = Ipv4Net> {
    (any::<u32>(), 0..=32_u8).prop_map(|(ip, length)| Ipv4Net::new_assert(ip.into(), length).trunc())
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let day = 86_400_u64;
    (120..day, 7_440..day, 1..day, 1..day, 60..day, 2..=30_u64).prop_map(|(udp, open, a, b, icmp, reassembly)| {
        let s = Duration::from_secs;
        Timeouts {
            udp: s(udp),
            tcp_established: s(open),
            tcp_opening: s(a),
            tcp_closing: s(b),
            icmp: s(icmp),
            reassembly: s(reassembly),
        }
    })
}

/// So few pieces of datagrams that five workers may hold them in the least of the packet buffers.
fn limits() -> impl Strategy<Value = Limits> {
    let rate = 1..=1_000_000_u32;
    let rates = (rate.clone(), rate.clone(), rate);
    let all = (1_024..67_108_864_usize, rates, 64..=102_usize, any::<bool>());
    all.prop_map(|(flows, (rejects, errors, host), pieces, traffic_counters)| Limits {
        flows_per_worker: flows,
        rejects_per_second: rejects,
        icmp_errors_per_second: errors,
        host_packets_per_second: host,
        fragments_per_worker: pieces,
        connection_limit: host,
        connection_rate_limit: errors,
        half_open_limit: rejects,
        traffic_counters,
        flow_counters: pieces % 2 == 1,
    })
}

fn pair() -> impl Strategy<Value = Pair> {
    let names = (option::of("/run/[a-z]{1,12}\\.fifo"), "/etc/[a-z]{1,12}\\.conf", option::of("[a-zA-Z0-9_.-]{1,32}"));
    let virtual_mac = any::<bool>();
    let role = select(vec![PairRole::Active, PairRole::Standby]);
    let peer = option::of((any::<[u8; 2]>(), 1..=u16::MAX, option::of(1..=u16::MAX)));
    (names, role, 1..=255_u16, virtual_mac, 0..=60_000_u64, peer).prop_map(
        |((keepalived, keepalived_config, instance), role, priority, virtual_mac, settle, other)| {
            let settle = Duration::from_millis(settle);
            let peer = other.map(|([one, two], port, _)| SocketAddr::from(([10, 99, one, two], port)));
            let listen = other.and_then(|(.., port)| port).map(|port| SocketAddr::from(([0; 4], port)));
            let file = |name| peer.map(|_| pem(name));
            let (certificate, key, peer_certificate) = (file("probe.pem"), file("probe-key.pem"), file("other.pem"));
            Pair {
                keepalived,
                keepalived_config,
                instance,
                role,
                priority,
                virtual_mac,
                settle,
                peer,
                listen,
                certificate,
                key,
                peer_certificate,
            }
        },
    )
}

/// The host after the last one of each network.
fn floating(interface: &Interface) -> Vec<Ipv4Net> {
    let net = interface.addresses[0];
    vec![Ipv4Net::new_assert(Ipv4Addr::from(u32::from(net.addr()) + 1), net.prefix_len())]
}

fn intent() -> impl Strategy<Value = Intent> {
    let access = option::of(vec(prefix(), 0..4)).prop_map(|allow| DirectAccess { allow, rules: vec![] });
    let others = ((0..=1_000_000_u32).prop_map(|sample| SipStatistics { sample }), option::of(pair()));
    (network(), hosts(), monitors(), vec(pool_choice(), 0..4), access, timeouts(), limits(), others).prop_map(
        |(net, hosts, monitors, choices, direct_access, timeouts, limits, (sip, pair))| {
            let (ports, mut interfaces, routes) = net;
            if pair.is_some() {
                for (interface, vrid) in interfaces.iter_mut().zip(1..) {
                    (interface.floating, interface.vrid) = (floating(interface), Some(vrid));
                }
            }
            let neighbours =
                hosts.into_iter().enumerate().map(|(place, mac)| neighbour(place, mac, &interfaces)).collect();
            let mut intent = Intent {
                ports,
                interfaces: interfaces.into(),
                routes,
                learned: Default::default(),
                neighbours,
                monitors: monitors.into(),
                pools: vec![].into(),
                members: vec![].into(),
                virtual_servers: vec![].into(),
                snats: vec![],
                direct_access,
                timeouts,
                limits,
                sip,
                pair,
                lives: Default::default(),
            };
            choices.into_iter().for_each(|choice| add_pool(&mut intent, choice));
            add_rules(&mut intent);
            order_monitors(&mut intent);
            intent
        },
    )
}

#[expect(clippy::too_many_lines, reason = "every key of a pool, a line each")]
fn add_pool(intent: &mut Intent, choice: PoolChoice) {
    let (count, used, require, (fails_back, on_down_tcp, no_member, gap), listen, manners, exclude, ports) = choice;
    let (enabled, icmp_echo, unmatched, unreachable, redeliver) = manners;
    let place = intent.pools.len();
    let mode = [Mode::ActiveStandby, Mode::RoundRobin, Mode::SourceHash, Mode::LeastConnections][(place + require) % 4];
    // What chooses the one that is active means nothing where several are.
    let (fails_back, redeliver) = match mode {
        Mode::ActiveStandby => (fails_back, redeliver),
        _ => ((FailBack::Never, Duration::ZERO, None), Duration::ZERO),
    };
    let is_pair = mode == Mode::ActiveStandby;
    let (pool, net) = (PoolId(place as u16), place % intent.interfaces.len());
    // Where nothing is a connection, nothing can be limited.
    let handshakes = listen.iter().any(|listen| listen.protocol == Protocol::Tcp);
    let counts = mode != Mode::ActiveStandby || listen.iter().any(|listen| listen.protocol == Protocol::Tcp);
    let limit = |number: usize| if counts { (number * require) as u32 } else { 0 };
    let first = intent.members.len();
    let mut monitors: Vec<MonitorId> =
        (1..intent.monitors.len()).filter(|n| used[*n]).map(|n| MonitorId(n as u16)).collect();
    monitors.push(MonitorId(0));
    intent.members.extend((0..count).map(|n| Member {
        name: format!("member-{place}-{n}"),
        address: Ipv4Addr::new(10, net as u8, 1 + place as u8, 1 + n as u8),
        pool,
        interface: InterfaceId(net as u16),
        weight: if is_pair { 1 } else { 1 + (require % 100) as u32 },
        priority: if is_pair || n > 0 { 0 } else { (require % 3) as u16 },
        connection_limit: limit(3 + n),
        connection_rate_limit: limit(7),
        admin_state: [AdminState::Enabled, AdminState::Draining, AdminState::Offline][(require + n) % 3],
    }));
    let address = Ipv4Addr::new(10, net as u8, 100, 1 + place as u8);
    intent.pools.push(Pool {
        name: format!("pool-{place}"),
        members: (first..first + count).map(|n| MemberId(n as u16)).collect(),
        mode,
        persistence: match mode {
            Mode::ActiveStandby => Persistence::Endpoint,
            _ => [Persistence::Endpoint, Persistence::Source, Persistence::CallId][require % 3],
        },
        min_active: if is_pair { 1 } else { 1 + require % 64 },
        slow_start: Duration::from_secs(if is_pair { 0 } else { require as u64 % 3_601 }),
        require: 1 + require % monitors.len(),
        monitors,
        fail_back: fails_back.0,
        fail_back_after: if fails_back.0 == FailBack::Never { Duration::ZERO } else { fails_back.1 },
        fail_back_window: fails_back.2.filter(|_| fails_back.0 != FailBack::Never),
        on_down_tcp,
        on_down_udp: match mode {
            Mode::ActiveStandby => OnDownUdp::Reselect,
            _ => [OnDownUdp::Reselect, OnDownUdp::Drain, OnDownUdp::Drop][gap.as_millis() as usize % 3],
        },
        no_member,
        gap,
        // Each pool its own, by its place.
        flap_count: place as u32 * 3,
        flap_window: Duration::from_secs(60 + place as u64),
        flap_quiet: Duration::from_secs(300 + place as u64),
        manual_resume: place % 2 == 1,
    });
    intent.virtual_servers.push(VirtualServer {
        name: format!("vs-{place}"),
        address,
        pool,
        listen,
        allow: exclude.first().map_or_else(|| vec![Ipv4Net::default()], |net| vec![*net]),
        enabled,
        icmp_echo,
        unmatched,
        unreachable,
        redeliver,
        dscp: [None, Some(Dscp::Cs3), Some(Dscp::Cs0)][place % 3],
        connection_limit: limit(2),
        connection_rate_limit: limit(5),
        half_open_limit: if handshakes { limit(1) } else { 0 },
        client_connection_limit: limit(4),
        client_connection_rate_limit: limit(6),
        client_half_open_limit: if handshakes { limit(3) } else { 0 },
        advertise: [Advertise::Never, Advertise::WhenActive, Advertise::Always][place % 3],
        withdraw_delay: if place % 3 == 1 { Duration::from_secs(place as u64) } else { Duration::ZERO },
    });
    let dscp = (place % 2 == 1).then_some(Dscp::VoiceAdmit);
    intent.snats.push(Snat { pool, address, exclude, no_snat_udp_ports: ports, dscp, resumes: true });
}

/// Where the file says who may reach members, for each pool a rule about that, and one about its first member.
fn add_rules(intent: &mut Intent) {
    if intent.direct_access.allow.is_none() {
        return;
    }
    for (place, pool) in intent.pools.iter().enumerate() {
        let from = |last: usize| vec![Ipv4Net::new_assert(Ipv4Addr::new(172, 16, place as u8, last as u8), 32)];
        let ports = vec![Listen { protocol: Protocol::Tcp, port: 22 }];
        let (whole, one) = (AccessTarget::Pool(PoolId(place as u16)), AccessTarget::Member(pool.members[0]));
        let to = if place == 0 { vec![] } else { vec![whole] };
        intent.direct_access.rules.push(AccessRule { from: from(1), to, ports: vec![] });
        intent.direct_access.rules.push(AccessRule { from: from(2), to: vec![one], ports });
    }
}

/// Monitors stand in the order in which pools name them; those that none names do not stand.
fn order_monitors(intent: &mut Intent) {
    let mut order: Vec<MonitorId> = Vec::new();
    for id in intent.pools.iter().flat_map(|pool| &pool.monitors) {
        if !order.contains(id) {
            order.push(*id);
        }
    }
    let place = |id: &MonitorId| MonitorId(order.iter().position(|other| other == id).unwrap() as u16);
    intent.pools.iter_mut().for_each(|pool| pool.monitors = pool.monitors.iter().map(place).collect());
    intent.monitors = order.iter().map(|id| intent.monitors[id.index()].clone()).collect();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn a_meaning_reads_back_as_it_was_written(settings in settings(), intent in intent()) {
        let meant = Configuration { settings, intent, warnings: Vec::new() };
        let text = written(&meant);
        match parse_for(16, "random.toml", &text) {
            Ok(read) => {
                prop_assert_eq!(&read.settings, &meant.settings);
                prop_assert_eq!(&read.intent, &meant.intent);
                prop_assert!(crate::config::difference(&read, &meant).is_empty());
            }
            Err(errors) => prop_assert!(false, "{}\n{}", text, errors),
        }
    }

    #[test]
    fn no_text_brings_it_down(text in "(\\PC|\n|\\[\\[(port|pool|snat)\\]\\]\n|(name|port|address|mtu|members) = |\"|\\[|\\{){0,60}") {
        if let Err(errors) = parse_for(4, "noise.toml", &text) {
            prop_assert!(!errors.errors.is_empty());
        }
    }
}
