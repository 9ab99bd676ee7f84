//! The clients of a listener: each a task of its own, and no more at once than there are seats.

use crate::time::Duration;
use std::future::Future;
use std::io;
use std::pin::pin;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Gives each client that `accept` brings to `attend`, or to `send_away` while all `seats` are taken, until `stop` is ready.
/// Returns those that are still attended. `place` is what the log calls the listener.
pub(super) async fn serve<S, A, C>(
    place: &str,
    seats: usize,
    accept: impl Fn() -> A,
    send_away: impl Fn(S),
    attend: impl Fn(S) -> C,
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
                Ok(client) if clients.len() >= seats => send_away(client),
                Ok(client) => _ = clients.spawn(attend(client)),
                Err(why) => {
                    tracing::warn!(%why, "{place} cannot accept a client");
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}
