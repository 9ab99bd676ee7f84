//! The clients of a listener: each a task of its own, and a limited number at once.
//!
//! Owns who must go when one more comes: the client that has been idle longest. Only while all of them are being answered
//! is a new one rejected; so nobody can hold the others up by doing nothing.

use crate::time::Duration;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// That there are too many clients is logged once in this time.
const WARNING: Duration = Duration::from_secs(10);

/// Handles each client that `accept` returns until `stop` is ready, `limit` of them at once: for one more the longest idle
/// gives way, or the new one is rejected if none is idle. Returns those still being handled. `listener` is its name in the log.
pub(super) async fn serve<S, A, C>(
    listener: &str,
    limit: usize,
    accept: impl Fn() -> A,
    reject: impl Fn(S),
    handle: impl Fn(S, Seat) -> C,
    stop: impl Future<Output = ()>,
) -> JoinSet<()>
where
    A: Future<Output = io::Result<S>>,
    C: Future<Output = ()> + Send + 'static,
{
    let mut clients = JoinSet::new();
    let mut warned = None;
    let room = Arc::<Mutex<Room>>::default();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return clients,
            Some(_) = clients.join_next() => {}
            accepted = accept() => match accepted {
                Ok(client) => {
                    let full = lock(&room).taken >= limit;
                    let admitted = !full || lock(&room).dismiss();
                    if full && warned.is_none_or(|at: Instant| at.elapsed() >= WARNING) {
                        warned = Some(Instant::now());
                        let how = if admitted { "the longest idle one gives way" } else { "one more was rejected" };
                        tracing::warn!("{listener} has too many clients: {limit} are connected, and {how}");
                    }
                    match admitted {
                        true => _ = clients.spawn(handle(client, Seat::take(&room))),
                        false => reject(client),
                    }
                }
                Err(why) => {
                    tracing::warn!(%why, "{listener} cannot accept a client");
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

/// Who is there.
#[derive(Default)]
struct Room {
    /// Seats of those who are not asked to leave.
    taken: usize,
    /// Counts the times that a client became idle.
    clock: u64,
    /// By the time when it became idle.
    idle: BTreeMap<u64, Arc<Guest>>,
}

#[derive(Default)]
struct Guest {
    asked_to_leave: AtomicBool,
    wake: Notify,
}

impl Room {
    /// Asks the longest idle client to leave; whether there is one.
    fn dismiss(&mut self) -> bool {
        let Some((_, guest)) = self.idle.pop_first() else { return false };
        guest.asked_to_leave.store(true, Ordering::Relaxed);
        guest.wake.notify_one();
        self.taken -= 1;
        true
    }
}

/// A client's place, given up when dropped. It is idle at first.
pub(super) struct Seat {
    room: Arc<Mutex<Room>>,
    guest: Arc<Guest>,
    idle_since: Option<u64>,
}

impl Seat {
    fn take(room: &Arc<Mutex<Room>>) -> Seat {
        lock(room).taken += 1;
        let mut seat = Seat { room: Arc::clone(room), guest: Arc::default(), idle_since: None };
        seat.is_idle();
        seat
    }

    /// The client wants nothing, from now on.
    pub(super) fn is_idle(&mut self) {
        let mut room = lock(&self.room);
        if self.idle_since.is_none() && !self.guest.asked_to_leave.load(Ordering::Relaxed) {
            room.clock += 1;
            self.idle_since = Some(room.clock);
            let (clock, guest) = (room.clock, Arc::clone(&self.guest));
            room.idle.insert(clock, guest);
        }
    }

    /// The client is being answered: it need not leave.
    pub(super) fn is_busy(&mut self) {
        if let Some(since) = self.idle_since.take() {
            lock(&self.room).idle.remove(&since);
        }
    }

    /// Ready when the client must leave for another.
    pub(super) async fn must_leave(&self) {
        while !self.guest.asked_to_leave.load(Ordering::Relaxed) {
            self.guest.wake.notified().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.is_busy();
        if !self.guest.asked_to_leave.load(Ordering::Relaxed) {
            lock(&self.room).taken -= 1;
        }
    }
}

fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}
