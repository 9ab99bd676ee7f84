//! Every way in which a connection ends gives its place back, and no other.

use super::*;
use fairlead::flow::{NO_VIRTUAL_SERVER, TimeoutClass};
use fairlead::policy::adjacency::NextHop;
use fairlead::policy::intent::InterfaceId;
use fairlead::policy::intent::OnDownTcp;
use fairlead::worker::Command;
use fairlead::worker::mailbox::FlowFilter;

/// Limits that nothing meets: what is counted against them is looked at.
fn lab() -> Lab {
    pair(|intent| {
        intent.virtual_servers[0].connection_limit = 1_000;
        intent.members.iter_mut().for_each(|member| member.connection_limit = 1_000);
    })
}

/// What the tables of all workers hold of connections to the first virtual server that are not over.
fn held(lab: &Lab) -> [u64; 3] {
    let mut counts = [0; 3];
    for worker in &lab.rig.workers {
        let engine = worker.engine();
        engine.scan(0, usize::MAX, |_, flow, _| {
            let is_over = flow.track.is_some_and(|track| track.class() == TimeoutClass::TcpClosing);
            if flow.virtual_server != NO_VIRTUAL_SERVER && !is_over {
                counts[0] += 1;
                counts[1 + usize::from(flow.member)] += 1;
            }
        });
    }
    counts
}

/// What is counted is what there is.
#[track_caller]
fn counted(lab: &Lab) -> [u64; 3] {
    let counted = [of_server(lab), of_member(lab, MEMBER_A), of_member(lab, MEMBER_B)];
    assert_eq!(counted, held(lab));
    counted
}

#[test]
fn s97_goodbyes_resets_and_silence_make_room() {
    let mut lab = lab();
    (0..6).for_each(|number| lab.connect(client(number), 5060, HOST_A));
    lab.forwards(ROUTER, syn(client(6), V), HOST_A, syn(client(6), A));
    assert_eq!(counted(&lab), [7, 7, 0]);
    closes(&mut lab, client(0), HOST_A);
    assert_eq!(counted(&lab), [6, 6, 0]);
    let of_client = |dst: &str| Build::tcp(client(1), at(dst, 5060), Flags::RST, 1001, 0);
    lab.forwards(ROUTER, of_client(V), HOST_A, of_client(A));
    assert_eq!(counted(&lab), [5, 5, 0]);
    let of_member = |src: &str| Build::tcp(at(src, 5060), client(2), Flags::RST, 9001, 0);
    lab.forwards(HOST_A, of_member(A), ROUTER, of_member(V));
    assert_eq!(counted(&lab), [4, 4, 0]);
    // Who was said to have reset it continues to speak: it stands.
    let speaks = |src: &str| Build::tcp(at(src, 5060), client(2), DATA, 9001, 1001).payload(b"NOTIFY");
    lab.forwards(HOST_A, speaks(A), ROUTER, speaks(V));
    assert_eq!(counted(&lab), [5, 5, 0]);
    // A stranger's reset, whose number is of nobody, ends nothing.
    let stray = |dst: &str| Build::tcp(client(3), at(dst, 5060), Flags::RST, 0x7000_0000, 0);
    lab.forwards(ROUTER, stray(V), HOST_A, stray(A));
    assert_eq!(counted(&lab), [5, 5, 0]);
    // The handshake that nobody finished is forgotten, the others are when they were silent for long.
    lab.rig.wait(Duration::from_secs(250));
    assert_eq!(counted(&lab), [4, 4, 0]);
    lab.rig.wait(Duration::from_secs(7_500));
    assert_eq!((counted(&lab), lab.rig.counters().flows), ([0; 3], 0));
}

#[test]
fn s97_a_lost_member_a_command_and_a_reload_make_room() {
    let mut lab = lab();
    (0..8).for_each(|number| lab.connect(client(number), 5060, HOST_A));
    assert_eq!(counted(&lab), [8, 8, 0]);
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    assert_eq!((out.len(), counted(&lab)), (16, [0; 3]), "both ends are reset");
    (10..18).for_each(|number| lab.connect(client(number), 5060, HOST_B));
    // A SYN on the port of one that was lost opens a new one.
    lab.connect(client(0), 5060, HOST_B);
    assert_eq!(counted(&lab), [9, 0, 9]);
    let filter = FlowFilter { client: Some(client(10).addr), ..FlowFilter::default() };
    lab.rig.command(|| Command::ClearFlows { query: 1, filter: filter.clone() });
    assert_eq!(counted(&lab), [8, 0, 8]);
    lab.rig.command(|| Command::ClearFlows { query: 2, filter: FlowFilter::default() });
    assert_eq!(counted(&lab), [0; 3]);
    (20..24).for_each(|number| lab.connect(client(number), 5060, HOST_B));
    // The virtual address is gone, and is back with a limit of the same kind.
    let server = lab.rig.intent.virtual_servers.pop().unwrap();
    let snat = lab.rig.intent.snats.pop().unwrap();
    lab.rig.publish();
    assert_eq!(of_member(&lab, MEMBER_B), 0, "what was translated to it is forgotten");
    lab.rig.intent.virtual_servers.push(server);
    lab.rig.intent.snats.push(snat);
    lab.rig.publish();
    let limits = &lab.rig.workers[0].engine().snapshot().connection_limits;
    assert_eq!(limits.servers().map(|(_, limit)| limit.connections()).collect::<Vec<_>>(), [0]);
    lab.connect(client(30), 5060, HOST_B);
    assert_eq!(held(&lab), [1, 0, 1]);
}

#[test]
fn s97_what_drains_counts_until_its_member_is_gone_from_the_link() {
    let mut lab = pair(|intent| {
        intent.pools[0].on_down_tcp = OnDownTcp::Drain;
        intent.virtual_servers[0].connection_limit = 1_000;
        intent.members.iter_mut().for_each(|member| member.connection_limit = 1_000);
    });
    (0..4).for_each(|number| lab.connect(client(number), 5060, HOST_A));
    assert_eq!(lab.rig.switch_over(Some(MEMBER_B), true), []);
    lab.connect(client(4), 5060, HOST_B);
    assert_eq!(counted(&lab), [5, 4, 1]);
    let hop = NextHop { interface: InterfaceId(1), address: addr(A) };
    lab.rig.adjacency.insert(hop, fairlead::policy::adjacency::Neighbour::Failed);
    lab.rig.publish();
    assert_eq!(counted(&lab), [1, 0, 1]);
}

#[test]
fn s97_what_gives_way_in_a_full_table_makes_room() {
    let mut lab = pair(|intent| {
        intent.limits.flows_per_worker = 64;
        intent.virtual_servers[0].connection_limit = 1_000_000;
        intent.members.iter_mut().for_each(|member| member.connection_limit = 1_000_000);
    });
    for number in 0..1_000 {
        lab.send(ROUTER, &syn(client(number), V));
    }
    let [server, a, b] = counted(&lab);
    assert!(server <= 64 * lab.rig.workers.len() as u64 && (server, 0) == (a, b), "{server} {a} {b}");
    assert!(server >= 64);
    lab.rig.wait(Duration::from_secs(300));
    assert_eq!(counted(&lab), [0; 3]);
}

/// A generator of numbers (Knuth, TAOCP 3.3.4).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(bound)) as u32
    }
}

/// Segments of forty clients in no order, silence, losses, commands and reloads: after each, what is counted is what there is.
fn drive(lab: &mut Lab, seed: u64) {
    let mut draw = Draw(seed);
    for _ in 0..600 {
        let from = client(draw.below(40));
        let (seq, ack) = (1_000 + draw.below(3), 9_000 + draw.below(3));
        let flags = [SYN, SYN_ACK, ACK, DATA, FIN_ACK, Flags::RST, Flags::RST.with(ACK)][draw.below(7) as usize];
        match draw.below(40) {
            0 => lab.rig.wait(Duration::from_secs(u64::from(draw.below(400)))),
            1 => {
                let to = if lab.rig.health.pools[0].active == Some(MEMBER_A) { MEMBER_B } else { MEMBER_A };
                let lost = draw.below(2) == 0;
                lab.rig.health.members.iter_mut().for_each(|member| member.state = fairlead::policy::health::State::Up);
                lab.rig.switch_over(Some(to), lost);
            }
            2 => {
                let filter = FlowFilter { client: Some(from.addr), ..FlowFilter::default() };
                lab.rig.command(|| Command::ClearFlows { query: 1, filter: filter.clone() });
            }
            3 => {
                // Without a limit, and with it again: it counts what there is.
                let limit = lab.rig.intent.members[0].connection_limit;
                lab.rig.intent.members[0].connection_limit = 0;
                lab.rig.publish();
                lab.rig.intent.members[0].connection_limit = limit;
                lab.rig.publish();
            }
            4..20 => {
                let member = if draw.below(2) == 0 { HOST_A } else { HOST_B };
                lab.send(member, &Build::tcp(at(member.ip(), 5060), from, flags, ack, seq));
            }
            _ => {
                lab.send(ROUTER, &Build::tcp(from, at(V, 5060), flags, seq, ack));
            }
        }
        let counted = [of_server(lab), of_member(lab, MEMBER_A), of_member(lab, MEMBER_B)];
        assert_eq!(counted, held(lab), "seed {seed}");
    }
}

#[test]
fn s97_whatever_comes_what_is_counted_is_what_there_is() {
    for seed in 1..=8 {
        let mut lab = pair(|intent| {
            intent.virtual_servers[0].connection_limit = 12;
            intent.members.iter_mut().for_each(|member| member.connection_limit = 9);
        });
        drive(&mut lab, seed);
        assert!(lab.rig.counters().drops(DropReason::ConnectionLimit) > 0, "seed {seed}: it was met");
        lab.rig.wait(Duration::from_secs(9_000));
        assert_eq!(counted(&lab), [0; 3], "seed {seed}");
    }
}
