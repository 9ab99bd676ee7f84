//! The socket's server: lines in, lines out, and no client delays another.
//!
//! Owns the clients: how many there may be, how long they may be silent, how long a request may be, how slowly they
//! may read. Each client is a task of its own and has one request under way. Decides nothing: requests go to the
//! controller through a channel.

use super::answer::{AdminError, Answer, Code};
use super::clients::{self, Seat};
use super::line::{error_line, lines};
use super::request::{Asked, Line, Request, put};
use super::socket::AdminSocket;
use crate::time::Duration;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};
use tokio::time::timeout;

/// Bytes discarded at most after a request that was too long.
const WASTE: u64 = 1 << 20;

/// Bytes of a request that carries a file.
pub const FILE_BYTES: usize = 16 << 20;
/// Where such a request says what it is, at most so many bytes from its beginning.
const COMMAND: usize = 128;

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Clients at once. For one more the longest idle gives way; while none is idle, the new one is closed with an error.
    pub clients: usize,
    /// Bytes of a request line.
    pub request_bytes: usize,
    /// Bytes of one that carries a file, `diff`. One client at a time may send more than `request_bytes`.
    pub file_bytes: usize,
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
            file_bytes: FILE_BYTES,
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
    let files = Arc::new(Semaphore::new(1));
    let mut clients = clients::serve(
        "the admin socket",
        limits.clients,
        || async { socket.listener.accept().await.map(|(stream, _)| stream) },
        |stream| reject(&stream, limits.clients),
        |stream, seat| handle(stream, seat, limits, (asked.clone(), Arc::clone(&files)), stopped.clone()),
        stop,
    )
    .await;
    drop(socket);
    drop(asked);
    stopping.send_replace(true);
    let _ = timeout(limits.grace, async { while clients.join_next().await.is_some() {} }).await;
}

/// Says it only if the kernel takes it at once.
fn reject(stream: &UnixStream, limit: usize) {
    let message = format!("too many clients: {limit} are connected and being answered, which is the limit: try again");
    let _ = stream.try_write(&error_line(0, &AdminError::new(Code::Busy, message)));
}

/// Likewise.
fn dismiss(write: &OwnedWriteHalf, limit: usize) {
    let message = format!("too many clients: {limit} are connected, and this one was idle longest: connect again");
    let _ = write.try_write(&error_line(0, &AdminError::new(Code::Busy, message)));
}

async fn handle(
    stream: UnixStream,
    mut seat: Seat,
    limits: Limits,
    (asked, files): (mpsc::Sender<Asked>, Arc<Semaphore>),
    mut stopped: watch::Receiver<bool>,
) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let incoming = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = seat.must_leave() => return dismiss(&write, limits.clients),
            incoming = timeout(limits.idle, next(&mut read, limits, &files)) => incoming,
        };
        // Whoever has sent a file keeps the next one waiting until it is answered.
        let (line, _turn) = match incoming {
            Ok(Ok(Some((line, turn)))) if line.len() > limit_of(turn.is_some(), limits) => {
                return close_oversized(read, write, limit_of(turn.is_some(), limits), limits).await;
            }
            Ok(Ok(Some(incoming))) => incoming,
            Ok(Ok(None) | Err(_)) | Err(_) => return,
        };
        seat.is_busy();
        let Line { id, request } = Line::parse(&line);
        let answer = match request {
            Ok(request) => ask(&asked, request, limits.answer).await,
            Err(error) => Err(error),
        };
        if send(&mut write, &mut seat, id, &answer, limits.write).await.is_err() {
            return;
        }
        seat.is_idle();
    }
}

/// The next line without its line feed, which the last one need not have; `None` at the end. Blank lines are passed over.
/// One that is longer than it may be has only its beginning. Of one that carries a file, the rest is read when it is its turn.
async fn next<'f>(
    read: &mut BufReader<OwnedReadHalf>,
    limits: Limits,
    files: &'f Semaphore,
) -> io::Result<Option<(Vec<u8>, Option<SemaphorePermit<'f>>)>> {
    let limit = limits.request_bytes;
    loop {
        let (mut line, mut turn) = (Vec::new(), None);
        if read.take(limit as u64 + 1).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line.len() > limit && !line.ends_with(b"\n") && carries_file(&line) {
            turn = files.acquire().await.ok();
            let rest = limits.file_bytes.saturating_sub(line.len()) as u64 + 1;
            read.take(rest).read_until(b'\n', &mut line).await?;
        }
        line.pop_if(|last| *last == b'\n');
        if !line.trim_ascii().is_empty() || line.len() > limit {
            return Ok(Some((line, turn)));
        }
    }
}

fn carries_file(line: &[u8]) -> bool {
    let command = br#""command":"diff""#;
    line[..line.len().min(COMMAND)].windows(command.len()).any(|bytes| bytes == command)
}

fn limit_of(is_file: bool, limits: Limits) -> usize {
    if is_file { limits.file_bytes } else { limits.request_bytes }
}

async fn ask(asked: &mpsc::Sender<Asked>, request: Request, patience: Duration) -> Answer {
    match timeout(patience, put(asked, request)).await {
        Ok(Some(answer)) => answer,
        Ok(None) => Err(AdminError::new(Code::Stopping, "the appliance is shutting down")),
        Err(_) => {
            let message = format!("no answer in {} s: the appliance is overloaded; try again", patience.as_secs());
            Err(AdminError::new(Code::NoAnswer, message))
        }
    }
}

/// Who does not read is idle: he may have to leave in the middle of a line.
async fn send(
    write: &mut OwnedWriteHalf,
    seat: &mut Seat,
    id: u64,
    answer: &Answer,
    patience: Duration,
) -> io::Result<()> {
    for line in lines(id, answer) {
        seat.is_idle();
        tokio::select! {
            biased;
            written = timeout(patience, write.write_all(&line)) => written??,
            () = seat.must_leave() => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        seat.is_busy();
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The client has sent more than a request may hold: where its next request begins cannot be known. It gets an error,
/// and what it still sends is discarded for a moment, so that it comes to read that error.
async fn close_oversized(read: BufReader<OwnedReadHalf>, mut write: OwnedWriteHalf, limit: usize, limits: Limits) {
    let message = format!("a request may have at most {limit} bytes on its line; the connection is closed");
    let error = AdminError::new(Code::TooLarge, message);
    let _ = timeout(limits.write, write.write_all(&error_line(0, &error))).await;
    let _ = write.shutdown().await;
    let mut waste = tokio::io::sink();
    let _ = timeout(limits.grace, tokio::io::copy(&mut read.take(WASTE), &mut waste)).await;
}
