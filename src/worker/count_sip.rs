//! SIP that passes service ports, read to be counted.
//!
//! Owns which datagrams are read for that: one of so many transactions, and of so many remote endpoints what keeps their way open. Each
//! is read once, by the worker that has decided about it, and leaves as if it had not been. Read next: `sip`, what is counted.

use super::frames::{Received, said};
use super::pipeline::Pipeline;
use super::sip::Sample;
use crate::engine::{Classified, Party, Path, Verdict};
use crate::io::Port;
use crate::time::Instant;
use crate::wire::transaction::AnsweredAt;
use crate::wire::{Endpoint, Packet};

impl<P: Port> Pipeline<P> {
    /// Counts a datagram of a service that was decided about; of one in fragments, the first says what there is to count.
    #[inline(never)]
    pub(super) fn count_sip(
        &mut self,
        first: &P::Frame,
        packet: &Packet,
        classified: Classified,
        verdict: &Verdict,
        now: Instant,
    ) {
        let parties = self.engine.parties(packet, classified, verdict);
        if parties == [None; 2] {
            return;
        }
        let Some(sample) = Sample::of(said(first, packet), self.engine.snapshot().sip.sample) else { return };
        for party in parties.into_iter().flatten() {
            let is_here = sample.answered_at().is_none_or(|at| self.comes_here(at, &party, classified.path));
            self.sampling.count(&sample.answered_here(is_here), &party, now);
        }
    }

    /// The same of a datagram that has waited for a MAC and leaves, unless it was counted when it came, as what clients send is: what a
    /// member sends is counted by what it becomes, which nobody knew then.
    pub(super) fn count_sip_that_waited(
        &mut self,
        datagram: &Received<P::Frame>,
        packet: &Packet,
        verdict: &Verdict,
        now: Instant,
    ) {
        if !self.engine.snapshot().counts_sip() {
            return;
        }
        let classified = self.engine.classify(packet, datagram.port);
        if let Path::ServiceOut(_) | Path::Outward(_) | Path::Hairpin { .. } = classified.path {
            self.count_sip(datagram.frames.first(), packet, classified, verdict, now);
        }
    }

    /// The answer to a request comes by this worker. What goes to a client belongs to a worker by the client's address and port; what
    /// comes from whom a member has asked, by theirs; and between members by their addresses alone.
    fn comes_here(&self, answered_at: AnsweredAt, party: &Party, path: Path) -> bool {
        let is_hairpin = matches!(path, Path::Hairpin { .. });
        match answered_at {
            _ if party.is_from_member => true,
            AnsweredAt::Source => true,
            AnsweredAt::Port(port) => {
                port == party.remote.port || is_hairpin || self.hand_off.is_here(Endpoint { port, ..party.remote })
            }
            AnsweredAt::Elsewhere => false,
        }
    }
}
