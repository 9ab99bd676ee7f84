//! All rows. Whoever includes this file says before it what they run on: `Setting`.

mod affinity;
mod allowed;
mod background;
mod capture;
mod commands;
mod connection_limits;
mod connections;
mod direct_access;
mod explained;
mod filtering;
mod floods;
mod flow_queries;
mod fragmentation;
mod hairpin;
mod handover;
mod host;
mod hostile;
mod icmp;
mod impact;
mod learned_routes;
mod mss;
mod neighbours;
mod own_answers;
mod persistence;
mod placement;
mod protocols;
mod reassembly;
mod recorder;
mod redelivery;
mod reload;
mod sharing;
mod sip;
mod snat;
mod stale_flows;
mod standing;
mod switchover;
mod sync;
mod traffic;
mod translation;
mod unmatched;
mod withheld;

use testbench::fragments::*;
use testbench::lab::*;
use testbench::rig::*;

type Lab = LabOn<super::Setting>;
