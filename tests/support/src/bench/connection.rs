//! A TCP connection through the appliance, both ends held by the scenario.

use super::frames::*;
use super::{Bench, Seen};
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;

/// Both ends of a connection, each as it is and as the other end sees it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Who called, where it sits, and what it is called by the other end.
    pub caller: (Far, Endpoint, Endpoint),
    /// The same of the one who was called.
    pub called: (Far, Endpoint, Endpoint),
    /// What the caller says next, and what the called one says next.
    pub next: (u32, u32),
}

impl Connection {
    /// A client outside calls the VIP; `member` is behind it.
    pub fn inward(bench: &Bench, client: Endpoint, port: u16, member: Far) -> Connection {
        let own = at(&bench.ip(member), port);
        Connection { caller: (ROUTER, client, client), called: (member, own, at(V, port)), next: (1000, 9000) }
    }

    /// A member calls outward and is translated to the VIP at its own port.
    pub fn outward(bench: &Bench, member: Far, port: u16, peer: Endpoint) -> Connection {
        let own = at(&bench.ip(member), port);
        Connection { caller: (member, own, at(V, port)), called: (ROUTER, peer, peer), next: (500, 700) }
    }

    /// A member calls outward and is seen as it is.
    pub fn plain(bench: &Bench, member: Far, port: u16, peer: Endpoint) -> Connection {
        let own = at(&bench.ip(member), port);
        Connection { caller: (member, own, own), called: (ROUTER, peer, peer), next: (500, 700) }
    }

    /// Somebody outside calls a member's own address.
    pub fn visit(bench: &Bench, visitor: Endpoint, member: Far, port: u16) -> Connection {
        let own = at(&bench.ip(member), port);
        Connection { caller: (ROUTER, visitor, visitor), called: (member, own, own), next: (3000, 4000) }
    }

    /// The handshake.
    #[track_caller]
    pub fn open(mut self, bench: &mut Bench) -> Connection {
        self.syn(bench);
        self.answer(bench);
        self
    }

    /// Its first segment.
    #[track_caller]
    pub fn syn(&mut self, bench: &mut Bench) {
        let options = [2, 4, 5, 0xb4, 4, 2];
        let seq = self.next.0;
        self.says(bench, |src, dst| Build::tcp(src, dst, SYN, seq, 0).tcp_options(&options).df());
        self.next.0 += 1;
    }

    /// The other two.
    #[track_caller]
    pub fn answer(&mut self, bench: &mut Bench) {
        let (seq, ack) = (self.next.1, self.next.0);
        self.hears(bench, |src, dst| Build::tcp(src, dst, SYN_ACK, seq, ack).tcp_options(&[2, 4, 5, 0xb4]).df());
        self.next.1 += 1;
        let (seq, ack) = self.next;
        self.says(bench, |src, dst| Build::tcp(src, dst, ACK, seq, ack).df());
    }

    /// A segment of data each way.
    #[track_caller]
    pub fn exchange(&mut self, bench: &mut Bench) {
        let (seq, ack) = self.next;
        self.says(bench, |src, dst| Build::tcp(src, dst, DATA, seq, ack).payload(b"there").df());
        self.next.0 += 5;
        let (seq, ack) = (self.next.1, self.next.0);
        self.hears(bench, |src, dst| Build::tcp(src, dst, DATA, seq, ack).payload(b"and back").df());
        self.next.1 += 8;
    }

    /// The caller's segment reaches the other end.
    #[track_caller]
    pub fn says(&self, bench: &mut Bench, make: impl Fn(Endpoint, Endpoint) -> Build) {
        let (caller, called) = (self.caller, self.called);
        bench.forwards(caller.0, make(caller.1, called.2), called.0, make(caller.2, called.1));
    }

    /// The called one's segment reaches the caller.
    #[track_caller]
    pub fn hears(&self, bench: &mut Bench, make: impl Fn(Endpoint, Endpoint) -> Build) {
        let (caller, called) = (self.caller, self.called);
        bench.forwards(called.0, make(called.1, caller.2), caller.0, make(called.2, caller.1));
    }

    /// It ends by FINs both ways; the caller begins.
    #[track_caller]
    pub fn close(&mut self, bench: &mut Bench) {
        let (seq, ack) = self.next;
        self.says(bench, |src, dst| Build::tcp(src, dst, FIN_ACK, seq, ack).df());
        let (seq, ack) = (self.next.1, self.next.0 + 1);
        self.hears(bench, |src, dst| Build::tcp(src, dst, FIN_ACK, seq, ack).df());
        let (seq, ack) = (self.next.0 + 1, self.next.1 + 1);
        self.says(bench, |src, dst| Build::tcp(src, dst, ACK, seq, ack).df());
        self.next = (seq, ack);
    }

    /// It belongs to this connection, whichever way.
    pub fn owns(&self, seen: &Seen) -> bool {
        let Some(tuple) = seen.tuple() else { return false };
        let ends = |a: Endpoint, b: Endpoint| tuple.src == a && tuple.dst == b;
        ends(self.caller.2, self.called.1) || ends(self.called.2, self.caller.1)
    }
}
