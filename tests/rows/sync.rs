//! Scenarios 130 to 136: two appliances of a pair. The one that stands by has the flows of the active one, so that after a take-over the
//! same frames go the same way; what has ended is ended there; and what has no room is replicated anew.

use super::standing::{REMOTES, Standing, UDP, datagram};
use super::*;
use fairlead::flow::FlowRecord;
use fairlead::policy::intent::MemberId;
use fairlead::sync::{News, Refusal, State};
use fairlead::time::Duration;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use testbench::pair::{Half, Pair};

type Same = Pair<super::super::Setting, super::super::Setting>;

const MS: Duration = Duration::from_millis(1);

fn pair<S: Setting, T: Setting>() -> Pair<S, T> {
    let mut pair = Pair::new(testbench::rig::two_arm(), |_| {});
    pair.connect();
    pair
}

/// Flows of [`Standing`].
const FLOWS: usize = 3 * REMOTES.len() + 2 * UDP.len() + 2;

fn flows<S: Setting>(half: &Half<S>) -> usize {
    half.lab.rig.workers.iter().map(|worker| worker.engine().flows().len()).sum()
}

#[test]
fn s130_after_a_take_over_the_same_frames_are_translated_as_before() {
    // Replicated as they come; all at once, as the other one comes later.
    for comes_late in [false, true] {
        let mut pair: Same = Pair::new(testbench::rig::two_arm(), |_| {});
        if !comes_late {
            pair.connect();
            pair.settle();
        }
        let standing = Standing::begin(&mut pair.first.lab);
        if comes_late {
            pair.connect();
        }
        pair.settle();
        assert_eq!(flows(&pair.second), FLOWS);
        let report = pair.second.sync.report(pair.second.lab.rig.now);
        assert_eq!((report.taken[1], report.copies), (0, [1, 1]));
        let mut lab = pair.take_over();
        standing.exchange(&mut lab);
        standing.has_its_ports(&mut lab);
    }
}

#[test]
fn s131_another_number_of_workers_has_the_same() {
    fn with<S: Setting, T: Setting>() {
        let mut pair = pair::<S, T>();
        let standing = Standing::begin(&mut pair.first.lab);
        pair.settle();
        assert_eq!(flows(&pair.second), FLOWS);
        let mut lab = pair.take_over();
        standing.exchange(&mut lab);
        standing.has_its_ports(&mut lab);
    }
    with::<InMemory<1>, InMemory<3>>();
    with::<InMemory<3>, InMemory<2>>();
    with::<InMemory<2>, InMemory<1>>();
}

/// And continues from the state that it was in.
#[test]
fn s132_what_has_ended_is_ended_at_the_other_one() {
    let mut pair: Same = pair();
    let [one, two, three] = [1, 2, 3].map(|last| at(REMOTES[last], 40_001));
    [one, two, three].iter().for_each(|client| pair.first.lab.connect(*client, 5060, HOST_A));
    pair.settle();
    assert_eq!(flows(&pair.second), 3);
    let reset = |dst: &str| Build::tcp(one, at(dst, 5060), Flags::RST, 1001, 0);
    let fin = |src: &str| Build::tcp(at(src, 5060), two, Flags::FIN.with(Flags::ACK), 9001, 1001);
    pair.first.lab.forwards(ROUTER, reset(V), HOST_A, reset(A));
    pair.first.lab.forwards(HOST_A, fin(A), ROUTER, fin(V));
    pair.settle();
    let states = |half: &Half<super::super::Setting>| {
        let mut states = Vec::new();
        for worker in &half.lab.rig.workers {
            worker.engine().scan(0, usize::MAX, |_, flow, _| states.push((flow.keys()[0].src, flow.state())));
        }
        states.sort();
        states
    };
    assert_eq!(states(&pair.second), [(one, "reset"), (two, "half-closed"), (three, "established")]);
    // 240 s after its end it is forgotten at both, without a word of the other's clock.
    pair.wait(Duration::from_secs(250));
    assert_eq!(states(&pair.first), [(two, "half-closed"), (three, "established")]);
    assert_eq!(states(&pair.second), states(&pair.first));
    let mut lab = pair.take_over();
    let again = |dst: &str| Build::tcp(one, at(dst, 5060), SYN, 7_000, 0);
    lab.forwards(ROUTER, again(V), HOST_A, again(A));
}

/// What a stranger alone can begin is not replicated: a flood of it costs the other one nothing.
#[test]
fn s132_a_flood_of_syns_is_not_replicated() {
    let mut pair: Same = pair();
    pair.settle();
    let before = pair.first.sync.report(pair.first.lab.rig.now).records[0];
    for port in 1_024..1_524 {
        let client = at(PHONE, port);
        let syn = |dst| Build::tcp(client, at(dst, 5060), SYN, 1, 0);
        pair.first.lab.forwards(ROUTER, syn(V), HOST_A, syn(A));
        let visit = Build::udp(client, at(A, 161));
        pair.first.lab.forwards(ROUTER, visit.clone(), HOST_A, visit);
    }
    pair.settle();
    assert_eq!(pair.first.sync.report(pair.first.lab.rig.now).records[0], before);
    assert_eq!((flows(&pair.first), flows(&pair.second)), (1_000, 0));
}

/// The wire is cut, and what happened meanwhile is there after the next full copy: what has ended is not there, though nobody said so.
#[test]
fn s133_after_a_cut_all_is_replicated_anew_and_what_has_ended_is_forgotten() {
    let mut pair: Same = pair();
    let clients: Vec<Endpoint> = REMOTES.iter().map(|remote| at(remote, 40_001)).collect();
    clients[..4].iter().for_each(|client| pair.first.lab.connect(*client, 5060, HOST_A));
    pair.settle();
    pair.cut();
    let filter = fairlead::worker::mailbox::FlowFilter {
        client: Some(REMOTES[0].parse().unwrap()),
        ..fairlead::worker::mailbox::FlowFilter::default()
    };
    let clear = || fairlead::worker::Command::ClearFlows { query: 3, filter: filter.clone() };
    assert!(pair.first.lab.rig.command(clear).is_empty());
    clients[4..].iter().for_each(|client| pair.first.lab.connect(*client, 5060, HOST_A));
    pair.run(MS * 50);
    assert_eq!((flows(&pair.first), flows(&pair.second)), (5, 4), "nothing comes while it is cut");
    assert_eq!(pair.second.sync.state(pair.second.lab.rig.now), State::Away);
    pair.connect();
    pair.settle();
    assert_eq!((flows(&pair.first), flows(&pair.second)), (5, 5));
    let is_there = |client: Endpoint| {
        let key = fairlead::wire::Tuple::new(fairlead::wire::Protocol::Tcp, client, at(V, 5060));
        pair.second.lab.rig.workers.iter().any(|worker| worker.engine().flows().find(&key).is_some())
    };
    assert_eq!(
        clients.iter().map(|client| is_there(*client)).collect::<Vec<_>>(),
        [false, true, true, true, true, true]
    );
    let downs = pair.second.news.iter().filter(|news| matches!(news, News::Down(_))).count();
    assert_eq!(downs, 1);
}

/// More changes than there is room for while the other one reads nothing: nobody waits, it is counted, and all is replicated anew.
#[test]
fn s134_what_has_no_room_is_replicated_anew() {
    let mut pair: Same = pair();
    pair.settle();
    pair.rate = 0;
    // Three workers have three rings.
    let ports = 20_000..20_000 + 600 * pair.first.lab.rig.workers.len() as u16;
    for port in ports.clone() {
        let lab = &mut pair.first.lab;
        for remote in 0..10 {
            let to = Endpoint::new([172, 16, 20, remote].into(), 5060);
            let frame = lab.arriving(HOST_A, &datagram(A, port, to));
            let at = lab.port(HOST_A);
            lab.rig.ports.inject(at, &frame);
        }
        assert_eq!(lab.rig.settle().len(), 10);
    }
    let report = pair.first.sync.report(pair.first.lab.rig.now);
    assert!(report.breaks >= 1, "{report:?}");
    pair.rate = usize::MAX;
    pair.run(MS * 20);
    assert_eq!(pair.first.sync.state(pair.first.lab.rig.now), State::CopyDue);
    pair.settle();
    let all = ports.len() * 10;
    assert_eq!((flows(&pair.first), flows(&pair.second)), (all, all));
    assert_eq!(pair.first.sync.report(pair.first.lab.rig.now).copies, [2, 2]);
}

/// A flow that is used lives at both, and one that is not ends at both when its time is up, though each counts for itself.
#[test]
fn s135_what_lives_on_is_not_forgotten_where_no_packet_passes() {
    let mut pair: Same = pair();
    let (used, idle) = (at(PEER, 162), at(PEER, 163));
    for to in [used, idle] {
        pair.first.lab.forwards(HOST_A, datagram(A, 33_000, to), ROUTER, datagram(V, 33_000, to));
    }
    pair.settle();
    for _ in 0..8 {
        pair.wait(Duration::from_secs(100));
        pair.first.lab.forwards(HOST_A, datagram(A, 33_000, used), ROUTER, datagram(V, 33_000, used));
    }
    assert_eq!((flows(&pair.first), flows(&pair.second)), (1, 1));
    // Once nobody says so any more, it ends when its time is up: a quarter early at most.
    pair.cut();
    pair.second.lab.rig.wait(Duration::from_secs(220 - 100));
    assert_eq!(flows(&pair.second), 1);
    pair.second.lab.rig.wait(Duration::from_secs(200));
    assert_eq!(flows(&pair.second), 0);
}

/// A bit is changed on the way: the connection ends and says why, and nothing that is wrong is kept.
#[test]
fn s136_a_damaged_stream_is_ended_and_begun_again() {
    let mut pair: Same = pair();
    pair.settle();
    pair.damage = |bytes| {
        if bytes.len() > 100 {
            bytes[70] ^= 4;
        }
    };
    pair.first.lab.connect(at(REMOTES[0], 40_001), 5060, HOST_A);
    pair.first.lab.connect(at(REMOTES[1], 40_001), 5060, HOST_A);
    pair.run(MS * 20);
    assert!(matches!(pair.ended, Some(Refusal::Damaged { what: "its digest is another one", .. })), "{:?}", pair.ended);
    assert_eq!(flows(&pair.second), 0);
    let why = pair.second.sync.report(pair.second.lab.rig.now).last_error;
    assert_eq!(why.as_deref(), Some("the wire is cut"));
    pair.damage = |_| {};
    pair.connect();
    pair.settle();
    assert_eq!(flows(&pair.second), 2);
}

/// Whose member or address the other's file does not have is left out there, and counted.
#[test]
fn s136_what_the_other_file_does_not_have_is_left_out() {
    let mut pair: Same = Pair::new(testbench::rig::two_arm(), |intent| {
        intent.members.remove(1);
        intent.pools[0].members = vec![MemberId(0)];
    });
    pair.connect();
    Standing::begin(&mut pair.first.lab);
    pair.settle();
    // B's TCP and UDP outward, and its call to its own virtual address.
    let of_b = REMOTES.len() + 3 + 1;
    assert_eq!(flows(&pair.second), FLOWS - of_b);
    let skipped = pair.second.sync.report(pair.second.lab.rig.now).taken[1];
    assert!(skipped >= of_b as u64, "{skipped}");
}

/// Both are active: neither takes anything of the other's.
#[test]
fn s137_of_two_that_are_active_neither_feeds_the_other() {
    let mut pair: Same = pair();
    pair.first.lab.connect(at(REMOTES[0], 40_001), 5060, HOST_A);
    pair.settle();
    let now = pair.second.lab.rig.now;
    pair.second.sync.set_active(true, now);
    pair.run(MS * 20);
    pair.second.lab.connect(at(REMOTES[1], 40_001), 5060, HOST_A);
    pair.first.lab.connect(at(REMOTES[2], 40_001), 5060, HOST_A);
    pair.run(MS * 50);
    let states = [pair.first.sync.state(pair.first.lab.rig.now), pair.second.sync.state(pair.second.lab.rig.now)];
    assert_eq!(states, [State::Idle; 2]);
    assert_eq!((flows(&pair.first), flows(&pair.second)), (2, 2));
    // The first one gives way: it has what the second one has.
    let now = pair.first.lab.rig.now;
    pair.first.sync.set_active(false, now);
    pair.settle();
    assert_eq!((flows(&pair.first), flows(&pair.second)), (2, 2));
    let key = |remote| fairlead::wire::Tuple::new(fairlead::wire::Protocol::Tcp, at(remote, 40_001), at(V, 5060));
    let found =
        |remote| pair.first.lab.rig.workers.iter().any(|worker| worker.engine().flows().find(&key(remote)).is_some());
    assert_eq!(REMOTES[..3].iter().map(|remote| found(remote)).collect::<Vec<_>>(), [true, true, false]);
}

/// Who asked gets the answer from the other appliance as well, and what is over there is over.
#[test]
fn s138_who_asked_gets_the_answer_after_the_take_over() {
    use fairlead::engine::EngineEvent;
    let sip =
        |start: &str| format!("{start}\r\nVia: SIP/2.0/UDP {V};branch=z9hG4bKb\r\nCall-ID: of-b\r\n\r\n").into_bytes();
    let asked = |src, peer| Build::udp(at(src, 5060), peer).payload(&sip("OPTIONS sip:b SIP/2.0"));
    let answer = |dst, peer| Build::udp(peer, at(dst, 5060)).payload(&sip("SIP/2.0 200 OK"));
    let peers = REMOTES.map(|remote| at(remote, 6200));
    let mut pair: Same = pair();
    for peer in peers {
        let spoke = [EngineEvent::StandbySpoke];
        pair.first.lab.forwards_noting(&spoke, HOST_B, asked(B, peer), ROUTER, asked(V, peer));
    }
    pair.run(Duration::from_secs(2));
    let known = |half: &Half<super::super::Setting>| -> usize {
        let of = |worker: &fairlead::worker::Worker<_>| worker.engine().speaker_records()[0].len();
        half.lab.rig.workers.iter().map(of).sum()
    };
    assert_eq!(known(&pair.second), peers.len());
    let mut pair_again = pair;
    // The claim of the first is over after 300 s here, and then there.
    pair_again.wait(Duration::from_secs(100));
    assert_eq!(known(&pair_again.second), peers.len());
    let mut lab = pair_again.take_over();
    for peer in peers {
        lab.forwards_noting(&[EngineEvent::SpeakerAnswered], ROUTER, answer(V, peer), HOST_B, answer(B, peer));
    }
}

/// One worker has room for what comes and another one has none, and there the connection ends: what the one has been given of it and the
/// other one has not is no debt of the next connection's.
#[test]
fn s187_a_connection_that_ends_at_a_worker_without_room_leaves_the_next_one_whole() {
    let mut pair: Pair<super::super::Setting, InMemory<2>> = pair();
    pair.settle();
    // More than the rings of its workers hold, while they take nothing in.
    for port in 0..80 {
        pair.first.lab.connect(at(REMOTES[0], 40_000 + port), 5060, HOST_A);
        let said = pair.first.talk();
        pair.second.hear(&said);
    }
    assert!(pair.second.sync.is_busy());
    // The first worker takes in one batch, and has room for another one.
    let now = pair.second.lab.rig.now;
    _ = pair.second.lab.rig.workers[0].turn(now);
    pair.second.hear(&[]);
    pair.cut();
    pair.connect();
    pair.settle();
    assert_eq!((flows(&pair.first), flows(&pair.second)), (80, 80));
    pair.first.lab.connect(at(REMOTES[1], 40_000), 5060, HOST_A);
    pair.settle();
    assert_eq!(flows(&pair.second), 81);
}

/// What the other one had said of a remote endpoint waits while this one becomes active, and is taken in after members have spoken here.
#[test]
fn s190_what_was_said_before_a_take_over_replaces_nothing_that_has_happened_since() {
    use fairlead::engine::EngineEvent;
    let sip = |start: &str, branch: &str| {
        format!("{start}\r\nVia: SIP/2.0/UDP {V};branch=z9hG4bK{branch}\r\nCall-ID: of-b\r\n\r\n").into_bytes()
    };
    let asked = |src, peer, branch| Build::udp(at(src, 5060), peer).payload(&sip("OPTIONS sip:b SIP/2.0", branch));
    let answer = |dst, peer, branch| Build::udp(peer, at(dst, 5060)).payload(&sip("SIP/2.0 200 OK", branch));
    let (known_here, known_there) = (at(REMOTES[0], 6200), at(REMOTES[1], 6200));
    let mut pair: Same = pair();
    pair.settle();
    let spoke = [EngineEvent::StandbySpoke];
    // So much comes before it that workers take it in after what they forward first.
    for port in 0..20 {
        pair.first.lab.connect(at(REMOTES[2], 40_000 + port), 5060, HOST_A);
        let said = pair.first.talk();
        pair.second.hear(&said);
    }
    for peer in [known_here, known_there] {
        pair.first.lab.forwards_noting(&spoke, HOST_B, asked(B, peer, "before"), ROUTER, asked(V, peer, "before"));
    }
    for _ in 0..300 {
        pair.first.lab.rig.now += MS * 4;
        pair.second.lab.rig.now += MS * 5;
        let said = pair.first.talk();
        let answered = pair.second.hear(&said);
        pair.first.hear(&answered);
    }
    let mut lab = pair.take_over();
    lab.forwards_noting(&spoke, HOST_B, asked(B, known_here, "since"), ROUTER, asked(V, known_here, "since"));
    for _ in 0..20 {
        assert!(lab.rig.settle().is_empty());
    }
    let answered = [EngineEvent::SpeakerAnswered];
    for (peer, branch) in [(known_here, "since"), (known_there, "before")] {
        lab.forwards_noting(&answered, ROUTER, answer(V, peer, branch), HOST_B, answer(B, peer, branch));
    }
}

/// Flows of both, without what each counts for itself.
fn replicated<S: Setting>(half: &Half<S>) -> Vec<String> {
    let shown = |record: &FlowRecord| {
        let FlowRecord { keys, path, inside, member, opener, generation, snat_port, track, .. } = record;
        format!("{keys:?} {path:?} {inside:?} {member:?} {opener:?} {generation} {snat_port:?} {track:?}")
    };
    let mut all = Vec::new();
    for worker in &half.lab.rig.workers {
        let since = [Some(fairlead::time::Instant::ZERO); fairlead::flow::TimeoutClass::COUNT];
        worker.engine().tell_standing(0, usize::MAX, &since, |change| {
            if let fairlead::engine::FlowChange::Is(record) = change {
                all.push(shown(&record));
            }
        });
    }
    all.sort();
    all
}

/// Random traffic beside random cuts: once nothing moves, both have the same, whatever came in between.
#[test]
fn s139_after_anything_at_all_both_have_the_same() {
    let worlds = std::env::var("FAIRLEAD_SYNC_WORLDS").ok().and_then(|count| count.parse().ok()).unwrap_or(2);
    for seed in 0..worlds {
        run_at_random::<super::super::Setting, InMemory<2>>(seed);
    }
}

fn run_at_random<S: Setting, T: Setting>(seed: u64) {
    let mut dice = testbench::dice::Dice::new(seed);
    let mut pair = pair::<S, T>();
    let mut connected = true;
    for _ in 0..150 {
        let client = at(REMOTES[dice.roll(6) as usize], 40_000 + dice.roll(12) as u16);
        let (vip, own) = (at(V, 5060), at(A, 5060));
        match dice.roll(9) {
            0 | 1 => {
                let lab = &mut pair.first.lab;
                for (from, build) in [
                    (ROUTER, Build::tcp(client, vip, SYN, 1000, 0)),
                    (HOST_A, Build::tcp(own, client, SYN_ACK, 9000, 1001)),
                    (ROUTER, Build::tcp(client, vip, ACK, 1001, 9001)),
                ] {
                    lab.send(from, &build);
                }
            }
            2 => _ = pair.first.lab.send(ROUTER, &Build::tcp(client, vip, Flags::RST, 1001, 0)),
            3 => _ = pair.first.lab.send(HOST_A, &Build::tcp(own, client, Flags::FIN.with(Flags::ACK), 9001, 1001)),
            4 | 5 => {
                let (src, to) = (if dice.roll(2) == 0 { A } else { B }, at(REMOTES[dice.roll(6) as usize], 53));
                let host = if src == A { HOST_A } else { HOST_B };
                _ = pair.first.lab.send(host, &datagram(src, 30_000 + dice.roll(9) as u16, to));
            }
            6 => pair.wait(Duration::from_secs(u64::from(dice.roll(40)))),
            7 if connected => {
                pair.cut();
                connected = false;
            }
            7 => {
                pair.connect();
                connected = true;
            }
            _ => pair.run(MS * dice.roll(30)),
        }
    }
    if !connected {
        pair.connect();
    }
    pair.settle();
    pair.run(Duration::from_secs(1));
    // Numbers of TCP move with each segment, which is not replicated: all is replicated anew.
    pair.cut();
    pair.connect();
    pair.settle();
    assert_eq!(replicated(&pair.first), replicated(&pair.second), "seed {seed}");
    let mut lab = pair.take_over();
    assert!(lab.rig.settle().is_empty());
}
