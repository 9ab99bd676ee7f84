//! The parts of a capture, from the appliance.
//!
//! Owns the connection: the request, the line that answers it, and the parts behind it. What is too long to be a part is an error.

use crate::admin::Request;
use crate::admin::capture::{CapturePart, SNAPLEN_MAX};
use crate::cli::client::{self, Failure, Numbered};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of what is in front of a frame, at most.
const HEAD_MAX: usize = 64 << 10;

/// A capture that has begun.
pub struct Parts {
    socket: PathBuf,
    patience: Duration,
    stream: UnixStream,
    read: BufReader<UnixStream>,
    /// What the first line says.
    pub begun: Value,
    head: Vec<u8>,
    frame: Vec<u8>,
}

impl Parts {
    /// Asks for it. Nothing is waited for longer than `patience`.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub fn open(socket: &Path, request: &Request, patience: Duration) -> Result<Parts, Failure> {
        let unreachable = |why: io::Error| client::unconnected(socket, &why);
        let stream = UnixStream::connect(socket).map_err(unreachable)?;
        let read = stream.try_clone().and_then(|read| read.set_read_timeout(Some(patience)).map(|()| read));
        let read = BufReader::with_capacity(256 << 10, read.map_err(unreachable)?);
        let begun = Value::Null;
        let mut parts =
            Parts { socket: socket.into(), patience, stream, read, begun, head: Vec::new(), frame: Vec::new() };
        let line =
            serde_json::to_string(&Numbered { id: 1, request }).map_err(|why| client::unreadable(&why.to_string()))?;
        // A server that is full says so and closes without reading: what it said must still be read.
        let written = parts.stream.write_all(format!("{line}\n").as_bytes());
        let mut answer = Vec::new();
        match parts.read.read_until(b'\n', &mut answer) {
            Ok(_) if answer.ends_with(b"\n") => parts.begun = client::read(&answer)?.data,
            Ok(_) => return Err(parts.failure(written.err().unwrap_or(io::ErrorKind::UnexpectedEof.into()))),
            Err(why) => return Err(parts.failure(why)),
        }
        Ok(parts)
    }

    /// The next part, and its frame.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub fn next(&mut self) -> Result<(CapturePart, &[u8]), Failure> {
        let mut lengths = [0; 8];
        self.read.read_exact(&mut lengths).map_err(|why| self.failure(why))?;
        let [a, b, c, d, e, f, g, h] = lengths;
        let [head, frame] = [[a, b, c, d], [e, f, g, h]].map(|bytes| u32::from_le_bytes(bytes) as usize);
        if head > HEAD_MAX || frame > SNAPLEN_MAX as usize {
            return Err(client::unreadable(&format!("a part of {head} and {frame} bytes")));
        }
        self.head.resize(head, 0);
        self.frame.resize(frame, 0);
        let read = self.read.read_exact(&mut self.head).and_then(|()| self.read.read_exact(&mut self.frame));
        read.map_err(|why| self.failure(why))?;
        let part = serde_json::from_slice(&self.head).map_err(|why| client::unreadable(&why.to_string()))?;
        Ok((part, &self.frame))
    }

    /// All that has come was read.
    pub fn is_drained(&self) -> bool {
        self.read.buffer().is_empty()
    }

    /// Nothing more is wanted: what was captured until now comes, and the end.
    pub fn stop(&self) {
        stop(&self.stream);
    }

    /// To say that nothing more is wanted from elsewhere.
    pub fn stopper(&self) -> io::Result<UnixStream> {
        self.stream.try_clone()
    }

    fn failure(&self, why: io::Error) -> Failure {
        match why.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Failure::Silent(client::silent(&self.socket, self.patience))
            }
            _ => Failure::Unreachable(client::broke_off(&self.socket, &why)),
        }
    }
}

/// Closes this side: the appliance takes that as the end.
pub fn stop(stream: &UnixStream) {
    // Of one that is closed already nothing comes any more either.
    _ = stream.shutdown(Shutdown::Write);
}
