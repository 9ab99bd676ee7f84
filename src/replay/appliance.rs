//! The appliance of a replay: one worker, and as little management as it needs.
//!
//! Owns the worker with its ports of memory, the snapshots it is given, and time as it was told. Probes nobody, asks nobody for a MAC and
//! announces nothing: health is assumed, neighbours are those of the file. The worker is the one of the field.

use super::neighbours::Neighbours;
use super::port::{FarEnd, FileFrame, FilePort};
use crate::control::AssumedHealth;
use crate::engine::{Engine, PuntReason, Share};
use crate::flow::SnatPorts;
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{Intent, InterfaceId, MemberId, PortId};
use crate::policy::{Epoch, Snapshot};
use crate::time::{Duration, Instant};
use crate::wire::{Mac, VlanId};
use crate::worker::host::{HostEnd, host_link};
use crate::worker::mailbox::{ManagementEnd, mailbox};
use crate::worker::{Command, Counters, Event, Shared, Worker, WorkerId, hand_offs};
use std::sync::Arc;

/// Messages that a mailbox holds: a turn with one frame sends a few.
const MAIL: usize = 1_024;
/// Follows nothing of the outside: two replays of a file are the same.
const SEED: u64 = 1;
/// Flows of members are counted so often where that says who gets the next one.
const COUNTED_EVERY: Duration = Duration::from_millis(100);

/// The appliance.
pub(super) struct Appliance<'a> {
    intent: &'a Intent,
    macs: Vec<Mac>,
    health: AssumedHealth,
    pub neighbours: Neighbours,
    worker: Worker<FilePort>,
    mail: ManagementEnd,
    host: HostEnd,
    shared: Arc<Shared>,
    wires: Vec<FarEnd>,
    snat_ports: SnatPorts,
    latest: Arc<Snapshot>,
    counted: Instant,
}

/// A frame that was sent, and where.
pub(super) struct Sent {
    pub port: PortId,
    pub frame: FileFrame,
}

impl<'a> Appliance<'a> {
    /// One that has just begun to forward, at `now`.
    pub fn new(intent: &'a Intent, macs: &[Mac], health: AssumedHealth, neighbours: Neighbours, now: Instant) -> Self {
        let snapshot = Snapshot::compile(intent, health.health(), &neighbours.adjacency, macs, Epoch(1));
        let latest = Arc::new(snapshot);
        let snat_ports = SnatPorts::new(latest.snat_addresses(), SEED);
        let engine = Engine::new(Arc::clone(&latest), snat_ports.clone(), SEED).sharing(Share { worker: 0, of: 1 });
        let (ports, wires) = intent.ports.iter().map(|_| FilePort::connected()).unzip();
        let (mail, end) = mailbox(MAIL);
        let shared = Arc::<Shared>::default();
        let hands = hand_offs(1, 1).pop().expect("one worker has one");
        let (link, host) = host_link(MAIL);
        let worker = Worker::new(WorkerId(0), engine, ports, hands, end, Arc::clone(&shared)).with_host(link);
        let macs = macs.to_vec();
        Appliance {
            intent,
            macs,
            health,
            neighbours,
            worker,
            mail,
            host,
            shared,
            wires,
            snat_ports,
            latest,
            counted: now,
        }
    }

    /// What it has counted.
    pub fn counters(&self) -> Counters {
        self.shared.read()
    }

    /// Where a frame with this tag is at a port.
    pub fn interface(&self, port: PortId, vlan: Option<VlanId>) -> Option<InterfaceId> {
        self.latest.interface_of(port, vlan)
    }

    /// Who is active in the member's pool is lost, and this member takes over.
    pub fn switch_over(&mut self, to: MemberId, now: Instant, sent: &mut Vec<Sent>) {
        self.health.switch_over(self.intent, to, now);
        self.publish(now, sent);
    }

    /// What is due whether or not a frame comes; what the worker sends is added to `sent`.
    pub fn turn(&mut self, now: Instant, sent: &mut Vec<Sent>) {
        if self.health.poll(self.intent, now) {
            self.publish(now, sent);
        }
        if now.since(self.counted) >= COUNTED_EVERY {
            self.counted = now;
            let used = Arc::clone(self.worker.engine().member_use());
            self.health.count_flows(|member| used.of(member).flows);
        }
        let late = self.neighbours.give_up(now);
        if !late.is_empty() {
            for hop in late {
                self.command(Command::GiveUp(hop), now, sent);
            }
            self.publish(now, sent);
        }
        self.run(now, sent);
        self.read_mail(now, sent);
    }

    /// A frame comes in; what the worker sends is added to `sent`, and what waited for the MAC that it tells.
    pub fn receive(&mut self, port: PortId, frame: &[u8], now: Instant, sent: &mut Vec<Sent>) {
        self.wires[port.index()].inject(frame);
        self.run(now, sent);
        self.read_mail(now, sent);
    }

    fn run(&mut self, now: Instant, sent: &mut Vec<Sent>) {
        self.worker.turn(now);
        // No kernel is here that would read it.
        while self.host.from_worker.pop().is_ok() {}
        for (at, wire) in self.wires.iter().enumerate() {
            sent.extend(wire.collect().into_iter().map(|frame| Sent { port: PortId(at as u8), frame }));
        }
    }

    fn read_mail(&mut self, now: Instant, sent: &mut Vec<Sent>) {
        let mut news = false;
        while let Some(event) = self.mail.events.pop() {
            match event {
                Event::Punt { reason, interface, frame, .. } if is_arp(reason) => {
                    let hop = |address| NextHop { interface, address };
                    news |= self.neighbours.hear(self.intent, &frame, hop);
                }
                Event::Wanted(hop) => news |= self.neighbours.wanted(hop, now),
                _ => {}
            }
        }
        if news {
            self.publish(now, sent);
        }
    }

    /// The worker is given a snapshot of how everything is now, and decides by it about what waited.
    fn publish(&mut self, now: Instant, sent: &mut Vec<Sent>) {
        let epoch = Epoch(self.latest.epoch.0 + 1);
        let (health, adjacency) = (self.health.health(), &self.neighbours.adjacency);
        let next = Snapshot::compile_after(Some(&*self.latest), self.intent, health, adjacency, &self.macs, epoch);
        self.latest = Arc::new(next);
        self.command(Command::Install(Arc::clone(&self.latest), self.snat_ports.clone()), now, sent);
    }

    fn command(&mut self, command: Command, now: Instant, sent: &mut Vec<Sent>) {
        // There is room: the worker reads each at once.
        if self.mail.commands.push(command).is_ok() {
            self.run(now, sent);
        }
    }
}

fn is_arp(reason: PuntReason) -> bool {
    use PuntReason::{ArpMoved, ArpNeighbour, ArpReply, ArpRequest};
    matches!(reason, ArpNeighbour | ArpReply | ArpRequest | ArpMoved)
}
