//! Traffic that never pauses, every frame of it compared.

use super::frames::*;
use super::{Bench, INNER, Seen};
use fairlead::time::Duration;

impl Bench {
    /// A datagram of each of the two sides every step for `span`: each comes out, whole and to `member`.
    #[track_caller]
    pub fn steady(&mut self, span: Duration, member: Far) {
        let (end, own, mut sent) = (self.now() + span, self.ip(member), 0_u16);
        let mut seen = self.look();
        assert!(seen.is_empty(), "nothing was on its way");
        while self.now() < end {
            let client = at(PHONE, 5060 + sent % 100);
            self.send(ROUTER, &request(client, V).id(sent));
            self.send(member, &call(&own, client).df().id(sent));
            self.turn();
            sent += 1;
            seen.extend(self.look());
        }
        self.run(ms(3));
        seen.extend(self.look());
        self.complete(seen, sent, member);
    }

    /// `seen` is what `sent` steps of a steady traffic come to.
    #[track_caller]
    fn complete(&self, seen: Vec<Seen>, sent: u16, member: Far) {
        let (inner, outer): (Vec<_>, Vec<_>) = seen.into_iter().partition(|seen| seen.port == INNER);
        assert_eq!((inner.len(), outer.len()), (usize::from(sent), usize::from(sent)), "{:?}", self.lead.counted());
        let own = self.ip(member);
        for (number, (inner, outer)) in (0..sent).zip(in_order(inner).iter().zip(&in_order(outer))) {
            let client = at(PHONE, 5060 + number % 100);
            self.expect(std::slice::from_ref(inner), member, &request(client, &own).id(number).ttl(63));
            self.expect(std::slice::from_ref(outer), ROUTER, &call(V, client).df().id(number).ttl(63));
        }
    }
}

/// By IP identification.
fn in_order(mut seen: Vec<Seen>) -> Vec<Seen> {
    seen.sort_by_key(|seen| u16::from_be_bytes([seen.frame[18], seen.frame[19]]));
    seen
}
