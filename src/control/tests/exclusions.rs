//! The exclusion group, changed while calls go on: scenario 50.

use super::standing::{first, resolved};
use super::*;

fn exclude(prefix: &str, add: bool) -> Request {
    let (pool, prefix) = ("pair-1".to_owned(), net(prefix));
    if add { Request::ExcludeAdd { pool, prefix } } else { Request::ExcludeRemove { pool, prefix } }
}

/// An exclusion group, each prefix with who put it there.
type Group = Vec<(String, Origin)>;

fn excluded(bench: &mut Bench, request: Request) -> Group {
    let Data::Excluded(rows) = bench.ask(request).unwrap().unwrap().data else { panic!() };
    rows.into_iter().map(|row| (row.prefix.to_string(), row.origin)).collect()
}

#[test]
fn s50_an_exclusion_added_or_removed_live_is_in_force_when_it_is_answered() {
    let mut bench = Bench::settled();
    let excludes = |bench: &Bench, host: [u8; 4]| bench.snapshot().pools[0].exclude.holds(host.into());
    let file = |prefix: &str| (prefix.to_owned(), Origin::File);
    let (one, two, b) = (file("172.16.1.20/32"), file("172.16.2.0/24"), [10, 99, 1, 1]);
    let new = ("10.99.0.0/16".to_owned(), Origin::Operator);
    let gone = |prefix: &str| (prefix.to_owned(), Origin::Removed);
    let rows: [(&str, bool, Group, [u8; 4], bool); 6] = [
        ("10.99.0.0/16", true, vec![one.clone(), two.clone(), new.clone()], b, true),
        ("10.99.0.0/16", true, vec![one.clone(), two.clone(), new.clone()], b, true),
        ("172.16.2.0/24", false, vec![one.clone(), new.clone(), gone("172.16.2.0/24")], [172, 16, 2, 7], false),
        ("172.16.1.20/32", false, vec![new, gone("172.16.1.20/32"), gone("172.16.2.0/24")], [172, 16, 1, 20], false),
        ("10.99.0.0/16", false, vec![gone("172.16.1.20/32"), gone("172.16.2.0/24")], b, false),
        ("172.16.2.0/24", true, vec![two, gone("172.16.1.20/32")], [172, 16, 2, 7], true),
    ];
    for (prefix, add, group, host, in_force) in rows {
        assert_eq!(excluded(&mut bench, exclude(prefix, add)), group, "{prefix} {add}");
        assert_eq!(excludes(&bench, host), in_force, "{prefix} {add}");
    }
    let refused = bench.ask(exclude("10.99.0.0/16", false)).unwrap().unwrap_err();
    assert_eq!(refused.code, Code::UnknownPrefix);
}

/// Standing flows keep what they have: no worker is told to forget one, and nothing else is touched.
#[test]
fn s50_a_live_exclusion_touches_nothing_that_stands() {
    let (mut without, mut with) = (Bench::settled(), Bench::settled());
    let since = with.now;
    for (prefix, add) in [("10.99.0.0/16", true), ("172.16.2.0/24", false), ("10.99.0.0/16", false)] {
        excluded(&mut with, exclude(prefix, add));
    }
    assert_eq!((with.cleared, with.announced(since), resolved(&with, since)), (0, vec![], BTreeSet::new()));
    without.run(3_000);
    with.run(3_000);
    assert_eq!(first(&mut with, since), first(&mut without, since));
}

/// What was changed by hand outlives a reload, until the file says the same.
#[test]
fn s50_a_live_exclusion_outlives_a_reload() {
    let mut bench = Bench::settled();
    excluded(&mut bench, exclude("10.99.0.0/16", true));
    let mut intent = two_arm();
    intent.timeouts.udp *= 2;
    reload(&mut bench, Ok(file_of(&intent))).unwrap();
    let list = || Request::ExcludeList { pool: "pair-1".into() };
    assert_eq!(excluded(&mut bench, list())[2], ("10.99.0.0/16".to_owned(), Origin::Operator));
    assert!(bench.snapshot().pools[0].exclude.holds(Ipv4Addr::new(10, 99, 1, 1)));
    intent.snats[0].exclude.push(net("10.99.0.0/16"));
    reload(&mut bench, Ok(file_of(&intent))).unwrap();
    assert_eq!(excluded(&mut bench, list())[2], ("10.99.0.0/16".to_owned(), Origin::File));
    assert_eq!(
        excluded(&mut bench, Request::ExcludeLists {}),
        excluded(&mut bench, list()),
        "of all pools, of which there is one"
    );
}
