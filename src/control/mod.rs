//! Floor 5: what the appliance means, knows and decides outside the packet path.
//!
//! Owns the one place where the file, the operator, the probes and the link come together and become the next
//! snapshot: the [`Controller`]. It is made of parts, each with its own state: what happened comes to a part by `on_*`, what is due
//! is done by its `poll`, and what it wants done goes into the [`outbox`]. Never touches a packet that is forwarded. Read
//! first: [`Controller::handle`] and `Controller::turn`; then [`pools`] (who is active), [`publisher`] (how workers
//! learn of it), [`requests`] (what an operator may do).

mod advertise_order;
mod advertisements;
mod advertising;
mod alarms;
mod announce;
mod asked;
mod assumed;
mod calendar;
mod candidate;
mod capacity;
mod capture_feed;
mod captures;
mod capturing;
mod checks;
mod choosing;
mod configurations;
mod controller;
mod direct_access;
mod draining;
mod drains;
mod drilling;
mod drills;
mod ending;
mod event_log;
mod event_requests;
mod exclusions;
mod explanations;
mod facts;
mod fail_back;
mod file_edits;
mod forecast;
mod groups;
mod handing_over;
mod handover;
mod handover_stream;
mod host_devices;
mod in_force;
mod keepalived;
mod latency;
mod learned_routes;
mod learning;
mod limits_met;
mod link;
mod loads;
mod log_rate;
mod lost_services;
mod neighbours;
mod notifier;
mod one_way;
mod operator_choices;
mod operator_state;
mod outbox;
mod overview;
mod pair;
mod pair_facts;
mod pair_link;
mod pair_push;
mod pair_requests;
mod pair_settings;
mod pair_word;
mod pairing;
mod peer_link;
mod pools;
mod port_use;
mod preview;
mod probing;
mod program_run;
mod programs;
mod proposed;
mod publisher;
mod recorder;
mod recording_feed;
mod recordings;
mod reload;
mod requests;
mod reserve;
mod rest;
mod restored;
mod returns;
mod route_order;
mod saved_events;
mod saves;
mod settings;
mod sharing;
mod silence;
mod sip;
mod slow_start;
mod spreading;
mod stopping;
mod strangers;
mod switchovers;
mod tables;
mod take_up;
mod traffic;
mod transaction;
mod trend;
mod turn;
mod unanswered;
mod waiting;

#[cfg(test)]
mod bench;
#[cfg(test)]
pub(crate) mod harness;
#[cfg(test)]
mod tests;

pub use crate::explain::remedy_for_drop;
pub use advertise_order::AdvertiseOrder;
pub use assumed::AssumedHealth;
pub use candidate::explain_by_file;
pub use configurations::{Configurations, Entry, SavedConfigurations, instead_of};
pub use controller::{Controller, Input};
pub use facts::{CounterSource, DeviceEvent, HostDevice, Machine, PortCounters, PortFacts, Spreading, WorkerCounters};
pub use handover_stream::{HandoverOrder, HandoverStream, Written};
pub use operator_state::{OperatorState, SavedState};
pub use outbox::Output;
pub use pair::{PairNews, PeerState, Standing, SyncState};
pub use pair_facts::LinkFacts;
pub use pair_word::PairWord;
pub use program_run::{Exit, ProbeId, ProgramExit, ProgramRun};
pub use proposed::FileRead;
pub use route_order::{RouteOrder, RoutesRead};
pub use saved_events::{EventsFound, SavedEvents};
pub use take_up::{HandoverFound, TakeUp, Taken, TakenUp};
