//! All rows. Whoever includes this file says before it what they run on: `Setting`.

mod connections;
mod findings;
mod flow_queries;
mod fragmentation;
mod icmp;
mod odd;
mod placement;
mod reassembly;
mod reload;
mod review;
mod snat;
mod stale_flows;
mod switchover;
mod translation;
mod unmatched;

use testbench::fragments::*;
use testbench::lab::*;
use testbench::rig::*;

type Lab = LabOn<super::Setting>;
