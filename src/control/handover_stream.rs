//! What workers give away on its way into the file.
//!
//! Owns [`HandoverStream`]: it takes from the workers' rings what has come, and writes it; with what management remembers the file is whole.
//! It waits for nobody and opens no file: whoever drives it has both, and gives up when he is told to.

use crate::handover::{Counts, Header, Here, Remembered, Writer};
use crate::time::Instant;
use crate::worker::handing_over::{Given, Receiver};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is to be written.
pub struct HandoverOrder {
    /// The file.
    pub place: PathBuf,
    /// What the appliance calls itself.
    pub name: String,
    /// The last snapshot.
    pub epoch: u64,
    /// Where what each worker gives comes out.
    pub receivers: Vec<Receiver>,
    /// Nobody waits for it any more.
    pub given_up: Arc<AtomicBool>,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many records.
    pub counts: Counts,
    /// How large the file is.
    pub bytes: u64,
}

/// The file as far as it is written.
pub struct HandoverStream<W> {
    writer: Writer<W>,
    /// By worker; `None`: it has given all.
    receivers: Vec<Option<Receiver>>,
    given_up: Arc<AtomicBool>,
}

impl<W: Write> HandoverStream<W> {
    /// Begins the file; `here` is of the same moment as `now` is.
    ///
    /// # Errors
    /// What `to` says.
    pub fn begin(to: W, order: HandoverOrder, here: Here, now: Instant) -> io::Result<HandoverStream<W>> {
        let HandoverOrder { epoch, receivers, given_up, .. } = order;
        let header = Header { here, now, epoch, workers: receivers.len() as u16 };
        let writer = Writer::begin(to, &header)?;
        Ok(HandoverStream { writer, receivers: receivers.into_iter().map(Some).collect(), given_up })
    }

    /// Writes what has come. Says whether anything has.
    ///
    /// # Errors
    /// What the writer says, and that it is given up.
    pub fn pump(&mut self) -> io::Result<bool> {
        let mut has_come = false;
        for (at, place) in self.receivers.iter_mut().enumerate() {
            let worker = at as u16;
            while let Some(given) = place.as_mut().and_then(Receiver::pop) {
                if self.given_up.load(Ordering::Relaxed) {
                    return Err(io::Error::other("it was given up"));
                }
                has_come = true;
                match given {
                    Given::Flows(flows) => self.writer.flows(worker, &flows)?,
                    Given::Gone(places) => self.writer.gone(worker, &places)?,
                    Given::Speakers(speakers) => self.writer.speakers(worker, &speakers)?,
                    Given::Askers(askers) => self.writer.askers(worker, &askers)?,
                    Given::Stays(stays) => self.writer.stays(worker, &stays)?,
                    Given::All => *place = None,
                }
            }
        }
        Ok(has_come)
    }

    /// All workers have given all.
    pub fn has_all(&self) -> bool {
        self.receivers.iter().all(Option::is_none)
    }

    /// Nobody waits for it any more.
    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Ends the file. Returns where it was written, and how many records.
    ///
    /// # Errors
    /// What the writer says.
    pub fn end(self, remembered: &Remembered) -> io::Result<(W, Counts)> {
        self.writer.end(remembered)
    }
}
