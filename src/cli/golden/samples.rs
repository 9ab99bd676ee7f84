//! Rows as an appliance might send them, for those tables that several tests show.

use crate::admin::rows::{
    AdminState, Advertise, AlarmRow, Cause, Choice, HostRow, InForceRow, InterfaceRow, Link, MemberProbe, MemberRow,
    MemberState, PortRow, Role, SettingKind, SettingRow, Status, SwitchoverRow, VirtualServerRow, VirtualServerState,
    Wall, WorkerRow,
};
use crate::events::{AlarmCode, Severity};
use std::net::Ipv4Addr;

/// 2026-11-22T13:04:05.123456Z
pub(in crate::cli) const NOW: Wall = Wall(1_795_352_645_123_456);

pub(in crate::cli) fn ago(seconds: u64) -> Wall {
    Wall(NOW.0 - seconds * 1_000_000)
}

pub(in crate::cli) fn members() -> Vec<MemberRow> {
    let member = |name: &str, last: u8, state, admin, role, reason: &str, since, flows| MemberRow {
        name: name.into(),
        pool: "pair-1".into(),
        address: Ipv4Addr::new(10, 20, 0, last),
        state,
        admin,
        admin_file: AdminState::Enabled,
        role,
        reason: reason.into(),
        since: ago(since),
        probes: vec![MemberProbe {
            monitor: "sip-options".into(),
            state,
            last_rtt_us: Some(412),
            reason: reason.into(),
        }],
        flows,
        tcp_connections: flows / 2,
        direct: flows / 1_000,
        udp_idle_ms: Some(if flows == 0 { 12_300 } else { 0 }),
        spoke_ms: None,
        drained: false,
        drain_until: None,
        drain_left_s: None,
        connections: None,
    };
    vec![
        member(
            "sip-a",
            11,
            MemberState::Down,
            AdminState::Draining,
            Role::None,
            "no answer to sip-options in 400ms, 3 times in a row",
            12,
            0,
        ),
        member(
            "sip-b",
            12,
            MemberState::Up,
            AdminState::Enabled,
            Role::Active,
            "sip-options: 200 OK\x1b[2J",
            86_400 * 3 + 7200,
            1_234_567,
        ),
    ]
}

pub(in crate::cli) fn virtual_servers() -> Vec<VirtualServerRow> {
    vec![
        VirtualServerRow {
            name: "sip-1".into(),
            address: Ipv4Addr::new(10, 20, 0, 100),
            listen: vec!["udp/5060".into(), "tcp/5060".into(), "tcp/5061".into()],
            pool: "pair-1".into(),
            state: VirtualServerState::Up,
            active: Some("sip-b".into()),
            active_members: vec!["sip-b".into()],
            members: 2,
            choice: Choice::Auto,
            reason: "the only member that is up".into(),
            since: ago(12),
            advertise: Advertise::WhenActive,
            advertised_since: Some(ago(11)),
            connections: None,
        },
        VirtualServerRow {
            name: "sip-2".into(),
            address: Ipv4Addr::new(10, 20, 0, 200),
            listen: vec!["udp/5060".into()],
            pool: "pair-2".into(),
            state: VirtualServerState::Down,
            active: None,
            active_members: Vec::new(),
            members: 2,
            choice: Choice::Forced,
            reason: "no member is up".into(),
            since: ago(3600),
            advertise: Advertise::WhenActive,
            advertised_since: None,
            connections: None,
        },
        VirtualServerRow {
            name: "rm".into(),
            address: Ipv4Addr::new(10, 20, 0, 30),
            listen: vec!["udp/5060".into()],
            pool: "managers".into(),
            state: VirtualServerState::Up,
            active: None,
            active_members: vec!["rm-1".into(), "rm-3".into()],
            members: 3,
            choice: Choice::Auto,
            reason: "2 of 3 members take new work: rm-2 is down (sip-options: no answer in 400ms)".into(),
            since: ago(60),
            advertise: Advertise::Never,
            advertised_since: None,
            connections: None,
        },
    ]
}

pub(in crate::cli) fn ports() -> Vec<PortRow> {
    let port = |name: &str, device: &str, driver: &str, link, speed_mbps, missed| PortRow {
        name: name.into(),
        device: device.into(),
        driver: driver.into(),
        firmware: None,
        mac: "02:00:00:00:00:01".into(),
        link,
        link_changes: 3,
        resets: 0,
        removals: 0,
        speed_mbps,
        mtu: 1500,
        rx_queues: 2,
        tx_queues: 3,
        rx_frames: 12_345,
        rx_bytes: 1_234_567,
        rx_missed: missed,
        rx_errors: 1,
        tx_frames: 9_876_543_210,
        tx_bytes: 9_876_543_210_000,
        tx_errors: 2,
        rss: if driver == "net_ixgbe" { "by destination" } else { "unsupported: by the driver" }.into(),
        arrived: 12_345,
        handed_off: missed,
        judgement: (driver == "net_ixgbe")
            .then(|| "spreads by destination as asked: 99.3 % of the frames are received by the owning worker".into()),
    };
    vec![
        port("outer", "net_af_packet0,iface=outer0,qdisc_bypass=1", "net_af_packet", Link::Up, None, 0),
        port("inner", "0000:3b:00.1", "net_ixgbe", Link::Down, Some(10_000), 77),
    ]
}

pub(in crate::cli) fn switchovers() -> Vec<SwitchoverRow> {
    vec![
        SwitchoverRow {
            age_ms: 3_612_000,
            time: ago(3612),
            pool: "pair-1".into(),
            from: None,
            to: Some("sip-a".into()),
            cause: Cause::Start,
            reason: "first to answer".into(),
            last_good_answer: None,
            first_failed_probe: None,
            lost: None,
            up: Some(1_200_000),
            detected: 1_200_000,
            published: Some(1_200_041),
            installed: Some(1_200_063),
            redelivered: 0,
            redelivery_too_old: 0,
            redelivery_no_room: 0,
        },
        SwitchoverRow {
            age_ms: 12_000,
            time: ago(12),
            pool: "pair-1".into(),
            from: Some("sip-a".into()),
            to: Some("sip-b".into()),
            cause: Cause::Monitor,
            reason: "sip-a is down: no answer to sip-options in 400ms, 3 times in a row".into(),
            last_good_answer: Some(3_600_000_000),
            first_failed_probe: Some(3_600_080_000),
            lost: Some(3_600_480_000),
            up: Some(3_600_512_345),
            detected: 3_600_512_345,
            published: Some(3_600_512_401),
            installed: Some(3_600_512_477),
            redelivered: 37,
            redelivery_too_old: 2,
            redelivery_no_room: 0,
        },
        SwitchoverRow {
            age_ms: 0,
            time: ago(0),
            pool: "pair-1".into(),
            from: Some("sip-b".into()),
            to: None,
            cause: Cause::Operator,
            reason: "sip-b was taken offline by the operator".into(),
            last_good_answer: None,
            first_failed_probe: None,
            lost: None,
            up: None,
            detected: 3_612_100_000,
            published: Some(3_612_100_050),
            installed: None,
            redelivered: 0,
            redelivery_too_old: 0,
            redelivery_no_room: 0,
        },
    ]
}

pub(in crate::cli) fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        name: "lead-1".into(),
        uptime_s: 3612,
        epoch: 42,
        workers: vec![
            WorkerRow {
                id: 0,
                core: 1,
                busy_percent: 37.4,
                rx: 12_345,
                tx: 12_300,
                dropped: 45,
                ignored: 3_600,
                flows: 1017,
                flows_max: 20_000,
                fragments: 3,
                fragments_max: 2_048,
            },
            WorkerRow { id: 1, core: 2, flows_max: 1_000_000, ..WorkerRow::default() },
        ],
        ports: ports(),
        virtual_servers: virtual_servers(),
        last_switchover: Some(switchovers().swap_remove(1)),
        alarms: vec![AlarmRow {
            id: 17,
            code: "pool.roles".into(),
            severity: Severity::Warning,
            pool: Some("pair-1".into()),
            member: None,
            interface: None,
            object: None,
            remedy: AlarmCode::PoolRoles.remedy().into(),
            acknowledged: None,
            since: ago(75),
            message:
                "pool pair-1: sip-a and sip-b both answer SIP; sip-b stays active. Look which of them is primary, \
                      and take the other offline"
                    .into(),
        }],
        configuration: InForceRow::default(),
        settings: 0,
        awaited: None,
        pair: None,
    }
}

pub(in crate::cli) fn settings() -> [SettingRow; 3] {
    let row = |kind, what: &str, setting: &str, file: &str, since| SettingRow {
        kind,
        pool: "pair-1".into(),
        what: what.into(),
        setting: setting.into(),
        file: file.into(),
        since: ago(since),
    };
    [
        row(SettingKind::Member, "sip-a", "offline", "enabled", 12),
        row(SettingKind::Choice, "sip-b", "forced active", "automatic selection", 3_612),
        row(SettingKind::Exclusion, "172.16.2.0/24", "not excluded", "excluded", 264_000),
    ]
}

/// Interfaces: one of which the kernel sees nothing, and devices that are well, without a carrier, and missing.
pub(in crate::cli) fn interfaces() -> Vec<InterfaceRow> {
    let host = |name: &str, carrier, trouble: Option<&str>| HostRow {
        name: name.into(),
        carrier,
        trouble: trouble.map(Into::into),
        to_kernel_frames: 1_234_567,
        to_kernel_bytes: 98_765_432,
        from_kernel_frames: 7_654,
        from_kernel_bytes: 654_321,
        refused_frames: 3,
        lost_frames: 0,
    };
    let interface = |name: &str, vlan, address: &str, host| InterfaceRow {
        name: name.into(),
        port: "outer".into(),
        vlan,
        mtu: 1500,
        addresses: vec![address.parse().unwrap()],
        host,
    };
    let taken = "fl-lab cannot be made: Device or resource busy; another device has this name: remove it, or write another name";
    vec![
        interface("clients", None, "192.0.2.2/24", Some(host("fl-clients", true, None))),
        interface("servers", Some(200), "10.20.0.1/24", None),
        interface("lab", Some(300), "198.51.100.0/31", Some(host("fl-lab", false, Some(taken)))),
        interface("sync", Some(400), "203.0.113.1/30", Some(host("fl-sync", false, None))),
    ]
}
