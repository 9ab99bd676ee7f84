//! Files byte by byte, from draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng: what is read of them, and what is written.

use super::*;

/// Hexadecimal digits, with blanks anywhere.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What a row says of a packet: number, section, interface, time, direction, drops, original length, bytes, comment.
type Seen = (u64, u64, usize, Option<u64>, Option<Direction>, Option<u64>, u32, Vec<u8>, Option<String>);

fn all(file: &[u8]) -> (Vec<Seen>, Option<String>) {
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let mut seen = Vec::new();
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) => seen.push((
                packet.number,
                packet.section,
                packet.interface,
                packet.at,
                packet.direction,
                packet.drops,
                packet.original_length,
                packet.bytes.to_vec(),
                packet.comment().map(String::from),
            )),
            Ok(None) => return (seen, None),
            Err(error) => return (seen, Some(error.to_string())),
        }
    }
}

fn packets(file: &[u8]) -> Vec<Seen> {
    let (seen, error) = all(file);
    assert_eq!(error, None);
    seen
}

fn fault(file: &[u8]) -> String {
    all(file).1.expect("an error")
}

fn plain(number: u64, at: u64, original: u32, bytes: &str) -> Seen {
    (number, 1, 0, Some(at), None, None, original, hex(bytes), None)
}

const PCAP_LITTLE: &str = "d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000";
const PCAP_BIG: &str = "a1b2c3d4 0002 0004 00000000 00000000 00040000 00000001";

#[test]
fn pcap_of_both_orders_and_units() {
    let little = hex(&format!(
        "{PCAP_LITTLE} 02000000 03000000 04000000 04000000 0a0b0c0d 05000000 01000000 02000000 40000000 eeff"
    ));
    let expected = [plain(1, 2_000_003_000, 4, "0a0b0c0d"), plain(2, 5_000_001_000, 64, "eeff")];
    assert_eq!(packets(&little), expected);
    let big = hex(&format!(
        "{PCAP_BIG} 00000002 00000003 00000004 00000004 0a0b0c0d 00000005 00000001 00000002 00000040 eeff"
    ));
    assert_eq!(packets(&big), expected);
    let nanoseconds = hex(&format!("4d3cb2a1 {} 02000000 03000000 01000000 01000000 0a", &PCAP_LITTLE[9..]));
    assert_eq!(packets(&nanoseconds), [plain(1, 2_000_000_003, 1, "0a")]);
    let big_nanoseconds = hex(&format!("a1b23c4d {} 00000002 00000003 00000001 00000001 0a", &PCAP_BIG[9..]));
    assert_eq!(packets(&big_nanoseconds), [plain(1, 2_000_000_003, 1, "0a")]);
}

#[test]
fn a_frame_checksum_is_no_part_of_the_frame() {
    // Two words of checksum: FCS length 2, and the bit that says it is there.
    let file = hex(&format!("{} 01000024 01000000 00000000 06000000 06000000 0a0b ffffffff", &PCAP_LITTLE[..45]));
    assert_eq!(packets(&file), [plain(1, 1_000_000_000, 2, "0a0b")]);
    // Cut so that half of the checksum was kept.
    let file = hex(&format!("{} 01000024 01000000 00000000 04000000 06000000 0a0b ffff", &PCAP_LITTLE[..45]));
    assert_eq!(packets(&file), [plain(1, 1_000_000_000, 2, "0a0b")]);
}

#[test]
fn pcap_that_cannot_be_read_says_why_and_where() {
    assert_eq!(fault(b""), "at byte 0: the file is empty: nothing was captured, or it is not written yet");
    assert_eq!(
        fault(b"GET / HTTP/1.1"),
        "at byte 0: this is no capture file: pcap and pcapng are read, and it begins with [47, 45, 54, 20]"
    );
    assert_eq!(fault(&hex("1f8b0800")), "at byte 0: this is compressed by gzip: unpack it with `gunzip` first");
    let cooked = hex(&PCAP_LITTLE.replace("00000400 01000000", "00000400 71000000"));
    assert_eq!(
        fault(&cooked),
        "at byte 0: packets of link type 113 (Linux cooked, as of the interface \"any\") are not read, only those of Ethernet (1): \
         capture on one Ethernet interface, as by `tcpdump -i eth0 -w FILE`"
    );
    let cut = hex(&format!("{PCAP_LITTLE} 02000000 03000000 04000000 04000000 0a0b0c"));
    assert_eq!(
        fault(&cut),
        "at byte 24: the file ends within a packet: 1 bytes are missing. It was cut, or is still being written; `editcap IN OUT` keeps \
         what is whole"
    );
    let cut = hex(&format!("{PCAP_LITTLE} 0200"));
    assert!(
        fault(&cut).starts_with("at byte 24: the file ends within the head of a packet: 14 bytes"),
        "{}",
        fault(&cut)
    );
    assert!(fault(&hex("d4c3b2a1 0200")).starts_with("at byte 0: the file ends within the head of the file: 18 bytes"));
    let huge = hex(&format!("{PCAP_LITTLE} 02000000 03000000 01000400 01000400 0a"));
    assert!(
        fault(&huge).starts_with("at byte 24: a packet of 262145 bytes: at most 262144 are read."),
        "{}",
        fault(&huge)
    );
    let other = hex(&PCAP_LITTLE.replace("0200 0400", "0200 0300"));
    assert!(fault(&other).starts_with("at byte 0: this is pcap of version 2.3, and 2.4 is read"), "{}", fault(&other));
}

const SECTION_LITTLE: &str = "0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000";
const SECTION_BIG: &str = "0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c";
/// Ethernet, microseconds, snap length 262,144.
const INTERFACE: &str = "01000000 14000000 0100 0000 00000400 14000000";
/// "eth0", nanoseconds, an offset of 1,000 seconds.
const ETH0: &str = "01000000 34000000 0100 0000 00000400 0200 0400 65746830 0900 0100 09000000 0e00 0800 e803000000000000 \
                    00000000 34000000";

/// An Enhanced Packet Block of three bytes, at 5 units of the first interface.
const ENHANCED: &str = "06000000 24000000 00000000 00000000 05000000 03000000 40000000 aabbcc00 24000000";

#[test]
fn pcapng_of_both_orders_and_several_sections() {
    let big_interface = "00000001 00000014 0001 0000 00040000 00000014";
    // Option 2 is the flags: inbound. Option 4: seven were lost. Option 1: "hello".
    let big_packet = "00000006 00000048 00000000 00000001 00000000 00000002 00000002 aabb0000 0002 0004 00000001 \
                      0004 0008 0000000000000007 0001 0005 68656c6c6f000000 0000 0000 00000048";
    let file = hex(&[SECTION_LITTLE, ETH0, INTERFACE, ENHANCED, SECTION_BIG, big_interface, big_packet].concat());
    let first = (1, 1, 0, Some(1_000_000_000_005), None, None, 64, hex("aabbcc"), None);
    let at = Some((1u64 << 32) * 1_000);
    let second = (2, 2, 0, at, Some(Direction::Inbound), Some(7), 2, hex("aabb"), Some("hello".to_owned()));
    assert_eq!(packets(&file), [first, second]);
    let mut reader = Reader::new(&file[..]).unwrap();
    reader.next_packet().unwrap();
    let names: Vec<_> = reader.interfaces().iter().map(|interface| interface.name.as_deref()).collect();
    assert_eq!(names, [Some("eth0"), None]);
    assert_eq!(reader.offset(), 28 + 52 + 20 + 36);
}

#[test]
fn blocks_without_a_time_of_old_and_of_no_interest() {
    // An interface that keeps two bytes; a simple packet of three; an unknown block; statistics; an obsolete packet of the second
    // interface with 9 lost, outbound.
    let file = hex(&[
        SECTION_LITTLE,
        "01000000 14000000 0100 0000 02000000 14000000",
        INTERFACE,
        "03000000 14000000 03000000 aabb0000 14000000",
        "0b000000 10000000 01020304 10000000",
        "05000000 18000000 00000000 00000000 00000000 18000000",
        "02000000 30000000 0100 0900 00000000 05000000 02000000 02000000 ccdd0000 0200 0400 02000000 0000 0000 30000000",
    ]
    .concat());
    let simple = (1, 1, 0, None, None, None, 3, hex("aabb"), None);
    let obsolete = (2, 1, 1, Some(5_000), Some(Direction::Outbound), Some(9), 2, hex("ccdd"), None);
    assert_eq!(packets(&file), [simple, obsolete]);
}

/// if_tsresol, a stamp, nanoseconds.
#[test]
fn resolutions_are_powers_of_ten_and_of_two() {
    let rows = [
        (0x00, 7, Some(7_000_000_000)),
        (0x03, 7, Some(7_000_000)),
        (0x06, 7, Some(7_000)),
        (0x09, 7, Some(7)),
        (0x0c, 7_999, Some(7)),
        (0x80, 7, Some(7_000_000_000)),
        (0x8a, 1_536, Some(1_500_000_000)),
        (0xa0, 3 << 31, Some(1_500_000_000)),
        (0x7f, u64::MAX, Some(0)),
        (0xff, u64::MAX, Some(0)),
        (0x00, u64::MAX, None),
    ];
    for (resolution, stamp, expected) in rows {
        assert_eq!(packet::Clock::of_resolution(resolution).nanoseconds(stamp), expected, "{resolution:#x} {stamp}");
    }
    let shifted = packet::Clock { offset: -2, ..packet::Clock::of_resolution(0) };
    assert_eq!(shifted.nanoseconds(3), Some(1_000_000_000));
    assert_eq!(shifted.nanoseconds(1), None);
}

/// What a file ends with, behind a section and an interface of 48 bytes together; and how the error begins.
#[test]
fn pcapng_that_is_damaged_says_why_and_where() {
    let rows = [
        (
            "06000000 26000000",
            "at byte 48: a block of type 0x00000006 says that it is 38 bytes long, which is no multiple of 4",
        ),
        (
            "06000000 1c000000",
            "at byte 48: a block of type 0x00000006 says that it is 28 bytes long, less than such a block takes",
        ),
        (
            "77000000 08000000",
            "at byte 48: a block of type 0x00000077 says that it is 8 bytes long, less than such a block takes",
        ),
        ("06000000 04001000", "at byte 48: a block of 1048580 bytes: at most 1048576 are read"),
        ("06000000", "at byte 48: the file ends within the head of a block: 4 bytes are missing"),
        ("06000000 24000000 0000", "at byte 48: the file ends within a block: 26 bytes are missing"),
        ("77000000 24000000 0000", "at byte 48: the file ends within a block: 26 bytes are missing"),
        (
            "77000000 10000000 00000000 14000000",
            "at byte 48: a block is 16 bytes long by its beginning and 20 by its end",
        ),
        (
            &ENHANCED.replace("aabbcc00 24000000", "aabbcc00 28000000"),
            "at byte 48: a block is 36 bytes long by its beginning and 40 by",
        ),
        (
            &ENHANCED.replace("03000000 40000000", "05000000 40000000"),
            "at byte 68: a packet is longer than the block that it is in",
        ),
        (
            &ENHANCED.replace("24000000 00000000", "24000000 02000000"),
            "at byte 48: a packet of interface 2, and the section describes 1",
        ),
        (
            "06000000 28000000 00000000 00000000 05000000 00000000 00000000 0100 0900 61616161 28000000",
            "at byte 76: an option of a packet is longer than the block",
        ),
        ("0a0d0d0a 1c000000 00000000", "at byte 56: a section has the byte order mark 0x00000000"),
        (
            &SECTION_LITTLE.replace("0100 0000", "0200 0000"),
            "at byte 60: this is pcapng of version 2.0, and 1.0 is read",
        ),
        (
            "01000000 14000000 6500 0000 00000000 14000000 06000000 20000000 01000000 00000000 00000000 00000000 00000000 20000000",
            "at byte 68: packets of link type 101 (raw IP) are not read",
        ),
        (
            "01000000 20000000 0100 0000 00000000 0900 0100 00000000 00000000 20000000 \
          06000000 20000000 01000000 ffffffff 00000000 00000000 00000000 20000000",
            "at byte 80: a time stamp before 1970 or after 2554",
        ),
    ];
    for (end, expected) in rows {
        let error = fault(&hex(&[SECTION_LITTLE, INTERFACE, end].concat()));
        assert!(error.starts_with(expected), "{end}\n  {error}\n  {expected}");
    }
    // What was read before it holds.
    let (seen, error) = all(&hex(&[SECTION_LITTLE, INTERFACE, ENHANCED, "06"].concat()));
    assert_eq!((seen.len(), error.is_some()), (1, true));
    // A section that describes more interfaces than are kept.
    let many = [hex(SECTION_LITTLE), hex(INTERFACE).repeat(1_025)].concat();
    assert!(fault(&many).starts_with("at byte 20508: a section with more than 1024 interfaces"), "{}", fault(&many));
}

#[test]
fn an_interface_of_another_link_type_that_captured_nothing_is_in_nobodys_way() {
    let file = hex(&[SECTION_LITTLE, INTERFACE, "01000000 14000000 ef00 0000 00000000 14000000", ENHANCED].concat());
    assert_eq!(packets(&file).len(), 1);
}

fn section(comment: &str) -> Section<'_> {
    Section { application: "us", comment, snap_length: 4 }
}

const FRAME: Packet<'static> = Packet {
    interface: 1,
    at: 0x1_0000_0005,
    direction: Some(Direction::Outbound),
    drops: 3,
    comment: "verdict=drop",
    original_length: 0,
    bytes: &[0xaa, 0xbb, 0xcc, 0xdd, 0xee],
};

#[test]
fn what_is_written_byte_by_byte() {
    let mut writer = Writer::new(Vec::new(), &section("why"), ["a", "bc"]).unwrap();
    assert_eq!(writer.packet(&FRAME).unwrap(), 76);
    let quiet =
        Packet { interface: 0, at: 1, direction: None, drops: 0, comment: "", original_length: 9, bytes: &[0xaa] };
    assert_eq!(writer.packet(&quiet).unwrap(), 36);
    let expected = hex(&[
        "0a0d0d0a 30000000 4d3c2b1a 0100 0000 ffffffffffffffff 0100 0300 77687900 0400 0200 75730000 0000 0000 30000000",
        "01000000 28000000 0100 0000 04000000 0200 0100 61000000 0900 0100 09000000 0000 0000 28000000",
        "01000000 28000000 0100 0000 04000000 0200 0200 62630000 0900 0100 09000000 0000 0000 28000000",
        "06000000 4c000000 01000000 01000000 05000000 04000000 05000000 aabbccdd",
        "0100 0c00 766572646963743d64726f70 0200 0400 02000000 0400 0800 0300000000000000 0000 0000 4c000000",
        "06000000 24000000 00000000 00000000 01000000 01000000 09000000 aa000000 24000000",
    ]
    .concat());
    assert_eq!(writer.written(), expected.len() as u64);
    assert_eq!(writer.into_inner(), expected);
}

#[test]
fn what_is_written_is_read_again() {
    let mut writer = Writer::new(Vec::new(), &section(""), ["a", "bc"]).unwrap();
    let damaged = Packet { comment: "a,b\nc\u{7f}ü", ..FRAME };
    writer.packet(&damaged).unwrap();
    let long = "ü".repeat(600);
    writer.packet(&Packet { comment: &long, drops: 0, direction: Some(Direction::Inbound), ..FRAME }).unwrap();
    let nobody = writer.packet(&Packet { interface: 2, ..FRAME }).unwrap_err();
    assert_eq!(nobody.to_string(), "interface 2 of a capture file that has 2");
    let seen = packets(&writer.into_inner());
    let bytes = FRAME.bytes[..4].to_vec();
    let at = Some(FRAME.at);
    let first = (1, 1, 1, at, Some(Direction::Outbound), Some(3), 5, bytes.clone(), Some("a;b c ü".to_owned()));
    let second = (2, 1, 1, at, Some(Direction::Inbound), None, 5, bytes, Some("ü".repeat(512)));
    assert_eq!(seen, [first, second]);
}

/// The largest block there may be, and as many interfaces with the longest names, of bytes that are no UTF-8.
#[test]
fn what_is_held_is_bounded() {
    let described = [hex("01000000 14010000 0100 0000 00000000 0200 fc00"), vec![0xff; 252], hex("14010000")].concat();
    let length = 1 << 20_u32;
    let comment = vec![0x61; 0xfffc];
    let options: Vec<u8> = std::iter::repeat_n([hex("0100 fcff"), comment].concat(), 15).flatten().collect();
    let rest = length as usize - 32 - options.len();
    let head = [6, length, 0, 0, 0, rest as u32, rest as u32].map(u32::to_le_bytes).concat();
    let large = [head, vec![0; rest], options, length.to_le_bytes().to_vec()].concat();
    let file = [hex(SECTION_LITTLE), described.repeat(1_024), large].concat();
    let mut reader = Reader::new(&file[..]).unwrap();
    let packet = reader.next_packet().unwrap().unwrap();
    assert_eq!((packet.bytes.len(), packet.comment().unwrap().len()), (rest, 0xfffc));
    assert!(reader.memory() > length as usize && reader.memory() <= MOST_MEMORY, "{}", reader.memory());
}
