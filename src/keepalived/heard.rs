//! What is to be heard, and what was.

use crate::control::PairNews;
use crate::policy::intent::Intent;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Of who is active.
    News(PairNews),
    /// What keeps keepalived from being heard; `None`: nothing any more.
    Trouble(Option<String>),
}

/// What is to be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// keepalived's notify FIFO.
    pub(super) fifo: PathBuf,
    /// Those that it moves.
    pub(super) addresses: Vec<Ipv4Addr>,
}

impl Wanted {
    /// As the file has it; `None`: keepalived decides nothing here.
    pub(super) fn of(intent: &Intent) -> Option<Wanted> {
        let fifo = intent.pair.as_ref()?.keepalived.as_ref()?.into();
        let floating = intent.interfaces.iter().flat_map(|interface| &interface.floating);
        Some(Wanted { fifo, addresses: floating.map(|net| net.addr()).collect() })
    }
}
