//! The log: standard error, one line an event, and nobody who logs waits for whoever reads.
//!
//! Owns the level, which can be changed at any time, and the [`queue`] that keeps a slow or dead reader away from the
//! management core.

mod queue;

use crate::config::LogLevel;
use crate::time::Duration;
use queue::{LINES, Queue};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The log of the process.
#[derive(Clone)]
pub struct Log {
    queue: Arc<Queue>,
    filter: reload::Handle<EnvFilter, Registry>,
    from_environment: bool,
}

/// Starts logging at `level`; the environment's `FAIRLEAD_LOG` overrides it with a filter of its own.
///
/// # Errors
/// There is no descriptor or no thread to be had for it.
pub fn start(level: LogLevel) -> io::Result<Log> {
    // A descriptor of its own: DPDK's words at the start are caught by redirecting standard error for a moment.
    let out = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let queue = Arc::new(Queue::start(out, LINES, |lost| tracing::warn!("{lost} log lines lost: nobody read them"))?);
    let own = EnvFilter::try_from_env("FAIRLEAD_LOG").ok();
    let from_environment = own.is_some();
    let (filter, handle) = reload::Layer::new(own.unwrap_or_else(|| EnvFilter::new(level.to_string())));
    let writer = Arc::clone(&queue);
    // Under systemd the journal writes the time itself.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let lines = fmt::layer()
        .with_writer(move || Line(Arc::clone(&writer)))
        .with_target(false)
        .with_ansi(!journal && io::stderr().is_terminal())
        .log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter);
    let _ = match journal {
        true => registry.with(lines.without_time()).try_init(),
        false => registry.with(lines).try_init(),
    };
    // The message of a panic, which is a bug of ours, must not wait for a reader either.
    let last = Arc::clone(&queue);
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("bug: {panic}");
        last.flush(LAST_LINES);
    }));
    Ok(Log { queue, filter: handle, from_environment })
}

impl Log {
    /// From now on lines of `level` and above are logged, whatever the environment said.
    pub fn set_level(&self, level: LogLevel) {
        let _ = self.filter.reload(EnvFilter::new(level.to_string()));
    }

    /// What is worth making a line of: everything, where the environment has a filter of its own.
    pub fn level(&self, file: LogLevel) -> LogLevel {
        if self.from_environment { LogLevel::Trace } else { file }
    }

    /// Lines lost since the start.
    pub fn lost(&self) -> u64 {
        self.queue.lost()
    }

    /// Waits a moment until all is written, `last` being the last line.
    pub fn end(&self, last: Option<&str>) {
        last.iter().for_each(|last| self.queue.line(last.as_bytes()));
        self.queue.flush(LAST_LINES);
    }
}

/// Logs what the controller wants logged.
pub fn write(level: LogLevel, message: &str) {
    match level {
        LogLevel::Error => tracing::error!("{message}"),
        LogLevel::Warn => tracing::warn!("{message}"),
        LogLevel::Info => tracing::info!("{message}"),
        LogLevel::Debug => tracing::debug!("{message}"),
        LogLevel::Trace => tracing::trace!("{message}"),
    }
}

/// Where the subscriber writes an event: all of it at once.
struct Line(Arc<Queue>);

impl Write for Line {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.line(event);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
