//! A script of frames, commands and leaps of the clock, and what must hold at its end.

use fairlead::policy::adjacency::Neighbour;
use fairlead::policy::health::State;
use fairlead::policy::intent::PortId;
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Endpoint, Packet, check};
use fairlead::worker::Command;
use std::net::Ipv4Addr;
use testbench::lab::*;
use testbench::mend::mend;
use testbench::plan::Plan;
use testbench::rig::*;

/// Who may be named: outside, virtual, members, ourselves, nobody.
const ADDRESSES: [&str; 16] = [
    PHONE,
    PEER,
    CONFIG,
    VISITOR,
    V,
    "10.20.0.200",
    A,
    B,
    "10.20.0.21",
    "10.20.0.22",
    G,
    E,
    R,
    "224.0.0.1",
    "0.0.0.0",
    "10.20.0.77",
];
const PORTS: [u16; 8] = [5060, 5061, 40_001, 41_000, 33_000, 162, 7000, 0];
const LENGTHS: [usize; 8] = [0, 1, 4, 18, 300, 1_340, 1_472, 4_000];

/// The bytes of a script; after its end, zeros.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }

    fn endpoint(&mut self) -> Endpoint {
        let both = self.byte();
        at(ADDRESSES[usize::from(both & 15)], PORTS[usize::from(both >> 4 & 7)])
    }
}

/// A script on its way.
pub struct Play<'a> {
    reader: Reader<'a>,
    plan: Plan,
    lab: Lab,
}

impl Play<'_> {
    pub fn new(script: &[u8]) -> Play<'_> {
        let mut reader = Reader(script);
        let first = reader.byte();
        let layout = [Layout::TwoArm, Layout::OneArm, Layout::TaggedServers, Layout::OnePort][usize::from(first & 3)];
        let mut plan = Plan::new(layout, if layout != Layout::OneArm && first & 4 != 0 { 1_400 } else { 1_500 });
        plan.counts_sip = first & 0x20 != 0;
        let mut intent = plan.intent();
        // Small tables fill up.
        (intent.limits.flows_per_worker, intent.limits.fragments_per_worker) = (64, 16);
        let mut rig = Rig::new(Memory::default(), intent, 1 + usize::from(first >> 3 & 3));
        if plan.counts_sip {
            rig.count_sip();
        }
        let mut play = Play { reader, plan, lab: Lab { rig, layout } };
        play.publish();
        play
    }

    /// Plays the script; then everything is idle until nothing can be remembered any more.
    pub fn until_its_end(mut self) {
        while !self.reader.0.is_empty() {
            match self.reader.byte() {
                0..160 => self.frame(),
                160..176 => self.frame_of_any_bytes(),
                176..200 => self.change(),
                200..216 => self.neighbour(),
                216..224 => self.clear(),
                224..240 => self.lab.rig.now += Duration::from_millis(u64::from(self.reader.word())),
                _ => self.lab.rig.now += Duration::from_secs(u64::from(self.reader.byte())),
            }
            self.lab.rig.settle();
            self.lab.rig.events.clear();
        }
        self.lab.rig.wait(Duration::from_secs(12));
        for _ in 0..40 {
            self.lab.rig.now += Duration::from_secs(200);
            let now = self.lab.rig.now;
            for worker in &mut self.lab.rig.workers {
                worker.turn(now);
            }
        }
        self.lab.rig.settle();
        let counters = self.lab.rig.counters();
        assert_eq!(
            (counters.flows, counters.held, counters.imbalance()),
            (0, 0, 0),
            "tables drain: {:?}",
            self.lab.rig.counted()
        );
    }

    fn far(&mut self, src: Ipv4Addr) -> Far {
        match src.octets() {
            [10, 20, 0, last] if last != 1 && last < 100 => Far::Server(last),
            _ => ROUTER,
        }
    }

    /// A frame of a kind that happens here, perhaps in pieces, perhaps damaged.
    fn frame(&mut self) {
        let build = self.packet(true);
        let how = self.reader.byte();
        let whole = build.bytes();
        let src = Ipv4Addr::new(whole[26], whole[27], whole[28], whole[29]);
        let far = self.far(src);
        let (port, dressed) = (self.lab.port(far), self.lab.dress(far, &build));
        let divisible = whole.len() > 60 && whole[12..14] == [8, 0];
        let mut frames = match how & 7 {
            _ if !divisible => vec![dressed.bytes()],
            1 => dressed.fragments(8 * (1 + usize::from(how >> 3))),
            2 => dressed.fragments(1_376),
            _ if whole.len() > 1_514 => dressed.fragments(1_480),
            _ => vec![dressed.bytes()],
        };
        let order = self.reader.byte();
        if frames.len() > 1 {
            let by = usize::from(order) % frames.len();
            frames.rotate_left(by);
            // Some are missing, some come twice.
            if order & 0x40 != 0 {
                frames.pop();
            }
            if order & 0x80 != 0 {
                frames.push(frames[0].clone());
            }
        }
        let damage: Vec<(usize, u8)> =
            (0..how >> 6).map(|_| (usize::from(self.reader.byte()), self.reader.byte())).collect();
        for frame in &mut frames {
            for (at, value) in &damage {
                let at = at % frame.len();
                frame[at] ^= value;
            }
            if how & 0x20 == 0 && !damage.is_empty() {
                mend(frame);
            }
            self.inject(port, frame);
        }
    }

    fn frame_of_any_bytes(&mut self) {
        let length = usize::from(self.reader.byte());
        let frame: Vec<u8> = (0..length).map(|_| self.reader.byte()).collect();
        let port = PortId(self.reader.byte() % self.lab.rig.intent.ports.len() as u8);
        self.inject(port, &frame);
    }

    /// A wrong transport checksum is the receiver's to find: what comes of it would be taken for our fault.
    fn inject(&mut self, port: PortId, frame: &[u8]) {
        let fault = Packet::parse(frame).is_ok() && check::whole(frame).is_err();
        if !frame.is_empty() && !fault {
            self.lab.rig.ports.inject(port, frame);
        }
    }

    fn packet(&mut self, outermost: bool) -> Build {
        let (kind, src, dst) = (self.reader.byte(), self.reader.endpoint(), self.reader.endpoint());
        let build = match kind & 15 {
            0..4 => Build::udp(src, dst),
            4..8 => {
                let flags = Flags(self.reader.byte());
                Build::tcp(src, dst, flags, u32::from(self.reader.word()), u32::from(self.reader.word()))
            }
            8 => Build::echo_request(src.addr, dst.addr, src.port, 1),
            9 => Build::echo_reply(src.addr, dst.addr, dst.port, 1),
            10..13 if outermost => {
                let code = self.reader.pick(&[3, 4, 0, 1, 13]);
                let kind = self.reader.pick(&[3, 11, 12, 5, 4]);
                Build::icmp_error(src.addr, dst.addr, kind, code, &self.packet(false))
                    .rest(u32::from(self.reader.word()))
            }
            13 => return Build::arp_request(MAC_A, src.addr, dst.addr),
            14 => return Build::arp_reply(MAC_B, src.addr, MAC_INNER, dst.addr),
            _ => Build::other(src.addr, dst.addr, self.reader.byte()),
        };
        let rest = self.reader.byte();
        let build = build.id(u16::from(rest)).ttl([64, 64, 64, 1][usize::from(rest & 3)]);
        let build = if rest & 4 != 0 { build.df() } else { build };
        let build = if rest & 0x38 == 0x38 { build.ip_options(&[7, 7, 4, 0, 0, 0, 0]) } else { build };
        if matches!(kind & 15, 10..13) && outermost {
            return build;
        }
        let length = LENGTHS[usize::from(kind >> 4 & 7)];
        build.payload(&vec![kind; length])
    }

    /// Management changes something: who is active, who is excluded, which pairs there are.
    fn change(&mut self) {
        let (what, how) = (self.reader.byte(), self.reader.byte());
        let pair = usize::from(how & 1);
        match what & 7 {
            0..3 => {
                let to = [None, Some(pair * 2), Some(pair * 2 + 1)][usize::from(how >> 1) % 3];
                self.plan.switch_over(pair, to, how & 0x80 != 0);
            }
            3 => self
                .plan
                .excluded
                .push(format!("172.16.{}.0/{}", how & 15, 16 + (how >> 4)).parse::<ipnet::Ipv4Net>().unwrap().trunc()),
            4 => drop(self.plan.excluded.pop()),
            5 => {
                let states = [State::Up, State::Down, State::Drained, State::Offline, State::Unknown];
                self.plan.members[usize::from(how & 3)].state = states[usize::from(how >> 2) % 5];
            }
            6 => (self.plan.second, self.plan.second_first) = (how & 1 == 0, how & 2 == 0),
            _ => (self.plan.swapped, self.plan.detour) = ([how & 1 == 0, how & 2 == 0], how & 4 == 0),
        }
        self.publish();
    }

    fn publish(&mut self) {
        let rig = &mut self.lab.rig;
        let limits = rig.intent.limits;
        rig.intent = self.plan.intent();
        rig.intent.limits = limits;
        rig.health = self.plan.health();
        rig.adjacency = neighbours(&rig.intent);
        rig.publish();
    }

    /// A neighbour is lost, fails or is given up.
    fn neighbour(&mut self) {
        let (which, how) = (usize::from(self.reader.byte()), self.reader.byte());
        let rig = &mut self.lab.rig;
        let Some(hop) = rig.adjacency.keys().nth(which % rig.adjacency.len().max(1)).copied() else { return };
        match how & 3 {
            0 => drop(rig.adjacency.remove(&hop)),
            1 => drop(rig.adjacency.insert(hop, Neighbour::Failed)),
            2 => return drop(rig.command(|| Command::GiveUp(hop))),
            _ => rig.adjacency = neighbours(&rig.intent),
        }
        rig.publish();
    }

    fn clear(&mut self) {
        self.lab.rig.command(|| Command::ClearFlows { query: 1, filter: Default::default() });
    }
}
