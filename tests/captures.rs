//! What is written as a capture file, read by the tools that people use: tshark, capinfos, editcap, tcpdump.

use fairlead::capture_file::{Direction, Packet, Reader, Section, Writer};
use std::fs;
use std::path::Path;
use std::process::Command;

/// ARP, who has 192.0.2.1: 42 bytes.
const ARP: &[u8] = &[
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 1, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1, 0x02, 0, 0, 0, 0,
    1, 192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1,
];

/// 2026-11-20 12:00:00.123456789.
const AT: u64 = 1_795_176_000_123_456_789;

fn written() -> Vec<u8> {
    let section = Section { application: "fairlead test", comment: "two interfaces, three packets", snap_length: 40 };
    let mut writer = Writer::new(Vec::new(), &section, ["outside", "inside"]).unwrap();
    let first = Packet {
        interface: 0,
        at: AT,
        direction: Some(Direction::Inbound),
        drops: 0,
        comment: "verdict=forward member=sip-a",
        original_length: 0,
        bytes: &ARP[..40],
    };
    let second = Packet { interface: 1, at: AT + 1, direction: Some(Direction::Outbound), bytes: ARP, ..first };
    let third = Packet { interface: 1, at: AT + 2, direction: None, drops: 5, comment: "", bytes: ARP, ..first };
    for packet in [first, second, third] {
        writer.packet(&packet).unwrap();
    }
    writer.into_inner()
}

/// What a program of Debian's package `package` prints. As root, as `scripts/test` runs, it must be there: `scripts/setup`
/// installs it. Otherwise `None`, if it cannot be started.
fn said(program: &str, package: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(arguments).env("TZ", "UTC").output() {
        Ok(output) => output,
        Err(why) => {
            let root = rustix::process::geteuid().is_root();
            assert!(!root, "{program} cannot be started ({why}): run scripts/setup");
            eprintln!("not checked: {program} cannot be started ({why}); it is in Debian's package {package}");
            return None;
        }
    };
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn tshark_reads(file: &Path) {
    let fields = [
        "frame.number",
        "frame.time_epoch",
        "frame.interface_name",
        "frame.cap_len",
        "frame.len",
        "frame.packet_flags_direction",
    ];
    let mut arguments = vec!["-r", file.to_str().unwrap(), "-T", "fields", "-E", "separator=|"];
    arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
    arguments.extend(["-e", "frame.drop_count", "-e", "frame.comment"]);
    if let Some(said) = said("tshark", "tshark", &arguments) {
        let expected = "1|1795176000.123456789|outside|40|40|0x00000001||verdict=forward member=sip-a\n\
                        2|1795176000.123456790|inside|40|42|0x00000002||verdict=forward member=sip-a\n\
                        3|1795176000.123456791|inside|40|42||5|\n";
        assert_eq!(said, expected);
    }
}

#[test]
fn tshark_reads_what_is_written_and_what_editcap_made_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let [file, edited] = ["ours.pcapng", "edited.pcapng"].map(|name| folder.path().join(name));
    fs::write(&file, written()).unwrap();
    tshark_reads(&file);
    if said("editcap", "wireshark-common", &[file.to_str().unwrap(), edited.to_str().unwrap()]).is_some() {
        tshark_reads(&edited);
        let again = fs::read(&edited).unwrap();
        let mut reader = Reader::new(&again[..]).unwrap();
        let packet = reader.next_packet().unwrap().unwrap();
        assert_eq!((packet.at, packet.bytes), (Some(AT), &ARP[..40]));
        assert_eq!(packet.comment().as_deref(), Some("verdict=forward member=sip-a"));
    }
}

#[test]
fn capinfos_and_tcpdump_read_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ours.pcapng");
    fs::write(&file, written()).unwrap();
    let file = file.to_str().unwrap();
    if let Some(said) = said("capinfos", "wireshark-common", &["-M", file]) {
        for line in [
            "Number of packets:   3",
            "Ethernet",
            "nanoseconds (9)",
            "fairlead test",
            "two interfaces, three packets",
            "Name = outside",
        ] {
            assert!(said.contains(line), "{line}\n{said}");
        }
    }
    if let Some(said) = said("tcpdump", "tcpdump", &["-n", "-tt", "--nano", "-r", file]) {
        let times: Vec<_> = said.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(times, ["1795176000.123456789", "1795176000.123456790", "1795176000.123456791"], "{said}");
    }
}
