//! What happens by chance, but for connections: datagrams, pings, and ICMP errors about them.

use crate::packet::{Packet, Way, What};
use crate::run::Run;
use crate::send::Fragmented;
use fairlead::time::Duration;
use fairlead::wire::{Endpoint, Protocol};
use std::net::Ipv4Addr;
use testbench::lab::*;
use testbench::plan::{Who, host, own, pair, vip};
use testbench::rig::*;

/// The address of a router somewhere outside.
const SOMEWHERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

impl Run {
    /// One step of the run.
    pub fn step(&mut self) {
        match self.dice.roll(100) {
            0..12 => self.client_sends(),
            12..15 => self.answer_comes(),
            15..25 => self.member_sends(),
            25..30 => self.member_calls_a_pair(),
            30..36 => self.member_asks(),
            36..41 => self.visitor_comes(),
            41..45 => self.excluded(),
            45..48 => self.stranger_sends(),
            48..52 => self.service_fails(),
            52..56 => self.flow_fails(),
            56..58 => self.ping_the_address(),
            58..59 => self.misrouted(),
            59..76 => self.advance_dialog(),
            76..99 => self.send_next_fragment(),
            _ => self.lab.rig.now += Duration::from_micros(u64::from(self.dice.roll(50_000))),
        }
    }

    pub fn remote(&mut self) -> Endpoint {
        let net = self.dice.pick(&[0xac10_0500, 0xac10_0900]);
        let address = Ipv4Addr::from(net | self.dice.roll(80));
        Endpoint::new(address, self.dice.pick(&[5060, 5061, 40_001]))
    }

    /// A member that is in the file.
    pub fn who(&mut self) -> Who {
        self.dice.pick(&self.model.plan.everyone())
    }

    pub fn some_vip(&mut self) -> Ipv4Addr {
        vip(pair(self.who()))
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let start = self.dice.roll(1 << 16) as usize;
        (0..length).map(|at| ((start + at * 31) ^ (at >> 7)) as u8).collect()
    }

    /// What fits on the link of whoever sends it.
    pub fn payload(&mut self, from: Far) -> Vec<u8> {
        let most = if from == ROUTER { 1_460 } else { usize::from(self.model.plan.servers_mtu) - 40 };
        let length = self.dice.pick(&[0, 1, 4, 18, 300, 1_200, 1_345, most]).min(most);
        self.bytes(length)
    }

    /// Sends a packet as it may be sent: whole, or in pieces, over a while.
    pub fn submit(&mut self, mut packet: Packet) {
        packet.id = self.identification();
        packet.tos = self.dice.pick(&[0, 24 << 2, 46 << 2 | 1]);
        if self.model.plan.served_at(packet.way.dst.addr).is_some() && matches!(packet.what, What::EchoRequest) {
            // What we say ourselves does not speak for the network's congestion (RFC 3168).
            packet.tos &= 0xfc;
        }
        if packet.protocol() == Protocol::Udp && self.dice.once_in(10) {
            packet.checksummed = false;
        }
        if self.dice.once_in(4) && self.fragmented.len() < 40 {
            let (mut length, mut size) = self.in_pieces(packet.from);
            if packet.sip.is_some() {
                // Known limit: of a message in pieces the first is read.
                (length, size) = (length.max(600), size.max(552));
            }
            packet.payload = self.bytes(length);
            packet.begins_with_sip();
            let datagram = self.fragment(packet, size, true);
            return self.fragmented.push(datagram);
        }
        packet.payload = self.payload(packet.from);
        packet.begins_with_sip();
        // What an answer that is refused on its way would have met is not seen.
        let is_answer = packet.sip.is_some_and(|sip| !sip.asks());
        packet.df = self.dice.once_in(3) && !is_answer;
        if self.dice.once_in(60) && !is_answer {
            packet.ttl = 1;
        }
        self.send(&packet);
    }

    pub fn identification(&mut self) -> u16 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// The length of a payload, and the size of its pieces.
    pub fn in_pieces(&mut self, from: Far) -> (usize, usize) {
        let most = if from == ROUTER { 1_480 } else { usize::from(self.model.plan.servers_mtu) - 20 } / 8 * 8;
        let size = self.dice.pick(&[64, 552, most, most]).min(most);
        let length = match self.dice.roll(200) {
            0 if size == most => 65_507,
            1..20 if size == most => 9_000,
            _ => size + self.dice.roll(3 * size as u32) as usize,
        };
        (length, size)
    }

    /// The next piece of a datagram that is under way.
    fn send_next_fragment(&mut self) {
        if self.fragmented.is_empty() {
            return self.client_sends();
        }
        let at = self.dice.roll(self.fragmented.len() as u32) as usize;
        let mut datagram = self.fragmented.swap_remove(at);
        self.send_fragment(&mut datagram);
        self.keep(datagram);
    }

    /// Keeps what is not complete yet.
    fn keep(&mut self, datagram: Fragmented) {
        match (datagram.unsent.is_empty(), datagram.held.iter().any(|held| *held)) {
            (false, _) => self.fragmented.push(datagram),
            (true, true) => self.incomplete.push(datagram),
            (true, false) => {}
        }
    }

    pub fn client_sends(&mut self) {
        let way = Way::new(self.remote(), Endpoint::new(self.some_vip(), 5060));
        let sip = self.peer_says();
        self.submit(Packet { sip, ..Packet::new(ROUTER, What::Datagram, way) });
    }

    fn member_sends(&mut self) {
        let (who, remote) = (self.who(), self.remote());
        let packet = self.said_by(who, remote);
        self.submit(packet);
    }

    /// A member calls the virtual address of its own pair or of the other one, from the service port or another.
    fn member_calls_a_pair(&mut self) {
        let (who, called) = (self.who(), Endpoint::new(self.some_vip(), 5060));
        let port = self.dice.pick(&[5060, 33_000, 33_001, 33_002]);
        if port == 5060 {
            let packet = self.said_by(who, called);
            return self.submit(packet);
        }
        self.submit(Packet::new(host(who), What::Datagram, Way::new(Endpoint::new(own(who), port), called)));
    }

    /// A member sends a datagram or a ping outward, or one that was asked before answers.
    fn member_asks(&mut self) {
        if self.dice.once_in(2) {
            return self.asked_answers();
        }
        let (who, number) = (self.who(), 33_000 + self.dice.roll(12) as u16);
        let (source, remote) = (Endpoint::new(own(who), number), self.remote().addr);
        match self.dice.roll(3) {
            0 => self.submit(Packet::new(host(who), What::EchoRequest, Way::new(source, Endpoint::new(remote, 0)))),
            _ => self.submit(Packet::new(host(who), What::Datagram, Way::new(source, Endpoint::new(remote, 162)))),
        }
    }

    /// A host that a member asked, outside or behind a virtual address, answers.
    fn asked_answers(&mut self) {
        let number = self.dice.roll(1 << 30) as usize;
        let Some(flow) = self.model.flows.pick(number) else { return };
        let (protocol, answer) = (flow.protocol, flow.arrives[0]);
        if flow.member.is_none() || protocol == Protocol::Tcp {
            return;
        }
        let what = if protocol == Protocol::Icmp { What::EchoReply } else { What::Datagram };
        match self.model.plan.served_at(answer.src.addr) {
            None => self.submit(Packet::new(ROUTER, what, answer)),
            Some(called) => {
                let who = self.dice.pick(&self.model.plan.members_of(called));
                let way = Way::new(Endpoint::new(own(who), answer.src.port), answer.dst);
                self.submit(Packet::new(host(who), what, way));
            }
        }
    }

    /// A visitor sends to a member's own address, or the member answers, or speaks first.
    fn visitor_comes(&mut self) {
        let (who, remote) = (self.who(), self.remote().addr);
        let port = self.dice.pick(&[161, 7000, 5060]);
        // Known limit: a visitor of two service ports from one port is answered as if it had visited the last one only.
        let from = 50_000 + if port == 5060 { who as u16 } else { self.dice.roll(2) as u16 };
        let way = Way::new(Endpoint::new(remote, from), Endpoint::new(own(who), port));
        let ping = Way::new(Endpoint::new(remote, 77), Endpoint::new(own(who), 0));
        match self.dice.roll(6) {
            0 => self.submit(Packet::new(ROUTER, What::EchoRequest, ping)),
            1 => self.submit(Packet::new(host(who), What::EchoReply, ping.back())),
            2..4 => self.submit(Packet::new(ROUTER, What::Datagram, way)),
            _ => self.submit(Packet::new(host(who), What::Datagram, way.back())),
        }
    }

    /// The exclusion group sees the members' own addresses, but what it asks the virtual address is answered by that.
    fn excluded(&mut self) {
        let (who, config) = (self.who(), addr(CONFIG));
        let service = Endpoint::new(config, self.dice.pick(&[5060, 5070]));
        let source = |port| Endpoint::new(own(who), port);
        let (from, what, way) = match self.dice.roll(6) {
            0 => (ROUTER, What::Datagram, Way::new(service, Endpoint::new(vip(pair(who)), 5060))),
            1 => (host(who), What::Datagram, Way::new(source(5060), service)),
            2 => (host(who), What::Datagram, Way::new(source(40_300), Endpoint::new(config, 514))),
            3 => (ROUTER, What::Datagram, Way::new(Endpoint::new(config, 514), source(40_300))),
            4 => (host(who), What::EchoRequest, Way::new(source(9), Endpoint::new(config, 0))),
            _ => (ROUTER, What::EchoReply, Way::new(Endpoint::new(config, 0), source(9))),
        };
        self.submit(Packet::new(from, what, way));
    }

    /// An uninvited host sends to a port that is no service.
    fn stranger_sends(&mut self) {
        let stranger = Endpoint::new(Ipv4Addr::from(0xcb00_7100 | self.dice.roll(250)), 162);
        let number = self.dice.pick(&[33_000, 41_000]) + self.dice.roll(14) as u16;
        let way = Way::new(stranger, Endpoint::new(self.some_vip(), number));
        let nameless = Way::new(Endpoint::new(stranger.addr, 0), way.dst);
        let packet = match self.dice.roll(4) {
            0 => Packet::datagram(ROUTER, way, vec![1; 30]),
            1 => Packet::segment(ROUTER, way, SYN, 5, 0),
            2 => Packet::segment(ROUTER, way, ACK, 5, 9),
            _ => Packet::new(ROUTER, What::EchoReply, nameless),
        };
        self.send(&packet);
    }

    /// An error about a datagram of a service port: from the member that received it, or from outside.
    fn service_fails(&mut self) {
        let (who, remote) = (self.who(), self.remote());
        let to_member = Way::new(remote, Endpoint::new(own(who), 5060));
        let payload = self.payload(host(who));
        let (service, packet) = (Endpoint::new(vip(pair(who)), 5060), |from, way| Packet::datagram(from, way, payload));
        let error = match self.dice.roll(3) {
            0 => {
                let called = Way::new(Endpoint::new(self.some_vip(), 5060), to_member.dst);
                Packet::error(host(who), own(who), (3, 3), packet(host(who), called))
            }
            1 => Packet::error(host(who), own(who), (3, 3), packet(host(who), to_member)),
            _ => {
                let about = Packet { ttl: 60, df: true, ..packet(ROUTER, Way::new(service, remote)) };
                Packet::error(ROUTER, SOMEWHERE, self.dice.pick(&[(3, 4), (3, 3), (11, 0)]), about)
            }
        };
        self.send(&error);
    }

    /// An error about a known flow, or about none.
    fn flow_fails(&mut self) {
        if self.dice.once_in(4) {
            let stranger = Endpoint::new(Ipv4Addr::from(0xcb00_7100 | self.dice.roll(250)), 80);
            let way = Way::new(Endpoint::new(self.some_vip(), 41_000 + self.dice.roll(12) as u16), stranger);
            let what = self.dice.pick(&[0, 1]);
            let about =
                if what == 0 { Packet::datagram(ROUTER, way, vec![]) } else { Packet::segment(ROUTER, way, SYN, 3, 0) };
            self.send(&Packet::error(ROUTER, SOMEWHERE, (3, 4), about));
            return;
        }
        let (number, side) = (self.dice.roll(1 << 30) as usize, self.dice.roll(2) as usize);
        let Some(flow) = self.model.flows.pick(number) else { return };
        if flow.state != crate::flow::State::Open {
            return;
        }
        let (received, protocol, asks) = (flow.leaves(side), flow.protocol, side == usize::from(flow.member.is_some()));
        let what = match protocol {
            Protocol::Udp => What::Datagram,
            Protocol::Tcp => What::Segment { flags: ACK, seq: 5, ack: 6 },
            Protocol::Icmp if asks => What::EchoRequest,
            Protocol::Icmp | Protocol::Other(_) => return,
        };
        let plan = &self.model.plan;
        let known = |end: Endpoint| plan.who_is(end.addr).is_some() || plan.served_at(end.addr).is_some();
        if !known(received.src) && !known(received.dst) {
            // Its pair is not in the file.
            return;
        }
        // Between two members only the members send errors.
        let error = match (plan.who_is(received.dst.addr), plan.served_at(received.dst.addr)) {
            (_, Some(_)) => return,
            (Some(who), _) => Packet::error(host(who), own(who), (3, 3), Packet::new(host(who), what, received)),
            (None, _) => {
                Packet::error(ROUTER, SOMEWHERE, (3, 4), Packet { ttl: 60, ..Packet::new(ROUTER, what, received) })
            }
        };
        self.send(&error);
    }

    fn ping_the_address(&mut self) {
        let (who, remote, vip) = (self.who(), self.remote().addr, Endpoint::new(self.some_vip(), 0));
        let (from, pinger) = if self.dice.once_in(2) { (ROUTER, remote) } else { (host(who), own(who)) };
        self.submit(Packet::new(from, What::EchoRequest, Way::new(Endpoint::new(pinger, 600), vip)));
    }

    /// A member's packet to the other member of its pair comes here by mistake.
    fn misrouted(&mut self) {
        let who = self.who();
        let others: Vec<Who> =
            self.model.plan.members_of(pair(who)).into_iter().filter(|other| *other != who).collect();
        let other = self.dice.pick(&others);
        let way = Way::new(Endpoint::new(own(who), 40_000), Endpoint::new(own(other), 7777));
        let packet = Packet::datagram(host(who), way, vec![7; 40]);
        self.send(&packet);
    }
}
