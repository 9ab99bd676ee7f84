//! What the tests of this floor share: an intent, its file, health of nobody.

use super::FileRead;
use crate::config::{ConfigErrors, Configuration, CpuCores, Dpdk, Idle, LogFormat, LogLevel, Notify, Routes, Settings};
use crate::policy::Intent;
use crate::policy::health::{Health, MemberHealth, PoolHealth};
use crate::policy::intent::*;
use crate::time::Duration;
use crate::wire::{Mac, Protocol};
use std::net::Ipv4Addr;

/// Our MACs, by port.
pub(crate) const MACS: [Mac; 2] = [Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];

fn interface(name: &str, port: u8, address: &str) -> Interface {
    Interface {
        name: name.into(),
        port: PortId(port),
        vlan: None,
        addresses: vec![address.parse().unwrap()],
        mtu: 1500,
        mss: None,
        host: None,
        floating: vec![],
        vrid: None,
    }
}

fn port(name: &str) -> PortIntent {
    PortIntent { name: name.into(), device: format!("net_null_{name}"), mtu: 1500, queues: None }
}

fn member(name: &str, last: u8) -> Member {
    Member::new(name, Ipv4Addr::new(10, 20, 0, last), PoolId(0), InterfaceId(1))
}

fn options_every(millis: u64) -> Monitor {
    Monitor {
        name: "sip-options".into(),
        kind: MonitorKind::Sip(SipProbe {
            transport: SipTransport::Udp,
            port: 5060,
            host: None,
            user: None,
            to: None,
            from: None,
            user_agent: None,
            up_codes: vec![CodeRange { first: 100, last: 399 }],
            down_codes: Vec::new(),
            roles: Default::default(),
            tls: Default::default(),
        }),
        address: None,
        source: None,
        interval: Duration::from_millis(millis),
        timeout: Duration::from_millis(millis * 4 / 5),
        rise: 2,
        fall: 2,
        patience: Duration::from_millis(millis * 2),
    }
}

/// The common setting of the acceptance scenarios: two arms, one pair.
pub(crate) fn two_arm() -> Intent {
    let listen = |protocol, port| Listen { protocol, port };
    Intent {
        ports: vec![port("outer"), port("inner")],
        interfaces: vec![interface("clients", 0, "192.0.2.2/24"), interface("servers", 1, "10.20.0.1/24")].into(),
        routes: vec![Route {
            to: "0.0.0.0/0".parse().unwrap(),
            via: Ipv4Addr::new(192, 0, 2, 1),
            interface: InterfaceId(0),
        }],
        monitors: vec![options_every(200)].into(),
        pools: vec![Pool {
            name: "pair-1".into(),
            members: vec![MemberId(0), MemberId(1)],
            monitors: vec![MonitorId(0)],
            require: 1,
            ..Pool::default()
        }]
        .into(),
        members: vec![member("sip-a", 11), member("sip-b", 12)].into(),
        virtual_servers: vec![VirtualServer::new(
            "sip-1",
            Ipv4Addr::new(10, 20, 0, 100),
            PoolId(0),
            vec![listen(Protocol::Udp, 5060), listen(Protocol::Tcp, 5060), listen(Protocol::Tcp, 5061)],
        )]
        .into(),
        snats: vec![Snat {
            pool: PoolId(0),
            address: Ipv4Addr::new(10, 20, 0, 100),
            exclude: vec!["172.16.1.20/32".parse().unwrap(), "172.16.2.0/24".parse().unwrap()],
            no_snat_udp_ports: Vec::new(),
            dscp: None,
            resumes: true,
        }],
        direct_access: DirectAccess { allow: Some(vec![Default::default()]), rules: vec![] },
        timeouts: Timeouts::default(),
        limits: Limits::default(),
        sip: Default::default(),
        pair: None,
        learned: Default::default(),
        neighbours: vec![],
        lives: Default::default(),
    }
}

/// Nobody known, nobody active.
pub(crate) fn health_of(intent: &Intent) -> Health {
    Health {
        members: vec![MemberHealth::default(); intent.members.bound()],
        pools: vec![PoolHealth::default(); intent.pools.bound()],
        pair: Default::default(),
    }
}

/// The file whose intent is `intent`.
pub(crate) fn file_of(intent: &Intent) -> Configuration {
    let settings = Settings {
        name: "lead-1".into(),
        recorder_mib: 0,
        admin_socket: "/run/fairlead/admin.sock".into(),
        admin_group: None,
        admin_socket_ro: None,
        admin_group_ro: None,
        state: None,
        handover: None,
        metrics: None,
        log: LogLevel::Info,
        log_format: LogFormat::Text,
        notify: Notify::default(),
        cores: CpuCores {
            management: 0,
            workers: vec![1, 2],
            idle: Idle::Poll,
            stall_threshold: Duration::from_millis(1),
        },
        dpdk: Dpdk { hugepages: false, eal: Vec::new(), mbufs: 65_535, memory_mib: 512 },
        routes: Routes {
            device: "fl-vips".into(),
            stop_delay: Duration::from_secs(1),
            from_kernel: false,
            table: 254,
            protocols: Vec::new(),
            limit: 10_000,
            stale_time: Duration::from_secs(10),
        },
    };
    Configuration { settings, intent: intent.clone(), warnings: Vec::new() }
}

/// A file that was read, whose text is `text`.
pub(crate) fn read_as(text: &str, read: Result<Configuration, ConfigErrors>) -> FileRead {
    FileRead { read: read.map(Box::new), text: text.into(), file: Some(text.into()) }
}
