//! A port made of two capture files.
//!
//! Owns [`PcapPort`]: what a capture holds is received, what is sent goes to another. Reads the classic format with
//! Ethernet frames, whole, when it is opened: a bad file is refused at the door. Reads no clock: the time written beside a
//! frame is the one last said with [`PcapPort::at`].

use super::memory::{MemoryFrame, Pool};
use super::{BURST, Frame, Port};
use crate::time::Instant;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use pcap_file::{DataLink, TsResolution};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a capture cannot be used.
#[derive(Debug, Error)]
pub enum PcapError {
    /// The file cannot be opened or made.
    #[error("{path}: {reason}: name a file that can be read, and one that can be written", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// The file is no capture.
    #[error("{path}: frame {frame}: {reason}: name a capture in the classic format (editcap -F pcap)", path = path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// Which frame, from 1; 0 for what is before the first.
        frame: usize,
        /// What is wrong.
        reason: pcap_file::PcapError,
    },
    /// The frames are not Ethernet's.
    #[error("{path}: its frames are {found}, not Ethernet: name a capture made on an Ethernet interface", path = path.display())]
    NotEthernet {
        /// Which.
        path: PathBuf,
        /// The link type found.
        found: String,
    },
    /// A frame could not be written.
    #[error("{path}: a frame cannot be written ({reason}): free space on the disk", path = path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What happened.
        reason: pcap_file::PcapError,
    },
}

/// A port that receives one file and sends into another.
pub struct PcapPort {
    pool: Pool,
    waiting: VecDeque<Vec<u8>>,
    sink: Option<Sink>,
    now: Instant,
    skipped: u64,
}

struct Sink {
    path: PathBuf,
    writer: PcapWriter<BufWriter<File>>,
    /// The first frame that could not be written; nothing is written after it.
    failed: Option<pcap_file::PcapError>,
}

impl PcapPort {
    /// Receives the frames of `read`, if given, and sends into `write`, which is made anew; without it what is sent is
    /// dropped. Buffers come from `pool`.
    ///
    /// # Errors
    /// A file that cannot be opened, or read to its end as a capture of Ethernet frames.
    pub fn open(pool: &Pool, read: Option<&Path>, write: Option<&Path>) -> Result<PcapPort, PcapError> {
        let waiting = read.map(read_all).transpose()?.unwrap_or_default();
        let sink = write.map(Sink::create).transpose()?;
        Ok(PcapPort { pool: pool.clone(), waiting, sink, now: Instant::ZERO, skipped: 0 })
    }

    /// The time to be written beside frames sent from now on.
    pub fn at(&mut self, now: Instant) {
        self.now = now;
    }

    /// How many frames of the file are still to be received.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many frames of the file were longer than a buffer and were not received.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Writes what is left to be written.
    ///
    /// # Errors
    /// The first frame that could not be written, now or before.
    pub fn finish(mut self) -> Result<(), PcapError> {
        let Some(sink) = self.sink.take() else { return Ok(()) };
        let Sink { path, writer, failed } = sink;
        let outcome = failed.map_or_else(|| writer.into_writer().flush().map_err(pcap_file::PcapError::IoError), Err);
        outcome.map_err(|reason| PcapError::Write { path, reason })
    }
}

impl Port for PcapPort {
    type Frame = MemoryFrame;

    fn receive(&mut self, burst: &mut Vec<MemoryFrame>) -> usize {
        let mut count = 0;
        while count < BURST && self.pool.available() > 0 {
            let Some(bytes) = self.waiting.pop_front() else { break };
            match self.pool.frame(&bytes) {
                Some(frame) => burst.push(frame),
                None => {
                    self.skipped += 1;
                    continue;
                }
            }
            count += 1;
        }
        count
    }

    fn transmit(&mut self, burst: &mut Vec<MemoryFrame>) -> usize {
        let count = burst.len();
        for frame in burst.drain(..) {
            if let Some(sink) = &mut self.sink {
                sink.write(self.now, frame.bytes());
            }
        }
        count
    }

    fn allocate(&mut self, length: usize) -> Option<MemoryFrame> {
        self.pool.allocate(length)
    }
}

fn read_all(path: &Path) -> Result<VecDeque<Vec<u8>>, PcapError> {
    let file = File::open(path).map_err(|reason| PcapError::File { path: path.to_owned(), reason })?;
    let format = |frame, reason| PcapError::Format { path: path.to_owned(), frame, reason };
    let mut reader = PcapReader::new(BufReader::new(file)).map_err(|reason| format(0, reason))?;
    let link = reader.header().datalink;
    if link != DataLink::ETHERNET {
        return Err(PcapError::NotEthernet { path: path.to_owned(), found: format!("{link:?}") });
    }
    let mut frames = VecDeque::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.map_err(|reason| format(frames.len() + 1, reason))?;
        frames.push_back(packet.data.into_owned());
    }
    Ok(frames)
}

impl Sink {
    fn create(path: &Path) -> Result<Sink, PcapError> {
        let file = File::create(path).map_err(|reason| PcapError::File { path: path.to_owned(), reason })?;
        let header = PcapHeader { ts_resolution: TsResolution::NanoSecond, ..PcapHeader::default() };
        let writer = PcapWriter::with_header(BufWriter::new(file), header);
        let writer = writer.map_err(|reason| PcapError::Write { path: path.to_owned(), reason })?;
        Ok(Sink { path: path.to_owned(), writer, failed: None })
    }

    fn write(&mut self, now: Instant, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let packet = PcapPacket::new(std::time::Duration::from_nanos(now.nanos()), length, bytes);
        self.failed = self.writer.write_packet(&packet).err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(read: Option<&Path>, write: Option<&Path>) -> PcapPort {
        PcapPort::open(&Pool::default(), read, write).expect("a port")
    }

    #[test]
    fn what_is_written_is_read_again_with_its_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.pcap");
        let mut port = open(None, Some(&path));
        for number in 0..100_u8 {
            port.at(Instant::from_millis(1000 + u64::from(number)));
            let mut frame = port.allocate(60 + usize::from(number)).expect("a buffer");
            frame.bytes_mut().fill(number);
            assert_eq!(port.transmit(&mut vec![frame]), 1);
        }
        port.finish().expect("written");
        let mut port = open(Some(&path), None);
        let mut burst = Vec::new();
        assert_eq!(port.receive(&mut burst), BURST);
        assert_eq!((port.receive(&mut burst), port.receive(&mut burst), port.waiting()), (100 - BURST, 0, 0));
        for (number, frame) in (0..).zip(&burst) {
            assert_eq!(frame.bytes(), vec![number; 60 + usize::from(number)]);
        }
        let mut reader = PcapReader::new(File::open(&path).expect("a file")).expect("a capture");
        let first = reader.next_packet().expect("a frame").expect("whole");
        assert_eq!(first.timestamp, std::time::Duration::from_secs(1));
    }

    #[test]
    fn a_spent_pool_leaves_frames_in_the_file_and_a_long_one_is_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.pcap");
        let mut port = open(None, Some(&path));
        let mut burst = [60, 101, 60, 60].map(|length| port.allocate(length).expect("a buffer")).into();
        port.transmit(&mut burst);
        port.finish().expect("written");
        let pool = Pool::new(2, 100);
        let mut port = PcapPort::open(&pool, Some(&path), None).expect("a port");
        assert_eq!((port.receive(&mut burst), port.skipped(), port.waiting()), (2, 1, 1));
        assert_eq!(port.receive(&mut burst), 0);
        burst.clear();
        assert_eq!(port.receive(&mut burst), 1);
    }

    #[test]
    fn a_bad_file_is_refused_at_the_door() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("a file");
            let error = PcapPort::open(&Pool::default(), Some(&path), None).err().expect("refused").to_string();
            error.replace(&*folder.path().to_string_lossy(), "")
        };
        let header = |link: u32| {
            let words = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, link];
            words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()
        };
        let remedy = "name a capture in the classic format (editcap -F pcap)";
        let text = refused("text", b"this is no capture at all, whatever its name says");
        assert!(text.starts_with("/text: frame 0: ") && text.ends_with(remedy), "{text}");
        let cut = refused("cut", &[header(1), vec![0; 10]].concat());
        assert!(cut.starts_with("/cut: frame 1: ") && cut.ends_with(remedy), "{cut}");
        let found = refused("raw", &header(101));
        assert_eq!(found, "/raw: its frames are RAW, not Ethernet: name a capture made on an Ethernet interface");
        let missing = PcapPort::open(&Pool::default(), Some(Path::new("/nosuch.pcap")), None).err().expect("refused");
        assert!(missing.to_string().starts_with("/nosuch.pcap: No such file"), "{missing}");
    }

    #[test]
    fn a_disk_that_is_full_is_said_at_the_end() {
        let mut port = open(None, Some(Path::new("/dev/full")));
        for _ in 0..200 {
            let mut burst = vec![port.allocate(1000).expect("a buffer")];
            assert_eq!(port.transmit(&mut burst), 1);
        }
        let error = port.finish().expect_err("full").to_string();
        assert!(error.starts_with("/dev/full: a frame cannot be written ("), "{error}");
    }
}
