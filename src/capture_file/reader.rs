//! Reads packets from a capture file, whichever of the formats it is.
//!
//! Owns the walk from block to block and what was said of interfaces before. Holds one block at a time; what says nothing of packets
//! is passed over, however long it is.

use super::error::{Fault, ReadError};
use super::format::{ETHERNET, MOST_BLOCK, MOST_INTERFACES, MOST_PACKET, Order, block};
use super::packet::{Captured, Interface};
use super::pcap;
use super::pcapng::{self, Fields};
use super::source::{READ_AHEAD, Source};
use std::io::Read;

/// What a reader holds at most of a file, in bytes: a block, and as much again while the buffer for it grows, names of interfaces,
/// and the 64 kB that are read ahead.
pub const MOST_MEMORY: usize = 2 * MOST_BLOCK + MOST_INTERFACES * 1_536 + READ_AHEAD;

/// A capture file that is being read.
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<R>,
    format: Format,
    interfaces: Vec<Interface>,
    section: u64,
    number: u64,
    /// The block that is being looked at, without its trailing length; of pcap, a packet.
    block: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Format {
    Pcap(pcap::Header),
    Pcapng(Order),
}

/// The head of a block.
struct Head {
    at: u64,
    kind: u32,
    length: u32,
}

impl<R: Read> Reader<R> {
    /// Reads the head of the file.
    ///
    /// # Errors
    ///
    /// If it is neither pcap nor pcapng, or cannot be read.
    pub fn new(inner: R) -> Result<Self, ReadError> {
        let mut source = Source::new(inner);
        let mut first = Vec::new();
        source.read(&mut first, 4)?;
        let Some(magic) = first.first_chunk::<4>().copied() else {
            return Err(at(
                0,
                if first.is_empty() { Fault::Empty } else { cut("the head of the file", 4 - first.len()) },
            ));
        };
        let mut reader = Self {
            source,
            format: Format::Pcapng(Order::Little),
            interfaces: Vec::new(),
            section: 1,
            number: 0,
            block: first,
        };
        if let Some((order, unit)) = pcap::magic(magic) {
            reader.pcap_header(order, unit)?;
        } else if u32::from_be_bytes(magic) == block::SECTION {
            reader.section = 0;
            reader.source.read_on(&mut reader.block, 4)?;
            let head = reader.head_of(0)?;
            reader.section_header(&head)?;
        } else {
            return Err(at(0, foreign(magic)));
        }
        Ok(reader)
    }

    /// What the present section describes so far; a pcap file has one without a name.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// How many bytes of the file were read.
    pub fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// What it holds now, in bytes: at most [`MOST_MEMORY`].
    pub fn memory(&self) -> usize {
        let names: usize = self.interfaces.iter().filter_map(|it| Some(it.name.as_ref()?.capacity())).sum();
        self.block.capacity() + self.interfaces.capacity() * size_of::<Interface>() + names + READ_AHEAD
    }

    /// The next packet, or `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// If the file is damaged or cut here, or a packet is not of Ethernet. What is behind is not looked for.
    pub fn next_packet(&mut self) -> Result<Option<Captured<'_>>, ReadError> {
        match self.format.clone() {
            Format::Pcap(header) => self.next_record(&header),
            Format::Pcapng(_) => loop {
                let Some(head) = self.next_head()? else { return Ok(None) };
                if let Some(fields) = self.block(&head)? {
                    return self.captured(head.at, fields).map(Some);
                }
            },
        }
    }

    fn pcap_header(&mut self, order: Order, unit: u64) -> Result<(), ReadError> {
        self.source.read_on(&mut self.block, pcap::HEADER - 4)?;
        if self.block.len() < pcap::HEADER {
            return Err(at(0, cut("the head of the file", pcap::HEADER - self.block.len())));
        }
        let header = pcap::header(&self.block, order, unit).map_err(|fault| at(0, fault))?;
        self.interfaces.push(header.interface.clone());
        self.format = Format::Pcap(header);
        Ok(())
    }

    fn next_record(&mut self, header: &pcap::Header) -> Result<Option<Captured<'_>>, ReadError> {
        let begin = self.source.offset();
        self.source.read(&mut self.block, pcap::RECORD)?;
        if self.block.is_empty() {
            return Ok(None);
        }
        if self.block.len() < pcap::RECORD {
            return Err(at(begin, cut("the head of a packet", pcap::RECORD - self.block.len())));
        }
        let record = header.record(&self.block).map_err(|fault| at(begin, fault))?;
        self.source.read(&mut self.block, record.captured)?;
        if self.block.len() < record.captured {
            return Err(at(begin, cut("a packet", record.captured - self.block.len())));
        }
        self.number += 1;
        let (bytes, original_length) = without_checksum(&self.block, record.original, header.fcs);
        Ok(Some(Captured {
            number: self.number,
            section: 1,
            interface: 0,
            described: &self.interfaces[0],
            at: Some(record.at),
            direction: None,
            drops: None,
            original_length,
            bytes,
            comment: None,
        }))
    }

    /// The head of the next block, or `None` at the end of the file.
    fn next_head(&mut self) -> Result<Option<Head>, ReadError> {
        let begin = self.source.offset();
        self.source.read(&mut self.block, 8)?;
        if self.block.is_empty() { Ok(None) } else { self.head_of(begin).map(Some) }
    }

    /// Reads the head of a block of which eight bytes are there, and checks its length. The head of a section says itself in which
    /// order it is written.
    fn head_of(&mut self, begin: u64) -> Result<Head, ReadError> {
        if self.block.len() < 8 {
            return Err(at(begin, cut("the head of a block", 8 - self.block.len())));
        }
        if self.order().u32(&self.block, 0) == block::SECTION {
            self.source.read_on(&mut self.block, 4)?;
            let Some(mark) = self.block.get(8..).and_then(<[u8]>::first_chunk::<4>) else {
                return Err(at(begin, cut("the head of a section", 12 - self.block.len())));
            };
            self.format = Format::Pcapng(pcapng::order(*mark).map_err(|fault| at(begin + 8, fault))?);
        }
        let (kind, length) = (self.order().u32(&self.block, 0), self.order().u32(&self.block, 4));
        let least = pcapng::least(kind);
        let wrong = |why| at(begin, Fault::BlockLength { kind, length, why });
        if length % 4 != 0 {
            return Err(wrong("which is no multiple of 4"));
        }
        if length < least.unwrap_or(12) {
            return Err(wrong("less than such a block takes"));
        }
        if least.is_some() && length as usize > MOST_BLOCK {
            return Err(at(begin, Fault::BlockTooLong(u64::from(length))));
        }
        Ok(Head { at: begin, kind, length })
    }

    /// Reads a block to its end; gives the fields of a packet if it is one.
    fn block(&mut self, head: &Head) -> Result<Option<Fields>, ReadError> {
        let order = self.order();
        if pcapng::least(head.kind).is_none() {
            return self.skip(head).map(|()| None);
        }
        if head.kind == block::SECTION {
            return self.section_header(head).map(|()| None);
        }
        self.body(head)?;
        let wrong = |(inside, fault): pcapng::Wrong| at(head.at + inside as u64, fault);
        let fields = match head.kind {
            block::INTERFACE => {
                if self.interfaces.len() == MOST_INTERFACES {
                    return Err(at(head.at, Fault::TooManyInterfaces));
                }
                self.interfaces.push(pcapng::interface(&self.block, order).map_err(wrong)?);
                return Ok(None);
            }
            block::ENHANCED => pcapng::enhanced(&self.block, order),
            block::PACKET => pcapng::obsolete(&self.block, order),
            _ => {
                let snap_length = self.interfaces.first().map_or(0, |interface| interface.snap_length);
                pcapng::simple(&self.block, order, snap_length)
            }
        };
        fields.map(Some).map_err(wrong)
    }

    fn section_header(&mut self, head: &Head) -> Result<(), ReadError> {
        self.body(head)?;
        pcapng::section(&self.block, self.order()).map_err(|(inside, fault)| at(head.at + inside as u64, fault))?;
        self.section += 1;
        self.interfaces.clear();
        Ok(())
    }

    /// Reads what is left of a block, and its length once more at its end.
    fn body(&mut self, head: &Head) -> Result<(), ReadError> {
        let length = head.length as usize;
        let rest = length - self.block.len();
        self.source.read_on(&mut self.block, rest)?;
        if self.block.len() < length {
            return Err(at(head.at, cut("a block", length - self.block.len())));
        }
        self.ends(head, self.order().u32(&self.block, length - 4))?;
        self.block.truncate(length - 4);
        Ok(())
    }

    /// Passes over a block.
    fn skip(&mut self, head: &Head) -> Result<(), ReadError> {
        let rest = u64::from(head.length) - 12;
        let skipped = self.source.skip(rest)?;
        self.source.read(&mut self.block, 4)?;
        let missing = rest - skipped + (4 - self.block.len() as u64);
        if missing > 0 {
            return Err(at(head.at, Fault::Cut { what: "a block", missing }));
        }
        self.ends(head, self.order().u32(&self.block, 0))
    }

    fn ends(&self, head: &Head, trailing: u32) -> Result<(), ReadError> {
        if trailing == head.length { Ok(()) } else { Err(at(head.at, Fault::BlockEnds(head.length, trailing))) }
    }

    /// The packet that stands in the present block.
    fn captured(&mut self, begin: u64, fields: Fields) -> Result<Captured<'_>, ReadError> {
        let known = self.interfaces.len();
        let interface = fields.interface;
        let Some(described) = self.interfaces.get(interface as usize) else {
            return Err(at(begin, Fault::NoInterface { interface, known }));
        };
        if described.link != ETHERNET {
            return Err(at(begin, Fault::Link(described.link)));
        }
        if fields.bytes.len() > MOST_PACKET {
            return Err(at(begin, Fault::PacketTooLong(fields.bytes.len() as u64)));
        }
        let time = |stamp| described.clock.nanoseconds(stamp).ok_or_else(|| at(begin, Fault::Time));
        let stamp = fields.stamp.map(time).transpose()?;
        self.number += 1;
        let (bytes, original_length) = without_checksum(&self.block[fields.bytes], fields.original, fields.fcs);
        Ok(Captured {
            number: self.number,
            section: self.section,
            interface: interface as usize,
            described: &self.interfaces[interface as usize],
            at: stamp,
            direction: fields.direction,
            drops: fields.drops,
            original_length,
            bytes,
            comment: fields.comment.map(|comment| &self.block[comment]),
        })
    }

    fn order(&self) -> Order {
        match &self.format {
            Format::Pcap(header) => header.order,
            Format::Pcapng(order) => *order,
        }
    }
}

/// What is kept of a frame that ends with a checksum of `fcs` bytes, and how long it is on the wire without it.
fn without_checksum(bytes: &[u8], original: u32, fcs: usize) -> (&[u8], u32) {
    let original = original.saturating_sub(fcs as u32);
    (&bytes[..bytes.len().min(original as usize)], original)
}

fn foreign(magic: [u8; 4]) -> Fault {
    match magic {
        [0x1f, 0x8b, ..] => Fault::Packed { what: "compressed by gzip", remedy: "unpack it with `gunzip` first" },
        [0x28, 0xb5, 0x2f, 0xfd] => {
            Fault::Packed { what: "compressed by zstd", remedy: "unpack it with `unzstd` first" }
        }
        [0x04, 0x22, 0x4d, 0x18] => Fault::Packed { what: "compressed by lz4", remedy: "unpack it with `unlz4` first" },
        [0xa1, 0xb2, 0xcd, 0x34] | [0x34, 0xcd, 0xb2, 0xa1] | [b's', b'n', b'o', b'o'] => {
            Fault::Packed { what: "another capture format", remedy: "convert it with `editcap -F pcapng IN OUT` first" }
        }
        other => Fault::Foreign(other),
    }
}

fn cut(what: &'static str, missing: usize) -> Fault {
    Fault::Cut { what, missing: missing as u64 }
}

fn at(offset: u64, fault: Fault) -> ReadError {
    ReadError { offset, fault }
}
