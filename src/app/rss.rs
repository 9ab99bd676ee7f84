//! How NICs are asked to spread what they receive, and whether they do.
//!
//! Owns the keys they share, and the steering that follows: where one NIC at least spreads by an end of its packets as
//! asked, the workers steer by its hash, and what it receives arrives where it is decided about; else our own hash is.

use crate::control::{PortFacts, Spreading};
use crate::dpdk::{self, Hashing, PortConfig};
use crate::engine::Steering;
use crate::policy::Intent;
use crate::policy::spread::spreads;
use crate::wire::toeplitz::{HashOn, RssKeys, owners};

/// What is wanted of the NICs.
pub struct Rss {
    workers: usize,
    keys: RssKeys,
    /// By port.
    spreads: Vec<HashOn>,
}

impl Rss {
    /// With keys from `seed`, numbers that nobody outside can guess.
    pub fn plan(intent: &Intent, workers: usize, seed: impl FnMut() -> u64) -> Rss {
        Rss { workers, keys: RssKeys::draw(seed), spreads: spreads(intent) }
    }

    /// What DPDK is asked for, by port.
    pub fn configs(&self, intent: &Intent) -> Vec<PortConfig> {
        let rss = |spread| dpdk::Rss { key: self.keys.of(spread).to_vec(), owners: owners(self.workers) };
        let config = |(port, spread): (&crate::policy::intent::PortIntent, &HashOn)| PortConfig {
            name: port.name.clone(),
            device: port.device.clone(),
            mtu: port.mtu,
            queues: port.queues,
            rss: (self.workers > 1).then(|| rss(*spread)),
        };
        intent.ports.iter().zip(&self.spreads).map(config).collect()
    }

    /// The steering that follows from what the drivers took, and what each port is.
    pub fn found(&self, ports: &[dpdk::PortFacts]) -> (Steering, Vec<PortFacts>) {
        let facts = |(port, spread): (&dpdk::PortFacts, &HashOn)| PortFacts {
            driver: port.driver.clone(),
            firmware: port.firmware.clone(),
            rx_queues: port.rx_queues,
            tx_queues: port.tx_queues,
            spreading: found(port.hashing, *spread),
        };
        let facts: Vec<PortFacts> = ports.iter().zip(&self.spreads).map(facts).collect();
        let helps = |port: &PortFacts| matches!(port.spreading, Spreading::By(HashOn::Source | HashOn::Destination));
        let steering = match facts.iter().any(helps) {
            true => Steering::of_nics(self.workers, self.keys.indirection()),
            false => Steering::ours(self.workers),
        };
        (steering, facts)
    }
}

fn found(hashing: Hashing, wanted: HashOn) -> Spreading {
    match hashing {
        Hashing::OneQueue => Spreading::OneQueue,
        Hashing::Cannot => Spreading::Cannot,
        Hashing::OwnWay => Spreading::Plain,
        Hashing::AsAsked => Spreading::By(wanted),
    }
}
