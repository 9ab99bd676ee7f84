//! Files that load.

use super::edited;
use crate::config::{Configuration, Idle, load, parse_for};
use crate::policy::intent::*;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dpdk-config/examples")
}

fn example(name: &str) -> Configuration {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    parse_for(64, name, &text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn every_example_loads_without_a_warning() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let warnings = example(&name).warnings;
        assert!(warnings.is_empty(), "{name}: {}", warnings[0]);
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[test]
fn the_two_arm_example_means_what_it_says() {
    let Configuration { settings, intent, .. } = example("two-arm.toml");
    assert_eq!(settings.name, "lead-1");
    assert_eq!((settings.cores.management, settings.cores.workers, settings.cores.idle), (0, vec![1], Idle::Poll));
    assert_eq!(settings.metrics.unwrap().port(), 9469);
    assert_eq!((settings.dpdk.mbufs, settings.dpdk.memory_mib, settings.dpdk.hugepages), (65535, 256, false));
    assert_eq!(intent.interfaces[0].vlan.unwrap().get(), 120);
    assert_eq!((intent.interfaces[1].port, intent.interfaces[1].mtu), (PortId(1), 1500));
    assert_eq!(intent.routes[0].interface, InterfaceId(0));
    assert_eq!(intent.members[1].address, Ipv4Addr::new(10, 20, 0, 12));
    assert_eq!((intent.members[1].pool, intent.members[1].interface), (PoolId(0), InterfaceId(1)));
    let named = intent.pools[0].clone();
    let Pool { name, members, monitors, .. } = named.clone();
    assert_eq!(named, Pool { name, members, monitors, require: 1, ..Pool::default() });
    assert_eq!(intent.monitors[0].timeout, Duration::from_millis(400));
    let MonitorKind::Sip(probe) = &intent.monitors[0].kind else { panic!("{:?}", intent.monitors[0].kind) };
    assert_eq!((probe.port, probe.transport, probe.up_codes.len()), (5060, SipTransport::Udp, 6));
    assert_eq!(intent.virtual_servers[0].listen.len(), 3);
    assert_eq!(intent.snats[0].exclude[1].to_string(), "172.16.2.0/24");
    assert_eq!((intent.timeouts, intent.limits), (Timeouts::default(), Limits::default()));
}

#[test]
fn the_one_arm_example_puts_everything_on_one_interface() {
    let Configuration { settings, intent, .. } = example("one-arm.toml");
    assert_eq!(settings.cores.idle, Idle::Sleep);
    assert_eq!((intent.ports.len(), intent.interfaces.len()), (1, 1));
    assert!(intent.members.iter().all(|member| member.interface == InterfaceId(0)));
    assert_eq!(intent.routes[0].interface, InterfaceId(0));
    assert_eq!(intent.snats[0].no_snat_udp_ports, [161]);
}

#[test]
fn the_vlan_example_has_two_interfaces_on_one_port_and_a_virtual_address_in_neither() {
    let Configuration { intent, .. } = example("vlans.toml");
    let links: Vec<_> = intent.interfaces.iter().map(|entry| (entry.port, entry.vlan.unwrap().get())).collect();
    assert_eq!(links, [(PortId(0), 120), (PortId(0), 20)]);
    let address = intent.virtual_servers[0].address;
    assert!(!intent.interfaces.iter().any(|entry| entry.addresses[0].contains(&address)));
    assert_eq!((intent.pools[0].monitors.len(), intent.pools[0].require), (2, 2));
}

#[test]
fn a_monitor_without_a_port_asks_each_pool_where_its_virtual_server_listens() {
    let Configuration { intent, .. } = example("two-pairs.toml");
    let asked = |pool: usize| {
        let monitors = intent.pools[pool].monitors.iter().map(|id| &intent.monitors[id.index()]);
        let port = |monitor: &Monitor| match &monitor.kind {
            MonitorKind::Sip(probe) => (monitor.name.clone(), probe.port),
            kind => panic!("{kind:?}"),
        };
        monitors.map(port).collect::<Vec<_>>()
    };
    assert_eq!(asked(0), [("sip-options".to_string(), 5060), ("sip-tls".to_string(), 5061)]);
    assert_eq!(asked(1), [("sip-options".to_string(), 5070)]);
    assert_eq!(intent.members[3].pool, PoolId(1));
    assert_eq!(intent.monitors[0].timeout, Duration::from_millis(160));
}

#[test]
fn managers_share_the_work_beside_a_pair_that_does_not() {
    let Configuration { intent, .. } = example("managers.toml");
    let modes: Vec<_> = intent.pools.iter().map(|pool| (pool.mode, pool.is_shared(), pool.members.len())).collect();
    assert_eq!(modes, [(Mode::ActiveStandby, false, 2), (Mode::RoundRobin, true, 3)]);
    assert_eq!(intent.members.iter().map(|member| member.weight).collect::<Vec<_>>(), [1, 1, 2, 2, 1]);
    assert_eq!(intent.members.iter().map(|member| member.priority).collect::<Vec<_>>(), [0, 0, 10, 10, 0]);
    assert_eq!((intent.pools[1].min_active, intent.pools[1].slow_start), (2, Duration::from_secs(30)));
    let redeliver = intent.virtual_servers.iter().map(|server| server.redeliver).collect::<Vec<_>>();
    assert_eq!(redeliver, [Duration::from_secs(4), Duration::ZERO], "nobody takes over all that another had");
}

#[test]
fn a_file_that_leaves_everything_out_that_has_a_default_means_the_same() {
    let short = edited(&[
        ("[cores]\nmanagement = 0\nworkers = [1]\n", "[appliance]\nmetrics = \"127.0.0.1:9469\"\n"),
        ("0000:3b:00.0", "net_af_packet0,iface=outer0"),
        ("0000:3b:00.1", "net_af_packet1,iface=inner0"),
        ("to = \"default\"\n", ""),
        ("interval = \"500ms\"\n", ""),
        ("listen = [\"udp/5060\", \"tcp/5060\", \"tcp/5061\"]\n", ""),
        ("172.16.1.20/32", "172.16.1.20"),
    ]);
    let short = parse_for(64, "short.toml", &short).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(short, example("two-arm.toml"));
}

#[test]
fn a_file_that_is_not_there_is_one_clear_error() {
    let errors = load(Path::new("/nonexistent/fairlead.toml")).unwrap_err();
    assert_eq!(errors.errors.len(), 1);
    assert!(errors.to_string().contains("/nonexistent/fairlead.toml: No such file"), "{errors}");
}
