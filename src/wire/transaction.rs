//! Which transaction a SIP message is of: what tells whether a request was answered.
//!
//! Owns [`Exchange`]. A response matches the request with its topmost branch and its CSeq method (RFC 3261 17.1.3), which is
//! all that is read here. As in [`super::sip`], whatever cannot be read is absent.

use super::sip::{Branch, Message, Start, Via};
use std::net::Ipv4Addr;

/// The branch of the topmost Via and the method in CSeq, as a number that two different transactions hardly share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transaction(pub u64);

/// A datagram as a part of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// It asks, and an answer is due: it is no ACK (RFC 3261 17.1.1.3).
    Request {
        /// `None`: it has no branch, or no CSeq.
        transaction: Option<Transaction>,
        /// Where the answer goes.
        answered_at: AnsweredAt,
        /// The address of the Via's sent-by, if that is one: a server that does not compare it with the source of the request, as RFC
        /// 3261 18.2.1 asks it to, answers there.
        sent_by: Option<Ipv4Addr>,
    },
    /// It answers.
    Answer {
        /// `None`: it has no branch, or no CSeq.
        transaction: Option<Transaction>,
        /// There is no more to say (RFC 3261 7.2: 200 and above).
        is_final: bool,
    },
}

/// Where the answer to a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredAt {
    /// Where the request came from (RFC 3581 4).
    Source,
    /// To this port, at the address where the request came from (RFC 3261 18.2.2).
    Port(u16),
    /// To the address that `maddr` names.
    Elsewhere,
}

impl Exchange {
    /// Of a datagram, whose payload this is. `None`: it is no SIP, or an ACK.
    pub fn of(datagram: &[u8]) -> Option<Exchange> {
        let message = Message::peek(datagram)?;
        if let Start::Request { method: b"ACK" } = message.start {
            return None;
        }
        let via = message.top_via();
        let branch = via.and_then(|via| via.branch());
        let transaction = branch.and_then(|branch| Some(Transaction::new(branch, message.cseq()?.1)));
        Some(match message.start {
            Start::Request { .. } => {
                let sent_by = via.and_then(|via| via.address());
                Exchange::Request { transaction, answered_at: via.map_or(AnsweredAt::Source, AnsweredAt::of), sent_by }
            }
            Start::Answer { code, .. } => Exchange::Answer { transaction, is_final: code >= 200 },
        })
    }
}

/// Where an answer goes if the Via names no port.
const SIP: u16 = 5060;

impl AnsweredAt {
    /// What the topmost Via of a request says of it.
    pub(super) fn of(via: Via) -> AnsweredAt {
        match via {
            _ if via.has_maddr() => AnsweredAt::Elsewhere,
            _ if via.has_rport() => AnsweredAt::Source,
            _ => AnsweredAt::Port(via.port().unwrap_or(SIP)),
        }
    }
}

impl Transaction {
    /// FNV-1a, as of the branch: its bytes are followed by the method's.
    pub(super) fn new(branch: Branch, method: &[u8]) -> Transaction {
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Transaction(method.iter().fold(branch.0.get(), mix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(start: &str, via: &str, cseq: &str) -> Option<Exchange> {
        Exchange::of(format!("{start} sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n{via}\r\n{cseq}\r\n\r\n").as_bytes())
    }

    fn answer(code: u16, via: &str, cseq: &str) -> Option<Exchange> {
        Exchange::of(format!("SIP/2.0 {code} Said\r\n{via}\r\n{cseq}\r\n\r\n").as_bytes())
    }

    fn transaction(exchange: Option<Exchange>) -> Option<Transaction> {
        match exchange? {
            Exchange::Request { transaction, .. } | Exchange::Answer { transaction, .. } => transaction,
        }
    }

    #[test]
    fn an_answer_is_of_its_requests_transaction_and_of_no_other() {
        let asked = transaction(request("INVITE", "v: SIP/2.0/UDP h;branch=z1", "CSeq: 1 INVITE"));
        assert!(asked.is_some());
        let via = "Via: SIP/2.0/UDP h;branch=z1;received=192.0.2.7";
        for (code, is_final) in [(100, false), (180, false), (200, true), (603, true)] {
            assert_eq!(answer(code, via, "CSEQ:  1  INVITE"), Some(Exchange::Answer { transaction: asked, is_final }));
        }
        for (via, cseq) in [(via, "CSeq: 1 CANCEL"), ("Via: SIP/2.0/UDP h;branch=z2", "CSeq: 1 INVITE")] {
            let other = transaction(answer(200, via, cseq));
            assert!(other.is_some() && other != asked, "{via} {cseq}");
        }
        for (via, cseq) in
            [("Via: SIP/2.0/UDP h", "CSeq: 1 INVITE"), (via, "CSeq: INVITE"), (via, "X: y"), ("X: y", "X: y")]
        {
            assert_eq!(transaction(request("INVITE", via, cseq)), None, "{via} {cseq}");
            assert_eq!(answer(200, via, cseq), Some(Exchange::Answer { transaction: None, is_final: true }));
        }
    }

    #[test]
    fn nothing_is_due_to_an_ack_or_to_what_is_no_sip() {
        assert_eq!(request("ACK", "Via: SIP/2.0/UDP h;branch=z1", "CSeq: 1 ACK"), None);
        assert!(
            request("ack", "Via: SIP/2.0/UDP h;branch=z1", "CSeq: 1 ack").is_some(),
            "another method (RFC 3261 7.1)"
        );
        for junk in [&b""[..], b"\r\n\r\n", b"\0\0", b"INVITE sip:a@b SIP/3.0\r\n\r\n", b"SIP/2.0 2000 OK\r\n\r\n"] {
            assert_eq!(Exchange::of(junk), None);
        }
    }

    /// Each row: the topmost Via, and where its answer goes.
    #[test]
    fn an_answer_goes_to_the_port_in_the_via_unless_that_asks_for_the_senders_own_or_for_another_address() {
        use AnsweredAt::{Elsewhere, Port, Source};
        let rows = [
            ("Via: SIP/2.0/UDP h;branch=z", Port(5060)),
            ("Via: SIP/2.0/UDP h:5062;branch=z", Port(5062)),
            ("Via: SIP/2.0/UDP h : 5062 ;branch=z", Port(5062)),
            ("Via: SIP/2.0/UDP [2001:db8::1]:5062;branch=z", Port(5062)),
            ("Via: SIP/2.0/UDP [2001:db8::1];branch=z", Port(5060)),
            ("Via: SIP/2.0/UDP h:five;branch=z", Port(5060)),
            ("Via: SIP/2.0/UDP h:99999;branch=z", Port(5060)),
            ("Via: SIP/2.0/UDP h:5062;rport;branch=z", Source),
            ("Via: SIP/2.0/UDP h:5062;branch=z;RPORT=7", Source),
            ("Via: SIP/2.0/UDP h:5062;branch=z, SIP/2.0/UDP i;rport", Port(5062)),
            ("Via: SIP/2.0/UDP h:5062;MADDR=192.0.2.9;rport;branch=z", Elsewhere),
            ("Via: SIP/2.0/UDP h;maddr=h2;branch=z", Elsewhere),
            ("Via: SIP/2.0/UDP h;branch=z, SIP/2.0/UDP i;maddr=192.0.2.9", Port(5060)),
            ("X: y", Source),
        ];
        for (via, port) in rows {
            let Some(Exchange::Request { answered_at, .. }) = request("BYE", via, "CSeq: 1 BYE") else {
                panic!("{via}")
            };
            assert_eq!(answered_at, port, "{via}");
        }
        for (via, address) in
            [("SIP/2.0/UDP 192.0.2.7:5062;rport", Some([192, 0, 2, 7].into())), ("SIP/2.0/UDP h", None)]
        {
            let asked = request("BYE", &format!("Via: {via}"), "CSeq: 1 BYE");
            assert!(matches!(asked, Some(Exchange::Request { sent_by, .. }) if sent_by == address), "{via}");
        }
    }
}
