//! What is where.
//!
//! Owns the paths, and what is answered at each.

use super::page::page;
use super::request::{Malformed, Method, Request};
use super::response::{Response, TEXT};
use super::status::Status;
use crate::admin::Asked;
use crate::admin::metrics::scrape::scrape;
use tokio::sync::mpsc;

/// The exposition format of Prometheus.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// What the clients of one listener share.
pub(super) struct Site {
    status: Status,
    asked: mpsc::Sender<Asked>,
}

impl Site {
    pub(super) fn new(asked: mpsc::Sender<Asked>) -> Site {
        Site { status: Status::default(), asked }
    }

    /// The answer to a request.
    pub(super) async fn answer(&self, request: Result<Request<'_>, Malformed>) -> Response {
        let Request { method, path, known } = match request {
            Ok(request) => request,
            Err(Malformed::TooLarge) => {
                return Response::refusal("431 Request Header Fields Too Large", "the request is too large\n");
            }
            Err(Malformed::NotHttp) => return Response::refusal("400 Bad Request", "this is not HTTP/1\n"),
        };
        if !matches!(path, b"/" | b"/status.json" | b"/metrics" | b"/healthz") {
            return Response::refusal(
                "404 Not Found",
                "the status page is at /, its data at /status.json, the metrics at /metrics; /healthz says whether they are to be had\n",
            );
        }
        match method {
            Method::Get | Method::Head => {}
            Method::Known => {
                return Response::refusal("405 Method Not Allowed", "only GET and HEAD\n").with("Allow: GET, HEAD\r\n");
            }
            Method::Unknown => return Response::refusal("501 Not Implemented", "only GET and HEAD\n"),
        }
        let found = match path {
            b"/" => Some(page(&known)),
            b"/status.json" => self.status.document(&self.asked).await.map(|document| Response::of(JSON, document)),
            b"/metrics" => scrape(&self.asked).await.map(|page| Response::of(EXPOSITION, page.into_bytes())),
            _ => scrape(&self.asked).await.map(|_| Response::of(TEXT, *b"ok\n")),
        };
        found.unwrap_or_else(|| Response::refusal("503 Service Unavailable", "the appliance does not answer\n"))
    }
}
