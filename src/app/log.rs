//! Where words go: standard error, one line an event.

use crate::config::LogLevel;
use tracing_subscriber::EnvFilter;

/// Starts logging at `level`; `FAIRLEAD_LOG` overrides it with a filter of its own.
pub fn start(level: LogLevel) {
    let filter = EnvFilter::try_from_env("FAIRLEAD_LOG").unwrap_or_else(|_| EnvFilter::new(level.to_string()));
    // Under systemd the journal writes the time itself.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let _ = match journal {
        true => builder.with_ansi(false).without_time().try_init(),
        false => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    };
}

/// Says what the controller wants said.
pub fn say(level: LogLevel, message: &str) {
    match level {
        LogLevel::Error => tracing::error!("{message}"),
        LogLevel::Warn => tracing::warn!("{message}"),
        LogLevel::Info => tracing::info!("{message}"),
        LogLevel::Debug => tracing::debug!("{message}"),
        LogLevel::Trace => tracing::trace!("{message}"),
    }
}
