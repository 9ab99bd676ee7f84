//! Any bytes at all to the SIP answer reader: no panic, no more memory than its limit, and a datagram and a stream that
//! hold the same answer agree on it.

use fairlead::monitor::sip_answer::{AnswerReader, LIMIT, read_datagram};
use fairlead::wire::sip::{Facts, PEEK};

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
