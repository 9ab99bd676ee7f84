//! The clients of a listener: each a task of its own, and a limited number at once.

use crate::time::Duration;
use std::future::Future;
use std::io;
use std::pin::pin;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Handles each client that `accept` returns, and rejects it while `limit` of them are being handled, until `stop` is ready.
/// Returns those still being handled. `listener` is its name in the log.
pub(super) async fn serve<S, A, C>(
    listener: &str,
    limit: usize,
    accept: impl Fn() -> A,
    reject: impl Fn(S),
    handle: impl Fn(S) -> C,
    stop: impl Future<Output = ()>,
) -> JoinSet<()>
where
    A: Future<Output = io::Result<S>>,
    C: Future<Output = ()> + Send + 'static,
{
    let mut clients = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return clients,
            Some(_) = clients.join_next() => {}
            accepted = accept() => match accepted {
                Ok(client) if clients.len() >= limit => reject(client),
                Ok(client) => _ = clients.spawn(handle(client)),
                Err(why) => {
                    tracing::warn!(%why, "{listener} cannot accept a client");
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}
