//! Where captured frames go: lines, JSON, a file or several.
//!
//! Owns the files. Each begins whole, with its section and interfaces, and is whole after each flush; a file is readable by its owner only,
//! for what people say to each other may stand in it.

use super::lines;
use crate::admin::capture::{CaptureBegun, CaptureSide, CapturedRow};
use crate::capture_file::{Direction, Packet, Section, Writer};
use crate::cli::commands::capture::Capture;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::os::unix::fs::OpenOptionsExt;
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
        let words = wanted.filter.join(" ");
        let comment = format!("fairlead capture {} {words}", begun.capture);
        let interfaces = begun.interfaces.clone();
        let files = Files {
            path: path.clone(),
            size,
            kept,
            number: 0,
            interfaces,
            snaplen: begun.snaplen,
            comment,
            open: None,
        };
        let mut files = Box::new(files);
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
                let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
                let named = |why: io::Error| io::Error::new(why.kind(), format!("{}: {why}", path.display()));
                Box::new(BufWriter::with_capacity(256 << 10, file.map_err(named)?))
            }
        };
        let application = concat!("fairlead ", env!("CARGO_PKG_VERSION"));
        let section = Section { application, comment: &self.comment, snap_length: self.snaplen };
        self.open = Some(Writer::new(out, &section, self.interfaces.iter().map(String::as_str))?);
        Ok(())
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
    text + &format!(" side={} packet={} worker={}", row.side, row.packet, row.worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_ring_are_numbered_before_their_ending() {
        assert_eq!(numbered(Path::new("/tmp/calls.pcapng"), 3), Path::new("/tmp/calls.3.pcapng"));
        assert_eq!(numbered(Path::new("calls"), 1), Path::new("calls.1"));
    }
}
