//! A server for one page: just enough HTTP/1.1 (RFC 9112) for a scraper.
//!
//! Owns the connections: one request each, then closed; bounded in number, size and time. Knows no metric.

use super::scrape::scrape;
use crate::admin::Asked;
use crate::admin::clients::{self, Seat};
use crate::time::Duration;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Connections at once; for one more the longest idle is closed.
const CONNECTIONS: usize = 16;
/// Bytes of a request's head, at most.
const HEAD_MAX: usize = 8 * 1024;
/// Bytes of a page written at a time.
const PART: usize = 16 * 1024;
/// From the connection to its close.
const PATIENCE: Duration = Duration::from_secs(10);

/// There is no metrics endpoint.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for metrics at {address}: {why}; choose another `metrics` under [appliance], or leave it out")]
pub struct MetricsError {
    /// Where.
    pub address: SocketAddr,
    /// What the kernel said.
    pub why: io::Error,
}

/// Listens at `address`. Within a tokio runtime.
///
/// # Errors
/// The kernel refuses: in use, not an address of this machine, not allowed.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, MetricsError> {
    TcpListener::bind(address).await.map_err(|why| MetricsError { address, why })
}

/// Serves `GET /metrics` and `GET /healthz` until `stop` is ready.
pub async fn serve(listener: TcpListener, asked: mpsc::Sender<Asked>, stop: impl Future<Output = ()>) {
    let handle = |stream, seat| {
        let asked = asked.clone();
        async move { _ = timeout(PATIENCE, handle(stream, seat, asked)).await }
    };
    let accept = || async { listener.accept().await.map(|(stream, _)| stream) };
    clients::serve("the metrics endpoint", CONNECTIONS, accept, drop, handle, stop).await;
}

async fn handle(mut stream: TcpStream, mut seat: Seat, asked: mpsc::Sender<Asked>) -> io::Result<()> {
    let request = tokio::select! {
        biased;
        request = head(&mut stream) => request?,
        () = seat.must_leave() => return Ok(()),
    };
    seat.is_busy();
    let (status, body) = match checked(&request) {
        Ok(target) => match scrape(&asked).await {
            Some(page) => ("200 OK", if target == Target::Health { "ok\n".to_owned() } else { page }),
            None => ("503 Service Unavailable", "the appliance does not answer\n".to_owned()),
        },
        Err((status, body)) => (status, body.to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    for part in std::iter::once(head.as_bytes()).chain(body.as_bytes().chunks(PART)) {
        // Who does not read is idle.
        seat.is_idle();
        tokio::select! {
            biased;
            written = stream.write_all(part) => written?,
            () = seat.must_leave() => return Ok(()),
        }
        seat.is_busy();
    }
    stream.shutdown().await
}

/// The request up to its empty line, or as much of it as the client sends and may send.
async fn head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(1024);
    while !is_whole(&head) && head.len() <= HEAD_MAX && stream.read_buf(&mut head).await? > 0 {}
    Ok(head)
}

fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n")
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The page.
    Metrics,
    /// Whether there would be one: the appliance answers.
    Health,
}

/// What a request is for (RFC 9112 3: method, target and version, a space between), or the status and the text that refuse it; a
/// field of its own may stand behind a status.
fn checked(head: &[u8]) -> Result<Target, (&'static str, &'static str)> {
    if head.len() > HEAD_MAX && !is_whole(head) {
        return Err(("431 Request Header Fields Too Large", "the request is too large\n"));
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    match words[..] {
        [method, target, version] if version.starts_with(b"HTTP/1.") => {
            match (method, target.split(|byte| *byte == b'?').next()) {
                (b"GET", Some(b"/metrics")) => Ok(Target::Metrics),
                (b"GET", Some(b"/healthz")) => Ok(Target::Health),
                (b"GET", _) => {
                    Err(("404 Not Found", "the metrics are at /metrics; /healthz says whether they are to be had\n"))
                }
                _ => Err(("405 Method Not Allowed\r\nAllow: GET", "only GET\n")),
            }
        }
        _ => Err(("400 Bad Request", "this is not HTTP/1\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rows::CounterRow;
    use crate::admin::{Answered, Data, Request};

    #[test]
    fn a_request_line_is_read_by_the_book() {
        let rows: [(&[u8], &str); 13] = [
            (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", ""),
            (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", ""),
            (b"GET /healthz HTTP/1.1\r\n\r\n", ""),
            (b"GET /health HTTP/1.1\r\n\r\n", "404"),
            (b"GET / HTTP/1.1\r\n\r\n", "404"),
            (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
            (b"HEAD /metrics HTTP/1.1\r\n\r\n", "405"),
            (b"GET http://x/metrics HTTP/1.1\r\n\r\n", "404"),
            (b"GET /metrics\r\n\r\n", "400"),
            (b"GET /metrics HTTP/2\r\n\r\n", "400"),
            (b"GET  /metrics HTTP/1.1\r\n\r\n", "400"),
            (b"\x16\x03\x01\x00", "400"),
            (b"", "400"),
        ];
        for (head, code) in rows {
            let found = checked(head).err().map_or("", |(status, _)| &status[..3]);
            assert_eq!(found, code, "{}", String::from_utf8_lossy(head));
        }
    }

    async fn fetched(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn controller(mut questions: mpsc::Receiver<Asked>) {
        while let Some(Asked { request, answer, .. }) = questions.recv().await {
            let data = match request {
                Request::Counters { all: true } => Data::Counters(vec![CounterRow {
                    name: "drop_no_flow".into(),
                    value: 7,
                    explanation: "A return that matches no flow.".into(),
                    worker: Some(0),
                }]),
                Request::Members {} => Data::Members(Vec::new()),
                Request::Probes {} => Data::Probes(Vec::new()),
                Request::Snat {} => Data::Snat(Vec::new()),
                Request::Latency { .. } => Data::Latency(Vec::new()),
                _ => Data::Status(Box::default()),
            };
            let _ = answer.send(Ok(Answered { epoch: 1, data }));
        }
    }

    #[tokio::test]
    async fn a_scraper_is_served_and_others_are_told() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(bind(address).await.unwrap_err().to_string().contains("leave it out"));
        let (asked, questions) = mpsc::channel(1);
        tokio::spawn(controller(questions));
        tokio::spawn(serve(listener, asked, std::future::pending()));

        let page = fetched(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        assert!(body.contains("fairlead_dropped_frames_total{worker=\"0\",reason=\"no_flow\"} 7\n"), "{body}");
        let health = fetched(address, b"GET /healthz HTTP/1.1\r\n\r\n").await;
        assert!(health.starts_with("HTTP/1.1 200 OK\r\n") && health.ends_with("\r\n\r\nok\n"), "{health}");
        assert!(fetched(address, b"DELETE / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
        assert!(fetched(address, b"hello\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
        assert!(fetched(address, &[b'x'; HEAD_MAX + 1]).await.starts_with("HTTP/1.1 431 "));
    }

    #[tokio::test]
    async fn a_hundred_idle_connections_and_some_who_do_not_read_keep_no_scraper_out() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, questions) = mpsc::channel(1);
        tokio::spawn(controller(questions));
        tokio::spawn(serve(listener, asked, std::future::pending()));
        let mut idle = Vec::new();
        for round in 0..100 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            match round % 10 {
                0 => stream.write_all(b"GET /met").await.unwrap(),
                1 => stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap(),
                _ => {}
            }
            idle.push(stream);
        }
        let page = timeout(PATIENCE / 2, fetched(address, b"GET /metrics HTTP/1.1\r\n\r\n")).await;
        assert!(page.expect("before anybody's time is up").starts_with("HTTP/1.1 200 OK\r\n"));
    }

    #[tokio::test]
    async fn without_a_controller_a_scraper_is_told_so() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, _) = mpsc::channel(1);
        tokio::spawn(serve(listener, asked, std::future::pending()));
        for request in [b"GET /metrics HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n"] {
            assert!(fetched(address, request).await.starts_with("HTTP/1.1 503 "));
        }
    }
}
