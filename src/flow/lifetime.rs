//! How long an idle flow is remembered.

use crate::time::Duration;

/// What decides how long an idle flow is kept. One expiry list each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TimeoutClass {
    /// The handshake is not finished.
    TcpOpening = 0,
    /// Data may flow in at least one direction.
    TcpEstablished = 1,
    /// Both sides have said FIN, or one has reset the connection.
    TcpClosing = 2,
    /// A translated datagram flow.
    Udp = 3,
    /// A translated echo query.
    Icmp = 4,
    /// A marker for traffic that is not translated.
    Routed = 5,
}

impl TimeoutClass {
    /// All of them, by their number.
    pub const ALL: [TimeoutClass; 6] = [
        TimeoutClass::TcpOpening,
        TimeoutClass::TcpEstablished,
        TimeoutClass::TcpClosing,
        TimeoutClass::Udp,
        TimeoutClass::Icmp,
        TimeoutClass::Routed,
    ];
    /// How many there are.
    pub const COUNT: usize = TimeoutClass::ALL.len();
}

/// How long a flow of each class is kept after its last packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// RFC 5382 REQ-5 asks for 4 minutes; RFC 7857 2.1 lets it be less.
    pub tcp_opening: Duration,
    /// RFC 5382 REQ-5: not below 2 hours 4 minutes.
    pub tcp_established: Duration,
    /// RFC 5382 REQ-5 and RFC 7857 2.2: 4 minutes.
    pub tcp_closing: Duration,
    /// RFC 4787 REQ-5: not below 2 minutes, 5 recommended.
    pub udp: Duration,
    /// RFC 5508 REQ-2: not below 60 seconds.
    pub icmp: Duration,
    /// A marker is not a promise to anybody: routed traffic passes with and without one, so this only has to outlive the
    /// pauses of a direct visitor whose packets open nothing by themselves.
    pub routed: Duration,
}

impl Lifetimes {
    /// The lifetime of one class.
    pub const fn of(&self, class: TimeoutClass) -> Duration {
        match class {
            TimeoutClass::TcpOpening => self.tcp_opening,
            TimeoutClass::TcpEstablished => self.tcp_established,
            TimeoutClass::TcpClosing => self.tcp_closing,
            TimeoutClass::Udp => self.udp,
            TimeoutClass::Icmp => self.icmp,
            TimeoutClass::Routed => self.routed,
        }
    }
}

impl Default for Lifetimes {
    /// What the RFCs recommend.
    fn default() -> Lifetimes {
        Lifetimes {
            tcp_opening: Duration::from_secs(240),
            tcp_established: Duration::from_secs(7440),
            tcp_closing: Duration::from_secs(240),
            udp: Duration::from_secs(300),
            icmp: Duration::from_secs(60),
            routed: Duration::from_secs(7440),
        }
    }
}
