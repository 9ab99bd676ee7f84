//! SIP over UDP: what members and their peers say to each other from and to service ports, and what was asked lately.

use crate::model::Forwarded;
use crate::packet::{Packet, Way, What};
use crate::run::Run;
use fairlead::wire::Endpoint;
use testbench::lab::{Far, ROUTER};
use testbench::plan::{Pair, Who, host, own, pair, vip};

/// The line a message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Request,
    Ringing,
    Ok,
}

/// Whom the topmost Via names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A member wrote its own address.
    Own(Who),
    /// It wrote the virtual address.
    Virtual(Pair),
    /// A host's name, of a member or a peer.
    Name,
}

/// What a message says, as far as it matters to anybody but its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sip {
    pub start: Start,
    pub via: Via,
    /// The number of its branch, which each request has anew.
    pub branch: u32,
    /// The number of its Call-ID; `None`: it has none.
    pub call: Option<u32>,
}

impl Sip {
    pub fn asks(&self) -> bool {
        self.start == Start::Request
    }

    /// An answer to this request.
    fn answered(self, start: Start) -> Sip {
        Sip { start, ..self }
    }

    pub fn text(&self) -> Vec<u8> {
        let line = match self.start {
            Start::Request => "OPTIONS sip:a@b SIP/2.0",
            Start::Ringing => "SIP/2.0 180 Ringing",
            Start::Ok => "SIP/2.0 200 OK",
        };
        let via = match self.via {
            Via::Own(who) => own(who).to_string(),
            Via::Virtual(pair) => vip(pair).to_string(),
            Via::Name => "a.example.com".into(),
        };
        let call = self.call.map_or(String::new(), |call| format!("Call-ID: {call}a84b4c76@h\r\n"));
        let branch = self.branch;
        format!("{line}\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK{branch}\r\n{call}CSeq: 1 OPTIONS\r\n\r\n").into_bytes()
    }
}

/// A member's request that was forwarded: who was asked by whom, and where that one is.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub who: Who,
    /// Who answers, as the appliance sees it when it comes in.
    from: Far,
    way: Way,
    sip: Sip,
}

/// So many are remembered.
const MEMORY: usize = 48;

impl Run {
    fn branch(&mut self) -> u32 {
        self.branches += 1;
        self.branches
    }

    /// A new call, or one that was spoken of before.
    fn call(&mut self) -> Option<u32> {
        match self.dice.roll(6) {
            0 => None,
            1 | 2 => {
                self.calls += 1;
                Some(self.calls)
            }
            _ => Some(self.calls.saturating_sub(self.dice.roll(24))),
        }
    }

    /// What a peer says by itself: it asks, or answers something that nobody knows of.
    pub fn peer_says(&mut self) -> Option<Sip> {
        let start = match self.dice.roll(8) {
            0..3 => return None,
            7 => Start::Ok,
            _ => Start::Request,
        };
        Some(Sip { start, via: Via::Name, branch: self.branch(), call: self.call() })
    }

    /// What a member says from its service port.
    pub fn member_says(&mut self, who: Who) -> Option<Sip> {
        let start = match self.dice.roll(8) {
            0..2 => return None,
            6 | 7 => Start::Ok,
            _ => Start::Request,
        };
        let via = match (start, self.dice.roll(4)) {
            (Start::Request, 0 | 1) => Via::Virtual(pair(who)),
            (Start::Request, 2) => Via::Own(who),
            _ => Via::Name,
        };
        let call = self.call();
        // Which of two members has a call that both have asked in, when several workers serve it, is left open.
        let others = call.and_then(|call| self.model.shares.call(pair(who), call));
        let is_others = self.workers > 1 && others.is_some_and(|keeper| !keeper.may_be(who));
        let call = if is_others { None } else { call };
        Some(Sip { start, via, branch: self.branch(), call })
    }

    /// A member's request has arrived: it may be answered.
    pub fn was_asked(&mut self, packet: &Packet, forwarded: &Forwarded) {
        let (Some(sip), What::Datagram) = (packet.sip.filter(Sip::asks), &packet.what) else { return };
        let Some(who) = self.model.plan.who_is(packet.way.src.addr) else { return };
        // What was not translated is answered to the member itself.
        if packet.way.src.port != 5060 || forwarded.packet.way.src.addr == own(who) {
            return;
        }
        self.asked.push(Asked { who, from: forwarded.to, way: forwarded.packet.way.back(), sip });
        if self.asked.len() > MEMORY {
            self.asked.remove(0);
        }
    }

    /// Somebody answers what a member asked lately.
    pub fn answer_comes(&mut self) {
        if self.asked.is_empty() {
            return self.client_sends();
        }
        let recent = self.dice.roll(MEMORY as u32).min(self.dice.roll(MEMORY as u32)) as usize;
        let Asked { who, from, way, sip } = self.asked[self.asked.len() - 1 - recent.min(self.asked.len() - 1)];
        let start = self.dice.pick(&[Start::Ringing, Start::Ok, Start::Ok]);
        let known = |address| self.model.plan.who_is(address).is_some();
        if !self.model.plan.everyone().contains(&who) || from != ROUTER && !known(way.src.addr) {
            // It is not in the file any more.
            return;
        }
        let answer = Packet { sip: Some(sip.answered(start)), ..Packet::new(from, What::Datagram, way) };
        self.submit(answer);
    }

    /// A datagram of a member's from its service port.
    pub fn said_by(&mut self, who: Who, remote: Endpoint) -> Packet {
        let way = Way::new(Endpoint::new(own(who), 5060), remote);
        Packet { sip: self.member_says(who), ..Packet::new(host(who), What::Datagram, way) }
    }
}
