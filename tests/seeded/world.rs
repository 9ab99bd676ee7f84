//! Random traffic from a seed, each frame sent through the appliance and through the model.

use crate::lab::*;
use crate::model::{Connection, Model, Source, Who, host};
use crate::rig::*;
use fairlead::engine::{DropReason, Notice};
use fairlead::policy::intent::Unmatched;
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::wire::{Endpoint, Headers, Protocol};
use std::net::Ipv4Addr;

/// Numbers from a seed (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `sides`.
    pub fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % u64::from(sides)) as u32
    }
}

/// The appliance, the model, and what decides what happens next.
pub struct World {
    pub lab: Lab,
    pub model: Model,
    pub dice: Dice,
    pub packets: u64,
}

impl World {
    pub fn new(seed: u64, workers: usize) -> World {
        let mut intent = two_arm();
        intent.limits.rejects_per_second = 1_000_000;
        intent.limits.icmp_errors_per_second = 1_000_000;
        intent.virtual_servers[0].unmatched = Unmatched::RejectNow;
        let lab = Lab { rig: Rig::new(Memory::default(), intent, workers), layout: Layout::TwoArm };
        World { lab, model: Model::new(), dice: Dice::new(seed), packets: 0 }
    }

    /// One thing happens.
    pub fn step(&mut self) {
        match self.dice.roll(100) {
            0..30 => self.client_sends(),
            30..50 => self.member_sends(),
            50..65 => self.client_talks(),
            65..72 => self.member_talks(),
            72..82 => self.member_asks(),
            82..87 => self.stranger_sends(),
            87..92 => self.visitor_comes(),
            92..95 => self.excluded(),
            95..97 => self.port_is_closed(),
            97..99 => self.path_is_narrow(),
            _ => self.lab.rig.now += Duration::from_micros(u64::from(self.dice.roll(1_000))),
        }
    }

    fn remote(&mut self) -> Endpoint {
        let address = Ipv4Addr::from(0xac10_0500 | self.dice.roll(200));
        Endpoint::new(address, [5060, 5061, 40_001][self.dice.roll(3) as usize])
    }

    fn who(&mut self) -> Who {
        self.dice.roll(2) as Who
    }

    fn payload(&mut self) -> Vec<u8> {
        let length = [0, 1, 4, 18, 300, 1400][self.dice.roll(6) as usize];
        (0..length).map(|_| self.dice.roll(256) as u8).collect()
    }

    fn forwards(&mut self, notices: &[Notice], from: Far, sent: Build, to: Far, expected: Build) {
        self.packets += 1;
        self.lab.forwards_noting(notices, from, sent, to, expected);
    }

    /// What `from` sends dies; nothing reaches anybody but, perhaps, a refusal its sender.
    fn dies(&mut self, from: Far, sent: Build, reasons: &[DropReason]) {
        self.packets += 1;
        let (out, moved) = self.lab.send(from, &sent);
        assert!(moved.dropped.len() == 1 && reasons.contains(&moved.dropped[0]), "{sent:?}: {moved:?}");
        assert!(
            out.len() <= 1 && out.iter().all(|(port, _)| *port == self.lab.port(from)),
            "{sent:?} reached somebody"
        );
    }

    fn client_sends(&mut self) {
        let (remote, payload) = (self.remote(), self.payload());
        let datagram = |dst| Build::udp(remote, at(dst, 5060)).payload(&payload);
        match self.model.receiver(remote) {
            Some((who, spoke)) => {
                let notices: &[_] = if spoke { &[Notice::SpeakerAnswered] } else { &[] };
                self.forwards(notices, ROUTER, datagram(V), host(who), datagram(host(who).ip()));
            }
            None => {
                let told = Build::icmp_error(V, remote.addr, 3, 3, &datagram(V));
                self.packets += 1;
                self.lab.refuses(ROUTER, datagram(V), DropReason::NoActiveMember, told);
            }
        }
    }

    fn member_sends(&mut self) {
        let (who, remote, payload) = (self.who(), self.remote(), self.payload());
        let datagram = |src| Build::udp(at(src, 5060), remote).payload(&payload);
        let notices: &[_] = if self.model.active == Some(who) { &[] } else { &[Notice::StandbySpoke] };
        self.forwards(notices, host(who), datagram(host(who).ip()), ROUTER, datagram(V));
        self.model.speaks(who, remote);
    }

    /// A client opens, uses or ends a connection with a service.
    fn client_talks(&mut self) {
        let client = Endpoint::new(self.remote().addr, 40_000 + self.dice.roll(3) as u16);
        let port = 5060 + self.dice.roll(2) as u16;
        match self.model.served.get(&(client, port)).copied() {
            Some(mut one) if !one.lost && !one.ended => {
                self.goes_on(&mut one);
                self.model.served.insert((client, port), one);
            }
            Some(one) if one.lost && self.dice.roll(3) > 0 => self.heard_of_loss(&one),
            _ => self.client_opens(client, port),
        }
    }

    fn client_opens(&mut self, client: Endpoint, port: u16) {
        let isn = self.isns();
        let syn = |dst| Build::tcp(client, at(dst, port), SYN, isn[0], 0);
        let Some(who) = self.model.active else {
            return self.dies(ROUTER, syn(V), &[DropReason::NoActiveMember]);
        };
        let one = Connection::open(who, client, (port, port), isn.map(|isn| isn.wrapping_add(1)));
        self.forwards(&[], ROUTER, syn(V), host(who), syn(host(who).ip()));
        self.segment(&one, 1, SYN_ACK, isn[1], &[]);
        self.segment(&one, 0, ACK, one.sent[0], &[]);
        self.model.served.insert((client, port), one);
    }

    fn isns(&mut self) -> [u32; 2] {
        [0, 1].map(|_| self.dice.roll(1 << 16) << 16 | self.dice.roll(1 << 16))
    }

    /// One segment of a connection that stands, from side 0 (outside) or 1 (the member), to the other side.
    fn segment(&mut self, one: &Connection, side: usize, flags: fairlead::wire::tcp::Flags, seq: u32, data: &[u8]) {
        let (own, worn) = (at(host(one.member).ip(), one.ports.0), at(V, one.ports.1));
        let ack = one.acknowledged[side];
        let from_outside = |dst| Build::tcp(one.outside, dst, flags, seq, ack).payload(data);
        let from_member = |src| Build::tcp(src, one.outside, flags, seq, ack).payload(data);
        match side {
            0 => self.forwards(&[], ROUTER, from_outside(worn), host(one.member), from_outside(own)),
            _ => self.forwards(&[], host(one.member), from_member(own), ROUTER, from_member(worn)),
        }
    }

    /// A side of the connection says something, acknowledges, or both say goodbye.
    fn goes_on(&mut self, one: &mut Connection) {
        let side = self.dice.roll(2) as usize;
        match self.dice.roll(20) {
            0 => {
                for (side, flags, length) in [(side, FIN_ACK, 1), (1 - side, FIN_ACK, 1), (side, ACK, 0)] {
                    one.acknowledged[side] = one.sent[1 - side];
                    self.segment(one, side, flags, one.sent[side], &[]);
                    one.sent[side] = one.sent[side].wrapping_add(length);
                }
                one.ended = true;
            }
            1..8 => {
                one.acknowledged[side] = one.sent[1 - side];
                self.segment(one, side, ACK, one.sent[side], &[]);
            }
            _ => {
                let data = self.payload();
                self.segment(one, side, DATA, one.sent[side], &data);
                one.sent[side] = one.sent[side].wrapping_add(data.len() as u32);
            }
        }
    }

    /// A segment of a connection that was reset gets another reset, with the number its sender waits for.
    fn heard_of_loss(&mut self, one: &Connection) {
        let (own, worn) = (at(host(one.member).ip(), one.ports.0), at(V, one.ports.1));
        let side = self.dice.roll(2) as usize;
        let (from, src, dst) =
            if side == 0 { (ROUTER, one.outside, worn) } else { (host(one.member), own, one.outside) };
        let (out, moved) = self.lab.send(from, &Build::tcp(src, dst, ACK, one.sent[side], one.acknowledged[side]));
        self.packets += 1;
        assert_eq!(
            (out.len(), moved.dropped.as_slice()),
            (1, &[DropReason::MemberLost][..]),
            "side {side} {moved:?} {one:?}"
        );
        self.lab.expect_reset(&out[0], from, dst, src, one.acknowledged[side]);
    }

    /// A member opens, uses or ends a connection outward.
    fn member_talks(&mut self) {
        let (who, port) = (self.who(), 41_000 + self.dice.roll(12) as u16);
        let peer = Endpoint::new(self.remote().addr, 5060);
        let source: Source = (Protocol::Tcp, who, port);
        match self.model.opened.get(&(source, peer)).copied() {
            Some(mut one) if !one.lost && !one.ended => {
                self.goes_on(&mut one);
                self.model.opened.insert((source, peer), one);
            }
            Some(one) if one.lost => self.heard_of_loss(&one),
            Some(_) => {}
            None => self.member_opens(source, peer),
        }
    }

    fn member_opens(&mut self, source: Source, peer: Endpoint) {
        let (isn, (_, who, port)) = (self.isns(), source);
        let syn = |src| Build::tcp(src, peer, SYN, isn[1], 0);
        let worn = self.lab.forwards_as(host(who), syn(at(host(who).ip(), port)), ROUTER, |port| syn(at(V, port)));
        self.packets += 1;
        self.model.wears(source, worn);
        let one = Connection::open(who, peer, (port, worn), isn.map(|isn| isn.wrapping_add(1)));
        self.segment(&one, 0, SYN_ACK, isn[0], &[]);
        self.segment(&one, 1, ACK, one.sent[1], &[]);
        self.model.opened.insert((source, peer), one);
    }

    /// A member sends a datagram or a ping outward, and perhaps is answered.
    fn member_asks(&mut self) {
        let (who, number) = (self.who(), 33_000 + self.dice.roll(12) as u16);
        let echo = self.dice.roll(2) == 0;
        let remote = Endpoint::new(self.remote().addr, if echo { 0 } else { 162 });
        let own = host(who).ip();
        let asks = |src, number| match echo {
            true => Build::echo_request(addr(src), remote.addr, number, 7).payload(b"ping"),
            false => Build::udp(at(src, number), remote).payload(b"trap"),
        };
        let answers = |dst, number| match echo {
            true => Build::echo_reply(remote.addr, addr(dst), number, 7).payload(b"ping"),
            false => Build::udp(remote, at(dst, number)).payload(b"noted"),
        };
        let source = (if echo { Protocol::Icmp } else { Protocol::Udp }, who, number);
        let asked = self.model.asked.contains_key(&(source, remote));
        if asked && self.dice.roll(2) == 0 {
            let worn = self.model.worn[&source];
            return self.forwards(&[], ROUTER, answers(V, worn), host(who), answers(own, number));
        }
        let worn = self.lab.forwards_as(host(who), asks(own, number), ROUTER, |number| asks(V, number));
        self.packets += 1;
        self.model.wears(source, worn);
        self.model.asked.insert((source, remote), ());
    }

    /// Somebody nobody asked sends to a port that is no service.
    fn stranger_sends(&mut self) {
        let stranger = Endpoint::new(Ipv4Addr::from(0xcb00_7100 | self.dice.roll(250)), 162);
        let number = [33_000, 41_000][self.dice.roll(2) as usize] + self.dice.roll(14) as u16;
        let sent = match self.dice.roll(4) {
            0 => Build::udp(stranger, at(V, number)),
            1 => Build::tcp(stranger, at(V, number), SYN, 5, 0),
            2 => Build::tcp(stranger, at(V, number), ACK, 5, 9),
            _ => Build::echo_reply(stranger.addr, addr(V), number, 1),
        };
        self.dies(ROUTER, sent, &[DropReason::NotListening, DropReason::NoFlow]);
    }

    /// Somebody outside talks to a member's own address, or the member answers.
    fn visitor_comes(&mut self) {
        let (who, port, visitor) = (self.who(), 7000 + self.dice.roll(3) as u16, self.remote());
        let own = at(host(who).ip(), port);
        if self.model.visits.contains_key(&(who, port, visitor)) && self.dice.roll(2) == 0 {
            let answer = Build::udp(own, visitor).payload(b"response");
            return self.forwards(&[], host(who), answer.clone(), ROUTER, answer);
        }
        let request = Build::udp(visitor, own).payload(b"get");
        self.forwards(&[], ROUTER, request.clone(), host(who), request);
        self.model.visits.insert((who, port, visitor), ());
    }

    fn excluded(&mut self) {
        let (who, config) = (self.who(), at(CONFIG, 2020));
        let own = at(host(who).ip(), 40_200 + self.dice.roll(10) as u16);
        let flags = [SYN, DATA, ACK, FIN_ACK][self.dice.roll(4) as usize];
        let there = Build::tcp(own, config, flags, 5, 6);
        self.forwards(&[], host(who), there.clone(), ROUTER, there);
        let back = Build::tcp(config, own, ACK, 6, 5);
        self.forwards(&[], ROUTER, back.clone(), host(who), back);
    }

    /// A member says that its service port is closed.
    fn port_is_closed(&mut self) {
        let (who, remote) = (self.who(), self.remote());
        let error =
            |from, about| Build::icmp_error(from, remote.addr, 3, 3, &Build::udp(remote, at(about, 5060)).ttl(63));
        let own = host(who).ip();
        self.forwards(&[], host(who), error(addr(own), own), ROUTER, error(addr(V), V));
    }

    /// A router says that a datagram from the service port was too big.
    fn path_is_narrow(&mut self) {
        let remote = self.remote();
        let Some((who, _)) = self.model.receiver(remote) else { return };
        let quoted = |about| Build::udp(at(about, 5060), remote).ttl(60).df().payload(&[7; 900]);
        let error = |to, about| Build::icmp_error("198.51.100.7", addr(to), 3, 4, &quoted(about)).rest(1400);
        let own = host(who).ip();
        let (out, moved) = self.lab.send(ROUTER, &error(V, V));
        self.packets += 1;
        assert_eq!((moved.transmitted, moved.dropped.len()), (1, 0), "{moved:?}");
        self.lab.expect(&out, host(who), error(own, own).ttl(63));
    }

    /// Another member becomes active, or none; the one before is lost, or only demoted.
    pub fn switch_over(&mut self) {
        let (to, lost) = ([None, Some(0), Some(1)][self.dice.roll(3) as usize], self.dice.roll(2) == 0);
        if to == self.model.active {
            return;
        }
        let ending = self.model.switch_over(to, lost);
        let mut out = self.lab.rig.switch_over(to.map(|who| [MEMBER_A, MEMBER_B][who]), lost);
        loop {
            let more = self.lab.rig.settle();
            if more.is_empty() {
                break;
            }
            out.extend(more);
        }
        let mut told: Vec<_> = out.iter().map(|(port, frame)| self.told(*port, frame)).collect();
        let mut expected: Vec<_> = ending.iter().flat_map(resets_of).collect();
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "who is reset");
    }

    fn told(&self, port: fairlead::policy::intent::PortId, frame: &[u8]) -> (Endpoint, Endpoint, u32) {
        let tuple = Headers::parse(frame).unwrap().tuple().unwrap();
        let to = HOSTS.into_iter().find(|host| addr(host.ip()) == tuple.dst.addr).unwrap_or(ROUTER);
        let seq = u32::from_be_bytes(frame[38..42].try_into().unwrap());
        self.lab.expect_reset(&(port, frame.to_vec()), to, tuple.src, tuple.dst, seq);
        (tuple.src, tuple.dst, seq)
    }

    /// Everything is idle until nothing can be remembered any more.
    pub fn rest(&mut self) {
        for _ in 0..150 {
            self.lab.rig.now += Duration::from_secs(50);
            assert_eq!(self.lab.rig.settle(), [], "what is forgotten is forgotten in silence");
        }
        let tally = self.lab.rig.tally();
        assert_eq!((tally.flows, tally.held, tally.imbalance()), (0, 0, 0), "tables drain");
        self.model.forget();
    }
}

/// The resets both ends of a lost connection must get: from, to, sequence number.
fn resets_of(one: &Connection) -> Vec<(Endpoint, Endpoint, u32)> {
    let (own, worn) = (at(host(one.member).ip(), one.ports.0), at(V, one.ports.1));
    let outside = one.resets_towards(0).into_iter().map(|seq| (worn, one.outside, seq));
    outside.chain(one.resets_towards(1).into_iter().map(|seq| (one.outside, own, seq))).collect()
}
