//! What tests on DPDK share: DPDK can be started once in a process, so each runs in one of its own.

use fairlead::dpdk::{DpdkError, Eal, EalConfig, Mbuf, PortConfig, Ports, Queue};
use fairlead::io::{Frame, Port, memory_needed_mib};
use std::process::{Command, ExitStatus, Output};

/// Set in the process a test is run in.
const INSIDE: &str = "FAIRLEAD_TEST_PROCESS";

/// Runs `body` in a process of its own. `name` is that of the calling test, its module's before it. Whatever DPDK writes past its log shows in
/// the returned text, which is empty inside.
pub fn in_own_process(name: &str, body: impl FnOnce()) -> String {
    in_process_started_by(name, &[], body)
}

/// As [`in_own_process`], started by way of another program, such as `unshare -Urn`.
pub fn in_process_started_by(name: &str, starter: &[&str], body: impl FnOnce()) -> String {
    let (status, text) = run_in_process(name, starter, body);
    assert!(status.success(), "{name}: {status}\n{text}");
    text
}

/// As [`in_own_process`], of a `body` that may end the process; and how it ended.
pub fn try_in_own_process(name: &str, body: impl FnOnce()) -> (ExitStatus, String) {
    run_in_process(name, &[], body)
}

fn run_in_process(name: &str, starter: &[&str], body: impl FnOnce()) -> (ExitStatus, String) {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == name) {
        body();
        return (ExitStatus::default(), String::new());
    }
    let program = std::env::current_exe().expect("this program");
    let program = program.to_str().expect("a path in UTF-8");
    let words: Vec<&str> = starter.iter().copied().chain([program, "--exact", name, "--nocapture"]).collect();
    let output = Command::new(words[0]).args(&words[1..]).env(INSIDE, name).output().expect("the process starts");
    let text = said(&output);
    assert!(!output.status.success() || text.contains("1 passed"), "{name} is not the name of the test\n{text}");
    (output.status, text)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub const MBUFS: u32 = 4096;

pub fn config(devices: &[&str]) -> EalConfig {
    EalConfig {
        main_core: 0,
        worker_cores: Vec::new(),
        hugepages: false,
        memory_mb: memory_needed_mib(MBUFS, 1500),
        devices: devices.iter().map(|&device| device.to_owned()).collect(),
        file_prefix: Some(format!("fairlead-test-{}", std::process::id())),
        extra: Vec::new(),
    }
}

pub fn port(name: &str, device: &str) -> PortConfig {
    let (name, device) = (name.to_owned(), device.to_owned());
    PortConfig { name, device, mtu: 1500, queues: None, rss: None }
}

pub fn start() -> Eal {
    Eal::init(&config(&[])).unwrap_or_else(|error| panic!("{error}"))
}

/// Ports named by their devices.
pub fn open(eal: &Eal, devices: &[&str], workers: usize) -> Result<Ports, DpdkError> {
    let wanted: Vec<PortConfig> = devices.iter().map(|device| port("outer", device)).collect();
    eal.open_ports(&wanted, workers, MBUFS)
}

pub fn frame(queue: &mut Queue, bytes: &[u8]) -> Mbuf {
    let mut frame = queue.allocate(bytes.len()).expect("a buffer");
    frame.bytes_mut().copy_from_slice(bytes);
    frame
}

/// Receives until `done` or for ten seconds.
pub fn receive_until(queue: &mut Queue, mut done: impl FnMut(&[Mbuf]) -> bool) -> Vec<Mbuf> {
    let start = std::time::Instant::now();
    let mut burst = Vec::new();
    while !done(&burst) {
        assert!(start.elapsed().as_secs() < 10, "nothing came in ten seconds; {} frames did", burst.len());
        if queue.receive(&mut burst) == 0 {
            std::thread::yield_now();
        }
    }
    burst
}
