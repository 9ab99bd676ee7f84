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
/// Frames that wait in all, at most.
const IN_ALL: usize = 1_024;
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
    asked: Vec<(NextHop, Instant)>,
}

impl<F> Default for Waiting<F> {
    fn default() -> Waiting<F> {
        Waiting { cargoes: Vec::new(), asked: Vec::new() }
    }
}

impl<F> Waiting<F> {
    /// How many frames wait.
    pub(super) fn len(&self) -> usize {
        self.cargoes.iter().map(|held| held.cargo.frames()).sum()
    }

    /// Holds a datagram; gives it back when too many wait already.
    pub(super) fn hold(&mut self, hop: NextHop, cargo: Cargo<F>, port: PortId, now: Instant) -> Result<(), Cargo<F>> {
        let same = self.cargoes.iter().filter(|held| held.hop == hop).count();
        if same >= PER_HOP || self.len() + cargo.frames() > IN_ALL {
            return Err(cargo);
        }
        self.cargoes.push(Held { cargo, port, hop, since: now });
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
        std::mem::take(&mut self.cargoes)
    }

    /// What waits for `hop`, oldest first.
    pub(super) fn take_for(&mut self, hop: NextHop) -> Vec<Held<F>> {
        self.cargoes.extract_if(.., |held| held.hop == hop).collect()
    }

    /// What has waited too long.
    pub(super) fn take_stale(&mut self, now: Instant) -> Vec<Held<F>> {
        match self.cargoes.first() {
            Some(oldest) if now.since(oldest.since) > PATIENCE => {
                self.cargoes.extract_if(.., |held| now.since(held.since) > PATIENCE).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The held datagram goes back to where it stood, with the time it has waited already.
    pub(super) fn hold_again(&mut self, hop: NextHop, held: Held<F>) {
        self.cargoes.push(Held { hop, ..held });
    }
}
