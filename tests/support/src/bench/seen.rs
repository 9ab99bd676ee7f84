//! A frame the appliance has sent, and what a scenario may say about it.

use fairlead::policy::intent::PortId;
use fairlead::time::Instant;
use fairlead::wire::build::mend_ip;
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Endpoint, Kind, Packet, Tuple};

/// What left, where and when.
#[derive(Clone)]
pub struct Seen {
    pub at: Instant,
    pub port: PortId,
    pub frame: Vec<u8>,
}

impl Seen {
    pub fn headers(&self) -> Packet {
        Packet::parse(&self.frame).expect("the appliance sends what can be read")
    }

    /// ARP, or a question of the appliance's own: a probe.
    pub fn is_errand(&self) -> bool {
        let headers = self.headers();
        let ours = matches!(headers.src().octets(), [10, 20, 0, 1 | 2] | [192, 0, 2, 2]);
        match headers.kind {
            Kind::Arp(_) => true,
            Kind::Udp | Kind::Tcp(_) | Kind::Echo { request: true, .. } => ours,
            _ => false,
        }
    }

    pub fn is_arp(&self) -> bool {
        matches!(self.headers().kind, Kind::Arp(_))
    }

    pub fn tuple(&self) -> Option<Tuple> {
        self.headers().tuple()
    }

    /// It goes to this endpoint.
    pub fn is_for(&self, dst: Endpoint) -> bool {
        self.tuple().is_some_and(|tuple| tuple.dst == dst)
    }

    pub fn payload(&self) -> String {
        let headers = self.headers();
        let start = usize::from(headers.l4) + 8;
        String::from_utf8_lossy(&self.frame[start..usize::from(headers.end)]).into_owned()
    }

    /// A bare reset between these endpoints: its sequence number.
    #[track_caller]
    pub fn reset(&self, src: Endpoint, dst: Endpoint) -> u32 {
        let headers = self.headers();
        let Kind::Tcp(segment) = headers.kind else { panic!("{headers:?} is no segment") };
        let tuple = headers.tuple().unwrap();
        assert_eq!((tuple.src, tuple.dst), (src, dst));
        let others = Flags::RST.with(Flags::ACK);
        assert!(segment.flags.rst() && segment.flags.0 & !others.0 == 0, "{segment:?} is no bare reset");
        assert_eq!(segment.payload, 0);
        segment.seq
    }
}

/// The frames are one and the same up to the datagram's end; what follows is zeros up to a frame's shortest length.
#[track_caller]
pub fn assert_same(got: &[u8], expected: &[u8]) {
    let end = match expected[12..14] {
        [8, 0] => 14 + usize::from(u16::from_be_bytes([expected[16], expected[17]])),
        _ => expected.len(),
    };
    assert!(got.len() >= 60 && got.len() <= end.max(64), "{} bytes for {end}", got.len());
    let (datagram, meant) = (&got[..end.min(got.len())], &expected[..end]);
    assert!(datagram == meant, "came out:\n{}was meant:\n{}", shown(datagram), shown(meant));
    assert!(got[end..].iter().all(|byte| *byte == 0), "padding is zeros: {got:02x?}");
}

/// `got` with those fields of `expected` that an appliance may choose for what it says itself: type of service,
/// identification, DF, and a fresh TTL.
#[track_caller]
pub fn but_for_our_own_choices(got: &[u8], expected: &[u8]) -> Vec<u8> {
    let mut frame = got.to_vec();
    if got.len() < 34 || expected.len() < 34 || got[14] != 0x45 {
        return frame;
    }
    assert!(got[22] >= 64, "what we say ourselves starts with a fresh TTL");
    for field in [15, 18, 19, 20, 22] {
        frame[field] = expected[field];
    }
    mend_ip(&mut frame, 14);
    frame
}

fn shown(bytes: &[u8]) -> String {
    bytes.chunks(16).map(|line| format!("{line:02x?}\n")).collect()
}
