use super::*;
use crate::policy::health::Generation;
use crate::policy::intent::MemberId;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Link, network and transport header.
const HEADERS: usize = 42;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn recipient(pool: u16) -> Recipient {
    Recipient { pool: PoolId(pool), member: MemberId(0), generation: Generation(1) }
}

fn client(port: u16) -> Endpoint {
    Endpoint::new("198.51.100.7".parse().unwrap(), port)
}

fn of(number: u64) -> Key {
    Key::Of(Transaction(number))
}

fn frame(length: usize, fill: u8) -> Vec<u8> {
    [vec![0; HEADERS], vec![fill; length]].concat()
}

fn keep(copies: &mut Copies, key: Key, port: u16, frame: &[u8], millis: u64) {
    let request =
        Request { key, sender: client(port), recipient: recipient(0), port: PortId(0), frame, payload: HEADERS };
    copies.keep(&request, at(millis));
}

/// What was counted, without what was not.
fn counted(copies: &Copies) -> Vec<(CopyCount, u64)> {
    assert_eq!(copies.counts()[CopyCount::Kept as usize], ends(copies) + copies.len() as u64, "the sum");
    CopyCount::ALL.iter().map(|it| (*it, copies.counts()[*it as usize])).filter(|(_, count)| *count > 0).collect()
}

fn ends(copies: &Copies) -> u64 {
    use CopyCount::{Answered, Discarded, Expired, Full, Provisional, Redelivered};
    [Answered, Provisional, Redelivered, Full, Expired, Discarded].iter().map(|it| copies.counts()[*it as usize]).sum()
}

#[test]
fn an_answer_ends_the_copies_of_its_transaction_and_pool_and_no_other() {
    use CopyCount::{Answered, Kept, Provisional};
    let mut copies = Copies::new(7);
    for (key, port) in [(of(1), 1), (of(2), 1), (Key::To(client(1)), 1), (Key::To(client(2)), 2)] {
        keep(&mut copies, key, port, &frame(400, b'I'), 0);
    }
    copies.answer(PoolId(1), of(1), Answered);
    assert_eq!((copies.len(), counted(&copies)), (4, vec![(Kept, 4)]));
    copies.answer(PoolId(0), of(1), Answered);
    copies.answer(PoolId(0), of(1), Answered);
    copies.answer(PoolId(0), Key::To(client(1)), Provisional);
    assert_eq!((copies.len(), counted(&copies)), (2, vec![(Kept, 4), (Answered, 1), (Provisional, 1)]));
    assert!(copies.get(0).is_none() && copies.get(1).is_some() && copies.get(2).is_none() && copies.get(3).is_some());
}

#[test]
fn a_repetition_is_the_same_only_from_the_same_sender_and_byte_for_byte() {
    let mut copies = Copies::new(7);
    for (port, fill) in [(1, b'a'), (1, b'a'), (2, b'a'), (1, b'b'), (1, b'a')] {
        keep(&mut copies, of(1), port, &frame(400, fill), 0);
    }
    // Its headers are not what the sender says: IP identification, time to live.
    let mut other = frame(400, b'a');
    other[18] = 9;
    keep(&mut copies, of(1), 1, &other, 0);
    assert_eq!((copies.len(), counted(&copies)), (3, vec![(CopyCount::Kept, 3)]));
    copies.answer(PoolId(0), of(1), CopyCount::Answered);
    assert_eq!((copies.len(), copies.is_empty()), (0, true));
    keep(&mut copies, of(1), 1, &other, 0);
    assert_eq!(copies.len(), 1, "after the answer it is another one");
}

#[test]
fn two_thousand_and_two_megabytes_are_kept_and_the_oldest_gives_way() {
    for (length, most) in [(500, 2_000), (1_458, 1_333), (8_958, 222)] {
        let mut copies = Copies::new(7);
        for number in 0..5_000 {
            keep(&mut copies, of(number), 1, &frame(length, number as u8), 0);
        }
        assert_eq!(copies.len(), most, "{length}");
        assert_eq!(counted(&copies), [(CopyCount::Kept, 5_000), (CopyCount::Full, 5_000 - most as u64)]);
        let kept = |number: u64| copies.get(number).is_some_and(|(bytes, ..)| *bytes == *frame(length, number as u8));
        assert!((5_000 - most as u64..5_000).all(kept) && !kept(4_999 - most as u64));
    }
}

#[test]
fn a_transaction_that_a_stranger_chose_makes_no_long_list() {
    let mut copies = Copies::new(7);
    for number in 0..100 {
        keep(&mut copies, of(1), 1, &frame(400, number), 0);
    }
    assert_eq!(counted(&copies), [(CopyCount::Kept, 100), (CopyCount::Full, 100 - u64::from(LENGTH))]);
    keep(&mut copies, of(2), 1, &frame(400, 1), 0);
    assert_eq!(copies.len(), usize::from(LENGTH) + 1);
}

#[test]
fn what_nobody_has_answered_for_32_seconds_is_given_up() {
    let mut copies = Copies::new(7);
    keep(&mut copies, of(1), 1, &frame(400, 1), 0);
    keep(&mut copies, of(2), 1, &frame(400, 1), 1);
    copies.expire(at(31_999));
    assert_eq!(copies.len(), 2);
    copies.expire(at(32_000));
    assert_eq!((copies.len(), counted(&copies)), (1, vec![(CopyCount::Kept, 2), (CopyCount::Expired, 1)]));
}

fn reads(copies: &mut Copies, millis: u64) -> bool {
    !copies.rests(at(millis)) && copies.reads_request(at(millis))
}

#[test]
fn so_many_requests_are_read_in_a_second() {
    let mut copies = Copies::new(7);
    for (millis, expected) in [(1_000, READS), (1_999, 0), (2_000, READS)] {
        assert_eq!((0..2 * READS).filter(|_| reads(&mut copies, millis)).count() as u32, expected, "{millis}");
    }
    assert_eq!(counted(&copies), [(CopyCount::Unread, 4 * u64::from(READS))]);
}

/// Whoever cannot read the answers does not know what is unanswered.
#[test]
fn with_more_answers_than_are_read_nothing_is_kept() {
    let mut copies = Copies::new(7);
    keep(&mut copies, of(1), 1, &frame(400, 1), 1_000);
    assert!((0..READS).all(|_| copies.reads_answer(at(1_000))));
    assert_eq!(copies.len(), 1);
    assert!(!copies.reads_answer(at(1_500)));
    assert_eq!(counted(&copies), [(CopyCount::Kept, 1), (CopyCount::Full, 1)]);
    assert_eq!([1_999, 2_000].map(|millis| reads(&mut copies, millis)), [false, true]);
}

#[test]
fn copies_leave_stay_or_end_as_is_said_of_each() {
    let mut copies = Copies::new(7);
    for pool in [0, 1, 2, 0] {
        let (recipient, frame) = (recipient(pool), frame(400, 1));
        let key = of(copies.len() as u64);
        let request = Request { key, sender: client(1), recipient, port: PortId(0), frame: &frame, payload: HEADERS };
        copies.keep(&request, at(0));
    }
    let next = Recipient { member: MemberId(1), generation: Generation(2), ..recipient(0) };
    let leaving = copies.sort(|recipient| match recipient.pool {
        PoolId(0) => CopyAction::Redeliver(next),
        PoolId(1) => CopyAction::Drop,
        _ => CopyAction::Keep,
    });
    assert_eq!((leaving, copies.len()), (vec![0, 3], 3));
    assert_eq!(copies.get(3).map(|(_, _, recipient)| recipient), Some(next));
    assert_eq!(counted(&copies), [(CopyCount::Kept, 4), (CopyCount::Discarded, 1)]);
}

#[derive(Clone, Debug)]
enum Step {
    Keep { key: u64, length: usize },
    Answer(u64),
    End(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..400_u64, 1..9_000_usize).prop_map(|(key, length)| Step::Keep { key, length }),
        2 => (0..400_u64).prop_map(Step::Answer),
        1 => (0..2_000_u64).prop_map(Step::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    /// Beside a plain list: what is kept is what was sent, whatever has ended before, and the counts come out.
    #[test]
    fn no_copy_is_changed_by_another(steps in prop::collection::vec(step(), 1..2_000)) {
        let mut copies = Copies::new(7);
        let mut plain: BTreeMap<u64, (u64, Vec<u8>)> = BTreeMap::new();
        let mut number = 0;
        for step in steps {
            match step {
                Step::Keep { key, length } => {
                    let said = frame(length, number as u8);
                    keep(&mut copies, of(key), 1, &said, 0);
                    if copies.first + copies.copies.len() as u64 > number {
                        plain.insert(number, (key, said));
                        number += 1;
                    }
                }
                Step::Answer(key) => {
                    copies.answer(PoolId(0), of(key), CopyCount::Answered);
                    plain.retain(|_, (of, _)| *of != key);
                }
                Step::End(number) => {
                    copies.end(number, CopyCount::Redelivered);
                    copies.drop_ended();
                    plain.remove(&number);
                }
            }
            // The oldest have given way.
            let first = copies.first;
            plain.retain(|number, _| *number >= first);
            counted(&copies);
        }
        prop_assert_eq!(plain.len(), copies.len());
        for (number, (_, said)) in &plain {
            prop_assert_eq!(copies.get(*number).map(|(bytes, ..)| bytes), Some(&said[..]));
        }
    }
}
