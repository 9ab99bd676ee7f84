//! A server for a few pages: just enough HTTP/1.1 (RFC 9112) for a scraper and a browser.
//!
//! Owns the connections: one request each, then closed; bounded in number, size and time. Knows no page.

use super::request::{HEAD_MAX, Method, is_whole, read};
use super::site::Site;
use crate::admin::Asked;
use crate::admin::clients::{self, Seat};
use crate::time::Duration;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Connections at once; for one more the longest idle is closed.
const CONNECTIONS: usize = 16;
/// Bytes of an answer written at a time.
const PART: usize = 16 * 1024;
/// From the connection to its close.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that a client may still send after its request, and how long it may: a close before that would take the answer from it.
const WASTE: u64 = 64 * 1024;
const LINGER: Duration = Duration::from_secs(1);

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

/// Serves the site's pages until `stop` is ready.
pub async fn serve(listener: TcpListener, asked: mpsc::Sender<Asked>, stop: impl Future<Output = ()>) {
    let site = Arc::new(Site::new(asked));
    let handle = |stream, seat| {
        let site = Arc::clone(&site);
        async move { _ = timeout(PATIENCE, handle(stream, seat, &site)).await }
    };
    let accept = || async { listener.accept().await.map(|(stream, _)| stream) };
    clients::serve("the metrics endpoint", CONNECTIONS, accept, drop, handle, stop).await;
}

async fn handle(mut stream: TcpStream, mut seat: Seat, site: &Site) -> io::Result<()> {
    let head = tokio::select! {
        biased;
        head = head(&mut stream) => head?,
        () = seat.must_leave() => return Ok(()),
    };
    seat.is_busy();
    let request = read(&head);
    let wants_content = !request.as_ref().is_ok_and(|request| request.method == Method::Head);
    let response = site.answer(request).await;
    let head = response.head();
    let content = if wants_content { &response.content[..] } else { &[] };
    for part in std::iter::once(head.as_bytes()).chain(content.chunks(PART)) {
        // Who does not read is idle.
        seat.is_idle();
        tokio::select! {
            biased;
            written = stream.write_all(part) => written?,
            () = seat.must_leave() => return Ok(()),
        }
        seat.is_busy();
    }
    stream.shutdown().await?;
    seat.is_idle();
    let (mut rest, mut nowhere) = (stream.take(WASTE), tokio::io::sink());
    tokio::select! {
        biased;
        _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut nowhere)) => Ok(()),
        () = seat.must_leave() => Ok(()),
    }
}

/// The request up to its empty line, or as much of it as the client sends and may send.
async fn head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(1024);
    while !is_whole(&head) && head.len() <= HEAD_MAX && stream.read_buf(&mut head).await? > 0 {}
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::metrics::scrape::QUESTIONS;
    use crate::admin::overview::Overview;
    use crate::admin::rows::CounterRow;
    use crate::admin::{Answered, Data, Request};
    use std::sync::atomic::{AtomicU64, Ordering};

    async fn fetched(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    /// Answers as a controller does; counts how often it is asked.
    async fn controller(mut questions: mpsc::Receiver<Asked>, asks: Arc<AtomicU64>) {
        while let Some(Asked { request, answer, .. }) = questions.recv().await {
            asks.fetch_add(1, Ordering::Relaxed);
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
                Request::Overview {} => {
                    Data::Overview(Box::new(Overview { name: "edge-1.example.net".into(), ..Overview::default() }))
                }
                request => {
                    assert!(!request.changes(), "{request:?}");
                    Data::Status(Box::default())
                }
            };
            let _ = answer.send(Ok(Answered { epoch: 1, data }));
        }
    }

    async fn served() -> (SocketAddr, Arc<AtomicU64>) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, questions) = mpsc::channel(1);
        let asks = Arc::<AtomicU64>::default();
        tokio::spawn(controller(questions, Arc::clone(&asks)));
        tokio::spawn(serve(listener, asked, std::future::pending()));
        (address, asks)
    }

    /// Head and content.
    async fn split(address: SocketAddr, request: impl std::fmt::Display) -> (String, String) {
        let answer = fetched(address, format!("{request} HTTP/1.1\r\nHost: 127.0.0.1:9469\r\n\r\n").as_bytes()).await;
        let (head, content) = answer.split_once("\r\n\r\n").expect("a whole head");
        (head.to_owned(), content.to_owned())
    }

    #[tokio::test]
    async fn a_scraper_is_served_and_others_are_refused() {
        let (address, _) = served().await;
        assert!(bind(address).await.unwrap_err().to_string().contains("leave it out"));
        let (head, content) = split(address, "GET /metrics").await;
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
            "{head}"
        );
        assert!(content.contains("fairlead_dropped_frames_total{worker=\"0\",reason=\"no_flow\"} 7\n"), "{content}");
        let (head, content) = split(address, "GET /healthz").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && content == "ok\n", "{head}");
        for (request, code) in [
            ("GET /health", "404"),
            ("POST /health", "404"),
            ("GET /page.js", "404"),
            ("GET /../etc/passwd", "404"),
            ("DELETE /", "405"),
            ("OPTIONS /status.json", "405"),
            ("BREW /", "501"),
            ("hello", "400"),
        ] {
            let (head, content) = split(address, request).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {code} ")), "{request}: {head}");
            assert!(head.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n") && !content.is_empty(), "{head}");
            assert_eq!(head.contains("\r\nAllow: GET, HEAD\r\n"), code == "405", "{head}");
        }
        assert!(fetched(address, &[b'x'; HEAD_MAX + 1]).await.starts_with("HTTP/1.1 431 "));
        let long = [b"POST /metrics HTTP/1.1\r\n\r\n", &[b'x'; 60_000][..]].concat();
        assert!(fetched(address, &long).await.starts_with("HTTP/1.1 405 "), "what it still sends takes no answer away");
    }

    #[tokio::test]
    async fn each_answer_says_what_it_is_and_one_to_head_is_the_same_without_its_content() {
        let (address, _) = served().await;
        for (path, kind, kept) in [
            ("/", "text/html; charset=utf-8", "no-cache"),
            ("/status.json", "application/json", "no-store"),
            ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "no-store"),
            ("/healthz", "text/plain; charset=utf-8", "no-store"),
        ] {
            let (head, content) = split(address, &format!("GET {path}")).await;
            for field in [
                format!("Content-Type: {kind}"),
                format!("Content-Length: {}", content.len()),
                format!("Cache-Control: {kept}"),
                "X-Content-Type-Options: nosniff".into(),
            ] {
                assert!(head.split("\r\n").any(|line| line == field), "{path}: {field}: {head}");
            }
            assert_eq!(head.contains("Content-Security-Policy: default-src 'none'; "), path == "/", "{head}");
            assert!(!head.contains("Access-Control"), "no page of another site reads it: {head}");
            assert_eq!(split(address, &format!("HEAD {path}")).await, (head, String::new()), "{path}");
        }
    }

    #[tokio::test]
    async fn who_has_the_page_is_sent_its_head_only() {
        let (address, _) = served().await;
        let (head, content) = split(address, "GET /").await;
        assert!(content.starts_with("<!DOCTYPE html>"), "{content}");
        let tag = head.split("\r\n").find_map(|line| line.strip_prefix("ETag: ")).expect("it has one");
        let again = fetched(address, format!("GET / HTTP/1.1\r\nIf-None-Match: {tag}\r\n\r\n").as_bytes()).await;
        assert!(again.starts_with("HTTP/1.1 304 Not Modified\r\n") && again.ends_with("\r\n\r\n"), "{again}");
    }

    #[tokio::test]
    async fn however_many_look_the_controller_is_asked_twice_a_second_at_most() {
        // How many questions each takes.
        for (path, questions) in [("/status.json", 1), ("/metrics", QUESTIONS.len() as u64), ("/healthz", 1)] {
            let (address, asks) = served().await;
            let begun = std::time::Instant::now();
            let looks = (0..100).map(|_| tokio::spawn(split(address, format!("GET {path}"))));
            for look in looks.collect::<Vec<_>>() {
                // Some gave way to others.
                if let Ok((_, content)) = look.await {
                    let expected = match path {
                        "/status.json" => "\"name\":\"edge-1.example.net\"",
                        "/metrics" => "fairlead_dropped_frames_total",
                        _ => "ok\n",
                    };
                    assert!(content.contains(expected), "{path}: {content}");
                }
            }
            let most = questions * (begun.elapsed().as_millis() as u64 / 500 + 1);
            assert!((questions..=most).contains(&asks.load(Ordering::Relaxed)), "{path}: {asks:?} of {most}");
        }
    }

    #[tokio::test]
    async fn a_name_of_somebody_elses_is_not_this_site_but_a_scraper_may_call_it_as_it_likes() {
        let (address, _) = served().await;
        for (path, host, code) in [
            ("/", "Host: evil.test\r\n", "421"),
            ("/status.json", "host: evil.test:9469\r\n", "421"),
            ("/status.json", "Host: 127.0.0.1\r\nHost: evil.test\r\n", "421"),
            ("/status.json", "Host:\r\n", "421"),
            ("/", "Host: EDGE-1.example.net:9469\r\n", "200"),
            ("/status.json", "Host: edge-1\r\n", "200"),
            ("/status.json", "Host: localhost:9469\r\n", "200"),
            ("/status.json", "", "200"),
            ("/metrics", "Host: lead-a.monitored.test\r\n", "200"),
            ("/healthz", "Host: lead-a.monitored.test\r\n", "200"),
        ] {
            let answer = fetched(address, format!("GET {path} HTTP/1.1\r\n{host}\r\n").as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{path} {host}: {answer}");
        }
    }

    #[tokio::test]
    async fn a_hundred_idle_connections_and_some_who_do_not_read_keep_nobody_out() {
        let (address, _) = served().await;
        let mut idle = Vec::new();
        for round in 0..100 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            match round % 10 {
                0 => stream.write_all(b"GET /met").await.unwrap(),
                1 => stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap(),
                2 => stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap(),
                _ => {}
            }
            idle.push(stream);
        }
        for path in ["/metrics", "/", "/status.json"] {
            let (head, _) = timeout(PATIENCE / 2, split(address, &format!("GET {path}")))
                .await
                .expect("before anybody's time is up");
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {head}");
        }
    }

    #[tokio::test]
    async fn without_a_controller_there_is_the_page_and_nothing_else() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, _) = mpsc::channel(1);
        tokio::spawn(serve(listener, asked, std::future::pending()));
        for (path, code) in [("/metrics", 503), ("/healthz", 503), ("/status.json", 503), ("/", 200)] {
            let (head, _) = split(address, &format!("GET {path}")).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {code} ")), "{path}: {head}");
        }
    }
}
