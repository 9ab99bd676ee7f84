//! What was typed, as a program of the BPF machine.
//!
//! Owns the word `sip`, which libpcap does not know. libpcap compiles the rest, says what is wrong with it, and what can never match.

use crate::admin::capture::PROGRAM_MAX;
use crate::cli::client::Failure;
use pcap::{Capture, Linktype};

/// An instruction: code, jt, jf, k.
pub type Instruction = (u16, u8, u8, u32);

/// EtherTypes of tags, as libpcap's `vlan` takes them.
const TAGS: [u32; 3] = [0x8100, 0x88a8, 0x9100];

/// What is wrong with a filter.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// libpcap refuses it.
    #[error("the filter `{filter}` cannot be used: {why}; `man pcap-filter` describes the language")]
    Refused {
        /// As it was given to libpcap.
        filter: String,
        /// In its words.
        why: String,
    },
    /// It is longer than what is sent.
    #[error("the filter `{0}` becomes {1} instructions, at most {PROGRAM_MAX} are run: write a shorter one")]
    TooLong(String, usize),
    /// There is nothing that `sip` could stand for.
    #[error(
        "`sip` stands for the service ports, and there is no virtual server: write the port, such as `udp port 5060`"
    )]
    NoPorts,
    /// What `sip` stands for is not known.
    #[error("{0}")]
    Ports(#[from] Failure),
}

/// Compiles the words of a filter; none: everything is meant. `ports` says what `sip` stands for, as `udp port 5060`.
///
/// # Errors
///
/// [`Wrong`], for the operator.
pub fn compile(
    words: &[String],
    ports: impl FnOnce() -> Result<Vec<String>, Failure>,
) -> Result<Vec<Instruction>, Wrong> {
    let filter = words.join(" ");
    let program = match has_sip(&filter) {
        _ if filter.trim().is_empty() => return Ok(Vec::new()),
        false => compiled(&filter)?,
        true => {
            let ports = ports()?;
            if ports.is_empty() {
                return Err(Wrong::NoPorts);
            }
            let filter = with_sip(&filter, &format!("({})", ports.join(" or ")));
            by_tag(&compiled(&filter)?, &compiled(&format!("vlan and ({filter})"))?)
        }
    };
    if program.len() > PROGRAM_MAX { Err(Wrong::TooLong(filter, program.len())) } else { Ok(program) }
}

/// What libpcap makes of a filter.
fn compiled(filter: &str) -> Result<Vec<Instruction>, Wrong> {
    let refused = |why: pcap::Error| {
        let why = match why {
            pcap::Error::PcapError(text) => text,
            other => other.to_string(),
        };
        Wrong::Refused { filter: filter.to_owned(), why }
    };
    let program = Capture::dead(Linktype::ETHERNET).and_then(|dead| dead.compile(filter, true)).map_err(refused)?;
    let read = |text: String| {
        let mut fields = text.split(' ').map(|field| field.parse::<u32>().ok());
        let mut next = || fields.next().flatten();
        Some((next()? as u16, next()? as u8, next()? as u8, next()?))
    };
    let read = program.get_instructions().iter().map(|instruction| read(instruction.to_string()));
    read.collect::<Option<Vec<_>>>().ok_or_else(|| Wrong::Refused {
        filter: filter.to_owned(),
        why: "what libpcap made of it cannot be read".to_owned(),
    })
}

/// A program that runs the first of these on a frame without a tag, and the second on one with a tag.
fn by_tag(without: &[Instruction], with: &[Instruction]) -> Vec<Instruction> {
    // The comparisons jump to the instruction behind the last of them, which is a long jump; else to the one after that.
    let count = TAGS.len() as u8;
    let mut program = vec![(0x28, 0, 0, 12)];
    let last = TAGS.len() - 1;
    let compare = |(at, tag): (usize, &u32)| (0x15, count - 1 - at as u8, u8::from(at == last), *tag);
    program.extend(TAGS.iter().enumerate().map(compare));
    program.push((0x05, 0, 0, without.len() as u32));
    program.extend(without);
    program.extend(with);
    program
}

/// The places of the word `sip` that stand for themselves: not `port sip`, the port of that name, nor `host sip`, nor what is in
/// parentheses behind such a word.
fn places(filter: &str) -> Vec<usize> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    let (mut found, mut is_qualified, mut parentheses, mut at) = (Vec::new(), false, vec![false], 0);
    while let Some(c) = filter[at..].chars().next() {
        let rest = &filter[at..];
        let length = if is_part(c) { rest.find(|c| !is_part(c)).unwrap_or(rest.len()) } else { c.len_utf8() };
        let inside = parentheses.last().copied().unwrap_or_default();
        match &rest[..length] {
            "sip" if !is_qualified && !inside => found.push(at),
            "and" | "or" | "not" => is_qualified = false,
            word if word.starts_with(is_part) => is_qualified = true,
            "(" => {
                parentheses.push(inside || is_qualified);
                is_qualified = false;
            }
            ")" => _ = parentheses.pop(),
            blank if blank.trim().is_empty() => {}
            _ => is_qualified = false,
        }
        at += length;
    }
    found
}

fn has_sip(filter: &str) -> bool {
    !places(filter).is_empty()
}

fn with_sip(filter: &str, meaning: &str) -> String {
    let (mut text, mut from) = (String::new(), 0);
    for at in places(filter) {
        text += &filter[from..at];
        text += meaning;
        from = at + 3;
    }
    text + &filter[from..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bpf::{self, Program};
    use crate::wire::{Kind, Packet};

    const FILTERS: &str = include_str!("../../../tests/filters/filters.txt");
    const FRAMES: &str = include_str!("../../../tests/filters/frames.txt");

    fn program(filter: &str) -> Result<Program, String> {
        let words: Vec<String> = filter.split(' ').map(str::to_owned).collect();
        let ports = || Ok(vec!["udp port 5060".to_owned()]);
        let instructions = compile(&words, ports).map_err(|why| why.to_string())?;
        let instruction = |&(code, jt, jf, k): &Instruction| bpf::Instruction { code, jt, jf, k };
        Program::new(&instructions.iter().map(instruction).collect::<Vec<_>>()).map_err(|why| why.to_string())
    }

    fn frames() -> Vec<(String, Vec<u8>)> {
        let bytes = |hex: &str| {
            (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
        };
        let frame = |line: &str| line.split_once('\t').map(|(name, hex)| (name.to_owned(), bytes(hex.trim()))).unwrap();
        FRAMES.lines().filter(|line| !line.is_empty()).map(frame).collect()
    }

    /// What libpcap says itself, by its own machine; why not where it refuses the filter.
    fn theirs(filter: &str) -> Result<pcap::BpfProgram, String> {
        let dead = Capture::dead(Linktype::ETHERNET).unwrap();
        dead.compile(filter, true).map_err(|why| why.to_string())
    }

    /// Frames as they come on no network: those of the file, cut, lengthened and with bytes changed.
    fn damaged(frames: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
        let mut seed = 11u64;
        let mut chance = move |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        let mut made = Vec::new();
        for (name, bytes) in frames {
            for round in 0..40 {
                let mut bytes = bytes.clone();
                match round % 4 {
                    0 => bytes.truncate(1 + chance(bytes.len())),
                    1 => bytes.extend((0..chance(40)).map(|_| 0)),
                    _ => {}
                }
                for _ in 0..chance(4) {
                    let at = chance(bytes.len().min(64));
                    bytes[at] = [0, 1, 6, 17, 0x45, 0x60, 0x81, 0x08, 0x88, 0xff, 44, 60][chance(12)];
                }
                made.push((format!("{name}, {round}"), bytes));
            }
        }
        made
    }

    #[test]
    fn every_filter_says_of_every_frame_what_libpcap_says() {
        let frames = frames();
        let all: Vec<_> = frames.iter().cloned().chain(damaged(&frames)).collect();
        let filters: Vec<&str> = FILTERS.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!((filters.len(), frames.len()), (74, 24));
        let (mut compared, mut matched, mut refused) = (0, 0, Vec::new());
        for filter in filters {
            let (ours, theirs) = (program(filter), theirs(filter));
            let (ours, theirs) = match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => (ours, theirs),
                (Err(_), Err(_)) => {
                    refused.push(filter);
                    continue;
                }
                (ours, theirs) => panic!("{filter}: {:?}, libpcap {:?}", ours.err(), theirs.err()),
            };
            for (name, bytes) in &all {
                let said = ours.matches(bytes, bytes.len());
                assert_eq!(said, theirs.filter(bytes), "`{filter}` of {name}");
                compared += 1;
                matched += usize::from(said);
            }
        }
        println!("{compared} compared, {matched} of them matched, refused by both: {refused:?}");
        assert!(compared > 60 * all.len() && matched > 1_000);
    }

    #[test]
    fn a_mistake_is_told_in_the_words_of_libpcap() {
        for (filter, part) in [
            ("udp prot 5060", "syntax error"),
            ("udp port 70000", "illegal port number"),
            ("tcp and udp", "rejects all packets"),
            ("sip and arp", "rejects all packets"),
            ("host 999.1.2.3", "999.1.2.3"),
            ("(udp", "syntax error"),
        ] {
            let why = program(filter).expect_err(filter);
            assert!(why.contains(part) && why.contains("man pcap-filter"), "{filter}: {why}");
        }
        assert!(compile(&[], || panic!("nobody needs them")).unwrap().is_empty());
        let none = compile(&["sip".into()], || Ok(Vec::new())).unwrap_err();
        assert!(matches!(none, Wrong::NoPorts));
    }

    #[test]
    fn what_a_program_says_of_addresses_holds_for_all_that_it_matches() {
        let addresses = |filter: &str| program(filter).unwrap().addresses();
        let one = Some(vec!["192.0.2.1".to_owned()]);
        for (filter, expected) in [
            ("host 192.0.2.1", one.clone()),
            ("udp port 5060 and host 192.0.2.1", one.clone()),
            ("src host 192.0.2.1 and not arp", one.clone()),
            ("vlan and host 192.0.2.1", one.clone()),
            ("sip and host 192.0.2.1", one),
            ("udp", None),
            ("net 192.0.2.0/24", None),
            ("not host 192.0.2.1", None),
            ("host 192.0.2.1 or arp", None),
            // At the same place as an address, but in any frame.
            ("ether[26:4] = 0xc0000201", None),
            ("ip6 protochain 17", None),
        ] {
            let found = addresses(filter).map(|all| {
                let mut all: Vec<String> = all.iter().map(ToString::to_string).collect();
                all.sort();
                all.dedup();
                all
            });
            assert_eq!(found, expected, "{filter}");
        }
        let frames = frames();
        let all: Vec<_> = frames.iter().cloned().chain(damaged(&frames)).collect();
        for filter in FILTERS.lines().filter(|line| !line.is_empty()) {
            let program = program(filter).unwrap();
            let Some(addresses) = program.addresses() else { continue };
            for (name, bytes) in all.iter().filter(|(_, bytes)| program.matches(bytes, bytes.len())) {
                let has =
                    |at: usize| bytes.get(at..at + 4).is_some_and(|four| addresses.iter().any(|a| a.octets() == four));
                assert!([26, 30, 34, 28, 38, 32, 42].into_iter().any(has), "`{filter}` matches {name}");
            }
        }
    }

    #[test]
    fn what_a_program_says_of_ports_holds_for_all_that_it_matches() {
        for (filter, expected) in [
            ("port 9", Some(vec![9])),
            ("udp port 5060", Some(vec![5060])),
            ("tcp dst port 5060", Some(vec![5060])),
            ("sctp src port 5060", Some(vec![5060])),
            ("port 5060 or 53", Some(vec![53, 5060])),
            ("udp port 9 or tcp port 10", Some(vec![9, 10])),
            ("src port 1 and dst port 2", Some(vec![1])),
            ("port 5060 and host 192.0.2.1", Some(vec![5060])),
            ("host 192.0.2.1 and not port 53 and port 5060", Some(vec![5060])),
            ("vlan and udp port 5060", Some(vec![5060])),
            ("udp port 5060 or (vlan and udp port 5060)", Some(vec![5060])),
            ("sip", Some(vec![5060])),
            ("sip and host 192.0.2.1", Some(vec![5060])),
            ("udp[0:2] = 9", Some(vec![9])),
            ("udp[2:2] = 9 or ip6", Some(vec![9])),
            ("udp", None),
            ("not port 9", None),
            ("port 9 or icmp", None),
            ("port 9 or arp", None),
            ("udp portrange 5000-5100", None),
            ("udp[4:2] = 9", None),
            // Where a port would be, but in any datagram, or in any fragment: such as an ICMP error of ours, or a piece of what is cut.
            ("icmp[0:2] = 0x0303", None),
            ("ip[20:2] = 9", None),
            ("ip proto 17 and ether[34:2] = 9", None),
            // None of IPv4 at all.
            ("ip6 protochain 17", Some(vec![])),
            ("ip6 host 2001:db8::1", Some(vec![])),
        ] {
            assert_eq!(program(filter).unwrap().ports(), expected, "{filter}");
        }
        let frames = frames();
        let all: Vec<_> = frames.iter().cloned().chain(damaged(&frames)).collect();
        let mut compared = 0;
        for filter in FILTERS.lines().filter(|line| !line.is_empty()) {
            let program = program(filter).unwrap();
            let Some(ports) = program.ports() else { continue };
            for (name, bytes) in all.iter().filter(|(_, bytes)| program.matches(bytes, bytes.len())) {
                let Ok(packet) = Packet::parse(bytes) else { continue };
                compared += 1;
                let shows_ports = match packet.kind {
                    Kind::Udp | Kind::Tcp(_) => true,
                    Kind::Fragment(fragment) => fragment.offset == 0,
                    _ => packet.protocol == 132,
                };
                assert!(shows_ports, "`{filter}` matches {name}");
                let begins = [0, 2].map(|at| usize::from(packet.l4) + at);
                let has = begins.map(|at| u16::from_be_bytes([bytes[at], bytes[at + 1]]));
                assert!(has.iter().any(|port| ports.contains(port)), "`{filter}` matches {name}");
            }
        }
        assert!(compared > 100, "{compared}");
    }

    #[test]
    fn a_port_is_one_behind_the_header_of_a_first_fragment_only() {
        // UDP in IPv4, then an offset that is looked at by this mask, then these.
        let ports = |mask: Option<u32>, last: &[Instruction]| {
            let first = mask.map(|mask| [(0x28, 0, 0, 20), (0x45, last.len() as u8 + 1, 0, mask)]);
            let rest = [first.as_ref().map_or(&[][..], |first| first), last].concat();
            let count = rest.len() as u8;
            let mut all =
                vec![(0x28, 0, 0, 12), (0x15, 0, count + 3, 0x800), (0x30, 0, 0, 23), (0x15, 0, count + 1, 17)];
            all.extend(rest);
            all.extend([(0x06, 0, 0, 1), (0x06, 0, 0, 0)]);
            let instruction = |&(code, jt, jf, k): &Instruction| bpf::Instruction { code, jt, jf, k };
            Program::new(&all.iter().map(instruction).collect::<Vec<_>>()).unwrap().ports()
        };
        let port = [(0xb1, 0, 0, 14), (0x48, 0, 0, 14), (0x15, 0, 1, 9)];
        assert_eq!(ports(Some(0x1fff), &port), Some(vec![9]));
        assert_eq!(ports(Some(0x3fff), &port), Some(vec![9]));
        assert_eq!((ports(Some(0x0fff), &port), ports(None, &port)), (None, None));
        for last in [
            vec![(0xb1, 0, 0, 14), (0x48, 0, 0, 18), (0x15, 0, 1, 9)],
            vec![(0xb1, 0, 0, 15), (0x48, 0, 0, 15), (0x15, 0, 1, 9)],
            vec![(0xb1, 0, 0, 14), (0x01, 0, 0, 6), (0x48, 0, 0, 14), (0x15, 0, 1, 9)],
            vec![(0xb1, 0, 0, 14), (0x40, 0, 0, 14), (0x15, 0, 1, 9)],
            vec![(0xb1, 0, 0, 14), (0x48, 0, 0, 14), (0x04, 0, 0, 1), (0x15, 0, 1, 9)],
        ] {
            assert_eq!(ports(Some(0x1fff), &last), None, "{last:?}");
        }
    }

    /// By what it stands for, tagged or not, wherever the word is.
    #[test]
    fn sip_is_found_behind_a_tag_as_without_one() {
        let all = frames();
        let said = |filter: &str| -> Vec<&str> {
            let program = program(filter).unwrap();
            let meant = all.iter().filter(|(_, bytes)| program.matches(bytes, bytes.len()));
            meant.map(|(name, _)| &**name).collect()
        };
        let either = said("udp port 5060 or (vlan and udp port 5060)");
        assert_eq!(said("sip"), either);
        assert!(either.contains(&"v4 udp 5060") && either.contains(&"v4 vlan"));
        // Behind `vlan` libpcap looks for the host behind a tag; in a filter with `sip` it is where it is.
        assert_eq!(said("sip and host 192.0.2.1"), said("host 192.0.2.1 and sip"));
        assert!(said("sip and host 192.0.2.1").contains(&"v4 udp 5060"));
        let not: Vec<_> = all.iter().map(|(name, _)| &**name).filter(|name| !either.contains(name)).collect();
        assert_eq!(said("not sip"), not);
        for no_word in ["host sip-a", "host sip", "udp port sip", "port (5061 or sip)", "host a.sip", "sipp", ""] {
            assert!(!has_sip(no_word), "{no_word}");
        }
        assert_eq!(with_sip("(sip)or sip", "X"), "(X)or X");
        assert_eq!(with_sip("!sip&&port (sip or 1) and (udp or sip)", "X"), "!X&&port (sip or 1) and (udp or X)");
    }
}
