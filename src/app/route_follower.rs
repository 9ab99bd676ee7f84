//! Follows the kernel's routes.
//!
//! Owns the thread that does it: reading them takes as long as there are many, and the kernel's lock is held by others for as long as they
//! like. It reads everything anew whenever the kernel tells of a change, and rests in between, so that a table that changes all the time
//! costs a part of one core at most. Decides nothing about routes.

use crate::control::{RouteOrder, RoutesRead};
use crate::netlink::{Changes, KernelRoutes, Monitor, Netlink, NetlinkError, RouteFilter};
use std::sync::mpsc::{self as threads, Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Which order, and what was read for it, or why nothing can be.
pub type RouteNews = (u64, Result<RoutesRead, String>);

/// So much that nobody has read yet; then the thread waits, and the kernel with it.
const NEWS: usize = 4;
/// An order is seen so soon.
const LOOK: Duration = Duration::from_millis(200);
/// What is told within this time belongs together.
const COALESCE: Duration = Duration::from_millis(5);
/// From one reading to the next at least, and so many times what it took.
const REST: Duration = Duration::from_millis(50);
const REST_TIMES: u32 = 4;
/// Everything is read again so often though nothing was told.
const ROUND: Duration = Duration::from_secs(30);
/// What could not be done is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// The manager's ends of the channels to it.
pub struct RouteFollower {
    orders: threads::Sender<RouteOrder>,
    results: mpsc::Sender<RouteNews>,
    news: mpsc::Receiver<RouteNews>,
}

impl RouteFollower {
    /// Starts it; it follows nothing yet.
    pub fn start() -> RouteFollower {
        let (orders, given) = threads::channel();
        let (results, news) = mpsc::channel(NEWS);
        let to = results.clone();
        let run = move || work(&given, &to);
        if let Err(error) = std::thread::Builder::new().name("route-follower".into()).spawn(run) {
            tracing::error!("no thread that follows the kernel's routes: {error}");
        }
        RouteFollower { orders, results, news }
    }

    /// From now on this is followed, and nothing else.
    pub fn order(&self, order: RouteOrder) {
        if let Err(threads::SendError(order)) = self.orders.send(order) {
            _ = self
                .results
                .try_send((order.number, Err("there is no thread that follows the kernel's routes".into())));
        }
    }

    /// What was read next.
    pub async fn news(&mut self) -> RouteNews {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }
}

/// Ends with the manager.
fn work(orders: &Receiver<RouteOrder>, news: &mpsc::Sender<RouteNews>) {
    let mut next = orders.recv().ok();
    while let Some(order) = next.take() {
        next = match &order.filter {
            None => orders.recv().ok(),
            Some(filter) => follow(order.number, filter, orders, news),
        };
    }
}

/// Follows until another order comes, and returns that.
fn follow(
    number: u64,
    filter: &RouteFilter,
    orders: &Receiver<RouteOrder>,
    news: &mpsc::Sender<RouteNews>,
) -> Option<RouteOrder> {
    loop {
        match follow_while_it_goes(number, filter, orders, news) {
            Ok(next) => return next,
            Err(error) => _ = news.blocking_send((number, Err(error.to_string()))),
        }
        match orders.recv_timeout(AGAIN) {
            Ok(order) => return Some(order),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn follow_while_it_goes(
    number: u64,
    filter: &RouteFilter,
    orders: &Receiver<RouteOrder>,
    news: &mpsc::Sender<RouteNews>,
) -> Result<Option<RouteOrder>, NetlinkError> {
    let (monitor, mut netlink) = (Monitor::open()?, Netlink::open()?);
    let mut changes = Changes { any: true, ..Changes::default() };
    let mut before: Option<KernelRoutes> = None;
    let (mut read_at, mut rest) = (Instant::now(), Duration::ZERO);
    loop {
        match orders.try_recv() {
            Ok(order) => return Ok(Some(order)),
            Err(TryRecvError::Disconnected) => return Ok(None),
            Err(TryRecvError::Empty) => {}
        }
        if changes.any || read_at.elapsed() >= ROUND {
            std::thread::sleep(COALESCE.max(rest.saturating_sub(read_at.elapsed())));
            changes.and(monitor.read(filter.table)?);
            let begun = Instant::now();
            let found = netlink.routes(filter)?;
            (read_at, rest) = (Instant::now(), REST.max(begun.elapsed() * REST_TIMES));
            // What was deleted meanwhile explains what is missing, and may be there yet: it is read again.
            let late = monitor.read(filter.table)?;
            let mut told = std::mem::replace(&mut changes, late.clone());
            told.and(late);
            if before.as_ref() != Some(&found) || told.overrun {
                let is_first = before.is_none();
                let read = RoutesRead { found: found.clone(), changes: told, is_first };
                if news.blocking_send((number, Ok(read))).is_err() {
                    return Ok(None);
                }
                before = Some(found);
            }
        }
        monitor.wait(LOOK);
        changes.and(monitor.read(filter.table)?);
    }
}
