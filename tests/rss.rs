//! Where a NIC that is asked to spread by one end of a packet puts it, and which worker decides about it: the same.
//!
//! The NIC is played here: the published hash over the bytes of a frame, with the key of its port, and its table. What a
//! real one does shows only where there is one.

use fairlead::config::parse;
use fairlead::engine::{Engine, Path, Steering};
use fairlead::flow::SnatPorts;
use fairlead::io::memory::{FarEnd, MemoryPort, Pool};
use fairlead::policy::adjacency::Adjacency;
use fairlead::policy::health::Health;
use fairlead::policy::intent::{Intent, PortId};
use fairlead::policy::spread::spreads;
use fairlead::policy::{Epoch, Snapshot};
use fairlead::time::Instant;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::wire::toeplitz::HashOn::{Both, Destination, Source};
use fairlead::wire::toeplitz::{HashOn, RssKeys, hash, owners};
use fairlead::wire::{Endpoint, Mac, Packet};
use fairlead::worker::arrivals::Arrived;
use fairlead::worker::mailbox::mailbox;
use fairlead::worker::{Shared, Worker, WorkerId, hand_offs};
use std::net::Ipv4Addr;
use std::sync::Arc;

fn example(name: &str) -> Intent {
    let path = format!("{}/dpdk-config/examples/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("an example");
    parse(name, &text).unwrap_or_else(|errors| panic!("{errors}")).intent
}

#[test]
fn each_port_is_asked_for_what_its_place_wants() {
    let rows: [(&str, &[HashOn]); 4] = [
        ("two-arm", &[Source, Destination]),
        ("one-arm", &[Both]),
        ("vlans", &[Both]),
        ("two-pairs", &[Source, Destination]),
    ];
    for (name, expected) in rows {
        assert_eq!(spreads(&example(name)), expected, "{name}");
    }
}

#[test]
fn a_port_with_members_looks_at_both_ends_when_the_way_out_leads_through_it() {
    let mut intent = example("two-arm");
    let servers = intent.members[0].interface;
    intent.routes[0].interface = servers;
    assert_eq!(spreads(&intent), [Source, Both], "the default route goes through the servers' network");
    let mut beside = intent.routes[0].clone();
    beside.to = "172.16.0.0/12".parse().unwrap();
    intent.routes = vec![example("two-arm").routes.remove(0), beside.clone()];
    assert_eq!(spreads(&intent), [Source, Destination], "some network lies behind the servers, the outside does not");
    intent.routes = vec![beside];
    assert_eq!(spreads(&intent), [Source, Both], "there is no default route");
}

#[test]
fn two_pairs_on_two_ports_without_a_third_see_each_other_on_both() {
    let mut intent = example("two-pairs");
    let outer = intent.interfaces.find_id(|interface| interface.name == "clients").unwrap();
    let second = intent.members.len() / 2;
    for member in intent.members.iter_mut().skip(second) {
        member.interface = outer;
    }
    assert_eq!(spreads(&intent), [Both, Destination], "the default route is on the first port");
    intent.routes.clear();
    assert_eq!(spreads(&intent), [Both, Both], "the outside can be on either link only");
}

fn snapshot(intent: &Intent) -> Snapshot {
    let health =
        Health { members: vec![Default::default(); 2], pools: vec![Default::default()], pair: Default::default() };
    let macs = [Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];
    Snapshot::compile(intent, &health, &Adjacency::default(), &macs, Epoch(1))
}

const WORKERS: usize = 5;
const TABLE: usize = 128;

struct Nic {
    key: [u8; 64],
    table: Vec<u16>,
}

impl Nic {
    fn new(keys: &RssKeys, spread: HashOn) -> Nic {
        let owners = owners(WORKERS);
        Nic { key: keys.of(spread), table: (0..TABLE).map(|at| owners[at % owners.len()]).collect() }
    }

    /// The queue of a frame of TCP or UDP over IPv4 without options or tag.
    fn queue(&self, frame: &[u8]) -> usize {
        usize::from(self.table[hash(&self.key, &frame[26..38]) as usize % TABLE])
    }
}

#[test]
fn what_a_nic_receives_arrives_at_the_worker_that_decides_about_it() {
    let intent = example("two-arm");
    let snapshot = snapshot(&intent);
    let (vip, member) = (intent.virtual_servers[0].address, intent.members[0].address);
    let mut state = 7_u64;
    let mut random = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        state ^ state >> 29
    };
    let keys = RssKeys::draw(&mut random);
    let (outer, inner) = (Nic::new(&keys, Source), Nic::new(&keys, Destination));
    let steering = Steering::of_nics(WORKERS, keys.indirection());
    let mut met = [0; WORKERS];
    for _ in 0..2_000 {
        let bits = random() >> 8;
        let outside = Endpoint::new(Ipv4Addr::from(0xac10_0000 | (bits as u32 & 0x000f_ffff)), (bits >> 32) as u16 | 1);
        let high = 32_768 + (bits >> 48) as u16 % 20_000;
        let owner = |frame: &[u8]| {
            let headers = Packet::parse(frame).unwrap();
            let path = Path::between(&snapshot.owners(headers.src(), headers.dst()));
            steering.worker(&headers, path, &snapshot).unwrap()
        };
        let inward = [
            Build::udp(outside, Endpoint::new(vip, 5060)).bytes(),
            Build::tcp(outside, Endpoint::new(vip, 5060), Flags::SYN, 1, 0).bytes(),
            Build::udp(outside, Endpoint::new(vip, high)).bytes(),
            Build::udp(outside, Endpoint::new(member, 22)).bytes(),
        ];
        let outward = [
            Build::udp(Endpoint::new(member, 5060), outside).bytes(),
            Build::tcp(Endpoint::new(member, 5060), outside, Flags::ACK, 1, 1).bytes(),
            Build::udp(Endpoint::new(member, high), outside).bytes(),
            Build::udp(Endpoint::new(member, 22), outside).bytes(),
        ];
        let decides = owner(&inward[0]);
        met[decides] += 1;
        for (nic, frame) in
            inward.iter().map(|frame| (&outer, frame)).chain(outward.iter().map(|frame| (&inner, frame)))
        {
            assert_eq!((owner(frame), nic.queue(frame)), (decides, decides), "{outside}");
        }
        let quoted = Build::udp(Endpoint::new(vip, 5060), outside);
        assert_eq!(owner(&Build::icmp_error(outside.addr, vip, 3, 3, &quoted).bytes()), decides, "an error about it");
    }
    assert!(met.iter().all(|&count| count > 300), "every worker has its part: {met:?}");
}

/// Workers with a queue each, the far ends of their queues, and what they lay down.
struct Appliance {
    workers: Vec<Worker<MemoryPort>>,
    queues: Vec<FarEnd>,
    shared: Vec<Arc<Shared>>,
}

fn appliance(intent: &Intent, steering: &Steering) -> Appliance {
    let (snapshot, pool) = (Arc::new(snapshot(intent)), Pool::default());
    let snat_ports = SnatPorts::new(snapshot.snat_addresses(), 1);
    let mut made = Appliance { workers: Vec::new(), queues: Vec::new(), shared: Vec::new() };
    for (at, hands) in hand_offs(WORKERS, 256).into_iter().enumerate() {
        let (outer, queue) = MemoryPort::connected(&pool);
        let engine = Engine::new(Arc::clone(&snapshot), snat_ports.clone(), 1);
        let shared = Arc::<Shared>::default();
        let (_, end) = mailbox(64);
        let id = WorkerId(at as u16);
        made.workers
            .push(Worker::new(id, engine, vec![outer], hands, end, Arc::clone(&shared)).under(steering.clone()));
        made.queues.push(queue);
        made.shared.push(shared);
    }
    made
}

#[test]
fn workers_count_what_arrives_where_it_is_decided_and_what_does_not() {
    let mut intent = example("two-arm");
    intent.interfaces[0].vlan = None;
    let vip = Endpoint::new(intent.virtual_servers[0].address, 5060);
    let keys = RssKeys::draw(|| 0x0123_4567_89ab_cdef);
    let nic = Nic::new(&keys, Source);
    let arrived = |steering: &Steering| {
        let mut made = appliance(&intent, steering);
        for peer in 0..1_000 {
            let outside = Endpoint::new(Ipv4Addr::from(0xac10_0500 + (peer >> 4)), 5_060 + (peer as u16 & 15));
            let frame = Build::udp(outside, vip).macs(Mac([2; 6]), Mac([2, 0, 0, 0, 0, 1])).bytes();
            assert!(made.queues[nic.queue(&frame)].inject(&frame));
            assert!(made.queues[0].inject(&Build::arp_request(Mac([2; 6]), "192.0.2.9", "192.0.2.2").bytes()));
            made.workers.iter_mut().for_each(|worker| {
                worker.turn(Instant::from_millis(1));
            });
        }
        let handed_off: u64 = made.shared.iter().map(|shared| shared.read().handed_off).sum();
        let arrived: Arrived = made.shared.iter().map(|shared| shared.arrivals.at(PortId(0))).sum();
        assert_eq!(arrived.elsewhere, handed_off);
        arrived
    };
    let as_asked = arrived(&Steering::of_nics(WORKERS, keys.indirection()));
    assert_eq!(as_asked, Arrived { frames: 1_000, elsewhere: 0 }, "and ARP, which is nobody's, is not among them");
    let by_chance = arrived(&Steering::ours(WORKERS));
    assert_eq!(by_chance.frames, 1_000);
    assert!((700..900).contains(&by_chance.elsewhere), "four of five: {by_chance:?}");
}
