//! The question put to an HTTP server, and what its answer says.
//!
//! Owns the request (RFC 9112 3), as much of an answer as a probe needs (RFC 9112 4, 6, 7.1), and which answers are good. Keeps no more
//! than [`LIMIT`] bytes. Follows no redirection: a server that redirects lives.

use super::outcome::Said;
use crate::policy::intent::{CodeRange, HttpProbe};
use crate::wire::Endpoint;

/// The longest answer that is looked at, header and body together, in bytes.
pub const LIMIT: usize = 64 * 1024;

/// A request, and its answer as far as it came.
pub struct HttpExchange {
    probe: HttpProbe,
    came: Vec<u8>,
}

/// How an exchange ends: what is good, or why not.
type End = Result<Said, String>;

/// The header of a final answer.
struct Header {
    code: u16,
    phrase: String,
    /// Where the body begins.
    body: usize,
    length: Option<usize>,
    is_chunked: bool,
}

impl HttpExchange {
    /// One that nothing has answered yet.
    pub fn new(probe: &HttpProbe) -> HttpExchange {
        HttpExchange { probe: probe.clone(), came: Vec::new() }
    }

    /// The bytes of the request to `remote`.
    pub fn request(&self, remote: Endpoint) -> Vec<u8> {
        let HttpProbe { method, path, host, user_agent, .. } = &self.probe;
        let host = host.clone().unwrap_or_else(|| remote.to_string());
        let agent = user_agent.as_deref().unwrap_or("Fairlead");
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        )
        .into_bytes()
    }

    /// Reads what the server sends, until it decides.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Option<End> {
        let room = LIMIT - self.came.len();
        self.came.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.judge(bytes.len() > room)
    }

    /// The server has closed: no more comes.
    pub fn on_close(&mut self) -> Option<End> {
        let has_header = header(&self.came).is_ok_and(|header| header.is_some());
        has_header.then(|| self.judge(true)).flatten()
    }

    /// What came, though it is not the whole answer.
    pub fn unfinished(&self) -> Option<String> {
        let waits =
            if matches!(header(&self.came), Ok(Some(_))) { "the end of the body" } else { "the end of the header" };
        (!self.came.is_empty()).then(|| format!("{} bytes came, without {waits}", self.came.len()))
    }

    /// `is_all`: nothing is to be had beyond what came.
    fn judge(&self, is_all: bool) -> Option<End> {
        let header = match header(&self.came) {
            Err(why) => return Some(Err(why.into())),
            Ok(None) if is_all => return Some(Err(format!("the header is longer than {LIMIT} bytes"))),
            Ok(None) => return None,
            Ok(Some(header)) => header,
        };
        let HttpProbe { up_codes, down_codes, receive, .. } = &self.probe;
        let among = |ranges: &[CodeRange]| ranges.iter().any(|range| range.contains(header.code));
        let said = format!("{} {}", header.code, header.phrase).trim_end().to_owned();
        if among(down_codes) {
            return Some(Err(format!("{said} is among down_codes")));
        } else if !among(up_codes) {
            return Some(Err(format!("{said} is not among up_codes")));
        } else if receive.is_empty() {
            return Some(Ok(said.into()));
        }
        let (body, is_whole) = self.body(&header);
        let found = contains(&self.came[..header.body], receive) || contains(&body, receive);
        match (found, is_whole || is_all) {
            (true, _) => Some(Ok(format!("{said}, with the text expected").into())),
            (false, true) => Some(Err(format!("{said}, but the text expected is not in it"))),
            (false, false) => None,
        }
    }

    /// The body as far as it came, and whether that is all of it.
    fn body(&self, header: &Header) -> (Vec<u8>, bool) {
        let came = &self.came[header.body..];
        let has_none = self.probe.method == "HEAD" || matches!(header.code, 204 | 304);
        match header.length {
            _ if has_none => (Vec::new(), true),
            _ if header.is_chunked => dechunked(came),
            Some(length) => (came.get(..length).unwrap_or(came).to_vec(), came.len() >= length),
            None => (came.to_vec(), false),
        }
    }
}

/// The header of the final answer; `None`: it is still to come. Interim answers (RFC 9110 15.2) are passed over.
fn header(bytes: &[u8]) -> Result<Option<Header>, &'static str> {
    const NOT_HTTP: &str = "answered, but not in HTTP";
    let mut start = 0;
    loop {
        let rest = &bytes[start..];
        let wanted = b"HTTP/1.";
        if !rest.iter().zip(wanted).all(|(one, other)| one == other) {
            return Err(NOT_HTTP);
        }
        let Some(end) = crate::wire::sip::header_end(rest) else { return Ok(None) };
        let text = String::from_utf8_lossy(&rest[..end]);
        let mut lines = text.lines();
        let mut words = lines.next().unwrap_or_default().splitn(3, ' ').skip(1);
        let code = words.next().and_then(|code| code.parse::<u16>().ok()).filter(|code| (100..=599).contains(code));
        let code = code.ok_or(NOT_HTTP)?;
        start += end;
        if code >= 200 {
            let phrase = words.next().unwrap_or_default();
            let phrase = phrase.chars().filter(|letter| !letter.is_control()).take(80).collect();
            let field = |name: &str| {
                let pairs = text.lines().skip(1).filter_map(|line| line.split_once(':'));
                let mut found = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
                found.next().map(|(_, value)| value.trim().to_ascii_lowercase())
            };
            let is_chunked = field("transfer-encoding").is_some_and(|how| how.ends_with("chunked"));
            let length = field("content-length").and_then(|length| length.parse().ok());
            return Ok(Some(Header { code, phrase, body: start, length, is_chunked }));
        }
    }
}

/// The bytes of whole and partial chunks, and whether the last one came (RFC 9112 7.1).
fn dechunked(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut plain = Vec::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&bytes[..end]);
        let size = line.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { return (plain, true) };
        let rest = &bytes[end + 1..];
        if size == 0 {
            return (plain, true);
        }
        plain.extend_from_slice(rest.get(..size).unwrap_or(rest));
        // Its own line end follows the chunk.
        let behind = rest.get(size..).unwrap_or_default();
        let blank = behind.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).take(2).count();
        bytes = &behind[blank..];
    }
    (plain, false)
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn probe(method: &str, receive: &str) -> HttpProbe {
        HttpProbe {
            port: 8080,
            tls: None,
            method: method.into(),
            path: "/health?deep=1".into(),
            host: None,
            user_agent: None,
            up_codes: vec![CodeRange { first: 200, last: 399 }],
            down_codes: vec![CodeRange { first: 302, last: 302 }],
            receive: receive.into(),
        }
    }

    /// How an answer ends the exchange, given whole, byte by byte, and cut anywhere; then the server closes.
    fn ended(probe: &HttpProbe, answer: &[u8]) -> Option<End> {
        let whole = {
            let mut exchange = HttpExchange::new(probe);
            exchange.on_bytes(answer).or_else(|| exchange.on_close())
        };
        let mut exchange = HttpExchange::new(probe);
        let piecewise = answer.chunks(1).find_map(|byte| exchange.on_bytes(byte)).or_else(|| exchange.on_close());
        assert_eq!(piecewise, whole, "{:?}", String::from_utf8_lossy(answer));
        whole
    }

    #[test]
    fn the_request_says_whom_it_asks_and_that_it_asks_once() {
        let remote = Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), 8080);
        let plain = HttpExchange::new(&probe("GET", "")).request(remote);
        let expected = "GET /health?deep=1 HTTP/1.1\r\nHost: 10.20.0.11:8080\r\nUser-Agent: Fairlead\r\nAccept: */*\r\n\
                        Connection: close\r\n\r\n";
        assert_eq!(String::from_utf8(plain).unwrap(), expected);
        let named = HttpProbe { host: Some("pbx.example".into()), user_agent: Some("us".into()), ..probe("HEAD", "") };
        let named = String::from_utf8(HttpExchange::new(&named).request(remote)).unwrap();
        assert!(
            named.starts_with("HEAD /health?deep=1 HTTP/1.1\r\nHost: pbx.example\r\nUser-Agent: us\r\n"),
            "{named}"
        );
    }

    #[test]
    fn status_and_text_decide_wherever_the_answer_is_cut() {
        let good = |words: &str| Some(Ok(Said::from(words)));
        let bad = |words: &str| Some(Err(words.to_owned()));
        let (found, lost) = ("200 OK, with the text expected", "200 OK, but the text expected is not in it");
        let rows = [
            ("GET", "", "HTTP/1.1 200 OK\r\n\r\n", good("200 OK")),
            ("GET", "", "HTTP/1.0 204\n\n", good("204")),
            ("GET", "", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", good("200 OK")),
            ("GET", "", "HTTP/1.1 503 Busy\r\n\r\n", bad("503 Busy is not among up_codes")),
            ("GET", "", "HTTP/1.1 302 Found\r\n\r\n", bad("302 Found is among down_codes")),
            ("GET", "", "SSH-2.0-OpenSSH_9.2\r\n", bad("answered, but not in HTTP")),
            ("GET", "", "HTTP/1.1 2x0 OK\r\n\r\n", bad("answered, but not in HTTP")),
            ("GET", "", "HTTP/1.1 200 OK\r\n", None),
            ("GET", "all well", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall well", good(found)),
            ("GET", "all well", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nall well", bad(lost)),
            ("GET", "all well", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nall ill", bad(lost)),
            ("GET", "all well", "HTTP/1.1 200 OK\r\n\r\nand all well here", good(found)),
            ("GET", "all well", "HTTP/1.1 200 OK\r\n\r\nnothing", bad(lost)),
            (
                "GET",
                "all well",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6;x=y\r\nso all\r\n7\r\n well, \r\n0\r\n\r\n",
                good(found),
            ),
            ("GET", "x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", bad(lost)),
            ("GET", "x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", bad(lost)),
            ("HEAD", "well", "HTTP/1.1 200 OK\r\nX-State: well\r\nContent-Length: 900\r\n\r\n", good(found)),
            ("HEAD", "well", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", bad(lost)),
        ];
        for (method, receive, answer, expected) in rows {
            assert_eq!(ended(&probe(method, receive), answer.as_bytes()), expected, "{method} {receive:?} {answer:?}");
        }
    }

    #[test]
    fn no_answer_makes_a_probe_hold_more_than_its_limit() {
        let mut endless = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
        endless.resize(2 * LIMIT, b'a');
        let mut exchange = HttpExchange::new(&probe("GET", ""));
        assert_eq!(exchange.on_bytes(&endless), Some(Err(format!("the header is longer than {LIMIT} bytes"))));
        assert_eq!(exchange.came.len(), LIMIT);
        let mut body = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        body.resize(2 * LIMIT, b'a');
        let mut exchange = HttpExchange::new(&probe("GET", "b"));
        let expected = Some(Err("200 OK, but the text expected is not in it".to_owned()));
        assert_eq!(exchange.on_bytes(&body), expected);
        assert_eq!(exchange.came.len(), LIMIT);
        let told = HttpExchange { came: b"HTTP/1.1 2".to_vec(), ..HttpExchange::new(&probe("GET", "")) }.unfinished();
        assert_eq!(told.as_deref(), Some("10 bytes came, without the end of the header"));
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_answer_decides_or_not_but_never_panics(place in 0usize..60, byte: u8, bytes: Vec<u8>) {
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec();
            answer[place] = byte;
            _ = HttpExchange::new(&probe("GET", "x")).on_bytes(&answer);
            _ = HttpExchange::new(&probe("GET", "x")).on_bytes(&bytes);
            _ = dechunked(&bytes);
        }
    }
}
