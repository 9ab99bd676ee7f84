//! Datagrams that wait for a next hop's MAC.
//!
//! Owns a short queue, so that the first INVITE to a peer is not lost while ARP asks. Bounded per next hop and in all;
//! datagrams leave it in the order they came.

use super::cargo::Cargo;
use crate::policy::adjacency::NextHop;
use crate::policy::intent::PortId;
use crate::time::{Duration, Instant};

/// Datagrams that wait for one next hop, at most.
const PER_HOP: usize = 16;
/// Frames that wait in all, at most; fewer where buffers are scarce.
const IN_ALL: usize = 1_024;
/// One place of so many is for members and routers alone: a scan of a network of ours cannot fill it.
const KEPT: usize = 4;
/// A datagram nobody cared for is given up after this, whatever management says.
const PATIENCE: Duration = Duration::from_secs(5);
/// Management is reminded of a next hop after this.
const REMINDER: Duration = Duration::from_secs(1);

/// A datagram that waits.
pub(super) struct Held<F> {
    pub cargo: Cargo<F>,
    pub port: PortId,
    hop: NextHop,
    since: Instant,
}

/// All that wait.
pub(super) struct Waiting<F> {
    cargoes: Vec<Held<F>>,
    /// In all of them.
    frames: usize,
    most: usize,
    asked: Vec<(NextHop, Instant)>,
}

impl<F> Held<F> {
    /// `cargo`, which came in on `port`, waits for `hop` from now on.
    pub(super) fn new(hop: NextHop, cargo: Cargo<F>, port: PortId, now: Instant) -> Held<F> {
        Held { cargo, port, hop, since: now }
    }
}

impl<F> Waiting<F> {
    /// Room for `most` frames, and no more than a queue of this kind may need.
    pub(super) fn new(most: usize) -> Waiting<F> {
        Waiting { cargoes: Vec::new(), frames: 0, most: most.min(IN_ALL), asked: Vec::new() }
    }

    /// How many frames wait.
    pub(super) fn len(&self) -> usize {
        self.frames
    }

    /// Holds a datagram; gives it back when too many wait already. `kept`: the hop is a member or a router.
    pub(super) fn hold(&mut self, hop: NextHop, kept: bool, held: Held<F>) -> Result<(), Cargo<F>> {
        let most = if kept { self.most } else { self.most - self.most / KEPT };
        // A flood finds the queue full at once, and walks over nothing.
        if self.frames + held.cargo.frames() > most || self.count_for(hop) >= PER_HOP {
            return Err(held.cargo);
        }
        self.push(held);
        Ok(())
    }

    /// `true` when management is to be asked for the hop now: it was not, or not lately.
    pub(super) fn asks(&mut self, hop: NextHop, now: Instant) -> bool {
        self.asked.retain(|&(_, at)| now.since(at) < REMINDER);
        let fresh = !self.asked.iter().any(|&(asked, _)| asked == hop);
        if fresh {
            self.asked.push((hop, now));
        }
        fresh
    }

    /// Everything that waits, oldest first: something changed, all of it is to be decided again.
    pub(super) fn take_all(&mut self) -> Vec<Held<F>> {
        self.frames = 0;
        std::mem::take(&mut self.cargoes)
    }

    /// What waits for `hop`, oldest first.
    pub(super) fn take_for(&mut self, hop: NextHop) -> Vec<Held<F>> {
        self.take(|held| held.hop == hop)
    }

    /// What has waited too long.
    pub(super) fn take_stale(&mut self, now: Instant) -> Vec<Held<F>> {
        match self.cargoes.first() {
            Some(oldest) if now.since(oldest.since) > PATIENCE => self.take(|held| now.since(held.since) > PATIENCE),
            _ => Vec::new(),
        }
    }

    /// The held datagram goes back to where it stood, with the time it has waited already.
    pub(super) fn hold_again(&mut self, hop: NextHop, held: Held<F>) {
        self.push(Held { hop, ..held });
    }

    fn count_for(&self, hop: NextHop) -> usize {
        self.cargoes.iter().filter(|held| held.hop == hop).count()
    }

    fn push(&mut self, held: Held<F>) {
        self.frames += held.cargo.frames();
        self.cargoes.push(held);
    }

    fn take(&mut self, which: impl Fn(&Held<F>) -> bool) -> Vec<Held<F>> {
        let taken: Vec<_> = self.cargoes.extract_if(.., |held| which(held)).collect();
        self.frames -= taken.iter().map(|held| held.cargo.frames()).sum::<usize>();
        taken
    }
}
