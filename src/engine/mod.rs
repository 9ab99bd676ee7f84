//! Floor 2: the decision about a packet, from its facts and what is known.
//!
//! Owns [`Engine`]: one per worker, with that worker's flows and speakers. It sees [`crate::wire::Packet`], never bytes; time is an
//! argument; it knows no NIC. Read first: [`path`] (what kind of packet it is), `decide` (the fork), then the path that interests you:
//! `service`, `admission` and `sharing`, `outbound`, `portless`, `hairpin`, `direct`, `local`, `icmp_error`; `on_flow` for packets that
//! have a flow, `revalidate` for what they meet when a member was lost; `withhold` for what one that may be dying says, `redelivery` for
//! what it has not answered; `forward` for how a packet leaves; `state` and `flow_book` for what is remembered; [`steer`] for which
//! worker decides; `party` for whose a datagram is, where that is counted; `account` and `accounting` for whom any packet is counted, `sums` and `traffic` for where; `flow_name` for
//! which flow a packet was of; `impact` for what another file would do to a flow; `handing_over` and `taking_up` for what goes from one process to the next, `telling` and `taking_in` for what goes from one appliance to the other; [`verdict`] for every verdict there is.

mod account;
mod accounting;
mod admission;
mod affinity;
mod connection_counts;
mod connection_use;
mod decide;
mod direct;
pub mod events;
mod excerpt;
mod flow_book;
mod flow_name;
mod forward;
mod giving_way;
mod hairpin;
mod handing_over;
mod hints;
mod host;
mod icmp_error;
mod identification;
mod impact;
mod left_out;
mod limiter;
mod local;
mod lost_peers;
mod member_use;
mod on_flow;
mod outbound;
mod pages;
mod party;
pub mod path;
mod persistence;
mod portless;
mod punts;
mod redelivery;
mod resets;
mod revalidate;
mod rounds;
mod service;
mod sharing;
mod state;
pub mod steer;
mod sums;
mod taking_in;
mod taking_up;
mod telling;
mod traffic;
pub mod verdict;
mod walk;
mod withhold;

pub use account::Account;
pub use connection_use::{ConnectionUse, Connections};
pub use events::EngineEvent;
pub use excerpt::Excerpt;
pub use handing_over::FlowsShown;
pub use identification::Share;
pub use impact::{Impact, ImpactCounts, ImpactOn, Impacts, impact};
pub use left_out::{LeftOut, LeftOutCounts};
pub use member_use::{MemberUse, Uses};
pub use party::Party;
pub use path::{Classified, Lookup, Path};
pub use redelivery::{CopyAction, Recipient, Takeover, Watched};
pub use resets::ResetOrder;
pub use state::Engine;
pub use steer::Steering;
pub use taking_in::TakingIn;
pub use taking_up::{TakingUp, owner_of_flow};
pub use telling::{FlowChange, TOLD_AGAIN, UsedSince};
pub use traffic::{Forwarded, Traffic};
pub use verdict::{Departure, DropReason, Egress, EgressId, Forward, IgnoreReason, PuntReason, Verdict, Withheld};
