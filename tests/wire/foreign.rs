//! Frames that another program made, good and bad: each is read, or refused, as written beside it.
//!
//! Proves reader, builder and checker against an implementation that shares nothing with them.

use fairlead::wire::Packet;
use fairlead::wire::shown::Shown;

const SCAPY: &str = include_str!("scapy.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hexadecimal digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// How the appliance reads a frame: in words, or the reason for which it does not.
fn read(frame: &[u8]) -> String {
    match Packet::parse(frame) {
        Ok(_) => Shown(frame).to_string(),
        Err(why) => format!("{why:?}"),
    }
}

#[test]
fn frames_made_by_scapy_are_read_as_they_were_meant() {
    let lines: Vec<&str> = SCAPY.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() >= 3 * 40 && lines.len().is_multiple_of(3), "{} lines", lines.len());
    let wrong: Vec<String> = lines
        .chunks(3)
        .map(|row| (row, read(&bytes(row[1]))))
        .filter(|(row, read)| row[2] != read)
        .map(|(row, read)| format!("{}\n  expected {}\n  read     {read}", row[0], row[2]))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
