//! What a SIP datagram says of itself that is counted: its method or status, its transaction, and for how long a registration lasts.
//!
//! Owns [`Content`] and [`Summary`]. Read for statistics and for nothing else: who gets a datagram is asked of [`super::sip`]. As there,
//! whatever cannot be read is absent, nothing is copied, and no more than [`PEEK`](super::sip::PEEK) bytes are looked at.

use super::sip::{Message, Start, parameter, values};
use super::transaction::{AnsweredAt, Transaction};

macro_rules! methods {
    ($($variant:ident = $name:literal, $from:literal;)*) => {
        /// What a request asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`, ", $from)] $variant,)*
            /// Any other.
            Other,
        }

        impl Method {
            /// All of them, in the order they are counted in.
            pub const ALL: [Method; Method::COUNT] = [$(Method::$variant,)* Method::Other];
            /// How many there are.
            pub const COUNT: usize = [$($name,)* "other"].len();

            /// As it is written; case counts (RFC 3261 7.1).
            pub fn of(name: &[u8]) -> Method {
                $(if name == $name.as_bytes() { return Method::$variant; })*
                Method::Other
            }

            /// Its name, as an operator reads it.
            pub const fn name(self) -> &'static str {
                match self { $(Method::$variant => $name,)* Method::Other => "other" }
            }
        }
    };
}

methods! {
    Invite = "INVITE", "RFC 3261";
    Ack = "ACK", "RFC 3261";
    Bye = "BYE", "RFC 3261";
    Cancel = "CANCEL", "RFC 3261";
    Options = "OPTIONS", "RFC 3261";
    Register = "REGISTER", "RFC 3261";
    Prack = "PRACK", "RFC 3262";
    Subscribe = "SUBSCRIBE", "RFC 6665";
    Notify = "NOTIFY", "RFC 6665";
    Publish = "PUBLISH", "RFC 3903";
    Info = "INFO", "RFC 6086";
    Refer = "REFER", "RFC 3515";
    Message = "MESSAGE", "RFC 3428";
    Update = "UPDATE", "RFC 3311";
}

/// What is in a datagram to or from a SIP port.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A message of SIP.
    Message(Message<'a>),
    /// Nothing but what keeps a way open: a STUN Binding request, as RFC 5626 4.4.2 has it for UDP; CRLF, which 4.4.1 has for streams and
    /// many send in datagrams as well; or anything else that is too short for SIP, such as nothing at all, four zero bytes or `jaK`.
    KeepAlive,
    /// Something else.
    Other,
}

/// The longest keep-alive that has no form of its own, in bytes: as long as the header of STUN (RFC 8489 5).
const KEEP_ALIVE: usize = 20;
/// The type of a Binding request (RFC 8489 5).
const BINDING_REQUEST: [u8; 2] = [0, 1];
/// What stands in every message of STUN behind type and length (RFC 8489 5).
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

impl<'a> Content<'a> {
    /// That of a datagram, whose payload this is or begins with.
    pub fn of(datagram: &'a [u8]) -> Content<'a> {
        match Message::peek(datagram) {
            Some(message) => Content::Message(message),
            None if datagram.len() <= KEEP_ALIVE || asks_for_binding(datagram) => Content::KeepAlive,
            None => Content::Other,
        }
    }
}

/// With attributes it is longer than others.
fn asks_for_binding(datagram: &[u8]) -> bool {
    datagram.starts_with(&BINDING_REQUEST) && datagram.get(4..8) == Some(&MAGIC_COOKIE)
}

/// The number by which a message is one of those that are looked at, or not: of its topmost branch, which stands in front; without
/// one, of its Call-ID. The same in a request, its repetitions and its answers (RFC 3261 8.2.6.2).
pub fn sampled_by(message: &Message<'_>) -> Option<u64> {
    let branch = message.top_via().and_then(|via| via.branch()).map(|branch| branch.0.get());
    branch.or_else(|| Some(message.call_id()?.0.get()))
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It asks.
    Request(Method),
    /// It answers with this status, 100 to 699.
    Answer(u16),
}

/// A message, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What it says.
    pub said: Said,
    /// The transaction it is of; `None`: it has no branch, or no CSeq.
    pub transaction: Option<Transaction>,
    /// Where the answer to a request goes; of an answer, where it was to go.
    pub answered_at: AnsweredAt,
    /// For how many seconds a registration lasts that it grants: the shortest of those it names.
    pub expires: Option<u32>,
}

impl Summary {
    /// That of a message.
    pub fn of(message: &Message<'_>) -> Summary {
        let cseq = message.cseq().map(|(_, method)| method);
        let via = message.top_via();
        let answered_at = via.map_or(AnsweredAt::Source, AnsweredAt::of);
        let transaction =
            via.and_then(|via| via.branch()).zip(cseq).map(|(branch, method)| Transaction::new(branch, method));
        let (said, grants) = match message.start {
            Start::Request { method } => (Said::Request(Method::of(method)), false),
            Start::Answer { code, .. } => {
                (Said::Answer(code), (200..300).contains(&code) && cseq == Some(b"REGISTER".as_slice()))
            }
        };
        Summary { said, transaction, answered_at, expires: if grants { granted(message) } else { None } }
    }
}

/// What a registrar grants stands behind each contact, of which there may be several in each of several fields, else for all of them in
/// Expires (RFC 3261 7.3.1, 10.3). None that ends one: zero.
fn granted(message: &Message<'_>) -> Option<u32> {
    let seconds = |text: &[u8]| -> Option<u32> {
        std::str::from_utf8(text).ok()?.trim().parse().ok().filter(|seconds| *seconds > 0)
    };
    let contacts = message.fields("contact", "m").flat_map(values);
    let each = contacts.filter_map(|contact| seconds(parameter(behind_address(contact), "expires")?));
    each.min().or_else(|| seconds(message.field("expires", "expires")?))
}

/// The parameters of a contact, and not those of its address, which stand in `<` and `>`.
fn behind_address(contact: &[u8]) -> &[u8] {
    let end = contact.iter().rposition(|byte| *byte == b'>').map_or(0, |at| at + 1);
    &contact[end..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(lines: &[&str]) -> Vec<u8> {
        (lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }

    fn read(bytes: &[u8]) -> Message<'_> {
        match Content::of(bytes) {
            Content::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn summary(lines: &[&str]) -> Summary {
        Summary::of(&read(&message(lines)))
    }

    const VIA: &str = "Via: SIP/2.0/UDP 172.16.5.5:5060;branch=z9hG4bK7";

    #[test]
    fn methods_are_told_apart_by_case_and_each_has_its_name() {
        for method in Method::ALL {
            let start = format!("{} sip:a@b SIP/2.0", method.name());
            let said = summary(&[&start, VIA, "CSeq: 1 INVITE"]).said;
            assert_eq!(said, Said::Request(method));
        }
        for name in ["invite", "PING", "INVITES", ""] {
            assert_eq!(Method::of(name.as_bytes()), Method::Other, "{name}");
        }
        assert_eq!(Method::ALL.map(|method| method as usize), std::array::from_fn(|at| at));
    }

    #[test]
    fn an_answer_is_of_the_transaction_that_its_request_began_and_in_the_same_sample() {
        let asked = message(&["INVITE sip:a@b SIP/2.0", VIA, "Call-ID: c1@h", "CSeq: 7 INVITE"]);
        let via = "v: SIP/2.0/UDP 172.16.5.5:5060;branch=z9hG4bK7;received=192.0.2.1";
        let answered = message(&["SIP/2.0 180 Ringing", via, "i: c1@h", "CSeq: 7 INVITE"]);
        let (asked, answered) = (read(&asked), read(&answered));
        assert!(sampled_by(&asked).is_some());
        assert_eq!(sampled_by(&asked), sampled_by(&answered));
        assert!(Summary::of(&asked).transaction.is_some());
        assert_eq!(Summary::of(&asked).transaction, Summary::of(&answered).transaction);
        assert_eq!(Summary::of(&answered).said, Said::Answer(180));
        let other = message(&["CANCEL sip:a@b SIP/2.0", VIA, "Call-ID: c1@h", "CSeq: 7 CANCEL"]);
        assert_ne!(Summary::of(&read(&other)).transaction, Summary::of(&asked).transaction);
    }

    #[test]
    fn without_a_branch_the_call_says_whether_it_is_looked_at() {
        let with = message(&["OPTIONS sip:a@b SIP/2.0", "Via: SIP/2.0/UDP h", "Call-ID: c1", "CSeq: 7 OPTIONS"]);
        let other = message(&["OPTIONS sip:a@b SIP/2.0", "Via: SIP/2.0/UDP h", "Call-ID: c2", "CSeq: 7 OPTIONS"]);
        let none = message(&["OPTIONS sip:a@b SIP/2.0", "CSeq: 7 OPTIONS"]);
        assert!(sampled_by(&read(&with)).is_some());
        assert_ne!(sampled_by(&read(&with)), sampled_by(&read(&other)));
        assert_eq!(sampled_by(&read(&none)), None);
        assert_eq!(Summary::of(&read(&none)).transaction, None);
    }

    /// Each row: the lines of an answer to REGISTER, and for how long it grants one.
    #[test]
    fn a_registration_lasts_as_long_as_its_contact_says_or_else_expires() {
        let rows: [(&[&str], Option<u32>); 11] = [
            (&["Contact: <sip:1@172.16.5.5>;expires=3600"], Some(3600)),
            (&["m: \"A, B;expires=5\" <sip:1@h;expires=7>;q=0.5;Expires = 90"], Some(90)),
            (&["Contact: <sip:1@h>;expires=600, <sip:2@h>;expires=300"], Some(300)),
            (&["Contact: <sip:1@h>;expires=600", "Expires: 5", "m: <sip:2@h>;expires=300"], Some(300)),
            (&["m: <sip:1@h>;expires=0", "Contact: <sip:2@h>;expires=90, <sip:3@h>;expires=60"], Some(60)),
            (&["Expires: 1800", "Contact: <sip:1@h>"], Some(1800)),
            (&["Contact: sip:1@h;expires=120"], Some(120)),
            (&["Expires: 1800", "Contact: <sip:1@h>;expires=60"], Some(60)),
            (&["Contact: <sip:1@h>;expires=0"], None),
            (&["Contact: <sip:1@h>;expires=soon"], None),
            (&["Contact: <sip:1@h>"], None),
        ];
        for (lines, expires) in rows {
            let front = ["SIP/2.0 200 OK", VIA, "CSeq: 2 REGISTER"];
            assert_eq!(summary(&[&front[..], lines].concat()).expires, expires, "{lines:?}");
        }
        for start in ["SIP/2.0 401 Unauthorized", "REGISTER sip:b SIP/2.0"] {
            let contact = "Contact: <sip:1@h>;expires=3600";
            assert_eq!(summary(&[start, VIA, "CSeq: 2 REGISTER", contact]).expires, None, "{start}");
        }
        let contact = "Contact: <sip:1@h>;expires=3600";
        assert_eq!(summary(&["SIP/2.0 200 OK", VIA, "CSeq: 2 INVITE", contact]).expires, None);
    }

    /// Each with what it is sent by: RFC 5626 4.4.1, 4.4.2 and what is in use beside.
    #[test]
    fn what_is_too_short_for_sip_and_a_binding_request_keep_a_way_open() {
        let binding = |kind: u8, attributes: &[u8]| {
            let header = [0, kind, 0, attributes.len() as u8, 0x21, 0x12, 0xa4, 0x42];
            [&header[..], &[7; 12], attributes].concat()
        };
        let software = b"\x80\x22\0\x08a phone.".as_slice();
        let request = binding(1, &[]);
        for datagram in
            [&b""[..], b"\r\n", b"\r\n\r\n", b"\n", b"\0\0\0\0", b"jaK", b"ping", &request, &binding(1, software)]
        {
            assert!(matches!(Content::of(datagram), Content::KeepAlive), "{datagram:?}");
        }
        let response = binding(0x11, software);
        let no_cookie = [&[0, 1, 0, 8][..], &[0x42; 24]].concat();
        for datagram in [&[b'\n'; 21][..], &[0; 21], &[0xff; 900], &response, &no_cookie] {
            assert!(matches!(Content::of(datagram), Content::Other), "{datagram:?}");
        }
        let late = [b"\r\n\r\n".as_slice(), &message(&["OPTIONS sip:a@b SIP/2.0", VIA])].concat();
        assert!(matches!(Content::of(&late), Content::Message(_)));
        assert!(matches!(Content::of(b"A B SIP/2.0"), Content::Message(_)), "the shortest there is");
    }
}
