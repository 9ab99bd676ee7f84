//! What is written is read again, and nothing else is.

use super::records::Record;
use super::*;
use crate::flow::{AskedRecord, Direction, FlowRecord, PathKind, SpeakerRecord, State, StaysRecord, TrackRecord};
use crate::policy::intent::{DirectAccess, Intent, InterfaceId, Limits, Member, MemberId, Pool, PoolId, Timeouts};
use crate::time::{Duration, Instant};
use crate::wire::sip::Branch;
use crate::wire::{Endpoint, Protocol, Tuple};
use proptest::option;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::num::NonZeroU64;

fn address() -> impl Strategy<Value = Ipv4Addr> {
    (1..=u32::MAX).prop_map(Ipv4Addr::from_bits)
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (any::<u32>(), any::<u16>()).prop_map(|(addr, port)| Endpoint::new(Ipv4Addr::from_bits(addr), port))
}

fn instant() -> impl Strategy<Value = Instant> {
    (1_u64 << 30..1 << 60).prop_map(Instant::from_nanos)
}

fn state() -> impl Strategy<Value = State> {
    let sides = |of: fn(Direction) -> State| prop_oneof![Just(of(Direction::Original)), Just(of(Direction::Reply))];
    prop_oneof![
        Just(State::Opening),
        Just(State::Answered),
        Just(State::Established),
        sides(State::HalfClosed),
        Just(State::Closing),
        sides(State::ResetBy),
        Just(State::Aborted)
    ]
}

fn flow() -> impl Strategy<Value = FlowRecord> {
    let track = (state(), 0..=0x1f_u8, any::<[u32; 2]>(), any::<[u32; 2]>());
    let track = track.prop_map(|(state, known, end, ack)| TrackRecord { state, known, end, ack });
    let path =
        prop_oneof![Just(PathKind::Service), Just(PathKind::Outbound), Just(PathKind::Hairpin), Just(PathKind::Routed)];
    let ends = (endpoint(), endpoint(), endpoint(), endpoint(), any::<u8>());
    let members = (option::of(address()), option::of(address()), any::<u32>(), any::<u32>());
    let rest = (option::of(any::<u16>()), any::<bool>(), option::of(track), instant(), 0..1_u32 << 30);
    (ends, path, any::<bool>(), members, rest).prop_map(|((a, b, c, d, protocol), path, inside, members, rest)| {
        let protocol = Protocol::of(protocol);
        let (member, opener, generation, opener_generation) = members;
        let (snat_port, is_counted, track, seen, place) = rest;
        FlowRecord {
            keys: [Tuple::new(protocol, a, b), Tuple::new(protocol, c, d)],
            path,
            inside: Direction::BOTH[usize::from(inside)],
            member,
            opener,
            generation,
            opener_generation,
            snat_port,
            is_counted,
            track,
            seen,
            place,
        }
    })
}

fn speaker() -> impl Strategy<Value = SpeakerRecord> {
    let asked = (1..=u64::MAX, address(), any::<bool>(), any::<bool>());
    let asked = asked.prop_map(|(branch, member, while_down, answered)| {
        let branch = Branch(NonZeroU64::new(branch).unwrap());
        AskedRecord { branch, member, while_down, answered }
    });
    let who = (endpoint(), any::<u32>(), option::of(address()), any::<u32>(), any::<[bool; 3]>());
    let when = (instant(), option::of(instant()), instant());
    let lists = (proptest::array::uniform4(option::of(address())), proptest::array::uniform8(option::of(asked)));
    (who, when, lists).prop_map(|(who, (claimed, forgot, renewed), (visited, asked))| {
        let (remote, home, member, generation, [while_down, called, superseded]) = who;
        let home = Ipv4Addr::from_bits(home);
        SpeakerRecord {
            remote,
            home,
            member,
            generation,
            while_down,
            called,
            visited,
            claimed,
            superseded,
            asked,
            forgot,
            renewed,
        }
    })
}

fn stays() -> impl Strategy<Value = StaysRecord> {
    let record = (any::<u64>(), any::<u32>(), any::<u32>(), instant());
    record.prop_map(|(number, member, generation, used)| StaysRecord {
        number,
        member: Ipv4Addr::from_bits(member),
        generation,
        used,
    })
}

fn here() -> Here {
    Here { boot: [7; 16], uptime: Duration::from_secs(1_000), name: "lead-1".into() }
}

/// The clock of the process that wrote it was a second behind that of the host.
fn header() -> Header {
    Header { here: here(), now: Instant::from_millis(999_000), epoch: 41, workers: 3 }
}

fn later(at: Instant) -> Instant {
    at + Duration::from_secs(1)
}

fn remembered() -> Remembered {
    let member = |last, up| RememberedMember {
        address: Ipv4Addr::new(10, 20, 0, last),
        up,
        down: !up,
        lost_before: 3,
        released: (!up).then_some(4),
        lost_role: up.then_some(5_000_000_000),
        served_until: None,
    };
    let pool = RememberedPool {
        name: "pair-1".into(),
        active: Some([10, 20, 0, 12].into()),
        since: 7_000_000_000,
        generation: 9,
        members: vec![member(11, false), member(12, true)],
    };
    let hop = RememberedHop { device: "fl-a".into(), gateway: [192, 0, 2, 9].into(), weight: 2, usable: true };
    let (to, stale) = ("172.16.0.0/12".parse().unwrap(), Some(6_500_000_000));
    let route = RememberedRoute { to, metric: 20, protocol: 186, stale, hops: vec![hop] };
    Remembered { snat_seed: u64::MAX, pools: vec![pool], table: Some(254), routes: vec![route] }
}

fn a_flow(place: u32, port: u16) -> FlowRecord {
    let (peer, member) = (Endpoint::new([198, 51, 100, 7].into(), port), Endpoint::new([10, 20, 0, 11].into(), 5060));
    let opener = Tuple::new(Protocol::Udp, member, peer);
    FlowRecord {
        keys: [opener, opener.reversed()],
        path: PathKind::Outbound,
        inside: Direction::Original,
        member: Some(member.addr),
        opener: None,
        generation: 1,
        opener_generation: 0,
        snat_port: Some(port),
        is_counted: false,
        track: None,
        seen: Instant::from_millis(5),
        place,
    }
}

/// A file with something of each kind.
fn file() -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), &header()).unwrap();
    writer.flows(0, &[a_flow(1, 1_000), a_flow(2, 1_001), a_flow(3, 1_002)]).unwrap();
    writer.flows(2, &[a_flow(1, 2_000)]).unwrap();
    writer.flows(0, &[a_flow(2, 1_999)]).unwrap();
    writer.gone(0, &[3, 70]).unwrap();
    writer.end(&remembered()).unwrap().0
}

#[test]
fn what_was_written_last_of_a_place_counts() {
    let contents = Contents::read(file()).unwrap();
    assert_eq!(contents.header(), &header());
    let mut ports: Vec<_> = contents.flows().map(|at| contents.flow(at).snat_port.unwrap()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [1_000, 1_999, 2_000]);
    assert_eq!(contents.counts(), Counts { flows: 5, gone: 2, ..Counts::default() });
    let pool = &contents.remembered().pools[0];
    assert_eq!((contents.remembered().snat_seed, pool.generation, pool.since), (u64::MAX, 9, 8_000_000_000));
    assert_eq!(pool.members[1].lost_role, Some(6_000_000_000), "by the clock of the reader");
    let RememberedRoute { to, stale, hops, .. } = &contents.remembered().routes[0];
    assert_eq!((to.to_string().as_str(), *stale, hops.len()), ("172.16.0.0/12", Some(7_500_000_000), 1));
}

#[test]
fn every_part_of_a_file_that_is_not_all_of_it_is_refused() {
    let whole = file();
    for length in 0..whole.len() {
        let refusal = Contents::read(whole[..length].to_vec()).map(|_| ()).expect_err("a part was taken for all");
        assert!(!refusal.to_string().is_empty());
    }
    let mut longer = whole;
    longer.push(0);
    assert!(Contents::read(longer.clone()).is_err(), "behind the end there is nothing");
    longer.pop();
    let twice = [longer.clone(), longer[10..].to_vec()].concat();
    assert!(Contents::read(twice).is_err());
}

#[test]
fn every_byte_that_is_another_one_is_noticed() {
    let whole = file();
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            assert!(Contents::read(damaged).is_err(), "byte {at} by {flip:02x}");
        }
    }
}

#[test]
fn why_a_file_does_not_count_is_said() {
    let read = |bytes: &[u8]| Contents::read(bytes.to_vec()).map(|_| ()).unwrap_err().to_string();
    let whole = file();
    let mut newer = whole.clone();
    newer[8] = 2;
    let mut flipped = whole.clone();
    flipped[200] ^= 4;
    assert_eq!(read(b"[appliance]\n"), "it is no file that Fairlead has left");
    assert_eq!(read(&newer), "it is of format 2, and this version knows format 1");
    assert_eq!(read(&whole[..whole.len() - 1]), "its end is missing");
    assert_eq!(read(&flipped), "it is damaged in chunk 1: its digest is another one");
    let contents = Contents::read(whole).unwrap();
    let aged = |change: fn(&mut Here)| {
        let mut here = here();
        change(&mut here);
        contents.age(&here).map_err(|refusal| refusal.to_string())
    };
    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }
    assert_eq!(aged(|here| here.uptime += secs(30)), Ok(secs(30)));
    for (change, why) in [
        ((|here| here.uptime += secs(31)) as fn(&mut Here), "it was written 31 s ago, and counts for 30 s"),
        (|here| here.uptime -= secs(2), "it says that it was written 2 s from now"),
        (|here| here.boot[3] = 0, "the host was started again since it was written"),
        (|here| here.name = "lead-2".into(), "appliance `lead-1` has written it: this one is called otherwise"),
    ] {
        assert_eq!(aged(change), Err(why.to_owned()));
    }
}

fn a_pair() -> Intent {
    let member = |name, last| Member::new(name, Ipv4Addr::new(10, 20, 0, last), PoolId(0), InterfaceId(0));
    let pool = Pool { name: "pair-1".into(), members: vec![MemberId(0), MemberId(1)], require: 1, ..Pool::default() };
    Intent {
        ports: vec![],
        interfaces: vec![].into(),
        routes: vec![],
        monitors: vec![].into(),
        pools: vec![pool].into(),
        members: vec![member("sip-a", 11), member("sip-b", 12)].into(),
        virtual_servers: vec![].into(),
        snats: vec![],
        direct_access: DirectAccess::default(),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
        sip: Default::default(),
        pair: None,
        learned: Default::default(),
        neighbours: vec![],
        lives: Default::default(),
    }
}

/// Another order, other names: identities are those of `policy/ids.rs`.
#[test]
fn pools_and_members_are_found_wherever_they_stand_now() {
    let mut intent = a_pair();
    let who = Who::of(&remembered(), &intent);
    assert_eq!(who.pools, [Some(PoolId(0))]);
    let at = |who: &Who, last| who.members.get(&Ipv4Addr::new(10, 20, 0, last)).copied();
    assert_eq!([11, 12, 13].map(|last| at(&who, last)), [Some(MemberId(0)), Some(MemberId(1)), None]);
    intent.pools[0].name = "renamed".into();
    intent.members[0].name = "renamed".into();
    (intent.members[0].address, intent.members[1].address) = ([10, 20, 0, 12].into(), [10, 20, 0, 11].into());
    let who = Who::of(&remembered(), &intent);
    assert_eq!([11, 12].map(|last| at(&who, last)), [Some(MemberId(1)), Some(MemberId(0))], "by address");
    intent.members[0].address = [10, 20, 0, 13].into();
    assert_eq!(
        Who::of(&remembered(), &intent),
        Who { pools: vec![None], ..Who::default() },
        "neither name nor members"
    );
    intent.pools[0].name = "pair-1".into();
    let who = Who::of(&remembered(), &intent);
    assert_eq!([11, 12, 13].map(|last| at(&who, last)), [Some(MemberId(1)), None, None], "13 was in no pool");
}

proptest! {
    #[test]
    fn every_record_is_read_as_it_was_written(
        flows in proptest::collection::vec(flow(), 0..40),
        speakers in proptest::collection::vec(speaker(), 0..20),
        stays in proptest::collection::vec(stays(), 0..20),
    ) {
        let mut flows = flows;
        flows.iter_mut().zip(0..).for_each(|(flow, place)| flow.place = place);
        let mut writer = Writer::begin(Vec::new(), &header()).unwrap();
        for (part, worker) in flows.chunks(13).zip(0..) {
            writer.flows(worker, part).unwrap();
        }
        writer.speakers(1, &speakers).unwrap();
        writer.askers(2, &speakers).unwrap();
        writer.stays(3, &stays).unwrap();
        let (bytes, counts) = writer.end(&Remembered::default()).unwrap();
        let contents = Contents::read(bytes).unwrap();
        prop_assert_eq!(contents.counts(), counts);
        let mut read: Vec<FlowRecord> = contents.flows().map(|at| contents.flow(at)).collect();
        read.sort_by_key(|flow| flow.place);
        let written: Vec<FlowRecord> = flows.iter().map(|flow| flow.moved(later)).collect();
        prop_assert_eq!(read, written);
        let known: Vec<_> = speakers.iter().map(|speaker| speaker.moved(later)).collect();
        let of = |worker| known.iter().map(|speaker| (worker, *speaker)).collect::<Vec<_>>();
        prop_assert_eq!(contents.speakers().collect::<Vec<_>>(), of(1));
        prop_assert_eq!(contents.askers().collect::<Vec<_>>(), of(2));
        let kept: Vec<_> = stays.iter().map(|record| (3, record.moved(later))).collect();
        prop_assert_eq!(contents.stays().collect::<Vec<_>>(), kept);
    }

    /// A reader is given whatever it may be, and says what it thinks of it.
    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), begins: bool) {
        let whole = file();
        let front = if begins { &whole[..10] } else { &[] };
        prop_assert!(Contents::read([front, &bytes].concat()).is_err());
    }

    /// Also where every digest is right.
    #[test]
    fn nothing_in_a_chunk_makes_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..200), kind in 1..9_u8) {
        let mut bytes = file();
        bytes.truncate(10);
        let mut chunk = vec![kind, 0, 0, 0, 0];
        chunk.extend((payload.len() as u32).to_le_bytes());
        chunk.extend(&payload);
        let digest = crc32fast::hash(&chunk);
        chunk.extend(digest.to_le_bytes());
        prop_assert!(Contents::read([bytes, chunk].concat()).is_err());
    }
}

#[test]
fn a_record_is_as_long_as_it_says() {
    fn length<R: Record>(record: &R) -> [usize; 2] {
        let mut bytes = Vec::new();
        record.put(&mut super::coding::Put(&mut bytes));
        [bytes.len(), R::SIZE]
    }
    let stays = StaysRecord { number: 1, member: [1, 2, 3, 4].into(), generation: 2, used: Instant::ZERO };
    for [found, said] in [length(&a_flow(1, 1)), length(&stays), length(&7_u32)] {
        assert_eq!(found, said);
    }
}
