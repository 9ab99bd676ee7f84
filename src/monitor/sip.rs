//! The question put to a SIP Server: an OPTIONS request outside of a dialog (RFC 3261 11).
//!
//! Owns how the request is written, what makes it unlike any other ([`Identity`]), and which answers are good
//! ([`Question::judge`]). Reading an answer's bytes is [`super::sip_answer`]'s.

use super::outcome::Said;
use super::random::Random;
use super::sip_answer::Answer;
use crate::policy::intent::{CodeRange, HeaderRule, Roles, Says, SipProbe, SipTransport};
use crate::wire::Endpoint;
use crate::wire::sip::Message;

/// As long as a request is, unless the names in it are long ones.
const ROOM: usize = 512;

/// What makes a request unlike any other, so that a late answer to an earlier one is not taken for its own (scenario 34).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The Via branch, which begins with the magic cookie `z9hG4bK` (RFC 3261 8.1.1.7).
    pub branch: String,
    /// The Call-ID (RFC 3261 8.1.1.4).
    pub call_id: String,
    /// The From tag (RFC 3261 19.3).
    pub tag: String,
    /// The CSeq number, below 2^31 (RFC 3261 8.1.1.5).
    pub cseq: u32,
}

impl Identity {
    /// One that was never used before.
    pub fn new(random: &mut Random) -> Identity {
        Identity {
            branch: hex("z9hG4bK", &[random.draw(), random.draw()], ""),
            call_id: hex("", &[random.draw(), random.draw()], "@fairlead"),
            tag: hex("", &[random.draw()], ""),
            cseq: (random.draw() as u32 >> 1).max(1),
        }
    }

    /// Why `answer` does not answer the request of this identity (RFC 3261 17.1.3, and the Call-ID), in words; `None`: it
    /// does.
    pub fn mismatch(&self, answer: &Answer) -> Option<String> {
        let Identity { branch, call_id, cseq, .. } = self;
        if answer.branch.is_empty() {
            Some(String::from("whose topmost Via has no branch"))
        } else if !answer.branch.eq_ignore_ascii_case(branch) {
            Some(format!("whose branch is {}, not {branch}", printable(&answer.branch)))
        } else if answer.call_id != *call_id {
            Some(format!("whose Call-ID is {}, not {call_id}", printable(&answer.call_id)))
        } else if (answer.cseq, answer.method.as_str()) != (*cseq, "OPTIONS") {
            Some(format!("whose CSeq is {} {}, not {cseq} OPTIONS", answer.cseq, printable(&answer.method)))
        } else {
            None
        }
    }
}

/// What an answer means to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It decides: the member is good, or why not.
    Ends(Result<Said, String>),
    /// It is another question's, or provisional and not among the codes that are good: the answer is still to come. What it
    /// was, as the reason if none does.
    Passes(String),
}

/// An OPTIONS request, put to one member once.
pub struct Question {
    /// Which codes count as good, and which as bad although they are among those.
    up_codes: Vec<CodeRange>,
    down_codes: Vec<CodeRange>,
    /// What an answer says of the role that the member has in its pair.
    roles: Box<Roles>,
    /// Whose answer is waited for.
    pub identity: Identity,
}

impl Question {
    /// One that was never asked before.
    pub fn new(probe: &SipProbe, random: &mut Random) -> Question {
        Question::of(probe, Identity::new(random))
    }

    fn of(probe: &SipProbe, identity: Identity) -> Question {
        let (up_codes, down_codes) = (probe.up_codes.clone(), probe.down_codes.clone());
        Question { up_codes, down_codes, roles: probe.roles.clone(), identity }
    }

    /// What an answer says, in words; `header` is where it was read. A late one to an earlier question (scenario 34) says nothing.
    pub fn judge(&self, answer: &Answer, header: &[u8]) -> Judged {
        let Question { up_codes, down_codes, roles, .. } = self;
        let among = |ranges: &[CodeRange]| ranges.iter().any(|range| range.contains(answer.code));
        let said = answer.status();
        if let Some(mismatch) = self.identity.mismatch(answer) {
            return Judged::Passes(format!("an answer came {mismatch}"));
        }
        match () {
            // The explicit bad ones win (scenario 33).
            () if among(down_codes) => {
                Judged::Ends(Err(format!("{said} is among {}, which count as down", list(down_codes))))
            }
            () if among(up_codes) || among(&roles.standby_codes) => {
                Judged::Ends(Ok(in_role(said, roles.says(answer.code, |rule| has(header, rule)))))
            }
            () if answer.code < 200 => Judged::Passes(format!("only {said} came, and no final answer")),
            () => Judged::Ends(Err(format!("{said} is not among up_codes {}", list(up_codes)))),
        }
    }

    /// The bytes of the request that `probe` wants asked, from `local` to `remote`.
    ///
    /// `rport` asks for the answer at the source port whatever the Via says (RFC 3581 3). Thousands of these are written a second:
    /// pieces are put together, and nothing is formatted twice.
    pub fn write(&self, probe: &SipProbe, local: Endpoint, remote: Endpoint) -> Vec<u8> {
        let (via, parameter) = match probe.transport {
            SipTransport::Udp => ("UDP", ""),
            SipTransport::Tcp => ("TCP", ";transport=tcp"),
            SipTransport::Tls => ("TLS", ";transport=tls"),
        };
        let ((local_ip, local_port), (to, to_port)) = (written(local), written(remote));
        // With a host of the operator's the port is not named: it is then a name that is looked up (RFC 3263 4.2).
        let (host, port) = match &probe.host {
            Some(host) => (host.as_str(), ""),
            None => (to.as_str(), to_port.as_str()),
        };
        let (user, at) = probe.user.as_ref().map_or(("", ""), |user| (user.as_str(), "@"));
        let to = probe.to.as_ref().map_or(["sip:", user, at, host], |to| [to.as_str(), "", "", ""]);
        let from = probe.from.as_ref().map_or(["sip:fairlead@", &local_ip], |from| [from.as_str(), ""]);
        let agent = probe.user_agent.as_deref().unwrap_or("Fairlead");
        let Identity { branch, call_id, tag, cseq } = &self.identity;
        let mut number = String::with_capacity(10);
        push_number(&mut number, *cseq);
        let lines: [&[&str]; 10] = [
            &["OPTIONS sip:", user, at, host, port, parameter, " SIP/2.0\r\nVia: SIP/2.0/", via, " "],
            &[&local_ip, &local_port, ";rport;branch=", branch, "\r\nMax-Forwards: 70\r\nFrom: <"],
            &from,
            &[">;tag=", tag, "\r\nTo: <"],
            &to,
            &[">\r\nCall-ID: ", call_id, "\r\nCSeq: ", &number],
            &[" OPTIONS\r\nContact: <sip:fairlead@", &local_ip, &local_port, parameter],
            &[">\r\nAccept: application/sdp\r\nUser-Agent: ", agent],
            &["\r\nContent-Length: 0"],
            &["\r\n\r\n"],
        ];
        let mut request = Vec::with_capacity(ROOM);
        lines.iter().flat_map(|line| *line).for_each(|piece| request.extend_from_slice(piece.as_bytes()));
        request
    }
}

fn in_role(said: String, role: Says) -> Said {
    let words = match role {
        Says::Nothing => said,
        Says::Active => said + ", active",
        Says::Standby => said + ", standby",
    };
    Said { words, role }
}

/// The first field of that name contains the text.
fn has(header: &[u8], rule: &HeaderRule) -> bool {
    let value = Message::read(header).and_then(|message| message.field(&rule.name, &rule.name));
    let folded = |text: &str| text.to_ascii_lowercase();
    value.is_some_and(|value| folded(&String::from_utf8_lossy(value)).contains(&folded(&rule.contains)))
}

/// Numbers in hexadecimal, sixteen digits each, between two texts.
fn hex(before: &str, numbers: &[u64], behind: &str) -> String {
    let mut text = Vec::with_capacity(before.len() + 16 * numbers.len() + behind.len());
    text.extend_from_slice(before.as_bytes());
    for number in numbers {
        let digits: [u8; 16] = std::array::from_fn(|at| b"0123456789abcdef"[(number >> (60 - 4 * at) & 15) as usize]);
        text.extend_from_slice(&digits);
    }
    text.extend_from_slice(behind.as_bytes());
    String::from_utf8(text).unwrap_or_default()
}

/// An address as it is written, and a port behind it. The standard library's way takes four thousand instructions for two.
fn written(endpoint: Endpoint) -> (String, String) {
    let (mut address, mut port) = (String::with_capacity(15), String::with_capacity(6));
    for (at, octet) in endpoint.addr.octets().into_iter().enumerate() {
        address.push_str(if at > 0 { "." } else { "" });
        push_number(&mut address, octet.into());
    }
    port.push(':');
    push_number(&mut port, endpoint.port.into());
    (address, port)
}

fn push_number(text: &mut String, number: u32) {
    if number > 9 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

/// What a stranger wrote, fit for a reason: at most 80 characters, none of them a control character.
fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(80).collect()
}

/// Code ranges as an operator writes them: `1xx, 200, 480-489`.
fn list(ranges: &[CodeRange]) -> String {
    let one = |range: &CodeRange| match (range.first, range.last) {
        (first, last) if first == last => first.to_string(),
        (first, last) if first % 100 == 0 && last == first + 99 => format!("{}xx", first / 100),
        (first, last) => format!("{first}-{last}"),
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::sip_answer::read_datagram;
    use super::*;
    use std::net::Ipv4Addr;

    fn probe(transport: SipTransport) -> SipProbe {
        let up_codes = vec![CodeRange { first: 100, last: 399 }];
        SipProbe {
            transport,
            port: 5060,
            host: None,
            user: None,
            to: None,
            from: None,
            user_agent: None,
            up_codes,
            down_codes: vec![],
            roles: Default::default(),
            tls: Default::default(),
        }
    }

    fn request(probe: &SipProbe, identity: &Identity) -> String {
        let local = Endpoint::new(Ipv4Addr::new(10, 20, 0, 1), 49_152);
        let remote = Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), 5060);
        String::from_utf8(Question::of(probe, identity.clone()).write(probe, local, remote)).unwrap()
    }

    fn fixed() -> Identity {
        Identity { branch: "z9hG4bK1".into(), call_id: "c@fairlead".into(), tag: "t".into(), cseq: 7 }
    }

    fn answer(code: u16, phrase: &str) -> Answer {
        let text = format!(
            "SIP/2.0 {code} {phrase}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nCall-ID: c@fairlead\r\nCSeq: 7 OPTIONS\r\n\r\n"
        );
        read_datagram(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_request_has_every_field_that_rfc_3261_8_1_1_demands() {
        let expected = "OPTIONS sip:10.20.0.11:5060 SIP/2.0\r\n\
            Via: SIP/2.0/UDP 10.20.0.1:49152;rport;branch=z9hG4bK1\r\n\
            Max-Forwards: 70\r\n\
            From: <sip:fairlead@10.20.0.1>;tag=t\r\n\
            To: <sip:10.20.0.11>\r\n\
            Call-ID: c@fairlead\r\n\
            CSeq: 7 OPTIONS\r\n\
            Contact: <sip:fairlead@10.20.0.1:49152>\r\n\
            Accept: application/sdp\r\n\
            User-Agent: Fairlead\r\n\
            Content-Length: 0\r\n\r\n";
        assert_eq!(request(&probe(SipTransport::Udp), &fixed()), expected);
    }

    #[test]
    fn host_user_and_transport_show_where_they_belong() {
        let asked =
            SipProbe { host: Some("sip.example".into()), user: Some("ping".into()), ..probe(SipTransport::Tls) };
        let text = request(&asked, &fixed());
        assert!(text.starts_with("OPTIONS sip:ping@sip.example;transport=tls SIP/2.0\r\n"), "{text}");
        assert!(text.contains("Via: SIP/2.0/TLS 10.20.0.1:49152;"), "{text}");
        assert!(text.contains("\r\nTo: <sip:ping@sip.example>\r\n"), "{text}");
        assert!(text.contains("Contact: <sip:fairlead@10.20.0.1:49152;transport=tls>"), "{text}");
    }

    #[test]
    fn to_from_and_user_agent_are_as_the_file_has_them() {
        let own = |text: &str| Some(text.to_owned());
        let (to, from) = (own("sip:ping@sip.example"), own("sips:probe@lead.example:5061"));
        let asked = SipProbe { to, from, user_agent: own("BigIP probe/1"), ..probe(SipTransport::Udp) };
        let text = request(&asked, &fixed());
        assert!(text.starts_with("OPTIONS sip:10.20.0.11:5060 SIP/2.0\r\n"), "{text}");
        for line in
            ["To: <sip:ping@sip.example>", "From: <sips:probe@lead.example:5061>;tag=t", "User-Agent: BigIP probe/1"]
        {
            assert_eq!(text.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line} in {text}");
        }
        assert_eq!(text.matches("User-Agent").count(), 1);
    }

    #[test]
    fn no_two_requests_share_branch_call_id_or_tag() {
        let mut random = Random::new(3);
        let many: Vec<Identity> = (0..500).map(|_| Identity::new(&mut random)).collect();
        let distinct = |field: fn(&Identity) -> &str| many.iter().map(field).collect::<std::collections::HashSet<_>>();
        assert_eq!(distinct(|one| &one.branch).len(), 500);
        assert_eq!(distinct(|one| &one.call_id).len(), 500);
        assert_eq!(distinct(|one| &one.tag).len(), 500);
        assert!(many.iter().all(|one| one.branch.starts_with("z9hG4bK") && one.cseq >= 1 && one.cseq < 1 << 31));
    }

    #[test]
    fn an_answer_belongs_to_its_request_only_if_branch_call_id_and_cseq_all_match() {
        let right = answer(200, "OK");
        assert_eq!(fixed().mismatch(&right), None);
        assert_eq!(fixed().mismatch(&Answer { branch: "Z9HG4BK1".into(), ..right.clone() }), None);
        let wrongs = [
            (Answer { branch: "".into(), ..right.clone() }, "whose topmost Via has no branch"),
            (Answer { branch: "z9\x1bhG4bK2".into(), ..right.clone() }, "whose branch is z9hG4bK2, not z9hG4bK1"),
            (Answer { call_id: "C@fairlead".into(), ..right.clone() }, "whose Call-ID is C@fairlead, not c@fairlead"),
            (Answer { cseq: 8, ..right.clone() }, "whose CSeq is 8 OPTIONS, not 7 OPTIONS"),
            (Answer { method: "options".into(), ..right.clone() }, "whose CSeq is 7 options, not 7 OPTIONS"),
        ];
        let question = Question::of(&probe(SipTransport::Udp), fixed());
        for (wrong, why) in wrongs {
            assert_eq!(question.judge(&wrong, b""), Judged::Passes(format!("an answer came {why}")));
        }
    }

    #[test]
    fn codes_are_held_against_up_and_down_lists() {
        let up_to_399 = probe(SipTransport::Udp);
        let hundreds = |first: u16, last: u16| CodeRange { first, last };
        let usual = SipProbe {
            up_codes: vec![hundreds(100, 199), hundreds(200, 299), hundreds(300, 399)],
            ..probe(SipTransport::Udp)
        };
        let any = SipProbe { up_codes: vec![hundreds(100, 699)], ..probe(SipTransport::Udp) };
        let any_but_503 = SipProbe { down_codes: vec![hundreds(503, 503)], ..any.clone() };
        let final_only = SipProbe { up_codes: vec![hundreds(200, 299)], ..probe(SipTransport::Udp) };
        let bad = |text: &str| Judged::Ends(Err(text.to_owned()));
        let good = |text: &str| Judged::Ends(Ok(text.into()));
        let provisional = Judged::Passes("only 100 Trying came, and no final answer".into());
        let rows = [
            (&up_to_399, 200, "OK", good("200 OK")),
            (&usual, 503, "Service Unavailable", bad("503 Service Unavailable is not among up_codes 1xx, 2xx, 3xx")),
            (&usual, 404, "Not Found", bad("404 Not Found is not among up_codes 1xx, 2xx, 3xx")),
            (&usual, 100, "Trying", good("100 Trying")),
            (&any, 404, "Not Found", good("404 Not Found")),
            (&any, 405, "", good("405")),
            (&any, 481, "", good("481")),
            (&any_but_503, 503, "x", bad("503 x is among 503, which count as down")),
            (&final_only, 100, "Trying", provisional),
        ];
        for (probe, code, phrase, expected) in rows {
            let question = Question::of(probe, fixed());
            assert_eq!(question.judge(&answer(code, phrase), b""), expected, "{code} {phrase}");
        }
    }

    /// Header rules alone, codes alone, and both; in front of all, a failure is a failure.
    #[test]
    fn status_and_headers_tell_the_role_that_a_member_has_in_its_pair() {
        let rule = |text: &str| HeaderRule::parse(text);
        let of_503 = || vec![CodeRange { first: 503, last: 503 }];
        let none = || Roles::default();
        let codes = || Roles { standby_codes: of_503(), ..none() };
        let active = || Roles { active_header: rule("X-Role: Primary"), ..none() };
        let standby = || Roles { standby_header: rule("server:backup"), ..none() };
        let both = || Roles { standby_header: rule("server:backup"), ..active() };
        let (primary, backup, plain) = ("x-role: I am primary\r\n", "Server: T (BACKUP)\r\n", "");
        let rows = [
            (none(), 200, primary, Ok(("200 OK", Says::Nothing))),
            (codes(), 200, plain, Ok(("200 OK, active", Says::Active))),
            (codes(), 503, plain, Ok(("503 OK, standby", Says::Standby))),
            (codes(), 404, plain, Err(())),
            (active(), 200, primary, Ok(("200 OK, active", Says::Active))),
            (active(), 200, plain, Ok(("200 OK, standby", Says::Standby))),
            (active(), 200, "X-Role: secondary\r\n", Ok(("200 OK, standby", Says::Standby))),
            (active(), 503, primary, Err(())),
            (standby(), 200, backup, Ok(("200 OK, standby", Says::Standby))),
            (standby(), 200, plain, Ok(("200 OK, active", Says::Active))),
            (both(), 200, plain, Ok(("200 OK", Says::Nothing))),
            (both(), 200, primary, Ok(("200 OK, active", Says::Active))),
            (both(), 200, "X-Role: primary\r\nServer: backup\r\n", Ok(("200 OK, standby", Says::Standby))),
            (
                Roles { active_header: rule("X-Role:"), ..none() },
                200,
                "X-Role: any\r\n",
                Ok(("200 OK, active", Says::Active)),
            ),
        ];
        for (roles, code, fields, expected) in rows {
            let question =
                Question::of(&SipProbe { roles: Box::new(roles.clone()), ..probe(SipTransport::Udp) }, fixed());
            let header =
                format!("SIP/2.0 {code} OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{fields}\r\nX-Role: primary");
            let judged = question.judge(&answer(code, "OK"), header.as_bytes());
            let Judged::Ends(end) = judged else { panic!("{judged:?}") };
            let expected = expected.map(|(words, role)| Said { words: words.into(), role });
            assert_eq!(end.map_err(|_| ()), expected, "{roles:?} {code} {fields:?}");
        }
        let down = SipProbe { down_codes: of_503(), roles: Box::new(codes()), ..probe(SipTransport::Udp) };
        let question = Question::of(&down, fixed());
        assert!(matches!(question.judge(&answer(503, "OK"), b""), Judged::Ends(Err(_))), "down stands before standby");
        for text in ["X-Role", ": x", "X Role: x", "X-Role: a\r\nb"] {
            assert_eq!(rule(text), None, "{text:?}");
        }
    }
}
