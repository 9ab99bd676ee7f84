//! What receiving and sending through a queue costs: from one `net_null` device to another, which do nothing themselves.
//!
//! Run `cargo bench --bench dpdk_ports`; with `--features static-link` for what one ships. Prints the median of several
//! runs in million frames a second, once just moved and once with the two MAC addresses exchanged, and what a buffer
//! costs to take and give back. `dpdk-testpmd --forward-mode=macswap` over the same devices is the yardstick.

use fairlead::dpdk::{Eal, EalConfig, Mbuf, PortConfig, Queue};
use fairlead::io::{BURST, Frame, Port, memory_needed_mib};
use std::time::{Duration, Instant};

const MBUFS: u32 = 16_384;
const RUNS: usize = 9;
const RUN: Duration = Duration::from_millis(200);

fn main() {
    let devices = ["net_null0,size=64", "net_null1,size=64"];
    let config = EalConfig {
        main_core: 0,
        worker_cores: Vec::new(),
        hugepages: false,
        memory_mb: memory_needed_mib(MBUFS, 1500),
        devices: Vec::new(),
        file_prefix: None,
        extra: Vec::new(),
    };
    let port = |device: &&str| PortConfig {
        name: (*device).to_owned(),
        device: (*device).to_owned(),
        mtu: 1500,
        queues: None,
        rss: None,
    };
    let eal = Eal::init(&config).unwrap_or_else(|error| panic!("{error}"));
    let wanted: Vec<PortConfig> = devices.iter().map(port).collect();
    let mut ports = eal.open_ports(&wanted, 1, MBUFS).unwrap_or_else(|error| panic!("{error}"));
    let mut queues = ports.queues_for(0);
    let measured = eal.run_worker(0, || {
        let moved = median(|| rate(&mut queues, |_| ()));
        let exchanged = median(|| rate(&mut queues, exchange));
        let taken = median(|| buffers(&mut queues[0]));
        println!("{}", fairlead::dpdk::linked_version());
        println!("moved:            {moved:6.1} million frames a second");
        println!("MACs exchanged:   {exchanged:6.1} million frames a second");
        println!("taken and given:  {taken:6.1} million buffers a second");
    });
    measured.unwrap_or_else(|error| panic!("{error}"));
}

fn median(mut run: impl FnMut() -> f64) -> f64 {
    let mut found: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    found.sort_by(f64::total_cmp);
    found[RUNS / 2]
}

/// Exchanges the first two groups of six bytes.
fn exchange(frame: &mut Mbuf) {
    let (first, second) = frame.bytes_mut()[..12].split_at_mut(6);
    first.swap_with_slice(second);
}

/// Million frames a second from the first queue to the second.
fn rate(queues: &mut [Queue], mut work: impl FnMut(&mut Mbuf)) -> f64 {
    let (start, mut frames) = (Instant::now(), 0);
    let mut burst: Vec<Mbuf> = Vec::with_capacity(BURST);
    while start.elapsed() < RUN {
        for _ in 0..1000 {
            queues[0].receive(&mut burst);
            burst.iter_mut().for_each(&mut work);
            frames += queues[1].transmit(&mut burst);
            burst.clear();
        }
    }
    frames as f64 / start.elapsed().as_secs_f64() / 1e6
}

/// Million buffers a second, taken and given back one at a time.
fn buffers(queue: &mut Queue) -> f64 {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < RUN {
        for _ in 0..1000 {
            count += usize::from(std::hint::black_box(queue.allocate(0)).is_some());
        }
    }
    count as f64 / start.elapsed().as_secs_f64() / 1e6
}
