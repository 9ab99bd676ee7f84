//! Sends files of frames over DPDK ports, again and again and at a steady rate, and frees what comes back.
//!
//! `sender CORE RATE DEVICE FILE [DEVICE FILE ...]`: frames a second over all ports together, 0 for as many as can be. The
//! rig of `scripts/bench latency` joins it to the appliance by `net_memif`, to measure at half load. It ends when it is
//! killed. `cargo build --release --features static-link --example sender`.

use anyhow::{Context, Result, bail};
use fairlead::dpdk::{Eal, EalConfig, Mbuf, PortConfig, Queue};
use fairlead::io::{BURST, Frame, Port, memory_needed_mib};
use std::fs::File;
use std::io::BufReader;
use std::time::Instant;

const MBUFS: u32 = 32_767;
const MTU: u16 = 1500;
/// Frames that go out at once at most. What is steady is bursts of this size, as from a NIC.
const TOGETHER: usize = 32;
/// Frames it may be behind by. What is more, because the core was lent to somebody, is forgiven and not made up for.
const ARREARS: f64 = 256.0;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let [core, rate, ports @ ..] = &words[..] else { bail!("sender CORE RATE DEVICE FILE [DEVICE FILE ...]") };
    let core = core.parse().context("CORE is no number")?;
    let rate: f64 = rate.parse().context("RATE is no number")?;
    let (pairs, []) = ports.as_chunks::<2>() else { bail!("each DEVICE needs a FILE") };
    let eal = Eal::init(&EalConfig {
        main_core: core,
        worker_cores: vec![core],
        hugepages: false,
        memory_mb: memory_needed_mib(MBUFS, MTU),
        devices: pairs.iter().map(|[device, _]| device.clone()).collect(),
        file_prefix: Some(format!("fairlead-sender-{}", std::process::id())),
        extra: Vec::new(),
    })?;
    let wanted: Vec<_> = pairs.iter().enumerate().map(|(at, [device, _])| port(at, device)).collect();
    let mut open = eal.open_ports(&wanted, 1, MBUFS)?;
    let mut lines = Vec::new();
    for (queue, [_, file]) in open.queues_for(0).into_iter().zip(pairs) {
        let pace = Pace { began: Instant::now(), granted: 0.0 };
        lines.push(Line { queue, frames: read(file)?, at: 0, out: Vec::new(), back: Vec::new(), pace });
    }
    std::thread::scope(|scope| scope.spawn(|| eal.run_worker(core, || send(lines, rate))).join())
        .unwrap_or_else(|_| std::process::exit(101))?;
    Ok(())
}

fn port(at: usize, device: &str) -> PortConfig {
    PortConfig { name: format!("port-{at}"), device: device.to_owned(), mtu: MTU, queues: Some(1), rss: None }
}

fn read(file: &str) -> Result<Vec<Vec<u8>>> {
    let open = File::open(file).with_context(|| format!("{file} cannot be opened"))?;
    let mut reader = pcap_file::pcap::PcapReader::new(BufReader::new(open))?;
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        frames.push(packet?.data.into_owned());
    }
    if frames.is_empty() {
        bail!("{file} holds no frame");
    }
    Ok(frames)
}

/// A port, what is sent on it, and how far it is.
struct Line {
    queue: Queue,
    frames: Vec<Vec<u8>>,
    at: usize,
    out: Vec<Mbuf>,
    back: Vec<Mbuf>,
    pace: Pace,
}

/// When how much is due.
struct Pace {
    began: Instant,
    granted: f64,
}

impl Pace {
    /// How many frames are due now, at so many a second.
    fn due(&mut self, rate: f64) -> usize {
        let owed = self.began.elapsed().as_secs_f64() * rate - self.granted;
        if owed > ARREARS {
            *self = Pace { began: Instant::now(), granted: 0.0 };
            return 0;
        }
        let due = (owed.max(0.0) as usize).min(TOGETHER);
        self.granted += due as f64;
        due
    }
}

impl Line {
    /// Sends so many more frames; what the port does not take is sent first the next time.
    fn send(&mut self, count: usize) {
        for _ in self.out.len()..count {
            let next = &self.frames[self.at];
            let Some(mut frame) = self.queue.allocate(next.len()) else { break };
            frame.bytes_mut().copy_from_slice(next);
            self.out.push(frame);
            self.at = (self.at + 1) % self.frames.len();
        }
        self.queue.transmit(&mut self.out);
    }

    fn free_what_came(&mut self) {
        while self.queue.receive(&mut self.back) == BURST {
            self.back.clear();
        }
        self.back.clear();
    }
}

fn send(mut lines: Vec<Line>, rate: f64) -> ! {
    let each = rate / lines.len() as f64;
    loop {
        for line in &mut lines {
            line.free_what_came();
            let due = if rate == 0.0 { TOGETHER } else { line.pace.due(each) };
            line.send(due);
        }
    }
}
