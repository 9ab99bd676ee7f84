//! Requests that a dead member has not answered are delivered to the next one.
//!
//! Owns what a worker does about it with bytes: which datagrams are copied and which answers end a copy, and
//! how copies leave that another snapshot lets go: at the pace at which a member that has just been promoted can take them. What is delivered
//! is a frame of our own making, decided about as if its sender had repeated it. `copies` holds, the engine decides.

use super::copies::{CopyCount, Key, Request};
use super::frames::{Frames, Received};
use super::mailbox::Event;
use super::pipeline::{Leaving, Pipeline};
use crate::engine::{Classified, Path, Recipient, Verdict, Watched};
use crate::io::{Frame, Port};
use crate::policy::intent::{PoolId, PortId};
use crate::time::{Duration, Instant};
use crate::wire::transaction::Exchange;
use crate::wire::{Endpoint, Packet, ethernet, sip, udp};

/// From one request to the next towards one member, all workers together.
const PACE: Duration = Duration::from_millis(1);

impl<P: Port> Pipeline<P> {
    /// What a datagram is looked at for, if it is. What is no SIP by its length and first byte, what comes beyond that which is read
    /// in a second, and what goes to somebody of whom there is no copy costs no more than this question.
    #[inline(always)]
    pub(super) fn watched(&mut self, frame: &P::Frame, packet: &Packet, path: Path, now: Instant) -> Watched {
        match self.engine.watches(path, now) {
            Watched::Request if self.copies.skips() || !may_be_sip(frame, packet) => Watched::Nothing,
            Watched::Answer if !self.copies.awaits(packet.dst()) => Watched::Nothing,
            watched => watched,
        }
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
        let Some(Exchange::Request { transaction, answered_at }) = Exchange::of(&frame[payload..]) else { return };
        let sender = Endpoint::new(packet.src(), packet.src_port());
        let Some((recipient, age)) = self.engine.recipient(packet, classified, now) else { return };
        // Or another worker would see the answer, and this one would keep the request for ever.
        if answered_at.is_some_and(|port| !self.hand_off.is_here(Endpoint::new(sender.addr, port))) {
            return self.copies.count_unread();
        }
        let key = transaction.map_or(Key::To(sender), Key::Of);
        self.copies.keep(&Request { key, sender, recipient, port, frame, payload, age }, now);
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

    /// By another snapshot, copies leave, or nobody may have them.
    pub(super) fn sort_copies(&mut self, now: Instant) {
        if self.copies.is_empty() {
            return;
        }
        let leaving = self.copies.sort(now, |recipient| self.engine.copy_action(recipient));
        for number in leaving {
            let Some((_, _, Recipient { pool, generation, .. })) = self.copies.get(number) else { continue };
            let is_meant = |leaving: &&mut Leaving| leaving.pool == pool && leaving.generation == generation;
            match self.leaving.iter_mut().find(is_meant) {
                Some(leaving) => leaving.numbers.push_back(number),
                None => {
                    let requests = self.copies.take_lost(pool);
                    self.leaving.push(Leaving { pool, generation, requests, numbers: [number].into(), due: now });
                }
            }
        }
    }

    /// Delivers what is due. Returns how many that were.
    pub(super) fn redeliver(&mut self, now: Instant) -> usize {
        self.copies.expire(now);
        if let Some(member) = self.copies.overdue(now) {
            self.out.events.hint(member, now);
        }
        if self.leaving.is_empty() {
            return 0;
        }
        let mut all = std::mem::take(&mut self.leaving);
        let pace = PACE * u32::try_from(self.hand_off.workers()).unwrap_or(u32::MAX);
        let mut count = 0;
        for leaving in &mut all {
            // After a pause they do not come all at once.
            leaving.due = leaving.due.max(Instant::from_nanos(now.nanos().saturating_sub(8 * pace.as_nanos() as u64)));
            while leaving.due <= now
                && let Some(number) = leaving.numbers.front().copied()
            {
                match self.deliver(number, now) {
                    Delivered::Yes => {
                        leaving.due += pace;
                        leaving.requests.delivered += 1;
                        count += 1;
                    }
                    Delivered::Never => {}
                    Delivered::NotNow => break,
                }
                leaving.numbers.pop_front();
            }
        }
        all.retain(|leaving| {
            let Leaving { pool, generation, requests, .. } = *leaving;
            if leaving.numbers.is_empty() {
                self.out.events.send(Event::Redelivered { pool, generation, requests });
            }
            !leaving.numbers.is_empty()
        });
        self.leaving = all;
        self.copies.drop_ended();
        count
    }

    /// One request to whom it is for now, if that is still somebody.
    fn deliver(&mut self, number: u64, now: Instant) -> Delivered {
        let Some((bytes, port, _)) = self.copies.get(number) else { return Delivered::Never };
        let Ok(packet) = Packet::parse(bytes) else { return Delivered::Never };
        let classified = self.engine.classify(&packet, port);
        let redelivers = self.engine.may_ask(&packet, classified);
        let sip = sip::Facts::Request { branch: None };
        match self.engine.decide(&packet, classified, sip, now) {
            verdict @ (Verdict::Forward(_) | Verdict::Hold(_)) if redelivers => {
                let length = bytes.len().max(ethernet::SHORTEST);
                let Some(mut frame) = self.out.ports.allocate(port, length) else { return Delivered::NotNow };
                let (said, padding) = frame.bytes_mut().split_at_mut(bytes.len());
                said.copy_from_slice(bytes);
                padding.fill(0);
                self.out.ports.counters.originated += 1;
                self.copies.end(number, CopyCount::Redelivered);
                self.process(Received { frames: Frames::One(frame), port, at: now }, &packet, verdict, now);
                Delivered::Yes
            }
            _ => {
                self.copies.end(number, CopyCount::Discarded);
                Delivered::Never
            }
        }
    }
}

/// The shortest request line, `A B SIP/2.0`: what only keeps a way open (RFC 5626 4.4.1) is shorter.
const SHORTEST: usize = 11;

/// By its length and first byte the datagram may be SIP.
#[inline(always)]
fn may_be_sip<F: Frame>(frame: &F, packet: &Packet) -> bool {
    let payload = usize::from(packet.l4) + udp::HEADER;
    let first = frame.bytes().get(payload);
    let is_long = payload + SHORTEST <= usize::from(packet.end);
    is_long && first.is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'\r' | b'\n'))
}

/// What came of a copy.
enum Delivered {
    Yes,
    /// Nobody can have it any more.
    Never,
    /// There is no buffer.
    NotNow,
}
