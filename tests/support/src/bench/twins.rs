//! Two appliances of a pair on the same links, in one thread: both hear what the other one, the router and the members send.
//!
//! Owns the time, the links, and where neighbours believe the floating addresses: at the MAC that ARP named last. Frames to that MAC reach
//! whoever has it; what is sent to everybody reaches all.

use super::host::Host;
use super::{Appliance, File, INNER, OURS, OUTER, Seen, Wire};
use fairlead::admin::{Data, Request};
use fairlead::control::{Input, PairNews};
use fairlead::policy::intent::PortId;
use fairlead::time::{Duration, Instant};
use fairlead::wire::arp::{Arp, Operation};
use fairlead::wire::build::Build;
use fairlead::wire::{Kind, Mac, Packet, check};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The MACs of both, by appliance and port.
pub const MACS: [[Mac; 2]; 2] = [OURS, [Mac([2, 0xfe, 0, 0, 1, 1]), Mac([2, 0xfe, 0, 0, 1, 2])]];
const ROUTER_MAC: Mac = Mac([2, 0, 0, 0, 2, 1]);

/// The two, and their surroundings.
pub struct Twins {
    pub leads: [Appliance; 2],
    pub members: Vec<Host>,
    /// Frames that an appliance has sent, with which one it was.
    pub seen: Vec<(usize, Seen)>,
    /// Where the router and the members believe floating addresses.
    pub learnt: BTreeMap<Ipv4Addr, Mac>,
    /// What they tell each other by, if they do.
    pub wire: Option<Wire>,
    now: Instant,
}

impl Twins {
    /// Of a file each; links are up. Members know both as who probes.
    pub fn new(files: [&File; 2], gateways: [&str; 2], workers: usize, seed: u64) -> Twins {
        let lead = |at: usize| Appliance::start_as(MACS[at], files[at], workers, seed ^ at as u64, Instant::ZERO);
        let mut members = vec![Host::new(11), Host::new(12)];
        for member in &mut members {
            (member.gateway, member.other_gateway) = (gateways[0].parse().unwrap(), gateways[1].parse().ok());
        }
        members[0].serve();
        let (leads, seen, learnt) = ([lead(0), lead(1)], Vec::new(), BTreeMap::new());
        let mut twins = Twins { leads, members, seen, learnt, wire: None, now: Instant::ZERO };
        for lead in &mut twins.leads {
            [OUTER, INNER].into_iter().for_each(|port| lead.handle(Input::Link { port, up: true }, Instant::ZERO));
        }
        twins
    }

    /// They tell each other what they know from now on.
    pub fn connect(&mut self) {
        self.wire = Some(Wire::between(&mut self.leads, self.now));
    }

    /// It is `now` from here on, as another clock says.
    pub fn turn_at(&mut self, now: Instant) {
        self.turn(now.since(self.now));
    }

    /// An operator asks one of them, and waits for the answer.
    pub fn ask(&mut self, lead: usize, request: Request) -> Result<Data, String> {
        let request_id = self.leads[lead].ask(request, self.now);
        let end = self.now + Duration::from_secs(30);
        while self.now < end {
            if let Some(answer) = self.leads[lead].answer(request_id) {
                return answer.map(|reply| reply.data).map_err(|error| error.message);
            }
            self.turn(Duration::from_millis(1));
        }
        panic!("an operator was left without an answer for thirty seconds");
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    /// One of them hears this.
    pub fn tell(&mut self, lead: usize, news: PairNews) {
        self.leads[lead].handle(Input::Pair(news), self.now);
    }

    /// Lets time pass, a millisecond at a time.
    pub fn run(&mut self, span: Duration) {
        self.pass(span, Duration::from_millis(1));
    }

    /// Lets much time pass, in larger jumps.
    pub fn rest(&mut self, span: Duration) {
        self.pass(span, Duration::from_millis(20));
    }

    fn pass(&mut self, span: Duration, step: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.turn(step);
        }
    }

    fn turn(&mut self, step: Duration) {
        self.now += step;
        for lead in 0..2 {
            self.leads[lead].turn(self.now);
            [OUTER, INNER].into_iter().for_each(|port| self.carry(lead, port));
        }
        if let Some(wire) = &mut self.wire {
            wire.turn(&mut self.leads, self.now);
        }
    }

    /// A neighbour sends a packet to wherever it believes `next_hop`, or to everybody.
    pub fn send(&mut self, port: PortId, next_hop: Ipv4Addr, sent: &Build) {
        let from = if port == OUTER { ROUTER_MAC } else { self.members[0].mac };
        let to = self.learnt.get(&next_hop).copied().unwrap_or(Mac([2, 0, 0, 0, 0xde, 0xad]));
        self.put(port, None, &sent.clone().macs(from, to).bytes());
    }

    /// What has left since the last look, but for ARP and what they say from their own addresses.
    pub fn look(&mut self) -> Vec<(usize, Seen)> {
        let mut seen = std::mem::take(&mut self.seen);
        let own = |address: Ipv4Addr| matches!(address.octets(), [10, 20, 0, 1..=3] | [192, 0, 2, 2 | 3 | 10]);
        seen.retain(|(_, seen)| !seen.is_arp() && !own(seen.headers().src()));
        seen
    }

    /// Both end, and nothing is left.
    pub fn shut_down(&mut self) {
        let now = self.now;
        self.leads.iter_mut().for_each(|lead| lead.handle(Input::Stop, now));
        let end = now + Duration::from_secs(2);
        while !self.leads.iter().all(Appliance::has_stopped) {
            assert!(self.now < end, "they do not stop");
            self.turn(Duration::from_millis(1));
        }
        self.leads.iter_mut().for_each(Appliance::assert_nothing_is_left);
    }

    fn carry(&mut self, lead: usize, port: PortId) {
        for frame in self.leads[lead].wire(port).collect() {
            if let Err(fault) = check::whole(&frame) {
                panic!("a frame left that is not right: {fault}\n{frame:02x?}");
            }
            self.seen.push((lead, Seen { at: self.now, port, frame: frame.clone() }));
            self.put(port, Some(lead), &frame);
        }
    }

    /// A frame on a link: it reaches everybody else there whom it is for.
    fn put(&mut self, port: PortId, from: Option<usize>, frame: &[u8]) {
        let headers = Packet::parse(frame).expect("it can be read");
        for at in (0..2).filter(|at| Some(*at) != from) {
            if headers.dst_mac().is_group() || headers.dst_mac() == MACS[at][port.index()] {
                assert!(self.leads[at].wire(port).inject(frame), "the buffers of the bench are spent");
            }
        }
        if from.is_none() {
            return;
        }
        if let Kind::Arp(arp) = headers.kind {
            self.learnt.insert(arp.sender, arp.sender_mac);
        }
        let answers: Vec<Vec<u8>> = match port {
            OUTER => router_answers(&headers).into_iter().collect(),
            _ => self.members.iter_mut().flat_map(|member| member.hear(frame)).collect(),
        };
        answers.iter().for_each(|answer| self.put(port, None, answer));
    }
}

fn router_answers(headers: &Packet) -> Option<Vec<u8>> {
    match headers.kind {
        Kind::Arp(Arp { operation: Operation::Request, sender, sender_mac, target, .. })
            if target.octets() == [192, 0, 2, 1] =>
        {
            let reply = Build::arp_reply(ROUTER_MAC, target, sender_mac, sender);
            Some(reply.macs(ROUTER_MAC, sender_mac).bytes())
        }
        _ => None,
    }
}
