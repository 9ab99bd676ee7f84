//! The status page's data, as JSON.
//!
//! Owns how often the controller is asked for it: however many look, it answers them twice a second at most, and they share what it said.

use crate::admin::answer::Data;
use crate::admin::request::{Asked, Request, put};
use crate::time::Duration;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout};

/// What the controller has said is good for so long.
const GOOD_FOR: Duration = Duration::from_millis(500);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it said last, and when it was asked.
#[derive(Default)]
pub(super) struct Status(Mutex<Option<(Instant, Arc<[u8]>)>>);

impl Status {
    /// The document. `None`: the controller does not answer.
    pub(super) async fn document(&self, asked: &mpsc::Sender<Asked>) -> Option<Arc<[u8]>> {
        // Whoever comes while it is being asked waits for the same answer.
        let mut last = timeout(PATIENCE, self.0.lock()).await.ok()?;
        if let Some((_, document)) = last.as_ref().filter(|(at, _)| at.elapsed() < GOOD_FOR) {
            return Some(Arc::clone(document));
        }
        let at = Instant::now();
        let answered = timeout(PATIENCE, put(asked, Request::Overview {}, None)).await.ok()??.ok()?;
        let Data::Overview(overview) = answered.data else { return None };
        let written = tokio::task::spawn_blocking(move || serde_json::to_vec(&overview));
        let document: Arc<[u8]> = written.await.ok()?.ok()?.into();
        *last = Some((at, Arc::clone(&document)));
        Some(document)
    }
}
