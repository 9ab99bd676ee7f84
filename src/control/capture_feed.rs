//! What workers have recorded for a capture, as its client reads it.
//!
//! Owns [`WorkerFeed`]: the readers' ends of the rings of all workers, and the names of what numbers mean in them, as of the beginning of
//! the capture. It is read by the client's own task: the controller has nothing to do with a frame.

use crate::admin::capture::{CapturePart, CaptureSide, CaptureTotals, CaptureVerdict, CapturedRow, Feed};
use crate::admin::rows::Wall;
use crate::flow::FlowName;
use crate::policy::Intent;
use crate::policy::intent::PortId;
use crate::time::Instant;
use crate::wire::ethernet;
use crate::worker::tap::{Fate, Record, Side, TapEnd};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Frames put into one chunk, at most.
const AT_ONCE: usize = 512;

/// What interfaces and members are called.
pub(super) struct Names {
    ports: Vec<String>,
    /// By port and tag; 0: untagged.
    interfaces: BTreeMap<(u8, u16), String>,
    members: BTreeMap<Ipv4Addr, String>,
}

impl Names {
    pub(super) fn of(intent: &Intent) -> Names {
        let interfaces = intent.interfaces.iter().map(|interface| {
            let tag = interface.vlan.map_or(0, |vlan| vlan.get());
            ((interface.port.0, tag), interface.name.clone())
        });
        Names {
            interfaces: interfaces.collect(),
            ports: intent.ports.iter().map(|port| port.name.clone()).collect(),
            members: intent.members.iter().map(|member| (member.address, member.name.clone())).collect(),
        }
    }

    /// All that [`Names::interface`] says, each once.
    pub(super) fn interfaces(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for name in self.interfaces.values().chain(&self.ports) {
            if !all.contains(name) {
                all.push(name.clone());
            }
        }
        all
    }

    /// A member has this address.
    pub(super) fn is_member(&self, address: Ipv4Addr) -> bool {
        self.members.contains_key(&address)
    }

    fn interface(&self, port: PortId, frame: &[u8]) -> &str {
        let named = self.interfaces.get(&(port.0, ethernet::tag_of(frame)));
        named.or(self.ports.get(usize::from(port.0))).map_or("", String::as_str)
    }
}

/// See the head of this file.
pub(super) struct WorkerFeed {
    ends: Vec<TapEnd>,
    names: Names,
    /// What the calendar said at [`crate::time::Instant::ZERO`].
    start: Wall,
    /// Counted as on as long as this lives.
    _place: Arc<()>,
}

impl WorkerFeed {
    /// One end for each worker, in their order, and the capture's place among those that are on.
    pub(super) fn new((ends, place): (Vec<TapEnd>, Arc<()>), names: Names, start: Wall) -> WorkerFeed {
        WorkerFeed { ends, names, start, _place: place }
    }
}

impl Feed for WorkerFeed {
    fn read(&mut self, into: &mut Vec<u8>, most: usize) {
        let WorkerFeed { ends, names, start, .. } = self;
        for _ in 0..AT_ONCE {
            let oldest = ends.iter().enumerate().filter_map(|(worker, end)| Some((end.next_at()?, worker))).min();
            let Some((_, worker)) = oldest.filter(|_| into.len() < most) else { return };
            ends[worker].read(|record| {
                let Record { packet, at, port, side, fate, reason, member, flow, length, lost, .. } = *record;
                let bytes = record.bytes();
                let shown = Shown { packet, at, port, side, fate, reason, member, flow, length, lost, bytes };
                CapturePart::Frame(row(&shown, worker as u16, names, *start)).put(bytes, into);
            });
        }
    }

    fn stop(&mut self) {
        self.ends.iter().for_each(TapEnd::stop);
    }

    fn is_over(&self) -> bool {
        self.ends.iter().all(TapEnd::is_over)
    }

    fn totals(&self) -> CaptureTotals {
        let add = |sum: CaptureTotals, (matched, lost)| CaptureTotals {
            matched: sum.matched + matched,
            lost: sum.lost + lost,
        };
        self.ends.iter().map(TapEnd::counts).fold(CaptureTotals::default(), add)
    }
}

/// What a row says of a frame.
pub(super) struct Shown<'a> {
    pub packet: u64,
    pub at: Instant,
    pub port: PortId,
    pub side: Side,
    pub fate: Fate,
    pub reason: Option<&'static str>,
    pub member: Option<Ipv4Addr>,
    pub flow: Option<FlowName>,
    pub length: u32,
    pub lost: u64,
    pub bytes: &'a [u8],
}

/// A worker's frame, as whoever captures or saves it reads it.
pub(super) fn row(record: &Shown<'_>, worker: u16, names: &Names, start: Wall) -> CapturedRow {
    let member = record.member.map(|address| names.members.get(&address).cloned().unwrap_or(address.to_string()));
    CapturedRow {
        packet: if record.packet == 0 { format!("{worker}-?") } else { format!("{worker}-{}", record.packet) },
        at_ns: start.0.saturating_mul(1_000).saturating_add(record.at.nanos()),
        interface: names.interface(record.port, record.bytes).to_owned(),
        side: match record.side {
            Side::Before => CaptureSide::Before,
            Side::After => CaptureSide::After,
        },
        verdict: match record.fate {
            Fate::Forward => CaptureVerdict::Forward,
            Fate::Answer => CaptureVerdict::Answer,
            Fate::Originate => CaptureVerdict::Originate,
            Fate::Drop => CaptureVerdict::Drop,
            Fate::Ignore => CaptureVerdict::Ignore,
            Fate::Punt => CaptureVerdict::Punt,
            Fate::Wait => CaptureVerdict::Wait,
        },
        reason: record.reason.map(str::to_owned),
        member,
        flow: record.flow.map(|name| flow_name(worker, name)),
        worker,
        length: record.length,
        lost: record.lost,
    }
}

/// A worker's flow, as an operator reads it.
pub(super) fn flow_name(worker: u16, name: FlowName) -> String {
    format!("{worker}-{name}")
}
