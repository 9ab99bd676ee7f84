//! Connections: what their two ends do, who do not know what lies between them.

use crate::bench::World;
use crate::model::Passage;
use crate::packet::{Letter, Way};
use fairlead::wire::Endpoint;
use fairlead::wire::tcp::Flags;
use testbench::lab::*;
use testbench::plan::{host, own, pair, vip};

const RST_ACK: Flags = Flags::RST.with(Flags::ACK);

/// A connection as its ends know it. Side 0 opened it.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    /// From where to where each side writes.
    pub writes: [Way; 2],
    places: [Far; 2],
    /// The next number of each side, and what it acknowledges.
    sent: [u32; 2],
    acknowledged: [u32; 2],
    /// Neither side has ended it or heard that it ended.
    stands: bool,
}

impl World {
    /// A connection is opened, used or ended.
    pub fn talk(&mut self) {
        let (from, way) = self.some_talk();
        match self.talks.get(&way).copied() {
            Some(mut talk) if talk.stands => {
                self.goes_on(&mut talk);
                self.talks.insert(way, talk);
            }
            _ => self.opens(from, way),
        }
    }

    /// Who might talk to whom, as the one who opens writes it.
    fn some_talk(&mut self) -> (Far, Way) {
        let (who, remote) = (self.who(), self.remote().addr);
        let service = Endpoint::new(self.some_vip(), self.dice.pick(&[5060, 5061]));
        let ephemeral = Endpoint::new(own(who), 41_000 + self.dice.roll(12) as u16);
        let client = Endpoint::new(remote, 40_000 + self.dice.roll(2) as u16);
        match self.dice.roll(20) {
            0..9 => (ROUTER, Way::new(client, service)),
            9..14 => (host(who), Way::new(ephemeral, Endpoint::new(remote, 5060))),
            14..17 => (host(who), Way::new(ephemeral, service)),
            17 => (ROUTER, Way::new(client, Endpoint::new(own(who), 7000))),
            _ => (host(who), Way::new(Endpoint::new(own(who), 40_200), at(CONFIG, 2020))),
        }
    }

    fn opens(&mut self, from: Far, way: Way) {
        let isns = [0, 1].map(|_| self.dice.roll(1 << 16) << 16 | self.dice.roll(1 << 16));
        let Some(arrived) = self.send(&Letter::segment(from, way, SYN, isns[0], 0)) else {
            self.talks.remove(&way);
            return;
        };
        let sent = isns.map(|isn| isn.wrapping_add(1));
        let mut talk = Talk {
            writes: [way, arrived.letter.way.back()],
            places: [from, arrived.to],
            sent: [sent[0], isns[1]],
            acknowledged: [sent[1], sent[0]],
            stands: true,
        };
        self.segment(&mut talk, 1, SYN_ACK, &[]);
        talk.sent[1] = sent[1];
        self.segment(&mut talk, 0, ACK, &[]);
        self.talks.insert(way, talk);
    }

    /// A side says something, acknowledges, says it again, or the connection ends.
    fn goes_on(&mut self, talk: &mut Talk) {
        let side = self.dice.roll(2) as usize;
        match self.dice.roll(30) {
            0 => {
                for (side, flags, length) in [(side, FIN_ACK, 1), (1 - side, FIN_ACK, 1), (side, ACK, 0)] {
                    talk.acknowledged[side] = talk.sent[1 - side];
                    if !self.segment(talk, side, flags, &[]) {
                        return;
                    }
                    talk.sent[side] = talk.sent[side].wrapping_add(length);
                }
                talk.stands = false;
            }
            1 => {
                talk.acknowledged[side] = talk.sent[1 - side];
                self.segment(talk, side, RST_ACK, &[]);
                talk.stands = false;
            }
            2..11 => {
                talk.acknowledged[side] = talk.sent[1 - side];
                self.segment(talk, side, ACK, &[]);
            }
            _ => {
                let data = self.payload(talk.places[side]);
                if self.segment(talk, side, DATA, &data) {
                    talk.sent[side] = talk.sent[side].wrapping_add(data.len() as u32);
                }
            }
        }
    }

    /// One segment; true if the other side has it. What reaches somebody else, or nobody, ends the connection.
    fn segment(&mut self, talk: &mut Talk, side: usize, flags: Flags, data: &[u8]) -> bool {
        let (seq, ack) = (talk.sent[side], talk.acknowledged[side]);
        let segment = Letter::segment(talk.places[side], talk.writes[side], flags, seq, ack);
        let letter = Letter { payload: data.to_vec(), id: self.identification(), df: self.dice.once_in(2), ..segment };
        if self.leaves_out(&letter) {
            talk.stands = false;
            return false;
        }
        let known = self.model.flows.find(letter.protocol(), letter.way);
        match self.deliver(letter) {
            Some(arrived)
                if (arrived.to, arrived.letter.way.back()) == (talk.places[1 - side], talk.writes[1 - side]) =>
            {
                true
            }
            Some(arrived) => {
                self.answers_with_a_reset(&arrived, ack);
                talk.stands = false;
                false
            }
            // It was too large, or it was lost: who is told by a reset gives up, mostly.
            None => {
                let lost = known.is_some_and(|(at, _)| self.model.flows.get(at).state == crate::flows::State::Lost);
                talk.stands = !(lost && self.dice.once_in(2));
                false
            }
        }
    }

    /// Whole, or in pieces that follow each other at once.
    fn deliver(&mut self, letter: Letter) -> Option<Passage> {
        let later = self.is_translated(&letter) && self.model.plan.excludes(letter.way.dst.addr);
        if letter.df || later || letter.payload.len() < 200 || self.dice.once_in(2) {
            return self.send(&letter);
        }
        let mut parcel = self.parcel(letter, 104, false);
        let mut arrived = None;
        while !parcel.coming.is_empty() {
            let alone = self.model.fate(&parcel.letter, 0);
            match (self.post(&mut parcel), alone) {
                (Some(passage), _) => arrived = passage,
                (None, crate::model::Fate::Goes(passage)) if self.passes_alone(&parcel.letter) => {
                    arrived = Some(passage)
                }
                _ => {}
            }
        }
        if parcel.here.iter().any(|here| *here) {
            self.stranded.push(parcel);
        }
        arrived
    }

    /// A member that knows nothing of a connection says so.
    fn answers_with_a_reset(&mut self, arrived: &Passage, seq: u32) {
        let way = arrived.letter.way.back();
        if arrived.to != ROUTER && [5060, 5061].contains(&way.src.port) {
            self.send(&Letter::segment(arrived.to, way, Flags::RST, seq, 0));
        }
    }

    /// Connections with a pair that is gone are over.
    pub fn forget_talks(&mut self, gone: usize) {
        let theirs =
            |end: Endpoint| end.addr == vip(gone) || (0..4).any(|who| pair(who) == gone && own(who) == end.addr);
        self.talks.retain(|_, talk| !talk.writes.iter().any(|way| theirs(way.src) || theirs(way.dst)));
    }
}
