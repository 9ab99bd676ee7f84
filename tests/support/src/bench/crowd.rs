//! Random peers, for scenarios that count instead of comparing.

use super::{Bench, HOST_A, HOST_B, PORT, ROUTER};
use fairlead::wire::build::Build;
use std::time::Duration;

impl Bench {
    /// `count` peers each send a request to the virtual address; each one's answer must come from it.
    pub fn exchange(&mut self, count: usize) {
        for _ in 0..count {
            let peer = (self.random % 2_000) as u16;
            self.chance(1);
            let from = format!("172.16.5.{}:{}", peer % 250 + 1, 5_060 + peer / 250);
            let request = b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n\r\n";
            self.send(ROUTER, &Build::udp(from.as_str(), "10.20.0.100:5060").payload(request));
            self.turn();
        }
        self.run(Duration::from_millis(5));
    }

    /// A member sends a request to peer number `peer`.
    pub fn member_calls(&mut self, member: usize, peer: u8) {
        let from = format!("{}:{PORT}", self.members[member].address);
        let to = format!("172.16.9.{peer}:{PORT}");
        let request = Build::udp(from.as_str(), to.as_str())
            .payload(b"INVITE sip:y SIP/2.0\r\nVia: SIP/2.0/UDP 10.20.0.100;branch=z9hG4bKy\r\n\r\n");
        self.send([HOST_A, HOST_B][member], &request);
        self.run(Duration::from_millis(3));
    }

    /// The peer answers to the virtual address.
    pub fn peer_answers(&mut self, peer: u8) {
        let from = format!("172.16.9.{peer}:{PORT}");
        let answer = Build::udp(from.as_str(), "10.20.0.100:5060")
            .payload(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.20.0.100;branch=z9hG4bKy\r\n\r\n");
        self.send(ROUTER, &answer);
        self.run(Duration::from_millis(3));
    }

    /// How many requests reached each member.
    pub fn served(&self) -> (usize, usize) {
        (self.members[0].requests, self.members[1].requests)
    }
}
