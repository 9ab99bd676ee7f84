//! What the appliance itself is made of: cores, memory, sockets. Nothing here says what happens to a packet.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What the file says about the appliance itself. Ports are in the intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the appliance calls itself.
    pub name: String,
    /// Path of the admin socket, absolute.
    pub admin_socket: PathBuf,
    /// Where Prometheus text is served; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// The least grave events that are logged.
    pub log: LogLevel,
    /// Which CPU core does what.
    pub cores: CpuCores,
    /// What DPDK is started with.
    pub dpdk: Dpdk,
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
    pub stall: Duration,
}

/// See [`CpuCores::idle`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idle {
    /// Ask again at once.
    #[default]
    Poll,
    /// Sleep some 50 microseconds after many empty turns.
    Pause,
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
    /// Memory taken at start, in MiB.
    pub memory_mib: u32,
}

/// See [`Settings::log`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What stops service.
    Error,
    /// What somebody should look at.
    Warn,
    /// What changes: switchovers, reloads.
    #[default]
    Info,
    /// What each part does.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word the file and the log filter have for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<LogLevel> {
        use LogLevel::{Debug, Error, Info, Trace, Warn};
        [Error, Warn, Info, Debug, Trace].into_iter().find(|level| level.as_str() == word)
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Idle::Poll => "poll",
            Idle::Pause => "pause",
        })
    }
}
