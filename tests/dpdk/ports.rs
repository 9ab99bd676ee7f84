//! Frames through DPDK's virtual devices, and buffers that are all returned.

use super::support::*;
use fairlead::dpdk::{DeviceEvents, Eal, Hashing, Mbuf, PortConfig, Ports, Rss};
use fairlead::io::{BURST, Frame, Port};

/// A frame that differs from every other in each test.
fn numbered(number: u32, length: usize) -> Vec<u8> {
    (0..length).map(|at| (number as usize * 31 + at) as u8).collect()
}

fn open_or_panic(eal: &Eal, devices: &[&str], workers: usize) -> Ports {
    open(eal, devices, workers).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_ring_gives_back_what_it_took_and_every_buffer_comes_home() {
    let said = in_own_process("ports::a_ring_gives_back_what_it_took_and_every_buffer_comes_home", || {
        let eal = start();
        let mut ports = open_or_panic(&eal, &["net_ring0"], 1);
        assert_eq!(ports.buffers(), (MBUFS, MBUFS));
        let [queue] = &mut ports.queues_for(0)[..] else { panic!("one port, one queue") };
        let mut burst: Vec<Mbuf> =
            (0..150).map(|number| frame(queue, &numbered(number, 60 + number as usize))).collect();
        assert_eq!(ports.buffers().0, MBUFS - 150);
        while !burst.is_empty() {
            assert!(queue.transmit(&mut burst) > 0);
        }
        assert_eq!(queue.transmit(&mut burst), 0);
        for expected in [BURST, BURST, 150 - 2 * BURST, 0] {
            assert_eq!(queue.receive(&mut burst), expected);
        }
        for (number, frame) in (0..).zip(&burst) {
            assert_eq!(frame.bytes(), numbered(number, 60 + number as usize));
        }
        let stats = ports.stats(0);
        assert_eq!((stats.rx_frames, stats.tx_frames), (150, 150));
        assert!(ports.link(0).up && !ports.link(1).up);
        drop(burst);
        assert_eq!(ports.buffers(), (MBUFS, MBUFS));
        assert!(ports.queues_for(0).is_empty(), "a worker's queues are had once");
    });
    assert!(!said.contains("EAL") && !said.contains("PMD"), "DPDK speaks on the terminal\n{said}");
}

#[test]
fn a_full_queue_leaves_the_rest_of_the_burst() {
    in_own_process("ports::a_full_queue_leaves_the_rest_of_the_burst", || {
        let eal = start();
        let mut ports = open_or_panic(&eal, &["net_ring0"], 1);
        let mut queues = ports.queues_for(0);
        let queue = &mut queues[0];
        let mut burst: Vec<Mbuf> = (0..2000).map(|number| frame(queue, &numbered(number, 60))).collect();
        let taken = queue.transmit(&mut burst);
        assert!(taken > 0 && taken < 2000, "{taken}");
        assert_eq!(burst.len(), 2000 - taken);
        assert_eq!(burst[0].bytes(), numbered(taken as u32, 60));
        assert_eq!(queue.transmit(&mut burst), 0);
        let mut back = Vec::new();
        while queue.receive(&mut back) > 0 {}
        assert_eq!(back.len(), taken);
        drop((burst, back));
        assert_eq!(ports.buffers(), (MBUFS, MBUFS));
    });
}

#[test]
fn both_ends_of_a_frame_move_within_its_buffer_only() {
    in_own_process("ports::both_ends_of_a_frame_move_within_its_buffer_only", || {
        let eal = start();
        let mut ports = open_or_panic(&eal, &["net_null0"], 1);
        let mut queues = ports.queues_for(0);
        let queue = &mut queues[0];
        let mut one = frame(queue, &[1, 2, 3, 4]);
        assert!(one.extend_front(4));
        one.bytes_mut()[..4].copy_from_slice(&[9; 4]);
        assert_eq!(one.bytes(), [9, 9, 9, 9, 1, 2, 3, 4]);
        one.trim_front(6);
        assert_eq!(one.bytes(), [3, 4]);
        assert!(one.set_len(1) && one.set_len(2));
        assert_eq!(one.bytes(), [3, 4]);
        assert!(one.extend_front(128 + 2), "headroom and what was trimmed");
        assert!(!one.extend_front(1) && !one.extend_front(70_000));
        assert_eq!(one.bytes().len(), 132);
        assert!(one.set_len(2048 + 128));
        assert!(!one.set_len(2048 + 129) && !one.set_len(70_000));
        assert_eq!(one.bytes().len(), 2048 + 128);
        one.trim_front(2048 + 128);
        assert!(one.bytes().is_empty() && one.set_len(0) && !one.set_len(1));
        assert!(queue.allocate(2049).is_none());
        drop(one);
        let again = queue.allocate(2048).expect("a buffer");
        assert!(again.bytes().iter().all(|byte| *byte == 0), "a new frame shows nothing of the one before");
        assert_eq!(ports.buffers().0, MBUFS - 1);
    });
}

#[test]
fn an_empty_pool_is_none_and_a_frame_may_outlive_its_port() {
    in_own_process("ports::an_empty_pool_is_none_and_a_frame_may_outlive_its_port", || {
        let eal = start();
        let mut ports = open_or_panic(&eal, &["net_null0"], 1);
        let mut queues = ports.queues_for(0);
        let mut held: Vec<Mbuf> = std::iter::from_fn(|| queues[0].allocate(60)).collect();
        assert_eq!(held.len(), MBUFS as usize);
        assert_eq!(ports.buffers(), (0, MBUFS));
        assert!(queues[0].allocate(60).is_none());
        let mut burst = Vec::new();
        assert_eq!(queues[0].receive(&mut burst), 0, "a NIC without buffers receives nothing");
        held.truncate(1);
        assert_eq!(ports.buffers(), (MBUFS - 1, MBUFS));
        drop((queues, ports, eal));
        held[0].bytes_mut().fill(7);
        assert_eq!(held[0].bytes(), [7; 60]);
    });
}

#[test]
fn workers_are_bound_and_take_turns_where_the_driver_has_too_few_queues() {
    in_own_process("ports::workers_are_bound_and_take_turns_where_the_driver_has_too_few_queues", || {
        let folder = tempfile::tempdir().expect("a folder");
        let (read, written) = (folder.path().join("in.pcap"), folder.path().join("out.pcap"));
        write_capture(&read, &[numbered(1, 60)]);
        let one_pair = format!("net_pcap0,rx_pcap={},tx_pcap={}", read.display(), written.display());
        let eal = start();
        let mut ports = open_or_panic(&eal, &[&one_pair, "net_null0"], 2);
        let found = ports.facts();
        let facts: Vec<_> =
            found.iter().map(|port| (&port.driver[..], port.rx_queues, port.tx_queues, port.tx_shared)).collect();
        assert_eq!(facts, [("net_pcap", 1, 1, true), ("net_null", 2, 2, false)]);
        let workers = [ports.queues_for(0), ports.queues_for(1)];
        let receives: Vec<Vec<bool>> =
            workers.iter().map(|queues| queues.iter().map(|queue| queue.receives()).collect()).collect();
        assert_eq!(receives, [[true, true], [false, true]]);
        std::thread::scope(|scope| {
            for (number, queues) in (1..).zip(workers) {
                let eal = &eal;
                scope.spawn(move || send_bound(eal, queues, number));
            }
        });
        assert_eq!((ports.stats(0).tx_frames, ports.buffers()), (2 * SENT as u64, (MBUFS, MBUFS)));
        drop(ports);
        let bytes = std::fs::read(&written).expect("a capture");
        let frames: Vec<&[u8]> = bytes[24..].chunks(16 + 60).map(|record| &record[16..]).collect();
        let from = |number| frames.iter().filter(|frame| **frame == [number; 60]).count();
        assert_eq!((frames.len(), from(1), from(2)), (2 * SENT, SENT, SENT));
    });
}

const SENT: usize = 2000;

/// Sends frames through the first port as a worker on core 0.
fn send_bound(eal: &Eal, mut queues: Vec<fairlead::dpdk::Queue>, number: u8) {
    let send = || {
        for _ in 0..SENT {
            let mut burst = vec![frame(&mut queues[0], &[number; 60])];
            while queues[0].transmit(&mut burst) == 0 {
                std::thread::yield_now();
            }
        }
        std::fs::read_to_string("/proc/thread-self/status").expect("a thread")
    };
    let status = eal.run_worker(0, send).expect("core 0");
    assert!(status.contains("Cpus_allowed_list:\t0\n"), "not bound to core 0\n{status}");
    assert_eq!(queues[0].receive(&mut Vec::new()), usize::from(queues[0].receives()), "one frame, for who receives");
}

#[test]
fn a_capture_is_read_and_one_is_written() {
    in_own_process("ports::a_capture_is_read_and_one_is_written", || {
        let folder = tempfile::tempdir().expect("a folder");
        let (read, written) = (folder.path().join("in.pcap"), folder.path().join("out.pcap"));
        write_capture(&read, &[numbered(1, 60), numbered(2, 1514), vec![3; 3000]]);
        let device = format!("net_pcap0,rx_pcap={},tx_pcap={}", read.display(), written.display());
        let eal = start();
        let mut ports = open_or_panic(&eal, &[&device], 1);
        let mut queues = ports.queues_for(0);
        let mut burst = Vec::new();
        queues[0].receive(&mut burst);
        let lengths: Vec<usize> = burst.iter().map(|frame| frame.bytes().len()).collect();
        assert_eq!(lengths, [60, 1514], "a frame longer than a buffer comes in segments and is dropped");
        assert_eq!(ports.stats(0).rx_errors, 1);
        assert_eq!(queues[0].transmit(&mut burst), 2);
        drop((queues, ports));
        let bytes = std::fs::read(&written).expect("a capture");
        assert_eq!(&bytes[40..100], numbered(1, 60));
        assert_eq!(&bytes[116..], numbered(2, 1514));
    });
}

/// Writes the classic format: a header of 24 bytes, then 16 bytes before each frame.
fn write_capture(path: &std::path::Path, frames: &[Vec<u8>]) {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut bytes = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1]);
    for frame in frames {
        let length = frame.len() as u32;
        bytes.extend(words(&[0, 0, length, length]));
        bytes.extend(frame);
    }
    std::fs::write(path, bytes).expect("a file");
}

#[test]
fn two_ends_of_a_shared_memory_link() {
    in_own_process("ports::two_ends_of_a_shared_memory_link", || {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("memif.sock");
        let device = |number, role| {
            format!("net_memif{number},role={role},id=0,socket={},socket-abstract=no,rsize=10", socket.display())
        };
        let (server, client) = (device(0, "server"), device(1, "client"));
        let eal = start();
        let one_pair = |name, device| PortConfig { queues: Some(1), ..port(name, device) };
        let wanted = [one_pair("outer", &server), one_pair("inner", &client)];
        let mut ports = eal.open_ports(&wanted, 2, MBUFS).unwrap_or_else(|error| panic!("{error}"));
        let mut queues = ports.queues_for(0);
        let mut beyond = ports.queues_for(1);
        let start = std::time::Instant::now();
        while !(ports.link(0).up && ports.link(1).up) {
            assert!(start.elapsed().as_secs() < 10, "the ends did not meet in ten seconds");
            std::thread::yield_now();
        }
        let mut burst = vec![frame(&mut queues[1], &numbered(1, 300)), frame(&mut queues[1], &numbered(2, 64))];
        assert_eq!(queues[1].transmit(&mut burst), 2);
        let back = receive_until(&mut queues[0], |frames| frames.len() == 2);
        assert_eq!(back[0].bytes(), numbered(1, 300));
        assert_eq!(back[1].bytes(), numbered(2, 64));
        let mut burst = vec![frame(&mut beyond[0], &numbered(3, 64))];
        // The client lends the buffers the server sends in, when it receives.
        assert_eq!(queues[1].receive(&mut Vec::new()), 0);
        assert_eq!(beyond[0].transmit(&mut burst), 1, "the second worker sends through the same pair");
        let back = receive_until(&mut queues[1], |frames| frames.len() == 1);
        assert_eq!(back[0].bytes(), numbered(3, 64));
        // With both ends in one process, closing one makes the driver's own thread take down the other, while this
        // thread closes it: in 22.11 the two are not kept apart. Two appliances never share a process.
        std::mem::forget((back, queues, beyond, ports, eal));
    });
}

#[test]
fn a_large_mtu_has_large_buffers() {
    in_own_process("ports::a_large_mtu_has_large_buffers", || {
        let eal = start();
        let jumbo = PortConfig { mtu: 9000, ..port("outer", "net_ring0") };
        let mut ports = eal.open_ports(&[jumbo], 1, 1024).unwrap_or_else(|error| panic!("{error}"));
        let mut queues = ports.queues_for(0);
        let mut burst = vec![frame(&mut queues[0], &numbered(1, 9022))];
        queues[0].transmit(&mut burst);
        queues[0].receive(&mut burst);
        assert_eq!(burst[0].bytes(), numbered(1, 9022));
    });
}

/// `net_null` keeps a key and a table, and does nothing with them; `net_ring` has neither.
#[test]
fn a_driver_with_a_hash_is_given_key_and_table_and_one_without_starts() {
    in_own_process("ports::a_driver_with_a_hash_is_given_key_and_table_and_one_without_starts", || {
        let eal = start();
        let asked = |name, device| {
            let rss = Rss { key: (1..=64).collect(), owners: (0..64).map(|at| at % 2).collect() };
            PortConfig { rss: Some(rss), ..port(name, device) }
        };
        let single = PortConfig { queues: Some(1), ..asked("single", "net_null1") };
        let wanted = [asked("outer", "net_null0"), asked("inner", "net_ring0"), single, port("plain", "net_null2")];
        let mut ports = eal.open_ports(&wanted, 2, 2 * MBUFS).unwrap_or_else(|error| panic!("{error}"));
        let found: Vec<_> = ports.facts().iter().map(|port| (port.rx_queues, port.hashing)).collect();
        let expected = [(2, Hashing::AsAsked), (2, Hashing::Cannot), (1, Hashing::OneQueue), (2, Hashing::OwnWay)];
        assert_eq!(found, expected);
        let receives: Vec<bool> = ports.queues_for(1).iter().map(|queue| queue.receives()).collect();
        assert_eq!(receives, [true, true, false, true]);
    });
}

/// Lets what is logged be seen in the text of the process.
fn log_to_stderr() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
}

#[test]
fn an_end_that_connects_says_that_it_does_not_connect_again() {
    let said = in_own_process("ports::an_end_that_connects_says_that_it_does_not_connect_again", || {
        log_to_stderr();
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("vhost.sock");
        let eal = start();
        let [listens, connects] =
            ["net_vhost0,iface=", "net_virtio_user0,path="].map(|device| format!("{device}{}", socket.display()));
        let other = open(&eal, &[&listens], 1).unwrap_or_else(|error| panic!("{error}"));
        let ports = open(&eal, &[&connects], 1).unwrap_or_else(|error| panic!("{error}"));
        let wait_until = |up| {
            let start = std::time::Instant::now();
            while ports.link(0).up != up {
                assert!(start.elapsed().as_secs() < 10, "{:?}, not {up}", ports.link(0));
                std::thread::yield_now();
            }
        };
        wait_until(true);
        drop(other);
        wait_until(false);
    });
    let expected = "port outer: the program at the other end has gone, and net_virtio_user does not connect again: restart Fairlead \
                    when it is back, or let this end listen (server=1)";
    assert!(said.is_empty() || said.contains(expected), "{said}");
}

/// A program on the other end of a shared memory link that comes and goes, as another port of this process.
#[test]
fn what_a_driver_reports_of_its_link_is_counted() {
    in_own_process("ports::what_a_driver_reports_of_its_link_is_counted", || {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("vhost.sock");
        let eal = start();
        let [listens, connects] =
            ["net_vhost0,iface=", "net_virtio_user0,path="].map(|device| format!("{device}{}", socket.display()));
        let ports = open(&eal, &[&listens], 1).unwrap_or_else(|error| panic!("{error}"));
        let is = |up, changes| {
            let start = std::time::Instant::now();
            while (ports.link(0).up, ports.link(0).changes) != (up, changes) {
                assert!(start.elapsed().as_secs() < 10, "{:?}, not {up} after {changes} changes", ports.link(0));
                std::thread::yield_now();
            }
        };
        is(false, 0);
        let other = open(&eal, &[&connects], 1).unwrap_or_else(|error| panic!("{error}"));
        is(true, 1);
        drop(other);
        is(false, 2);
        assert_eq!(ports.device_events(0), DeviceEvents::default());
        assert_eq!(ports.device_events(7), DeviceEvents::default());
    });
}
