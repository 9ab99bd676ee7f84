use super::limiter::{ANSWERS, REQUESTS};
use super::*;
use crate::policy::health::Generation;
use crate::policy::intent::MemberId;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Link, network and transport header.
const HEADERS: usize = 42;
/// How long a copy is kept if nothing else is said, in milliseconds.
const AGE: u64 = 4_000;

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
    keep_for(copies, key, (port, frame), millis, AGE);
}

/// A copy that is kept so long, in milliseconds.
fn keep_for(copies: &mut Copies, key: Key, (port, frame): (u16, &[u8]), millis: u64, age: u64) {
    let (sender, recipient, age) = (client(port), recipient(0), Duration::from_millis(age));
    copies.keep(
        &Request { key, sender, elsewhere: None, recipient, port: PortId(0), frame, payload: HEADERS, age },
        at(millis),
    );
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
fn what_nobody_has_answered_is_given_up_after_the_time_of_its_service() {
    let mut copies = Copies::new(7);
    keep_for(&mut copies, of(1), (1, &frame(400, 1)), 0, 500);
    keep_for(&mut copies, of(2), (1, &frame(400, 1)), 1, 32_000);
    copies.expire(at(499));
    assert_eq!(copies.len(), 2);
    copies.expire(at(500));
    assert_eq!((copies.len(), counted(&copies)), (1, vec![(CopyCount::Kept, 2), (CopyCount::Expired, 1)]));
    copies.expire(at(32_000));
    assert_eq!(copies.len(), 1);
    copies.expire(at(32_001));
    assert_eq!(copies.len(), 0);
}

/// What a client sent in the last four seconds is given to the next member, though it first sent it before.
#[test]
fn a_request_that_is_repeated_is_as_good_as_new_and_too_old_ones_do_not_leave() {
    let mut copies = Copies::new(7);
    keep(&mut copies, of(1), 1, &frame(400, 1), 0);
    keep(&mut copies, of(2), 1, &frame(400, 1), 100);
    keep(&mut copies, of(3), 1, &frame(400, 1), 3_000);
    keep(&mut copies, of(1), 1, &frame(400, 1), 3_500);
    copies.expire(at(5_000));
    let next = Recipient { member: MemberId(1), generation: Generation(2), ..recipient(0) };
    assert_eq!(copies.sort(at(5_000), |_| CopyAction::Redeliver(next)), [0, 2], "the second is too old");
    assert_eq!(counted(&copies), [(CopyCount::Kept, 3), (CopyCount::Expired, 1)]);
    // However long they wait for their turn, and whether their client repeats them or not.
    keep(&mut copies, of(1), 1, &frame(400, 1), 6_000);
    copies.expire(at(30_000));
    assert_eq!(copies.len(), 2);
}

/// What nobody could have any more is counted from the last answer of the member on.
#[test]
fn what_is_lost_is_counted_until_its_member_answers_or_another_takes_over() {
    use CopyCount::{Answered, Full};
    let mut copies = Copies::new(7);
    keep(&mut copies, of(1), 1, &frame(400, 1), 0);
    copies.expire(at(4_000));
    keep(&mut copies, of(2), 1, &frame(400, 1), 5_000);
    copies.clear(Full);
    assert_eq!(report(&mut copies, 1), RedeliveryCounts::default());
    assert_eq!(report(&mut copies, 0), RedeliveryCounts { delivered: 0, too_old: 1, no_room: 1 });
    assert_eq!(report(&mut copies, 0), RedeliveryCounts::default());
    keep(&mut copies, of(3), 1, &frame(400, 1), 6_000);
    copies.expire(at(10_000));
    keep(&mut copies, of(4), 1, &frame(400, 1), 10_000);
    copies.answer(PoolId(0), of(4), Answered);
    assert_eq!(report(&mut copies, 0), RedeliveryCounts::default());
    keep(&mut copies, of(5), 1, &frame(400, 1), 11_000);
    copies.expire(at(15_000));
    copies.discard_report(PoolId(0));
    assert_eq!(report(&mut copies, 0), RedeliveryCounts::default(), "an operator's choice makes no loss of it");
}

/// What a switchover of this pool would say now.
fn report(copies: &mut Copies, pool: u16) -> RedeliveryCounts {
    copies.begin_report(PoolId(pool));
    copies.finish_report(PoolId(pool))
}

/// What is lost on its way to the member that took over, or answered by it, is of that switchover; what that member is asked meanwhile
/// and loses is of the next.
#[test]
fn what_is_lost_on_its_way_is_counted_with_its_own_switchover() {
    use CopyCount::{Answered, Full, Redelivered as Left};
    let mut copies = Copies::new(7);
    (0..5).for_each(|number| keep(&mut copies, of(number), 1, &frame(400, 1), 0));
    let next = Recipient { member: MemberId(1), generation: Generation(2), ..recipient(0) };
    assert_eq!(copies.sort(at(0), |_| CopyAction::Redeliver(next)).len(), 5);
    copies.begin_report(PoolId(0));
    keep(&mut copies, of(9), 1, &frame(400, 1), 0);
    copies.end(0, Left);
    copies.end(1, Full);
    copies.answer(PoolId(0), of(2), Answered);
    copies.expire(at(4_000));
    copies.expire(at(32_000));
    assert_eq!(copies.finish_report(PoolId(0)), RedeliveryCounts { delivered: 1, too_old: 2, no_room: 1 });
    assert_eq!(report(&mut copies, 0), RedeliveryCounts { delivered: 0, too_old: 1, no_room: 0 });
}

/// The member that took over is found dead in turn, some on their way to it grow too old while nobody is there, and the first comes
/// back: the next death has to do with none of that.
#[test]
fn what_is_lost_on_its_way_is_of_no_later_death_if_the_member_comes_back() {
    let mut copies = Copies::new(7);
    (0..3).for_each(|number| keep(&mut copies, of(number), 1, &frame(400, 1), 0));
    let next = Recipient { member: MemberId(1), generation: Generation(2), ..recipient(0) };
    assert_eq!(copies.sort(at(0), |_| CopyAction::Redeliver(next)).len(), 3);
    copies.begin_report(PoolId(0));
    assert_eq!(copies.finish_report(PoolId(0)), RedeliveryCounts::default(), "it has been found dead as well");
    copies.expire(at(32_000));
    copies.discard_report(PoolId(0));
    assert_eq!(report(&mut copies, 0), RedeliveryCounts::default());
}

fn source(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + number)
}

/// How many of so many requests of these sources, in turn, are read in a second.
fn reads(copies: &mut Copies, second: u64, count: u32, sources: u32) -> u32 {
    copies.expire(at(second * 1_000));
    let is_read = |number: &u32| {
        let now = Instant::from_nanos(second * 1_000_000_000 + u64::from(number * 1_000));
        let source = source(number % sources);
        !copies.passes_over_request(source) && copies.reads_request(source, now)
    };
    (0..count).filter(is_read).count() as u32
}

#[test]
fn so_many_requests_are_read_in_a_second_and_more_only_after_one_that_was_calm() {
    let (most, mut copies) = (REQUESTS.all, Copies::new(7));
    assert_eq!([1, 2, 3, 4].map(|second| reads(&mut copies, second, 2 * most, 100)), [most, 0, 0, 0]);
    // A little below the limit is no calm second either.
    assert_eq!([5, 6].map(|second| reads(&mut copies, second, most - 100, 100)), [0, 0]);
    assert_eq!([7, 8].map(|second| reads(&mut copies, second, most / 2, 100)), [0, most / 2]);
    assert_eq!(reads(&mut copies, 9, most, 100), most);
    let unread = 7 * u64::from(most) + 2 * u64::from(most - 100) + u64::from(most / 2);
    assert_eq!(counted(&copies), [(CopyCount::Unread, unread)]);
}

/// Nothing comes any more: nobody has to look for reading to begin again.
#[test]
fn silence_ends_a_rest() {
    let (most, mut copies) = (REQUESTS.all, Copies::new(7));
    assert_eq!(reads(&mut copies, 1, 2 * most, 100), most);
    copies.expire(at(3_500));
    assert!(!copies.passes_over_request(source(1)) && copies.reads_request(source(1), at(3_500)));
}

/// However much it sends: no more of it is kept, what is kept of it stays, and so does what is kept and asked by others.
#[test]
fn a_flood_from_one_source_ends_the_copying_for_nobody_else_and_no_copy() {
    let mut copies = Copies::new(7);
    let (flooder, other) = (client(1).addr, source(9));
    assert!(!copies.limiter.is_same(flooder, other));
    let request = |number: u64, sender: Endpoint, copies: &mut Copies, now: Instant| {
        if copies.passes_over_request(sender.addr) || !copies.reads_request(sender.addr, now) {
            return false;
        }
        let (frame, recipient, age) = (frame(400, number as u8), recipient(0), Duration::from_millis(AGE));
        let (key, port, payload) = (of(number), PortId(0), HEADERS);
        copies.keep(&Request { key, sender, elsewhere: None, recipient, port, frame: &frame, payload, age }, now);
        true
    };
    let mut read = [0, 0];
    for second in 1..=5 {
        for number in 0..100_000_u64 {
            let now = Instant::from_nanos(second * 1_000_000_000 + number * 10_000);
            copies.expire(now);
            let sender = if number % 1_000 == 7 { Endpoint::new(other, 5060) } else { client(1) };
            let is_read = request(second * 100_000 + number, sender, &mut copies, now);
            read[usize::from(sender.addr == other)] += u32::from(is_read);
        }
        if second == 4 {
            assert_eq!(copies.len(), 2_000, "the oldest have given way to those of others, and no other has");
            assert!(!copies.passes_over_answer(flooder), "the answers to what is kept are read");
        }
    }
    assert_eq!(read, [REQUESTS.source, 500]);
    assert!(copies.passes_over_answer(flooder) && !copies.passes_over_answer(other), "its own are too old by now");
    assert_eq!(copies.len(), 400, "of the last four seconds");
    // It is read again once it has been calm for a second, from the first request on.
    let now = at(7_100);
    (0..1_024).for_each(|_| copies.expire(now));
    assert!(request(1, client(1), &mut copies, now) && !copies.passes_over_answer(flooder));
}

/// Whoever cannot read the answers does not know what is unanswered.
#[test]
fn with_more_answers_than_are_read_nothing_is_kept_of_that_source_or_of_anybody() {
    let mut copies = Copies::new(7);
    let [one, two, three] = [client(1).addr, source(1), source(2)];
    keep(&mut copies, of(1), 1, &frame(400, 1), 1_000);
    assert!((0..ANSWERS.source).all(|_| copies.reads_answer(two, at(1_000))));
    assert!(!copies.reads_answer(two, at(1_000)));
    assert_eq!((copies.len(), copies.passes_over_request(two)), (1, true), "nothing of that source is kept");
    assert!((0..ANSWERS.all - ANSWERS.source - 100).all(|_| copies.reads_answer(three, at(1_000))));
    assert!((0..100).all(|_| copies.reads_answer(one, at(1_000))));
    assert!(!copies.reads_answer(one, at(1_500)));
    assert_eq!(counted(&copies), [(CopyCount::Kept, 1), (CopyCount::Full, 1), (CopyCount::Unread, 1)]);
    assert!(copies.limiter.is_over_limit(source(3)), "nor of anybody");
}

/// It goes to a member to which a copy of an answered request is a repetition like any other (RFC 3261 17.2.3); to a third one, which
/// may not have had it, it does not go.
#[test]
fn what_is_on_its_way_is_not_dropped_by_a_flood_of_answers_but_goes_no_further_than_there() {
    let next =
        |member| Recipient { member: MemberId(member), generation: Generation(1 + u32::from(member)), ..recipient(0) };
    for of_anybody in [false, true] {
        let mut copies = Copies::new(7);
        (0..2).for_each(|number| keep(&mut copies, of(number), 1, &frame(400, 1), 1_000));
        assert_eq!(copies.sort(at(1_000), |_| CopyAction::Redeliver(next(1))), [0, 1]);
        keep(&mut copies, of(2), 1, &frame(400, 1), 1_000);
        let receivers = if of_anybody { 4 } else { 1 };
        let others = (0..receivers).map(|number| if of_anybody { source(number) } else { client(1).addr });
        let flood = others.flat_map(|receiver| (0..=ANSWERS.all / receivers).map(move |_| receiver));
        flood.for_each(|receiver| _ = copies.reads_answer(receiver, at(1_000)));
        assert_eq!(copies.len(), 2, "what nobody was lost by has gone");
        copies.end(0, CopyCount::Redelivered);
        assert_eq!(copies.sort(at(1_500), |_| CopyAction::Redeliver(next(2))), [0; 0]);
        use CopyCount::{Full, Kept, Redelivered};
        assert_eq!(counted(&copies), [(Kept, 3), (Redelivered, 1), (Full, 2)]);
    }
}

/// How many answers to one of so many receivers in turn are read in a second, at an even rate, and how many copies wait in the end of
/// requests that are asked before each sixteenth of it.
fn answers(copies: &mut Copies, second: u64, count: u32, receivers: u32) -> (u32, usize) {
    let mut read = 0;
    for number in 0..count {
        let now = Instant::from_nanos(second * 1_000_000_000 + u64::from(number) * 1_000_000_000 / u64::from(count));
        copies.expire(now);
        let receiver = source(number % receivers);
        if number % (count / 16) == 0 && !copies.passes_over_request(receiver) && copies.reads_request(receiver, now) {
            let (sender, recipient, age) = (Endpoint::new(receiver, 5060), recipient(0), Duration::from_millis(AGE));
            let (key, port, frame) = (of(second << 32 | u64::from(number)), PortId(0), &frame(400, 1));
            copies.keep(&Request { key, sender, elsewhere: None, recipient, port, frame, payload: HEADERS, age }, now);
        }
        read += u32::from(!copies.passes_over_answer(receiver) && copies.reads_answer(receiver, now));
    }
    (read, copies.len())
}

/// At an even load a little above the limit, or a little below, copies are not made and dropped again each second: there are none until
/// clearly less comes.
#[test]
fn what_ended_by_too_many_answers_begins_again_only_when_clearly_fewer_come() {
    for (receivers, limit) in [(1, ANSWERS.source), (64, ANSWERS.all)] {
        let mut copies = Copies::new(7);
        // Each receiver is asked something first, so that its answers are looked at.
        (0..receivers).for_each(|number| {
            let sender = Endpoint::new(source(number), 5060);
            let (recipient, age, frame) = (recipient(0), Duration::from_secs(32), &frame(400, 1));
            let (key, port, payload) = (of(u64::from(number)), PortId(0), HEADERS);
            copies.keep(&Request { key, sender, elsewhere: None, recipient, port, frame, payload, age }, at(1_000));
        });
        assert_eq!(answers(&mut copies, 1, limit + limit / 20, receivers), (limit, 0), "{receivers} receivers");
        for (second, count) in
            [(2, limit + limit / 20), (3, limit - limit / 20), (4, limit - limit / 10), (5, limit / 2)]
        {
            assert_eq!(
                answers(&mut copies, second, count, receivers),
                (0, 0),
                "second {second}, {receivers} receivers"
            );
        }
        let (read, waiting) = answers(&mut copies, 6, limit / 2, receivers);
        assert!(read > 0 && waiting >= 16, "{read} {waiting}: {receivers} receivers");
    }
}

/// The answer may go to two addresses: it is looked for at both, and too many of them at either end the copy.
#[test]
fn a_copy_waits_at_each_address_where_its_answer_may_go() {
    let mut copies = Copies::new(7);
    let [one, two, three] = [client(1).addr, source(1), source(2)];
    let elsewhere = |copies: &mut Copies| {
        let (sender, recipient, age) = (client(1), recipient(0), Duration::from_millis(AGE));
        let (key, port, frame) = (of(1), PortId(0), &frame(400, 1));
        copies
            .keep(&Request { key, sender, elsewhere: Some(two), recipient, port, frame, payload: HEADERS, age }, at(0));
    };
    elsewhere(&mut copies);
    assert_eq!([one, two, three].map(|receiver| copies.passes_over_answer(receiver)), [false, false, true]);
    copies.answer(PoolId(0), of(1), CopyCount::Answered);
    assert_eq!([one, two, three].map(|receiver| copies.passes_over_answer(receiver)), [true, true, true]);
    elsewhere(&mut copies);
    (0..=ANSWERS.source).for_each(|_| {
        copies.reads_answer(two, at(0));
    });
    assert_eq!(copies.len(), 0);
}

#[test]
fn copies_leave_stay_or_end_as_is_said_of_each() {
    let mut copies = Copies::new(7);
    for pool in [0, 1, 2, 0] {
        let (recipient, frame) = (recipient(pool), frame(400, 1));
        let key = of(copies.len() as u64);
        let (sender, port, age) = (client(1), PortId(0), Duration::from_millis(AGE));
        let request = Request { key, sender, elsewhere: None, recipient, port, frame: &frame, payload: HEADERS, age };
        copies.keep(&request, at(0));
    }
    let next = Recipient { member: MemberId(1), generation: Generation(2), ..recipient(0) };
    let leaving = copies.sort(at(0), |recipient| match recipient.pool {
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

/// A request to this member of this pool.
fn keep_of(copies: &mut Copies, number: u64, pool: u16, millis: u64) {
    let (frame, age) = (frame(400, number as u8), Duration::from_millis(AGE));
    let recipient = Recipient { member: MemberId(10 + pool), ..recipient(pool) };
    let (key, sender, port) = (of(number), client(number as u16), PortId(0));
    copies.keep(
        &Request { key, sender, elsewhere: None, recipient, port, frame: &frame, payload: HEADERS, age },
        at(millis),
    );
}

/// Whom requests were for that are signs now.
fn signs(copies: &mut Copies, millis: u64) -> Vec<MemberId> {
    let mut signs = Vec::new();
    copies.overdue(at(millis), |member| signs.push(member));
    signs
}

#[test]
fn a_request_that_waits_a_quarter_of_a_second_is_a_sign_once_if_its_pool_is_silent() {
    let mut copies = Copies::new(7);
    assert_eq!(signs(&mut copies, 0), [], "nothing waits");
    keep_of(&mut copies, 1, 0, 1_000);
    keep_of(&mut copies, 2, 1, 1_000);
    keep_of(&mut copies, 3, 1, 1_100);
    assert_eq!(signs(&mut copies, 1_249), []);
    assert_eq!(signs(&mut copies, 1_250), [MemberId(10), MemberId(11)], "of each pool");
    assert_eq!(signs(&mut copies, 1_349), [], "those were signs, and the third is none yet");
    assert_eq!(signs(&mut copies, 1_350), [MemberId(11)]);
    // Somebody answers in pool 0, nobody in pool 1, nor in pool 64.
    [(4, 0), (5, 1), (6, 64)].iter().for_each(|&(number, pool)| keep_of(&mut copies, number, pool, 2_000));
    copies.note_answer(PoolId(0), at(2_100));
    assert_eq!(signs(&mut copies, 2_300), [MemberId(11), MemberId(74)]);
    // What is answered is no sign.
    keep_of(&mut copies, 7, 2, 3_000);
    copies.answer(PoolId(2), of(7), CopyCount::Answered);
    assert_eq!(signs(&mut copies, 3_600), []);
}

/// However many have ended, or were signs before, in front of it.
#[test]
fn no_request_is_hidden_by_those_that_were_kept_before() {
    let mut copies = Copies::new(7);
    keep_of(&mut copies, 0, 0, 1_000);
    (1..=500).for_each(|number| keep_of(&mut copies, number, 1, 1_000));
    keep_of(&mut copies, 501, 2, 1_000);
    (100..=500).for_each(|number| copies.answer(PoolId(1), of(number), CopyCount::Answered));
    let seen: Vec<_> = (0..16).flat_map(|turn| signs(&mut copies, 1_250 + turn)).collect();
    assert_eq!((seen.len(), seen[0], seen[100]), (101, MemberId(10), MemberId(12)));
}

/// It did not answer since it has not had the request yet.
#[test]
fn a_request_on_its_way_to_the_next_member_says_nothing_of_that() {
    let mut copies = Copies::new(7);
    keep_of(&mut copies, 1, 0, 1_000);
    let next = Recipient { member: MemberId(1), generation: Generation(2), ..recipient(0) };
    assert_eq!(copies.sort(at(1_100), |_| CopyAction::Redeliver(next)), [0]);
    assert_eq!(signs(&mut copies, 2_000), []);
}

/// How many copies the busiest turn looks at for signs, and all together, with 2,000 of them spread over so many pools.
fn looked_at(pools: u64) -> (usize, usize) {
    let mut copies = Copies::new(7);
    (0..2_000).for_each(|number| keep_of(&mut copies, number, (number % pools * (4_096 / pools)) as u16, 1_000));
    let mut turn = |turn: u64| {
        let before = copies.next;
        copies.overdue(at(1_250 + turn), |_| {});
        (copies.next - before) as usize
    };
    let turns: Vec<usize> = (0..100).map(&mut turn).collect();
    (turns.iter().copied().max().unwrap_or(0), turns.iter().sum())
}

/// Such as after a reload in which all pools became others.
#[test]
fn a_pool_with_the_highest_id_is_like_any_other() {
    let (mut copies, last) = (Copies::new(7), POOL_IDS as u16 - 1);
    keep_of(&mut copies, 1, last, 1_000);
    copies.note_answer(PoolId(last), at(1_100));
    assert_eq!(signs(&mut copies, 1_300), [], "somebody of it answers");
    copies.expire(at(1_000 + AGE));
    assert_eq!(report(&mut copies, last), RedeliveryCounts { delivered: 0, too_old: 1, no_room: 0 });
}

#[test]
fn a_turns_work_does_not_grow_with_the_pools() {
    assert_eq!((looked_at(16), looked_at(4_096)), ((LOOKED_AT, 2_000), (LOOKED_AT, 2_000)));
}
