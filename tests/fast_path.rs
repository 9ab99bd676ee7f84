//! Cached routes change nothing but speed.
//!
//! Two engines see the same conversations under the same changing snapshots: one caches routes, of flows and of what has none, the other does not.
//! After every packet both have said the same, and remember the same; of a datagram to or from a service port the one says it at once, the
//! other in full. So have two of which one forgets at once what a reload takes, and the other as slowly as can be.

use fairlead::engine::{Account, Engine, EngineEvent, Forward, Lookup, Path, Verdict};
use fairlead::flow::{Direction, Flow, FlowId, NO_MEMBER, NO_VIRTUAL_SERVER, SnatPorts};
use fairlead::policy::Epoch;
use fairlead::policy::adjacency::Adjacency;
use fairlead::policy::intent::{AccessRule, DirectAccess, Intent, Listen, MemberId, Mode, PortId, VirtualServerId};
use fairlead::policy::snapshot::DatagramPort;
use fairlead::time::{Duration, Instant};
use fairlead::wire::build::Build;
use fairlead::wire::sip;
use fairlead::wire::tcp::Flags;
use fairlead::wire::{self, Endpoint, Protocol};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use testbench::dice::Dice;
use testbench::lab::*;
use testbench::plan::{Plan, lose_or_find};
use testbench::rig::*;

const ADDRESSES: [&str; 13] =
    [PHONE, PHONE, PEER, CONFIG, VISITOR, V, V, "10.20.0.200", A, B, "10.20.0.21", "10.20.0.22", E];
const PORTS: [u16; 6] = [5060, 5060, 5061, 40_001, 33_000, 7000];

/// What somebody sends.
#[derive(Clone, Copy, Debug)]
struct Packet {
    src: Endpoint,
    dst: Endpoint,
    /// Flags, sequence and acknowledgement number; a datagram has none.
    tcp: Option<(Flags, u32, u32)>,
    payload: usize,
    /// DF is not set.
    may_be_cut: bool,
    ttl: u8,
}

impl Packet {
    fn any(dice: &mut Dice) -> Packet {
        let end = |dice: &mut Dice| at(dice.pick(&ADDRESSES), dice.pick(&PORTS));
        let flags = dice.pick(&[SYN, SYN, SYN, SYN, ACK, DATA, FIN_ACK, Flags::RST, SYN_ACK]);
        let tcp = (dice.roll(5) < 3).then_some((flags, 1000, if flags == SYN { 0 } else { 9001 }));
        let payload = if flags == SYN { 0 } else { dice.pick(&[0, 4, 18, 300, 1_380]) };
        let (ttl, may_be_cut) = (dice.pick(&[64, 64, 64, 64, 64, 64, 2, 1]), dice.once_in(6));
        Packet { src: end(dice), dst: end(dice), tcp, payload, may_be_cut, ttl }
    }

    fn length(&self) -> u32 {
        let (flags, ..) = self.tcp.unwrap_or_default();
        self.payload as u32 + u32::from(flags.syn()) + u32::from(flags.fin())
    }

    /// What the receiver of this packet says next.
    fn answered(&self, dice: &mut Dice) -> Packet {
        let tcp = self.tcp.map(|(flags, seq, ack)| match flags {
            SYN => (SYN_ACK, 9000, seq.wrapping_add(1)),
            _ => (self.turn(dice), ack, seq.wrapping_add(self.length())),
        });
        let handshake = self.tcp.is_some_and(|(flags, ..)| flags.syn());
        let payload = if handshake { 0 } else { dice.pick(&[0, 4, 18, 300]) };
        Packet { src: self.dst, dst: self.src, tcp, payload, may_be_cut: dice.once_in(12), ttl: 64 }
    }

    /// What its sender says after it.
    fn continued(&self, dice: &mut Dice) -> Packet {
        let tcp = self.tcp.map(|(flags, seq, ack)| match flags {
            SYN => (SYN, seq, ack),
            _ => (self.turn(dice), seq.wrapping_add(self.length()), ack),
        });
        Packet { tcp, payload: dice.pick(&[0, 4, 18]), ..*self }
    }

    fn turn(&self, dice: &mut Dice) -> Flags {
        dice.pick(&[ACK, DATA, ACK, DATA, ACK, DATA, ACK, DATA, ACK, DATA, ACK, DATA, FIN_ACK, Flags::RST.with(ACK)])
    }

    fn build(&self) -> Build {
        let build = match self.tcp {
            Some((flags, seq, ack)) => Build::tcp(self.src, self.dst, flags, seq, ack),
            None => Build::udp(self.src, self.dst),
        };
        let build = build.ttl(self.ttl).id(77).payload(&vec![b'x'; self.payload]);
        if self.may_be_cut { build } else { build.df() }
    }
}

/// A flow: where it stands, what it says, whose it is and who opened it, for how long it has been idle, how long it has left.
type Remembered = (Option<FlowId>, Flow, [Option<Ipv4Addr>; 2], Duration, Duration);

/// The two engines, and what is around them.
struct Twins {
    quick: Engine,
    slow: Engine,
    snat_ports: [SnatPorts; 2],
    lab: Lab,
    plan: Plan,
    known: Intent,
    adjacency: Adjacency,
    now: Instant,
    epoch: u64,
    /// The quick one walks a place at a time over what a reload has taken, the slow one over all at once.
    lags: bool,
    /// Flows a reload took that were not yet forgotten when the next packet came.
    late: usize,
    /// Packets that left by a cached route, by protocol and path.
    hits: BTreeMap<String, usize>,
    /// How many packets left at once, by for whom they are counted.
    accounts: BTreeMap<&'static str, usize>,
}

/// In one of four snapshots not everybody may call the first virtual server, and in one of four not everybody may visit members.
fn guard(intent: &mut Intent, epoch: u64) {
    let phones = || vec!["172.16.5.0/24".parse().expect("a network")];
    match epoch % 4 {
        0 => intent.virtual_servers.iter_mut().take(1).for_each(|server| server.allow = phones()),
        1 => {
            let ports = vec![Listen { protocol: Protocol::Tcp, port: 7000 }];
            let rules = vec![AccessRule { from: phones(), to: vec![], ports }];
            intent.direct_access = DirectAccess { allow: Some(vec![]), rules };
        }
        _ => {}
    }
}

/// For whom a packet is counted.
fn kind(account: &Account) -> &'static str {
    match (account.member, account.other, account.virtual_server) {
        (NO_MEMBER, ..) => "nobody",
        (_, NO_MEMBER, NO_VIRTUAL_SERVER) => "a member",
        (_, NO_MEMBER, _) => "a member of a service",
        (_, _, NO_VIRTUAL_SERVER) => "two members",
        (_, _, _) => "two members and a service",
    }
}

impl Twins {
    fn new(layout: Layout, servers_mtu: u16, modes: [Mode; 2], lags: bool) -> Twins {
        let mut plan = Plan::new(layout, servers_mtu);
        plan.modes = modes;
        let mut intent = plan.intent();
        (intent.limits.flows_per_worker, intent.limits.traffic_counters) = (flows_at_most(lags), true);
        let adjacency = neighbours(&intent);
        let known = SnapshotInput::of(&intent, &intent, &plan.health(), &adjacency);
        let snapshot = Arc::new(known.compile(Epoch(1)));
        let snat_ports = [0; 2].map(|_| SnatPorts::new(snapshot.snat_addresses(), 7));
        let engine = |at: usize| Engine::new(Arc::clone(&snapshot), snat_ports[at].clone(), 3);
        let (quick, slow, lab) =
            (engine(0), engine(1).without_cache(), Lab { rig: Rig::new(Memory::default(), intent, 1), layout });
        Twins {
            quick,
            slow,
            snat_ports,
            lab,
            plan,
            known: known.intent,
            adjacency,
            now: Instant::from_millis(10_000),
            epoch: 1,
            lags,
            late: 0,
            hits: BTreeMap::new(),
            accounts: BTreeMap::new(),
        }
    }

    /// Both see the packet. What leaves, if it is forwarded.
    fn see(&mut self, packet: Packet, astray: bool) -> Option<Packet> {
        let own = packet.src.addr.octets();
        let inside = own[..3] == [10, 20, 0] && own[3] != 1 && own[3] < 100;
        let far = if inside != astray { Far::Server(own[3]) } else { ROUTER };
        let (port, bytes) = (self.lab.port(far), self.lab.arriving(far, &packet.build()));
        let headers = wire::Packet::parse(&bytes).unwrap();
        let classified = self.slow.classify(&headers, port);
        let slow = self.slow.decide(&headers, classified, sip::Facts::Other, self.now);
        let mut lookup = Lookup::NOTHING;
        self.quick.look_up(&headers, &mut lookup);
        self.quick.prefetch_entry(&mut lookup);
        let cached = headers.tuple().is_some_and(|tuple| self.quick.is_cached(&tuple));
        let by_flow = self.quick.by_cached_route::<true>(&headers, port, &lookup, self.now).map(|it| it.forward);
        let kept = if by_flow.is_none() { self.quick.by_kept_route::<true>(&headers, port, &lookup) } else { None };
        let kept = kept.map(|it| it.forward);
        if let Some(tuple) = headers.tuple().filter(|_| kept.is_some()) {
            *self.hits.entry(format!("{} without a flow", tuple.protocol)).or_default() += 1;
        }
        let at_once = match by_flow.or(kept) {
            None => self.at_once(&headers, port, &lookup),
            there => there,
        };
        if at_once.is_some() {
            let account = self.slow.account(&headers, classified, &slow);
            self.slow.count_traffic(&account, headers.size);
            *self.accounts.entry(kind(&account)).or_default() += 1;
        }
        let verdict = match at_once {
            Some(forward) => Verdict::Forward(forward),
            None => self.quick.decide(&headers, self.quick.classify(&headers, port), sip::Facts::Other, self.now),
        };
        assert_eq!(verdict, slow, "{packet:?}");
        self.compare();
        let Verdict::Forward(forward) = verdict else { return None };
        let tuple = headers.tuple()?;
        if cached {
            let path = match classified.path {
                Path::Inward(_) => "inward",
                Path::Outward(_) => "outward",
                Path::Direct(_) => "direct",
                Path::Hairpin { .. } => "hairpin",
                other => panic!("{other:?} uses no flow"),
            };
            *self.hits.entry(format!("{} {path}", tuple.protocol)).or_default() += 1;
        }
        let became = forward.rewrite.changed(&tuple);
        Some(Packet { src: became.src, dst: became.dst, ..packet })
    }

    /// How a datagram to or from a service port leaves, if at once.
    fn at_once(&mut self, headers: &wire::Packet, port: PortId, lookup: &Lookup) -> Option<Forward> {
        let (quick, now) = (&mut self.quick, self.now);
        let departure = match lookup.service_port()? {
            DatagramPort::In(_) => {
                let found = quick.service_in(headers, port, lookup)?;
                assert_eq!(quick.classify(headers, port), found.1);
                quick.service_in_at_once::<true>(headers, found, now)
            }
            DatagramPort::Out(_) => {
                let found = quick.service_out(headers, port, lookup)?;
                assert_eq!(quick.classify(headers, port), found.1);
                quick.service_out_at_once::<true>(headers, found, now)
            }
        };
        let forward = departure?.forward;
        let way = if matches!(lookup.service_port()?, DatagramPort::In(_)) { "in" } else { "out" };
        *self.hits.entry(format!("service {way}")).or_default() += 1;
        Some(forward)
    }

    /// What has left at once was counted for whom the slow one says, and for nobody else.
    fn compare_counts(&mut self) {
        for turn in 1..100 {
            self.quick.settle_traffic(self.now + Duration::from_millis(10 * turn));
        }
        for id in 0..64 {
            let [quick, slow] = [&self.quick, &self.slow].map(|engine| engine.traffic().member(MemberId(id)));
            assert_eq!(quick, slow, "member {id}");
            let server = VirtualServerId(id);
            let [quick, slow] = [&self.quick, &self.slow].map(|engine| engine.traffic().virtual_server(server));
            assert_eq!(quick, slow, "virtual server {id}");
        }
    }

    /// Both remember the same.
    fn compare(&mut self) {
        let (now, lags) = (self.now, self.lags);
        let flows = |engine: &Engine| {
            let (mut all, table) = (Vec::<Remembered>::new(), engine.flows());
            engine.scan(0, usize::MAX, |id, flow, members| {
                // What a place is called is each engine's own when they forget at different times.
                all.push(((!lags).then_some(id), *flow, members, table.idle(id, now), table.expires_in(id, now)));
            });
            all.sort_by_key(|(_, flow, ..)| flow.key(Direction::Original));
            all
        };
        let quick = flows(&self.quick);
        let late = self.quick.flows().len() - quick.len();
        self.late += late;
        assert_eq!(quick, flows(&self.slow));
        if late == 0 {
            let uses = |engine: &Engine, id| engine.member_use().of(fairlead::policy::intent::MemberId(id));
            for id in 0..self.quick.snapshot().members.bound() as u16 {
                assert_eq!(uses(&self.quick, id), uses(&self.slow, id));
            }
        }
        for (event, (quick, slow)) in
            EngineEvent::ALL.iter().zip(self.quick.event_counts().iter().zip(self.slow.event_counts()))
        {
            assert_eq!(quick, slow, "{}", event.name());
        }
        loop {
            let passive_hint = self.quick.next_passive_hint();
            assert_eq!(passive_hint, self.slow.next_passive_hint());
            if passive_hint.is_none() {
                break;
            }
        }
    }

    /// Time passes, and what is due is done.
    fn wait(&mut self, span: Duration) {
        self.now += span;
        let now = self.now;
        let [mut one, mut other] = [Vec::new(), Vec::new()];
        for (engine, orders) in [(&mut self.quick, &mut one), (&mut self.slow, &mut other)] {
            engine.expire(now, 256);
            engine.forget_stale(if self.lags { 1 } else { 256 });
            engine.next_resets(now, 256, orders);
        }
        if self.lags {
            // They are given in the order of places.
            [&mut one, &mut other].into_iter().for_each(|orders| orders.sort_by_key(|it| (it.tuple, it.seq)));
        }
        assert_eq!(one, other);
        self.compare();
    }

    /// Management changes something.
    fn change(&mut self, dice: &mut Dice) {
        match self.plan.change(dice) {
            true => self.adjacency = neighbours(&self.plan.intent()),
            false => lose_or_find(&mut self.adjacency, dice),
        }
        self.publish();
    }

    fn publish(&mut self) {
        self.epoch += 1;
        let mut intent = self.plan.intent();
        (intent.limits.flows_per_worker, intent.limits.traffic_counters) = (flows_at_most(self.lags), true);
        guard(&mut intent, self.epoch);
        let known = SnapshotInput::of(&self.known, &intent, &self.plan.health(), &self.adjacency);
        let snapshot = Arc::new(known.compile(Epoch(self.epoch)));
        self.known = known.intent;
        for (engine, snat_ports) in [&mut self.quick, &mut self.slow].into_iter().zip(&mut self.snat_ports) {
            *snat_ports = snat_ports.renewed(snapshot.snat_addresses(), snapshot.life.0);
            engine.install(Arc::clone(&snapshot), snat_ports.clone());
        }
        if self.lags {
            self.slow.forget_stale(usize::MAX);
        }
        self.lab.rig.intent = intent;
        self.compare();
    }

    /// Conversations begin, continue and end; the snapshot changes beneath them.
    fn live(&mut self, dice: &mut Dice, steps: usize) {
        // What was sent last, and as what it left.
        let mut conversations: Vec<(Packet, Packet)> = Vec::new();
        for _ in 0..steps {
            let chosen = (!conversations.is_empty()).then(|| dice.roll(conversations.len() as u32) as usize);
            match (dice.roll(100), chosen) {
                (0..70, Some(chosen)) => {
                    let (sent, left) = conversations[chosen];
                    let next = if dice.once_in(3) { sent.continued(dice) } else { left.answered(dice) };
                    match self.see(next, dice.once_in(40)) {
                        Some(left) => conversations[chosen] = (next, left),
                        None => drop(conversations.swap_remove(chosen)),
                    }
                }
                (70..76, _) => self.wait(Duration::from_millis(u64::from(dice.roll(500)))),
                (76..78, _) => self.wait(Duration::from_secs(u64::from(dice.roll(90)))),
                (78..81, _) => self.change(dice),
                _ => {
                    let sent = Packet::any(dice);
                    if let Some(left) = self.see(sent, dice.once_in(40)) {
                        conversations.truncate(11);
                        conversations.push((sent, left));
                    }
                }
            }
        }
    }
}

/// Few enough that some have to give way; so many that none has, where one engine keeps some longer than the other.
fn flows_at_most(lags: bool) -> usize {
    if lags { 4_096 } else { 48 }
}

/// Every third pair shares its work, by turns or by the client's address.
fn modes(seed: u64) -> [Mode; 2] {
    let all = [Mode::ActiveStandby, Mode::RoundRobin, Mode::ActiveStandby, Mode::ActiveStandby, Mode::SourceHash];
    [0, 3].map(|at| all[(seed as usize / 4 + at) % all.len()])
}

#[test]
fn a_cached_route_is_what_the_slow_path_says() {
    let mut hits = BTreeMap::<String, usize>::new();
    let mut accounts = BTreeMap::<&str, usize>::new();
    for seed in 0..240_u64 {
        let layout = [Layout::TwoArm, Layout::OneArm, Layout::TaggedServers, Layout::OnePort][seed as usize % 4];
        let mut twins = Twins::new(
            layout,
            if seed & 4 == 0 || layout == Layout::OneArm { 1_500 } else { 1_400 },
            modes(seed),
            false,
        );
        let mut dice = Dice::new(seed);
        println!("seed {seed}: {layout:?}");
        twins.live(&mut dice, 400);
        twins.compare_counts();
        twins.accounts.iter().for_each(|(whose, count)| *accounts.entry(whose).or_default() += count);
        twins.hits.into_iter().for_each(|(path, count)| *hits.entry(path).or_default() += count);
    }
    println!("{hits:#?} {accounts:#?}");
    for whose in ["a member", "a member of a service", "two members and a service"] {
        assert!(accounts.get(whose).is_some_and(|&count| count >= 10), "{whose}: hardly ever counted");
    }
    let with_flow =
        ["tcp inward", "tcp outward", "tcp direct", "tcp hairpin", "udp inward", "udp outward", "udp direct"];
    for path in with_flow.into_iter().chain(["tcp without a flow", "udp without a flow", "service in", "service out"]) {
        assert!(hits.get(path).is_some_and(|&count| count >= 10), "{path}: hardly ever cached");
    }
}

/// Scenario 83: a pair goes from the file, and comes again, while the walk that forgets its flows has hardly begun.
#[test]
fn what_a_reload_takes_is_gone_before_it_is_forgotten() {
    let mut late = 0;
    for seed in 0..240_u64 {
        let layout = [Layout::TwoArm, Layout::OneArm, Layout::TaggedServers, Layout::OnePort][seed as usize % 4];
        let mut twins = Twins::new(layout, 1_500, modes(seed), true);
        println!("seed {seed}: {layout:?}");
        twins.live(&mut Dice::new(seed), 400);
        late += twins.late;
    }
    assert!(late >= 1_000, "the walk was nearly always done: {late}");
}
