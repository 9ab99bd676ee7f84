//! What two appliances say to each other, and how it is written.
//!
//! Owns [`Message`]: each is one frame. Records are written as in the file of the hand-over, with the moment of the sender's clock at which
//! they were sent: the reader knows ages, never moments of another clock. Only what can have been written is read.

use super::hello::Hello;
use super::refusal::Refusal;
use super::texts::{PART, Topic};
use crate::flow::{FlowRecord, SpeakerRecord};
use crate::handover::{PAYLOAD, Put, Record, Take, put_frame, take_frame};
use crate::time::Instant;
use crate::wire::Tuple;

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who speaks: first, and again when what it says has changed.
    Hello(Box<Hello>),
    /// A part of a text; `true`: the last one.
    Text(Topic, bool, String),
    /// Whether who speaks feeds whoever stands by.
    Role(bool),
    /// All flows are told anew from here on.
    Begin(u32),
    /// Flows that are there, and the sender's clock.
    Flows(Instant, Vec<FlowRecord>),
    /// First keys of flows that are no more.
    Gone(Vec<Tuple>),
    /// Speakers that a worker knows, and the sender's clock; `true`: of those who ask where several members are active.
    Speakers(bool, u16, Instant, Vec<SpeakerRecord>),
    /// That worker knows no others.
    AllSpeakers(u16),
    /// All flows have been told.
    Copied(u32),
    /// What came up to and with this frame is taken in.
    Taken(u32),
    /// Nothing, so that something is heard.
    Beat,
}

/// What frames are called in their first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Hello = 1,
    Text = 2,
    Role = 3,
    Begin = 4,
    Flows = 5,
    Gone = 6,
    Speakers = 7,
    AllSpeakers = 8,
    Copied = 9,
    Taken = 10,
    Beat = 11,
}

/// Flows that one frame has room for.
pub(super) const FLOWS: usize = (PAYLOAD - 8) / FlowRecord::SIZE;
/// First keys that one frame has room for.
pub(super) const KEYS: usize = PAYLOAD / Tuple::SIZE;
/// Speakers that one frame has room for.
pub(super) const SPEAKERS: usize = (PAYLOAD - 11) / SpeakerRecord::SIZE;

impl Message {
    /// Adds it to `buffer` as the frame of this number. What has more records, or a longer text, than a frame has room for is the caller's
    /// fault, and is cut.
    pub fn put(&self, number: u32, buffer: &mut Vec<u8>) {
        let frame = |kind: Kind, buffer: &mut Vec<u8>, fill: &dyn Fn(&mut Put)| {
            put_frame(buffer, kind as u8, number, |into| fill(into));
        };
        match self {
            Message::Hello(hello) => {
                let text = serde_json::to_vec(hello).unwrap_or_default();
                frame(Kind::Hello, buffer, &|into| into.0.extend_from_slice(&text[..text.len().min(PAYLOAD)]));
            }
            Message::Text(topic, is_last, text) => frame(Kind::Text, buffer, &|into| {
                into.u8(*topic as u8);
                into.u8(u8::from(*is_last));
                into.0.extend_from_slice(&text.as_bytes()[..text.len().min(PART)]);
            }),
            Message::Role(feeds) => frame(Kind::Role, buffer, &|into| into.u8(u8::from(*feeds))),
            Message::Begin(feed) => frame(Kind::Begin, buffer, &|into| into.u32(*feed)),
            Message::Flows(sent, records) => frame(Kind::Flows, buffer, &|into| {
                into.instant(*sent);
                records.iter().take(FLOWS).for_each(|record| record.put(into));
            }),
            Message::Gone(keys) => {
                frame(Kind::Gone, buffer, &|into| keys.iter().take(KEYS).for_each(|key| key.put(into)));
            }
            Message::Speakers(asks, worker, sent, records) => frame(Kind::Speakers, buffer, &|into| {
                into.u8(u8::from(*asks));
                into.u16(*worker);
                into.instant(*sent);
                records.iter().take(SPEAKERS).for_each(|record| record.put(into));
            }),
            Message::AllSpeakers(worker) => frame(Kind::AllSpeakers, buffer, &|into| into.u16(*worker)),
            Message::Copied(feed) => frame(Kind::Copied, buffer, &|into| into.u32(*feed)),
            Message::Taken(number) => frame(Kind::Taken, buffer, &|into| into.u32(*number)),
            Message::Beat => frame(Kind::Beat, buffer, &|_| {}),
        }
    }

    /// The message that `bytes` begin with, as the frame of this number, and how many bytes it has; `None`: its end has not come yet.
    ///
    /// # Errors
    /// Nothing like that can have been sent.
    pub fn take(bytes: &[u8], number: u32) -> Result<Option<(Message, usize)>, Refusal> {
        let damaged = |what| Refusal::Damaged { frame: number, what };
        let Some(frame) = take_frame(bytes, number).map_err(damaged)? else { return Ok(None) };
        let message = read(frame.kind, frame.payload).ok_or_else(|| damaged("nothing like that is sent"))?;
        Ok(Some((message, frame.size)))
    }
}

fn read(kind: u8, payload: &[u8]) -> Option<Message> {
    use Kind::{AllSpeakers, Beat, Begin, Copied, Flows, Gone, Hello, Role, Speakers, Taken, Text};
    let kinds = [Hello, Text, Role, Begin, Flows, Gone, Speakers, AllSpeakers, Copied, Taken, Beat];
    let kind = kinds.into_iter().find(|it| *it as u8 == kind)?;
    let mut from = Take(payload);
    let message = match kind {
        Hello => return serde_json::from_slice(payload).ok().map(Message::Hello),
        Text => {
            let topic = [Topic::Management, Topic::Configuration];
            let topic = topic.into_iter().find(|topic| *topic as u8 == payload.first().copied().unwrap_or(u8::MAX))?;
            let is_last = answer(*payload.get(1)?)?;
            return std::str::from_utf8(&payload[2..]).ok().map(|text| Message::Text(topic, is_last, text.to_owned()));
        }
        Role => Message::Role(answer(from.u8()?)?),
        Begin => Message::Begin(from.u32()?),
        Flows => Message::Flows(from.instant()?, records(&mut from)?),
        Gone => Message::Gone(records(&mut from)?),
        Speakers => Message::Speakers(answer(from.u8()?)?, from.u16()?, from.instant()?, records(&mut from)?),
        AllSpeakers => Message::AllSpeakers(from.u16()?),
        Copied => Message::Copied(from.u32()?),
        Taken => Message::Taken(from.u32()?),
        Beat => Message::Beat,
    };
    from.is_empty().then_some(message)
}

fn answer(byte: u8) -> Option<bool> {
    [(0, false), (1, true)].into_iter().find(|(number, _)| *number == byte).map(|(_, answer)| answer)
}

fn records<R: Record>(from: &mut Take) -> Option<Vec<R>> {
    let mut records = Vec::with_capacity(from.0.len() / R::SIZE);
    while !from.is_empty() {
        records.push(R::take(from)?);
    }
    Some(records)
}

/// A moment of the sender's clock, which was `sent` when it sent what came `now`.
pub(super) fn moved(at: Instant, sent: Instant, now: Instant) -> Instant {
    Instant::from_nanos(now.nanos().saturating_sub(sent.since(at).as_nanos() as u64))
}
