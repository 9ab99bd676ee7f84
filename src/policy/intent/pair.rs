//! What is meant by the other appliance of a pair.

use super::super::words::words;
use super::monitors::PemFile;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

words! {
    /// Which of two appliances this one is.
    PairRole {
        /// It has the floating addresses: it answers for them, translates and forwards.
        Active = "active",
        /// The other one has them.
        Standby = "standby",
    }
}

/// The other appliance, and who is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// keepalived's notify FIFO, by its path; `None`: keepalived decides nothing here.
    pub keepalived: Option<String>,
    /// keepalived's own file, which is compared with ours.
    pub keepalived_config: String,
    /// keepalived's instance whose lines count; `None`: any.
    pub instance: Option<String>,
    /// What this one is until somebody says so.
    pub role: PairRole,
    /// Of two that are both active, the one with the lower priority yields.
    pub priority: u16,
    /// Floating addresses have the MAC of the virtual router, on interfaces that say which that is.
    pub virtual_mac: bool,
    /// For so long after it has become active, nobody is refused for what may be the other's.
    pub settle: Duration,
    /// Where the other one connects to; `None`: at every address of the kernel's, at the port of `peer`.
    pub listen: Option<SocketAddr>,
    /// Where the other one listens; `None`: neither tells the other what it knows of connections.
    pub peer: Option<SocketAddr>,
    /// What this one shows of itself.
    pub certificate: Option<PemFile>,
    /// Its private key.
    pub key: Option<PemFile>,
    /// What the other one shows.
    pub peer_certificate: Option<PemFile>,
}

impl Pair {
    /// Where this one listens, and where the other one does, if they talk.
    pub fn sockets(&self) -> Option<(SocketAddr, SocketAddr)> {
        let peer = self.peer?;
        let everywhere = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        Some((self.listen.unwrap_or(SocketAddr::new(everywhere, peer.port())), peer))
    }

    /// In PEM its certificate, its key, and the certificate of the other one, if they talk.
    pub fn identity(&self) -> Option<[&PemFile; 3]> {
        Some([self.certificate.as_ref()?, self.key.as_ref()?, self.peer_certificate.as_ref()?])
    }
}
