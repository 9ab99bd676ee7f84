//! The rows of an explanation: what happens to one packet, step by step, and why.

use super::rows::Ends;
use super::words::NeighbourState;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// What would happen to a packet now. It is not sent, and nothing of the appliance's changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// `udp`, `tcp` or `icmp`.
    pub protocol: String,
    /// Of TCP its control bits, such as `SYN`.
    pub flags: Option<String>,
    /// Its ends as it comes in.
    pub original: Ends,
    /// Its ends as it leaves; `None`: it does not leave now.
    pub translated: Option<Ends>,
    /// What is done with it: `forward`, `answer`, `reject`, `hold`, `reassemble`, `defer`, `withhold`, `punt`, `drop` or `ignore`.
    pub verdict: String,
    /// What it is counted as where it is not forwarded, such as `no_listener` of `drop_no_listener`.
    pub reason: Option<String>,
    /// What is done with it, in words.
    pub outcome: String,
    /// What an operator can do about that, if it may not be what he wants.
    pub remedy: Option<String>,
    /// The interface it comes in on.
    pub interface: String,
    /// The worker that decides; `None`: any, or there is no appliance.
    pub worker: Option<u16>,
    /// The virtual server it is to.
    pub virtual_server: Option<String>,
    /// The pool whose member it is to or from.
    pub pool: Option<String>,
    /// The member that gets it, or has sent it.
    pub member: Option<String>,
    /// The members of which any may get the next such packet, as others come in between, or by what it says, if that is not known;
    /// `member` is whose turn it is now, or who gets it if it says nothing.
    pub one_of: Vec<String>,
    /// Who gets it, or as what it leaves, depends on what it says, which is not known: `content` of the request.
    pub depends_on_content: bool,
    /// How it leaves, or would once its next hop answers ARP.
    pub egress: Option<ExplainedEgress>,
    /// The steps of the decision, in order.
    pub steps: Vec<ExplainedStep>,
}

/// How a packet leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedEgress {
    /// The interface.
    pub interface: String,
    /// The next hop on its link.
    pub next_hop: Ipv4Addr,
    /// Its MAC; `None`: not known, or there is no appliance.
    pub mac: Option<String>,
    /// What is known of it; `None`: there is no appliance.
    pub state: Option<NeighbourState>,
}

/// A step of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedStep {
    /// What is asked, such as `source`, `flow` or `SNAT`.
    pub step: String,
    /// What the answer is, and why.
    pub says: String,
}
