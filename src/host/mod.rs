//! Floor 4: the kernel's devices of interfaces.
//!
//! Owns the TAPs that the kernel has beside the data path, what they are called and which addresses they have, and the thread that moves
//! frames between them and the workers. Never looks into a frame, never decides which frames the kernel gets (`engine` does), and never
//! makes anybody wait: neither a worker nor management touches a device. Read first: [`Hosts`], then [`service`] (the thread), then
//! [`device`] (one TAP).
//!
//! A TAP is ours, and not DPDK's (`net_tap`): its carrier must not blink when a port is restarted, and its descriptor outlives the process
//! ([`kept`]).

mod age;
mod device;
mod kept;
mod kernel_settings;
mod service;
mod state;
mod virtual_routers;
mod wanted;

pub use state::{Board, HostCounts, HostState};
pub use wanted::{Wanted, devices};

use crate::time::Instant;
use crate::worker::host::HostEnd;
use kept::Kept;
use service::Service;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a start waits for the devices to be made.
const PATIENCE: Duration = Duration::from_secs(5);

/// The devices, served by a thread of their own until this is dropped.
pub struct Hosts {
    orders: Option<Sender<Vec<Wanted>>>,
    last: Vec<Wanted>,
    board: Arc<Board>,
    thread: Option<JoinHandle<()>>,
}

impl Hosts {
    /// Makes the devices, or takes them over from the process before, and moves frames between them and the other ends of the workers' rings, of
    /// which there is one for each worker. `left`: descriptors that were kept for this process; what is of none of these devices is closed.
    /// `clock`: the time by which workers judge how old a frame is. Returns once each device has been tried.
    ///
    /// # Errors
    ///
    /// The thread cannot be started. A device that cannot be made is no error: see [`HostState::trouble`].
    pub fn start(
        ends: Vec<HostEnd>,
        wanted: Vec<Wanted>,
        left: Vec<(String, OwnedFd)>,
        clock: impl Fn() -> Instant + Send + 'static,
    ) -> io::Result<Hosts> {
        let (orders, inbox) = mpsc::channel();
        let (begun, is_begun) = mpsc::channel();
        let (board, last) = (Arc::<Board>::default(), wanted.clone());
        let service = Service::new(ends, inbox, Arc::clone(&board), Kept::new(left), Box::new(clock));
        let run = move || service.run(wanted, &begun);
        let thread = std::thread::Builder::new().name("fairlead-host".into()).spawn(run)?;
        wait(&is_begun);
        Ok(Hosts { orders: Some(orders), last, board, thread: Some(thread) })
    }

    /// From now on the devices are to be these: what is new is made, what is gone is removed, and what has changed follows.
    pub fn follow(&mut self, wanted: Vec<Wanted>) {
        if wanted != self.last
            && let Some(orders) = &self.orders
        {
            self.last.clone_from(&wanted);
            // Where the thread is gone, its devices are, and that is seen.
            _ = orders.send(wanted);
        }
    }

    /// What is to be read of them while they are served.
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                "the thread that serves the kernel's devices panicked, which is a bug; its message is above"
            );
        }
    }
}

fn wait(begun: &Receiver<()>) {
    if begun.recv_timeout(PATIENCE).is_err() {
        tracing::warn!("the kernel's devices are not made yet after {PATIENCE:?}: whoever needs them waits or fails");
    }
}
