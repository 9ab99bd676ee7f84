//! The answer of a SIP Server, from a datagram or a stream.
//!
//! Owns as much of RFC 3261 18.3 as it takes to find a message's end in a stream, and what a probe has to know to tell whose
//! answer it is; lines and fields are read by [`crate::wire::sip`]. Keeps nothing of bodies and other fields, and never more
//! than [`LIMIT`] bytes.
//!
//! Liveness is asked here, so what living servers get wrong is forgiven where the answer can still be told from any other:
//! lines that end with LF alone (RFC 3261 7 demands CRLF), and a datagram that ends with its header's last line.

use crate::wire::sip::{Message, Start, header_end, skip_blank};

/// The longest message read, header and body together, in bytes.
pub const LIMIT: usize = 64 * 1024;

/// An answer, as far as a probe needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code, 100 to 699.
    pub code: u16,
    /// The reason phrase, without control characters and cut to 80 characters.
    pub phrase: String,
    /// The branch of the topmost Via; empty if it has none.
    pub branch: String,
    /// The Call-ID.
    pub call_id: String,
    /// The number in CSeq.
    pub cseq: u32,
    /// The method in CSeq.
    pub method: String,
}

impl Answer {
    /// Code and phrase, such as `200 OK`.
    pub fn status(&self) -> String {
        format!("{} {}", self.code, self.phrase).trim_end().to_owned()
    }
}

/// Why bytes are not an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing but empty lines.
    #[error("the message is empty")]
    Empty,
    /// The first line is neither a status line nor a request line of SIP 2.0.
    #[error("the message does not begin with a line of SIP/2.0")]
    NotSip,
    /// It asks instead of answering.
    #[error("the message is a request, not an answer")]
    Request,
    /// A field that every answer must have (RFC 3261 8.1.1) is missing or cannot be read.
    #[error("the answer's {0} field is missing or cannot be read")]
    Field(&'static str),
    /// It is longer than is read.
    #[error("the message is longer than {LIMIT} bytes")]
    TooLong,
}

/// Reads the answer in a datagram. A Content-Length beyond its end is tolerated, for nobody reads the body; so is a header
/// that ends with the datagram.
pub fn read_datagram(datagram: &[u8]) -> Result<Answer, Unreadable> {
    let message = skip_blank(datagram);
    let end = header_end(message).unwrap_or(message.len());
    match end {
        0 => Err(Unreadable::Empty),
        _ if end > LIMIT => Err(Unreadable::TooLong),
        _ => read_header(message.get(..end).unwrap_or_default()),
    }
}

/// Reads the answers in a stream, in whatever pieces it comes.
#[derive(Clone, Debug, Default)]
pub struct AnswerReader {
    held: Vec<u8>,
    /// The header of the last answer.
    last: Vec<u8>,
}

impl AnswerReader {
    /// Takes the next bytes of the stream. An error is final: message borders are lost.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        if self.held.len().saturating_add(bytes.len()) > LIMIT {
            return Err(Unreadable::TooLong);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// The header of the answer that came last.
    pub fn header(&self) -> &[u8] {
        &self.last
    }

    /// The next whole answer; `None` until more bytes come. Requests are passed over.
    pub fn next_answer(&mut self) -> Result<Option<Answer>, Unreadable> {
        loop {
            let blank = self.held.len() - skip_blank(&self.held).len();
            self.held.drain(..blank);
            let Some(header) = header_end(&self.held) else { return self.still_sip().map(|()| None) };
            let answer = read_header(&self.held[..header]);
            let length = content_length(&self.held[..header])?;
            let whole = header.checked_add(length).filter(|&whole| whole <= LIMIT).ok_or(Unreadable::TooLong)?;
            if self.held.len() < whole {
                return Ok(None);
            }
            self.last.clear();
            self.last.extend_from_slice(&self.held[..header]);
            self.held.drain(..whole);
            match answer {
                Err(Unreadable::Request) => {}
                other => return other.map(Some),
            }
        }
    }

    /// What there is of an answer that is not whole yet, in words; `None` when nothing waits for its end.
    pub fn unfinished(&self) -> Option<String> {
        let waits = !skip_blank(&self.held).is_empty();
        waits.then(|| match header_end(&self.held) {
            None => format!("{} bytes came, without an empty line after the header", self.held.len()),
            Some(_) => format!("{} bytes came, fewer than its Content-Length says", self.held.len()),
        })
    }

    /// A stream whose first line is whole and not SIP's will never become an answer.
    fn still_sip(&self) -> Result<(), Unreadable> {
        let Some(end) = self.held.iter().position(|&byte| byte == b'\n') else { return Ok(()) };
        Start::of(&self.held[..end]).map(|_| ()).ok_or(Unreadable::NotSip)
    }
}

fn read_header(header: &[u8]) -> Result<Answer, Unreadable> {
    let message = Message::read(header).ok_or(Unreadable::NotSip)?;
    let Start::Answer { code, phrase } = message.start else { return Err(Unreadable::Request) };
    let via = message.top_via().ok_or(Unreadable::Field("Via"))?;
    let call_id = message.field("call-id", "i").ok_or(Unreadable::Field("Call-ID"))?;
    let (cseq, method) = message.cseq().ok_or(Unreadable::Field("CSeq"))?;
    let phrase = text(phrase).chars().filter(|letter| !letter.is_control()).take(80).collect();
    Ok(Answer { code, phrase, branch: text(via.branch_text()), call_id: text(call_id), cseq, method: text(method) })
}

fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The length of the body; a stream's message without the field has none (RFC 3261 20.14 demands it).
fn content_length(header: &[u8]) -> Result<usize, Unreadable> {
    match Message::read(header).and_then(|message| message.field("content-length", "l")) {
        None => Ok(0),
        Some(value) => text(value).parse().map_err(|_| Unreadable::Field("Content-Length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.20.0.1:49152;rport=49152;branch=z9hG4bKabc;received=10.20.0.1\r\n\
        From: <sip:fairlead@10.20.0.1>;tag=t\r\nTo: <sip:10.20.0.11>;tag=u\r\nCall-ID: c@fairlead\r\n\
        CSeq: 7 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    const COMPACT: &str = "sip/2.0 503 Service Unavailable\r\nv : SIP/2.0/TCP h ; BRANCH = z9hG4bKabc , SIP/2.0/TCP g;branch=z9hG4bKdef\r\n\
        f: <sip:a@b>\r\nt: <sip:c@d>\r\nI:c@fairlead\r\ncseq:\r\n\t7\r\n  OPTIONS\r\nL : 5\r\n\r\nbody!";
    const REQUEST: &str = "OPTIONS sip:fairlead@10.20.0.1 SIP/2.0\r\nContent-Length: 3\r\n\r\nxyz";

    fn plain() -> Answer {
        Answer {
            code: 200,
            phrase: "OK".into(),
            branch: "z9hG4bKabc".into(),
            call_id: "c@fairlead".into(),
            cseq: 7,
            method: "OPTIONS".into(),
        }
    }

    fn compact() -> Answer {
        Answer { code: 503, phrase: "Service Unavailable".into(), ..plain() }
    }

    fn read_stream(pieces: &[&[u8]]) -> Result<Vec<Answer>, Unreadable> {
        let (mut reader, mut answers) = (AnswerReader::default(), Vec::new());
        for piece in pieces {
            reader.push(piece)?;
            while let Some(answer) = reader.next_answer()? {
                answers.push(answer);
            }
        }
        Ok(answers)
    }

    #[test]
    fn long_and_compact_names_any_case_and_folded_lines_read_alike() {
        assert_eq!(read_datagram(PLAIN.as_bytes()), Ok(plain()));
        assert_eq!(read_datagram(COMPACT.as_bytes()), Ok(compact()));
        assert_eq!((plain().status(), compact().status()), ("200 OK".into(), "503 Service Unavailable".into()));
    }

    #[test]
    fn lines_that_end_with_lf_alone_read_alike_in_a_datagram_and_byte_by_byte() {
        for text in [PLAIN, COMPACT].map(|text| text.replace("\r\n", "\n")) {
            let expected = if text.starts_with("SIP") { plain() } else { compact() };
            assert_eq!(read_datagram(text.as_bytes()), Ok(expected.clone()));
            let stream = format!("\n{text}\n{PLAIN}");
            let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            assert_eq!(read_stream(&bytes), Ok(vec![expected, plain()]), "{text:?}");
        }
        // As kamailio answers a request of this kind: some lines end one way, some the other.
        for (from, to) in
            [("CSeq: 7 OPTIONS\r\n", "CSeq: 7 OPTIONS\n"), ("0\r\n\r\n", "0\r\n\n"), ("0\r\n\r\n", "0\n\r\n")]
        {
            let mixed = PLAIN.replace(from, to);
            assert_ne!(mixed, PLAIN);
            assert_eq!(read_datagram(mixed.as_bytes()), Ok(plain()), "{mixed:?}");
            assert_eq!(read_stream(&mixed.as_bytes().chunks(1).collect::<Vec<_>>()), Ok(vec![plain()]), "{mixed:?}");
        }
    }

    #[test]
    fn a_datagram_may_end_with_its_header() {
        for end in ["\r\n\r\n", "\r\n", "\n", ""] {
            let text = PLAIN.replace("\r\n\r\n", end);
            assert_eq!(read_datagram(text.as_bytes()), Ok(plain()), "{text:?}");
        }
    }

    #[test]
    fn quoted_strings_in_via_hide_neither_the_branch_nor_its_end() {
        let rows = [
            ("x=\"a;b,c=d\"", "z9hG4bKabc"),
            ("x=\"a\\\";branch=no,\"", "z9hG4bKabc"),
            ("x=\";branch=no\"", "z9hG4bKabc"),
            ("x=\"\\\\\"", "z9hG4bKabc"),
            ("x=\"", ""),
        ];
        for (extension, branch) in rows {
            let text = PLAIN.replace("rport=49152;", &format!("{extension};"));
            let expected = Answer { branch: branch.into(), ..plain() };
            assert_eq!(read_datagram(text.as_bytes()), Ok(expected.clone()), "{extension}");
            assert_eq!(read_stream(&text.as_bytes().chunks(1).collect::<Vec<_>>()), Ok(vec![expected]), "{extension}");
        }
    }

    #[test]
    fn what_there_is_of_an_answer_is_told() {
        let told = |text: &str| {
            let mut reader = AnswerReader::default();
            reader.push(text.as_bytes()).unwrap();
            assert_eq!(reader.next_answer(), Ok(None));
            reader.unfinished()
        };
        assert_eq!((told(""), told("\r\n")), (None, None));
        let headless = told("SIP/2.0 200 OK\r\n");
        assert_eq!(headless.as_deref(), Some("16 bytes came, without an empty line after the header"));
        let short = told(&PLAIN.replace("Content-Length: 0", "Content-Length: 9"));
        assert!(short.is_some_and(|words| words.ends_with("bytes came, fewer than its Content-Length says")));
    }

    #[test]
    fn a_stream_gives_its_answers_wherever_it_is_cut() {
        let stream = format!("\r\n\r\n{COMPACT}\r\n{REQUEST}{PLAIN}");
        for cut in 0..=stream.len() {
            let (head, tail) = stream.as_bytes().split_at(cut);
            assert_eq!(read_stream(&[head, tail]), Ok(vec![compact(), plain()]), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told_in_words() {
        let header = "SIP/2.0 200 OK\r\n";
        let rows: Vec<(String, Unreadable)> = vec![
            ("".into(), Unreadable::Empty),
            ("\r\n\r\n".into(), Unreadable::Empty),
            (header.into(), Unreadable::Field("Via")),
            ("HTTP/1.1 200 OK\r\n\r\n".into(), Unreadable::NotSip),
            ("SIP/2.0 20 OK\r\n\r\n".into(), Unreadable::NotSip),
            ("SIP/2.0 +20 OK\r\n\r\n".into(), Unreadable::NotSip),
            ("SIP/2.0 999 OK\r\n\r\n".into(), Unreadable::NotSip),
            ("SIP/3.0 200 OK\r\n\r\n".into(), Unreadable::NotSip),
            (REQUEST.into(), Unreadable::Request),
            (format!("{header}\r\n"), Unreadable::Field("Via")),
            (format!("{header}Via: x\r\n\r\n"), Unreadable::Field("Call-ID")),
            (format!("{header}Via: x\r\nCall-ID: c\r\n\r\n"), Unreadable::Field("CSeq")),
            (format!("{header}Via: x\r\nCall-ID: c\r\nCSeq: OPTIONS\r\n\r\n"), Unreadable::Field("CSeq")),
            (format!("{header}Via: x\r\nCall-ID: c\r\nCSeq: 4294967296 OPTIONS\r\n\r\n"), Unreadable::Field("CSeq")),
        ];
        for (text, expected) in rows {
            assert_eq!(read_datagram(text.as_bytes()), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn a_stream_that_can_never_be_sip_ends_at_its_first_line() {
        assert_eq!(read_stream(&[b"220 mail.example ESMTP\r\n"]), Err(Unreadable::NotSip));
        assert_eq!(read_stream(&[b"SIP/2.0 200 OK\r\nVia: "]), Ok(vec![]));
    }

    #[test]
    fn no_stream_makes_the_reader_hold_more_than_its_limit() {
        let endless = vec![b'a'; LIMIT + 1];
        assert_eq!(read_stream(&[&endless]), Err(Unreadable::TooLong));
        let fat = PLAIN.replace("Content-Length: 0", "Content-Length: 65536");
        assert_eq!(read_stream(&[fat.as_bytes()]), Err(Unreadable::TooLong));
        let huge = PLAIN.replace("Content-Length: 0", "Content-Length: 18446744073709551615");
        assert_eq!(read_stream(&[huge.as_bytes()]), Err(Unreadable::TooLong));
        let negative = PLAIN.replace("Content-Length: 0", "Content-Length: -1");
        assert_eq!(read_stream(&[negative.as_bytes()]), Err(Unreadable::Field("Content-Length")));
        let large = PLAIN.replace("Content-Length: 0\r\n\r\n", &format!("l: 60000\r\n\r\n{}", "b".repeat(60_000)));
        let pieces: Vec<&[u8]> = large.as_bytes().chunks(1240).collect();
        assert_eq!(read_stream(&pieces), Ok(vec![plain()]));
    }

    #[test]
    fn control_characters_do_not_reach_a_reason() {
        let text = PLAIN.replace("200 OK", &format!("200 O\x1b[31mK{}", "x".repeat(200)));
        let answer = read_datagram(text.as_bytes()).unwrap();
        assert!(answer.phrase.starts_with("O[31mK") && answer.phrase.len() == 80);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(cuts in proptest::collection::vec(1usize..40, 1..60)) {
            let stream = format!("{PLAIN}{COMPACT}{REQUEST}{PLAIN}");
            let (mut rest, mut pieces) = (stream.as_bytes(), Vec::new());
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                pieces.push(head);
                rest = tail;
            }
            pieces.push(rest);
            prop_assert_eq!(read_stream(&pieces), Ok(vec![plain(), compact(), plain()]));
        }

        #[test]
        fn a_damaged_answer_is_read_or_refused_but_never_panics(
            place in 0usize..PLAIN.len(), byte: u8, bytes: Vec<u8>,
        ) {
            let mut damaged = PLAIN.as_bytes().to_vec();
            damaged[place] = byte;
            if let Ok(answer) = read_datagram(&damaged) {
                prop_assert!((100..700).contains(&answer.code));
            }
            prop_assert!(read_datagram(&bytes).is_err(), "{:?}", bytes);
        }
    }
}
