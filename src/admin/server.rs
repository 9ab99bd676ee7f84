//! The socket's server: lines in, lines out, and no client delays another.
//!
//! Owns the clients: how many there may be, how long they may be silent, how long a request may be, how slowly they
//! may read, and whose turn it is to have a whole file in memory. Each client is a task of its own and has one request under way. Decides nothing: requests go to the
//! controller through a channel.

use super::answer::{AdminError, Answer, Answered, Code, Data};
use super::capture::Feed;
use super::clients::{self, Seat};
use super::line::{error_line, lines};
use super::request::{Asked, Peer, Request, put};
use super::request_line::Line;
use super::socket::AdminSocket;
use super::streaming;
use crate::time::Duration;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

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
    /// Bytes of one that carries a file, `diff`. One client at a time may send more than `request_bytes`, or have an answer with a file.
    pub file_bytes: usize,
    /// Until it is the turn of a client with a file, or it is told that others are before it.
    pub turn: Duration,
    /// From then until all of its file has come.
    pub file: Duration,
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
            turn: Duration::from_secs(5),
            file: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            grace: Duration::from_millis(500),
        }
    }
}

/// What may be asked at a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    All,
    /// What changes nothing. The rest is for the socket at this path.
    ReadOnly(PathBuf),
}

impl Access {
    fn check(&self, request: &Request) -> Result<(), AdminError> {
        match self {
            Access::ReadOnly(other) if request.changes() => {
                let (command, other) = (request.command(), other.display());
                let message = match request {
                    Request::Capture(_) | Request::RecorderSave { .. } => format!(
                        "`{command}` shows what people say to each other, and this socket only how the appliance does: \
                         ask at {other} (--socket {other}), as root or as one of the group that may use it"
                    ),
                    Request::Diff { .. } => format!(
                        "`{command}` makes every worker look at all of its flows, and this socket only asks what costs nothing: ask at \
                         {other} (--socket {other}), as root or as one of the group that may use it"
                    ),
                    _ => format!(
                        "this command changes something, and this socket answers only what changes nothing: ask at {other} (--socket {other})"
                    ),
                };
                Err(AdminError::new(Code::ReadOnly, message))
            }
            Access::All | Access::ReadOnly(_) => Ok(()),
        }
    }
}

/// Serves until `stop` is ready; then takes the socket's file away, gives the answers under way their grace, and ends.
pub async fn serve(
    (socket, access): (AdminSocket, Access),
    limits: Limits,
    asked: mpsc::Sender<Asked>,
    stop: impl Future<Output = ()>,
) {
    let access = Arc::new(access);
    let (stopping, stopped) = watch::channel(false);
    let files = Arc::new(Semaphore::new(1));
    let mut clients = clients::serve(
        "the admin socket",
        limits.clients,
        || async { socket.listener.accept().await.map(|(stream, _)| stream) },
        |stream| reject(&stream, limits.clients),
        |stream, seat| {
            handle(stream, seat, limits, (asked.clone(), Arc::clone(&access), Arc::clone(&files)), stopped.clone())
        },
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
    (asked, access, files): (mpsc::Sender<Asked>, Arc<Access>, Arc<Semaphore>),
    mut stopped: watch::Receiver<bool>,
) {
    let by = stream.peer_cred().ok();
    let by = by.map(|by| Peer { uid: by.uid(), pid: by.pid().and_then(|pid| pid.try_into().ok()) });
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let incoming = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = seat.must_leave() => return dismiss(&write, limits.clients),
            incoming = next(&mut read, limits, &files) => incoming,
        };
        let (line, turn) = match incoming {
            Ok(Incoming::Line(line, turn)) => (line, turn),
            Ok(Incoming::Refused(error)) => return close_refused(read, write, &error, limits).await,
            Ok(Incoming::End) | Err(_) => return,
        };
        seat.is_busy();
        let Line { id, request } = parsed(line, turn.is_some()).await;
        // Whoever has a file keeps the next one waiting until it is answered, and the answer is out.
        let (request, turn) = with_turn(request, turn, limits, &files).await;
        let answer = match request {
            Ok(request) => match access.check(&request) {
                Ok(()) => ask(&asked, (request, by), limits.answer).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        // Who is gone when it is sent has no more use for it.
        let feed = feed_of(&answer);
        let sent = match turn.is_some() {
            true => send(&mut write, &mut seat, written(id, answer).await.into_iter(), limits.write).await,
            false => send(&mut write, &mut seat, lines(id, &answer), limits.write).await,
        };
        if sent.is_err() {
            return;
        }
        // What follows is no line any more, nor is what the client still sends a request.
        if let Some(feed) = feed {
            return streaming::run(read, write, feed, stopped).await;
        }
        seat.is_idle();
    }
}

/// Where the frames come from that follow this answer.
fn feed_of(answer: &Answer) -> Option<Box<dyn Feed>> {
    match answer {
        Ok(Answered { data: Data::Capture(capturing), .. }) => capturing.feed.take(),
        _ => None,
    }
}

/// What a client has sent.
enum Incoming<'f> {
    /// A line without its line feed; with a turn, if it carries a file.
    Line(Vec<u8>, Option<SemaphorePermit<'f>>),
    /// One that is not read to its end: where the next one begins cannot be known.
    Refused(AdminError),
    /// Nothing more, or nothing in time.
    End,
}

/// The next line, which need not have a line feed if it is the last one. Blank lines are passed over. Of one that carries a file, the
/// rest is read when it is its turn.
async fn next<'f>(
    read: &mut BufReader<OwnedReadHalf>,
    limits: Limits,
    files: &'f Semaphore,
) -> io::Result<Incoming<'f>> {
    let limit = limits.request_bytes;
    let idle_until = Instant::now() + limits.idle;
    loop {
        let (mut line, mut turn) = (Vec::new(), None);
        let mut beginning = read.take(limit as u64 + 1);
        match timeout_at(idle_until, beginning.read_until(b'\n', &mut line)).await {
            Ok(Ok(0)) | Err(_) => return Ok(Incoming::End),
            Ok(read) => read?,
        };
        if line.len() > limit && !line.ends_with(b"\n") && carries_file(&line) {
            turn = its_turn(limits, files).await;
            if turn.is_none() {
                return Ok(Incoming::Refused(others_first(true)));
            }
            let rest = limits.file_bytes.saturating_sub(line.len()) as u64 + 1;
            match timeout(limits.file, read.take(rest).read_until(b'\n', &mut line)).await {
                Ok(read) => _ = read?,
                Err(_) => return Ok(Incoming::Refused(too_slow(limits))),
            }
        }
        line.pop_if(|last| *last == b'\n');
        let most = if turn.is_some() { limits.file_bytes } else { limit };
        if line.len() > most {
            return Ok(Incoming::Refused(too_large(most)));
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Incoming::Line(line, turn));
        }
    }
}

fn carries_file(line: &[u8]) -> bool {
    let command = br#""command":"diff""#;
    line[..line.len().min(COMMAND)].windows(command.len()).any(|bytes| bytes == command)
}

/// Its answer carries a file.
fn is_answered_with_a_file(request: &Request) -> bool {
    matches!(request, Request::HistoryShow { .. } | Request::SavePlan {})
}

/// `None`: others have not finished in time.
async fn its_turn(limits: Limits, files: &Semaphore) -> Option<SemaphorePermit<'_>> {
    timeout(limits.turn, files.acquire()).await.ok()?.ok()
}

/// The request goes to the controller when it is its turn, if it needs one.
async fn with_turn<'f>(
    request: Result<Request, AdminError>,
    turn: Option<SemaphorePermit<'f>>,
    limits: Limits,
    files: &'f Semaphore,
) -> (Result<Request, AdminError>, Option<SemaphorePermit<'f>>) {
    let needs_one = turn.is_none() && request.as_ref().is_ok_and(is_answered_with_a_file);
    let turn = if needs_one { its_turn(limits, files).await } else { turn };
    let request = if needs_one && turn.is_none() { Err(others_first(false)) } else { request };
    (request, turn)
}

fn others_first(is_closed: bool) -> AdminError {
    let closed = if is_closed { "; the connection is closed" } else { "" };
    let message =
        "another client is sending or receiving a file, which only one may at a time: try again in a few seconds";
    AdminError::new(Code::Busy, format!("{message}{closed}"))
}

fn too_slow(limits: Limits) -> AdminError {
    let seconds = limits.file.as_secs();
    let message = format!(
        "the file has not come whole within {seconds} s, and others wait to send theirs: send it at once when it is read; the \
         connection is closed"
    );
    AdminError::new(Code::Busy, message)
}

fn too_large(limit: usize) -> AdminError {
    let message = format!("a request may have at most {limit} bytes on its line; the connection is closed");
    AdminError::new(Code::TooLarge, message)
}

/// A long line is read by a thread of its own: nobody else waits for that.
async fn parsed(line: Vec<u8>, is_long: bool) -> Line {
    if !is_long {
        return Line::parse(&line);
    }
    let parsed = spawn_blocking(move || Line::parse(&line)).await;
    parsed.unwrap_or_else(|_| Line { id: 0, request: Err(ending()) })
}

/// So are the lines of a long answer made.
async fn written(id: u64, answer: Answer) -> Vec<Vec<u8>> {
    let made = spawn_blocking(move || lines(id, &answer).collect()).await;
    made.unwrap_or_else(|_| vec![error_line(id, &ending())])
}

fn ending() -> AdminError {
    AdminError::new(Code::Stopping, "the appliance is shutting down")
}

async fn ask(asked: &mpsc::Sender<Asked>, (request, by): (Request, Option<Peer>), patience: Duration) -> Answer {
    match timeout(patience, put(asked, request, by)).await {
        Ok(Some(answer)) => answer,
        Ok(None) => Err(ending()),
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
    lines: impl Iterator<Item = Vec<u8>>,
    patience: Duration,
) -> io::Result<()> {
    for line in lines {
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

/// What the client still sends is not read: where its next request begins cannot be known. It gets the error, and what comes is
/// discarded for a moment, so that it comes to read that.
async fn close_refused(read: BufReader<OwnedReadHalf>, mut write: OwnedWriteHalf, error: &AdminError, limits: Limits) {
    let _ = timeout(limits.write, write.write_all(&error_line(0, error))).await;
    let _ = write.shutdown().await;
    let mut waste = tokio::io::sink();
    let _ = timeout(limits.grace, tokio::io::copy(&mut read.take(WASTE), &mut waste)).await;
}
