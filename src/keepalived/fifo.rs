//! The FIFO that keepalived writes to.
//!
//! Owns that it is there before keepalived opens it, private, and the same that is read: keepalived removes one that it made itself, and
//! makes another at each reload, of which whoever reads the first one hears nothing.

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fchmod, fstat, lstat, mknodat, open};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

/// Its owner reads and writes: root's keepalived may do both whoever that is.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Longer lines than any of keepalived's are thrown away.
const LONGEST: usize = 1_024;
/// Read at once, at most.
const AT_ONCE: usize = 16 * 1_024;

/// The reading end.
pub(super) struct Fifo {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line.
    rest: Vec<u8>,
}

/// What a look into it has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Whole lines, oldest first.
    pub(super) lines: Vec<String>,
    /// Somebody has it open for writing.
    pub(super) has_writer: bool,
}

impl Fifo {
    pub(super) fn new(path: PathBuf) -> Fifo {
        Fifo { path, file: None, rest: Vec::new() }
    }

    /// Makes it where there is none, and opens the one that is there now.
    ///
    /// # Errors
    ///
    /// Why nothing can be heard, with the path and what to do.
    pub(super) fn keep(&mut self) -> Result<(), String> {
        let outcome = self.keep_open();
        outcome.map_err(|error| {
            self.file = None;
            format!("{}, keepalived's notify FIFO, cannot be read: {error}", self.path.display())
        })
    }

    fn keep_open(&mut self) -> Result<(), String> {
        let text = |error: Errno| io::Error::from(error).to_string();
        let stat = match lstat(&self.path) {
            Err(Errno::NOENT) => {
                mknodat(CWD, &self.path, FileType::Fifo, PRIVATE, 0).map_err(text)?;
                lstat(&self.path).map_err(text)?
            }
            other => other.map_err(text)?,
        };
        if self.is_open_as(&stat) {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        must_be_fifo(&stat)?;
        let file = open(&self.path, flags, Mode::empty()).map_err(text)?;
        let stat = fstat(&file).map_err(text)?;
        must_be_fifo(&stat)?;
        if ![geteuid().as_raw(), 0].contains(&stat.st_uid) {
            return Err(format!("it belongs to user {}, who could say who is active: remove it", stat.st_uid));
        }
        if Mode::from_raw_mode(stat.st_mode) != PRIVATE {
            fchmod(&file, PRIVATE).map_err(text)?;
        }
        self.file = Some(File::from(file));
        self.rest.clear();
        Ok(())
    }

    fn is_open_as(&self, there: &Stat) -> bool {
        let own = self.file.as_ref().and_then(|file| fstat(file).ok());
        own.is_some_and(|own| (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino))
    }

    /// What was written since, a bounded part of it.
    pub(super) fn read(&mut self) -> io::Result<Found> {
        let Some(mut file) = self.file.as_ref() else { return Ok(Found { lines: Vec::new(), has_writer: false }) };
        let (mut bytes, mut taken, mut lines) = ([0; 4_096], 0, Vec::new());
        while taken < AT_ONCE {
            match file.read(&mut bytes) {
                // The end: of those who write there is none.
                Ok(0) => return Ok(Found { lines, has_writer: false }),
                Ok(count) => {
                    taken += count;
                    take(&mut self.rest, &bytes[..count], &mut lines);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Found { lines, has_writer: true })
    }

    /// What is waited for; `None`: it could not be opened.
    pub(super) fn waits(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }
}

/// Adds bytes to the line that has begun; whole ones go to `lines`.
fn take(rest: &mut Vec<u8>, bytes: &[u8], lines: &mut Vec<String>) {
    for &byte in bytes {
        match byte {
            b'\n' if rest.len() > LONGEST => rest.clear(),
            b'\n' => lines.push(String::from_utf8_lossy(&std::mem::take(rest)).into_owned()),
            _ if rest.len() > LONGEST => {}
            _ => rest.push(byte),
        }
    }
}

fn must_be_fifo(stat: &Stat) -> Result<(), String> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => Ok(()),
        _ => Err("something else has this name: remove it, or write another path".into()),
    }
}
