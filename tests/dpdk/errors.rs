//! What an operator reads when the machine is not as the file says. Compared up to where DPDK is quoted: its words differ
//! between releases.

use super::support::*;
use fairlead::dpdk::{DpdkError, Eal, EalConfig, PortConfig};
use std::path::Path;

/// Our sentence, without DPDK's words.
fn ours(error: &DpdkError) -> String {
    let text = error.to_string();
    text.split_once(" (DPDK: ").map_or(text.clone(), |(ours, _)| ours.to_owned())
}

/// Whether DPDK starts, in a process of its own for `name`; what is said on the terminal besides.
fn starting(name: &str, config: &EalConfig, expected: &str) {
    let said = in_own_process(name, || {
        let error = Eal::init(config).err().expect("it starts");
        assert_eq!(ours(&error), expected);
        assert!(!error.to_string().contains("Usage"), "{error}");
    });
    assert!(!said.contains("EAL"), "DPDK speaks on the terminal\n{said}");
}

#[test]
fn a_core_that_is_not_there() {
    let config = EalConfig { worker_cores: vec![0, 1023], ..config(&[]) };
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").expect("the cores");
    let expected =
        format!("core 1023 is not on this machine, which has cores {}: name others in [cores]", online.trim());
    starting("errors::a_core_that_is_not_there", &config, &expected);
}

#[test]
fn memory_that_is_not_there() {
    let config = EalConfig { memory_mb: 100_000_000, ..config(&[]) };
    let expected = "DPDK needs 100000000 MB of memory that DPDK does not have: lower mbufs in [dpdk], or free memory";
    starting("errors::memory_that_is_not_there", &config, expected);
}

#[test]
fn hugepages_that_are_not_there() {
    let free = std::fs::read_to_string("/proc/meminfo").expect("the memory");
    if !free.lines().any(|line| line.starts_with("HugePages_Free:") && line.ends_with(" 0")) {
        eprintln!("this machine has hugepages: DPDK would start");
        return;
    }
    let config = EalConfig { hugepages: true, memory_mb: 75, ..config(&[]) };
    let expected = "no hugepages are free: reserve 75 MB of them (for 2 MB pages: sysctl vm.nr_hugepages=38), or set \
                    hugepages = false in [dpdk]";
    starting("errors::hugepages_that_are_not_there", &config, expected);
}

#[test]
fn an_argument_dpdk_does_not_know() {
    let extra = vec!["--nosuch".to_owned()];
    let (status, said) = try_in_own_process("errors::an_argument_dpdk_does_not_know", || {
        let error = Eal::init(&EalConfig { extra, ..config(&[]) }).err().expect("it starts").to_string();
        let expected = "DPDK does not start: Invalid argument (DPDK: fairlead: unrecognized option '--nosuch')";
        assert_eq!(error, expected);
    });
    // DPDK 25.11 ends the program at such an argument; then the same sentence is the last thing it says.
    let expected = "fairlead: DPDK does not start: it ended the program (DPDK: ";
    assert!(status.success() || (said.contains(expected) && said.contains("nosuch")), "{status}\n{said}");
    assert!(status.success() || status.code() == Some(1), "{status}");
    assert!(!said.contains("Usage"), "DPDK lists its options on the terminal\n{said}");
}

#[test]
fn a_plug_in_that_is_not_there() {
    let config = EalConfig { extra: vec!["-d".to_owned(), "/nosuch.so".to_owned()], ..config(&[]) };
    starting("errors::a_plug_in_that_is_not_there", &config, "DPDK does not start: Invalid argument");
}

#[test]
fn a_second_start() {
    in_own_process("errors::a_second_start", || {
        let first = start();
        let error = Eal::init(&config(&[])).err().expect("it starts");
        let expected = "DPDK can be started once in the life of a process, and it was: start a new process";
        assert_eq!(ours(&error), expected);
        drop(first);
        assert_eq!(ours(&Eal::init(&config(&[])).err().expect("it starts")), expected);
    });
}

/// A device, and the sentence about it.
const DEVICES: &[(&str, &str)] = &[
    (
        "net_nosuch0",
        "port outer: net_nosuch0: DPDK has no driver of this name: name a PCI address, or a virtual device such as \
         net_af_packet0,iface=eth1, net_tap0 or net_pcap0; on Debian, drivers are in the package dpdk",
    ),
    (
        "",
        r#"port outer: device = "" is none: name a PCI address such as 0000:3b:00.1, or a virtual device such as net_tap0"#,
    ),
    ("net_null0\0", r#"port outer: device = "net_null0\0" holds a zero byte: remove it"#),
    ("0000:ff:1f.7", "port outer: 0000:ff:1f.7: is not on this machine's PCI bus: `lspci -D` lists what is"),
    ("net_af_packet0", "port outer: net_af_packet0: has no interface: write net_af_packet0,iface=NAME"),
    (
        "net_af_packet0,iface=nosuch0",
        "port outer: net_af_packet0: there is no network interface nosuch0: `ip link` lists what is",
    ),
    (
        "net_pcap0,rx_pcap=/nosuch.pcap",
        "port outer: net_pcap0: the driver cannot make it: check its arguments against DPDK's guide to the driver",
    ),
    (
        "net_vhost0,iface=/tmp/nosuch.sock,legacy-ol-flags=1",
        "port outer: net_vhost0: leaves checksums unfinished with legacy-ol-flags: take it out",
    ),
    (
        "net_memif0,role=nosuch",
        "port outer: net_memif0: the driver cannot make it: check its arguments against DPDK's guide to the driver",
    ),
];

#[test]
fn devices_that_cannot_be() {
    let said = in_own_process("errors::devices_that_cannot_be", || {
        let eal = start();
        for (device, expected) in DEVICES {
            let error = open(&eal, &[device], 1).err().unwrap_or_else(|| panic!("{device} opens"));
            assert_eq!(ours(&error), *expected);
        }
        if !Path::new("/dev/vhost-net").exists() {
            let error =
                open(&eal, &["net_virtio_user0,path=/dev/vhost-net,iface=fl-wire"], 1).err().expect("no module");
            let expected = "port outer: net_virtio_user0: /dev/vhost-net cannot be opened (No such file or directory (os error 2)): \
                load the module vhost-net (modprobe vhost-net)";
            assert_eq!(ours(&error), expected);
        }
        let error = open(&eal, &["net_null0", "net_null0"], 1).err().expect("one device twice");
        let expected = "port outer: net_null0: is the device of another port as well: give each port its own";
        assert_eq!(ours(&error), expected);
        open(&eal, &["net_null0"], 1).expect("what was opened before the fault is closed again");
        let error = open(&eal, &["net_pcap0,rx_pcap=/nosuch.pcap"], 1).err().expect("no such file").to_string();
        assert!(error.contains("No such file or directory"), "DPDK's reason is not quoted: {error}");
    });
    assert!(!said.contains("EAL"), "DPDK speaks on the terminal\n{said}");
}

#[test]
fn ports_that_cannot_be_set_up() {
    type Row = (PortConfig, u32, &'static str);
    let with = |device: &str, mtu, queues| PortConfig { mtu, queues, ..port("outer", device) };
    let rows: [Row; 7] = [
        (with("net_null0", 1500, Some(0)), MBUFS, "port outer: queues = 0: a port needs one queue at least"),
        (
            with("net_null0", 1500, Some(3)),
            MBUFS,
            "port outer: queues = 3 is more than the 2 workers, each of which reads one queue: lower queues, or name \
             more cores in [cores] workers",
        ),
        (
            with("net_pcap0,rx_iface=lo", 1500, Some(2)),
            MBUFS,
            "port outer: queues = 2, and net_pcap has 1 on this device: lower queues",
        ),
        (with("net_null0", 40, None), MBUFS, "port outer: mtu = 40, and net_null can do "),
        (with("net_tap0", 17_000, None), MBUFS, "port outer: mtu = 17000, and net_tap can do "),
        (
            with("net_null0", 1500, None),
            100,
            "mbufs = 100 is too few: the ports' rings and the workers hold up to 1024; raise mbufs in [dpdk]",
        ),
        (
            with("net_null0", 1500, None),
            1_000_000,
            "a pool of 1000000 buffers (DPDK was given 202 MB) needs 2931 MB of memory that DPDK does not have: lower \
             mbufs in [dpdk], or free memory",
        ),
    ];
    in_own_process("errors::ports_that_cannot_be_set_up", || {
        let eal = start();
        for (wanted, mbufs, expected) in rows {
            let error = eal.open_ports(&[wanted], 2, mbufs).err().expect("refused");
            assert!(ours(&error).starts_with(expected), "{error}");
        }
        let error = eal.run_worker(100_000, || ()).expect_err("refused");
        assert!(ours(&error).starts_with("core 100000 is not on this machine"), "{error}");
    });
}
