//! What is asked for one page.

use super::text::exposition;
use crate::admin::Request;
use crate::admin::request::{Asked, put};
use crate::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long the controller may take for all tables.
const PATIENCE: Duration = Duration::from_secs(5);

/// All that a page is made of.
pub const QUESTIONS: [Request; 10] = [
    Request::Status {},
    Request::Counters { all: true },
    Request::Members {},
    Request::Probes {},
    Request::Snat {},
    Request::Routes {},
    Request::Interfaces {},
    Request::Latency { reset: false },
    Request::Traffic {},
    Request::Sip {},
];

/// A page. `None`: the controller does not answer.
pub(in crate::admin) async fn scrape(asked: &mpsc::Sender<Asked>) -> Option<String> {
    let gather = async {
        let mut answers = Vec::new();
        for request in QUESTIONS {
            answers.push(put(asked, request, None).await?.ok()?.data);
        }
        // A page of thousands of pools takes longer than management may be away.
        tokio::task::spawn_blocking(move || exposition(&answers)).await.ok()
    };
    timeout(PATIENCE, gather).await.ok().flatten()
}
