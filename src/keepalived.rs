//! Floor 6: what keepalived says of who is active, and what the kernel holds of the addresses that it moves.
//!
//! Owns the thread that hears both: the FIFO and the kernel's lock, which others may hold as long as they like, hold up nobody else.
//! What follows from it is the controller's to say. Read first: [`Ear::turn`](ear::Ear::turn).

mod ear;
mod fifo;
mod heard;

pub use heard::Heard;

use crate::netlink::Netlink;
use crate::policy::intent::Intent;
use ear::Ear;
use heard::Wanted;
use std::net::Ipv4Addr;
use std::sync::mpsc as threads;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What was heard waits here until management takes it; keepalived's own FIFO holds what is beyond.
const WAITING: usize = 64;
/// How long the thread waits for a line before it looks whether it is to hear something else.
const PATIENCE: Duration = Duration::from_millis(250);
/// The same while nobody is there who could write one: such a FIFO is always ready.
const PAUSE: Duration = Duration::from_millis(50);

/// Management's ends of the channels to the thread.
pub struct Keepalived {
    orders: threads::Sender<Option<Wanted>>,
    heard: mpsc::Receiver<Heard>,
    wanted: Option<Wanted>,
}

impl Keepalived {
    /// Starts it. The FIFO is there when this returns, if it could be made: keepalived would make one of its own.
    pub fn start(intent: &Intent) -> Keepalived {
        let (orders, given) = threads::channel();
        let (say, heard) = mpsc::channel(WAITING);
        let wanted = Wanted::of(intent);
        let ear = wanted.clone().map(Ear::new);
        let started = std::thread::Builder::new().name("keepalived".into()).spawn(move || work(ear, &given, &say));
        if let Err(error) = started {
            tracing::error!("no thread that hears keepalived: {error}");
        }
        Keepalived { orders, heard, wanted }
    }

    /// From now on what this file has is heard.
    pub fn follow(&mut self, intent: &Intent) {
        let wanted = Wanted::of(intent);
        if self.wanted != wanted {
            self.wanted.clone_from(&wanted);
            _ = self.orders.send(wanted);
        }
    }

    /// The next that was heard.
    pub async fn heard(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            None => std::future::pending().await,
        }
    }
}

fn work(mut ear: Option<Ear>, orders: &threads::Receiver<Option<Wanted>>, say: &mpsc::Sender<Heard>) {
    let mut kernel = None;
    loop {
        // Where nothing is to be heard, the thread sleeps until something is.
        let order = match ear {
            Some(_) => orders.try_recv(),
            None => orders.recv().map_err(|_| threads::TryRecvError::Disconnected),
        };
        match order {
            Ok(wanted) => {
                let had_trouble = ear.as_ref().is_some_and(Ear::has_trouble);
                if had_trouble && say.blocking_send(Heard::Trouble(None)).is_err() {
                    return;
                }
                ear = wanted.map(Ear::new);
                continue;
            }
            Err(threads::TryRecvError::Disconnected) => return,
            Err(threads::TryRecvError::Empty) => {}
        }
        let Some(ear) = &mut ear else { continue };
        for heard in ear.turn(Instant::now(), |addresses| holds(&mut kernel, addresses)) {
            if say.blocking_send(heard).is_err() {
                return;
            }
        }
        ear.wait(PATIENCE, PAUSE);
    }
}

/// Whether a link has one of these addresses.
fn holds(kernel: &mut Option<Netlink>, addresses: &[Ipv4Addr]) -> Result<bool, String> {
    let asked = match kernel {
        Some(netlink) => netlink.holds_any(addresses),
        None => Netlink::open().and_then(|netlink| kernel.insert(netlink).holds_any(addresses)),
    };
    asked.map_err(|error| {
        *kernel = None;
        error.to_string()
    })
}
