//! The controller on a bench of fake workers and members: the acceptance scenarios' control part.

use super::bench::{Bench, Host, Manner};
use super::harness::{MACS, file_of, read_as, two_arm};
use super::*;
use crate::admin::answer::{Answered, Code, Data};
use crate::admin::request::{AdminState, FlowSelection, PacketAsked, Transport};
use crate::admin::rows::{
    Cause, Logging, MemberRow, MemberState, NeighbourState, Origin, ProbeRow, Role, SwitchoverRow, Total,
    VirtualServerState, Wall,
};
use crate::admin::{Answer, Request};
use crate::config::{ConfigErrors, Configuration, LogLevel};
use crate::flow::FlowName;
use crate::policy::adjacency::Neighbour;
use crate::policy::adjacency::NextHop;
use crate::policy::health::State;
use crate::policy::intent::{InterfaceId, MemberId, NeighbourEntry, NoMember, PortId};
use crate::time::Duration;
use crate::time::Instant;
use crate::wire::build::Build;
use crate::wire::{Endpoint, Protocol, Tuple};
use crate::wire::{Kind, Mac, Packet};
use crate::worker::mailbox::Event;
use crate::worker::mailbox::{FlowRow, WorkerId};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

mod absence;
mod admin_states;
mod advertising;
mod captures;
mod choice;
mod confirm;
mod devices;
mod drain;
mod drill;
mod events;
mod exclusions;
mod handover;
mod latency;
mod law;
mod learned_routes;
mod limits;
mod link;
mod many;
mod one_way;
mod operator;
mod overview;
mod ports;
mod preview;
mod reasons;
mod recorder;
mod reload;
mod reserve;
mod restart;
mod roles;
mod sharing;
mod sip;
mod standing;
mod traffic;
mod verdict;

const A: usize = 0;
const B: usize = 1;
const ROUTER: usize = 2;
const V: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);

fn members(bench: &mut Bench) -> Vec<MemberRow> {
    match bench.ask(Request::Members {}) {
        Some(Ok(Answered { data: Data::Members(rows), .. })) => rows,
        other => panic!("{other:?}"),
    }
}

fn member_set(name: &str, word: AdminState) -> Request {
    Request::MemberSet { member: name.into(), admin: word, yes: false, for_s: None }
}

fn force(member: &str) -> Request {
    Request::PoolForce { pool: "pair-1".into(), member: member.into() }
}

/// The operator reloads, and the file says this.
fn reload(bench: &mut Bench, read: Result<Configuration, ConfigErrors>) -> Answer {
    reload_as(bench, Request::reload(), read)
}

/// Whoever it leaves without a member that is up.
fn reload_anyway(bench: &mut Bench, read: Result<Configuration, ConfigErrors>) -> Answer {
    reload_as(bench, Request::Reload { confirm_s: None, max_impact: None, yes: true }, read)
}

fn reload_as(bench: &mut Bench, request: Request, read: Result<Configuration, ConfigErrors>) -> Answer {
    assert!(bench.ask(request).is_none());
    let request_id = bench.reads.pop().expect("the file is asked for");
    bench.give(Input::Reload { request_id, file: read_as("", read) });
    bench.answers.remove(&request_id.expect("with the request's id")).expect("an answer")
}

fn net(text: &str) -> ipnet::Ipv4Net {
    text.parse().unwrap()
}
