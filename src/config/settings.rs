//! What a file says, once it was accepted.
//!
//! Owns what the appliance itself is made of: cores, memory, sockets. What happens to a packet is the intent's.

use super::report::Warning;
use crate::events::EventName;
use crate::io::memory_needed_mib;
use crate::netlink::RouteProtocol;
use crate::policy::intent::Intent;
use crate::policy::words::words;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A file that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// The appliance itself.
    pub settings: Settings,
    /// What traffic means.
    pub intent: Intent,
    /// What somebody should look at, in the order of the file.
    pub warnings: Vec<Warning>,
}

impl Configuration {
    /// How much memory DPDK needs at least for the file's packet buffers, in MiB.
    pub fn memory_needed_mib(&self) -> u32 {
        let largest = self.intent.ports.iter().map(|port| port.mtu).max().unwrap_or(1_500);
        memory_needed_mib(self.settings.dpdk.mbufs, largest)
    }

    /// How much it is given: `memory_mib`, or what it needs if that is more.
    pub fn memory_mib(&self) -> u32 {
        self.settings.dpdk.memory_mib.max(self.memory_needed_mib())
    }
}

/// What the file says about the appliance itself. Ports are in the intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the appliance calls itself.
    pub name: String,
    /// Memory of the recorder; 0: it is off.
    pub recorder_mib: u32,
    /// Path of the admin socket, absolute.
    pub admin_socket: PathBuf,
    /// The group that may use the admin socket, by name or number; `None`: the process's own.
    pub admin_group: Option<String>,
    /// Path of the socket that answers only what changes nothing, absolute; `None`: there is none.
    pub admin_socket_ro: Option<PathBuf>,
    /// The group that may use that one, by name or number; `None`: the process's own.
    pub admin_group_ro: Option<String>,
    /// Folder in which what the operator has set is kept, absolute; `None`: where the service manager says, else the usual one.
    pub state: Option<PathBuf>,
    /// File in which what is remembered is left for the next start, absolute; `None`: nothing is.
    pub handover: Option<PathBuf>,
    /// Where Prometheus text is served; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// The lowest severity that is logged.
    pub log: LogLevel,
    /// What a line of the log looks like, and where it goes.
    pub log_format: LogFormat,
    /// Which program is told of events.
    pub notify: Notify,
    /// Which CPU core does what.
    pub cores: CpuCores,
    /// What DPDK is started with.
    pub dpdk: Dpdk,
    /// How routing daemons on this machine are told of virtual addresses, and which routes are learned of them.
    pub routes: Routes,
}

/// `[cores]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuCores {
    /// Probes, neighbours, admin.
    pub management: usize,
    /// One worker is pinned to each; never empty, no core twice.
    pub workers: Vec<usize>,
    /// What a worker does when nothing arrives.
    pub idle: Idle,
    /// A turn that takes longer is a stall.
    pub stall_threshold: Duration,
}

/// `[dpdk]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpdk {
    /// Packet memory in huge pages.
    pub hugepages: bool,
    /// Extra EAL arguments, as they are.
    pub eal: Vec<String>,
    /// Packet buffers for all ports and workers together.
    pub mbufs: u32,
    /// Memory taken at start, in MiB; more if the packet buffers need more.
    pub memory_mib: u32,
}

/// `[routes]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// The kernel's device on which advertised addresses stand.
    pub device: String,
    /// How long packets are forwarded after the addresses were withdrawn, before the ports stop.
    pub stop_delay: Duration,
    /// Routes that the kernel has are followed.
    pub from_kernel: bool,
    /// Those of this table.
    pub table: u32,
    /// Those of these protocols; empty: of all but the kernel's own.
    pub protocols: Vec<RouteProtocol>,
    /// At most so many.
    pub limit: usize,
    /// For how long a route stays that nobody has withdrawn.
    pub stale_time: Duration,
}

/// `[notify]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// The program and its arguments; empty: nobody is told.
    pub command: Vec<String>,
    /// Of which events it is told.
    pub events: Vec<EventName>,
    /// It is killed when it takes longer.
    pub timeout: Duration,
}

words! {
    /// See [`Settings::log_format`].
    LogFormat {
        /// Lines for people on stderr: level, message, then `event=` and what it is about.
        Text = "text",
        /// A JSON object a line on stderr.
        Json = "json",
        /// Entries of the systemd journal, with fields.
        Journald = "journald",
    }
    /// See [`CpuCores::idle`].
    Idle {
        /// Poll again at once.
        Poll = "poll",
        /// Sleep some 50 microseconds after many empty turns.
        Sleep = "sleep",
    }
    /// See [`Settings::log`].
    #[derive(PartialOrd, Ord)]
    LogLevel {
        /// What stops service.
        Error = "error",
        /// What somebody should look at.
        Warn = "warn",
        /// What changes: switchovers, reloads.
        Info = "info",
        /// What each part does.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}
