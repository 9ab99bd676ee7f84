//! Any bytes as a capture file: packets or an error with its place, never a panic, and no more memory than is promised whatever
//! the file says of itself. `tests/fuzz/search captures any_bytes 600` searches for longer.

use fairlead::capture_file::{MOST_MEMORY, Packet, Reader, Section, Writer};

fn judge(file: &[u8]) {
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => return assert!(error.offset <= file.len() as u64, "{error}"),
    };
    let mut length = 0;
    let mut packets = 0;
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) => {
                packets += 1;
                assert_eq!(packet.number, packets);
                assert!(packet.bytes.len() <= packet.original_length as usize || !packet.is_cut());
                length += packet.bytes.len();
                let _ = packet.comment();
            }
            Ok(None) => break,
            Err(error) => {
                assert!(error.offset <= file.len() as u64, "{error}");
                break;
            }
        }
    }
    assert!(length <= file.len(), "no byte is read twice");
    assert!(reader.offset() <= file.len() as u64);
    assert!(reader.memory() <= MOST_MEMORY, "{} bytes are held", reader.memory());
}

#[test]
fn any_bytes() {
    bolero::check!().for_each(judge);
}

/// A good file of two interfaces and a few packets, with some of its bytes replaced.
#[test]
fn damaged_files() {
    bolero::check!().with_type::<(u16, u8, Vec<u8>)>().for_each(|(at, length, with)| {
        let mut file = good();
        let at = usize::from(*at) % file.len();
        let end = (at + usize::from(*length) % 9).min(file.len());
        file.splice(at..end, with.iter().copied());
        judge(&file);
    });
}

fn good() -> Vec<u8> {
    let section = Section { application: "fuzz", comment: "of a good file", snap_length: 96 };
    let mut writer = Writer::new(Vec::new(), &section, ["outside", "inside"]).unwrap();
    for interface in [0, 1, 0] {
        let bytes = &[0x5a; 60];
        let packet =
            Packet { interface, at: 7, direction: None, drops: 1, comment: "verdict=drop", original_length: 0, bytes };
        writer.packet(&packet).unwrap();
    }
    writer.into_inner()
}
