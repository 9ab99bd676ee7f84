//! What travels between the management core and a worker, both ways.
//!
//! Owns the messages, and the rings in which they wait. A worker reads a bounded number of them at the beginning of a turn, and never
//! waits for one.

use super::handing_over::Giver;
use super::latency::Latency;
use super::sip::Statistics;
use super::sync::SyncEnd;
use super::tap::Tap;
use super::tape::Tape;
use crate::engine::verdict::PuntReason;
use crate::engine::{Excerpt, Impacts};
use crate::flow::{FlowCount, FlowName, SnatPorts};
use crate::policy::adjacency::NextHop;
use crate::policy::health::Generation;
use crate::policy::intent::{InterfaceId, Listen, MemberId, PoolId, PortId};
use crate::policy::{Epoch, Snapshot};
use crate::time::{Duration, Instant};
use crate::wire::{Packet, Protocol, Tuple, sip};
use rtrb::{Consumer, Producer, RingBuffer};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The place of a worker in `[cores] workers`, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

/// The worker's ends of the rings.
pub struct WorkerEnd {
    /// From management.
    pub commands: Commands,
    /// To management, by [`Lane`].
    pub events: [Producer<Event>; Lane::ALL.len()],
}

/// Management's ends of the rings.
pub struct ManagementEnd {
    /// To the worker.
    pub commands: ToWorker,
    /// From the worker.
    pub events: Events,
}

/// What a worker sends to management waits in one of three rings: nothing is behind what is less urgent, whoever sends that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What the worker itself has to say, and answers to probes.
    Urgent,
    /// What concerns members and next hops of routes on the link.
    Neighbours,
    /// All that strangers can send or cause.
    Strangers,
}

impl Lane {
    /// All of them, the most urgent first.
    pub const ALL: [Lane; 3] = [Lane::Urgent, Lane::Neighbours, Lane::Strangers];

    /// Where a frame waits that was punted for this reason.
    pub fn of(reason: PuntReason) -> Lane {
        match reason {
            PuntReason::Local => Lane::Urgent,
            PuntReason::ArpNeighbour => Lane::Neighbours,
            _ => Lane::Strangers,
        }
    }
}

/// Management's ends of the rings of events.
pub struct Events([Consumer<Event>; Lane::ALL.len()]);

impl Events {
    /// The next event, the most urgent first.
    pub fn pop(&mut self) -> Option<Event> {
        self.0.iter_mut().find_map(|lane| lane.pop().ok())
    }

    /// The next event of one lane.
    pub fn pop_of(&mut self, lane: Lane) -> Option<Event> {
        self.0[lane as usize].pop().ok()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Consumer::is_empty)
    }
}

/// Management's ends of the rings of commands. Frames have one of their own: a snapshot is never behind thousands of probes.
pub struct ToWorker {
    commands: Producer<Command>,
    frames: Producer<Command>,
}

impl ToWorker {
    /// Sends a command.
    ///
    /// # Errors
    ///
    /// The command, where the ring of its kind is full.
    pub fn push(&mut self, command: Command) -> Result<(), Command> {
        let ring = if command.is_frame() { &mut self.frames } else { &mut self.commands };
        ring.push(command).map_err(|rtrb::PushError::Full(command)| command)
    }

    /// Frames that the worker has not taken.
    pub fn unread_frames(&self) -> usize {
        self.frames.buffer().capacity() - self.frames.slots()
    }
}

/// The worker's ends of the rings of commands.
pub struct Commands {
    commands: Consumer<Command>,
    frames: Consumer<Command>,
}

impl Commands {
    /// The next command, in the order in which they were sent; frames after all others, in their own order.
    pub fn pop(&mut self) -> Option<Command> {
        self.commands.pop().or_else(|_| self.frames.pop()).ok()
    }
}

/// A mailbox whose rings hold `capacity` messages each.
pub fn mailbox(capacity: usize) -> (ManagementEnd, WorkerEnd) {
    let [commands, frames] = [(); 2].map(|()| RingBuffer::new(capacity));
    let (to_worker, from_management) =
        (ToWorker { commands: commands.0, frames: frames.0 }, Commands { commands: commands.1, frames: frames.1 });
    let [urgent, neighbours, strangers] = Lane::ALL.map(|_| RingBuffer::new(capacity));
    let (events, from_worker) = ([urgent.0, neighbours.0, strangers.0], [urgent.1, neighbours.1, strangers.1]);
    let worker = WorkerEnd { commands: from_management, events };
    (ManagementEnd { commands: to_worker, events: Events(from_worker) }, worker)
}

/// From the management core to a worker.
pub enum Command {
    /// Take this snapshot at the next burst boundary and return the old one; allocate SNAT ports by these from then
    /// on.
    Install(Arc<Snapshot>, SnatPorts),
    /// Send this whole frame (Ethernet header included, untagged or tagged as it stands) on a port. After all other commands
    /// that wait.
    Transmit {
        /// The NIC.
        port: PortId,
        /// The frame.
        frame: Box<[u8]>,
    },
    /// The next hop was asked often enough: what waits for it is answered with host unreachable.
    GiveUp(NextHop),
    /// A probe that was hastened by something this member refused was answered well: what waits is passed on.
    ConfirmedUp(MemberId),
    /// List flows: a bounded number a turn, as [`Event::Flows`].
    ListFlows {
        /// Comes back with the rows.
        query: u64,
        /// Which flows.
        filter: FlowFilter,
        /// At most so many rows from this worker.
        limit: usize,
    },
    /// Forget flows, a bounded number a turn; answered by [`Event::Cleared`].
    ClearFlows {
        /// Comes back with the count.
        query: u64,
        /// Which flows.
        filter: FlowFilter,
    },
    /// Say what `next` would do to the flows if it were installed, a bounded number a turn, as [`Event::Impact`]. It is not installed.
    Impact {
        /// Comes back with the sums.
        query: u64,
        /// Of the file that would follow the one of the snapshot in use.
        next: Arc<Snapshot>,
        /// Nobody waits for it longer: what is not looked at until then is not looked at.
        until: Instant,
    },
    /// Say what a decision about this packet would rest on, as [`Event::Excerpt`]; nothing is decided. One a turn is answered.
    Excerpt {
        /// Comes back with the answer.
        query: u64,
        /// What packet.
        about: Box<Asked>,
    },
    /// Measure into this from now on, and return what was measured so far as [`Event::Latency`].
    Latency(Box<Latency>),
    /// Count SIP into this from now on, or not at all, and return what was counted so far as [`Event::Sip`]. The first one after none
    /// is a [`Statistics::first`].
    Sip(Option<Box<Statistics>>),
    /// Record what matches, until nobody reads it any more; then it comes back as [`Event::CaptureEnded`].
    Capture(Box<Tap>),
    /// The recorder writes on this tape from now on; `None`: it is off. The one before comes back as [`Event::Tape`].
    Tape {
        /// For which recording it is wanted; 0: for none.
        recording: u64,
        /// The other one.
        tape: Option<Box<Tape>>,
    },
    /// Give all that is remembered: flows at once, a bounded number a turn, until [`Event::FlowsGiven`]; the rest when it is to stop.
    HandOver(Box<Giver>),
    /// Tell another appliance of flows by these ends from now on, and take in what it tells; `None`: no more.
    Sync(Option<Box<SyncEnd>>),
    /// Finish: do what was sent before, drop what waits, and say [`Event::Stopped`] after all that has to be said. The last snapshot goes
    /// with the worker.
    Stop,
}

impl Command {
    /// A frame to send, which may come later than what was sent after it.
    pub fn is_frame(&self) -> bool {
        matches!(self, Command::Transmit { .. })
    }
}

/// A packet that an operator asks about.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its facts.
    pub packet: Packet,
    /// Where it would come in.
    pub port: PortId,
    /// What it says of itself, if it is SIP.
    pub sip: sip::Facts,
    /// Who may get it: the members of the pool whose service it is to.
    pub members: Box<[MemberId]>,
}

/// From a worker to the management core.
pub enum Event {
    /// A snapshot is in use from now on.
    Installed {
        /// Who.
        worker: WorkerId,
        /// Which.
        epoch: Epoch,
        /// When.
        at: Instant,
        /// The one it replaces, to be dropped where it was made.
        old: Option<Arc<Snapshot>>,
    },
    /// A frame for management.
    Punt {
        /// Who.
        worker: WorkerId,
        /// Why.
        reason: PuntReason,
        /// Where it came in.
        interface: InterfaceId,
        /// When the turn began that received it.
        at: Instant,
        /// The whole frame as received.
        frame: Box<[u8]>,
    },
    /// The MAC of a next hop is wanted: packets wait for it. Sent again at most once a second.
    Wanted(NextHop),
    /// A frame hints that this member's state may have changed. Sent at most once in 100 ms a member.
    Hint(MemberId),
    /// A request for this member has waited for too long, and nobody of its pool has answered any meanwhile. A hint as well, and sent as
    /// seldom.
    Unanswered(MemberId),
    /// Rows for [`Command::ListFlows`]; the last part is marked.
    Flows {
        /// The query they answer.
        query: u64,
        /// Some rows.
        rows: Vec<FlowRow>,
        /// How many flows matched since the part before, those rows among them.
        matching: u64,
        /// This worker has no more.
        last: bool,
    },
    /// The answer to [`Command::ClearFlows`].
    Cleared {
        /// The query it answers.
        query: u64,
        /// How many flows were forgotten.
        count: u64,
    },
    /// The answer to [`Command::Impact`].
    Impact {
        /// The query it answers.
        query: u64,
        /// How many flows of whom meet what.
        impacts: Impacts,
        /// All flows were looked at.
        whole: bool,
        /// Comes back to be dropped where it was made.
        next: Arc<Snapshot>,
    },
    /// The answer to [`Command::Excerpt`].
    Excerpt {
        /// Who.
        worker: WorkerId,
        /// The query it answers.
        query: u64,
        /// What it remembers that concerns the packet; `None`: another worker decides about it.
        excerpt: Option<Box<Excerpt>>,
        /// What it reads now, to be dropped where it was made.
        snapshot: Arc<Snapshot>,
    },
    /// What was measured since the last of these. A worker that does not send it is stuck in a turn.
    Latency {
        /// Who.
        worker: WorkerId,
        /// What was measured.
        latency: Box<Latency>,
    },
    /// What was counted of SIP since the last of these; `None`: it was not counted.
    Sip {
        /// Who.
        worker: WorkerId,
        /// What was counted.
        statistics: Option<Box<Statistics>>,
    },
    /// Nothing is recorded for this capture any more.
    CaptureEnded {
        /// Who.
        worker: WorkerId,
        /// Which.
        capture: u64,
        /// Comes back to be dropped where it was made.
        tap: Box<Tap>,
    },
    /// What the recorder has written until it was told to write elsewhere.
    Tape {
        /// Who.
        worker: WorkerId,
        /// As of the command.
        recording: u64,
        /// The tape; `None`: the recorder was off.
        tape: Option<Box<Tape>>,
    },
    /// All that this worker had kept for the member that took over has left, or nobody can have it, and some of it was there. A choice
    /// that follows it before all has left ends it as well.
    RedeliveryEnded {
        /// Whose service.
        pool: PoolId,
        /// The choice by which that member is active.
        generation: Generation,
        /// How many requests.
        requests: RedeliveryCounts,
    },
    /// All flows were given once that [`Command::HandOver`] asked for, or nobody wants them any more.
    FlowsGiven(WorkerId),
    /// The worker has ended: no frame waits there any more, and it returns no other snapshot.
    Stopped(WorkerId),
}

/// How the requests ended that a lost member has not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedeliveryCounts {
    /// Delivered to the next one.
    pub delivered: u64,
    /// Kept, and too old by then: see [`crate::policy::intent::VirtualServer::redeliver`].
    pub too_old: u64,
    /// Kept, and gone by then, to make room for others, or since more answers came than are read.
    pub no_room: u64,
}

/// Which flows are meant. Everything that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowFilter {
    /// The outside address.
    pub client: Option<Ipv4Addr>,
    /// The address of the member it belongs to, or that opened it.
    pub member: Option<Ipv4Addr>,
    /// The virtual server it came to, or came from.
    pub service: Option<ServedAt>,
}

/// Where a virtual server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedAt {
    /// The virtual address.
    pub address: Ipv4Addr,
    /// Its service ports.
    pub listen: Vec<Listen>,
}

/// A flow as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRow {
    /// Whose table it is in.
    pub worker: WorkerId,
    /// What it is called there.
    pub name: FlowName,
    /// What kind of traffic: `service`, `outbound`, `hairpin` or `routed`.
    pub path: &'static str,
    /// TCP, UDP or ICMP.
    pub protocol: Protocol,
    /// The packet that opened it, as it came in.
    pub opened_by: Tuple,
    /// The same packet as it went out.
    pub became: Tuple,
    /// The address of the member it belongs to.
    pub member: Option<Ipv4Addr>,
    /// Its state in words, such as `established`.
    pub state: &'static str,
    /// Since the last packet.
    pub idle: Duration,
    /// Until it is forgotten if nothing comes.
    pub expires_in: Duration,
    /// What has left of it, as the first one and as its answers go; `None`: that is not counted.
    pub counted: Option<[FlowCount; 2]>,
}
