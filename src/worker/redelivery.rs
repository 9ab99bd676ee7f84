//! Requests that a dead member has not answered are delivered to the next one.
//!
//! Owns what a worker does about it with bytes: which datagrams are copied and which answers end a copy, and how copies leave that
//! another snapshot lets go. What is delivered is a frame of our own making, decided about as if its sender had repeated it. `copies`
//! holds, the engine decides, `leaving` keeps the pace.
//!
//! An answer is looked for at the address that the request came from, and at that of the Via's sent-by, where a server may send it that
//! keeps no `received`. Whether it would come by this worker is asked of the port it goes to at the former. No copy is made of a request
//! whose topmost Via has `maddr` (RFC 3261 18.2.2): its answer goes anywhere. Nor of one without a transaction (RFC 2543 has no such
//! branch) whose sent-by is another address than its source: at either, it could be any answer.

use super::copies::{CopyCount, Key, Request};
use super::frames::{Frames, Received};
use super::leaving::{Choice, Delivered};
use super::mailbox::{Event, RedeliveryCounts};
use super::pipeline::Pipeline;
use super::taps::Come;
use crate::engine::{Classified, Path, Takeover, Verdict, Watched};
use crate::io::{Frame, Port};
use crate::policy::intent::{PoolId, PortId};
use crate::time::Instant;
use crate::wire::transaction::{AnsweredAt, Exchange};
use crate::wire::{Endpoint, Packet, ethernet, sip, udp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

impl<P: Port> Pipeline<P> {
    /// What a datagram is looked at for, if it is. What is no SIP by its length and first byte, what comes beyond that which is read
    /// in a second, and what goes to somebody of whom there is no copy costs no more than this question.
    #[inline(always)]
    pub(super) fn watched(&mut self, frame: &P::Frame, packet: &Packet, path: Path, now: Instant) -> Watched {
        match path {
            Path::ServiceIn(at) if self.watches_request(frame, packet, at) => Watched::Request,
            Path::ServiceOut(at) if self.watches_answer(packet, at, now) => Watched::Answer,
            Path::Hairpin { .. } => Watched::Hairpin,
            _ => Watched::Nothing,
        }
    }

    /// A datagram to the service port at this place is looked at for a request.
    #[inline(always)]
    fn watches_request(&mut self, frame: &P::Frame, packet: &Packet, at: u16) -> bool {
        self.engine.keeps_requests(at) && !self.copies.passes_over_request(packet.src()) && may_be_sip(frame, packet)
    }

    /// A datagram from the service port at this place is looked at for an answer.
    #[inline(always)]
    fn watches_answer(&mut self, packet: &Packet, at: u16, now: Instant) -> bool {
        self.engine.awaits_answers(at, now) && !self.copies.passes_over_answer(packet.dst())
    }

    /// A request is copied, an answer ends the copy of its request. Of a datagram in fragments this is the first; it is not copied.
    #[inline(never)]
    pub(super) fn watch(
        &mut self,
        watched: Watched,
        (frame, is_whole): (&P::Frame, bool),
        packet: &Packet,
        classified: Classified,
        port: PortId,
        now: Instant,
    ) {
        let (frame, payload) = (frame.bytes(), usize::from(packet.l4) + udp::HEADER);
        let frame = &frame[..frame.len().min(packet.end.into())];
        let Some(said) = frame.get(payload..) else { return };
        match watched {
            Watched::Request if is_whole => self.keep_request(frame, payload, packet, classified, port, now),
            Watched::Answer => {
                let pool = self.engine.answering(classified);
                pool.into_iter().for_each(|pool| self.end_answered(pool, packet, said, now));
            }
            Watched::Hairpin => self.engine.note_hairpin(packet, classified, now),
            Watched::Nothing | Watched::Request => {}
        }
    }

    fn keep_request(
        &mut self,
        frame: &[u8],
        payload: usize,
        packet: &Packet,
        classified: Classified,
        port: PortId,
        now: Instant,
    ) {
        if !self.copies.reads_request(packet.src(), now) {
            return;
        }
        let exchange = Exchange::of(&frame[payload..]);
        let Some(Exchange::Request { transaction, answered_at, sent_by }) = exchange else { return };
        let sender = Endpoint::new(packet.src(), packet.src_port());
        let Some((recipient, age)) = self.engine.recipient(packet, classified, now) else { return };
        let receiver = match answered_at {
            AnsweredAt::Source => sender,
            AnsweredAt::Port(port) => Endpoint::new(sender.addr, port),
            AnsweredAt::Elsewhere => return self.copies.count_unread(),
        };
        // Or another worker would see the answer, and this one would keep what was answered until it is too old.
        if receiver != sender && !self.hand_off.is_here(receiver) {
            return self.copies.count_unread();
        }
        let elsewhere = sent_by.filter(|address| *address != sender.addr);
        // What tells an answer without a transaction is where it goes.
        if transaction.is_none() && elsewhere.is_some() {
            return self.copies.count_unread();
        }
        let key = transaction.map_or(Key::To(receiver), Key::Of);
        self.copies.keep(&Request { key, sender, elsewhere, recipient, port, frame, payload, age }, now);
    }

    fn end_answered(&mut self, pool: PoolId, packet: &Packet, said: &[u8], now: Instant) {
        let may_answer = matches!(said.first(), Some(b'S' | b's' | b'\r' | b'\n'));
        if !may_answer || !self.copies.reads_answer(packet.dst(), now) {
            return;
        }
        let Some(Exchange::Answer { transaction, is_final }) = Exchange::of(said) else { return };
        self.copies.note_answer(pool, now);
        let how = if is_final { CopyCount::Answered } else { CopyCount::Provisional };
        transaction.into_iter().for_each(|transaction| self.copies.answer(pool, Key::Of(transaction), how));
        let receiver = Endpoint::new(packet.dst(), packet.dst_port());
        self.copies.answer(pool, Key::To(receiver), how);
    }

    /// By another snapshot, copies leave, or nobody may have them. What was on its way by an earlier choice leaves by this one, waits for
    /// the next, or is dropped.
    pub(super) fn sort_copies(&mut self, now: Instant) {
        let mut switched: BTreeSet<PoolId> = self.switched.drain(..).collect();
        if switched.is_empty() && self.copies.is_empty() {
            return;
        }
        self.leaving.end(&switched).into_iter().for_each(|choice| self.report(choice));
        let mut leaving: BTreeMap<PoolId, VecDeque<u64>> = BTreeMap::new();
        for number in self.copies.sort(now, |recipient| self.engine.copy_action(recipient)) {
            if let Some((_, _, recipient)) = self.copies.get(number) {
                leaving.entry(recipient.pool).or_default().push_back(number);
            }
        }
        switched.extend(leaving.keys());
        for pool in switched {
            match self.engine.takeover(pool) {
                Takeover::Awaited => {}
                Takeover::No => self.copies.discard_report(pool),
                Takeover::By(_) => {
                    self.copies.begin_report(pool);
                    let choice = (pool, self.engine.snapshot().pool(pool).generation);
                    match leaving.remove(&pool) {
                        Some(numbers) => self.leaving.begin(choice, numbers, now),
                        None => self.report(choice),
                    }
                }
            }
        }
    }

    /// Says what this choice has delivered and lost, if it was anything.
    fn report(&mut self, (pool, generation): Choice) {
        let requests = self.copies.finish_report(pool);
        if requests != RedeliveryCounts::default() {
            self.out.events.send(Event::RedeliveryEnded { pool, generation, requests });
        }
    }

    /// Delivers what is due. Returns how many copies were looked at for that.
    pub(super) fn redeliver(&mut self, now: Instant) -> usize {
        self.copies.expire(now);
        let events = &mut self.out.events;
        self.copies.overdue(now, |member| events.unanswered(member, now));
        if self.leaving.is_empty() {
            return 0;
        }
        let mut leaving = std::mem::take(&mut self.leaving);
        let (count, done) = leaving.work(now, |number| self.deliver(number, now));
        self.leaving = leaving;
        done.into_iter().for_each(|choice| self.report(choice));
        self.copies.drop_ended();
        count
    }

    /// One request to whom it is for now, if that is still somebody.
    fn deliver(&mut self, number: u64, now: Instant) -> Delivered {
        let Some((bytes, port, _)) = self.copies.get(number) else { return Delivered::Never };
        let Ok(packet) = Packet::parse(bytes) else { return Delivered::Never };
        let classified = self.engine.classify(&packet, port);
        let sip = sip::Facts::Request { branch: None, call: None };
        // Where nothing is redelivered any more, nothing is decided: it might leave a flow.
        let redelivers = self.engine.may_ask(&packet, classified);
        match redelivers.then(|| self.engine.decide(&packet, classified, sip, now)) {
            Some(verdict @ (Verdict::Forward(_) | Verdict::Hold(_))) => {
                let length = bytes.len().max(ethernet::SHORTEST);
                let Some(mut frame) = self.out.ports.allocate(port, length) else { return Delivered::NotNow };
                let (said, padding) = frame.bytes_mut().split_at_mut(bytes.len());
                said.copy_from_slice(bytes);
                padding.fill(0);
                self.out.ports.counters.originated += 1;
                self.copies.end(number, CopyCount::Redelivered);
                let copy = Received { frames: Frames::One(frame), port, at: now };
                self.watched_end(copy, Come::Now, |here, copy| here.process(copy, &packet, verdict, now));
                Delivered::Yes
            }
            _ => {
                self.copies.end(number, CopyCount::Discarded);
                Delivered::Never
            }
        }
    }
}

/// The shortest request line, `A B SIP/2.0`: CRLF that only keeps a way open is shorter.
const SHORTEST: usize = 11;

/// By its length and first byte the datagram may be SIP.
#[inline(always)]
fn may_be_sip<F: Frame>(frame: &F, packet: &Packet) -> bool {
    let payload = usize::from(packet.l4) + udp::HEADER;
    let first = frame.bytes().get(payload);
    let is_long = payload + SHORTEST <= usize::from(packet.end);
    is_long && first.is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'\r' | b'\n'))
}
