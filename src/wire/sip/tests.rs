use super::*;
use proptest::prelude::*;

const ANSWER: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.20.0.12:5060;branch=z9hG4bKabc;received=198.51.100.1\r\n\
    Via: SIP/2.0/UDP 10.20.0.99;branch=z9hG4bKbeneath\r\nCSeq: 7 OPTIONS\r\nContent-Length: 0\r\n\r\n";
const REQUEST: &str =
    "INVITE sip:a@10.20.0.100 SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKabc\r\nCSEQ: 1 INVITE\r\n\r\nvia: body";
const B: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 12);

fn abc() -> Option<Branch> {
    Branch::of(b"z9hG4bKabc")
}

#[test]
fn an_answer_says_whom_it_answers_and_a_request_which_transaction_it_is_of() {
    assert_eq!(
        Facts::of(ANSWER.as_bytes()),
        Facts::Answer { sent_by: Some(B), branch: abc(), is_final: true, call: None }
    );
    let ringing = ANSWER.replace("200 OK", "180 Ringing");
    assert_eq!(
        Facts::of(ringing.as_bytes()),
        Facts::Answer { sent_by: Some(B), branch: abc(), is_final: false, call: None }
    );
    assert_eq!(Facts::of(REQUEST.as_bytes()), Facts::Request { branch: abc(), call: None });
    let answer = Message::peek(ANSWER.as_bytes()).unwrap();
    assert_eq!(answer.start, Start::Answer { code: 200, phrase: b"OK" });
    assert_eq!(answer.cseq(), Some((7, &b"OPTIONS"[..])));
    let request = Message::peek(REQUEST.as_bytes()).unwrap();
    assert_eq!(request.start, Start::Request { method: b"INVITE" });
    assert_eq!(request.cseq(), Some((1, &b"INVITE"[..])));
    assert_eq!((Branch::of(b""), abc() == Branch::of(b"z9hG4bKabd")), (None, false));
}

/// Each row: the field, and whether it is the same Call-ID as that of the first (RFC 3261 8.1.1.4, 20.8, 7.3.3).
#[test]
fn a_call_is_known_by_its_id_under_either_name_and_byte_by_byte() {
    let call =
        |field: &str| Facts::of(format!("BYE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n{field}\r\n\r\n").as_bytes()).call();
    let of = call("Call-ID: f81d4fae-7dec@biloxi.example");
    assert!(of.is_some());
    let rows = [
        ("i:f81d4fae-7dec@biloxi.example", true),
        ("CALL-ID\t:  f81d4fae-7dec@biloxi.example \t", true),
        ("Call-ID:\r\n f81d4fae-7dec@biloxi.example", true),
        ("X: y\r\nI: f81d4fae-7dec@biloxi.example", true),
        ("Call-ID: F81d4fae-7dec@biloxi.example", false),
        ("Call-ID: f81d4fae-7dec", false),
        ("Call-ID: f81d4fae-7dec@biloxi.example\r\n x", false),
    ];
    for (field, is_same) in rows {
        assert_eq!((call(field).is_some(), call(field) == of), (true, is_same), "{field:?}");
    }
    for field in ["Call-ID:", "i: \t", "Call-IDs: a", "X: Call-ID: a", "X: y\r\n Call-ID: a", "X: y\r\n\r\nCall-ID: a"]
    {
        assert_eq!(call(field), None, "{field:?}");
    }
    let answer = Facts::of(b"SIP/2.0 200 OK\r\nCall-ID: f81d4fae-7dec@biloxi.example\r\n\r\n");
    assert_eq!(answer.call(), of);
}

/// Each row: what stands in the place of the topmost Via, and what it says.
#[test]
fn the_topmost_via_is_read_however_it_is_written() {
    let rows: [(&str, Option<&str>, Option<&str>); 20] = [
        ("Via: SIP/2.0/UDP 10.20.0.12;branch=b1", Some("10.20.0.12"), Some("b1")),
        ("VIA : SIP/2.0/UDP 10.20.0.12 ; BRANCH = b1 ", Some("10.20.0.12"), Some("b1")),
        ("v:SIP/2.0/UDP 10.20.0.12:5060;branch=b1", Some("10.20.0.12"), Some("b1")),
        ("V: SIP / 2.0 / UDP 10.20.0.12 : 5060;ttl=16;branch=b1", Some("10.20.0.12"), Some("b1")),
        ("Via: SIP/2.0/UDP 10.20.0.12;branch=b1, SIP/2.0/UDP 1.2.3.4;branch=b2", Some("10.20.0.12"), Some("b1")),
        ("Via: SIP/2.0/UDP 10.20.0.12;x=\"a;branch=no,\\\"b\";branch=b1", Some("10.20.0.12"), Some("b1")),
        ("Via: SIP/2.0/UDP 10.20.0.12;x=\"\\\\\";branch=b1", Some("10.20.0.12"), Some("b1")),
        ("Via: SIP/2.0/UDP 10.20.0.12;x=\"open;branch=b1", Some("10.20.0.12"), None),
        ("Via:\r\n SIP/2.0/UDP\r\n\t10.20.0.12\r\n ;branch=b1", Some("10.20.0.12"), Some("b1")),
        ("Via: SIP/2.0/UDP 10.20.0.12;rport", Some("10.20.0.12"), None),
        ("Via: SIP/2.0/UDP 10.20.0.12;branch=", Some("10.20.0.12"), None),
        ("Via: SIP/2.0/UDP 10.20.0.12;branches=b1;branch=b2", Some("10.20.0.12"), Some("b2")),
        ("Via: SIP/2.0/UDP pair.example.com;branch=b1", None, Some("b1")),
        ("Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=b1", None, Some("b1")),
        ("Via: SIP/2.0/UDP 10.20.0.012;branch=b1", None, Some("b1")),
        ("Via: SIP/2.0/UDP ;branch=b1", None, Some("b1")),
        ("Via: SIP/2.0/UDP;branch=b1", None, Some("b1")),
        ("Via: 10.20.0.12;branch=b1", None, Some("b1")),
        ("Via:", None, None),
        ("Vias: SIP/2.0/UDP 10.20.0.12;branch=b1", None, None),
    ];
    for (via, sent_by, branch) in rows {
        let sent_by = sent_by.map(|address| address.parse().unwrap());
        let branch = branch.and_then(|text| Branch::of(text.as_bytes()));
        let text = format!("SIP/2.0 200 OK\r\nTo: <sip:a@b>\r\n{via}\r\nCSeq: 7 OPTIONS\r\n\r\n");
        for text in [text.replace("\r\n", "\n"), text] {
            assert_eq!(
                Facts::of(text.as_bytes()),
                Facts::Answer { sent_by, branch, is_final: true, call: None },
                "{text:?}"
            );
        }
    }
}

#[test]
fn a_header_ends_at_its_empty_line_or_with_the_datagram() {
    for end in ["\r\n", "\n", ""] {
        let text = format!("SIP/2.0 200 OK{end}");
        let expected = Facts::Answer { sent_by: None, branch: None, is_final: true, call: None };
        assert_eq!(Facts::of(text.as_bytes()), expected, "{text:?}");
        let text = format!("\r\n\nSIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.20.0.12;branch=z9hG4bKabc{end}");
        assert_eq!(
            Facts::of(text.as_bytes()),
            Facts::Answer { sent_by: Some(B), branch: abc(), is_final: true, call: None },
            "{text:?}"
        );
    }
    let in_body = "SIP/2.0 200 OK\r\nTo: a\r\n\r\nVia: SIP/2.0/UDP 10.20.0.12;branch=z9hG4bKabc\r\n";
    assert_eq!(
        Facts::of(in_body.as_bytes()),
        Facts::Answer { sent_by: None, branch: None, is_final: true, call: None }
    );
}

#[test]
fn what_does_not_begin_with_a_line_of_sip_says_nothing() {
    let rows: [&[u8]; 14] = [
        b"",
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"hello",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"SIP/2.0 20 OK\r\n",
        b"SIP/2.0 +20 OK\r\n",
        b"SIP/2.0 099 OK\r\n",
        b"SIP/2.0 700 OK\r\n",
        b"SIP/2.0200 OK\r\n",
        b"SIP/2.0",
        b"OPTIONS sip:a@b c SIP/2.0\r\n",
        b"\x80\x00SIP/2.0 200 OK\r\n",
    ];
    for bytes in rows {
        assert_eq!(Facts::of(bytes), Facts::Other, "{:?}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(Facts::of(b"sip/2.0 200\n"), Facts::Answer { sent_by: None, branch: None, is_final: true, call: None });
}

#[test]
fn no_more_than_the_front_is_read_and_no_line_that_it_cuts() {
    let padded = |padding: usize| {
        let text = format!(
            "SIP/2.0 200 OK\r\nX: {}\r\nVia: SIP/2.0/UDP 10.20.0.12;branch=z9hG4bKabc\r\n",
            "x".repeat(padding)
        );
        (text.len(), Facts::of(text.as_bytes()))
    };
    let whole = Facts::Answer { sent_by: Some(B), branch: abc(), is_final: true, call: None };
    let without = padded(0).0;
    assert_eq!(padded(PEEK - without), (PEEK, whole));
    for beyond in 1..60 {
        assert_eq!(
            padded(PEEK - without + beyond).1,
            Facts::Answer { sent_by: None, branch: None, is_final: true, call: None },
            "{beyond}"
        );
    }
    assert_eq!(Facts::of(&[b'a'; 70_000]), Facts::Other);
}

proptest! {
    /// Whatever comes, nothing panics; and what a whole message says does not depend on what follows its header.
    #[test]
    fn bytes_are_never_believed(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..ANSWER.len(), at in 0..ANSWER.len()) {
        let _ = Facts::of(&bytes);
        let mut changed = ANSWER.as_bytes().to_vec();
        changed.splice(at..at, bytes.iter().copied().take(3));
        let _ = Facts::of(&changed[..cut]);
        let mut longer = ANSWER.as_bytes().to_vec();
        longer.extend(bytes);
        prop_assert_eq!(Facts::of(&longer), Facts::of(ANSWER.as_bytes()));
    }
}
