//! What is where.
//!
//! Owns the paths, what is answered at each, and to whom.

use super::host::{is_name, is_nobodys};
use super::page::page;
use super::request::{Malformed, Method, Request};
use super::response::{Response, TEXT};
use super::shared::Shared;
use super::status::{Status, status};
use crate::admin::metrics::scrape::scrape;
use crate::admin::request::{Asked, Request as Question, put};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The exposition format of Prometheus.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// What the clients of one listener share.
pub(super) struct Site {
    status: Shared<Status>,
    metrics: Shared<Arc<[u8]>>,
    health: Shared<()>,
    asked: mpsc::Sender<Asked>,
}

impl Site {
    pub(super) fn new(asked: mpsc::Sender<Asked>) -> Site {
        Site { status: Shared::default(), metrics: Shared::default(), health: Shared::default(), asked }
    }

    /// The answer to a request.
    pub(super) async fn answer(&self, request: Result<Request<'_>, Malformed>) -> Response {
        let Request { method, path, known, hosts } = match request {
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
        if matches!(path, b"/" | b"/status.json") && !self.is_here(&hosts).await {
            return Response::refusal(
                "421 Misdirected Request",
                "this is not a name of the appliance: ask by its IP address, or by the `name` that it has under [appliance]\n",
            );
        }
        self.found(path, &known)
            .await
            .unwrap_or_else(|| Response::refusal("503 Service Unavailable", "the appliance does not answer\n"))
    }

    /// What is there. `None`: the controller does not answer.
    async fn found(&self, path: &[u8], known: &[&[u8]]) -> Option<Response> {
        match path {
            b"/" => Some(page(known)),
            b"/status.json" => Some(Response::of(JSON, self.status().await?.document)),
            b"/metrics" => {
                let gather = async { Some(scrape(&self.asked).await?.into_bytes().into()) };
                Some(Response::of(EXPOSITION, self.metrics.get(gather).await?))
            }
            _ => {
                let ask = async { put(&self.asked, Question::Health {}, None).await?.ok().map(drop) };
                self.health.get(ask).await.map(|()| Response::of(TEXT, *b"ok\n"))
            }
        }
    }

    async fn status(&self) -> Option<Status> {
        self.status.get(status(&self.asked)).await
    }

    /// Who asks by these names means this appliance. Nobody has to name it: HTTP/1.0 does not.
    async fn is_here(&self, hosts: &[&[u8]]) -> bool {
        if hosts.iter().all(|host| is_nobodys(host)) {
            return true;
        }
        let Some(Status { name, .. }) = self.status().await else { return false };
        hosts.iter().all(|host| is_nobodys(host) || is_name(host, &name))
    }
}
