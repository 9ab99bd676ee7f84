//! Lines on their way to a reader who may be slow, or gone.
//!
//! Owns a bounded queue and the thread that writes it out. Whoever logs never waits: a line that finds the queue full, or
//! that cannot be written (EPIPE), is lost and counted, and the count is logged as soon as lines are written again.

use crate::time::Duration;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

/// Lines that may wait.
pub const LINES: usize = 1_024;
/// Bytes of a line; what is longer is cut.
pub(super) const LINE_BYTES: usize = 8 * 1_024;
/// Losses are reported once in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// The end where lines come in.
pub struct Queue {
    lines: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    lost: AtomicU64,
    /// Taken in, and neither written nor lost yet.
    waiting: AtomicU64,
}

impl Queue {
    /// A queue of `most` lines, written to `out` by a thread of its own. `report` logs how many lines were lost.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        out: impl Write + Send + 'static,
        most: usize,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Queue> {
        let (lines, received) = sync_channel(most);
        let counts = Arc::new(Counts::default());
        let writer = Writer { out, counts: Arc::clone(&counts), reported: 0, works: true };
        std::thread::Builder::new().name("log".into()).spawn(move || writer.run(&received, report))?;
        Ok(Queue { lines, counts })
    }

    /// Takes a line, with its line feed, or counts it as lost. Never waits.
    pub fn line(&self, text: &[u8]) {
        self.counts.waiting.fetch_add(1, Ordering::AcqRel);
        if self.lines.try_send(in_one_line(text)).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::AcqRel);
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines lost since the start.
    pub fn lost(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed)
    }

    /// Waits until nothing is left to be written, no longer than `patience`. Returns whether that is so.
    pub fn flush(&self, patience: Duration) -> bool {
        let step = Duration::from_millis(1);
        let steps = patience.as_millis();
        for _ in 0..steps {
            if self.counts.waiting.load(Ordering::Acquire) == 0 {
                return true;
            }
            std::thread::sleep(step);
        }
        self.counts.waiting.load(Ordering::Acquire) == 0
    }
}

/// The end where lines go out.
struct Writer<W> {
    out: W,
    counts: Arc<Counts>,
    /// Losses that were logged.
    reported: u64,
    /// The last line was written.
    works: bool,
}

impl<W: Write> Writer<W> {
    fn run(mut self, lines: &Receiver<Vec<u8>>, report: impl Fn(u64)) {
        loop {
            match self.next(lines) {
                Ok(line) => self.write(&line),
                Err(RecvTimeoutError::Timeout) => {
                    let lost = self.counts.lost.load(Ordering::Relaxed);
                    report(lost - self.reported);
                    self.reported = lost;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// The next line; a time-out when there are losses to report and somebody reads.
    fn next(&self, lines: &Receiver<Vec<u8>>) -> Result<Vec<u8>, RecvTimeoutError> {
        let unreported = self.counts.lost.load(Ordering::Relaxed) > self.reported;
        match unreported && self.works {
            true => lines.recv_timeout(PAUSE),
            false => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn write(&mut self, line: &[u8]) {
        self.works = self.out.write_all(line).and_then(|()| self.out.flush()).is_ok();
        if !self.works {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.counts.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One event is one line: what would begin another is joined to it.
fn in_one_line(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii_end();
    let mut line: Vec<u8> = Vec::with_capacity(text.len() + 1);
    for (at, part) in text.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii_end).enumerate() {
        if at > 0 && !part.is_empty() {
            line.extend_from_slice(b" | ");
        }
        line.extend_from_slice(if at > 0 { part.trim_ascii_start() } else { part });
    }
    line.truncate(LINE_BYTES);
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    /// What a reader has read, and whether there is one.
    #[derive(Clone, Default)]
    struct Reader {
        read: Arc<Mutex<String>>,
        gone: Arc<Mutex<bool>>,
        /// Held: nobody reads.
        asleep: Arc<Mutex<()>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            drop(self.asleep.lock().unwrap());
            if *self.gone.lock().unwrap() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.read.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    fn queue(reader: &Reader, most: usize) -> (Queue, std::sync::mpsc::Receiver<u64>) {
        let (reports, reported): (Sender<u64>, _) = channel();
        let report = move |lost| _ = reports.send(lost);
        (Queue::start(reader.clone(), most, report).unwrap(), reported)
    }

    #[test]
    fn a_reader_that_sleeps_delays_nobody_and_what_it_missed_is_counted_and_reported() {
        let reader = Reader::default();
        let (queue, reported) = queue(&reader, 4);
        let asleep = reader.asleep.lock().unwrap();
        (0..100).for_each(|n| queue.line(format!("line {n}\n").as_bytes()));
        // Four wait; a fifth may be in the writer's hands.
        let lost = queue.lost();
        assert!((95..=96).contains(&lost), "{lost}");
        assert!(!queue.flush(Duration::from_millis(5)));
        drop(asleep);
        assert!(queue.flush(PATIENCE));
        assert_eq!(reported.recv_timeout(PATIENCE), Ok(lost));
        queue.line(b"awake\n");
        assert!(queue.flush(PATIENCE));
        assert!(reader.read.lock().unwrap().ends_with("line 3\nawake\n") || lost == 95);
        assert_eq!(reader.read.lock().unwrap().lines().count() as u64, 100 - lost + 1);
    }

    #[test]
    fn lines_to_a_reader_who_is_gone_are_lost_and_counted_and_reported_when_one_is_back() {
        let reader = Reader::default();
        let (queue, reported) = queue(&reader, 4);
        *reader.gone.lock().unwrap() = true;
        for line in ["one\n", "two\n", "three\n"] {
            queue.line(line.as_bytes());
            assert!(queue.flush(PATIENCE));
        }
        assert_eq!(queue.lost(), 3);
        *reader.gone.lock().unwrap() = false;
        queue.line(b"four\n");
        assert_eq!(reported.recv_timeout(PATIENCE), Ok(3));
        assert_eq!(*reader.read.lock().unwrap(), "four\n");
    }

    #[test]
    fn an_event_is_one_line_of_bounded_length() {
        assert_eq!(in_one_line(b"WARN one\n"), b"WARN one\n");
        assert_eq!(in_one_line(b"panicked at x.rs:1:\n  why\n\nand more\n"), b"panicked at x.rs:1: | why | and more\n");
        assert_eq!(in_one_line(&[b'x'; 20_000]).len(), LINE_BYTES + 1);
    }
}
