//! What is known of a TCP connection that passes by.
//!
//! Owns its [`State`] and, for each side, how far it has sent and acknowledged, so that a reset can be made that RFC 5961
//! accepts and a stranger's be told from one that belongs. Never holds a segment back: one that fits nothing changes
//! nothing here and passes all the same. Read first: [`super::tcp_state`].

use super::key::Direction;
use super::lifetime::TimeoutClass;
pub use super::tcp_state::State;
use super::tcp_state::{Event, next};
use crate::wire::facts::Segment;
use crate::wire::tcp::seq_at_or_after;

/// A reset to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetSegment {
    /// Its sequence number.
    pub seq: u32,
    /// Its acknowledgement number; without one the segment carries no ACK.
    pub ack: Option<u32>,
}

/// How far a number may lie from what was seen and still be of this connection: what segments in flight may have covered
/// unseen, one unscaled window (RFC 9293 3.1).
const SLACK: u32 = 1 << 16;

/// The largest window there is (RFC 7323 2.3). A number further ahead is not of this connection.
const LARGEST_WINDOW: u32 = 1 << 30;

/// Of `known`: each side has acknowledged what the other sent, so both are where they say they are.
const MUTUAL: u8 = 1 << 4;

/// What is known of a connection. Sequence numbers as they are in segments; NAT does not change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    state: State,
    /// Which of the numbers below have been seen, by side: bit 0 and 1 `end`, bit 2 and 3 `ack`; and [`MUTUAL`].
    known: u8,
    /// One past the highest sequence number the side has sent.
    end: [u32; 2],
    /// The highest acknowledgement the side has sent: its RCV.NXT as far as we know.
    ack: [u32; 2],
}

/// The same as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackRecord {
    /// Its state.
    pub state: State,
    /// Which of the numbers are known, in bits.
    pub known: u8,
    /// By side, one past the highest sequence number sent.
    pub end: [u32; 2],
    /// By side, the highest acknowledgement sent.
    pub ack: [u32; 2],
}

impl Track {
    /// A connection that begins with this SYN.
    pub fn opening(syn: &Segment) -> Track {
        let mut track = Track { state: State::Opening, known: 0, end: [0; 2], ack: [0; 2] };
        track.note(Direction::Original, syn);
        track
    }

    /// A connection met in its middle (loose pickup): established, if the other side says so too.
    pub fn midstream(side: Direction, segment: &Segment) -> Track {
        let mut track = Track { state: State::Established, known: 0, end: [0; 2], ack: [0; 2] };
        track.on_segment(side, segment);
        track
    }

    /// All of it, as data.
    pub const fn record(&self) -> TrackRecord {
        let Track { state, known, end, ack } = *self;
        TrackRecord { state, known, end, ack }
    }

    /// What [`Track::record`] said of a connection; `None` if it can have said that of none.
    pub fn of_record(TrackRecord { state, known, end, ack }: TrackRecord) -> Option<Track> {
        (known <= MUTUAL | 0xf).then_some(Track { state, known, end, ack })
    }

    /// Its state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// What its state means for its lifetime. A half-closed connection still carries data the other way (RFC 6146 3.5.2.2).
    /// What a stranger can make alone, who never sees what the other side sends, lives as long as a handshake that nobody
    /// answers, whatever its segments say.
    #[inline]
    pub const fn class(&self) -> TimeoutClass {
        match self.state {
            State::Opening | State::Answered => TimeoutClass::TcpOpening,
            State::Established | State::HalfClosed(_) if self.known & MUTUAL == 0 => TimeoutClass::TcpOpening,
            State::Established | State::HalfClosed(_) => TimeoutClass::TcpEstablished,
            State::Closing | State::ResetBy(_) | State::Aborted => TimeoutClass::TcpClosing,
        }
    }

    /// Each side has acknowledged what the other sent: there are two ends.
    #[inline]
    pub const fn is_mutual(&self) -> bool {
        self.known & MUTUAL != 0
    }

    /// The connection was met in its middle, and `side` has sent something.
    pub fn is_continued_by(&self, side: Direction) -> bool {
        matches!(self.state, State::Established | State::HalfClosed(_)) && self.end(side).is_some()
    }

    /// Takes in a segment sent by `side` if it is data on an established connection, which moves no state (see the table);
    /// `false`, and nothing happened, if it is another one.
    #[inline]
    pub fn advance(&mut self, side: Direction, segment: &Segment) -> bool {
        let is_data = self.state == State::Established && segment.flags.is_data() && self.known == MUTUAL | 0xf;
        if is_data {
            self.note_progress(side, segment);
        }
        is_data
    }

    /// Takes in a segment sent by `side`. `false`, and nothing happened, for a reset whose numbers do not belong to the
    /// connection.
    pub fn on_segment(&mut self, side: Direction, segment: &Segment) -> bool {
        let event = Event::of(segment);
        if event == Event::Reset && !self.owns_reset(side, segment) {
            return false;
        }
        if event != Event::Reset {
            self.note(side, segment);
        }
        self.state = next(self.state, event, side);
        true
    }

    /// We have reset both sides: what comes from now on deserves another reset, whatever it says.
    pub fn abort(&mut self) {
        self.state = State::Aborted;
    }

    /// [`Track::abort`] was called.
    pub const fn is_aborted(&self) -> bool {
        matches!(self.state, State::Aborted)
    }

    /// A SYN from `side` is the start of a new connection, and this entry is in its way. On an established connection it
    /// is not: the far end challenges it (RFC 5961 4.2), and a genuine restart then brings its own reset.
    pub fn may_be_replaced_by_syn(&self, side: Direction, segment: &Segment) -> bool {
        let retransmitted = self.end(side) == Some(segment.seq.wrapping_add(segment.length()));
        segment.flags.opens()
            && match self.state {
                State::Closing | State::ResetBy(_) | State::Aborted => true,
                State::Opening | State::Answered => side == Direction::Original && !retransmitted,
                State::Established | State::HalfClosed(_) => false,
            }
    }

    /// The resets to send to `side`, as if from the other one. The first has the sequence number that `side` last
    /// acknowledged, which is its RCV.NXT unless data is on its way to it; for that case a second one follows with the
    /// end of what the other side has sent. RFC 5961 3.2 acts on the exact number only. None if nothing was ever seen.
    pub fn reset_towards(&self, side: Direction) -> impl Iterator<Item = ResetSegment> + use<> {
        let ack = self.end(side);
        let acknowledged = self.acknowledged(side);
        let sent = self.end(side.other());
        let ahead = match (acknowledged, sent) {
            (Some(acknowledged), Some(sent)) if sent == acknowledged || !seq_at_or_after(sent, acknowledged) => None,
            _ => sent,
        };
        // Who waits for the answer to its SYN heeds the acknowledgement alone (RFC 9293 3.10.7.3).
        let unanswered = (acknowledged.is_none() && sent.is_none() && ack.is_some()).then_some(0);
        [acknowledged, ahead, unanswered].into_iter().flatten().map(move |seq| ResetSegment { seq, ack })
    }

    /// Whether a reset sent by `side` belongs to the connection (RFC 7857 2.2). It does if its number lies between what
    /// the receiver has acknowledged and what the sender has sent, with [`SLACK`] at both ends; the answer to a SYN does
    /// if it acknowledges the SYN (RFC 9293 3.10.7.3). If neither end is known there is nothing to hold against it.
    fn owns_reset(&self, side: Direction, segment: &Segment) -> bool {
        if self.state == State::Opening && side == Direction::Reply {
            return segment.flags.ack()
                && self.end(Direction::Original).is_none_or(|end| within(segment.ack, end, end));
        }
        let (acknowledged, sent) = (self.acknowledged(side.other()), self.end(side));
        match (acknowledged, sent) {
            (None, None) => true,
            (Some(one), None) | (None, Some(one)) => within(segment.seq, one, one),
            (Some(low), Some(high)) => within(segment.seq, low, if seq_at_or_after(high, low) { high } else { low }),
        }
    }

    /// Remembers how far `side` has sent and acknowledged.
    fn note(&mut self, side: Direction, segment: &Segment) {
        // A SYN during the handshake says where a side begins: nothing seen before it counts.
        let begins = segment.flags.syn() && matches!(self.state, State::Opening | State::Answered);
        let end = segment.seq.wrapping_add(segment.length());
        if begins || self.end(side).is_none_or(|seen| advances(seen, end)) {
            self.end[side.index()] = end;
            self.known |= 1 << side.index();
        }
        if segment.flags.ack() && (begins || self.acknowledged(side).is_none_or(|seen| advances(seen, segment.ack))) {
            self.ack[side.index()] = segment.ack;
            self.known |= 4 << side.index();
        }
        if self.known & MUTUAL == 0 && Direction::BOTH.into_iter().all(|side| self.answers(side)) {
            self.known |= MUTUAL;
        }
    }

    /// As [`Track::note`], where all numbers have been seen and each side has answered the other.
    #[inline(always)]
    fn note_progress(&mut self, side: Direction, segment: &Segment) {
        let end = segment.seq.wrapping_add(u32::from(segment.payload));
        if advances(self.end[side.index()], end) {
            self.end[side.index()] = end;
        }
        if segment.flags.ack() && advances(self.ack[side.index()], segment.ack) {
            self.ack[side.index()] = segment.ack;
        }
    }

    /// What `side` acknowledges is what the other has sent.
    fn answers(&self, side: Direction) -> bool {
        match (self.acknowledged(side), self.end(side.other())) {
            (Some(acknowledged), Some(sent)) => within(acknowledged, sent, sent),
            _ => false,
        }
    }

    fn end(&self, side: Direction) -> Option<u32> {
        (self.known & 1 << side.index() != 0).then_some(self.end[side.index()])
    }

    fn acknowledged(&self, side: Direction) -> Option<u32> {
        (self.known & 4 << side.index() != 0).then_some(self.ack[side.index()])
    }
}

/// `number` lies from `low` to `high`, with [`SLACK`] at both ends, modulo 2^32 (RFC 9293 3.4).
fn within(number: u32, low: u32, high: u32) -> bool {
    let span = high.wrapping_sub(low).saturating_add(2 * SLACK);
    number.wrapping_sub(low.wrapping_sub(SLACK)) <= span
}

/// `number` is ahead of `seen`, by no more than a window.
#[inline]
fn advances(seen: u32, number: u32) -> bool {
    (1..=LARGEST_WINDOW).contains(&number.wrapping_sub(seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tcp::Flags;
    use Direction::{Original, Reply};
    use State::{Established, HalfClosed, ResetBy};

    const SYN: Flags = Flags::SYN;
    const ACK: Flags = Flags::ACK;
    const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
    const FIN: Flags = Flags::FIN.with(Flags::ACK);
    const RST: Flags = Flags::RST.with(Flags::ACK);

    fn segment(flags: Flags, seq: u32, ack: u32, payload: u16) -> Segment {
        Segment { seq, ack, flags, payload }
    }

    /// The opener begins at `opener`, the answerer at `answerer`; the handshake is done.
    fn established(opener: u32, answerer: u32) -> Track {
        let mut track = Track::opening(&segment(SYN, opener, 0, 0));
        let (opener, answerer) = (opener.wrapping_add(1), answerer.wrapping_add(1));
        track.on_segment(Reply, &segment(SYN_ACK, answerer.wrapping_sub(1), opener, 0));
        track.on_segment(Original, &segment(ACK, opener, answerer, 0));
        assert_eq!(track.state(), Established);
        track
    }

    fn resets(track: &Track, side: Direction) -> Vec<(u32, Option<u32>)> {
        track.reset_towards(side).map(|reset| (reset.seq, reset.ack)).collect()
    }

    #[test]
    fn a_connection_opens_talks_and_closes() {
        let mut track = Track::opening(&segment(SYN, 1000, 0, 0));
        let steps = [
            (Reply, segment(SYN_ACK, 9000, 1001, 0), TimeoutClass::TcpOpening, "answered"),
            (Original, segment(ACK, 1001, 9001, 0), TimeoutClass::TcpEstablished, "established"),
            (Original, segment(ACK, 1001, 9001, 300), TimeoutClass::TcpEstablished, "established"),
            (Original, segment(FIN, 1301, 9001, 0), TimeoutClass::TcpEstablished, "half-closed"),
            (Reply, segment(ACK, 9001, 1302, 100), TimeoutClass::TcpEstablished, "half-closed"),
            (Reply, segment(FIN, 9101, 1302, 0), TimeoutClass::TcpClosing, "closing"),
            (Original, segment(ACK, 1302, 9102, 0), TimeoutClass::TcpClosing, "closing"),
            (Reply, segment(FIN, 9101, 1302, 0), TimeoutClass::TcpClosing, "closing"),
        ];
        for (side, segment, class, name) in steps {
            assert!(track.on_segment(side, &segment), "{side:?} {segment:?}");
            assert_eq!((track.class(), track.state().name()), (class, name), "{side:?} {segment:?}");
        }
    }

    #[test]
    fn both_may_open_at_once() {
        let mut track = Track::opening(&segment(SYN, 1000, 0, 0));
        assert!(track.on_segment(Reply, &segment(SYN, 9000, 0, 0)));
        assert!(track.on_segment(Reply, &segment(SYN_ACK, 9000, 1001, 0)));
        assert!(track.on_segment(Original, &segment(SYN_ACK, 1000, 9001, 0)));
        assert_eq!(track.state(), Established);
    }

    #[test]
    fn a_refused_handshake_is_reset_by_the_answerer() {
        let mut track = Track::opening(&segment(SYN, u32::MAX, 0, 0));
        // A reset that does not acknowledge the SYN is somebody else's (RFC 9293 3.10.7.3).
        assert!(!track.on_segment(Reply, &segment(Flags::RST, 0, 0, 0)));
        assert!(!track.on_segment(Reply, &segment(RST, 0, 0x4000_0000, 0)));
        assert!(track.on_segment(Reply, &segment(RST, 0, 0, 0)));
        assert_eq!((track.state(), track.class()), (ResetBy(Reply), TimeoutClass::TcpClosing));
    }

    #[test]
    fn a_reset_must_belong_to_the_connection() {
        let near_the_end = u32::MAX - 5;
        for (opener, answerer) in [(1000, 9000), (near_the_end, near_the_end), (0x7fff_fff0, 0xffff_0000)] {
            let mut track = established(opener, answerer);
            track.on_segment(Reply, &segment(ACK, answerer.wrapping_add(1), opener.wrapping_add(1), 1400));
            let guess = answerer.wrapping_add(0x1000_0000);
            assert!(!track.on_segment(Reply, &segment(Flags::RST, guess, 0, 0)));
            assert_eq!(track.state(), Established);
            let exact = answerer.wrapping_add(1401);
            assert!(track.on_segment(Reply, &segment(Flags::RST, exact, 0, 0)));
            assert_eq!(track.state(), ResetBy(Reply));
            // What the opener had on its way proves nothing; the answerer going on does (RFC 6146 3.5.2.2).
            let late = segment(ACK, opener.wrapping_add(1), exact, 10);
            assert!(track.on_segment(Original, &late));
            assert_eq!(track.state(), ResetBy(Reply));
            let alive = segment(ACK, exact, opener.wrapping_add(11), 10);
            assert!(track.on_segment(Reply, &alive));
            assert_eq!(track.state(), Established);
        }
    }

    #[test]
    fn a_reset_towards_a_side_has_the_number_it_waits_for() {
        for (opener, answerer) in [(1000_u32, 9000_u32), (u32::MAX - 2, u32::MAX - 50), (u32::MAX, u32::MAX)] {
            let mut track = established(opener, answerer);
            let (opener, answerer) = (opener.wrapping_add(1), answerer.wrapping_add(1));
            assert_eq!(resets(&track, Original), [(answerer, Some(opener))]);
            assert_eq!(resets(&track, Reply), [(opener, Some(answerer))]);
            // The answerer sends 100 octets that the opener has not acknowledged: they may have arrived or not.
            track.on_segment(Reply, &segment(ACK, answerer, opener, 100));
            let sent = answerer.wrapping_add(100);
            assert_eq!(resets(&track, Original), [(answerer, Some(opener)), (sent, Some(opener))]);
            track.on_segment(Original, &segment(ACK, opener, sent, 0));
            assert_eq!(resets(&track, Original), [(sent, Some(opener))]);
            // An old segment, sent again, takes nothing back.
            track.on_segment(Reply, &segment(ACK, answerer, opener, 100));
            track.on_segment(Original, &segment(ACK, opener, answerer, 0));
            assert_eq!(resets(&track, Original), [(sent, Some(opener))]);
        }
    }

    #[test]
    fn a_reset_towards_an_unfinished_handshake() {
        let track = Track::opening(&segment(SYN, 1000, 0, 0));
        // The opener heeds the acknowledgement, the answerer the number after the SYN.
        assert_eq!(resets(&track, Original), [(0, Some(1001))]);
        assert_eq!(resets(&track, Reply), [(1001, None)]);
    }

    #[test]
    fn a_connection_may_be_met_in_its_middle() {
        let track = Track::midstream(Reply, &segment(ACK, 9000, 1001, 50));
        assert_eq!((track.state(), track.class()), (Established, TimeoutClass::TcpOpening), "one side may be invented");
        assert_eq!(resets(&track, Reply), [(1001, Some(9050))]);
        assert_eq!(resets(&track, Original), [(9050, None)]);
        let mut refused = track;
        assert!(refused.on_segment(Original, &segment(Flags::RST, 1001, 0, 0)));
        let mut answered = track;
        answered.on_segment(Original, &segment(ACK, 1001, 9050, 0));
        assert_eq!([refused.class(), answered.class()], [TimeoutClass::TcpClosing, TimeoutClass::TcpEstablished]);
        assert_eq!(Track::midstream(Original, &segment(FIN, 5, 6, 0)).state(), HalfClosed(Original));
    }

    #[test]
    fn a_number_beyond_any_window_is_not_believed() {
        let mut track = established(1000, 9000);
        track.on_segment(Reply, &segment(ACK, 9001 + LARGEST_WINDOW + 1, 1001 + LARGEST_WINDOW + 1, 0));
        assert_eq!(resets(&track, Original), [(9001, Some(1001))]);
        assert_eq!(resets(&track, Reply), [(1001, Some(9001))]);
    }

    #[test]
    fn an_aborted_connection_stays_so() {
        let mut track = established(1000, 9000);
        track.abort();
        for flags in [SYN, SYN_ACK, ACK, FIN, RST] {
            for side in Direction::BOTH {
                track.on_segment(side, &segment(flags, 1001, 9001, 0));
                assert!(track.is_aborted());
            }
        }
        assert_eq!((track.class(), track.state().name()), (TimeoutClass::TcpClosing, "reset"));
    }

    /// Scenario 86: who forges his address never sees the other side's numbers.
    #[test]
    fn what_a_stranger_makes_alone_is_not_established() {
        let syn_ack = segment(SYN_ACK, 0x8000_0000, 1001, 0);
        let forged = segment(ACK, 1001, 77, 0);
        let reset = segment(Flags::RST, 1001, 0, 0);
        let steps: [&[(Direction, Segment)]; 3] = [
            &[(Reply, syn_ack), (Original, forged)],
            &[(Original, reset), (Reply, syn_ack), (Original, forged)],
            &[(Original, forged), (Reply, syn_ack), (Original, segment(FIN, 1001, 99, 0))],
        ];
        for steps in steps {
            let mut track = Track::opening(&segment(SYN, 1000, 0, 0));
            steps.iter().for_each(|(side, segment)| {
                track.on_segment(*side, segment);
            });
            assert_eq!(track.class(), TimeoutClass::TcpOpening, "{steps:?}");
        }
    }

    /// Scenario 28.
    #[test]
    fn a_new_syn_replaces_what_is_not_established() {
        let again = segment(SYN, 1000, 0, 0);
        let new = segment(SYN, 777_777, 0, 0);
        let mut track = Track::opening(&again);
        assert!(!track.may_be_replaced_by_syn(Original, &again), "a retransmission");
        assert!(!track.may_be_replaced_by_syn(Reply, &new), "a simultaneous open");
        assert!(track.may_be_replaced_by_syn(Original, &new));
        track = established(1000, 9000);
        assert!(!track.may_be_replaced_by_syn(Original, &new), "the far end challenges it");
        track.on_segment(Original, &segment(FIN, 1001, 9001, 0));
        assert!(!track.may_be_replaced_by_syn(Original, &new));
        track.on_segment(Reply, &segment(FIN, 9001, 1002, 0));
        assert!(track.may_be_replaced_by_syn(Original, &new));
        assert!(!track.may_be_replaced_by_syn(Original, &segment(ACK, 777_777, 1, 0)), "no SYN");
        track.abort();
        assert!(track.may_be_replaced_by_syn(Original, &new));
    }

    #[test]
    fn a_track_is_small() {
        assert_eq!(size_of::<Option<Track>>(), 20);
    }
}
