//! A datagram of this worker's, from its facts to its end.
//!
//! Owns [`Pipeline`]: the engine that decides, what is held meanwhile, and where the verdict is executed. A fragment is held until
//! its datagram is whole, and the worker that the whole belongs to decides about it. Read next: `execute`; `held`, what waits.

use super::copies::{Copies, CopyCount};
use super::execute::{Executor, reason};
use super::frames::{Frames, Received, said};
use super::hand_off::HandOff;
use super::held::{Held, Queued};
use super::leaving::LeavingQueue;
use super::ports::Ports;
use super::sip::Sampling;
use super::tap::Side;
use super::taps::Come;
use super::withheld::Waiting;
use crate::engine::{Account, Classified, DropReason, Engine, EngineEvent, IgnoreReason, Verdict, Watched, Withheld};
use crate::flow::SnatPorts;
use crate::io::{Frame, Port};
use crate::policy::Snapshot;
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{MemberId, PoolId, PortId};
use crate::time::Instant;
use crate::wire::reply::Reply;
use crate::wire::{Kind, Packet, sip};
use std::sync::Arc;

/// Deferred SYNs finished in one turn, at most.
const AT_ONCE: usize = 64;

/// From facts to the end.
pub(super) struct Pipeline<P: Port> {
    pub engine: Engine,
    pub hand_off: HandOff<P::Frame>,
    pub out: Executor<P>,
    held: Held<P::Frame>,
    pub(super) copies: Copies,
    /// Of these, those on their way to who is active now.
    pub(super) leaving: LeavingQueue,
    /// Pools that have chosen again by the snapshot that was installed last.
    pub(super) switched: Vec<PoolId>,
    /// What SIP messages say, counted.
    pub(super) sampling: Sampling,
}

impl<P: Port> Pipeline<P> {
    pub(super) fn new(engine: Engine, hand_off: HandOff<P::Frame>, out: Executor<P>) -> Pipeline<P> {
        let snapshot = engine.snapshot();
        let held = Held::new(&snapshot.limits, &snapshot.timeouts, engine.seed());
        let copies = Copies::new(engine.seed());
        let leaving = LeavingQueue::new(hand_off.workers());
        let sampling = Sampling::default();
        Pipeline { engine, hand_off, out, held, copies, leaving, switched: Vec::new(), sampling }
    }

    /// Another snapshot is in force from now on. Returns the old one.
    pub(super) fn install(&mut self, snapshot: Arc<Snapshot>, ports: SnatPorts) -> Arc<Snapshot> {
        self.held.reassembly.set_patience(snapshot.timeouts.reassembly);
        let old = self.engine.install(snapshot, ports);
        self.out.ports.taps.learn(self.engine.snapshot());
        self.switched = self.engine.snapshot().switched_since(&old);
        old
    }

    /// What waits for a MAC is decided again by another snapshot, in the order it came.
    pub(super) fn decide_waiting(&mut self, now: Instant) {
        for Queued { datagram, .. } in self.held.neighbours.take_all() {
            self.watched_end(datagram, Come::Waited, |here, datagram| here.decide_that_waited(datagram, now));
        }
    }

    fn decide_that_waited(&mut self, datagram: Received<P::Frame>, now: Instant) {
        let Some(packet) = self.read(&datagram.frames) else { return };
        match self.verdict(&datagram, &packet, now) {
            Verdict::Hold(hop) => {
                self.held.neighbours.hold_again(hop, datagram);
                self.request_neighbour(hop, self.engine.snapshot().is_kept(hop), now);
            }
            verdict => {
                self.count_sip_that_waited(&datagram, &packet, &verdict, now);
                self.process(datagram, &packet, verdict, now);
            }
        }
    }

    /// Does what the verdict says with a datagram that may have to wait.
    #[inline(never)]
    pub(super) fn process(&mut self, datagram: Received<P::Frame>, packet: &Packet, verdict: Verdict, now: Instant) {
        let Received { frames, port, at } = datagram;
        match (verdict, frames) {
            (Verdict::Hold(hop), frames) => self.hold(hop, Received { frames, port, at }, now),
            (Verdict::Reassemble, Frames::One(frame)) => self.reassemble(frame, packet, port, now),
            (Verdict::Defer, Frames::One(frame)) => self.defer(frame, port, now),
            (Verdict::Withhold(what), frames) => self.withhold(Received { frames, port, at }, what, now),
            (verdict, frames) if may_concern_the_kernel(&verdict) => {
                let datagram = Received { frames, port, at };
                self.copy_to_host(&datagram, packet, now);
                self.out.execute(datagram, packet, verdict, self.engine.snapshot());
            }
            (verdict, frames) => {
                if self.engine.snapshot().limits.counts_traffic() {
                    self.count_traffic(&frames, packet, port, &verdict);
                }
                self.out.execute(Received { frames, port, at }, packet, verdict, self.engine.snapshot());
            }
        }
    }

    /// What was decided about in full is counted for whom it leaves.
    fn count_traffic(&mut self, frames: &Frames<P::Frame>, packet: &Packet, port: PortId, verdict: &Verdict) {
        let account = self.engine.account(packet, self.engine.classify(packet, port), verdict);
        if account == Account::NOBODY {
            return;
        }
        let mut count = |bytes| {
            self.engine.count_traffic(&account, bytes);
            self.engine.count_for_flow(packet.tuple(), bytes);
        };
        match frames {
            Frames::One(_) => count(packet.size),
            Frames::Fragments(all) => {
                let fragments = all.iter().filter_map(|frame| Packet::parse(frame.bytes()).ok());
                fragments.for_each(|fragment| count(fragment.size));
            }
        }
    }

    /// The kernel gets a copy of what is not its alone, if it has to know it.
    fn copy_to_host(&mut self, datagram: &Received<P::Frame>, packet: &Packet, now: Instant) {
        let classified = self.engine.classify(packet, datagram.port);
        if let Some(verdict) = self.engine.copy_to_host(packet, classified, now) {
            self.out.copy_to_host(datagram, packet, verdict, self.engine.snapshot());
        }
    }

    /// See [`Executor::take_from_host`].
    #[inline]
    pub(super) fn take_from_host(&mut self, now: Instant) -> usize {
        self.out.take_from_host(self.engine.snapshot(), now)
    }

    /// A datagram that came in fragments is decided about, here.
    pub(super) fn process_whole(&mut self, datagram: Received<P::Frame>, now: Instant) {
        if let Some(whole) = self.read(&datagram.frames) {
            self.decide_whole(datagram, &whole, now);
        }
    }

    /// The facts of a datagram; `None` when it has none and its frames were counted as dropped.
    fn read(&mut self, frames: &Frames<P::Frame>) -> Option<Packet> {
        let dropped = |malformed| self.out.ports.counters.dropped_all(frames.count(), reason(malformed));
        frames.headers().map_err(dropped).ok()
    }

    fn decide_whole(&mut self, datagram: Received<P::Frame>, packet: &Packet, now: Instant) {
        let verdict = self.verdict(&datagram, packet, now);
        if self.engine.snapshot().counts_sip() {
            let classified = self.engine.classify(packet, datagram.port);
            self.count_sip(datagram.frames.first(), packet, classified, &verdict, now);
        }
        self.process(datagram, packet, verdict, now);
    }

    fn verdict(&mut self, datagram: &Received<P::Frame>, packet: &Packet, now: Instant) -> Verdict {
        let classified = self.engine.classify(packet, datagram.port);
        let watched = self.watched(datagram.frames.first(), packet, classified.path, now);
        if watched != Watched::Nothing {
            let is_whole = matches!(datagram.frames, Frames::One(_));
            self.watch(watched, (datagram.frames.first(), is_whole), packet, classified, datagram.port, now);
        }
        let sip = self.sip(datagram.frames.first(), packet, classified);
        self.engine.decide(packet, classified, sip, now)
    }

    /// What a datagram says of itself, where that matters; of one in fragments the first is enough.
    pub(super) fn sip(&self, first: &P::Frame, packet: &Packet, classified: Classified) -> sip::Facts {
        if !self.engine.needs_sip(packet, classified) {
            return sip::Facts::Other;
        }
        sip::Facts::read(said(first, packet), self.engine.snapshot().persistence_hints().is_some())
    }

    fn hold(&mut self, hop: NextHop, datagram: Received<P::Frame>, now: Instant) {
        let kept = self.engine.snapshot().is_kept(hop);
        match self.held.neighbours.hold(hop, kept, datagram) {
            Ok(()) => self.request_neighbour(hop, kept, now),
            Err(refused) => {
                self.out.ports.counters.dropped_all(refused.frames.count(), DropReason::NeighbourQueueFull);
            }
        }
    }

    /// Management is asked for the hop's MAC, unless it was a moment ago.
    fn request_neighbour(&mut self, hop: NextHop, kept: bool, now: Instant) {
        if self.held.neighbours.asks(hop, now) {
            self.out.events.request_neighbour(hop, kept);
        }
    }

    /// A fragment waits for the rest of its datagram; with the last one its ports are known, and with them the worker that
    /// decides.
    fn reassemble(&mut self, frame: P::Frame, packet: &Packet, port: PortId, now: Instant) {
        let ports = &mut self.out.ports;
        let Kind::Fragment(fragment) = packet.kind else { return ports.counters.dropped(DropReason::BadFragment) };
        let lost = |held: Option<(P::Frame, PortId)>, reason| match held {
            Some((frame, port)) => ports.lost_waiting(&frame, port, reason),
            None => ports.counters.dropped(reason),
        };
        let Some((fragments, port)) = self.held.reassembly.arrive(frame, (packet, fragment), port, now, lost) else {
            return;
        };
        let datagram = Received { frames: Frames::Fragments(fragments), port, at: now };
        self.out.ports.watch_whole(&datagram.frames);
        let Some(whole) = self.read(&datagram.frames) else { return };
        self.engine.count_event(EngineEvent::Reassembled);
        let path = self.engine.classify(&whole, port).path;
        match self.hand_off.elsewhere(&whole, path, self.engine.snapshot()) {
            Some(worker) => {
                self.out.ports.taps.handed_off_whole = true;
                self.hand_off.queue(worker, datagram);
            }
            None => self.decide_whole(datagram, &whole, now),
        }
    }

    fn defer(&mut self, frame: P::Frame, port: PortId, now: Instant) {
        // One for which there is no room is dropped silently, which the RFC allows as well.
        if self.held.deferred.push(frame, port, now).is_err() {
            self.out.ports.counters.dropped(DropReason::NotListening);
        }
    }

    /// Whoever sent a SYN six seconds ago is answered, if nobody has opened the connection since.
    fn finish_deferred(&mut self, now: Instant) -> usize {
        let mut count = 0;
        while count < AT_ONCE
            && let Some((port, frame)) = self.held.deferred.take_due(now)
        {
            count += 1;
            let Ok(packet) = Packet::parse(frame.bytes()) else {
                self.out.ports.counters.dropped(DropReason::NotListening);
                continue;
            };
            let classified = self.engine.classify(&packet, port);
            let verdict = self.engine.finish_deferred(&packet, classified, now);
            let datagram = Received { frames: Frames::One(frame), port, at: now };
            self.watched_end(datagram, Come::Waited, |here, datagram| {
                here.out.execute(datagram, &packet, verdict, here.engine.snapshot());
            });
        }
        count
    }

    fn withhold(&mut self, datagram: Received<P::Frame>, what: Withheld, now: Instant) {
        let ports = &mut self.out.ports;
        let lost = |old: Received<P::Frame>, reason| {
            old.frames.all().iter().for_each(|frame| ports.lost_waiting(frame, old.port, reason));
        };
        if let Err(refused) = self.held.withheld.hold(datagram, what, now, lost) {
            self.out.ports.counters.dropped_all(refused.frames.count(), DropReason::WithheldFull);
        }
    }

    /// By another snapshot, a refusal of a member that another has replaced is dropped, and a datagram that has reached nobody
    /// goes to whom it can reach now. What need not wait for anybody any longer is passed on.
    pub(super) fn decide_withheld(&mut self, now: Instant) {
        if self.held.withheld.is_empty() {
            return;
        }
        let snapshot = self.engine.snapshot().clone();
        let stays = |what: &Withheld| {
            let member = snapshot.members.get(what.member);
            member.is_some_and(|member| {
                let pool = snapshot.pool(member.pool);
                let unreachable = !what.undelivered || member.gone;
                pool.active == Some(what.member) && pool.another_may_come && unreachable
            })
        };
        for Waiting { datagram, what, .. } in self.held.withheld.take(|what| !stays(what)) {
            let pool = snapshot.members.get(what.member).map(|member| snapshot.pool(member.pool));
            let replaced = pool.is_none_or(|pool| pool.active.is_some_and(|active| active != what.member));
            self.watched_end(datagram, Come::Waited, |here, datagram| match (what.undelivered, replaced) {
                (true, _) => here.decide_again(datagram, now),
                (false, true) => {
                    let frames = datagram.frames.count();
                    here.out.ports.counters.dropped_all(frames, DropReason::UnreachableSuperseded);
                }
                (false, false) => here.finish_withheld(datagram, now),
            });
        }
    }

    /// The member lives: what it has refused is passed on.
    pub(super) fn pass_on(&mut self, member: MemberId, now: Instant) {
        for Waiting { datagram, .. } in self.held.withheld.take(|what| what.member == member && !what.undelivered) {
            self.watched_end(datagram, Come::Waited, |here, datagram| here.finish_withheld(datagram, now));
        }
    }

    fn decide_again(&mut self, datagram: Received<P::Frame>, now: Instant) {
        if let Some(packet) = self.read(&datagram.frames) {
            let verdict = self.verdict(&datagram, &packet, now);
            self.process(datagram, &packet, verdict, now);
        }
    }

    fn finish_withheld(&mut self, datagram: Received<P::Frame>, now: Instant) {
        let Some(packet) = self.read(&datagram.frames) else { return };
        let classified = self.engine.classify(&packet, datagram.port);
        let sip = self.sip(datagram.frames.first(), &packet, classified);
        let verdict = self.engine.finish_withheld(&packet, classified, sip, now);
        self.process(datagram, &packet, verdict, now);
    }

    /// Nobody has taken over in time: what was refused is passed on, and who sent what reached nobody is told.
    fn expire_withheld(&mut self, now: Instant) -> usize {
        let mut count = 0;
        while count < AT_ONCE
            && let Some(Waiting { datagram, what, .. }) = self.held.withheld.take_due(now)
        {
            count += 1;
            self.watched_end(datagram, Come::Waited, |here, datagram| match what.undelivered {
                true => here.out.reject_unreachable(&datagram, here.engine.snapshot()),
                false => here.finish_withheld(datagram, now),
            });
        }
        count
    }

    /// The next hop does not answer: neither do we wait for it any longer, but for another member that may come.
    pub(super) fn give_up(&mut self, hop: NextHop, now: Instant) {
        for Queued { datagram, .. } in self.held.neighbours.take_for(hop) {
            self.watched_end(datagram, Come::Waited, |here, datagram| {
                let packet = datagram.frames.headers().ok();
                let about = packet.map(|packet| (packet, here.engine.classify(&packet, datagram.port)));
                match about.and_then(|(packet, classified)| here.engine.withholds(&packet, classified)) {
                    Some(what) => here.withhold(datagram, what, now),
                    None => here.out.reject_unreachable(&datagram, here.engine.snapshot()),
                }
            });
        }
    }

    /// What has waited too long: for a MAC, since management did not answer in time either; for its other fragments; for somebody
    /// to take a SYN. Returns how many frames had an answer.
    pub(super) fn expire_held(&mut self, now: Instant, budget: usize) -> usize {
        let ports = &mut self.out.ports;
        self.held.reassembly.expire(now, budget, |held, reason| match held {
            Some((frame, port)) => ports.lost_waiting(&frame, port, reason),
            None => ports.counters.dropped(reason),
        });
        let stale = self.held.neighbours.take_stale(now);
        let count = stale.len();
        for Queued { datagram, .. } in stale {
            self.watched_end(datagram, Come::Waited, |here, datagram| {
                here.out.reject_unreachable(&datagram, here.engine.snapshot());
            });
        }
        count + self.finish_deferred(now) + self.expire_withheld(now)
    }

    /// What leaves goes to the NICs and to the other workers. What a full ring does not take is dropped and counted: a worker that
    /// waits for another would stop serving, and two that wait for each other would stop for ever.
    pub(super) fn finish_turn(&mut self) {
        self.out.ports.send_all();
        let Ports { counters, taps, .. } = &mut self.out.ports;
        self.hand_off.flush(|datagram, taken| match taken {
            true => counters.handed_off += datagram.frames.count() as u64,
            false => {
                if taps.is_on() {
                    let (all, reason) = (datagram.frames.all().iter(), DropReason::HandOffFull);
                    all.for_each(|frame| taps.lost_on_its_way(frame, datagram.port, Side::Before, reason));
                }
                counters.dropped_all(datagram.frames.count(), DropReason::HandOffFull);
            }
        });
        counters.set_gauges(&self.engine, self.held.frames(), self.held.reassembly.len());
        counters.copies.0 = *self.copies.counts();
    }

    /// Drops what waits, and what others have handed off to this worker.
    pub(super) fn stop(&mut self) {
        let counters = &mut self.out.ports.counters;
        counters.dropped_all(self.held.frames(), DropReason::Stopping);
        self.held.clear();
        self.copies.clear(CopyCount::Discarded);
        let mut handed_in = Vec::new();
        self.hand_off.take(&mut handed_in, usize::MAX);
        for datagram in handed_in {
            counters.handed_in += datagram.frames.count() as u64;
            counters.dropped_all(datagram.frames.count(), DropReason::Stopping);
        }
    }
}

/// ARP, and what management is handed.
fn may_concern_the_kernel(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Punt(reason) => !reason.is_for_host(),
        Verdict::Answer(Reply::Arp { .. }) | Verdict::Ignore(IgnoreReason::Arp) => true,
        _ => false,
    }
}
