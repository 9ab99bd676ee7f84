//! What the operator means by a monitor.
//!
//! Owns every kind with what it asks and takes for a good answer, valid by construction.

use crate::policy::words::words;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How a member is asked whether it is alive.
#[derive(Clone, Debug, PartialEq)]
pub struct Monitor {
    /// The operator's name for it.
    pub name: String,
    /// What is asked.
    pub kind: MonitorKind,
    /// Who is asked instead of the member itself, such as its address in another network; `None`: the member.
    pub address: Option<Ipv4Addr>,
    /// The self-IP that asks; `None`: the one in the network of whom is asked, or of the router towards it.
    pub source: Option<Ipv4Addr>,
    /// From one probe to the next.
    pub interval: Duration,
    /// How long an answer may take. At most `interval`.
    pub timeout: Duration,
    /// Good answers in a row that make a member up.
    pub rise: u32,
    /// Failures in a row that make it down.
    pub fall: u32,
    /// The last good answer of an active member is at least so old when it is found down.
    pub patience: Duration,
}

impl Monitor {
    /// An answer to one says the same as an answer to the other.
    pub fn asks_the_same(&self, other: &Monitor) -> bool {
        (&self.kind, self.address, self.source) == (&other.kind, other.address, other.source)
    }
}

/// What a monitor asks.
#[derive(Clone, Debug, PartialEq)]
pub enum MonitorKind {
    /// An echo request.
    Icmp,
    /// A full TCP handshake, then a close.
    Tcp {
        /// The member's port.
        port: u16,
    },
    /// A SYN; the SYN-ACK is answered with a reset.
    TcpHalfOpen {
        /// The member's port.
        port: u16,
    },
    /// A datagram; any answer that is not an ICMP error is good.
    Udp {
        /// The member's port.
        port: u16,
        /// What is sent.
        send: Vec<u8>,
        /// What the answer must contain; empty: anything.
        receive: Vec<u8>,
    },
    /// A SIP OPTIONS request.
    Sip(SipProbe),
    /// An HTTP request.
    Http(HttpProbe),
    /// A program on this machine, which asks in its own way.
    External(ExternalProbe),
}

/// A SIP OPTIONS probe (RFC 3261 11).
#[derive(Clone, Debug, PartialEq)]
pub struct SipProbe {
    /// How it travels.
    pub transport: SipTransport,
    /// The member's port.
    pub port: u16,
    /// The host part of the Request-URI; `None`: the member's address.
    pub host: Option<String>,
    /// The user part of the Request-URI and To; `None`: none.
    pub user: Option<String>,
    /// The URI in To; `None`: user and host.
    pub to: Option<String>,
    /// The URI in From; `None`: `fairlead` at the self-IP that asks.
    pub from: Option<String>,
    /// What User-Agent says; `None`: `Fairlead`.
    pub user_agent: Option<String>,
    /// Final or provisional answers that count as good.
    pub up_codes: Vec<CodeRange>,
    /// Answers that count as a failure even if `up_codes` holds them.
    pub down_codes: Vec<CodeRange>,
    /// By what an answer tells whether the member is active in its pair.
    pub roles: Box<Roles>,
    /// How it speaks TLS, if it does.
    pub tls: Box<TlsProbe>,
}

/// A program that is run for each probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalProbe {
    /// Its file, from the root.
    pub command: String,
    /// What it is given behind address and port.
    pub arguments: Vec<String>,
    /// The port it is given; `None`: 0.
    pub port: Option<u16>,
    /// By what it says that the member is good.
    pub up_when: UpWhen,
}

words! {
    /// By what a program says that a member is good.
    #[derive(Default)]
    UpWhen {
        /// It ends with status 0.
        #[default]
        Exit = "exit",
        /// It prints anything.
        Output = "output",
    }
}

/// An HTTP request (RFC 9110).
#[derive(Clone, Debug, PartialEq)]
pub struct HttpProbe {
    /// The member's port.
    pub port: u16,
    /// How it speaks TLS; `None`: it does not.
    pub tls: Option<Box<TlsProbe>>,
    /// Such as `GET`.
    pub method: String,
    /// The request's target, from the first slash on.
    pub path: String,
    /// What Host says; `None`: the member's address and port.
    pub host: Option<String>,
    /// What User-Agent says; `None`: `Fairlead`.
    pub user_agent: Option<String>,
    /// Final answers that count as good.
    pub up_codes: Vec<CodeRange>,
    /// Answers that count as a failure even if `up_codes` holds them.
    pub down_codes: Vec<CodeRange>,
    /// What the answer must contain, in its header or body; empty: anything.
    pub receive: Vec<u8>,
}

impl MonitorKind {
    /// How it speaks TLS, if it does.
    pub fn tls(&self) -> Option<&TlsProbe> {
        match self {
            MonitorKind::Sip(probe) if probe.transport == SipTransport::Tls => Some(&probe.tls),
            MonitorKind::Http(probe) => probe.tls.as_deref(),
            _ => None,
        }
    }
}

/// How a probe speaks TLS.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsProbe {
    /// The certificate, with its chain, that is shown to a server that wants one.
    pub certificate: Option<PemFile>,
    /// Its key; `None`: it stands in the certificate's file.
    pub key: Option<PemFile>,
    /// The server's certificate is looked at: who has signed it, when it expires, and the name on it.
    pub verify: bool,
    /// Who may have signed it; `None`: whom the system trusts.
    pub ca: Option<PemFile>,
    /// The name that is sent, and looked for; `None`: the host of the Request-URI, if that is a name.
    pub server_name: Option<String>,
    /// Whether anything is asked once TLS is spoken.
    pub handshake: Handshake,
}

/// A file of certificates or keys, as it was read with the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct PemFile {
    /// Where it was.
    pub path: String,
    /// What it held.
    pub text: Vec<u8>,
}

/// The text may be a key: it is not shown.
impl std::fmt::Debug for PemFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PemFile({:?}, {} bytes)", self.path, self.text.len())
    }
}

/// A range of SIP status codes, both ends included, such as 200 to 299 for `2xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRange {
    /// The first code.
    pub first: u16,
    /// The last code.
    pub last: u16,
}

impl CodeRange {
    /// `code` lies in the range.
    pub const fn contains(self, code: u16) -> bool {
        self.first <= code && code <= self.last
    }
}

/// What a member itself says of its role in its pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Says {
    /// Nothing, or nobody listens for it.
    #[default]
    Nothing,
    /// It is active.
    Active,
    /// It lives, and is not.
    Standby,
}

/// By what an answer tells whether the member is active in its pair. Without any rule it tells nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Answers of a standby; they count as good.
    pub standby_codes: Vec<CodeRange>,
    /// A header of an active member's answers.
    pub active_header: Option<HeaderRule>,
    /// A header of a standby's answers.
    pub standby_header: Option<HeaderRule>,
}

/// A header that an answer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    /// Its name, in any case.
    pub name: String,
    /// What its value contains, in any case; empty: anything.
    pub contains: String,
}

impl Roles {
    /// What an answer with this status says; `has`: it has such a header. What speaks for a standby stands before what speaks for an
    /// active member. Where only one of the two has rules, an answer that fits none is the other's.
    pub fn says(&self, code: u16, has: impl Fn(&HeaderRule) -> bool) -> Says {
        let (active, standby) = (self.active_header.as_ref(), self.standby_header.as_ref());
        let is_standby = self.standby_codes.iter().any(|range| range.contains(code)) || standby.is_some_and(&has);
        match (active.map(&has), standby.is_some() || !self.standby_codes.is_empty()) {
            _ if is_standby => Says::Standby,
            (Some(true), _) | (None, true) => Says::Active,
            (Some(false), false) => Says::Standby,
            (Some(false), true) | (None, false) => Says::Nothing,
        }
    }
}

impl HeaderRule {
    /// `Server-Role: primary`; `None`: there is no name in front of a colon (RFC 3261 25.1, token).
    pub fn parse(text: &str) -> Option<HeaderRule> {
        let (name, contains) = text.split_once(':')?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
        let name = name.trim();
        let sound = !name.is_empty() && name.chars().all(fits) && !contains.chars().any(char::is_control);
        sound.then(|| HeaderRule { name: name.into(), contains: contains.trim().into() })
    }
}

impl std::fmt::Display for HeaderRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.contains)
    }
}

words! {
    /// How a SIP probe travels.
    SipTransport {
        /// One datagram.
        Udp = "udp",
        /// One connection a probe.
        Tcp = "tcp",
        /// One TLS connection a probe; the certificate is not verified, liveness is what is asked.
        Tls = "tls",
    }
}

words! {
    /// What a TLS handshake is to a probe.
    #[derive(Default)]
    Handshake {
        /// The way to the question.
        #[default]
        Full = "full",
        /// The answer: a server that speaks TLS lives, even if it wants of us what we do not have.
        Enough = "enough",
    }
}
