//! Metrics for Prometheus: the counters and tables of the admin socket, as text over HTTP.
//!
//! Owns the endpoint at `[appliance] metrics`, on the kernel's TCP. Knows nothing of the appliance: each scrape asks
//! the controller the same questions as an operator would. [`text`] writes, [`http`] serves.

pub mod http;
pub mod text;

pub use http::{MetricsError, bind, serve};

use crate::admin::{Asked, Data, Request};
use crate::time::Duration;
use text::Tables;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long the controller may take for all tables.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks for all tables. `None`: the controller does not answer.
async fn scrape(asked: &mpsc::Sender<Asked>) -> Option<String> {
    let gather = async {
        let mut tables = Tables::default();
        let questions = [
            Request::Status {},
            Request::Counters { all: true },
            Request::Members {},
            Request::Probes {},
            Request::Snat {},
            Request::Latency { reset: false },
        ];
        for request in questions {
            let (answer, told) = oneshot::channel();
            asked.send(Asked { request, answer }).await.ok()?;
            match told.await.ok()?.ok()?.data {
                Data::Status(status) => tables.status = Some(*status),
                Data::Counters(rows) => tables.counters = rows,
                Data::Members(rows) => tables.members = rows,
                Data::Probes(rows) => tables.probes = rows,
                Data::Snat(rows) => tables.snat = rows,
                Data::Latency(rows) => tables.latency = rows,
                _ => return None,
            }
        }
        Some(text::exposition(&tables))
    };
    timeout(PATIENCE, gather).await.ok().flatten()
}
