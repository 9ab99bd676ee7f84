//! What workers have forwarded, put together by whose it is: scenarios 165 and 166.

use super::*;
use crate::admin::rows::{TrafficOf, TrafficRates, TrafficRow};
use crate::engine::Account;
use crate::policy::intent::{Member, PoolId, VirtualServerId};

const SERVICE: VirtualServerId = VirtualServerId(0);

fn rows(bench: &mut Bench) -> Vec<TrafficRow> {
    match bench.ask(Request::Traffic {}).expect("it waits for nobody").unwrap().data {
        Data::Traffic(rows) => rows,
        other => panic!("{other:?}"),
    }
}

fn member(bench: &mut Bench, name: &str) -> TrafficRow {
    let found = rows(bench).into_iter().find(|row| row.of == TrafficOf::Member && row.name == name);
    found.unwrap_or_else(|| panic!("no member {name}"))
}

/// A reload of the file with this change.
fn change_file(bench: &mut Bench, change: impl FnOnce(&mut Configuration)) {
    let mut file = bench.controller.file.clone();
    change(&mut file);
    bench.give(Input::Reload { request_id: None, file: read_as("", Ok(file)) });
    bench.run(200);
}

/// A worker forwards packets of 100 bytes.
fn forward(bench: &Bench, worker: usize, account: Account, packets: u64) {
    (0..packets).for_each(|_| bench.owned[worker].traffic.forward(&account, 100));
}

#[test]
fn s166_what_workers_forward_is_summed_and_a_rate_is_of_the_last_second() {
    let mut bench = Bench::settled();
    change_file(&mut bench, |file| file.intent.limits.traffic_counters = true);
    bench.run(1_000);
    let to = Account::to(MemberId(1)).of(SERVICE);
    forward(&bench, 0, to, 30);
    forward(&bench, 1, Account { is_from_member: true, ..to }, 20);
    forward(&bench, 1, to, 10);
    let all = rows(&mut bench);
    let kinds: Vec<TrafficOf> = all.iter().map(|row| row.of).collect();
    assert_eq!(kinds, [TrafficOf::VirtualServer, TrafficOf::Member, TrafficOf::Member]);
    for row in [&all[0], &all[2]] {
        assert_eq!((row.packets_in, row.packets_out, row.bytes_in, row.bytes_out), (40, 20, 4_000, 2_000), "{row:?}");
        assert!(row.counting && row.per_second == TrafficRates::default(), "no second has passed: {row:?}");
    }
    assert_eq!((all[1].packets_in, all[1].packets_out), (0, 0), "the other member");
    bench.run(1_000);
    let rates = TrafficRates { packets_in: 40, packets_out: 20, bytes_in: 4_000, bytes_out: 2_000, connections: 0 };
    assert_eq!(rows(&mut bench)[2].per_second, rates);
    bench.run(1_000);
    assert_eq!(rows(&mut bench)[2].per_second, TrafficRates::default(), "and then nothing more");
    assert_eq!(rows(&mut bench)[2].packets_in, 40);
}

#[test]
fn s165_who_stays_keeps_his_counts_over_a_reload_and_who_comes_begins_at_zero() {
    let mut bench = Bench::settled();
    let names: Vec<String> = bench.controller.intent().members.iter().map(|member| member.name.clone()).collect();
    forward(&bench, 0, Account::to(MemberId(0)), 7);
    forward(&bench, 0, Account::to(MemberId(1)), 9);
    bench.run(1_000);
    change_file(&mut bench, |file| file.intent.timeouts.udp *= 2);
    assert_eq!((member(&mut bench, &names[0]).packets_in, member(&mut bench, &names[1]).packets_in), (7, 9));
    // The other goes, and one comes who gets the id.
    change_file(&mut bench, |file| {
        file.intent.members.pop();
        file.intent.pools.iter_mut().for_each(|pool| pool.members.retain(|id| id.0 == 0));
    });
    assert!(rows(&mut bench).iter().all(|row| row.name != names[1]));
    change_file(&mut bench, |file| {
        let interface = file.intent.members.iter().next().unwrap().interface;
        file.intent.members.push(Member::new("new", [10, 20, 0, 77].into(), PoolId(0), interface));
        file.intent.pools.iter_mut().for_each(|pool| pool.members.push(MemberId(1)));
    });
    assert_eq!(bench.controller.intent().members.find_id(|one| one.name == "new"), Some(MemberId(1)));
    assert_eq!(member(&mut bench, "new").packets_in, 0, "nine were another's");
    forward(&bench, 1, Account::to(MemberId(1)), 2);
    assert_eq!((member(&mut bench, "new").packets_in, member(&mut bench, &names[0]).packets_in), (2, 7));
    bench.run(1_000);
    assert_eq!(member(&mut bench, "new").per_second.packets_in, 2);
}
