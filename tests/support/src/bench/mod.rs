//! Everything around the appliance, and the appliance, in one thread. The clock jumps.
//!
//! [`Bench`] owns the time, the hosts, the router and what was seen on the wires. What a scenario says in its own words is in
//! [`asks`] (an operator), [`frames`] (packets in, packets out), [`steady`] (traffic that never pauses) and [`crowd`]
//! (random peers). [`Twins`] is two appliances of a pair.

mod appliance;
mod asks;
mod connection;
mod crowd;
mod file;
pub mod frames;
mod host;
mod link;
mod seen;
mod steady;
mod stream;
mod twins;

pub use crate::places::{INNER, OUTER};
pub use appliance::{Appliance, Logged, OURS};
pub use connection::Connection;
pub use file::File;
pub use frames::{Far, HOST_A, HOST_B, ROUTER};
pub use host::{Host, OK, PORT, Service, answer_to};
pub use link::Wire;
pub use seen::{Seen, assert_same};
pub use twins::Twins;

use fairlead::control::Input;
use fairlead::policy::intent::PortId;
use fairlead::time::Instant;
use fairlead::wire::arp::{Arp, Operation};
use fairlead::wire::build::Build;
use fairlead::wire::{Kind, Mac, Packet, check};
use std::time::Duration;

/// The router to everybody outside, 192.0.2.1.
pub struct Router {
    pub mac: Mac,
    /// A source other than ours or the VIP is a fault.
    pub strict: bool,
}

/// The appliance and its surroundings.
pub struct Bench {
    pub lead: Appliance,
    pub members: Vec<Host>,
    pub router: Router,
    /// Of the frames between the appliance and the members, how many of a hundred are lost.
    pub loss_percent: u64,
    /// What left the appliance since the last look, oldest first.
    pub seen: Vec<Seen>,
    /// How far the clock jumps.
    pub step: Duration,
    workers: usize,
    seed: u64,
    now: Instant,
    random: u64,
}

impl Bench {
    /// Two hosts behind the appliance of `file`, of which the first serves; its links are up.
    pub fn new(file: &File, workers: usize, seed: u64) -> Bench {
        let mut bench = Bench::unplugged(file, workers, seed);
        bench.plug_in();
        bench
    }

    /// The same before any link is up.
    pub fn unplugged(file: &File, workers: usize, seed: u64) -> Bench {
        let mut members = vec![Host::new(11), Host::new(12)];
        members[0].serve();
        Bench {
            lead: Appliance::start(file, workers, seed, Instant::ZERO),
            members,
            router: Router { mac: Mac([2, 0, 0, 0, 2, 1]), strict: false },
            loss_percent: 0,
            seen: Vec::new(),
            step: Duration::from_millis(1),
            workers,
            seed,
            now: Instant::ZERO,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// Both links come up.
    pub fn plug_in(&mut self) {
        for port in [OUTER, INNER] {
            self.link(port, true);
        }
    }

    /// A link comes up, or is lost.
    pub fn link(&mut self, port: PortId, up: bool) {
        self.lead.handle(Input::Link { port, up }, self.now);
    }

    /// The process is killed, and after `gap` another one starts with the file that is there now.
    pub fn restart(&mut self, gap: Duration) {
        self.now += gap;
        let file = self.lead.file.clone();
        self.lead = Appliance::start(&file, self.workers, self.seed ^ self.now.nanos(), self.now);
        self.plug_in();
    }

    /// The process is asked to end and does, and after `gap` another one, perhaps with another number of workers, takes up what it
    /// has left, damaged as `damage` says.
    pub fn succeed(&mut self, gap: Duration, workers: usize, damage: impl FnOnce(&mut Vec<u8>)) {
        self.lead.handle(Input::Stop, self.now);
        self.until(Duration::from_secs(3), |bench| bench.lead.has_stopped());
        self.lead.assert_nothing_is_left();
        let mut left = self.lead.left.take();
        if let Some(left) = &mut left {
            damage(left);
        }
        self.now += gap;
        self.workers = workers;
        let file = self.lead.file.clone();
        self.lead = Appliance::start_after(&file, workers, self.seed ^ self.now.nanos(), left, self.now);
        self.plug_in();
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    /// One time in `of`.
    pub fn chance(&mut self, of: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.is_multiple_of(of)
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.turn();
        }
    }

    /// Lets much time pass, in larger jumps.
    pub fn rest(&mut self, span: Duration) {
        let step = std::mem::replace(&mut self.step, Duration::from_millis(50));
        self.run(span);
        self.step = step;
    }

    /// One jump of the clock.
    pub fn turn(&mut self) {
        self.now += self.step;
        self.lead.turn(self.now);
        self.carry(OUTER);
        self.carry(INNER);
    }

    /// Lets time pass until `done`, for `most` at most. Returned is how long it took.
    #[track_caller]
    pub fn until(&mut self, most: Duration, mut done: impl FnMut(&mut Bench) -> bool) -> Duration {
        let begin = self.now;
        while !done(self) {
            assert!(self.now.since(begin) < most, "not within {most:?}");
            self.turn();
        }
        self.now.since(begin)
    }

    /// The end of every scenario: the appliance stops, and nothing is lost, kept or made up.
    pub fn shut_down(&mut self) {
        self.lead.handle(Input::Stop, self.now);
        self.until(Duration::from_secs(2), |bench| bench.lead.has_stopped());
        self.lead.assert_nothing_is_left();
    }

    /// Lets a port of the appliance receive a frame.
    pub fn inject(&mut self, port: PortId, frame: &[u8]) {
        assert!(self.lead.wire(port).inject(frame), "the buffers of the bench are spent");
    }

    /// What the appliance has sent reaches the router and the members; what they answer comes in at the next step.
    fn carry(&mut self, port: PortId) {
        for frame in self.lead.wire(port).collect() {
            if let Err(fault) = check::whole(&frame) {
                panic!("a frame left that is not right: {fault}\n{frame:02x?}");
            }
            let answers = if port == OUTER { self.router_hears(&frame) } else { self.members_hear(&frame) };
            for answer in answers {
                self.inject(port, &answer);
            }
            self.seen.push(Seen { at: self.now, port, frame });
        }
    }

    fn members_hear(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        for at in 0..self.members.len() {
            if self.loss_percent == 0 || !self.chance(100 / self.loss_percent) {
                answers.extend(self.members[at].hear(frame));
            }
        }
        answers
    }

    /// The router answers ARP.
    fn router_hears(&self, frame: &[u8]) -> Vec<Vec<u8>> {
        let headers = Packet::parse(frame).expect("the appliance sends what can be read");
        match headers.kind {
            Kind::Arp(Arp { operation: Operation::Request, sender, sender_mac, target, .. })
                if target.octets() == [192, 0, 2, 1] =>
            {
                let reply = Build::arp_reply(self.router.mac, target, sender_mac, sender);
                vec![reply.macs(self.router.mac, sender_mac).bytes()]
            }
            Kind::Arp(_) => Vec::new(),
            _ => {
                let known = matches!(headers.src().octets(), [10, 20, 0, 100] | [192, 0, 2, 2]);
                assert!(known || !self.router.strict, "the bench saw {}", headers.src());
                Vec::new()
            }
        }
    }
}
