//! One that follows is as one that is compiled.

use super::*;
use crate::policy::adjacency::{Neighbour, NextHop};
use crate::policy::health::{Generation, MemberHealth, PoolHealth, Silence, State};
use crate::policy::intent::*;
use crate::policy::sharing::{Sharing, Target};
use crate::policy::slots::{Lives, Slots};
use crate::policy::snapshot::AddressClass;
use crate::wire::{Mac, Protocol};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

const MACS: [Mac; 1] = [Mac([2, 0, 0, 0, 0, 1])];
const POOLS: u16 = 5;
/// The third pool has one member, the others two.
const MEMBERS: u16 = 9;

fn member(id: u16) -> Member {
    let pool = if id < 5 { id / 2 } else { id.div_ceil(2) };
    let address = Ipv4Addr::new(10, 0, 1, id as u8 + 1);
    Member::new(&format!("m{id}"), address, PoolId(pool), InterfaceId(0))
}

fn server(pool: u16, last: u8, ports: &[(Protocol, u16)], enabled: bool) -> VirtualServer {
    let listen = ports.iter().map(|&(protocol, port)| Listen { protocol, port }).collect();
    VirtualServer {
        enabled,
        redeliver: Duration::from_secs(if pool == 1 { 0 } else { 4 }),
        ..VirtualServer::new(&format!("vs-{last}"), Ipv4Addr::new(10, 0, 2, last), PoolId(pool), listen)
    }
}

/// Two pools behind one address (of one all members are active), one behind two addresses, one whose service is disabled, one that nobody
/// reaches.
#[expect(clippy::too_many_lines, reason = "every key, a line each")]
fn intent() -> Intent {
    let (udp, tcp) = (Protocol::Udp, Protocol::Tcp);
    let pool = |id: u16| Pool {
        name: format!("p{id}"),
        members: (0..MEMBERS).filter(|at| member(*at).pool == PoolId(id)).map(MemberId).collect(),
        mode: [Mode::ActiveStandby, Mode::SourceHash, Mode::ActiveStandby, Mode::RoundRobin][usize::from(id) % 4],
        on_down_tcp: OnDownTcp::Drain,
        no_member: NoMember::Reject,
        ..Pool::default()
    };
    Intent {
        ports: vec![PortIntent { name: "p".into(), device: "net_null0".into(), mtu: 1500, queues: None }],
        interfaces: vec![Interface {
            name: "i".into(),
            port: PortId(0),
            vlan: None,
            addresses: vec!["10.0.0.1/16".parse().unwrap()],
            mtu: 1500,
            mss: None,
            host: None,
            floating: vec![],
            vrid: None,
        }]
        .into(),
        routes: Vec::new(),
        learned: Default::default(),
        neighbours: Vec::new(),
        monitors: Slots::default(),
        pools: (0..POOLS).map(pool).collect(),
        members: (0..MEMBERS).map(member).collect(),
        virtual_servers: vec![
            server(0, 1, &[(udp, 5060), (tcp, 5060)], true),
            server(1, 1, &[(udp, 5070), (udp, 5080)], true),
            server(2, 2, &[(udp, 5060)], true),
            server(2, 3, &[(udp, 5060), (tcp, 5061)], true),
            server(3, 4, &[(udp, 5060)], false),
        ]
        .into(),
        snats: Vec::new(),
        direct_access: DirectAccess::default(),
        timeouts: Timeouts {
            udp: Duration::from_secs(300),
            tcp_established: Duration::from_secs(7440),
            tcp_opening: Duration::from_secs(240),
            tcp_closing: Duration::from_secs(240),
            icmp: Duration::from_secs(60),
            reassembly: Duration::from_secs(2),
        },
        limits: Limits {
            flows_per_worker: 64,
            rejects_per_second: 9,
            icmp_errors_per_second: 9,
            host_packets_per_second: 9,
            fragments_per_worker: 9,
            connection_limit: 0,
            connection_rate_limit: 0,
            half_open_limit: 0,
            traffic_counters: false,
            flow_counters: false,
        },
        sip: Default::default(),
        pair: None,
        lives: Lives::default(),
    }
}

/// A number below `bound` (a multiplicative generator: Knuth, TAOCP 3.3.4).
fn draw(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % bound
}

fn change(health: &mut Health, intent: &Intent, pool: PoolId, chance: &mut u64) {
    let members = &intent.pools[pool].members;
    for id in members {
        let state = [State::Unknown, State::Up, State::Down, State::Drained, State::Offline][draw(chance, 5) as usize];
        let lost_before = Generation(draw(chance, 4) as u32);
        let (may_claim, is_back) = (draw(chance, 2) == 0, draw(chance, 2) == 0);
        health.members[id.index()] = MemberHealth { state, may_claim, lost_before, is_back };
    }
    let (mode, is_shared) = (intent.pools[pool].mode, intent.pools[pool].is_shared());
    let targets = members.iter().filter(|_| draw(chance, 2) == 0);
    let target = |id: &MemberId| Target { member: *id, address: member(id.0).address, weight: 1 };
    let sharing = is_shared.then(|| Arc::new(Sharing::new(mode, targets.map(target).collect(), 211)));
    let active = members.get(draw(chance, 3) as usize).copied().filter(|_| !is_shared);
    let silence = active.filter(|_| draw(chance, 2) == 0);
    let silence = silence.map(|member| Silence { member, since: Duration::from_millis(draw(chance, 9)) });
    let generation = Generation(draw(chance, 9) as u32);
    health.pools[pool.index()] = PoolHealth { active, generation, sharing, silence };
}

/// All that health has a part in.
fn shown(snapshot: &Snapshot) -> String {
    let Snapshot { epoch, members, pools, virtuals, datagrams_in, datagrams_out, .. } = snapshot;
    format!("{epoch:?} {members:?} {pools:?} {virtuals:?} {datagrams_in:?} {datagrams_out:?}")
}

#[test]
fn a_snapshot_that_follows_is_the_one_that_would_be_compiled() {
    let intent = intent();
    let known = |at: u16| (member(at).hop(), Neighbour::Reachable(Mac([2, 0, 0, 0, 1, at as u8])));
    let mut adjacency: Adjacency = (0..MEMBERS - 2).map(known).collect();
    adjacency.insert(member(MEMBERS - 1).hop(), Neighbour::Failed);
    adjacency.insert(NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(10, 0, 9, 9) }, Neighbour::Failed);
    let mut health = Health {
        members: vec![MemberHealth::default(); MEMBERS.into()],
        pools: vec![PoolHealth::default(); POOLS.into()],
        pair: Default::default(),
    };
    let mut chance = 3;
    let compiled = |health: &Health, epoch| Snapshot::compile(&intent, health, &adjacency, &MACS, epoch);
    let mut latest = compiled(&health, Epoch(1));
    let mut spare = Spare { snapshot: latest.clone(), behind: BTreeSet::new() };
    let (mut served, mut shared) = (0, 0);
    for _ in 0..500 {
        let changed: BTreeSet<PoolId> =
            (0..=draw(&mut chance, 2)).map(|_| PoolId(draw(&mut chance, 5) as u16)).collect();
        changed.iter().for_each(|pool| change(&mut health, &intent, *pool, &mut chance));
        let next = spare.follow(latest.epoch, changed.clone(), &intent, &health, &adjacency);
        let expected = compiled(&health, next.epoch);
        assert!(shown(&next) == shown(&expected), "epoch {:?}, {changed:?}", next.epoch);
        assert_eq!(latest.connections_are_lost_by(&next), latest.connections_are_lost_by(&expected));
        assert_eq!((next.changed_pools(), expected.changed_pools()), (Some(&changed), None));
        served += next.datagrams_in.iter().filter(|datagrams| datagrams.ready.is_some()).count();
        shared += next.pools.iter().filter(|pool| pool.is_shared && pool.takes_new()).count();
        spare = Spare { snapshot: std::mem::replace(&mut latest, next), behind: changed };
    }
    assert!(served > 300 && shared > 300, "services were ready and not, {served} and {shared} times");
}

#[test]
fn losses_are_looked_for_among_all_members_unless_it_follows_at_once() {
    let intent = intent();
    let mut health = Health {
        members: vec![MemberHealth::default(); MEMBERS.into()],
        pools: vec![PoolHealth::default(); POOLS.into()],
        pair: Default::default(),
    };
    let adjacency = Adjacency::default();
    let first = Snapshot::compile(&intent, &health, &adjacency, &MACS, Epoch(1));
    health.members[8].lost_before = Generation(3);
    let follow = |snapshot: &Snapshot, pool, health: &Health| {
        let spare = Spare { snapshot: snapshot.clone(), behind: BTreeSet::new() };
        spare.follow(snapshot.epoch, [PoolId(pool)].into(), &intent, health, &adjacency)
    };
    let second = follow(&first, 4, &health);
    let third = follow(&second, 0, &health);
    assert!(first.connections_are_lost_by(&second) && !second.connections_are_lost_by(&third));
    assert!(first.connections_are_lost_by(&third), "whoever has missed the second sees it in the third");
}

/// Strangers whose last six bits are those of an address of ours are strangers all the same.
#[test]
fn who_owns_each_address_of_a_network_is_what_the_file_says() {
    let (intent, health) = (
        intent(),
        Health {
            members: vec![MemberHealth::default(); MEMBERS.into()],
            pools: vec![PoolHealth::default(); POOLS.into()],
            pair: Default::default(),
        },
    );
    let snapshot = Snapshot::compile(&intent, &health, &Adjacency::default(), &MACS, Epoch(1));
    for address in (0x0a00_0000..0x0a01_0400).map(Ipv4Addr::from_bits) {
        let member = (0..MEMBERS).find(|at| member(*at).address == address);
        let is_virtual = intent.virtual_servers.iter().any(|server| server.address == address);
        let owner = snapshot.class(address);
        let is_so = match (member, address.octets()) {
            (Some(at), _) => owner == AddressClass::Member(MemberId(at), InterfaceId(0)),
            (None, [10, 0, 0, 1]) => owner == AddressClass::SelfIp(InterfaceId(0)),
            (None, [10, 0, 255, 255]) => owner == AddressClass::Broadcast,
            (None, _) if is_virtual => {
                matches!(owner, AddressClass::Virtual(at) if snapshot.server(at).address == address)
            }
            (None, _) => owner == AddressClass::Other,
        };
        assert!(is_so, "{address}: {owner:?}");
    }
}
