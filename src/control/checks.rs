//! Once a second: alarms that only counters show.
//!
//! Owns what is checked that way, and when it is due.

use super::capacity::{Capacity, Room};
use super::facts::Machine;
use super::host_devices::HostDevices;
use super::limits_met::LimitsMet;
use super::link::Link;
use super::outbox::Outbox;
use super::port_use::PortUse;
use super::spreading::SpreadingCheck;
use crate::flow::SnatPorts;
use crate::policy::intent::Limits;
use crate::policy::{Intent, Snapshot};
use crate::time::{Duration, Instant};
use crate::worker::Counters;

const INTERVAL: Duration = Duration::from_secs(1);

/// What is checked once a second.
pub(super) struct Checks {
    pub(super) ports: PortUse,
    spreading: SpreadingCheck,
    limits_met: LimitsMet,
    capacity: Capacity,
    hosts: HostDevices,
    next: Instant,
}

impl Checks {
    pub(super) fn new(intent: &Intent, snat_ports: SnatPorts, ports: usize, now: Instant) -> Checks {
        let ports_in_use = PortUse::new(intent, snat_ports, now);
        Checks {
            ports: ports_in_use,
            spreading: SpreadingCheck::new(ports),
            limits_met: LimitsMet::default(),
            capacity: Capacity::default(),
            hosts: HostDevices::default(),
            next: now + INTERVAL,
        }
    }

    /// `snapshot` is the one that went out last.
    pub(super) fn poll(
        &mut self,
        (intent, snapshot): (&Intent, Option<&Snapshot>),
        link: &Link,
        machine: &Machine,
        out: &mut Outbox,
        now: Instant,
    ) {
        if now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        out.review(now);
        link.check(intent, out, now);
        self.ports.poll(out, now);
        self.spreading.poll(machine, intent, out);
        self.hosts.poll(&machine.counters.hosts(), intent, out, now);
        let workers: Vec<Counters> = machine.workers().map(|id| machine.counters.worker(id).counters).collect();
        let Limits { flows_per_worker, fragments_per_worker, .. } = intent.limits;
        let room = Room { flows: flows_per_worker as u64, fragments: fragments_per_worker as u64 };
        self.capacity.poll(workers.iter(), room, link.neighbours.len(), out, now);
        if let Some(snapshot) = snapshot {
            self.limits_met.poll(&snapshot.connection_limits, intent, out, now);
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.next
    }
}
