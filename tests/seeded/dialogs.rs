//! Connections: what their two ends do, unaware of what lies between them.

use crate::flow::State;
use crate::model::Forwarded;
use crate::packet::{Packet, Way};
use crate::run::Run;
use fairlead::wire::Endpoint;
use fairlead::wire::tcp::Flags;
use std::net::Ipv4Addr;
use testbench::lab::*;
use testbench::plan::{host, own};

const RST_ACK: Flags = Flags::RST.with(Flags::ACK);

/// A connection as its ends know it. Side 0 opened it.
#[derive(Clone, Copy, Debug)]
pub struct Dialog {
    /// From where to where each side writes.
    pub writes: [Way; 2],
    places: [Far; 2],
    /// The next number of each side, and what it acknowledges.
    sent: [u32; 2],
    acknowledged: [u32; 2],
    /// Neither side has ended it or heard that it ended.
    open: bool,
}

impl Run {
    /// A connection is opened, used or ended.
    pub fn advance_dialog(&mut self) {
        let (from, way) = self.some_dialog();
        match self.dialogs.get(&way).copied() {
            Some(mut dialog) if dialog.open => {
                self.exchange(&mut dialog);
                self.dialogs.insert(way, dialog);
            }
            _ => self.opens(from, way),
        }
    }

    /// Who may connect to whom, as the one who opens writes it.
    fn some_dialog(&mut self) -> (Far, Way) {
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
        let Some(arrived) = self.send(&Packet::segment(from, way, SYN, isns[0], 0)) else {
            self.dialogs.remove(&way);
            return;
        };
        if self.dice.once_in(16) {
            // Nobody continues it.
            self.dialogs.remove(&way);
            return;
        }
        let sent = isns.map(|isn| isn.wrapping_add(1));
        let mut dialog = Dialog {
            writes: [way, arrived.packet.way.back()],
            places: [from, arrived.to],
            sent: [sent[0], isns[1]],
            acknowledged: [sent[1], sent[0]],
            open: true,
        };
        self.segment(&mut dialog, 1, SYN_ACK, &[]);
        dialog.sent[1] = sent[1];
        self.segment(&mut dialog, 0, ACK, &[]);
        self.dialogs.insert(way, dialog);
    }

    /// A side says something, acknowledges, says it again, or the connection ends.
    fn exchange(&mut self, dialog: &mut Dialog) {
        let side = self.dice.roll(2) as usize;
        match self.dice.roll(30) {
            0 => {
                for (side, flags, length) in [(side, FIN_ACK, 1), (1 - side, FIN_ACK, 1), (side, ACK, 0)] {
                    dialog.acknowledged[side] = dialog.sent[1 - side];
                    if !self.segment(dialog, side, flags, &[]) {
                        return;
                    }
                    dialog.sent[side] = dialog.sent[side].wrapping_add(length);
                }
                dialog.open = false;
            }
            1 => {
                dialog.acknowledged[side] = dialog.sent[1 - side];
                self.segment(dialog, side, RST_ACK, &[]);
                dialog.open = false;
            }
            2..11 => {
                dialog.acknowledged[side] = dialog.sent[1 - side];
                self.segment(dialog, side, ACK, &[]);
            }
            _ => {
                let data = self.payload(dialog.places[side]);
                if self.segment(dialog, side, DATA, &data) {
                    dialog.sent[side] = dialog.sent[side].wrapping_add(data.len() as u32);
                }
            }
        }
    }

    /// One segment; true if the other side has it. What reaches somebody else, or nobody, ends the connection.
    fn segment(&mut self, dialog: &mut Dialog, side: usize, flags: Flags, data: &[u8]) -> bool {
        let (seq, ack) = (dialog.sent[side], dialog.acknowledged[side]);
        let segment = Packet::segment(dialog.places[side], dialog.writes[side], flags, seq, ack);
        let packet = Packet { payload: data.to_vec(), id: self.identification(), df: self.dice.once_in(2), ..segment };
        if self.skips(&packet) {
            dialog.open = false;
            return false;
        }
        let known = self.model.flows.find(packet.protocol(), packet.way);
        match self.deliver(packet) {
            Some(arrived)
                if (arrived.to, arrived.packet.way.back()) == (dialog.places[1 - side], dialog.writes[1 - side]) =>
            {
                true
            }
            Some(arrived) => {
                self.answers_with_a_reset(&arrived, ack);
                dialog.open = false;
                false
            }
            // It was too large, or it was lost: who gets a reset gives up, mostly.
            None => {
                let ends = [State::Lost, State::Dropped];
                let lost = known.is_some_and(|(at, _)| ends.contains(&self.model.flows.get(at).state));
                dialog.open = !(lost && self.dice.once_in(2));
                false
            }
        }
    }

    /// Whole, or in pieces that follow each other at once.
    fn deliver(&mut self, packet: Packet) -> Option<Forwarded> {
        let later = self.is_translated(&packet) && self.model.plan.excludes(packet.way.dst.addr);
        if packet.df || later || packet.payload.len() < 200 || self.dice.once_in(2) {
            return self.send(&packet);
        }
        let mut datagram = self.fragment(packet, 104, false);
        let mut arrived = None;
        while !datagram.unsent.is_empty() {
            let alone = self.model.outcome(&datagram.packet, crate::model::Choice::NONE);
            match (self.send_fragment(&mut datagram), alone) {
                (Some(forwarded), _) => arrived = forwarded,
                (None, crate::model::Outcome::Forwarded(forwarded)) if self.passes_alone(&datagram.packet) => {
                    arrived = Some(forwarded)
                }
                _ => {}
            }
        }
        if datagram.held.iter().any(|held| *held) {
            self.incomplete.push(datagram);
        }
        arrived
    }

    /// A member that knows nothing of a connection says so.
    fn answers_with_a_reset(&mut self, arrived: &Forwarded, seq: u32) {
        let way = arrived.packet.way.back();
        if arrived.to != ROUTER && [5060, 5061].contains(&way.src.port) {
            self.send(&Packet::segment(arrived.to, way, Flags::RST, seq, 0));
        }
    }

    /// Connections with an address that is gone are over.
    pub fn forget_dialogs(&mut self, gone: impl Fn(Ipv4Addr) -> bool) {
        self.dialogs.retain(|_, dialog| !dialog.writes.iter().any(|way| gone(way.src.addr) || gone(way.dst.addr)));
    }
}
