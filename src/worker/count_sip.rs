//! SIP that passes service ports, read to be counted.
//!
//! Owns which datagrams are read for that: one of so many transactions, and of so many remote endpoints what keeps their way open. Each
//! is read once, by the worker that has decided about it, and leaves as if it had not been. Read next: `sip`, what is counted.

use super::frames::said;
use super::pipeline::Pipeline;
use super::sip::Sample;
use crate::engine::{Classified, Party, Verdict};
use crate::io::Port;
use crate::time::Instant;
use crate::wire::Packet;

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
        let mut count = |party: Party| self.sampling.count(&sample, &party, now);
        parties.into_iter().flatten().for_each(&mut count);
    }
}
