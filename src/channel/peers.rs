//! Sockets that speak TLS, and that never make anybody wait.
//!
//! Owns one connection from its first byte: the handshake, what can be read and written now, whether anything was heard, and why it has
//! ended.

use super::identity::Identity;
use openssl::ssl::{Error, ErrorCode, Ssl, SslStream};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes that are read at once.
const AT_ONCE: usize = 64 << 10;

/// A connection.
pub(super) struct Peer {
    stream: SslStream<Heard>,
    pub address: SocketAddr,
    accepts: bool,
    buffer: Box<[u8]>,
}

impl Peer {
    /// Over a socket that is connected; `accepts`: the other one has connected it.
    pub fn new(socket: TcpStream, identity: &Identity, accepts: bool) -> Result<Peer, String> {
        let said = |error: io::Error| error.to_string();
        socket.set_nonblocking(true).map_err(said)?;
        socket.set_nodelay(true).map_err(said)?;
        let address = socket.peer_addr().map_err(said)?;
        let ssl = Ssl::new(identity.context()).map_err(|error| error.to_string())?;
        let stream = SslStream::new(ssl, Heard { socket, any: false }).map_err(|error| error.to_string())?;
        Ok(Peer { stream, address, accepts, buffer: vec![0; AT_ONCE].into() })
    }

    /// Goes on with the handshake. Says whether it is over.
    pub fn shake_hands(&mut self) -> Result<bool, String> {
        let outcome = if self.accepts { self.stream.accept() } else { self.stream.connect() };
        match outcome {
            Ok(()) => Ok(true),
            Err(error) if waits(&error) => Ok(false),
            Err(error) => Err(self.words(&error)),
        }
    }

    /// Something has come since this was last asked. Over a slow way a record takes longer than anybody who is alive is silent, and nothing of
    /// it can be read before all of it is there.
    pub fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.stream.get_mut().any)
    }

    /// What has come, as much as is read at once; nothing: there is nothing.
    pub fn read(&mut self) -> Result<&[u8], String> {
        match self.stream.ssl_read(&mut self.buffer) {
            Ok(length) => Ok(&self.buffer[..length]),
            Err(error) if waits(&error) => Ok(&[]),
            Err(error) => Err(self.words(&error)),
        }
    }

    /// Writes what can be written of it now. Says how much that was.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, String> {
        match self.stream.ssl_write(bytes) {
            Ok(length) => Ok(length),
            Err(error) if waits(&error) => Ok(0),
            Err(error) => Err(self.words(&error)),
        }
    }

    fn words(&self, error: &Error) -> String {
        if error.code() == ErrorCode::ZERO_RETURN {
            return "the other appliance has closed the connection".into();
        }
        match error.io_error() {
            Some(error) => error.to_string(),
            None if error.ssl_error().is_none() => "the connection ended in the middle".into(),
            None if !self.stream.ssl().is_init_finished() => {
                format!("TLS: {error}: is `peer_certificate` on each side the certificate that the other one has now?")
            }
            None => format!("TLS: {error}"),
        }
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.get_ref().socket.as_fd()
    }
}

/// A socket that notes whether anything has come.
struct Heard {
    socket: TcpStream,
    any: bool,
}

impl Read for Heard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.socket.read(buffer)?;
        self.any |= length > 0;
        Ok(length)
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

fn waits(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE)
}
