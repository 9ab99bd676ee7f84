//! The socket's server: lines in, lines out, and no client delays another.
//!
//! Owns the clients: how many there may be, how long they may be silent, how long a request may be, how slowly they
//! may read. Each client is a task of its own and has one request under way. Decides nothing: requests go to the
//! controller through a channel.

use super::answer::{AdminError, Answer, Code};
use super::line::{Lines, error_line};
use super::request::Line;
use super::{AdminSocket, Asked, Request};
use crate::time::Duration;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Room made for one read, in bytes.
const READ: usize = 4096;
/// Bytes thrown away at most after a request that was too long.
const WASTE: u64 = 1 << 20;

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Clients at once. One more gets an error and is closed.
    pub clients: usize,
    /// Bytes of a request line.
    pub request_bytes: usize,
    /// From one request's answer to the end of the next request line.
    pub idle: Duration,
    /// Until the client has taken one line of an answer.
    pub write: Duration,
    /// Until the controller has answered.
    pub answer: Duration,
    /// At the end: until an answer under way must be out.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            clients: 128,
            request_bytes: 64 * 1024,
            idle: Duration::from_secs(60),
            write: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            grace: Duration::from_millis(500),
        }
    }
}

/// Serves until `stop` is ready; then takes the socket's file away, gives the answers under way their grace, and ends.
pub async fn serve(socket: AdminSocket, limits: Limits, asked: mpsc::Sender<Asked>, stop: impl Future<Output = ()>) {
    let (stopping, stopped) = watch::channel(false);
    let seats = Arc::new(Semaphore::new(limits.clients));
    let mut clients = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let stream = tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = clients.join_next() => continue,
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(why) => {
                    tracing::warn!(%why, "the admin socket cannot accept a client");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
            send_away(&stream, limits.clients);
            continue;
        };
        let (asked, stopped) = (asked.clone(), stopped.clone());
        clients.spawn(async move {
            attend(stream, limits, asked, stopped).await;
            drop(seat);
        });
    }
    drop(socket);
    drop(asked);
    stopping.send_replace(true);
    let _ = timeout(limits.grace, async { while clients.join_next().await.is_some() {} }).await;
}

/// Says it only if the kernel takes it at once.
fn send_away(stream: &UnixStream, limit: usize) {
    let message = format!("{limit} clients are connected, which is the limit: close one, or try again");
    let _ = stream.try_write(&error_line(0, &AdminError::new(Code::Busy, message)));
}

async fn attend(stream: UnixStream, limits: Limits, asked: mpsc::Sender<Asked>, mut stopped: watch::Receiver<bool>) {
    let (read, mut write) = stream.into_split();
    let mut requests =
        RequestLines { read, pending: Vec::new(), searched: 0, ended: false, limit: limits.request_bytes };
    loop {
        let incoming = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return,
            incoming = timeout(limits.idle, requests.next()) => incoming,
        };
        let line = match incoming {
            Ok(Ok(Incoming::Line(line))) => line,
            Ok(Ok(Incoming::TooLong)) => return part_with(requests.read, write, limits).await,
            Ok(Ok(Incoming::End) | Err(_)) | Err(_) => return,
        };
        let Line { id, request } = Line::parse(&line);
        let answer = match request {
            Ok(request) => ask(&asked, request, limits.answer).await,
            Err(error) => Err(error),
        };
        if tell(&mut write, id, &answer, limits.write).await.is_err() {
            return;
        }
    }
}

async fn ask(asked: &mpsc::Sender<Asked>, request: Request, patience: Duration) -> Answer {
    let stopping = || AdminError::new(Code::Stopping, "the appliance is shutting down");
    let (sender, answer) = oneshot::channel();
    let asking = async {
        asked.send(Asked { request, answer: sender }).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    };
    timeout(patience, asking).await.unwrap_or_else(|_| {
        let message = format!("no answer in {} s: the appliance is overloaded; try again", patience.as_secs());
        Err(AdminError::new(Code::NoAnswer, message))
    })
}

async fn tell(write: &mut OwnedWriteHalf, id: u64, answer: &Answer, patience: Duration) -> io::Result<()> {
    for line in Lines::new(id, answer) {
        timeout(patience, write.write_all(&line)).await??;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The client has sent more than a request may hold: where its next request begins cannot be known. It is told so, and
/// what it still sends is thrown away for a moment, so that it comes to read what it is told.
async fn part_with(read: OwnedReadHalf, mut write: OwnedWriteHalf, limits: Limits) {
    let limit = limits.request_bytes;
    let message = format!("a request may have at most {limit} bytes on its line; the connection is closed");
    let error = AdminError::new(Code::TooLarge, message);
    let _ = timeout(limits.write, write.write_all(&error_line(0, &error))).await;
    let _ = write.shutdown().await;
    let mut waste = tokio::io::sink();
    let _ = timeout(limits.grace, tokio::io::copy(&mut read.take(WASTE), &mut waste)).await;
}

/// What the client sends, cut into lines.
struct RequestLines {
    read: OwnedReadHalf,
    pending: Vec<u8>,
    /// Of `pending`, known to hold no line feed.
    searched: usize,
    ended: bool,
    limit: usize,
}

enum Incoming {
    /// Without its line feed.
    Line(Vec<u8>),
    /// No line feed within the limit.
    TooLong,
    /// The client has closed.
    End,
}

impl RequestLines {
    /// The next line; the last one needs no line feed. Blank lines are passed over.
    async fn next(&mut self) -> io::Result<Incoming> {
        loop {
            if let Some(line) = self.cut() {
                match line.trim_ascii() {
                    [] => continue,
                    _ if line.len() > self.limit => return Ok(Incoming::TooLong),
                    _ => return Ok(Incoming::Line(line)),
                }
            }
            if self.pending.len() > self.limit {
                return Ok(Incoming::TooLong);
            }
            if self.ended {
                return Ok(Incoming::End);
            }
            self.pending.reserve(READ);
            self.ended = self.read.read_buf(&mut self.pending).await? == 0;
        }
    }

    fn cut(&mut self) -> Option<Vec<u8>> {
        let feed = self.pending[self.searched..].iter().position(|byte| *byte == b'\n');
        let end = match feed {
            Some(at) => self.searched + at,
            None if self.ended && !self.pending.is_empty() => self.pending.len(),
            None => {
                self.searched = self.pending.len();
                return None;
            }
        };
        let rest = self.pending.split_off((end + 1).min(self.pending.len()));
        let mut line = std::mem::replace(&mut self.pending, rest);
        line.truncate(end);
        self.searched = 0;
        Some(line)
    }
}
