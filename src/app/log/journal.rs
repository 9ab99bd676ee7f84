//! The journal of systemd, by its own protocol: a datagram an entry (systemd.io, "Native Journal Protocol").
//!
//! Owns the socket. It is written to by the thread of the queue, so a journal that does not read delays nobody. Its address is looked up for
//! each entry: a journal that was restarted is found again.

use super::format::BETWEEN;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Where it listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// The way to it.
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// Whoever listens at `path`; else why nobody does.
    pub(super) fn open(path: impl AsRef<Path>) -> Result<Journal, String> {
        let path = path.as_ref();
        let why = |why: io::Error| format!("there is no journal at {}: {why}", path.display());
        let socket = UnixDatagram::unbound().map_err(why)?;
        socket.connect(path).map_err(why)?;
        // Not kept: one that is connected stays with a journal that has gone.
        let socket = UnixDatagram::unbound().map_err(why)?;
        Ok(Journal { socket, path: path.to_owned() })
    }
}

impl Write for Journal {
    /// One entry, as the queue hands it out.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let entry: Vec<u8> = line.iter().map(|byte| if *byte == BETWEEN { b'\n' } else { *byte }).collect();
        self.socket.send_to(&entry, &self.path)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_datagram_of_lines_and_a_journal_that_was_restarted_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        assert!(Journal::open(&path).err().unwrap().contains("there is no journal at"));
        let mut buffer = [0; 100];
        let mut read = |socket: &UnixDatagram| {
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let first = UnixDatagram::bind(&path).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        journal.write_all(b"PRIORITY=4\x1eMESSAGE=one\n").unwrap();
        assert_eq!(read(&first), "PRIORITY=4\nMESSAGE=one\n");
        drop(first);
        assert!(journal.write_all(b"MESSAGE=lost\n").is_err());
        std::fs::remove_file(&path).unwrap();
        let second = UnixDatagram::bind(&path).unwrap();
        journal.write_all(b"MESSAGE=two\n").unwrap();
        assert_eq!(read(&second), "MESSAGE=two\n");
    }
}
