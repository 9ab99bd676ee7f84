//! The states of a TCP connection that passes by, and the table that leads from one to the next.
//!
//! Owns the machine of RFC 7857 2, which is that of RFC 6146 3.5.2 with a handshake in three steps. Knows no sequence
//! numbers: whether a reset belongs to the connection is decided by [`super::tcp`] before it comes here.

use super::key::Direction;
use crate::wire::facts::Segment;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The opener's SYN has passed, no answer yet.
    Opening,
    /// The answerer's SYN has passed too; the opener has not acknowledged it.
    Answered,
    /// Both sides may send.
    Established,
    /// This side has said FIN, the other may still send.
    HalfClosed(Direction),
    /// Both sides have said FIN.
    Closing,
    /// This side has reset it.
    ResetBy(Direction),
    /// We have reset both sides. Nothing leads out of it.
    Aborted,
}

impl State {
    /// The word an operator sees.
    pub const fn name(self) -> &'static str {
        match self {
            State::Opening => "opening",
            State::Answered => "answered",
            State::Established => "established",
            State::HalfClosed(_) => "half-closed",
            State::Closing => "closing",
            State::ResetBy(_) | State::Aborted => "reset",
        }
    }
}

/// What a segment means to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It asks for a connection.
    Syn,
    /// It grants one.
    SynAck,
    /// Data, or a mere acknowledgement.
    Data,
    /// Its sender has no more to say.
    Fin,
    /// The connection is gone.
    Reset,
}

impl Event {
    /// By its control bits.
    pub fn of(segment: &Segment) -> Event {
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
pub(super) fn next(state: State, event: Event, side: Direction) -> State {
    use Direction::{Original, Reply};
    use Event::{Data, Fin, Reset, Syn, SynAck};
    use State::{Aborted, Answered, Closing, Established, HalfClosed, Opening, ResetBy};
    match (state, event, side) {
        // Simultaneous open: the other side's SYN crosses ours (RFC 5382 REQ-2, RFC 9293 3.5 figure 7).
        (Opening, Syn, Reply) => Answered,
        // The usual answer. It alone proves nothing about the opener, so the short lifetime stays (RFC 7857 2.1).
        (Opening, SynAck, Reply) => Answered,
        // The SYN again, or a SYN-ACK to a SYN that went another way.
        (Opening, Syn | SynAck, Original) => Opening,
        // A challenge to a reused port (RFC 5961 4.2), or one direction of a connection whose other goes elsewhere.
        (Opening, Data | Fin, _) => Opening,

        // Retransmissions of the handshake.
        (Answered, Syn, _) => Answered,
        (Answered, SynAck, Reply) => Answered,
        // The second half of a simultaneous open acknowledges the other's SYN (RFC 9293 3.5 figure 7).
        (Answered, SynAck, Original) => Established,
        // The third segment of the handshake (RFC 9293 3.5 figure 6).
        (Answered, Data, Original) => Established,
        // The answerer may send before its SYN is acknowledged, but that does not finish the handshake.
        (Answered, Data | Fin, Reply) => Answered,
        // A client that has nothing to say: its first acknowledgement carries the FIN.
        (Answered, Fin, Original) => HalfClosed(Original),

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

        // The side that seemed to reset keeps sending, so somebody else did it (RFC 6146 3.5.2.2, TRANS). Segments of
        // the other side prove nothing: they were on their way.
        (ResetBy(by), Data | Fin, side) if by == side => Established,
        (ResetBy(by), _, _) => ResetBy(by),

        // Our own reset is final.
        (Aborted, _, _) => Aborted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Original, Reply};
    use State::{Aborted, Answered, Closing, Established, HalfClosed, Opening, ResetBy};

    /// The whole table: where each segment from each side leads. Columns: SYN, SYN-ACK, data, FIN, reset; each first
    /// from the opener, then from the answerer.
    const ROWS: [(State, [State; 10]); 9] = {
        let (ho, ha) = (HalfClosed(Original), HalfClosed(Reply));
        let (ro, ra) = (ResetBy(Original), ResetBy(Reply));
        [
            (Opening, [Opening, Answered, Opening, Answered, Opening, Opening, Opening, Opening, ro, ra]),
            (Answered, [Answered, Answered, Established, Answered, Established, Answered, ho, Answered, ro, ra]),
            (
                Established,
                [Established, Established, Established, Established, Established, Established, ho, ha, ro, ra],
            ),
            (ho, [ho, ho, ho, ho, ho, ho, ho, Closing, ro, ra]),
            (ha, [ha, ha, ha, ha, ha, ha, Closing, ha, ro, ra]),
            (Closing, [Closing; 10]),
            (ro, [ro, ro, ro, ro, Established, ro, Established, ro, ro, ro]),
            (ra, [ra, ra, ra, ra, ra, Established, ra, Established, ra, ra]),
            (Aborted, [Aborted; 10]),
        ]
    };

    #[test]
    fn every_cell_of_the_table() {
        let events = [Event::Syn, Event::SynAck, Event::Data, Event::Fin, Event::Reset];
        for (state, row) in ROWS {
            for (column, expected) in row.into_iter().enumerate() {
                let (event, side) = (events[column / 2], Direction::BOTH[column % 2]);
                assert_eq!(next(state, event, side), expected, "{state:?} {event:?} by {side:?}");
            }
        }
    }
}
