//! `--wait`: what was begun is asked about each second until it is over, and what has changed is one line.
//!
//! Owns the lines: on a terminal one that is rewritten, else one for each change, at most one a second. What they say is the command's.
//! Ctrl-C ends the waiting and nothing else.

use super::client::{self, Failure};
use super::commands::Question;
use super::commands::drain::{self, Progress};
use super::exit::{FAILED, fail, write};
use crate::admin::Request;
use crate::admin::answer::Code;
use crate::config::escaped;
use serde_json::Value;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Between two questions.
const PERIOD: Duration = Duration::from_secs(1);
/// So many questions in a row may stay without an answer: a restart takes a few seconds.
const RETRIES: u32 = 10;

/// Asks what `question` does, and then `report` until that says that it is over.
///
/// # Errors
/// When the appliance cannot be asked, or refuses.
pub fn run(socket: &Path, question: &Question, report: &Request, patience: Duration) -> Result<ExitCode, Failure> {
    let interrupts = interrupts();
    client::ask(socket, &question.request, patience)?;
    let mut lines = Lines { json: question.json, rewrites: !question.json && io::stdout().is_terminal(), key: None };
    let mut silent = 0;
    loop {
        let data = match client::ask(socket, report, patience) {
            // It may be restarting, or have too much to do: what was begun goes on.
            Err(why) if silent < RETRIES && !matches!(why, Failure::Unreadable(_)) && !is_final(&why) => {
                silent += 1;
                if is_interrupted(&interrupts) {
                    lines.end();
                    return Ok(fail(FAILED, "interrupted: the drain stays as it is"));
                }
                continue;
            }
            Err(why) => {
                lines.end();
                return Err(why);
            }
            Ok(data) => data,
        };
        silent = 0;
        let unreadable = |why| Failure::Unreadable(format!("the appliance's answer cannot be shown: {why}"));
        let progress = drain::progress(data.clone()).map_err(unreadable)?;
        if let Some(text) = lines.text(&progress, &data)
            && let Err(code) = write(text.as_bytes())
        {
            return Ok(code);
        }
        if let Some(as_meant) = progress.over {
            return Ok(if as_meant { ExitCode::SUCCESS } else { ExitCode::from(FAILED) });
        }
        if is_interrupted(&interrupts) {
            lines.end();
            return Ok(fail(FAILED, &drain::interrupted(data)));
        }
    }
}

/// Another question would be refused as well.
fn is_final(why: &Failure) -> bool {
    matches!(why, Failure::Refused(refusal) if !matches!(refusal.code, Code::Busy | Code::NoAnswer | Code::Stopping))
}

/// What has been shown.
struct Lines {
    json: bool,
    /// On a terminal.
    rewrites: bool,
    key: Option<String>,
}

impl Lines {
    /// What is written of it, if there is anything new.
    fn text(&mut self, progress: &Progress, data: &Value) -> Option<String> {
        let is_news = self.key.as_ref() != Some(&progress.key);
        self.key = Some(progress.key.clone());
        match (self.rewrites, self.json) {
            (true, _) => {
                let end = if progress.over.is_some() { "\n" } else { "" };
                // Without line wrap (DECAWM): of a line that is wrapped only the last part would be rewritten.
                Some(format!("\r\x1b[?7l\x1b[K{}\x1b[?7h{end}", progress.line))
            }
            (false, true) => is_news.then(|| escaped(&format!("{data}\n")).into_owned()),
            (false, false) => is_news.then(|| format!("{}\n", progress.line)),
        }
    }

    /// What comes next does not stand in the line that was rewritten.
    fn end(&self) {
        if self.rewrites {
            _ = write(b"\n");
        }
    }
}

/// Whether somebody has pressed Ctrl-C, within a [`PERIOD`].
fn is_interrupted(interrupts: &Receiver<()>) -> bool {
    match interrupts.recv_timeout(PERIOD) {
        Ok(()) => true,
        Err(RecvTimeoutError::Timeout) => false,
        // Nobody listens: it ends this program as it ends any.
        Err(RecvTimeoutError::Disconnected) => {
            thread::sleep(PERIOD);
            false
        }
    }
}

/// From now on Ctrl-C is a message.
fn interrupts() -> Receiver<()> {
    let (sender, receiver) = sync_channel(1);
    let (ready, is_ready) = sync_channel(1);
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return };
            _ = ready.send(());
            interrupt.recv().await;
            _ = sender.send(());
        });
    });
    // Not ready if it cannot be had: then nothing is sent, and waiting goes on without.
    _ = is_ready.recv();
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_terminal_has_one_line_that_is_rewritten_and_who_reads_along_has_one_for_each_change() {
        let progress = |line: &str, key: &str, over| Progress { line: line.into(), key: key.into(), over };
        let steps = [
            progress("a: 3; 9s left", "a: 3", None),
            progress("a: 3; 8s left", "a: 3", None),
            progress("a: 2; 7s left", "a: 2", None),
            progress("a: drained completely", "a: drained completely", Some(true)),
        ];
        let data = json!({ "connections": 3 });
        let shown = |json, rewrites| {
            let mut lines = Lines { json, rewrites, key: None };
            steps.iter().filter_map(|step| lines.text(step, &data)).collect::<String>()
        };
        let rewritten = steps.iter().map(|step| format!("\r\x1b[?7l\x1b[K{}\x1b[?7h", step.line)).collect::<String>();
        assert_eq!(shown(false, true), rewritten + "\n");
        assert_eq!(shown(false, false), "a: 3; 9s left\na: 2; 7s left\na: drained completely\n");
        assert_eq!(shown(true, false), "{\"connections\":3}\n".repeat(3));
    }
}
