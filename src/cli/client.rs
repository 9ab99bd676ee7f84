//! The client's end of the admin socket.
//!
//! Owns one question and its answer, and the words for why the appliance cannot be reached. Shows nothing.

use crate::admin::line::AnswerLine;
use crate::admin::rows::Total;
use crate::admin::{AdminError, Request};
use serde::Serialize;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody is there.
    #[error("the appliance cannot be reached at {0}")]
    Unreachable(String),
    /// Somebody may be there, and whoever asks may not.
    #[error("the appliance cannot be reached at {socket}: you may not open it{why}: {remedy}")]
    Forbidden {
        /// The socket.
        socket: String,
        /// Who may.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// Somebody is there and says nothing.
    #[error("the appliance does not answer at {0}")]
    Silent(String),
    /// The appliance says no.
    #[error("{0}")]
    Refused(AdminError),
    /// What came is not an answer.
    #[error("{0}")]
    Unreadable(String),
}

#[derive(Serialize)]
pub(super) struct Numbered<'a> {
    pub(super) id: u64,
    #[serde(flatten)]
    pub(super) request: &'a Request,
}

/// Asks one question; the rows of a long answer come back as one array, or, where there may be more than these, as `rows` of an
/// object with `total` and `exact`. Nothing is waited for longer than `patience`: the
/// connection, or a line of the answer.
///
/// # Errors
/// See [`Failure`]. The text is for the operator: socket, likely reason, remedy.
pub fn ask(socket: &Path, request: &Request, patience: Duration) -> Result<Value, Failure> {
    let request = serde_json::to_string(&Numbered { id: 1, request }).map_err(|why| unreadable(&why.to_string()))?;
    let (sender, lines) = sync_channel(1);
    let path = socket.to_owned();
    // On a thread of its own: connecting to a listener that accepts nobody cannot be given a time limit.
    std::thread::spawn(move || {
        if let Err(failure) = converse(&path, &request, &sender) {
            let _ = sender.send(Err(failure));
        }
    });
    let next = || match lines.recv_timeout(patience) {
        Ok(line) => line.and_then(|line| read(&line)),
        Err(_) => Err(Failure::Silent(silent(socket, patience))),
    };
    let AnswerLine { mut more, mut data, mut total, .. } = next()?;
    while more {
        let line = next()?;
        match (&mut data, line.data) {
            (Value::Array(rows), Value::Array(part)) => rows.extend(part),
            _ => return Err(unreadable("a multi-line answer that is not a list of rows")),
        }
        (more, total) = (line.more, line.total);
    }
    Ok(match total {
        Some(Total { count, exact }) => json!({ "rows": data, "total": count, "exact": exact }),
        None => data,
    })
}

/// The process that listens at the socket, as the kernel says (SO_PEERCRED, unix(7)); `None`: nobody does, or it has no number here.
pub fn listener(socket: &Path) -> Option<u32> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_nonblocking(true).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().ok()?;
    let _inside = runtime.enter();
    let stream = tokio::net::UnixStream::from_std(stream).ok()?;
    u32::try_from(stream.peer_cred().ok()?.pid()?).ok().filter(|id| *id > 0)
}

/// Asks, and passes on each line of the answer until nobody wants another.
fn converse(socket: &Path, request: &str, lines: &SyncSender<Result<Vec<u8>, Failure>>) -> Result<(), Failure> {
    let stream = UnixStream::connect(socket).map_err(|why| unconnected(socket, &why))?;
    // A server that is full says so and closes without reading: what it said must still be read.
    let mut written = (&stream).write_all(format!("{request}\n").as_bytes());
    let mut answer = BufReader::new(&stream);
    loop {
        let mut line = Vec::new();
        let whole = answer.read_until(b'\n', &mut line);
        let whole = whole.and_then(|_| match line.ends_with(b"\n") {
            true => Ok(line),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        });
        let line = match (whole, std::mem::replace(&mut written, Ok(()))) {
            (Err(_), Err(why)) | (Err(why), Ok(())) => return Err(Failure::Unreachable(broke_off(socket, &why))),
            (Ok(line), _) => line,
        };
        if lines.send(Ok(line)).is_err() {
            return Ok(());
        }
    }
}

pub(super) fn read(line: &[u8]) -> Result<AnswerLine, Failure> {
    let line: AnswerLine = serde_json::from_slice(line).map_err(|why| unreadable(&why.to_string()))?;
    match line {
        AnswerLine { ok: true, .. } => Ok(line),
        AnswerLine { error: Some(error), .. } => Err(Failure::Refused(error)),
        _ => Err(unreadable("neither `ok` nor an error")),
    }
}

pub(super) fn unreadable(why: &str) -> Failure {
    Failure::Unreadable(format!(
        "the appliance's answer cannot be read ({why}): is it Fairlead {}, and not another version or program?",
        env!("CARGO_PKG_VERSION")
    ))
}

pub(super) fn broke_off(socket: &Path, why: &io::Error) -> String {
    format!("{}: it closed the connection before answering ({why}); it may be stopping: see its log", socket.display())
}

pub(super) fn silent(socket: &Path, patience: Duration) -> String {
    let (socket, seconds) = (socket.display(), patience.as_secs());
    format!(
        "{socket}: nothing came in {seconds} s; it is stopped, hangs or is overloaded: see its log and \
         `systemctl status fairlead`, or wait longer with --timeout"
    )
}

/// Nobody takes the call.
pub(super) fn unconnected(socket: &Path, why: &io::Error) -> Failure {
    match why.kind() {
        io::ErrorKind::PermissionDenied => not_allowed(socket),
        _ => Failure::Unreachable(why_not(socket, why)),
    }
}

fn why_not(socket: &Path, why: &io::Error) -> String {
    let path = socket.display();
    let start = "start it (systemctl start fairlead, or fairlead run --config FILE)";
    let other = "name its socket with --socket PATH or FAIRLEAD_SOCKET if its file says another `admin_socket`";
    match why.kind() {
        io::ErrorKind::NotFound => {
            format!("{path}: there is no such socket, so it is not running: {start}; or {other}")
        }
        io::ErrorKind::ConnectionRefused => {
            format!("{path}: nothing listens there any more, so it is not running: {start}; or {other}")
        }
        _ => format!("{path}: {why}; {other}"),
    }
}

/// Who may ask: the owner and the group of the socket, or of the directory that hides it.
fn not_allowed(socket: &Path) -> Failure {
    let owner = fs::metadata(socket).or_else(|why| socket.parent().map_or(Err(why), fs::metadata));
    let group = owner.map(|metadata| group_name(metadata.gid())).ok();
    let (why, remedy) = match group.as_deref() {
        None => (String::new(), "ask as root (sudo)".into()),
        Some("root") => (", only root may".into(), "ask as root (sudo)".into()),
        Some(group) => (
            format!(", you are not in group `{group}`"),
            format!("ask as root (sudo), or join the group (usermod -aG {group} YOU, then log in again)"),
        ),
    };
    Failure::Forbidden { socket: socket.display().to_string(), why, remedy }
}

fn group_name(gid: u32) -> String {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| gid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_remedy() {
        let socket = Path::new("/nowhere/admin.sock");
        for (kind, part) in [
            (io::ErrorKind::NotFound, "systemctl start fairlead"),
            (io::ErrorKind::ConnectionRefused, "nothing listens there any more"),
            (io::ErrorKind::PermissionDenied, "you may not open it: ask as root"),
            (io::ErrorKind::Other, "--socket PATH"),
        ] {
            let text = unconnected(socket, &io::Error::from(kind)).to_string();
            let head = "the appliance cannot be reached at /nowhere/admin.sock: ";
            assert!(text.starts_with(head) && text.contains(part), "{text}");
        }
        let text = not_allowed(Path::new("/etc/group")).to_string();
        assert!(text.ends_with("you may not open it, only root may: ask as root (sudo)"), "{text}");
    }

    #[test]
    fn a_group_is_known_by_its_number() {
        assert_eq!(group_name(0), "root");
        assert_eq!(group_name(4_294_967_294), "4294967294");
    }
}
