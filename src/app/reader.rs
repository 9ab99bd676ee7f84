//! The file, read again on a thread of its own: a disk that hangs holds nothing up.
//!
//! Owns the order: one reading at a time, and each request is answered by a reading that began after it.

use crate::config::{self, ConfigErrors, Configuration};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// What the file says, for a request, or for a signal if there is none.
pub type Reading = (Option<u64>, Result<Box<Configuration>, ConfigErrors>);

/// Signals and requests that wait for a reading, at most; more signals say nothing new.
const WAITING: usize = 64;

/// The reader of a file.
pub struct Reader {
    file: PathBuf,
    waiting: VecDeque<Option<u64>>,
    busy: bool,
    done: mpsc::UnboundedSender<Reading>,
    readings: mpsc::UnboundedReceiver<Reading>,
}

impl Reader {
    /// A reader that reads nothing yet.
    pub fn new(file: &Path) -> Reader {
        let (done, readings) = mpsc::unbounded_channel();
        Reader { file: file.to_owned(), waiting: VecDeque::new(), busy: false, done, readings }
    }

    /// Reads the file when the readings before it are done. A signal is not counted where one waits already.
    pub fn read(&mut self, request_id: Option<u64>) {
        if request_id.is_some() || (!self.waiting.contains(&None) && self.waiting.len() < WAITING) {
            self.waiting.push_back(request_id);
        }
        self.next();
    }

    /// The next reading.
    pub async fn reading(&mut self) -> Reading {
        let reading = match self.readings.recv().await {
            Some(reading) => reading,
            // Never: this end holds a sender.
            None => std::future::pending().await,
        };
        self.busy = false;
        self.next();
        reading
    }

    fn next(&mut self) {
        if self.busy {
            return;
        }
        let Some(request_id) = self.waiting.pop_front() else { return };
        let (file, done) = (self.file.clone(), self.done.clone());
        let read = move || _ = done.send((request_id, config::load(&file).map(Box::new)));
        self.busy = std::thread::Builder::new().name("reader".into()).spawn(read).is_ok();
        if !self.busy {
            // No thread is to be had: late is better than never.
            _ = self.done.send((request_id, config::load(&self.file).map(Box::new)));
            self.busy = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readings_come_in_the_order_asked_and_signals_are_joined() {
        let mut reader = Reader::new(Path::new("/nowhere/fairlead.toml"));
        [Some(1), None, None, Some(2), None].into_iter().for_each(|request| reader.read(request));
        for expected in [Some(1), None, Some(2)] {
            let (request, read) = reader.reading().await;
            assert_eq!(request, expected);
            assert!(read.unwrap_err().to_string().contains("/nowhere/fairlead.toml"));
        }
        assert!(reader.waiting.is_empty() && !reader.busy);
    }
}
