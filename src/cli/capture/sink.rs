//! Where captured frames go: lines, JSON, a file or several.
//!
//! Owns the files. Each begins whole, with its section and interfaces, and is whole after each flush; a file is readable by its owner only,
//! whoever could read it before, for what people say to each other may stand in it.

use super::lines;
use crate::admin::capture::{CaptureBegun, CaptureSide, CapturedRow};
use crate::capture_file::{Direction, Packet, Section, Writer};
use crate::cli::commands::capture::Capture;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Files that are kept unless it is said how many.
const FILES: u32 = 10;

/// See the head of this file.
pub enum Sink {
    /// A line for each frame.
    Lines(BufWriter<StdoutLock<'static>>, Form),
    /// pcapng.
    Files(Box<Files>),
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Sink {
    /// What was asked for.
    ///
    /// # Errors
    ///
    /// Those of the first file.
    pub fn open(wanted: &Capture, begun: &CaptureBegun) -> io::Result<Sink> {
        let Some(path) = &wanted.write else {
            let form = if wanted.json { Form::Json } else { Form::Text };
            return Ok(Sink::Lines(BufWriter::new(io::stdout().lock()), form));
        };
        let size = wanted.file_size;
        let kept = size.map(|_| wanted.files.unwrap_or(FILES));
        let comment = format!("fairlead capture {} {}", begun.capture, wanted.filter.join(" "));
        Sink::files(path, (size, kept), comment, begun)
    }

    /// A recording's file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn recording(path: &Path, begun: &CaptureBegun) -> io::Result<Sink> {
        Sink::files(path, (None, None), format!("fairlead recorder {}", begun.capture), begun)
    }

    fn files(
        path: &Path,
        (size, kept): (Option<u64>, Option<u32>),
        comment: String,
        begun: &CaptureBegun,
    ) -> io::Result<Sink> {
        let (path, interfaces, snaplen) = (path.to_owned(), begun.interfaces.clone(), begun.snaplen);
        let mut files = Box::new(Files { path, size, kept, number: 0, interfaces, snaplen, comment, open: None });
        files.next()?;
        Ok(Sink::Files(files))
    }

    /// A frame.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn frame(&mut self, row: &CapturedRow, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Lines(out, Form::Text) => out.write_all(lines::line(row, bytes).as_bytes()),
            Sink::Lines(out, Form::Json) => {
                serde_json::to_writer(&mut *out, &lines::object(row, bytes))?;
                out.write_all(b"\n")
            }
            Sink::Files(files) => files.frame(row, bytes),
        }
    }

    /// Whoever reads along sees all that came.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Lines(out, _) => out.flush(),
            Sink::Files(files) => files.open.as_mut().map_or(Ok(()), Writer::flush),
        }
    }

    /// Nothing more comes.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn end(mut self) -> io::Result<()> {
        self.flush()
    }
}

/// pcapng files, one after the other.
pub struct Files {
    path: PathBuf,
    /// Another one is begun at this size.
    size: Option<u64>,
    /// How many there are, at most.
    kept: Option<u32>,
    /// Of the one that is open, from 1.
    number: u32,
    interfaces: Vec<String>,
    snaplen: u32,
    comment: String,
    open: Option<Writer<Box<dyn Write>>>,
}

impl Files {
    fn frame(&mut self, row: &CapturedRow, bytes: &[u8]) -> io::Result<()> {
        let is_full = |written: u64| self.size.is_some_and(|size| written + bytes.len() as u64 + 256 > size);
        if self.open.as_ref().is_none_or(|open| is_full(open.written())) {
            self.next()?;
        }
        let interface = self.interfaces.iter().position(|name| *name == row.interface).unwrap_or(0);
        let direction = if row.side == CaptureSide::Before { Direction::Inbound } else { Direction::Outbound };
        let comment = comment(row);
        let packet = Packet {
            interface: interface as u32,
            at: row.at_ns,
            direction: Some(direction),
            drops: row.lost,
            comment: &comment,
            original_length: row.length,
            bytes,
        };
        match &mut self.open {
            Some(open) => open.packet(&packet).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Begins the next file; the one before is written out.
    fn next(&mut self) -> io::Result<()> {
        if let Some(mut before) = self.open.take() {
            before.flush()?;
        }
        let path = match self.kept {
            Some(kept) => {
                self.number = self.number % kept + 1;
                numbered(&self.path, self.number)
            }
            None => self.path.clone(),
        };
        let out: Box<dyn Write> = match path.as_os_str() == "-" {
            true => Box::new(BufWriter::new(io::stdout().lock())),
            false => {
                let named = |why: io::Error| io::Error::new(why.kind(), format!("{}: {}", path.display(), told(&why)));
                Box::new(BufWriter::with_capacity(256 << 10, private(&path).map_err(named)?))
            }
        };
        let application = concat!("fairlead ", env!("CARGO_PKG_VERSION"));
        let section = Section { application, comment: &self.comment, snap_length: self.snaplen };
        self.open = Some(Writer::new(out, &section, self.interfaces.iter().map(String::as_str))?);
        Ok(())
    }
}

/// A file that only its owner reads from now on, empty. A link is not followed: whoever put it there would choose what is overwritten.
fn private(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW.bits() as i32;
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)?;
    // Devices and pipes are as they are.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.set_len(0)?;
    }
    Ok(file)
}

fn told(why: &io::Error) -> String {
    match why.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
        true => "it is a symbolic link: name the file itself, or `-` for the standard output".into(),
        false => why.to_string(),
    }
}

/// `calls.pcapng` as `calls.3.pcapng`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let name = match path.extension() {
        Some(ending) => format!("{number}.{}", ending.display()),
        None => number.to_string(),
    };
    path.with_extension(name)
}

/// Verdict and reason first; no commas.
fn comment(row: &CapturedRow) -> String {
    let mut text = format!("verdict={}", row.verdict);
    let more = [("reason", row.reason.as_deref()), ("member", row.member.as_deref())];
    for (key, value) in more.into_iter().filter_map(|(key, value)| Some((key, value?))) {
        text += &format!(" {key}={value}");
    }
    text += &format!(" side={} packet={} worker={}", row.side, row.packet, row.worker);
    text + &row.flow.as_ref().map_or_else(String::new, |flow| format!(" flow={flow}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_owners_alone_also_if_it_was_there_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [there, fresh, link] = ["there", "fresh", "link"].map(|name| folder.path().join(name));
        std::fs::write(&there, "what stood in it").unwrap();
        std::fs::set_permissions(&there, Permissions::from_mode(0o644)).unwrap();
        for path in [&there, &fresh] {
            let file = private(path).unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, 0), "{}", path.display());
        }
        std::fs::write(&there, "kept").unwrap();
        std::os::unix::fs::symlink(&there, &link).unwrap();
        let why = private(&link).unwrap_err();
        assert!(told(&why).contains("symbolic link"), "{why:?}");
        assert_eq!(std::fs::read(&there).unwrap(), b"kept");
        private(Path::new("/dev/null")).unwrap();
    }

    #[test]
    fn files_of_a_ring_are_numbered_before_their_ending() {
        assert_eq!(numbered(Path::new("/tmp/calls.pcapng"), 3), Path::new("/tmp/calls.3.pcapng"));
        assert_eq!(numbered(Path::new("calls"), 1), Path::new("calls.1"));
    }
}
