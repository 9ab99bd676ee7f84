//! Who is who, in the cases that ruling and habit of operators make.

use super::*;
use crate::policy::intent::*;
use std::time::Duration;

fn interface(name: &str, port: u8, address: &str) -> Interface {
    let addresses = vec![address.parse().unwrap()];
    Interface {
        name: name.into(),
        port: PortId(port),
        vlan: None,
        addresses,
        mtu: 1500,
        mss: None,
        host: None,
        floating: vec![],
        vrid: None,
    }
}

fn monitor(name: &str, port: u16) -> Monitor {
    let second = Duration::from_secs(1);
    let kind = MonitorKind::Tcp { port };
    Monitor {
        name: name.into(),
        kind,
        address: None,
        source: None,
        interval: second,
        timeout: second,
        rise: 2,
        fall: 2,
        patience: second,
    }
}

fn pool(name: &str, members: &[u16], monitors: &[u16]) -> Pool {
    Pool {
        name: name.into(),
        members: members.iter().map(|&id| MemberId(id)).collect(),
        monitors: monitors.iter().map(|&id| MonitorId(id)).collect(),
        require: 1,
        ..Pool::default()
    }
}

fn member(name: &str, last: u8, pool: u16) -> Member {
    Member::new(name, host(last), PoolId(pool), InterfaceId(1))
}

fn server(last: u8, pool: u16) -> VirtualServer {
    VirtualServer::new(&format!("vs-{last}"), host(last), PoolId(pool), vec![])
}

const fn host(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 20, 0, last)
}

/// Two pairs: a and b, c and d.
fn two_pairs() -> Intent {
    let members = [("a", 11, 0), ("b", 12, 0), ("c", 21, 1), ("d", 22, 1)];
    Intent {
        ports: vec![],
        interfaces: vec![interface("outer", 0, "192.0.2.2/24"), interface("inner", 1, "10.20.0.1/24")].into(),
        routes: vec![],
        monitors: vec![monitor("one", 5060), monitor("two", 5061)].into(),
        pools: vec![pool("first", &[0, 1], &[0]), pool("second", &[2, 3], &[1, 0])].into(),
        members: members.into_iter().map(|(name, last, pool)| member(name, last, pool)).collect(),
        virtual_servers: vec![server(100, 0), server(200, 1)].into(),
        snats: vec![],
        direct_access: DirectAccess::default(),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
        sip: Default::default(),
        pair: None,
        learned: Default::default(),
        neighbours: vec![],
        lives: Lives::default(),
    }
}

/// The file as it is read when `edit` has been at it.
fn edited(edit: impl FnOnce(&mut Intent)) -> Intent {
    let mut file = two_pairs();
    edit(&mut file);
    file
}

fn names<K: Id, T>(list: &Slots<K, T>, name: impl Fn(&T) -> &String) -> Vec<(usize, String)> {
    list.entries().map(|(id, entry)| (id.into(), name(entry).clone())).collect()
}

/// Ids and names of members, pools and monitors, in the order of the file.
fn who(intent: &Intent) -> [Vec<(usize, String)>; 3] {
    let (members, pools) = (names(&intent.members, |it| &it.name), names(&intent.pools, |it| &it.name));
    [members, pools, names(&intent.monitors, |it| &it.name)]
}

fn list(entries: &[(usize, &str)]) -> Vec<(usize, String)> {
    entries.iter().map(|(id, name)| (*id, (*name).into())).collect()
}

#[test]
fn what_is_renamed_is_the_same() {
    let rename = |file: &mut Intent| {
        file.members[0].name = "new-a".into();
        file.pools[0].name = "new-first".into();
        file.monitors[1].name = "new-two".into();
        file.interfaces[0].name = "new-outer".into();
    };
    let after = carry_over(&two_pairs(), edited(rename));
    let members = list(&[(0, "new-a"), (1, "b"), (2, "c"), (3, "d")]);
    let (pools, monitors) = (list(&[(0, "new-first"), (1, "second")]), list(&[(0, "one"), (1, "new-two")]));
    assert_eq!(who(&after), [members, pools, monitors]);
    assert_eq!(after.interfaces[0].name, "new-outer");
    assert!(after.members.ids().all(|id| after.members.since(id) == Life(0)));
}

#[test]
fn swapped_names_of_pools_and_monitors_are_followed_and_those_of_members_are_only_names() {
    let swap = |file: &mut Intent| {
        file.members[0].name = "b".into();
        file.members[1].name = "a".into();
        file.pools[0].name = "second".into();
        file.pools[1].name = "first".into();
        file.monitors[0].name = "two".into();
        file.monitors[1].name = "one".into();
    };
    let after = carry_over(&two_pairs(), edited(swap));
    let members = list(&[(0, "b"), (1, "a"), (2, "c"), (3, "d")]);
    let (pools, monitors) = (list(&[(1, "second"), (0, "first")]), list(&[(1, "two"), (0, "one")]));
    assert_eq!(who(&after), [members, pools, monitors]);
    assert_eq!((after.members[0].pool, &after.pools[1].members[..]), (PoolId(1), &[MemberId(0), MemberId(1)][..]));
    assert_eq!(after.pools[1].monitors, [MonitorId(1)]);
    assert_eq!(after.virtual_servers[0].pool, PoolId(1));
}

#[test]
fn the_order_of_the_file_means_nothing() {
    let turn = |file: &mut Intent| {
        file.members.reverse();
        for member in file.members.iter_mut() {
            (member.pool.0, member.interface.0) = (1 - member.pool.0, 0);
        }
        file.interfaces.reverse();
        file.monitors.reverse();
        file.pools = vec![pool("second", &[1, 0], &[0, 1]), pool("first", &[3, 2], &[1])].into();
        file.virtual_servers = vec![server(200, 0), server(100, 1)].into();
    };
    let (before, after) = (two_pairs(), carry_over(&two_pairs(), edited(turn)));
    assert_eq!(after.members.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["d", "c", "b", "a"]);
    for (id, member) in before.members.entries() {
        assert_eq!(after.members[id], *member);
    }
    for (id, pool) in before.pools.entries() {
        assert_eq!(after.pools[id], *pool);
    }
    assert!(before.interfaces.entries().all(|(id, interface)| after.interfaces[id] == *interface));
    assert!(before.monitors.entries().all(|(id, monitor)| after.monitors[id] == *monitor));
    assert_eq!(after.virtual_servers.iter().map(|it| it.pool).collect::<Vec<_>>(), [PoolId(1), PoolId(0)]);
}

#[test]
fn a_member_that_comes_back_is_another_one_and_so_is_an_address() {
    let without_b = edited(|file| {
        file.members.remove(1);
        file.pools[0].members = vec![MemberId(0)];
        file.pools[1].members = vec![MemberId(1), MemberId(2)];
        file.virtual_servers.pop();
    });
    let gone = carry_over(&two_pairs(), without_b);
    assert_eq!(who(&gone)[0], list(&[(0, "a"), (2, "c"), (3, "d")]));
    assert!(!gone.members.contains(MemberId(1)) && gone.members.find(MemberId(1), Life(9)).is_none());
    let back = carry_over(&gone, two_pairs());
    assert_eq!(who(&back)[0], list(&[(0, "a"), (1, "b"), (2, "c"), (3, "d")]), "the lowest number that is free");
    assert_eq!((back.members.since(MemberId(1)), back.lives.now), (Life(2), Life(2)));
    assert_eq!(back.members.find(MemberId(1), Life(1)), None, "and of another life");
    let since = [100, 200].map(|last| back.lives.addresses[&host(last)]);
    assert_eq!(since, [Life(0), Life(2)]);
    let still = carry_over(&back, two_pairs());
    assert_eq!(still.members.since(MemberId(1)), Life(2), "it is the same from then on");
    assert_eq!(still.lives.addresses[&host(200)], Life(2));
}

#[test]
fn the_number_of_one_who_goes_is_not_given_in_the_same_file() {
    let replaced = carry_over(&two_pairs(), edited(|file| file.members[1] = member("e", 13, 0)));
    assert_eq!(who(&replaced)[0], list(&[(0, "a"), (4, "e"), (2, "c"), (3, "d")]));
    assert_eq!(replaced.pools[0].members, [MemberId(0), MemberId(4)]);
}

#[test]
fn a_pool_with_another_name_and_other_members_is_another_one() {
    let other = |file: &mut Intent| {
        file.pools[0].name = "third".into();
        file.members[1].address = host(13);
    };
    let after = carry_over(&two_pairs(), edited(other));
    assert_eq!(who(&after)[1], list(&[(2, "third"), (1, "second")]));
    assert_eq!((after.members[0].pool, after.virtual_servers[0].pool), (PoolId(2), PoolId(2)));
}

#[test]
fn a_monitor_of_one_name_and_two_ports_is_two_and_each_stays_itself() {
    let twins =
        |first, second| edited(|file| file.monitors = vec![monitor("one", first), monitor("one", second)].into());
    let after = carry_over(&twins(5060, 5061), twins(5061, 5062));
    let ports = |intent: &Intent| -> Vec<_> {
        intent.monitors.entries().map(|(id, monitor)| (id.0, port_of(&monitor.kind))).collect()
    };
    assert_eq!(ports(&after), [(1, Some(5061)), (0, Some(5062))]);
}

/// However often all pools are others than before.
#[test]
fn no_pool_has_an_id_beyond_those_there_can_be() {
    let others = |file: usize| {
        let address = |at: usize| Ipv4Addr::from(0x0a00_0000 + (file * POOLS + at) as u32);
        edited(|intent| {
            let member = |at| Member { address: address(at), ..member("", 0, at as u16) };
            intent.members = (0..POOLS).map(member).collect();
            intent.pools = (0..POOLS).map(|at| pool(&format!("{file}-{at}"), &[at as u16], &[0])).collect();
            (intent.virtual_servers, intent.snats) = (vec![].into(), vec![]);
        })
    };
    let mut intent = others(0);
    let highest = (1..4).map(|file| {
        intent = carry_over(&intent, others(file));
        intent.pools.ids().map(PoolId::index).max().unwrap()
    });
    assert_eq!(highest.collect::<Vec<_>>(), [POOL_IDS - 1, POOLS - 1, POOL_IDS - 1]);
}
