use super::*;
use crate::control::harness::two_arm;
use crate::policy::intent::{PoolId, VirtualServer};

const V: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);
const W: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 101);
const STOP: Duration = Duration::from_secs(1);

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// One for each of these, named in order.
fn servers(all: &[(Ipv4Addr, Advertise, u64)]) -> Intent {
    let mut intent = two_arm();
    let one = |(at, &(address, advertise, delay)): (usize, &(Ipv4Addr, Advertise, u64))| VirtualServer {
        advertise,
        withdraw_delay: Duration::from_millis(delay),
        ..VirtualServer::new(&format!("sip-{}", at + 1), address, PoolId(0), Vec::new())
    };
    intent.virtual_servers = all.iter().enumerate().map(one).collect::<Vec<_>>().into();
    intent
}

/// The part, its intent, and the kernel in the test's hands.
struct Rig {
    advertising: Advertising,
    intent: Intent,
    out: Outbox,
}

impl Rig {
    fn new(all: &[(Ipv4Addr, Advertise, u64)]) -> Rig {
        let intent = servers(all);
        Rig { advertising: Advertising::new(&intent), intent, out: Outbox::default() }
    }

    /// Of a process that forwards.
    fn ready(all: &[(Ipv4Addr, Advertise, u64)]) -> Rig {
        let mut rig = Rig::new(all);
        rig.advertising.on_ready();
        rig
    }

    /// The order that follows from this, by virtual server; `None`: none.
    fn poll(&mut self, serving: &[Serving], now: Instant) -> Option<AdvertiseOrder> {
        self.advertising.touch();
        self.look(serving, now)
    }

    fn look(&mut self, serving: &[Serving], now: Instant) -> Option<AdvertiseOrder> {
        self.advertising.poll(true, |id| serving[id.index()], &mut self.out, now);
        self.taken()
    }

    fn taken(&mut self) -> Option<AdvertiseOrder> {
        std::iter::from_fn(|| self.out.pop())
            .filter_map(|output| if let Output::Advertise(order) = output { Some(*order) } else { None })
            .last()
    }

    /// The kernel does as it is told. Returns what is logged.
    fn obey(&mut self, order: &AdvertiseOrder, now: Instant) -> Vec<String> {
        self.done(order.number, Ok(order.addresses.clone()), now)
    }

    fn done(&mut self, number: u64, outcome: Result<BTreeSet<Ipv4Addr>, String>, now: Instant) -> Vec<String> {
        self.advertising.on_outcome((number, outcome), (&self.intent, "fl-vips"), STOP, &mut self.out, now);
        let line = |output| if let Output::Log(row) = output { Some(row.message.clone()) } else { None };
        std::iter::from_fn(|| self.out.pop()).filter_map(line).collect()
    }
}

fn set(all: &[Ipv4Addr]) -> BTreeSet<Ipv4Addr> {
    all.iter().copied().collect()
}

use Advertise::{Always, Never, WhenActive};
use Serving::{Down, Unknown, Up};

#[test]
fn an_address_comes_with_the_first_member_and_goes_with_the_last() {
    let mut rig = Rig::ready(&[(V, WhenActive, 0)]);
    let order = rig.poll(&[Down], at(0)).expect("what stands from before is looked at");
    assert_eq!(order.addresses, set(&[]));
    assert!(rig.obey(&order, at(0)).is_empty());
    let order = rig.poll(&[Up], at(10)).unwrap();
    assert_eq!((order.addresses.clone(), rig.advertising.since(V)), (set(&[V]), None), "the kernel has not done it");
    assert_eq!(rig.obey(&order, at(11)), ["10.20.0.100 is advertised: it stands on fl-vips for sip-1"]);
    assert_eq!(rig.advertising.since(V), Some(at(11)));
    assert_eq!(rig.poll(&[Up], at(20)), None, "nothing has changed");
    let order = rig.poll(&[Down], at(30)).expect("at once");
    assert_eq!(order.addresses, set(&[]));
    let line = "10.20.0.100 is withdrawn from fl-vips: no virtual server of it is up";
    assert_eq!((rig.obey(&order, at(31)), rig.advertising.since(V)), (vec![line.to_owned()], None));
    assert_eq!(rig.advertising.next_deadline(), None);
}

#[test]
fn a_delay_keeps_the_address_for_so_long_unless_a_member_is_up_again() {
    let mut rig = Rig::ready(&[(V, WhenActive, 500)]);
    let order = rig.poll(&[Up], at(0)).unwrap();
    rig.obey(&order, at(0));
    assert_eq!(rig.poll(&[Down], at(100)), None);
    assert_eq!(rig.advertising.next_deadline(), Some(at(600)));
    assert_eq!(rig.poll(&[Up], at(300)), None, "back in time");
    assert_eq!(rig.poll(&[Down], at(1_000)), None);
    assert_eq!(rig.look(&[Down], at(1_499)), None);
    assert_eq!(rig.look(&[Down], at(1_500)).map(|order| order.addresses), Some(set(&[])));
}

#[test]
fn always_is_as_long_as_packets_are_forwarded_and_never_is_never() {
    let mut rig = Rig::new(&[(V, Always, 0), (W, Never, 0)]);
    let order = rig.poll(&[Down, Up], at(0)).unwrap();
    assert_eq!((order.addresses, order.kept), (set(&[]), set(&[V])), "not before, but what stands is not touched");
    rig.advertising.on_ready();
    assert_eq!(rig.poll(&[Down, Up], at(1)).map(|order| (order.addresses, order.kept)), Some((set(&[V]), set(&[]))));
}

#[test]
fn one_of_two_virtual_servers_of_an_address_is_enough() {
    let mut rig = Rig::ready(&[(V, WhenActive, 0), (V, WhenActive, 0)]);
    let order = rig.poll(&[Down, Up], at(0)).unwrap();
    assert_eq!(rig.obey(&order, at(0)), ["10.20.0.100 is advertised: it stands on fl-vips for sip-1, sip-2"]);
    assert_eq!(rig.poll(&[Up, Up], at(1)), None);
    assert_eq!(rig.poll(&[Up, Down], at(2)), None);
    assert_eq!(rig.poll(&[Down, Down], at(3)).map(|order| order.addresses), Some(set(&[])));
}

/// The process before has crashed: its addresses stand, and nobody has answered a probe yet.
#[test]
fn what_stands_from_before_is_left_until_something_is_known_of_it() {
    let mut rig = Rig::new(&[(V, WhenActive, 0), (W, WhenActive, 0)]);
    let order = rig.poll(&[Unknown, Unknown], at(0)).unwrap();
    assert_eq!((&order.addresses, &order.kept), (&set(&[]), &set(&[V, W])));
    rig.done(order.number, Ok(set(&[V, W])), at(1));
    rig.advertising.on_ready();
    let order = rig.poll(&[Up, Down], at(50)).unwrap();
    assert_eq!((&order.addresses, &order.kept), (&set(&[V]), &set(&[])), "the one is confirmed, the other withdrawn");
    let line = "10.20.0.101 is withdrawn from fl-vips: no virtual server of it is up";
    assert_eq!((rig.obey(&order, at(51)), rig.advertising.since(V)), (vec![line.to_owned()], Some(at(1))));
    assert_eq!(
        rig.poll(&[Unknown, Unknown], at(60)).map(|order| (order.addresses, order.kept)),
        Some((set(&[]), set(&[])))
    );
}

#[test]
fn a_reload_is_followed_and_what_is_known_stays() {
    let mut rig = Rig::ready(&[(V, WhenActive, 500), (W, Never, 0)]);
    let order = rig.poll(&[Up, Up], at(0)).unwrap();
    rig.obey(&order, at(0));
    rig.poll(&[Down, Up], at(100));
    rig.intent = servers(&[(V, WhenActive, 500), (W, WhenActive, 0)]);
    rig.advertising.reconfigure(&rig.intent);
    let order = rig.look(&[Down, Up], at(200)).unwrap();
    assert_eq!(order.addresses, set(&[V, W]), "the delay goes on, and the other one comes");
    rig.obey(&order, at(200));
    rig.intent = servers(&[(V, Never, 0), (W, WhenActive, 0)]);
    rig.advertising.reconfigure(&rig.intent);
    let order = rig.look(&[Up, Up], at(300)).unwrap();
    let line = "10.20.0.100 is withdrawn from fl-vips: the file does not say any more that it is to be advertised";
    assert_eq!((order.addresses.clone(), rig.obey(&order, at(301))), (set(&[W]), vec![line.to_owned()]));
}

#[test]
fn a_kernel_that_refuses_is_an_alarm_and_asked_again() {
    let mut rig = Rig::ready(&[(V, WhenActive, 0)]);
    let order = rig.poll(&[Up], at(0)).unwrap();
    let lines = rig.done(order.number, Err("link fl-vips cannot be made".into()), at(1));
    let expected = "alarm: the kernel does not hold what routing daemons are to announce: link fl-vips cannot be made. \
                    It is tried again every 2 seconds";
    assert_eq!(lines, [expected]);
    assert_eq!(rig.advertising.next_deadline(), Some(at(2_001)));
    assert_eq!(rig.look(&[Up], at(2_000)), None);
    let again = rig.look(&[Up], at(2_001)).unwrap();
    assert_eq!((again.addresses.clone(), again.number), (set(&[V]), order.number + 1));
    assert!(rig.done(order.number, Ok(set(&[])), at(2_002)).is_empty(), "nobody waits for the first any more");
    let lines = rig.obey(&again, at(2_003));
    assert_eq!(lines[0], "alarm cleared: fl-vips holds the addresses that are to be advertised");
    assert_eq!(rig.advertising.next_deadline(), Some(at(12_003)), "somebody may take it away");
    assert_eq!(rig.look(&[Up], at(12_003)).map(|order| order.addresses), Some(set(&[V])));
}

#[test]
fn at_the_end_everything_is_withdrawn_first_and_routers_get_time() {
    let mut rig = Rig::ready(&[(V, Always, 0)]);
    let order = rig.poll(&[Up], at(0)).unwrap();
    rig.obey(&order, at(0));
    assert!(rig.advertising.begin_end(STOP, &mut rig.out, at(100)) && rig.advertising.is_ending());
    let order = rig.taken().unwrap();
    assert_eq!((&order.addresses, &order.kept), (&set(&[]), &set(&[])));
    assert!(!rig.advertising.take_ended(at(150)));
    assert_eq!(rig.obey(&order, at(150)), ["10.20.0.100 is withdrawn from fl-vips: Fairlead stops"]);
    assert_eq!(rig.advertising.next_deadline(), Some(at(1_150)), "a second after it was done");
    assert_eq!(rig.poll(&[Up], at(200)), None, "nothing comes back");
    assert!(!rig.advertising.take_ended(at(1_149)));
    assert!(rig.advertising.take_ended(at(1_150)) && !rig.advertising.take_ended(at(1_151)));
    assert_eq!(rig.advertising.next_deadline(), None);
}

#[test]
fn the_end_waits_neither_for_a_kernel_that_does_not_answer_nor_for_one_that_refuses() {
    let ending = || {
        let mut rig = Rig::ready(&[(V, Always, 0)]);
        let order = rig.poll(&[Up], at(0)).unwrap();
        rig.obey(&order, at(0));
        rig.advertising.begin_end(STOP, &mut rig.out, at(100));
        let order = rig.taken().unwrap();
        (rig, order)
    };
    let (mut silent, _) = ending();
    assert!(!silent.advertising.take_ended(at(2_099)) && silent.advertising.take_ended(at(2_100)));
    let (mut refusing, order) = ending();
    refusing.done(order.number, Err("no".into()), at(120));
    assert!(refusing.advertising.take_ended(at(120)));
    let mut idle = Rig::ready(&[(V, WhenActive, 0)]);
    idle.poll(&[Down], at(0));
    assert!(!idle.advertising.begin_end(STOP, &mut idle.out, at(100)), "where nothing stands, nobody waits");
}
