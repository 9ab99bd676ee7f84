//! What is known of a TCP connection that passes by.
//!
//! Owns the state machine (RFC 7857 2, after RFC 6146 3.5.2) and, for each side, how far it has sent and acknowledged, so
//! that a reset can be made that RFC 5961 accepts. Never holds a segment back: a segment that fits nothing changes
//! nothing here and passes all the same.

use super::lifetime::Class;
use super::side::Side;
use crate::wire::headers::Segment;
use crate::wire::tcp::seq_at_or_after;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The opener's SYN has passed, no answer yet.
    Opening,
    /// The answerer's SYN has passed too; the opener has not acknowledged it.
    Answered,
    /// Both sides may send.
    Established,
    /// This side has said FIN, the other may still send.
    HalfClosed(Side),
    /// Both sides have said FIN.
    Closing,
    /// This side has reset it.
    ResetBy(Side),
    /// We have reset both sides. Nothing leads out of it.
    Aborted,
}

impl State {
    /// The word an operator sees.
    pub const fn name(self) -> &'static str {
        match self {
            State::Opening | State::Answered => "opening",
            State::Established => "established",
            State::HalfClosed(_) => "half-closed",
            State::Closing => "closing",
            State::ResetBy(_) | State::Aborted => "reset",
        }
    }
}

/// What a segment did to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing, or a step of the handshake.
    Stays,
    /// The handshake is complete.
    Establishes,
    /// The first FIN.
    HalfCloses,
    /// The second FIN.
    Closes,
    /// A reset that belongs to it.
    Resets,
    /// The side that seemed to reset it goes on sending: the reset was not its own.
    Revives,
    /// A reset whose numbers do not belong to the connection. It is passed on and refreshes nothing.
    StrayReset,
}

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

/// What is known of a connection. Sequence numbers as they stand in segments; NAT does not change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    state: State,
    /// Which of the numbers below have been seen, by side: bit 0 and 1 `end`, bit 2 and 3 `ack`.
    known: u8,
    /// One past the highest sequence number the side has sent.
    end: [u32; 2],
    /// The highest acknowledgement the side has sent: its RCV.NXT as far as we know.
    ack: [u32; 2],
}

impl Track {
    /// A connection that begins with this SYN.
    pub fn opening(syn: &Segment) -> Track {
        let mut track = Track { state: State::Opening, known: 0, end: [0; 2], ack: [0; 2] };
        track.note(Side::Opener, syn);
        track
    }

    /// A connection met in its middle (loose pickup): it counts as established.
    pub fn midstream(side: Side, segment: &Segment) -> Track {
        let mut track = Track { state: State::Established, known: 0, end: [0; 2], ack: [0; 2] };
        track.on_segment(side, segment);
        track
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// What its state means for its lifetime. A half-closed connection still carries data the other way (RFC 6146 3.5.2.2).
    #[inline]
    pub const fn class(&self) -> Class {
        match self.state {
            State::Opening | State::Answered => Class::TcpOpening,
            State::Established | State::HalfClosed(_) => Class::TcpEstablished,
            State::Closing | State::ResetBy(_) | State::Aborted => Class::TcpClosing,
        }
    }

    /// Takes in a segment sent by `side`.
    pub fn on_segment(&mut self, side: Side, segment: &Segment) -> Transition {
        let event = Event::of(segment);
        if event == Event::Reset && !self.owns_reset(side, segment) {
            return Transition::StrayReset;
        }
        if event != Event::Reset {
            self.note(side, segment);
        }
        let from = self.state;
        self.state = next(from, event, side);
        transition(from, self.state)
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
    pub fn may_be_replaced_by_syn(&self, side: Side, segment: &Segment) -> bool {
        let retransmitted = self.end(side) == Some(segment.seq.wrapping_add(segment.length()));
        segment.flags.opens()
            && match self.state {
                State::Closing | State::ResetBy(_) | State::Aborted => true,
                State::Opening | State::Answered => side == Side::Opener && !retransmitted,
                State::Established | State::HalfClosed(_) => false,
            }
    }

    /// The resets to send to `side`, as if from the other one. The first has the sequence number that `side` last
    /// acknowledged, which is its RCV.NXT unless data is on its way to it; for that case a second one follows with the
    /// end of what the other side has sent. RFC 5961 3.2 acts on the exact number only. None if nothing was ever seen.
    pub fn reset_towards(&self, side: Side) -> impl Iterator<Item = ResetSegment> + use<> {
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
    fn owns_reset(&self, side: Side, segment: &Segment) -> bool {
        if self.state == State::Opening && side == Side::Answerer {
            return segment.flags.ack() && self.end(Side::Opener).is_none_or(|end| within(segment.ack, end, end));
        }
        let (acknowledged, sent) = (self.acknowledged(side.other()), self.end(side));
        match (acknowledged, sent) {
            (None, None) => true,
            (Some(one), None) | (None, Some(one)) => within(segment.seq, one, one),
            (Some(low), Some(high)) => within(segment.seq, low, if seq_at_or_after(high, low) { high } else { low }),
        }
    }

    /// Remembers how far `side` has sent and acknowledged.
    fn note(&mut self, side: Side, segment: &Segment) {
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
    }

    fn end(&self, side: Side) -> Option<u32> {
        (self.known & 1 << side.index() != 0).then_some(self.end[side.index()])
    }

    fn acknowledged(&self, side: Side) -> Option<u32> {
        (self.known & 4 << side.index() != 0).then_some(self.ack[side.index()])
    }
}

/// What a segment means to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Syn,
    SynAck,
    Data,
    Fin,
    Reset,
}

impl Event {
    fn of(segment: &Segment) -> Event {
        let flags = segment.flags;
        match (flags.rst(), flags.syn(), flags.ack(), flags.fin()) {
            (true, ..) => Event::Reset,
            (_, true, true, _) => Event::SynAck,
            (_, true, false, _) => Event::Syn,
            (_, _, _, true) => Event::Fin,
            _ => Event::Data,
        }
    }
}

/// The table. A reset in it has already been found to belong to the connection.
fn next(state: State, event: Event, side: Side) -> State {
    use Event::{Data, Fin, Reset, Syn, SynAck};
    use Side::{Answerer, Opener};
    use State::{Aborted, Answered, Closing, Established, HalfClosed, Opening, ResetBy};
    match (state, event, side) {
        // Simultaneous open: the other side's SYN crosses ours (RFC 5382 REQ-2, RFC 9293 3.5 figure 7).
        (Opening, Syn, Answerer) => Answered,
        // The usual answer. It alone proves nothing about the opener, so the short lifetime stays (RFC 7857 2.1).
        (Opening, SynAck, Answerer) => Answered,
        // The SYN again, or a SYN-ACK to a SYN that went another way.
        (Opening, Syn | SynAck, Opener) => Opening,
        // A challenge to a reused port (RFC 5961 4.2), or one direction of a connection whose other goes elsewhere.
        (Opening, Data | Fin, _) => Opening,

        // Retransmissions of the handshake.
        (Answered, Syn, _) => Answered,
        (Answered, SynAck, Answerer) => Answered,
        // The second half of a simultaneous open acknowledges the other's SYN (RFC 9293 3.5 figure 7).
        (Answered, SynAck, Opener) => Established,
        // The third segment of the handshake (RFC 9293 3.5 figure 6).
        (Answered, Data, Opener) => Established,
        // The answerer may send before its SYN is acknowledged, but that does not finish the handshake.
        (Answered, Data | Fin, Answerer) => Answered,
        // A client that has nothing to say: its first acknowledgement carries the FIN.
        (Answered, Fin, Opener) => HalfClosed(Opener),

        // A SYN here is challenged by the far end, which alone can know (RFC 5961 4.2).
        (Established, Syn | SynAck | Data, _) => Established,
        // RFC 6146 3.5.2.2: the first FIN, from either side.
        (Established, Fin, side) => HalfClosed(side),

        // The FIN again, or data the other way (RFC 9293 3.6 case 1).
        (HalfClosed(closed), Fin, side) if closed == side => HalfClosed(closed),
        // RFC 6146 3.5.2.2: both have said FIN.
        (HalfClosed(_), Fin, _) => Closing,
        (HalfClosed(closed), Syn | SynAck | Data, _) => HalfClosed(closed),

        // Retransmissions and last acknowledgements pass for four minutes (RFC 5382 REQ-5); a reset hastens nothing.
        (Closing, _, _) => Closing,

        // A refused or abandoned handshake, and the end of anything that lives (RFC 7857 2.2).
        (Opening | Answered | Established | HalfClosed(_), Reset, side) => ResetBy(side),

        // The side that seemed to reset goes on sending, so somebody else did it (RFC 6146 3.5.2.2, TRANS). Segments of
        // the other side prove nothing: they were on their way.
        (ResetBy(by), Data | Fin, side) if by == side => Established,
        (ResetBy(by), _, _) => ResetBy(by),

        // Our own word stands.
        (Aborted, _, _) => Aborted,
    }
}

fn transition(from: State, to: State) -> Transition {
    match (from, to) {
        _ if from == to => Transition::Stays,
        (State::ResetBy(_), State::Established) => Transition::Revives,
        (_, State::Established) => Transition::Establishes,
        (_, State::HalfClosed(_)) => Transition::HalfCloses,
        (_, State::Closing) => Transition::Closes,
        (_, State::ResetBy(_)) => Transition::Resets,
        (_, State::Opening | State::Answered | State::Aborted) => Transition::Stays,
    }
}

/// `number` lies from `low` to `high`, with [`SLACK`] at both ends, modulo 2^32 (RFC 9293 3.4).
fn within(number: u32, low: u32, high: u32) -> bool {
    let span = high.wrapping_sub(low).saturating_add(2 * SLACK);
    number.wrapping_sub(low.wrapping_sub(SLACK)) <= span
}

/// `number` is ahead of `seen`, by no more than a window.
fn advances(seen: u32, number: u32) -> bool {
    (1..=LARGEST_WINDOW).contains(&number.wrapping_sub(seen))
}
