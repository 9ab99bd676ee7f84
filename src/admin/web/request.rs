//! The head of a request (RFC 9112), as far as one who only gives answers needs it.
//!
//! Owns what is refused as no HTTP. Does not judge `Host`: `site` does.

/// Bytes of a head, at most.
pub(super) const HEAD_MAX: usize = 8 * 1024;

/// A request whose head was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    /// The path of its target, without the query.
    pub(super) path: &'a [u8],
    /// The values of `If-None-Match`.
    pub(super) known: Vec<&'a [u8]>,
    /// The values of `Host`: one, unless somebody plays.
    pub(super) hosts: Vec<&'a [u8]>,
}

/// What is to be done with the target (RFC 9110 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    /// The same without the content.
    Head,
    /// Something that may not be done to anything here.
    Known,
    /// Something that nobody knows.
    Unknown,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It is longer than [`HEAD_MAX`].
    TooLarge,
    /// It is not HTTP/1.
    NotHttp,
}

/// All of the head is there.
pub(super) fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n")
}

/// The request (RFC 9112 3: method, target and version, a space between; then fields, each on a line of its own).
pub(super) fn read(head: &[u8]) -> Result<Request<'_>, Malformed> {
    if head.len() > HEAD_MAX && !is_whole(head) {
        return Err(Malformed::TooLarge);
    }
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let words: Vec<&[u8]> = lines.next().unwrap_or_default().split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else { return Err(Malformed::NotHttp) };
    if !version.starts_with(b"HTTP/1.") || target.is_empty() {
        return Err(Malformed::NotHttp);
    }
    let fields: Vec<&[u8]> = lines.take_while(|line| !line.is_empty()).collect();
    let values = |name: &[u8]| fields.iter().filter_map(|line| value(line, name)).collect();
    Ok(Request {
        method: Method::of(method),
        path: path(target),
        known: values(b"if-none-match"),
        hosts: values(b"host"),
    })
}

impl Method {
    fn of(name: &[u8]) -> Method {
        match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" | b"PUT" | b"DELETE" | b"CONNECT" | b"OPTIONS" | b"TRACE" | b"PATCH" => Method::Known,
            _ => Method::Unknown,
        }
    }
}

/// The path of a target in origin form, or in absolute form, which a server has to take too (RFC 9112 3.2.2).
fn path(target: &[u8]) -> &[u8] {
    let is_absolute = target.len() > 7 && target[..7].eq_ignore_ascii_case(b"http://");
    let target = match is_absolute {
        true => {
            target[7..].iter().position(|byte| matches!(byte, b'/' | b'?')).map_or(&b"/"[..], |at| &target[7 + at..])
        }
        false => target,
    };
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    if path.is_empty() && is_absolute { b"/" } else { path }
}

/// What stands behind the colon of a field of this name.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    line[..colon].eq_ignore_ascii_case(name).then(|| line[colon + 1..].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_whole(text: &str) -> (Method, &str, usize) {
        let Request { method, path, known, .. } = read(text.as_bytes()).unwrap();
        (method, std::str::from_utf8(path).unwrap(), known.len())
    }

    #[test]
    fn a_head_is_read_by_the_book() {
        for (head, expected) in [
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", (Method::Get, "/metrics", 0)),
            ("GET /metrics?x=/1 HTTP/1.0\r\n\r\n", (Method::Get, "/metrics", 0)),
            ("HEAD / HTTP/1.1\r\nIF-none-match: \"a\"\r\n\r\n", (Method::Head, "/", 1)),
            ("GET http://box:9469/status.json?x HTTP/1.1\r\n\r\n", (Method::Get, "/status.json", 0)),
            ("GET HTTP://box HTTP/1.1\r\n\r\n", (Method::Get, "/", 0)),
            ("GET http://box?x HTTP/1.1\r\n\r\n", (Method::Get, "/", 0)),
            ("PATCH / HTTP/1.1\r\n\r\nIf-None-Match: in the content", (Method::Known, "/", 0)),
            ("get / HTTP/1.1\r\n\r\n", (Method::Unknown, "/", 0)),
            ("OPTIONS * HTTP/1.1\r\n\r\n", (Method::Known, "*", 0)),
        ] {
            assert_eq!(read_whole(head), expected, "{head}");
        }
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for head in
            ["GET /metrics\r\n\r\n", "GET / HTTP/2\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "\x16\x03\x01\0", "", "\n"]
        {
            assert_eq!(read(head.as_bytes()), Err(Malformed::NotHttp), "{head}");
        }
        let long = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(HEAD_MAX));
        assert_eq!(read(long.as_bytes()), Err(Malformed::TooLarge));
    }
}
