//! A capture on its way to its client.
//!
//! Owns the pace: what was recorded is written as fast as the client takes it, a bounded part at a time, and nothing is kept for one that
//! takes it slowly; workers lose what finds no room. The client ends it by closing its side, or by sending anything; then it gets what was
//! recorded until then. One that is gone ends it as well, and so does one that does not take a part in time: its memory and its place are
//! for others. Knows nothing of what is in a part.

use super::capture::{CapturePart, Feed};
use crate::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Bytes written at once, about.
const CHUNK: usize = 64 << 10;
/// So often it is looked whether something was recorded.
const PAUSE: Duration = Duration::from_millis(2);
/// So often the client hears of an appliance that has nothing to show.
const PULSE: Duration = Duration::from_secs(1);
/// So long workers have to end the capture.
const PATIENCE: Duration = Duration::from_secs(2);
/// A client that has not taken a chunk for so long takes none any more.
const STUCK: Duration = Duration::from_secs(30);
/// Likewise, once it has had enough.
const STUCK_AT_END: Duration = Duration::from_secs(5);

/// Writes until the client has had enough, all that it wanted is written, or the appliance stops.
pub(super) async fn run(
    mut read: BufReader<OwnedReadHalf>,
    mut write: OwnedWriteHalf,
    mut feed: Box<dyn Feed>,
    mut stopped: watch::Receiver<bool>,
) {
    let (mut chunk, mut said) = (Vec::with_capacity(CHUNK + 4_096), [0; 64]);
    let (mut pulse, mut ending) = (Instant::now(), None::<Instant>);
    loop {
        chunk.clear();
        feed.read(&mut chunk, CHUNK);
        if chunk.is_empty() {
            if feed.is_over() || ending.is_some_and(|since| since.elapsed() >= PATIENCE) {
                CapturePart::End(feed.totals()).put(&[], &mut chunk);
                _ = timeout(STUCK_AT_END, write.write_all(&chunk)).await;
                return;
            }
            if pulse.elapsed() >= PULSE {
                pulse = Instant::now();
                CapturePart::Waiting(feed.totals()).put(&[], &mut chunk);
            }
        }
        let wait = async {
            match chunk.is_empty() {
                true => sleep(PAUSE).await,
                false => tokio::task::yield_now().await,
            }
            write.write_all(&chunk).await
        };
        let mut wait = std::pin::pin!(wait);
        let begun = Instant::now();
        loop {
            let until = ending.map_or(begun + STUCK, |since| begun.max(since) + STUCK_AT_END);
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return,
                heard = read.read(&mut said), if ending.is_none() => {
                    feed.stop();
                    ending = Some(Instant::now());
                    if heard.is_err() {
                        return;
                    }
                }
                written = &mut wait => match written {
                    Ok(()) => break,
                    Err(_) => return,
                },
                () = sleep_until(until) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::capture::CaptureTotals;
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::net::UnixStream;
    use tokio::task::JoinHandle;

    /// So many chunks, or ever more.
    struct Made {
        left: Option<usize>,
        given: Arc<AtomicUsize>,
        is_stopped: bool,
    }

    impl Feed for Made {
        fn read(&mut self, into: &mut Vec<u8>, most: usize) {
            match &mut self.left {
                Some(0) => return,
                Some(left) => *left -= 1,
                None => {}
            }
            into.resize(most, 0x5a);
            self.given.fetch_add(1, Ordering::Relaxed);
        }

        fn stop(&mut self) {
            (self.is_stopped, self.left) = (true, Some(1));
        }

        fn is_over(&self) -> bool {
            self.is_stopped && self.left == Some(0)
        }

        fn totals(&self) -> CaptureTotals {
            CaptureTotals { matched: 9, lost: 2 }
        }
    }

    fn begin(left: Option<usize>) -> (UnixStream, Arc<AtomicUsize>, JoinHandle<()>, watch::Sender<bool>) {
        let (client, server) = UnixStream::pair().unwrap();
        let (read, write) = server.into_split();
        let given = Arc::default();
        let feed = Made { left, given: Arc::clone(&given), is_stopped: false };
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(BufReader::new(read), write, Box::new(feed), stopped));
        (client, given, task, stop)
    }

    #[tokio::test]
    async fn who_has_had_enough_gets_what_was_recorded_and_the_sums() {
        let (mut client, given, task, _stop) = begin(Some(3));
        let mut seen = vec![0; 3 * CHUNK];
        client.read_exact(&mut seen).await.unwrap();
        client.shutdown().await.unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        task.await.unwrap();
        assert_eq!(given.load(Ordering::Relaxed), 4);
        let mut end = Vec::new();
        CapturePart::End(CaptureTotals { matched: 9, lost: 2 }).put(&[], &mut end);
        assert_eq!((&rest[CHUNK..], rest.len()), (&end[..], CHUNK + end.len()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_hears_nothing_hears_each_second_that_the_appliance_is_there() {
        let (mut client, _, _task, _stop) = begin(Some(0));
        let mut one = Vec::new();
        CapturePart::Waiting(CaptureTotals { matched: 9, lost: 2 }).put(&[], &mut one);
        let begun = Instant::now();
        let mut seen = vec![0; 2 * one.len()];
        client.read_exact(&mut seen).await.unwrap();
        assert_eq!(seen, one.repeat(2));
        assert!((2..3).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn for_who_does_not_read_nothing_is_kept_and_the_end_does_not_wait_for_him() {
        let (client, given, task, stop) = begin(None);
        let mut before = usize::MAX;
        while before != given.load(Ordering::Relaxed) || before == 0 {
            before = given.load(Ordering::Relaxed);
            sleep(Duration::from_millis(20)).await;
        }
        assert!(before * CHUNK < 4 << 20, "{before} chunks are under way, which the kernel's buffers do not hold");
        stop.send_replace(true);
        task.await.unwrap();
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn of_who_never_reads_the_capture_ends_and_sooner_once_he_has_had_enough() {
        for (has_enough, patience) in [(false, STUCK), (true, STUCK_AT_END)] {
            let (mut client, given, task, _stop) = begin(None);
            // What the kernel keeps is full by then.
            sleep(PULSE).await;
            let begun = Instant::now() - if has_enough { Duration::ZERO } else { PULSE };
            if has_enough {
                client.shutdown().await.unwrap();
            }
            task.await.unwrap();
            let waited = begun.elapsed();
            assert!(waited >= patience && waited < patience + PULSE, "{waited:?} of {patience:?}");
            assert!(given.load(Ordering::Relaxed) > 0);
            drop(client);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_little_now_and_then_keeps_his_capture() {
        let (mut client, given, task, _stop) = begin(None);
        // The kernel lets a writer go on when three quarters of what lies there were read.
        let mut some = vec![0; 4 * CHUNK];
        for _ in 0..20 {
            sleep(STUCK / 2).await;
            client.read_exact(&mut some).await.unwrap();
        }
        assert!(given.load(Ordering::Relaxed) >= 20 && !task.is_finished());
    }

    #[tokio::test]
    async fn of_who_is_gone_the_capture_ends() {
        let (client, _, task, _stop) = begin(None);
        drop(client);
        task.await.unwrap();
    }
}
