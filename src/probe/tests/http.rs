//! HTTP and HTTPS over the stack: what is asked, and where an answer ends.

use super::certificates::server;
use super::server::Says;
use super::*;
use crate::policy::intent::HttpProbe;

fn http(port: u16, tls: Option<TlsProbe>, receive: &str) -> Monitor {
    let hundreds = |first: u16| CodeRange { first, last: first + 99 };
    monitor(MonitorKind::Http(HttpProbe {
        port,
        tls: tls.map(Box::new),
        method: "GET".into(),
        path: "/health".into(),
        host: None,
        user_agent: None,
        up_codes: vec![hundreds(200)],
        down_codes: vec![],
        receive: receive.into(),
    }))
}

/// A service that is asked once and answers so.
fn says(answer: &str) -> impl FnMut(&[u8]) -> Says {
    let answer = answer.as_bytes().to_vec();
    move |request: &[u8]| {
        let text = String::from_utf8(request.to_vec()).unwrap();
        assert!(text.starts_with("GET /health HTTP/1.1\r\nHost: 10.20.0.11:"), "{text}");
        assert!(text.ends_with("Connection: close\r\n\r\n"), "{text}");
        Says::Bytes(answer.clone())
    }
}

const UP: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall well";

#[test]
fn http_is_asked_over_tcp_and_https_over_tls() {
    let (mut bench, mut member) = (Bench::new(), Server::new(8080, None, says(UP)));
    let (outcome, _) = bench.probe(&http(8080, None, "all well"), &mut member);
    assert!(is_good(&outcome, "200 OK, with the text expected"), "{outcome:?}");
    assert_eq!((member.accepted, member.closed_cleanly), (1, 1));
    let (mut bench, mut member) = (Bench::new(), Server::new(8443, Some(server(|_| {})), says(UP)));
    let (outcome, _) = bench.probe(&http(8443, Some(TlsProbe::default()), ""), &mut member);
    assert!(is_good(&outcome, "200 OK"), "{outcome:?}");
    let clear = bench.sent.iter().any(|datagram| datagram.windows(7).any(|window| window == b"/health"));
    assert!(!clear, "nothing travels in the clear");
}

#[test]
fn what_is_wrong_with_an_http_server_is_told() {
    let timeout = "connected, but no answer in 400ms";
    let rows = [
        ("HTTP/1.1 503 Busy\r\n\r\n", "", "503 Busy is not among up_codes".to_owned()),
        ("SSH-2.0-OpenSSH_9.2\r\n", "", "answered, but not in HTTP".to_owned()),
        ("HTTP/1.1 200", "", format!("{timeout}: 12 bytes came, without the end of the header")),
        ("HTTP/1.1 200 OK\r\n\r\nall", "ill", format!("{timeout}: 22 bytes came, without the end of the body")),
        (UP, "ill", "200 OK, but the text expected is not in it".to_owned()),
    ];
    for (answer, receive, expected) in rows {
        let outcome = Bench::new().probe(&http(8080, None, receive), &mut Server::new(8080, None, says(answer))).0;
        assert_eq!(outcome, failure(&expected), "{answer:?}");
    }
    let close = |_: &[u8]| Says::Close;
    let outcome = Bench::new().probe(&http(8080, None, ""), &mut Server::new(8080, None, close)).0;
    assert_eq!(outcome, failure("connected, but the connection was closed by the member before an answer came"));
}
