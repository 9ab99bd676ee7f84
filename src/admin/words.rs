//! The words that stand in the rows: one enum for each column that holds one of a few.
//!
//! Owns their spelling, in JSON and on the screen alike.

pub use crate::policy::health::ProbeResult;
use crate::policy::health::State;
pub use crate::policy::intent::{AdminState, Advertise};
use crate::policy::words::words;

words! {
    /// Who has said what an appliance is in its pair.
    RoleCause {
        /// The file: nobody has said anything since the start.
        File = "file",
        /// The appliance was alone until a reload.
        Alone = "alone",
        /// An operator.
        Operator = "operator",
        /// keepalived, by its notify FIFO.
        Keepalived = "keepalived",
        /// The kernel, by whether it holds the addresses that keepalived moves.
        Kernel = "kernel",
        /// Both were active, and the other one goes first.
        Split = "split",
    }
    /// Whether an appliance is fit to be the active one of its pair.
    Fitness {
        /// It is.
        Fit = "fit",
        /// It will be, if all goes well.
        NotYet = "not-yet",
        /// It is not.
        Unfit = "unfit",
    }
    /// What is known of a member, or of one of its monitors.
    MemberState {
        /// It answers.
        Up = "up",
        /// It does not.
        Down = "down",
        /// Not probed often enough yet.
        Unknown = "unknown",
    }
    /// What a packet that is asked about carries.
    Transport {
        /// A datagram.
        Udp = "udp",
        /// A segment.
        Tcp = "tcp",
        /// An echo request.
        Icmp = "icmp",
    }
    /// A control bit of a segment.
    TcpFlag {
        /// Synchronize.
        Syn = "syn",
        /// Acknowledgement.
        Ack = "ack",
        /// Finish.
        Fin = "fin",
        /// Reset.
        Rst = "rst",
        /// Push.
        Psh = "psh",
    }
    /// What a member does for its pool.
    Role {
        /// Clients go to it.
        Active = "active",
        /// It could take over.
        Standby = "standby",
        /// It could not.
        None = "none",
    }
    /// Who chooses the active member of a pool.
    Choice {
        /// The monitors.
        Auto = "auto",
        /// The operator.
        Forced = "forced",
    }
    /// How a configuration came to be in force.
    ConfigurationCause {
        /// The appliance started with it.
        Start = "start",
        /// The file was taken over.
        Reload = "reload",
        /// It was in force before.
        Rollback = "rollback",
        /// The other appliance of the pair has sent it.
        Pushed = "pushed",
    }
    /// How what one appliance of a pair knows comes to the other.
    SyncWord {
        /// There is no connection.
        Away = "away",
        /// Neither is told anything: both stand by, or both are active.
        Idle = "idle",
        /// All is being told.
        Copying = "copying",
        /// The standby has all.
        InSync = "in-sync",
        /// More has changed than could be told: all has to be told anew.
        CopyDue = "copy-due",
    }
    /// Why a service port would not be served as it is now.
    ServiceLoss {
        /// The file has the virtual server no more.
        Removed = "removed",
        /// The virtual server is disabled.
        Disabled = "disabled",
        /// The virtual server has another address, or listens there no more.
        NotListening = "not-listening",
        /// It leads to another pool.
        AnotherPool = "another-pool",
    }
    /// Who sends SIP requests through a service port.
    #[derive(PartialOrd, Ord)]
    SipSide {
        /// Somebody outside, to the virtual address.
        Clients = "clients",
        /// A member, as the virtual address.
        Members = "members",
    }
    /// What made a pool's active member another one.
    Cause {
        /// What its monitors found.
        Monitor = "monitor",
        /// An operator's command.
        Operator = "operator",
        /// A drill: there, or back.
        Drill = "drill",
        /// Another file.
        Reload = "reload",
        /// It is the first since the appliance started.
        Start = "start",
    }
    /// How far a drill has come.
    DrillState {
        /// The other member is active, or the one before is about to be again.
        Running = "running",
        /// There and back.
        Done = "done",
        /// Something came between.
        Ended = "ended",
    }
    /// How far a member's drain has come.
    DrainState {
        /// It has something left.
        Running = "running",
        /// It takes what is new all the same: no other member is up.
        Active = "active",
        /// Nothing of it is left.
        Drained = "drained",
        /// Its time was up, and it was taken offline.
        Offline = "offline",
        /// It is not drained, or not any more: it was enabled, or taken offline by an operator.
        Ended = "ended",
    }
    /// Whether a virtual server serves clients.
    VirtualServerState {
        /// A member is active, and not down.
        Up = "up",
        /// None is, or one that is down: forced, or kept as the last.
        Down = "down",
        /// The file says that it is not enabled.
        Disabled = "disabled",
    }
    /// What is known of a host on the link.
    NeighbourState {
        /// Its MAC is known.
        Reachable = "reachable",
        /// The file says where it is.
        Static = "static",
        /// It is being asked for.
        Resolving = "resolving",
        /// It does not answer.
        Failed = "failed",
    }
    /// Where a route comes from.
    RouteKind {
        /// An interface's own network.
        Connected = "connected",
        /// The file.
        Static = "static",
        /// The kernel, as a routing daemon or an administrator has put it there.
        Kernel = "kernel",
    }
    /// A NIC's link.
    Link {
        /// Frames can travel.
        Up = "up",
        /// They cannot.
        Down = "down",
    }
    /// Where an entry of an exclusion group comes from.
    Origin {
        /// The file.
        File = "file",
        /// The operator; the file does not hold it.
        Operator = "operator",
        /// The file; but the operator has removed it, and it is not excluded.
        Removed = "removed",
    }
    /// What an operator has set.
    SettingKind {
        /// A member's admin state.
        Member = "member",
        /// A pool's active member.
        Choice = "choice",
        /// A prefix of an exclusion group.
        Exclusion = "exclusion",
    }
    /// Of what traffic is counted.
    TrafficOf {
        /// A virtual server.
        VirtualServer = "virtual-server",
        /// A member.
        Member = "member",
    }
    /// What is to be expected of ports that are handed out.
    Forecast {
        /// Known only after a minute.
        Unknown = "unknown",
        /// They are not used, or ever fewer are.
        Never = "never",
        /// Their number does not grow.
        Steady = "steady",
        /// It grows.
        Growing = "growing",
        /// None is free.
        Exhausted = "exhausted",
    }
}

impl From<State> for MemberState {
    fn from(state: State) -> MemberState {
        match state {
            State::Up => MemberState::Up,
            State::Down => MemberState::Down,
            // The last two are the operator's and stand in another column.
            State::Unknown | State::Drained | State::Offline => MemberState::Unknown,
        }
    }
}
