//! What ends a capture from outside: Ctrl-C, a signal to end, its time.
//!
//! Owns the thread that waits for them. It ends nothing itself: the appliance is told, and what was captured until then still comes.

use super::part::{Parts, stop};
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// From now on a signal ends the capture and not the program; so does `span`, once it is over. Does nothing where signals cannot be had.
pub fn watch(parts: &Parts, span: Option<Duration>) {
    let Ok(stream) = parts.stopper() else { return };
    let (ready, is_ready) = std::sync::mpsc::sync_channel::<()>(1);
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
            let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
            _ = ready.send(());
            let time = async {
                match span {
                    Some(span) => tokio::time::sleep(span).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = time => {}
            }
            stop(&stream);
        });
    });
    // Not ready if they cannot be had.
    _ = is_ready.recv();
}
