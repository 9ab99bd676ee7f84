//! The status page's data, as JSON, and what the appliance is called.

use crate::admin::answer::Data;
use crate::admin::request::{Asked, Request, put};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What the page is made of, at one moment.
#[derive(Clone)]
pub(super) struct Status {
    /// The appliance's name.
    pub(super) name: Arc<str>,
    pub(super) document: Arc<[u8]>,
}

/// It. `None`: the controller does not answer.
pub(super) async fn status(asked: &mpsc::Sender<Asked>) -> Option<Status> {
    let Data::Overview(overview) = put(asked, Request::Overview {}, None).await?.ok()?.data else { return None };
    let name = overview.name.as_str().into();
    let written = tokio::task::spawn_blocking(move || serde_json::to_vec(&overview));
    Some(Status { name, document: written.await.ok()?.ok()?.into() })
}
