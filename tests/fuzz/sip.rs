//! Any bytes at all to the SIP answer reader: no panic, no more memory than its limit, and a datagram and a stream that
//! hold the same answer agree on it. And to what is read for statistics: it agrees with what is read for a decision.

use fairlead::monitor::sip_answer::{AnswerReader, LIMIT, read_datagram};
use fairlead::wire::sip::{Facts, PEEK};
use fairlead::wire::summary::{Content, Said, Summary, sampled_by};

/// Feeds `bytes` in pieces whose lengths they name themselves.
fn read_in_pieces(bytes: &[u8]) -> Option<fairlead::monitor::sip_answer::Answer> {
    let mut reader = AnswerReader::default();
    let mut first = None;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((usize::from(rest[0]) + 1).min(rest.len()));
        rest = tail;
        reader.push(piece).ok()?;
        while let Some(answer) = reader.next_answer().ok()? {
            assert!((100..700).contains(&answer.code));
            first = first.or(Some(answer));
        }
    }
    first
}

#[test]
fn any_bytes() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let datagram = read_datagram(bytes);
        let stream = read_in_pieces(bytes);
        // What a probe takes for an answer, a worker does too.
        let is_answer = matches!(Facts::of(bytes), Facts::Answer { .. });
        assert!(is_answer || datagram.is_err() || bytes.len() >= PEEK);
        if let (Ok(one), Some(other)) = (&datagram, &stream) {
            assert_eq!(one, other);
        }
        // What a stream accepts as its first message, a datagram that begins with it accepts too.
        if bytes.len() <= LIMIT && stream.is_some() && datagram.is_err() {
            assert_eq!(datagram, Err(fairlead::monitor::sip_answer::Unreadable::Request));
        }
    });
}

/// What is counted is what the engine would take it for, and a message is one of the sample by a number that all messages of its
/// transaction have.
fn is_summed_up(bytes: &[u8]) {
    let facts = Facts::of(bytes);
    match Content::of(bytes) {
        Content::Message(message) => {
            let Summary { said, transaction, .. } = Summary::of(&message);
            match (facts, said) {
                (Facts::Request { .. }, Said::Request(_)) => {}
                (Facts::Answer { is_final, .. }, Said::Answer(code)) => {
                    assert!((100..700).contains(&code) && is_final == (code >= 200));
                }
                other => panic!("{other:?}"),
            }
            let branch = match facts {
                Facts::Request { branch, .. } | Facts::Answer { branch, .. } => branch,
                Facts::Other => None,
            };
            assert!(transaction.is_none() || branch.is_some());
            let number = branch.map(|branch| branch.0).or(facts.call().map(|call| call.0));
            assert_eq!(sampled_by(&message), number.map(std::num::NonZeroU64::get));
        }
        Content::KeepAlive | Content::Other => assert_eq!(facts, Facts::Other),
    }
}

#[test]
fn any_bytes_are_summed_up_as_they_are_decided_about() {
    bolero::check!().for_each(is_summed_up);
}

#[test]
fn any_fields_are_summed_up_as_they_are_decided_about() {
    bolero::check!().with_type::<(bool, Vec<(u8, Vec<u8>)>)>().for_each(|(asks, fields)| {
        let start: &[u8] = if *asks { b"REGISTER sip:a@b SIP/2.0" } else { b"SIP/2.0 200 OK" };
        let mut message = start.to_vec();
        for (name, value) in fields {
            let names = [
                "Via: SIP/2.0/UDP h;branch=",
                "v:",
                "Call-ID:",
                "i: ",
                "CSeq: 1 REGISTER",
                "CSeq:",
                "m: <",
                "Expires: ",
                "",
            ];
            message.extend_from_slice(b"\r\n");
            message.extend_from_slice(names[usize::from(*name) % names.len()].as_bytes());
            message.extend_from_slice(value);
        }
        is_summed_up(&message);
    });
}

#[test]
fn answers_with_arbitrary_values() {
    bolero::check!().with_type::<(u16, Vec<u8>, Vec<u8>, u32)>().for_each(|(code, via, call_id, cseq)| {
        let mut message = format!("SIP/2.0 {code} \r\nVia: x;branch=").into_bytes();
        message.extend_from_slice(via);
        message.extend_from_slice(b"\r\nCall-ID: ");
        message.extend_from_slice(call_id);
        message.extend_from_slice(format!("\r\nCSeq: {cseq} OPTIONS\r\n\r\n").as_bytes());
        if let (Ok(one), Some(other)) = (read_datagram(&message), read_in_pieces(&message)) {
            assert_eq!(one, other);
        }
    });
}
