//! The events: a name, and what has happened when it is logged.

use crate::policy::words::words;

macro_rules! events {
    ($($variant:ident = $text:literal, $note:literal;)*) => {
        words! {
            /// What has happened.
            #[derive(Hash, PartialOrd, Ord)]
            EventName { $(#[doc = $note] $variant = $text,)* }
        }

        impl EventName {
            /// All of them, in the order of the reference.
            pub const ALL: &'static [EventName] = &[$(EventName::$variant),*];

            /// What it means, a sentence.
            pub fn note(self) -> &'static str {
                match self { $(EventName::$variant => $note,)* }
            }
        }
    };
}

events! {
    Start = "start", "Fairlead has begun to start.";
    Ready = "ready", "Every worker forwards: the appliance is in service.";
    Stop = "stop", "Fairlead stops, because it was told to.";
    Switchover = "switchover", "A pool's active member is another one: `from`, `to` and `cause` say which and why.";
    SwitchoverRequests = "switchover.requests", "What became of the SIP requests that a lost member had not answered.";
    PoolMembers = "pool.members", "Other members than before take a pool's new work, where several do.";
    PoolForced = "pool.forced", "An operator has forced a pool's active member.";
    PoolAuto = "pool.auto", "An operator has returned a pool to automatic selection.";
    MemberUp = "member.up", "A member's monitors have found it up.";
    MemberDown = "member.down", "A member's monitors have found it down.";
    MemberSet = "member.set", "An operator has changed a member's admin state.";
    MemberDrained = "member.drained", "A member that is drained has nothing left.";
    MemberDrainEnded = "member.drain-ended", "The time of a drain was up: the member was taken offline.";
    DrillBegun = "drill.begun", "An operator has begun a drill.";
    DrillEnded = "drill.ended", "A drill is over.";
    CaptureBegun = "capture.begun", "An operator has begun a capture.";
    CaptureEnded = "capture.ended", "A capture is over.";
    RecorderFrozen = "recorder.frozen", "What workers had seen last was kept: a recording.";
    ExclusionAdded = "exclusion.added", "An operator has added a prefix to an exclusion group.";
    ExclusionRemoved = "exclusion.removed", "An operator has removed a prefix from an exclusion group.";
    AlarmRaised = "alarm.raised", "An alarm has begun: `alarm` is its code, `alarm_id` its number.";
    AlarmRepeated = "alarm.repeated", "What an alarm that stands is about has happened again.";
    AlarmCleared = "alarm.cleared", "An alarm has ended: `lasted_ms` says after how long it stood.";
    AlarmAcknowledged = "alarm.acknowledged", "An operator has acknowledged an alarm.";
    ReloadChange = "reload.change", "One difference that a configuration just taken over makes.";
    ReloadApplied = "reload.applied", "Another configuration is in force.";
    ReloadRefused = "reload.refused", "A configuration was refused; the running one was kept.";
    ConfigurationAwaited = "configuration.awaited", "A configuration is in force and waits to be confirmed.";
    ConfigurationConfirmed = "configuration.confirmed", "An operator has confirmed a configuration.";
    ConfigurationExpired = "configuration.expired", "A configuration was not confirmed: the one before is in force again, or will be.";
    StateRestored = "state.restored", "What an operator had set before the restart is in force again.";
    StateForgotten = "state.forgotten", "What an operator had set is so no more: after a restart it does not fit the file, or the active appliance of the pair does not have it.";
    StateKept = "state.kept", "The file says something else of what an operator has set: what he has set is kept.";
    StateDropped = "state.dropped", "An operator has dropped all that differs from the file.";
    StateLost = "state.lost", "At the end something could not be saved.";
    HandoverWritten = "handover.written", "What the appliance remembers of traffic is written for the next start.";
    HandoverFailed = "handover.failed", "What the appliance remembers of traffic could not be written in time: the next start knows nothing of it.";
    HandoverTaken = "handover.taken", "What the process before remembered of traffic was taken up.";
    HandoverRefused = "handover.refused", "The file of the process before does not count: nothing of it was taken up, and it was moved aside.";
    PortUp = "port.up", "The link of a port is up.";
    PortSpreading = "port.spreading", "How a NIC spreads what it receives over the workers.";
    NeighbourMoved = "neighbour.moved", "A host answers ARP from another MAC than before.";
    MemberSilent = "member.silent", "A member does not answer ARP, beside many others: it has no alarm of its own.";
    AddressAdvertised = "address.advertised", "A virtual address stands where routing daemons see it.";
    AddressWithdrawn = "address.withdrawn", "A virtual address does not stand any more where routing daemons see it.";
    RouteLearned = "route.learned", "Routes of the kernel's have been learned: how many.";
    RouteWithdrawn = "route.withdrawn", "Routes of the kernel's have been withdrawn: how many.";
    RoutesOverrun = "routes.overrun", "The kernel has told of more changes of routes than could be read, and all were read anew.";
    AddressesAnnounced = "addresses.announced", "An operator has had our addresses announced.";
    SnatExhausted = "snat.exhausted", "What members opened was refused, as no port of a SNAT address was free.";
    WorkerStalls = "worker.stalls", "Loop iterations of a worker took longer than the stall threshold.";
    WorkerSilent = "worker.silent", "Workers did not answer in time.";
    WorkerEnded = "worker.ended", "A worker has ended unexpectedly.";
    NotifyFailed = "notify.failed", "The program of [notify] has failed, was killed, or could not be run.";
    LogLevel = "log.level", "An operator has changed the log level.";
    LogLeftOut = "log.left-out", "So many lines of one event were left out, as they came too fast.";
    PairRole = "pair.role", "The appliance has become the active one of its pair, or the standby.";
    PairPeer = "pair.peer", "The connection to the other appliance of the pair is there, or is lost; or what came over it cannot be read.";
    PairSync = "pair.sync", "The standby has all that the active appliance knows.";
    PairPush = "pair.push", "The other appliance of the pair sends its configuration.";
    Note = "note", "Something else that concerns the process or the machine.";
    Detail = "detail", "What a part does: only at the log levels debug and trace, and in no list of events.";
}

impl EventName {
    /// Why the program of `[notify]` is never told of it; `None`: it is.
    pub fn untold(self) -> Option<&'static str> {
        match self {
            EventName::Stop | EventName::StateLost | EventName::HandoverWritten | EventName::HandoverFailed => {
                Some("no program is started any more when it happens")
            }
            EventName::NotifyFailed => Some("it is about that program itself, and an alarm"),
            EventName::Note | EventName::Detail => Some("it stands in the log only"),
            _ => None,
        }
    }
}
