//! Real kernels on the other side: packet sockets on a veth pair, and an interface of our own. Each test has a network
//! namespace to itself and needs no privilege where a user may make one.

use super::support::*;
use fairlead::dpdk::Mbuf;
use fairlead::io::{Frame, Port};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts a program in a network namespace of its own, without privilege even where the test has some.
const NAMESPACE: &[&str] = &["unshare", "--user", "--map-root-user", "--net"];

/// The same for a test that is run as root; as above for one that is not.
fn namespace() -> &'static [&'static str] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if status.lines().any(|line| line.starts_with("Uid:\t0\t")) { &["unshare", "--net"] } else { NAMESPACE }
}

/// A kernel's packet socket that sends frames, plain and tagged, and wants each back as it was.
const ECHOED: &str = r#"
import socket, sys
interface = sys.argv[1]
station = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
station.bind((interface, 0))
station.setsockopt(263, 23, 1)  # SOL_PACKET, PACKET_IGNORE_OUTGOING
station.setsockopt(263, 8, 1)   # SOL_PACKET, PACKET_AUXDATA: where the kernel puts a tag it took out
station.settimeout(10)
def receive():
    frame, auxiliary, _, _ = station.recvmsg(4096, 256)
    for _, kind, data in auxiliary:
        status, tci, tpid = int.from_bytes(data[0:4], "little"), data[16:18][::-1], data[18:20][::-1]
        if kind == 8 and status & 0x10:
            frame = frame[:12] + tpid + tci + frame[12:]
    return frame
print("ready", flush=True)
sys.stdin.readline()
for number in range(300):
    tag = b"\x81\x00" + (number + 1).to_bytes(2, "big") if number % 3 == 0 else b""
    kind = b"\x88\xb5" + number.to_bytes(2, "big")
    sent = b"\x02\xff\xff\xff\xff\x01\x02\xff\xff\xff\xff\x02" + tag + kind + bytes(x * number & 255 for x in range(46 + number * 4))
    station.send(sent)
    back = receive()
    assert back == sent, f"frame {number}: sent {sent.hex()}, came back {back.hex()}"
print("identical", flush=True)
"#;

fn run(command: &str) {
    let status = Command::new("sh").args(["-ec", command]).status().expect("a shell");
    assert!(status.success(), "{command}: {status}");
}

/// Starts the station on `interface`; it sends once it reads a line.
fn station(interface: &str) -> Child {
    let mut station = Command::new("python3")
        .args(["-c", ECHOED, interface])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    read_line(&mut station, "ready");
    station
}

fn read_line(station: &mut Child, expected: &str) {
    let mut line = Vec::new();
    let output = station.stdout.as_mut().expect("its output");
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        let count = std::io::Read::read(output, &mut byte).expect("its output");
        assert!(count > 0, "it ended and said {:?}", String::from_utf8_lossy(&line));
        line.push(byte[0]);
    }
    assert_eq!(String::from_utf8_lossy(&line).trim(), expected);
}

/// Sends back what `queues` receive until the station ends.
fn echo(queues: &mut [fairlead::dpdk::Queue], station: &mut Child) {
    std::io::Write::write_all(station.stdin.as_mut().expect("its input"), b"go\n").expect("it reads");
    let mut burst: Vec<Mbuf> = Vec::new();
    while station.try_wait().expect("the station").is_none() {
        for queue in &mut *queues {
            queue.receive(&mut burst);
            burst.retain(|frame| frame.bytes().starts_with(&[2, 0xff, 0xff, 0xff, 0xff, 1]));
            while !burst.is_empty() && queue.transmit(&mut burst) > 0 {}
        }
        std::thread::yield_now();
    }
    read_line(station, "identical");
}

const VETH: &str = "ip link add outer0 address 02:00:00:00:00:01 type veth peer name far0; sysctl -qw net.ipv6.conf.all.disable_ipv6=1; \
                    ip link set outer0 up; ip link set far0 up";

#[test]
fn frames_of_a_packet_socket_go_back_as_they_came() {
    in_process_started_by("kernel::frames_of_a_packet_socket_go_back_as_they_came", namespace(), || {
        run(VETH);
        let eal = start();
        let mut ports = open(&eal, &["net_af_packet0,iface=outer0"], 1).unwrap_or_else(|error| panic!("{error}"));
        let facts = &ports.facts()[0];
        assert_eq!((&facts.driver[..], facts.mac, facts.rx_queues), ("net_af_packet", [2, 0, 0, 0, 0, 1], 1));
        let mut station = station("far0");
        echo(&mut ports.queues_for(0), &mut station);
        assert_eq!((ports.stats(0).rx_frames, ports.stats(0).tx_frames), (300, 300));
        assert_eq!(ports.buffers(), (MBUFS, MBUFS));
    });
}

#[test]
fn an_interface_is_watched_beneath_its_port() {
    in_process_started_by("kernel::an_interface_is_watched_beneath_its_port", NAMESPACE, || {
        run(VETH);
        let eal = start();
        let device = ["net_af_packet0,iface=outer0"];
        run("ip link set outer0 mtu 1300");
        let refused = open(&eal, &device, 1).err().expect("its MTU is too small").to_string();
        let expected =
            "mtu = 1500, and interface outer0 has 1300: raise it (ip link set outer0 mtu 1500), or lower mtu";
        assert!(refused.ends_with(expected), "{refused}");
        run("ip link set outer0 mtu 1500");
        let ports = open(&eal, &device, 1).unwrap_or_else(|error| panic!("{error}"));
        for (command, up) in [
            ("true", true),
            ("ip link set far0 down", false),
            ("ip link set far0 up", true),
            ("ip link set outer0 down; ip link set outer0 name other0; ip link set other0 up", true),
            ("ip link del other0", false),
            (VETH, false),
        ] {
            run(command);
            // The kernel notices a carrier up to a second later.
            let deadline = Instant::now() + Duration::from_secs(10);
            while ports.link(0).up != up {
                assert!(Instant::now() < deadline, "{command}: the link is not {up}");
                std::thread::yield_now();
            }
        }
    });
}

/// Takes the interface with the number that is its first argument, as a process like ours does that runs as the user with the
/// number that is its second.
const CLAIMS: &str = r#"
import os, socket, sys
os.setuid(int(sys.argv[2]))
claim = socket.socket(socket.AF_UNIX)
claim.bind("\0fairlead-interface-" + sys.argv[1])
claim.listen()
print("ready", flush=True)
sys.stdin.readline()
"#;

#[test]
fn an_interface_in_use_is_refused_with_who_uses_it() {
    in_process_started_by("kernel::an_interface_in_use_is_refused_with_who_uses_it", namespace(), || {
        run(VETH);
        let mut other = claims_outer("0");
        let eal = start();
        let refused = open(&eal, &["net_af_packet0,iface=outer0"], 1).err().expect("it is in use").to_string();
        let expected = format!("interface outer0 is in use by process {} (", other.id());
        assert!(refused.contains(&expected) && refused.contains("python3 -c import os, socket, sys"), "{refused}");
        other.kill().and_then(|()| other.wait()).expect("it ends");
        let ports = open(&eal, &["net_af_packet0,iface=outer0"], 1).unwrap_or_else(|error| panic!("{error}"));
        let twice = open(&eal, &["net_af_packet1,iface=outer0"], 1).err().expect("it is in use").to_string();
        assert!(twice.ends_with("interface outer0 is that of another port as well: give each port its own"), "{twice}");
        drop(ports);
        // Any user of the machine can do this, and it keeps nobody from starting. Without privilege we are the only user.
        if !std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.contains("4294967295")) {
            return;
        }
        let mut nobody = claims_outer("65534");
        open(&eal, &["net_af_packet0,iface=outer0"], 1).unwrap_or_else(|error| panic!("{error}"));
        nobody.kill().and_then(|()| nobody.wait()).expect("it ends");
    });
}

/// A process of this user that has taken `outer0`.
fn claims_outer(user: &str) -> std::process::Child {
    let index = Command::new("sh").args(["-c", "ip -o link show outer0 | cut -d: -f1"]).output().expect("a shell");
    let mut other = Command::new("python3")
        .args(["-c", CLAIMS, String::from_utf8_lossy(&index.stdout).trim(), user])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    read_line(&mut other, "ready");
    other
}

#[test]
fn two_workers_have_a_queue_pair_each_on_a_packet_socket() {
    in_process_started_by("kernel::two_workers_have_a_queue_pair_each_on_a_packet_socket", NAMESPACE, || {
        run(VETH);
        let eal = start();
        let mut ports = open(&eal, &["net_af_packet0,iface=outer0"], 2).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((ports.facts()[0].rx_queues, ports.facts()[0].tx_queues), (2, 2));
        let mut queues = [ports.queues_for(0).remove(0), ports.queues_for(1).remove(0)];
        let mut station = station("far0");
        echo(&mut queues, &mut station);
    });
}

#[test]
fn an_interface_of_our_own() {
    in_process_started_by("kernel::an_interface_of_our_own", NAMESPACE, || {
        let eal = start();
        let mut ports = open(&eal, &["net_tap0,iface=own0"], 2).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((ports.facts()[0].rx_queues, ports.facts()[0].tx_queues), (2, 2));
        run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link set own0 up");
        let [first, rest @ ..] = ports.facts()[0].mac;
        let kernel = rest.iter().fold(format!("{:02x}", (first | 2) ^ 4), |mac, byte| format!("{mac}:{byte:02x}"));
        run(&format!("ip link show own0 | grep -q 'link/ether {kernel} '"));
        let mut queues = [ports.queues_for(0).remove(0), ports.queues_for(1).remove(0)];
        let mut station = station("own0");
        echo(&mut queues, &mut station);
    });
}

#[test]
fn without_permission_the_sentence_says_which() {
    in_process_started_by("kernel::without_permission_the_sentence_says_which", &["unshare", "--user"], || {
        let eal = start();
        for (device, needs) in
            [("net_af_packet0,iface=lo", "CAP_NET_RAW and CAP_NET_ADMIN"), ("net_tap0", "CAP_NET_ADMIN")]
        {
            let error = open(&eal, &[device], 1).err().expect("refused").to_string();
            let name = device.split(',').next().expect("a name");
            let expected = format!(
                "port outer: {name} needs a permission this user lacks: run as root, or give the program {needs}"
            );
            assert!(error.starts_with(&expected), "{error}");
        }
    });
}

#[test]
fn a_carrier_that_was_lost_and_found_between_two_looks_is_a_change() {
    in_process_started_by("kernel::a_carrier_that_was_lost_and_found_between_two_looks_is_a_change", NAMESPACE, || {
        run(VETH);
        let eal = start();
        let ports = open(&eal, &["net_af_packet0,iface=outer0"], 1).unwrap_or_else(|error| panic!("{error}"));
        // The kernel notices a carrier up to a second later.
        let settled = || {
            let deadline = Instant::now() + Duration::from_secs(10);
            loop {
                let before = ports.link(0);
                std::thread::sleep(Duration::from_millis(300));
                if before.up && ports.link(0) == before {
                    return before;
                }
                assert!(Instant::now() < deadline, "{before:?}");
            }
        };
        for end in ["outer0", "far0"] {
            let before = settled();
            run(&format!("ip link set {end} down; ip link set {end} up"));
            let after = settled();
            assert!(after.changes > before.changes, "{end}: {before:?}, {after:?}");
        }
    });
}

#[test]
fn segments_that_the_kernel_would_join_are_warned_of() {
    let name = "kernel::segments_that_the_kernel_would_join_are_warned_of";
    let said = in_process_started_by(name, NAMESPACE, || {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        run(VETH);
        let eal = start();
        for joins in ["on", "off"] {
            run(&format!("ethtool -K outer0 gro {joins}; echo gro is {joins} >&2"));
            open(&eal, &["net_af_packet0,iface=outer0"], 1).unwrap_or_else(|error| panic!("{error}"));
        }
    });
    let (on, off) = said.split_once("gro is off").unwrap_or_default();
    let expected = "port outer: the kernel joins TCP segments that interface outer0 receives (gro), and what it joins is lost: \
                    `ethtool -K outer0 gro off`";
    assert!(said.is_empty() || (on.contains(expected) && !off.contains("joins TCP segments")), "{said}");
}
