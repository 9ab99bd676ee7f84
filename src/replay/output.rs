//! The capture that a replay writes: each frame that came in, and each that was sent.
//!
//! Owns its comments. What came in says what happened to it, `verdict=forward member=sip-a`; what was sent says by which frame of the
//! capture it was caused, `frame=12 member=sip-a`, or `frame=none` if by time alone.

use super::error::ReplayError;
use super::fate::Fate;
use crate::capture_file::{Direction, Packet, SNAP_LENGTH, Section, Writer};
use crate::policy::intent::{Intent, InterfaceId};
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};

/// The file that is written.
pub(super) struct Output<'a> {
    writer: Writer<BufWriter<Box<dyn Write + 'a>>>,
    file: String,
    comment: String,
}

impl<'a> Output<'a> {
    /// Begins the file, with an interface for each of the configuration's.
    pub fn create(
        create: impl FnOnce() -> io::Result<Box<dyn Write + 'a>>,
        file: &str,
        intent: &Intent,
        comment: &str,
    ) -> Result<Output<'a>, ReplayError> {
        let out = create().map_err(|why| unwritten(file, why))?;
        let application = concat!("fairlead ", env!("CARGO_PKG_VERSION"));
        let section = Section { application, comment, snap_length: SNAP_LENGTH };
        let names = intent.interfaces.iter().map(|interface| interface.name.as_str());
        let writer = Writer::new(BufWriter::new(out), &section, names).map_err(|why| unwritten(file, why))?;
        Ok(Output { writer, file: file.into(), comment: String::new() })
    }

    /// A frame came in.
    pub fn received(
        &mut self,
        (interface, at): (InterfaceId, u64),
        frame: &[u8],
        fate: Fate,
        member: Option<&str>,
    ) -> Result<(), ReplayError> {
        let (verdict, reason) = fate.words();
        self.comment.clear();
        let _ = write!(self.comment, "verdict={verdict}");
        if let Some(reason) = reason {
            let _ = write!(self.comment, " reason={reason}");
        }
        self.write((interface, at), frame, Direction::Inbound, member)
    }

    /// A frame was sent.
    pub fn sent(
        &mut self,
        (interface, at): (InterfaceId, u64),
        frame: &[u8],
        cause: Option<u64>,
        member: Option<&str>,
    ) -> Result<(), ReplayError> {
        self.comment.clear();
        let _ = match cause {
            Some(number) => write!(self.comment, "frame={number}"),
            None => write!(self.comment, "frame=none"),
        };
        self.write((interface, at), frame, Direction::Outbound, member)
    }

    /// Writes what is still kept back.
    pub fn finish(mut self) -> Result<(), ReplayError> {
        self.writer.flush().map_err(|why| unwritten(&self.file, why))
    }

    fn write(
        &mut self,
        (interface, at): (InterfaceId, u64),
        bytes: &[u8],
        direction: Direction,
        member: Option<&str>,
    ) -> Result<(), ReplayError> {
        if let Some(member) = member {
            let _ = write!(self.comment, " member={member}");
        }
        let packet = Packet {
            interface: u32::from(interface.0),
            at,
            direction: Some(direction),
            drops: 0,
            comment: &self.comment,
            original_length: bytes.len() as u32,
            bytes,
        };
        self.writer.packet(&packet).map(drop).map_err(|why| unwritten(&self.file, why))
    }
}

fn unwritten(file: &str, why: io::Error) -> ReplayError {
    ReplayError::Write { file: file.into(), why }
}
