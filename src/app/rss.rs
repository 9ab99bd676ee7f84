//! How NICs are asked to spread what they receive, and what becomes of it.
//!
//! Owns the secret they share, and the law that follows: where one NIC at least spreads by an end of its packets as
//! asked, its hash is the workers' law, and what it receives arrives where it is decided about; else our own hash is.

use crate::control::Spreading;
use crate::dpdk::{self, Hashing, PortConfig};
use crate::engine::Steering;
use crate::policy::Intent;
use crate::policy::spread::spreads;
use crate::wire::toeplitz::{Secret, Spread, owners};

/// What is wanted of the NICs.
pub struct Rss {
    workers: usize,
    secret: Secret,
    /// By port.
    spreads: Vec<Spread>,
}

impl Rss {
    /// With a secret from `seed`, numbers that nobody outside can guess.
    pub fn plan(intent: &Intent, workers: usize, seed: impl FnMut() -> u64) -> Rss {
        Rss { workers, secret: Secret::draw(seed), spreads: spreads(intent) }
    }

    /// What DPDK is asked for, by port.
    pub fn configs(&self, intent: &Intent) -> Vec<PortConfig> {
        let rss = |spread| dpdk::Rss { key: self.secret.key(spread).to_vec(), owners: owners(self.workers) };
        let config = |(port, spread): (&crate::policy::intent::PortIntent, &Spread)| PortConfig {
            name: port.name.clone(),
            device: port.device.clone(),
            mtu: port.mtu,
            queues: port.queues,
            rss: (self.workers > 1).then(|| rss(*spread)),
        };
        intent.ports.iter().zip(&self.spreads).map(config).collect()
    }

    /// Which law follows from what the drivers took, and how each port spreads.
    pub fn found(&self, ports: &[dpdk::PortFacts]) -> (Steering, Vec<Spreading>) {
        let spreadings: Vec<_> =
            ports.iter().zip(&self.spreads).map(|(port, spread)| found(port.hashing, *spread)).collect();
        let helps = |spreading: &Spreading| matches!(spreading, Spreading::By(Spread::Source | Spread::Destination));
        let law = if spreadings.iter().any(helps) {
            Steering::of_nics(self.workers, self.secret.places())
        } else {
            Steering::ours(self.workers)
        };
        (law, spreadings)
    }
}

fn found(hashing: Hashing, wanted: Spread) -> Spreading {
    match hashing {
        Hashing::OneQueue => Spreading::OneQueue,
        Hashing::Cannot => Spreading::Cannot,
        Hashing::OwnWay => Spreading::Plain,
        Hashing::AsAsked => Spreading::By(wanted),
    }
}
