//! The front of a SIP message (RFC 3261 7): who asks, who is answered, and which transaction it is of.
//!
//! Owns the reading of start lines, header fields, the topmost Via, Call-ID and CSeq, long and compact names, folded lines, lines that end
//! with LF alone. Believes nothing: whatever cannot be read is absent. Copies nothing and asks for no memory; a datagram is read
//! to [`PEEK`] bytes at most. Never looks at a body, and never says what follows from what it read.

use std::net::Ipv4Addr;
use std::num::NonZeroU64;

/// How much of a datagram is looked at, in bytes: the topmost Via and CSeq stand in front of what is long.
pub const PEEK: usize = 4096;

/// What a datagram says of itself, as far as it matters who gets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Facts {
    /// Nothing of SIP's, or nobody has looked.
    #[default]
    Other,
    /// It asks.
    Request {
        /// The topmost Via's branch: the transaction it begins, or continues.
        branch: Option<Branch>,
        /// The call it belongs to.
        call: Option<CallId>,
    },
    /// It answers.
    Answer {
        /// The address in the topmost Via, which whoever asked wrote there.
        sent_by: Option<Ipv4Addr>,
        /// The branch of the request it answers.
        branch: Option<Branch>,
        /// It is the last that there is to say (RFC 3261 7.2: 200 and above).
        is_final: bool,
        /// The call it belongs to.
        call: Option<CallId>,
    },
}

impl Facts {
    /// The facts of a datagram, whose payload this is or begins with.
    pub fn of(datagram: &[u8]) -> Facts {
        Facts::read(datagram, true)
    }

    /// The same; the Call-ID, for which the whole header may have to be read, only if it is wanted.
    pub fn read(datagram: &[u8], wants_call: bool) -> Facts {
        let Some(message) = Message::peek(datagram) else { return Facts::Other };
        let via = message.top_via();
        let branch = via.and_then(|via| via.branch());
        let call = if wants_call { message.call_id() } else { None };
        match message.start {
            Start::Request { .. } => Facts::Request { branch, call },
            Start::Answer { code, .. } => {
                Facts::Answer { sent_by: via.and_then(|via| via.address()), branch, is_final: code >= 200, call }
            }
        }
    }

    /// The call it belongs to.
    pub fn call(&self) -> Option<CallId> {
        match *self {
            Facts::Request { call, .. } | Facts::Answer { call, .. } => call,
            Facts::Other => None,
        }
    }
}

/// A Call-ID, as a number that two different ones hardly share: the same in every request and answer of a dialog, whoever sends it, and
/// in all registrations of one user agent (RFC 3261 8.1.1.4). Compared byte by byte, so case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(pub NonZeroU64);

/// A branch parameter, as a number that two different ones hardly share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Branch(pub NonZeroU64);

impl Branch {
    /// That of a parameter's value, which is echoed as it was (RFC 3261 8.2.6.2); `None` of an empty one.
    pub fn of(value: &[u8]) -> Option<Branch> {
        number(value).map(Branch)
    }
}

/// FNV-1a; `None` of nothing.
fn number(text: &[u8]) -> Option<NonZeroU64> {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = text.iter().fold(0xcbf2_9ce4_8422_2325, mix).max(1);
    NonZeroU64::new(hash).filter(|_| !text.is_empty())
}

/// The line that a message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// `OPTIONS sip:user@host SIP/2.0`
    Request {
        /// As it is written: methods are told apart by case (RFC 3261 7.1).
        method: &'a [u8],
    },
    /// `SIP/2.0 200 OK`
    Answer {
        /// 100 to 699.
        code: u16,
        /// The reason phrase, as it was sent.
        phrase: &'a [u8],
    },
}

impl<'a> Start<'a> {
    /// The start line `line`, with or without its end; the version's name is in any case (RFC 3261 25.1).
    pub fn of(line: &'a [u8]) -> Option<Start<'a>> {
        let mut words = line.trim_ascii_end().splitn(3, |byte| *byte == b' ');
        let (first, second, third) = (words.next()?, words.next()?, words.next().unwrap_or_default());
        if !is_version(first) {
            return is_version(third).then_some(Start::Request { method: first });
        }
        let &[hundreds @ b'1'..=b'6', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = second else { return None };
        let digit = |byte: u8| u16::from(byte - b'0');
        Some(Start::Answer { code: digit(hundreds) * 100 + digit(tens) * 10 + digit(ones), phrase: third.trim_ascii() })
    }
}

fn is_version(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"SIP/2.0")
}

/// A message, or as much of it as there is.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its first line.
    pub start: Start<'a>,
    /// The lines behind it.
    rest: &'a [u8],
}

impl<'a> Message<'a> {
    /// A message from its first bytes. `None`: it does not begin with a line of SIP/2.0. Empty lines in front of it do not
    /// count (RFC 3261 7.5).
    pub fn read(bytes: &'a [u8]) -> Option<Message<'a>> {
        let bytes = skip_blank(bytes);
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (line, rest) = bytes.split_at(end);
        Some(Message { start: Start::of(line)?, rest: rest.get(1..).unwrap_or_default() })
    }

    /// As [`Message::read`], of the lines that are whole in the first [`PEEK`] bytes. What is plainly none costs a look at a byte.
    pub fn peek(bytes: &'a [u8]) -> Option<Message<'a>> {
        match bytes.first()? {
            b'A'..=b'Z' | b'a'..=b'z' | b'\r' | b'\n' => {}
            _ => return None,
        }
        match bytes.get(..PEEK) {
            None => Message::read(bytes),
            Some(front) => Message::read(&front[..front.iter().rposition(|byte| *byte == b'\n')?]),
        }
    }

    /// The value of the first field called `long` or `compact`, in any case (RFC 3261 7.3.1, 7.3.3); folded lines are in it with
    /// their ends.
    pub fn field(&self, long: &str, compact: &str) -> Option<&'a [u8]> {
        self.fields(long, compact).next()
    }

    /// The values of all fields called so, in order, as [`Message::field`] has the first.
    pub fn fields(&self, long: &str, compact: &str) -> impl Iterator<Item = &'a [u8]> {
        let may_be = |one: &str, first: u8| one.as_bytes().first().is_some_and(|is| is.eq_ignore_ascii_case(&first));
        Fields(self.rest).filter_map(move |field| {
            // Nearly all lines are others, which their first letter tells.
            let first = *field.first()?;
            if first.is_ascii_alphabetic() && !may_be(long, first) && !may_be(compact, first) {
                return None;
            }
            let (name, value) = split_once(field, b':')?;
            let is_called = |one: &str| name.trim_ascii().eq_ignore_ascii_case(one.as_bytes());
            (is_called(long) || is_called(compact)).then(|| value.trim_ascii())
        })
    }

    /// It is a request with this method.
    pub fn is_request(&self, method: &[u8]) -> bool {
        matches!(self.start, Start::Request { method: is } if is == method)
    }

    /// The topmost Via: whom the message is from, or whom it answers.
    pub fn top_via(&self) -> Option<Via<'a>> {
        self.field("via", "v").map(Via::first_of)
    }

    /// The Call-ID.
    pub fn call_id(&self) -> Option<CallId> {
        number(self.field("call-id", "i")?).map(CallId)
    }

    /// The number and the method in CSeq.
    pub fn cseq(&self) -> Option<(u32, &'a [u8])> {
        let mut words = self.field("cseq", "cseq")?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let number = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
        Some((number, words.next()?))
    }
}

/// The fields of a header, each with its folded lines (RFC 3261 7.3.1); an empty line ends them.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if let [] | [b'\n', ..] | [b'\r', b'\n', ..] = self.0 {
            return None;
        }
        let mut end = 0;
        // A line that begins with a blank belongs to the one before.
        while end == 0 || matches!(self.0.get(end), Some(b' ' | b'\t')) {
            end += self.0[end..].iter().position(|byte| *byte == b'\n').map_or(self.0.len() - end, |at| at + 1);
        }
        let (field, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(field)
    }
}

/// One value of a Via field: `SIP/2.0/UDP host:port;branch=z9hG4bK...` (RFC 3261 20.42).
#[derive(Clone, Copy, Debug)]
pub struct Via<'a>(&'a [u8]);

impl<'a> Via<'a> {
    /// The first one of a field's value: one field may hold several.
    pub fn first_of(value: &'a [u8]) -> Via<'a> {
        Via(Unquoted { text: Some(value), separator: b',' }.next().unwrap_or_default())
    }

    /// The sent-by's host, which may be a name; IPv6 in brackets. Blanks may stand around the slashes and the colon.
    pub fn host(&self) -> Option<&'a [u8]> {
        let sent_by = self.sent_by()?;
        let host = match sent_by.first()? {
            b'[' => sent_by,
            _ => split_once(sent_by, b':').map_or(sent_by, |(host, _)| host.trim_ascii_end()),
        };
        (!host.is_empty()).then_some(host)
    }

    /// The sent-by's port, if there is one.
    pub fn port(&self) -> Option<u16> {
        let sent_by = self.sent_by()?;
        let behind = match sent_by.first()? {
            b'[' => split_once(sent_by, b']')?.1,
            _ => sent_by,
        };
        std::str::from_utf8(split_once(behind, b':')?.1.trim_ascii()).ok()?.parse().ok()
    }

    /// The answer is wanted at the port that the request came from (RFC 3581 3).
    pub fn has_rport(&self) -> bool {
        self.has("rport")
    }

    /// The answer is wanted at an address that is named apart (RFC 3261 18.2.2).
    pub fn has_maddr(&self) -> bool {
        self.has("maddr")
    }

    fn has(&self, parameter: &str) -> bool {
        let name = |part| split_once(part, b'=').map_or(part, |(name, _)| name).trim_ascii();
        self.parts().skip(1).any(|part| name(part).eq_ignore_ascii_case(parameter.as_bytes()))
    }

    /// Host and port.
    fn sent_by(&self) -> Option<&'a [u8]> {
        let front = self.parts().next()?;
        let (_, version_on) = split_once(front, b'/')?;
        let transport_on = split_once(version_on, b'/')?.1.trim_ascii_start();
        let blank = transport_on.iter().position(u8::is_ascii_whitespace)?;
        Some(transport_on[blank..].trim_ascii())
    }

    /// The host, if it is an IPv4 address.
    pub fn address(&self) -> Option<Ipv4Addr> {
        std::str::from_utf8(self.host()?).ok()?.parse().ok()
    }

    /// What the branch parameter says; empty if there is none.
    pub fn branch_text(&self) -> &'a [u8] {
        parameter(self.0, "branch").unwrap_or_default()
    }

    /// The branch parameter.
    pub fn branch(&self) -> Option<Branch> {
        Branch::of(self.branch_text())
    }

    fn parts(&self) -> Unquoted<'a> {
        Unquoted { text: Some(self.0), separator: b';' }
    }
}

/// The parts of a text between separators outside of quoted strings, in which a backslash takes the next character along
/// (RFC 3261 25.1).
struct Unquoted<'a> {
    text: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Iterator for Unquoted<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (text, separator) = (self.text.take()?, self.separator);
        let (mut quoted, mut escaped) = (false, false);
        let is_end = |byte: &u8| {
            match *byte {
                _ if std::mem::take(&mut escaped) => {}
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                byte => return byte == separator && !quoted,
            }
            false
        };
        let Some(end) = text.iter().position(is_end) else { return Some(text) };
        self.text = text.get(end + 1..);
        text.get(..end)
    }
}

/// The values of a field that may hold several (RFC 3261 7.3.1).
pub(super) fn values(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    Unquoted { text: Some(field), separator: b',' }
}

/// What the parameter called `name` says, in any case, among those of a value.
pub(super) fn parameter<'a>(value: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let parts = Unquoted { text: Some(value), separator: b';' };
    parts.skip(1).find_map(|part| {
        let (is, says) = split_once(part, b'=')?;
        is.trim_ascii().eq_ignore_ascii_case(name.as_bytes()).then(|| says.trim_ascii())
    })
}

/// RFC 3261 7.5: empty lines before the start line are ignored.
pub fn skip_blank(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    &bytes[start..]
}

/// The place after the empty line that ends a header, whether lines end with CRLF or with LF alone.
pub fn header_end(bytes: &[u8]) -> Option<usize> {
    let mut line = 0;
    loop {
        line += bytes[line..].iter().position(|byte| *byte == b'\n')? + 1;
        match &bytes[line..] {
            [b'\n', ..] => return Some(line + 1),
            [b'\r', b'\n', ..] => return Some(line + 2),
            _ => {}
        }
    }
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == at)?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests;
