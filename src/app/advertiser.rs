//! Gives the kernel the addresses that routing daemons are to see.
//!
//! Owns the thread that does it: the kernel's lock, which others hold for as long as they like, holds up nobody else. Of several orders
//! only the last is executed. Decides nothing about addresses, and remembers only the way to the kernel.

use crate::control::AdvertiseOrder;
use crate::netlink::{Holder, Netlink, NetlinkError};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::mpsc as threads;
use tokio::sync::mpsc;

/// Which order, and what stands after it, or why it could not be executed.
pub type Outcome = (u64, Result<BTreeSet<Ipv4Addr>, String>);

/// The manager's ends of the channels to it.
pub struct Advertiser {
    orders: threads::Sender<AdvertiseOrder>,
    results: mpsc::UnboundedSender<Outcome>,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
}

impl Advertiser {
    /// Starts it, for a device of this name.
    pub fn start(device: &str) -> Advertiser {
        let (orders, given) = threads::channel();
        let (results, outcomes) = mpsc::unbounded_channel();
        let (holder, to) = (Holder::new(device), results.clone());
        let started = std::thread::Builder::new().name("advertiser".into()).spawn(move || work(&holder, &given, &to));
        if let Err(error) = started {
            tracing::error!("no thread for the addresses that are to be advertised: {error}");
        }
        Advertiser { orders, results, outcomes }
    }

    /// Has this done, in place of what was ordered before and is not begun.
    pub fn order(&self, order: AdvertiseOrder) {
        if let Err(threads::SendError(order)) = self.orders.send(order) {
            _ = self.results.send((order.number, Err("there is no thread for it".into())));
        }
    }

    /// The next that has ended.
    pub async fn outcome(&mut self) -> Outcome {
        match self.outcomes.recv().await {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }

    /// One that has ended by now, if there is one.
    pub fn take_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.try_recv().ok()
    }
}

fn work(holder: &Holder, orders: &threads::Receiver<AdvertiseOrder>, results: &mpsc::UnboundedSender<Outcome>) {
    let mut kernel = None;
    while let Ok(first) = orders.recv() {
        let order = orders.try_iter().last().unwrap_or(first);
        let outcome = execute(holder, &order, &mut kernel).map_err(|error| error.to_string());
        if outcome.is_err() {
            kernel = None;
        }
        _ = results.send((order.number, outcome));
    }
}

fn execute(
    holder: &Holder,
    order: &AdvertiseOrder,
    kernel: &mut Option<Netlink>,
) -> Result<BTreeSet<Ipv4Addr>, NetlinkError> {
    let netlink = match kernel {
        Some(netlink) => netlink,
        None => kernel.insert(Netlink::open()?),
    };
    holder.hold(netlink, &order.addresses, &order.kept)
}
