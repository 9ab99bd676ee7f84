//! What workers remember, in bytes.
//!
//! Owns the layout of each kind of record, all of a fixed size, and that only what can have been written is read. Knows no chunks.

use super::coding::{Put, Take};
use crate::flow::{AskedRecord, Direction, FlowRecord, PathKind, SpeakerRecord, State, StaysRecord, TrackRecord};
use crate::time::Instant;
use crate::wire::sip::Branch;
use crate::wire::{Protocol, Tuple};
use std::num::NonZeroU64;

/// A record that is written.
pub trait Record: Sized {
    /// Its bytes.
    const SIZE: usize;
    /// Adds them.
    fn put(&self, into: &mut Put);
    /// `None`: there are too few bytes, or nothing like that can have been written.
    fn take(from: &mut Take) -> Option<Self>;
    /// The same with its moments as `moved` says.
    fn moved(self, moved: impl Fn(Instant) -> Instant) -> Self;
}

const PATHS: [PathKind; 4] = [PathKind::Service, PathKind::Outbound, PathKind::Hairpin, PathKind::Routed];

const STATES: [State; 9] = [
    State::Opening,
    State::Answered,
    State::Established,
    State::HalfClosed(Direction::Original),
    State::HalfClosed(Direction::Reply),
    State::Closing,
    State::ResetBy(Direction::Original),
    State::ResetBy(Direction::Reply),
    State::Aborted,
];

/// No table has so many places.
const LARGEST_PLACE: u32 = 1 << 30;

fn place<T: PartialEq>(of: &T, all: &[T]) -> u8 {
    all.iter().position(|one| one == of).unwrap_or(usize::from(u8::MAX)) as u8
}

/// Stands where there is no TCP.
const NO_TRACK: TrackRecord = TrackRecord { state: State::Opening, known: 0, end: [0; 2], ack: [0; 2] };

impl Record for FlowRecord {
    const SIZE: usize = 76;

    fn put(&self, into: &mut Put) {
        for key in &self.keys {
            into.endpoint(key.src);
            into.endpoint(key.dst);
        }
        into.u8(self.keys[0].protocol.number());
        into.u8(place(&self.path, &PATHS));
        into.u8(self.inside.index() as u8);
        into.flags([self.snat_port.is_some(), self.is_counted, self.track.is_some()]);
        into.member(self.member);
        into.member(self.opener);
        into.u32(self.generation);
        into.u32(self.opener_generation);
        into.u16(self.snat_port.unwrap_or_default());
        let TrackRecord { state, known, end, ack } = self.track.unwrap_or(NO_TRACK);
        into.u8(place(&state, &STATES));
        into.u8(known);
        end.iter().chain(&ack).for_each(|number| into.u32(*number));
        into.instant(self.seen);
        into.u32(self.place);
    }

    fn take(from: &mut Take) -> Option<FlowRecord> {
        let ends = [from.endpoint()?, from.endpoint()?, from.endpoint()?, from.endpoint()?];
        let protocol = Protocol::of(from.u8()?);
        let keys = [Tuple::new(protocol, ends[0], ends[1]), Tuple::new(protocol, ends[2], ends[3])];
        let path = *PATHS.get(usize::from(from.u8()?))?;
        let inside = *Direction::BOTH.get(usize::from(from.u8()?))?;
        let [has_port, is_counted, is_tcp] = from.flags()?;
        let (member, opener) = (from.member()?, from.member()?);
        let (generation, opener_generation, port) = (from.u32()?, from.u32()?, from.u16()?);
        let (state, known) = (*STATES.get(usize::from(from.u8()?))?, from.u8()?);
        let (end, ack) = ([from.u32()?, from.u32()?], [from.u32()?, from.u32()?]);
        let track = is_tcp.then_some(TrackRecord { state, known, end, ack });
        let seen = from.instant()?;
        let place = from.u32().filter(|place| *place < LARGEST_PLACE)?;
        let snat_port = has_port.then_some(port);
        Some(FlowRecord {
            keys,
            path,
            inside,
            member,
            opener,
            generation,
            opener_generation,
            snat_port,
            is_counted,
            track,
            seen,
            place,
        })
    }

    fn moved(self, moved: impl Fn(Instant) -> Instant) -> FlowRecord {
        FlowRecord { seen: moved(self.seen), ..self }
    }
}

const VISITS: usize = 4;
const ASKED: usize = 8;

impl Record for SpeakerRecord {
    const SIZE: usize = 6 + 4 + 4 + 4 + 1 + 4 * VISITS + 8 + 13 * ASKED + 8 + 8;

    fn put(&self, into: &mut Put) {
        into.endpoint(self.remote);
        into.address(self.home);
        into.member(self.member);
        into.u32(self.generation);
        into.flags([self.while_down, self.called, self.superseded, self.forgot.is_some()]);
        self.visited.iter().for_each(|member| into.member(*member));
        into.instant(self.claimed);
        for asked in &self.asked {
            into.u64(asked.map_or(0, |asked| asked.branch.0.get()));
            into.member(asked.map(|asked| asked.member));
            into.flags(asked.map_or([false; 2], |asked| [asked.while_down, asked.answered]));
        }
        into.instant(self.forgot.unwrap_or(Instant::ZERO));
        into.instant(self.renewed);
    }

    fn take(from: &mut Take) -> Option<SpeakerRecord> {
        let (remote, home, member, generation) = (from.endpoint()?, from.address()?, from.member()?, from.u32()?);
        let [while_down, called, superseded, has_forgotten] = from.flags()?;
        let mut visited = [None; VISITS];
        for place in &mut visited {
            *place = from.member()?;
        }
        let claimed = from.instant()?;
        let mut asked = [None; ASKED];
        for place in &mut asked {
            let (branch, member, [while_down, answered]) =
                (NonZeroU64::new(from.u64()?), from.member()?, from.flags()?);
            *place = match (branch.map(Branch), member) {
                (Some(branch), Some(member)) => Some(AskedRecord { branch, member, while_down, answered }),
                (None, None) => None,
                _ => return None,
            };
        }
        let (forgot, renewed) = (from.instant()?, from.instant()?);
        let forgot = has_forgotten.then_some(forgot);
        Some(SpeakerRecord {
            remote,
            home,
            member,
            generation,
            while_down,
            called,
            visited,
            claimed,
            superseded,
            asked,
            forgot,
            renewed,
        })
    }

    fn moved(self, moved: impl Fn(Instant) -> Instant) -> SpeakerRecord {
        let (claimed, renewed, forgot) = (moved(self.claimed), moved(self.renewed), self.forgot.map(&moved));
        SpeakerRecord { claimed, renewed, forgot, ..self }
    }
}

impl Record for StaysRecord {
    const SIZE: usize = 8 + 4 + 4 + 8;

    fn put(&self, into: &mut Put) {
        into.u64(self.number);
        into.address(self.member);
        into.u32(self.generation);
        into.instant(self.used);
    }

    fn take(from: &mut Take) -> Option<StaysRecord> {
        let (number, member, generation, used) = (from.u64()?, from.address()?, from.u32()?, from.instant()?);
        Some(StaysRecord { number, member, generation, used })
    }

    fn moved(self, moved: impl Fn(Instant) -> Instant) -> StaysRecord {
        StaysRecord { used: moved(self.used), ..self }
    }
}

/// The place of a flow that is no more.
impl Record for u32 {
    const SIZE: usize = 4;

    fn put(&self, into: &mut Put) {
        into.u32(*self);
    }

    fn take(from: &mut Take) -> Option<u32> {
        from.u32().filter(|place| *place < LARGEST_PLACE)
    }

    fn moved(self, _: impl Fn(Instant) -> Instant) -> u32 {
        self
    }
}

/// The first key of a flow that is no more.
impl Record for Tuple {
    const SIZE: usize = 1 + 6 + 6;

    fn put(&self, into: &mut Put) {
        into.u8(self.protocol.number());
        into.endpoint(self.src);
        into.endpoint(self.dst);
    }

    fn take(from: &mut Take) -> Option<Tuple> {
        let (protocol, src, dst) = (Protocol::of(from.u8()?), from.endpoint()?, from.endpoint()?);
        Some(Tuple::new(protocol, src, dst))
    }

    fn moved(self, _: impl Fn(Instant) -> Instant) -> Tuple {
        self
    }
}
