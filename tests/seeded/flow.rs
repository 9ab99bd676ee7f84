//! One of those who talk to each other: the two ways on which its packets arrive. What arrives on one way leaves as the answer to the other.

use crate::keeper::Counted;
use crate::packet::{Packet, Way, What};
use fairlead::time::Instant;
use fairlead::wire::Protocol;
use fairlead::wire::tcp::Flags;
use testbench::plan::{Pair, Who};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    /// Both sides said goodbye, or one reset.
    Ended,
    /// The member was lost, and both ends were reset.
    Lost,
    /// The member was lost, and the connection stands as long as it answers.
    Drained,
    /// The member was lost, and what is sent is dropped.
    Dropped,
}

/// How far the handshake of a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There was a SYN.
    Opening,
    /// It was answered.
    Answered,
    Established,
    /// A client has spoken in the middle of a connection that nobody remembers.
    Claimed,
    /// Something else was said meanwhile.
    Unclear,
}

/// Side 0 is whoever is outside, side 1 the member. (Of a flow that is not translated either may be either.)
#[derive(Clone, Debug)]
pub struct Flow {
    pub protocol: Protocol,
    /// How the packets of each side arrive.
    pub arrives: [Way; 2],
    /// Translated for this member; `None`: not translated.
    pub member: Option<Who>,
    pub state: State,
    /// A connection: one past the last octet each side was seen to send, and what it acknowledged last.
    pub sent: [Option<u32>; 2],
    pub acknowledged: [Option<u32>; 2],
    /// The first number each side was seen to use.
    pub first: [Option<u32>; 2],
    pub fins: [bool; 2],
    /// It was seen from its beginning.
    pub complete: bool,
    /// Something came that belongs to another connection.
    pub strayed: bool,
    /// Its host outside was excluded when it began.
    pub excluded: bool,
    /// The other half of a connection between two members, which goes out and comes back in.
    pub twin: Option<usize>,
    /// It is a connection to the service of this pair, and limited as such.
    pub serves: Option<Pair>,
    pub phase: Phase,
    /// Who began it.
    pub opener: usize,
    /// When something was heard last.
    pub heard: Instant,
    /// It was said to be over, and somebody spoke on, or that said so was not exact.
    pub doubted: bool,
}

impl Flow {
    pub fn new(protocol: Protocol, arrives: [Way; 2], member: Option<Who>) -> Flow {
        Flow {
            protocol,
            arrives,
            member,
            state: State::Open,
            sent: [None; 2],
            acknowledged: [None; 2],
            first: [None; 2],
            fins: [false; 2],
            complete: true,
            strayed: false,
            excluded: false,
            twin: None,
            serves: None,
            phase: Phase::Established,
            opener: 0,
            heard: Instant::ZERO,
            doubted: false,
        }
    }

    /// A segment of `side` begins it anew: another SYN, before the handshake was finished.
    pub fn begins_again(&self, side: usize, packet: &Packet) -> bool {
        let What::Segment { seq, .. } = packet.what else { return false };
        let is_half_open = matches!(self.phase, Phase::Opening | Phase::Answered);
        is_half_open && side == self.opener && self.first[side] != Some(seq)
    }

    /// Whether it is one of the connections that are limited.
    pub fn counted(&self) -> Counted {
        match self.state {
            State::Dropped => Counted::Perhaps,
            State::Open | State::Drained if !self.strayed => Counted::Yes,
            State::Open | State::Drained => Counted::Perhaps,
            State::Ended if self.doubted || self.strayed => Counted::Perhaps,
            State::Lost if self.fins.contains(&true) || self.strayed => Counted::Perhaps,
            State::Ended | State::Lost => Counted::No,
        }
    }

    /// The handshake continues.
    fn shake_hands(&mut self, side: usize, flags: Flags) {
        let (from_opener, accepts) = (side == self.opener, flags.syn() && flags.ack());
        self.phase = match self.phase {
            Phase::Opening if from_opener && flags.syn() && !flags.ack() => Phase::Opening,
            Phase::Opening | Phase::Answered if !from_opener && accepts => Phase::Answered,
            Phase::Answered if from_opener && flags.ack() && !flags.syn() && !flags.fin() => Phase::Established,
            Phase::Claimed if from_opener => Phase::Claimed,
            Phase::Claimed | Phase::Established => Phase::Established,
            _ => Phase::Unclear,
        };
    }

    /// How the packets of a side leave.
    pub fn leaves(&self, side: usize) -> Way {
        self.arrives[1 - side].back()
    }

    /// A segment of `side` went through.
    pub fn track(&mut self, side: usize, packet: &Packet) {
        let What::Segment { flags, seq, ack } = packet.what else { return };
        let length = packet.payload.len() as u32 + u32::from(flags.syn()) + u32::from(flags.fin());
        self.first[side].get_or_insert(seq);
        // What comes from nowhere, of another connection that had the same ends, says nothing about this one.
        let strays = |known: Option<u32>, number: u32| {
            known.is_some_and(|known| number.wrapping_sub(known).wrapping_add(1 << 20) > 1 << 21)
        };
        if strays(self.sent[side], seq) || flags.ack() && strays(self.acknowledged[side], ack) {
            self.complete = false;
            self.strayed = true;
            return;
        }
        let is_exact = self.sent[side] == Some(seq);
        self.sent[side] = Some(later(self.sent[side], seq.wrapping_add(length)));
        if flags.ack() {
            self.acknowledged[side] = Some(later(self.acknowledged[side], ack));
        }
        self.fins[side] |= flags.fin();
        self.shake_hands(side, flags);
        self.doubted |= if flags.rst() { !is_exact } else { self.state == State::Ended && self.fins != [true; 2] };
        if flags.rst() || self.fins == [true; 2] {
            self.state = State::Ended;
        }
    }

    /// The numbers one of which a reset must have so that `side` heeds it: whichever it waits for now (RFC 5961).
    pub fn numbers(&self, side: usize) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.acknowledged[side].into_iter().chain(self.sent[1 - side]).collect();
        numbers.dedup();
        // Who waits for the answer to its SYN heeds the acknowledgement alone (RFC 9293 3.10.7.3).
        if numbers.is_empty() && self.sent[side].is_some() {
            numbers.push(0);
        }
        numbers
    }

    /// Of a connection that was not seen from its beginning nobody can know the number exactly.
    pub fn plausible(&self, side: usize, seq: u32) -> bool {
        self.strayed || self.numbers(side).contains(&seq) || self.first[1 - side] == Some(seq)
    }
}

/// The later of two sequence numbers.
fn later(one: Option<u32>, other: u32) -> u32 {
    match one {
        Some(one) if one.wrapping_sub(other) < 1 << 31 => one,
        _ => other,
    }
}
