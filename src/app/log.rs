//! The log: one line an event, and nobody who logs waits for whoever reads.
//!
//! Owns the level, which can be changed at any time, what a line looks like ([`format`]), and the [`queue`] that keeps a slow or dead
//! reader away from the management core.

mod format;
mod journal;
mod queue;

use crate::admin::events::EventRow;
use crate::config::{LogFormat, LogLevel};
use crate::time::Duration;
use format::{Others, Style};
use journal::Journal;
use queue::{LINES, Queue};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The log of the process.
#[derive(Clone)]
pub struct Log {
    queue: Arc<Queue>,
    style: Style,
    filter: reload::Handle<EnvFilter, Registry>,
    from_environment: bool,
}

/// Starts logging at `level`; the environment's `FAIRLEAD_LOG` overrides it with a filter of its own. Where there is no journal, lines
/// of text go to standard error, and say so.
///
/// # Errors
/// There is no descriptor or no thread to be had for it.
pub fn start(level: LogLevel, format: LogFormat) -> io::Result<Log> {
    // A descriptor of its own: DPDK's words at the start are caught by redirecting standard error for a moment.
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let journal = if format == LogFormat::Journald { Journal::open(journal::SOCKET) } else { Err(String::new()) };
    let (format, why) = match (&journal, format) {
        (Err(why), LogFormat::Journald) => (LogFormat::Text, Some(why.clone())),
        _ => (format, None),
    };
    let report = |lost| tracing::warn!("{lost} log lines lost: nobody read them");
    let queue = Arc::new(match journal {
        Ok(journal) => Queue::start(journal, LINES, report)?,
        Err(_) => Queue::start(stderr, LINES, report)?,
    });
    let own = EnvFilter::try_from_env("FAIRLEAD_LOG").ok();
    let from_environment = own.is_some();
    let (filter, handle) = reload::Layer::new(own.unwrap_or_else(|| EnvFilter::new(level.to_string())));
    // Under systemd the journal writes the time itself.
    let is_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let style = Style { format, stamped: !is_journal, colored: !is_journal && io::stderr().is_terminal() };
    let log = Log { queue, style, filter: handle, from_environment };
    let others = Others { queue: Arc::clone(&log.queue), style };
    let _ = tracing_subscriber::registry().with(filter).with(others).try_init();
    if let Some(why) = why {
        tracing::warn!("log_format = \"journald\": {why}; the log goes to standard error as text");
    }
    // The message of a panic, which is a bug of ours, must not wait for a reader either.
    let last = Arc::clone(&log.queue);
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("bug: {panic}");
        last.flush(LAST_LINES);
    }));
    Ok(log)
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

    /// Logs an event.
    pub fn write(&self, row: &EventRow) {
        if is_enabled(row.level) {
            self.queue.line(&self.style.entry(row));
        }
    }

    /// Waits a moment until all is written, `last` being the last line.
    pub fn end(&self, last: Option<&str>) {
        if let Some(last) = last {
            match self.style.format {
                LogFormat::Text => self.queue.line(last.as_bytes()),
                LogFormat::Json | LogFormat::Journald => tracing::error!("{last}"),
            }
        }
        self.queue.flush(LAST_LINES);
    }
}

fn is_enabled(level: LogLevel) -> bool {
    match level {
        LogLevel::Error => tracing::enabled!(tracing::Level::ERROR),
        LogLevel::Warn => tracing::enabled!(tracing::Level::WARN),
        LogLevel::Info => tracing::enabled!(tracing::Level::INFO),
        LogLevel::Debug => tracing::enabled!(tracing::Level::DEBUG),
        LogLevel::Trace => tracing::enabled!(tracing::Level::TRACE),
    }
}
