//! Writes a pcapng file: one section, its interfaces, packets.
//!
//! Owns what is written and what is not. All interfaces have one snap length and one link type, or tcpdump stops halfway; each has
//! if_tsresol 9. Nothing stands between packets, or tshark's numbers of frames are shifted. epb_verdict is not written: one run of
//! editcap or mergecap makes a file with it unreadable. A comment has no commas and is never empty, or it is cut or disappears.

use super::format::{ETHERNET, block, option};
use super::options::{pad, put, put_end};
use super::packet::Direction;
use std::io::{self, Write};

/// The snap length that keeps packets whole, in bytes: what tcpdump uses.
pub const SNAP_LENGTH: u32 = 262_144;
/// How much of a packet's comment is written, in bytes.
const MOST_COMMENT: usize = 1_024;

/// What is said of the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// The program that writes it, with its version.
    pub application: &'a str,
    /// How it came about; empty for nothing.
    pub comment: &'a str,
    /// How much of a packet is kept at most, in bytes; not zero.
    pub snap_length: u32,
}

/// One packet to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Which interface, counted from 0 in the order in which they were named.
    pub interface: u32,
    /// Nanoseconds since 1970.
    pub at: u64,
    /// Which way it went.
    pub direction: Option<Direction>,
    /// How many were lost since the packet before; nothing is written where it is zero.
    pub drops: u64,
    /// Words as `verdict=drop reason=no_route`; empty for none. At most 1,024 bytes are written; a comma becomes a semicolon, and
    /// what cannot be printed a space.
    pub comment: &'a str,
    /// Length of the frame on the wire, in bytes, if it is more than `bytes`.
    pub original_length: u32,
    /// The frame from its destination MAC on.
    pub bytes: &'a [u8],
}

/// A pcapng file that is being written. Nothing is kept back but by the `Write` it was given.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    snap_length: u32,
    interfaces: u32,
    written: u64,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the head of the file: the section, and interfaces of these names.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn new<'n>(out: W, section: &Section<'_>, names: impl IntoIterator<Item = &'n str>) -> io::Result<Self> {
        let mut writer =
            Self { out, snap_length: section.snap_length.max(1), interfaces: 0, written: 0, block: Vec::new() };
        writer.begin(block::SECTION);
        writer.block.extend_from_slice(&block::BYTE_ORDER.to_le_bytes());
        // Version 1.0, and a length of the section that is not known.
        writer.block.extend_from_slice(&[1, 0, 0, 0]);
        writer.block.extend_from_slice(&u64::MAX.to_le_bytes());
        if !section.comment.is_empty() {
            put(&mut writer.block, option::COMMENT, start(section.comment, usize::from(u16::MAX)));
        }
        put(&mut writer.block, option::SECTION_APPLICATION, start(section.application, MOST_COMMENT));
        put_end(&mut writer.block);
        writer.end()?;
        for name in names {
            writer.interface(name)?;
        }
        Ok(writer)
    }

    /// Writes a packet; says by how many bytes the file grew.
    ///
    /// # Errors
    ///
    /// Those of `out`. A packet of an interface that was not named is [`io::ErrorKind::InvalidInput`].
    pub fn packet(&mut self, packet: &Packet<'_>) -> io::Result<u64> {
        if packet.interface >= self.interfaces {
            let message = format!("interface {} of a capture file that has {}", packet.interface, self.interfaces);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let kept = &packet.bytes[..packet.bytes.len().min(self.snap_length as usize)];
        let original = packet.original_length.max(packet.bytes.len() as u32);
        self.begin(block::ENHANCED);
        let fields = [packet.interface, (packet.at >> 32) as u32, packet.at as u32, kept.len() as u32, original];
        for field in fields {
            self.block.extend_from_slice(&field.to_le_bytes());
        }
        self.block.extend_from_slice(kept);
        pad(&mut self.block);
        let without = self.block.len();
        if !packet.comment.is_empty() {
            self.comment(packet.comment);
        }
        if let Some(direction) = packet.direction {
            put(&mut self.block, option::PACKET_FLAGS, &direction.flags().to_le_bytes());
        }
        if packet.drops > 0 {
            put(&mut self.block, option::PACKET_DROPS, &packet.drops.to_le_bytes());
        }
        if self.block.len() > without {
            put_end(&mut self.block);
        }
        let before = self.written;
        self.end()?;
        Ok(self.written - before)
    }

    /// How long the file is so far, in bytes.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Hands on what `out` still keeps.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn interface(&mut self, name: &str) -> io::Result<()> {
        self.begin(block::INTERFACE);
        self.block.extend_from_slice(&u32::from(ETHERNET).to_le_bytes());
        self.block.extend_from_slice(&self.snap_length.to_le_bytes());
        if !name.is_empty() {
            put(&mut self.block, option::INTERFACE_NAME, start(name, MOST_COMMENT));
        }
        put(&mut self.block, option::INTERFACE_RESOLUTION, &[9]);
        put_end(&mut self.block);
        self.interfaces += 1;
        self.end()
    }

    fn comment(&mut self, comment: &str) {
        let begin = self.block.len();
        put(&mut self.block, option::COMMENT, start(comment, MOST_COMMENT));
        let value = begin + 4..begin + 4 + start(comment, MOST_COMMENT).len();
        for byte in &mut self.block[value] {
            match byte {
                b',' => *byte = b';',
                0..=0x1f | 0x7f => *byte = b' ',
                _ => {}
            }
        }
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.block.extend_from_slice(&kind.to_le_bytes());
        self.block.extend_from_slice(&[0; 4]);
    }

    /// Ends the block with its length, which stands at both of its ends, and writes it.
    fn end(&mut self) -> io::Result<()> {
        let length = (self.block.len() as u32 + 4).to_le_bytes();
        self.block[4..8].copy_from_slice(&length);
        self.block.extend_from_slice(&length);
        self.out.write_all(&self.block)?;
        self.written += self.block.len() as u64;
        Ok(())
    }
}

/// The first `most` bytes of a text, or a little less so that its last character is whole.
fn start(text: &str, most: usize) -> &[u8] {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text.as_bytes()[..end.unwrap_or(0)]
}
