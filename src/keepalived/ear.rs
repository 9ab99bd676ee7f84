//! What is made of the FIFO and of the kernel.
//!
//! Owns who is believed when: a line says what has changed; the kernel says what is, after a start, after keepalived's reload and where a
//! line was lost; and a keepalived that is gone says that this appliance is not active, after a moment in which a reload is over. Time is an
//! argument, and so is the kernel.

use super::fifo::Fifo;
use super::heard::{Heard, Wanted};
use crate::control::PairNews;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// How often the FIFO's place and the kernel are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// At a reload keepalived closes the FIFO and opens it again. Shorter than it takes the other appliance to find that this one is silent.
const GRACE: Duration = Duration::from_millis(300);

/// Who writes to the FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// Nobody yet: keepalived may not have been started.
    Expected,
    There,
    /// Nobody any more, since then.
    Lost(Instant),
    /// The same, and that was said.
    Gone,
}

/// Hears one FIFO.
pub(super) struct Ear {
    fifo: Fifo,
    addresses: Vec<Ipv4Addr>,
    writer: Writer,
    looked: Option<Instant>,
    /// The kernel was seen to hold one of the addresses: before that, that it does not says nothing.
    held: bool,
    trouble: Option<String>,
}

impl Ear {
    /// Nothing was heard yet; the FIFO is made, if that can be.
    pub(super) fn new(wanted: Wanted) -> Ear {
        let mut fifo = Fifo::new(wanted.fifo);
        // What is wrong is found again, and said, at the first turn.
        _ = fifo.keep();
        Ear { fifo, addresses: wanted.addresses, writer: Writer::Expected, looked: None, held: false, trouble: None }
    }

    /// Something was said to be wrong, and not that it is over.
    pub(super) fn has_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// What there is to hear by now. `holds`: whether the kernel holds one of these addresses.
    pub(super) fn turn(&mut self, now: Instant, holds: impl FnOnce(&[Ipv4Addr]) -> Result<bool, String>) -> Vec<Heard> {
        let is_due = self.looked.is_none_or(|looked| now.duration_since(looked) >= ROUND);
        let mut trouble = if is_due { self.fifo.keep().err() } else { self.trouble.clone() };
        let found = self.fifo.read();
        let mut heard = Vec::new();
        let (lines, has_writer) = match found {
            Ok(found) => (found.lines, found.has_writer),
            Err(error) => {
                trouble = Some(format!("keepalived's notify FIFO cannot be read: {error}"));
                (Vec::new(), false)
            }
        };
        let has_changed = !lines.is_empty();
        heard.extend(lines.into_iter().map(|line| Heard::News(PairNews::Keepalived(line))));
        let is_back = has_writer && self.writer != Writer::There;
        heard.extend(self.follow_writer(has_writer, now));
        if is_due {
            self.looked = Some(now);
        }
        // Whatever addresses a keepalived that is gone has left mean nothing.
        if has_writer && (is_due || is_back || has_changed) && !self.addresses.is_empty() {
            match holds(&self.addresses) {
                Ok(holds) if holds || self.held => {
                    self.held = holds;
                    heard.push(Heard::News(PairNews::Kernel(holds)));
                }
                Ok(_) => {}
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        if is_due && trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            heard.push(Heard::Trouble(trouble));
        }
        heard
    }

    fn follow_writer(&mut self, has_writer: bool, now: Instant) -> Option<Heard> {
        self.writer = match self.writer {
            _ if has_writer => Writer::There,
            Writer::There => Writer::Lost(now),
            Writer::Lost(since) if now.duration_since(since) >= GRACE => {
                self.writer = Writer::Gone;
                return Some(Heard::News(PairNews::KeepalivedGone));
            }
            other => other,
        };
        None
    }

    /// Waits for a line, `patience` at most; `pause` where a FIFO without anybody who writes would be ready at once.
    pub(super) fn wait(&self, patience: Duration, pause: Duration) {
        match self.fifo.waits().filter(|_| self.writer == Writer::There) {
            Some(fifo) => {
                let within = Timespec::try_from(patience).ok();
                // An interruption is an early look.
                _ = poll(&mut [PollFd::from_borrowed_fd(fifo, PollFlags::IN)], within.as_ref());
            }
            None => std::thread::sleep(pause),
        }
    }
}

#[cfg(test)]
mod tests;
