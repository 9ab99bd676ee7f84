//! The file, read again on a thread of its own: a disk that hangs holds nothing up. So is a text, which may be as long.
//!
//! Owns the order: one reading at a time, and each request is answered by a reading that began after it.

use crate::config;
use crate::control::FileRead;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What the file says, for a request, or for a signal if there is none.
pub type Reading = (Option<u64>, FileRead);

/// Signals and requests that wait for a reading, at most; more signals say nothing new.
const WAITING: usize = 64;

/// What is read for whom.
struct Order {
    request_id: Option<u64>,
    /// What is to be read; `None`: the file.
    text: Option<Given>,
}

/// A text, and what messages call it.
struct Given {
    name: String,
    text: Arc<str>,
    /// It is another appliance's: what the configuration in force here says.
    own: Option<Arc<str>>,
}

/// The reader of a file.
pub struct Reader {
    file: PathBuf,
    waiting: VecDeque<Order>,
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
        let waits = self.waiting.iter().any(|order| order.request_id.is_none());
        if request_id.is_some() || (!waits && self.waiting.len() < WAITING) {
            self.waiting.push_back(Order { request_id, text: None });
        }
        self.next();
    }

    /// Reads this text, which messages call `name`, likewise.
    pub fn read_text(&mut self, request_id: u64, name: String, text: Arc<str>) {
        self.waiting.push_back(Order { request_id: Some(request_id), text: Some(Given { name, text, own: None }) });
        self.next();
    }

    /// Reads the text of another appliance's file likewise, with what is this one's own as `own` has it.
    pub fn read_pushed(&mut self, request_id: u64, name: String, text: Arc<str>, own: Arc<str>) {
        let given = Given { name, text, own: Some(own) };
        self.waiting.push_back(Order { request_id: Some(request_id), text: Some(given) });
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
        let Some(order) = self.waiting.pop_front() else { return };
        let (file, done) = (self.file.clone(), self.done.clone());
        let order = Arc::new(order);
        let work = Arc::clone(&order);
        let work = move || _ = done.send(read(&file, &work));
        self.busy = std::thread::Builder::new().name("reader".into()).spawn(work).is_ok();
        if !self.busy {
            // No thread is to be had: late is better than never.
            _ = self.done.send(read(&self.file, &order));
            self.busy = true;
        }
    }
}

fn read(path: &Path, order: &Order) -> Reading {
    let name = path.display().to_string();
    let bytes = config::bytes_of(path);
    let text = |bytes: &[u8]| Arc::<str>::from(String::from_utf8_lossy(bytes));
    let file = bytes.as_ref().ok().map(|bytes| text(bytes));
    let (text, read) = match &order.text {
        Some(Given { name, text, own: None }) => (Arc::clone(text), config::parse(name, text)),
        Some(Given { name, text, own: Some(own) }) => {
            let (text, read) = config::parse_pushed(name, text, own);
            (text.into(), read)
        }
        None => (file.clone().unwrap_or_default(), bytes.and_then(|bytes| config::parse_bytes(&name, &bytes))),
    };
    (order.request_id, FileRead { read: read.map(Box::new), text, file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readings_come_in_the_order_asked_and_signals_are_joined() {
        let mut reader = Reader::new(Path::new("/nowhere/fairlead.toml"));
        [Some(1), None, None, Some(2), None].into_iter().for_each(|request| reader.read(request));
        reader.read_text(3, "what was sent".into(), "[appliance]\nnmae = 1\n".into());
        let file = "/nowhere/fairlead.toml";
        for (expected, name) in [(Some(1), file), (None, file), (Some(2), file), (Some(3), "what was sent:2:1")] {
            let (request, FileRead { read, file, .. }) = reader.reading().await;
            assert_eq!((request, file), (expected, None));
            assert!(read.unwrap_err().to_string().contains(name));
        }
        assert!(reader.waiting.is_empty() && !reader.busy);
    }
}
