//! The rows of a drill: what is said before it, and after it.

use super::rows::{MemberRow, SwitchoverRow, VirtualServerRow};
use super::wall::Wall;
use super::words::DrillState;
use serde::{Deserialize, Serialize};

/// What a switchover of a pool would move now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillPlan {
    /// The pool's name.
    pub pool: String,
    /// The active member; `None`: there is none.
    pub from: Option<String>,
    /// Who would take over; `None`: no other member is up.
    pub to: Option<String>,
    /// Why that one.
    pub reason: String,
    /// Why a drill would be refused now; `None`: it would not be.
    pub refused: Option<String>,
    /// What is done to the connections of service ports when their member is lost. A drill loses nobody.
    pub on_down_tcp: String,
    /// Requests of all pools that are kept because nobody has answered them yet. A drill delivers none of them again.
    pub unanswered_requests: u64,
    /// The members of the pool, with their flows.
    pub members: Vec<MemberRow>,
    /// The virtual servers in front of it: their datagrams and new connections would go to the other member.
    pub virtual_servers: Vec<VirtualServerRow>,
}

/// A drill that runs, or has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReport {
    /// The pool's name.
    pub pool: String,
    /// Who was active before it.
    pub from: String,
    /// Who is active in it.
    pub to: String,
    /// How far it has come.
    pub state: DrillState,
    /// What it came to, in words.
    pub outcome: String,
    /// When it began.
    pub began: Wall,
    /// How many seconds later the member before is to be active again.
    pub back_after_s: u64,
    /// Flows of the member before when it was switched over.
    pub flows: u64,
    /// The member before was lost in the drill, so that its flows did not all stay with it.
    pub from_lost: bool,
    /// Flows of the other one when it was switched back; `None`: it has not been.
    pub flows_back: Option<u64>,
    /// All changes of the pool's active member since it began, oldest first.
    pub switchovers: Vec<SwitchoverRow>,
}
