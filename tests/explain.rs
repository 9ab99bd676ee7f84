//! What `fairlead explain` says is what the data path does, and it does nothing.
//!
//! Random packets over random worlds: pairs and pools that share their work, with persistence, limits, exclusions, neighbours that fail,
//! switchovers and reloads. Each packet is explained first; then the engine decides about it. Both say the same, address by address, and
//! the engine remembers exactly what it did before it was explained. Each eighth, and what is SIP, is explained again as if nobody knew what it says: then as well
//! both say the same, or it is said that this matters, and whoever gets it is among those that are named. And a datagram that an operator
//! writes down, content and all, is explained like the one that came.
//!
//! `FAIRLEAD_EXPLAINED=1000000` explains so many packets instead of 24,000, `FAIRLEAD_SEED=3642` begins with that seed.

use fairlead::admin::explain::Explanation;
use fairlead::admin::request::{FileText, PacketAsked, Transport};
use fairlead::admin::rows::Ends;
use fairlead::engine::{DropReason, Engine, EngineEvent, Verdict};
use fairlead::explain::{Case, Setting, Worker, explain};
use fairlead::flow::{Flow, FlowId, SnatPorts};
use fairlead::policy::adjacency::{Adjacency, Neighbour};
use fairlead::policy::intent::{DirectAccess, Intent, Mode, NoMember, OnDownUdp, Persistence, Unmatched, Unreachable};
use fairlead::policy::multipath::Conversation;
use fairlead::policy::{Epoch, Snapshot};
use fairlead::time::{Duration, Instant};
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Endpoint, Packet, Protocol, Tuple, sip};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Arc;
use testbench::dice::Dice;
use testbench::lab::*;
use testbench::plan::{Plan, lose_or_find};
use testbench::rig::*;

const ADDRESSES: [&str; 14] =
    [PHONE, PHONE, PEER, CONFIG, VISITOR, V, V, "10.20.0.200", A, B, "10.20.0.21", "10.20.0.22", E, "10.20.0.255"];
const PORTS: [u16; 6] = [5060, 5060, 5061, 40_001, 33_000, 7000];

/// What somebody sends.
#[derive(Clone, Debug)]
struct Sent {
    src: Endpoint,
    dst: Endpoint,
    what: What,
    payload: Vec<u8>,
    ttl: u8,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Datagram,
    Segment(Flags),
    Ping,
    Pong,
}

impl Sent {
    fn any(dice: &mut Dice) -> Sent {
        let [src, dst] = [(); 2].map(|()| at(dice.pick(&ADDRESSES), dice.pick(&PORTS)));
        let flags = dice.pick(&[SYN, SYN, SYN, SYN, ACK, DATA, FIN_ACK, Flags::RST, SYN_ACK]);
        let what = match dice.roll(10) {
            0..4 => What::Datagram,
            4..9 => What::Segment(flags),
            _ => What::Ping,
        };
        Sent { src, dst, what, payload: said(what, dice), ttl: dice.pick(&[64, 64, 64, 64, 64, 2, 1]) }
    }

    /// What its receiver says next.
    fn answered(&self, dice: &mut Dice) -> Sent {
        let what = match self.what {
            What::Segment(SYN) => What::Segment(dice.pick(&[SYN_ACK, SYN_ACK, SYN_ACK, Flags::RST.with(ACK)])),
            What::Segment(_) => What::Segment(dice.pick(&[ACK, DATA, ACK, DATA, FIN_ACK, Flags::RST.with(ACK)])),
            What::Ping => What::Pong,
            other => other,
        };
        Sent { src: self.dst, dst: self.src, what, payload: said(what, dice), ttl: 64 }
    }

    /// What its sender says after it.
    fn continued(&self, dice: &mut Dice) -> Sent {
        let what = match self.what {
            What::Segment(SYN) => What::Segment(dice.pick(&[SYN, ACK])),
            What::Segment(_) => What::Segment(dice.pick(&[ACK, DATA, ACK, DATA, FIN_ACK, SYN])),
            other => other,
        };
        Sent { what, payload: said(what, dice), ..self.clone() }
    }

    fn build(&self) -> Build {
        let build = match self.what {
            What::Datagram => Build::udp(self.src, self.dst),
            What::Segment(flags) => Build::tcp(self.src, self.dst, flags, 1000, if flags == SYN { 0 } else { 9001 }),
            What::Ping => Build::echo_request(self.src.addr, self.dst.addr, self.src.port, 1),
            What::Pong => Build::echo_reply(self.src.addr, self.dst.addr, self.dst.port, 1),
        };
        build.ttl(self.ttl).id(77).df().payload(&self.payload)
    }
}

/// SIP, as often as not.
fn said(what: What, dice: &mut Dice) -> Vec<u8> {
    if !matches!(what, What::Datagram) || dice.once_in(2) {
        return vec![b'x'; dice.pick(&[0, 4, 300])];
    }
    let via = dice.pick(&[PHONE, PEER, A, B, V, "10.20.0.21"]);
    let (branch, call) = (dice.roll(6), dice.roll(8));
    let start = dice.pick(&["OPTIONS sip:x SIP/2.0", "INVITE sip:x SIP/2.0", "SIP/2.0 200 OK", "SIP/2.0 180 Ringing"]);
    let head = format!(
        "{start}\r\nVia: SIP/2.0/UDP {via}:5060;branch=z9hG4bK{branch}\r\nCall-ID: {call}@x\r\nCSeq: 1 INVITE\r\n\r\n"
    );
    head.into_bytes()
}

/// An engine, and what is around it.
struct World {
    engine: Engine,
    snat_ports: SnatPorts,
    lab: Lab,
    plan: Plan,
    /// What the file says beside the plan.
    seed: u64,
    known: Intent,
    adjacency: Adjacency,
    now: Instant,
    epoch: u64,
    packets: usize,
    /// What came of how many of them.
    seen: BTreeMap<String, usize>,
}

/// Everything that an engine and its ports and limits remember.
#[derive(Debug, PartialEq)]
struct Remembered {
    flows: Vec<(FlowId, Flow, Duration, Duration)>,
    ports: Vec<(usize, u64)>,
    limits: Vec<u64>,
    events: Vec<u64>,
    uses: Vec<fairlead::engine::Uses>,
    reads_sip: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let layout = [Layout::TwoArm, Layout::OneArm, Layout::TaggedServers, Layout::OnePort][seed as usize % 4];
        let mut plan = Plan::new(layout, 1_500);
        let modes =
            [Mode::ActiveStandby, Mode::RoundRobin, Mode::ActiveStandby, Mode::LeastConnections, Mode::SourceHash];
        plan.modes = [0, 3].map(|at| modes[(seed as usize / 2 + at) % modes.len()]);
        plan.counts_sip = seed % 7 == 6;
        let intent = spiced(plan.intent(), seed);
        let adjacency = on_the_link(&intent, seed);
        let known = SnapshotInput::of(&intent, &intent, &plan.health(), &adjacency);
        let snapshot = Arc::new(known.compile(Epoch(1)));
        let snat_ports = SnatPorts::new(snapshot.snat_addresses(), 7);
        let engine = Engine::new(Arc::clone(&snapshot), snat_ports.clone(), 3);
        World {
            engine,
            snat_ports,
            lab: Lab { rig: Rig::new(Memory::default(), intent, 1), layout },
            plan,
            seed,
            known: known.intent,
            adjacency,
            now: Instant::from_millis(10_000),
            epoch: 1,
            packets: 0,
            seen: BTreeMap::new(),
        }
    }

    fn remembered(&self) -> Remembered {
        let (engine, now) = (&self.engine, self.now);
        let (mut flows, table) = (Vec::new(), engine.flows());
        table.scan(0, usize::MAX, |id, flow| flows.push((id, *flow, table.idle(id, now), table.expires_in(id, now))));
        let snapshot = engine.snapshot();
        let each = snapshot.snat_addresses().flat_map(|address| {
            [Protocol::Udp, Protocol::Tcp, Protocol::Icmp].map(|protocol| self.snat_ports.table(address, protocol))
        });
        let limits = &snapshot.connection_limits;
        let limits = limits.members().map(|(_, limit)| limit).chain(limits.servers().map(|(_, limit)| limit));
        Remembered {
            flows,
            ports: each.flatten().map(|table| (table.used(), table.exhausted())).collect(),
            limits: limits.map(|limit| limit.connections()).collect(),
            events: engine.event_counts().to_vec(),
            uses: snapshot.members.ids().map(|id| engine.member_use().of(id)).collect(),
            reads_sip: engine.reads_sip(),
        }
    }

    /// The packet is explained, and then decided about. What leaves, if it is forwarded.
    fn see(&mut self, sent: &Sent, astray: bool) -> Option<Sent> {
        let own = sent.src.addr.octets();
        let inside = own[..3] == [10, 20, 0] && own[3] != 1 && own[3] < 100;
        let far = if inside != astray { Far::Server(own[3]) } else { ROUTER };
        let (port, bytes) = (self.lab.port(far), self.lab.arriving(far, &sent.build()));
        let packet = Packet::parse(&bytes).unwrap();
        let (classified, tuple) = (self.engine.classify(&packet, port), packet.tuple().unwrap());
        let case = Case {
            packet,
            tuple,
            port,
            interface: classified.interface,
            sip: Some(sip::Facts::of(&sent.payload)),
            from: None,
        };

        let before = self.remembered();
        let (explanation, events) = self.explained(&case);
        // Each costs as much again.
        let again = self.packets.is_multiple_of(8) || case.sip != Some(sip::Facts::Other);
        let blind = again.then(|| self.explained(&Case { sip: None, ..case }).0);
        if let Some(typed) = self.typed(sent, &case).filter(|_| again) {
            assert_eq!(self.explained(&typed).0, explanation, "{sent:?}");
        }
        assert_eq!(before, self.remembered(), "explaining {sent:?} changed something");

        let facts = match self.engine.needs_sip(&packet, classified) {
            true => sip::Facts::read(&sent.payload, self.engine.snapshot().persistence_hints().is_some()),
            false => sip::Facts::Other,
        };
        let verdict = self.engine.decide(&packet, classified, facts, self.now);
        self.agree(&explanation, &case, verdict, sent);
        blind.into_iter().for_each(|blind| self.agree_blind(&blind, &case, verdict, sent));
        let counted = self.engine.event_counts().iter().zip(&before.events).map(|(after, before)| after - before);
        let counted = counted.zip(EngineEvent::ALL).filter(|(times, _)| *times > 0).map(|(_, event)| event.name());
        assert_eq!(events, counted.collect::<Vec<_>>(), "{sent:?}");
        while self.engine.next_passive_hint().is_some() {}

        self.packets += 1;
        *self.seen.entry(format!("{} {}", case.tuple.protocol, explanation.verdict)).or_default() += 1;
        let Verdict::Forward(forward) = verdict else { return None };
        let became = forward.rewrite.changed(&tuple);
        Some(Sent { src: became.src, dst: became.dst, ..sent.clone() })
    }

    /// The datagram as an operator would write it, if he could.
    fn typed(&self, sent: &Sent, case: &Case) -> Option<Case> {
        if !matches!(sent.what, What::Datagram) || sent.ttl != 64 {
            return None;
        }
        let [src, dst] = [sent.src, sent.dst].map(|end| SocketAddrV4::new(end.addr, end.port));
        let asked = PacketAsked {
            interface: Some(self.known.interfaces[case.interface].name.clone()),
            content: Some(FileText(String::from_utf8(sent.payload.clone()).unwrap())),
            ..PacketAsked::between(Transport::Udp, src, dst)
        };
        Some(Case::of(&asked, &self.known, self.engine.snapshot()).unwrap_or_else(|why| panic!("{sent:?}: {why:?}")))
    }

    /// Where it is not known what a packet says, either nothing follows from that, or it is said that something does, and for whom.
    fn agree_blind(&mut self, said: &Explanation, case: &Case, verdict: Verdict, sent: &Sent) {
        if !said.depends_on_content {
            return self.agree(said, case, verdict, sent);
        }
        let Verdict::Forward(forward) = verdict else { return };
        let became = forward.rewrite.changed(&case.tuple);
        let member = self.known.members.iter().find(|member| member.address == became.dst.addr);
        if let Some(member) = member {
            assert!(said.one_of.contains(&member.name), "{sent:?} goes to {}: {said:#?}", member.name);
        }
        let what = if said.member.as_ref() == member.map(|it| &it.name) { "as blind" } else { "by content" };
        *self.seen.entry(format!("{} {what}", case.tuple.protocol)).or_default() += usize::from(member.is_some());
    }

    /// What is said, and which events are named.
    fn explained(&self, case: &Case) -> (Explanation, Vec<String>) {
        let (engine, now) = (&self.engine, self.now);
        let classified = engine.classify(&case.packet, case.port);
        let members = case.members(&self.known, engine.snapshot());
        let sip = case.sip.unwrap_or_default();
        let excerpt = engine.excerpt(&case.packet, classified, (&sip, &members[..]), now);
        let setting = Setting {
            intent: &self.known,
            snapshot: engine.snapshot(),
            snat_ports: &self.snat_ports,
            excerpt: &excerpt,
            worker: Some(Worker { number: 0, of: 1 }),
            choice: &|_| None,
            is_live: true,
        };
        let explanation = explain(case, &setting);
        let counted = explanation.steps.iter().filter(|step| step.step == "counted");
        let events = counted.map(|step| step.says.split(':').next().unwrap().to_owned()).collect();
        (explanation, events)
    }

    fn agree(&self, said: &Explanation, case: &Case, verdict: Verdict, sent: &Sent) {
        let (word, reason) = match verdict {
            Verdict::Forward(_) | Verdict::ForwardError { .. } => ("forward", None),
            Verdict::Answer(_) => ("answer", None),
            Verdict::Reject { reason, .. } => ("reject", Some(reason.name())),
            Verdict::Hold(_) => ("hold", None),
            Verdict::Reassemble => ("reassemble", None),
            Verdict::Defer => ("defer", None),
            Verdict::Withhold(_) => ("withhold", None),
            Verdict::Punt(reason) => ("punt", Some(reason.name())),
            Verdict::Drop(reason) => ("drop", Some(reason.name())),
            Verdict::Ignore(reason) => ("ignore", Some(reason.name())),
        };
        assert_eq!((&*said.verdict, said.reason.as_deref()), (word, reason), "{sent:?} {said:#?}");
        assert_eq!(said.original, Ends::from(case.tuple));
        let snapshot = self.engine.snapshot();
        match verdict {
            Verdict::Forward(forward) => {
                let became = forward.rewrite.changed(&case.tuple);
                assert_eq!(said.translated, Some(Ends::from(became)), "{sent:?} {said:#?}");
                let egress = said.egress.as_ref().expect("it leaves somewhere");
                assert_eq!(egress.mac, Some(mac_of(snapshot, &became)), "{sent:?} {said:#?}");
                self.names_its_member(said, &became, sent);
            }
            Verdict::Hold(hop) => {
                assert_eq!(said.translated, None);
                assert_eq!(said.egress.as_ref().map(|egress| egress.next_hop), Some(hop.address), "{sent:?} {said:#?}");
            }
            _ => assert_eq!(said.translated, None),
        }
        if let Verdict::Reject { reason: DropReason::HostUnreachable, .. } = verdict {
            let egress = said.egress.as_ref().expect("who does not answer is named");
            assert!(said.outcome.contains(&egress.next_hop.to_string()), "{sent:?} {said:#?}");
            assert!(said.remedy.as_ref().is_some_and(|remedy| remedy.contains(&egress.next_hop.to_string())));
        }
    }

    /// Whoever gets it is named, and is one of those that could.
    fn names_its_member(&self, said: &Explanation, became: &Tuple, sent: &Sent) {
        let member = self.known.members.iter().find(|member| member.address == became.dst.addr);
        if let Some(member) = member.filter(|_| self.plan.who_is(sent.src.addr).is_none()) {
            assert_eq!(said.member.as_ref(), Some(&member.name), "{sent:?} {said:#?}");
            assert!(said.one_of.is_empty() || said.one_of.contains(&member.name), "{sent:?} {said:#?}");
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now += span;
        self.engine.expire(self.now, 256);
        self.engine.forget_stale(256);
        self.engine.next_resets(self.now, 256, &mut Vec::new());
    }

    /// Management changes something.
    fn change(&mut self, dice: &mut Dice) {
        match self.plan.change(dice) {
            true => self.adjacency = on_the_link(&self.plan.intent(), self.seed),
            false => lose_or_find(&mut self.adjacency, dice),
        }
        self.publish();
    }

    fn publish(&mut self) {
        self.epoch += 1;
        let intent = spiced(self.plan.intent(), self.seed);
        let known = SnapshotInput::of(&self.known, &intent, &self.plan.health(), &self.adjacency);
        let snapshot = Arc::new(known.compile_after(self.engine.snapshot(), Epoch(self.epoch)));
        self.known = known.intent;
        self.snat_ports = self.snat_ports.renewed(snapshot.snat_addresses(), snapshot.life.0);
        self.engine.install(snapshot, self.snat_ports.clone());
        self.lab.rig.intent = intent;
    }

    /// Conversations begin, continue and end; the snapshot changes beneath them. So many packets.
    fn live(&mut self, dice: &mut Dice, packets: usize) {
        // What was sent last, and as what it left.
        let mut conversations: Vec<(Sent, Sent)> = Vec::new();
        let mut sent = 0;
        while sent < packets {
            let chosen = (!conversations.is_empty()).then(|| dice.roll(conversations.len() as u32) as usize);
            match (dice.roll(100), chosen) {
                (0..60, Some(chosen)) => {
                    let (before, left) = &conversations[chosen];
                    let next = if dice.once_in(3) { before.continued(dice) } else { left.answered(dice) };
                    sent += 1;
                    match self.see(&next, dice.once_in(40)) {
                        Some(left) => conversations[chosen] = (next, left),
                        None => drop(conversations.swap_remove(chosen)),
                    }
                }
                (60..66, _) => self.wait(Duration::from_millis(u64::from(dice.roll(500)))),
                (66..68, _) => self.wait(Duration::from_secs(u64::from(dice.roll(90)))),
                (68..71, _) => self.change(dice),
                _ => {
                    let next = Sent::any(dice);
                    sent += 1;
                    if let Some(left) = self.see(&next, dice.once_in(40)) {
                        conversations.truncate(11);
                        conversations.push((next, left));
                    }
                }
            }
        }
    }
}

/// Everybody answers ARP; in some worlds the first member does not.
fn on_the_link(intent: &Intent, seed: u64) -> Adjacency {
    let mut all = neighbours(intent);
    if seed % 5 == 4
        && let Some((_, first)) = all.iter_mut().find(|(hop, _)| hop.address == addr(A))
    {
        *first = Neighbour::Failed;
    }
    all
}

/// What may stand in a file beside the plan.
fn spiced(mut intent: Intent, seed: u64) -> Intent {
    let mut dice = Dice::new(seed ^ 0x5eed);
    intent.limits.flows_per_worker = dice.pick(&[12, 48, 400]);
    if dice.once_in(4) {
        (intent.limits.rejects_per_second, intent.limits.icmp_errors_per_second) = (3, 3);
    }
    let (persistence, on_down) = (
        dice.pick(&[Persistence::Endpoint, Persistence::Source, Persistence::CallId]),
        dice.pick(&[OnDownUdp::Reselect, OnDownUdp::Drain, OnDownUdp::Drop]),
    );
    let no_member = dice.pick(&[NoMember::KeepLast, NoMember::Reject, NoMember::Drop]);
    for pool in intent.pools.iter_mut() {
        (pool.no_member, pool.on_down_udp) = (no_member, on_down);
        if pool.mode != Mode::ActiveStandby {
            pool.persistence = persistence;
        }
    }
    let unmatched = dice.pick(&[Unmatched::Reject, Unmatched::RejectNow, Unmatched::Drop]);
    let unreachable = dice.pick(&[Unreachable::Hold, Unreachable::Forward]);
    let (limit, rate) = (dice.pick(&[0, 0, 3]), dice.pick(&[0, 0, 5]));
    for server in intent.virtual_servers.iter_mut() {
        (server.unmatched, server.unreachable, server.connection_limit) = (unmatched, unreachable, limit);
        (server.connection_rate_limit, server.enabled) = (rate, !dice.once_in(9));
    }
    let most = dice.pick(&[0, 0, 2]);
    intent.members.iter_mut().for_each(|member| member.connection_limit = most);
    if dice.once_in(3) {
        intent.direct_access = DirectAccess { allow: Some(vec!["172.16.7.0/24".parse().unwrap()]), rules: vec![] };
    }
    for snat in &mut intent.snats {
        snat.no_snat_udp_ports = if dice.once_in(3) { vec![7000] } else { vec![] };
    }
    if dice.once_in(8) {
        intent.snats.clear();
    }
    intent
}

/// Where a packet leaves to.
fn mac_of(snapshot: &Snapshot, became: &Tuple) -> String {
    let conversation = Conversation::between(became.src, became.dst);
    let hop = snapshot.next_hop(became.dst.addr, conversation).expect("a route");
    match snapshot.neighbour(hop) {
        Some(Neighbour::Reachable(mac)) => mac.to_string(),
        other => panic!("{hop} is {other:?}"),
    }
}

/// A packet is explained as it is decided about, and nothing changes by it.
#[test]
fn s101_what_is_explained_is_what_the_data_path_does_and_changes_nothing() {
    let asked = |name, usual| std::env::var(name).map_or(usual, |text| text.parse().expect("a number"));
    let (packets, first) = (asked("FAIRLEAD_EXPLAINED", 24_000), asked("FAIRLEAD_SEED", 0));
    let (mut seen, mut explained, mut seed) = (BTreeMap::<String, usize>::new(), 0, first as u64);
    while explained < packets {
        println!("seed {seed}");
        let mut bench = World::new(seed);
        bench.live(&mut Dice::new(seed), 200.min(packets - explained));
        explained += bench.packets;
        bench.seen.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
        seed += 1;
    }
    println!("{explained} packets explained, {} worlds: {seen:#?}", seed - first as u64);
    let wanted = ["udp forward", "udp reject", "udp drop", "udp hold", "tcp forward", "tcp reject", "tcp drop"];
    let others = ["tcp defer", "tcp hold", "icmp forward", "icmp answer", "udp as blind"];
    for what in wanted.into_iter().chain(others) {
        assert!(seen.get(what).is_some_and(|&count| count >= 10), "{what}: hardly ever");
    }
    assert!(seen.get("udp by content").is_some_and(|&count| count >= 3), "what a datagram says hardly ever mattered");
}
