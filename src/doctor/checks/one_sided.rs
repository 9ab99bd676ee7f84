//! Traffic of which only one direction passes.
//!
//! Owns the reading of handshakes that stand still and of members that are not heard. What passed is told by the flow table: a connection
//! whose answer passed is `answered` or further, one of which only its opener was seen is `opening`.

use crate::admin::rows::{FlowRow, MemberRow, MemberState, SipReport, SipSide};
use crate::config::count;
use crate::doctor::facts::{Counted, Facts};
use crate::doctor::found::{Found, LeftOut, Looked};
use crate::policy::intent::Intent;
use ipnet::Ipv4Net;
use std::collections::BTreeMap;

/// A handshake that stands still for so long waits for nothing that is on its way, in milliseconds.
const STILL: u64 = 900;
/// Flows that are shown of many.
const SHOWN: usize = 3;
/// A member that is spoken to and was not heard for so long does not answer this way, in milliseconds.
const QUIET: u64 = 5_000;
/// The same of a member that was heard before, as of alarm member.one-way.
const LONG_QUIET: u64 = 30_000;

/// What tells that a member's answers do not pass.
struct Silence {
    evidence: Vec<String>,
    sure: bool,
}

pub(super) fn gateway(facts: &Facts, found: &mut Found) -> Looked {
    let members: Vec<MemberRow> = facts.tables.get("members")?;
    let flows: Vec<FlowRow> = facts.tables.rows("flows")?;
    let counters = facts.tables.counters()?;
    let sip: Option<SipReport> = facts.tables.get("sip").ok();
    let intent = facts.intent()?;
    for member in members.iter().filter(|member| member.state == MemberState::Up) {
        let mut silence = Silence { evidence: Vec::new(), sure: false };
        connections(member, &flows, &mut silence);
        datagrams(member, &members, (intent, &counters), &mut silence);
        requests(member, sip.as_ref(), &mut silence);
        if silence.evidence.is_empty() {
            if !is_heard(member, &flows) {
                found.left_out(match is_sent_to(member, &flows) {
                    true => {
                        format!("member {}: nothing of it has passed yet, though something was sent to it", member.name)
                    }
                    false => {
                        format!("member {}: nothing has been sent through it yet, as far as is known", member.name)
                    }
                });
            }
            continue;
        }
        let probes: Vec<String> =
            member.probes.iter().map(|probe| format!("{}: {}", probe.monitor, probe.reason)).collect();
        let what = format!(
            "member {} answers probes, which come from its own network, and nothing that comes from elsewhere is answered through \
             Fairlead: its default gateway is another host, or a more specific route of its leads past Fairlead",
            member.name
        );
        let evidence = format!("{}; probes: {}", silence.evidence.join("; "), probes.join(", "));
        let remedy = format!(
            "on {}: ip route get CLIENT must say `via {}`: ip route replace default via it; then a host firewall that drops the answers",
            member.name,
            gateway_of(intent, member).unwrap_or_else(|| "the self-IP in its network".into())
        );
        match silence.sure {
            true => found.error(what, evidence, remedy),
            false => found.warning(what, evidence, remedy),
        }
    }
    Ok(())
}

/// Something of the member's own has passed to elsewhere: a datagram from a service port, an answer, or what it has opened.
fn is_heard(member: &MemberRow, flows: &[FlowRow]) -> bool {
    let is_answered = |flow: &FlowRow| *flow.translated.dst.ip() == member.address && flow.state != "opening";
    let is_own = |flow: &FlowRow| *flow.original.src.ip() == member.address;
    let passed = |flow: &FlowRow| is_own(flow) || (flow.protocol == "tcp" && is_answered(flow));
    member.spoke_ms.is_some() || flows.iter().any(passed)
}

fn is_sent_to(member: &MemberRow, flows: &[FlowRow]) -> bool {
    flows.iter().any(|flow| *flow.translated.dst.ip() == member.address)
}

/// Our self-IP in the member's network.
fn gateway_of(intent: &Intent, member: &MemberRow) -> Option<String> {
    let own = intent.interfaces.iter().flat_map(|interface| interface.addresses.iter());
    own.filter(|net| net.contains(&member.address)).map(|net| net.addr().to_string()).next()
}

fn connections(member: &MemberRow, flows: &[FlowRow], silence: &mut Silence) {
    let inward = flows.iter().filter(|flow| is_towards(flow, member));
    let (unanswered, answered): (Vec<&FlowRow>, Vec<&FlowRow>) = inward.partition(|flow| flow.state == "opening");
    let still: Vec<&FlowRow> = unanswered.into_iter().filter(|flow| flow.idle_ms >= STILL).collect();
    // A port that is closed answers with a reset, and that is an answer; what was heard before these began tells nothing of now.
    let oldest = still.iter().map(|flow| flow.idle_ms).max();
    if oldest.is_none_or(|oldest| answered.iter().any(|flow| flow.idle_ms <= oldest)) {
        return;
    }
    let shown: Vec<String> = still.iter().take(SHOWN).map(|flow| shown(flow)).collect();
    silence.sure = true;
    silence.evidence.push(format!(
        "fairlead flows --member {}: of {} to it no SYN-ACK passed: {}",
        member.name,
        count(still.len(), "connection"),
        shown.join(", ")
    ));
}

fn is_towards(flow: &FlowRow, member: &MemberRow) -> bool {
    flow.protocol == "tcp" && *flow.translated.dst.ip() == member.address
}

fn shown(flow: &FlowRow) -> String {
    format!("{} > {} ({}, idle {} ms)", flow.original.src, flow.original.dst, flow.state, flow.idle_ms)
}

/// Requests over UDP are kept until they are answered: where none is, nothing comes back.
fn datagrams(member: &MemberRow, all: &[MemberRow], (intent, counters): (&Intent, &Counted), silence: &mut Silence) {
    let takes =
        all.iter().filter(|other| other.pool == member.pool && other.udp_idle_ms.is_some_and(|idle| idle < QUIET));
    let is_asked = takes.into_iter().any(|other| other.name == member.name);
    // Who has spoken lately may be between two calls.
    let quiet = member.spoke_ms.is_none_or(|spoke| spoke >= LONG_QUIET);
    let keeps = intent.virtual_servers.iter().any(|server| {
        intent.pools.get(server.pool).is_some_and(|pool| pool.name == member.pool) && !server.redeliver.is_zero()
    });
    let unanswered = counters.of("redelivery_expired");
    if !(keeps && quiet && is_asked && unanswered > 0 && counters.rise("redelivery_answered") == 0) {
        return;
    }
    let last = member.spoke_ms.map_or("never".into(), |spoke| format!("{} s ago", spoke / 1_000));
    silence.sure |= counters.of("redelivery_answered") == 0;
    silence.evidence.push(format!(
        "fairlead members: it sent a datagram from a service port {last}; {} (SIP requests that nobody answered in time)",
        counters.shown("redelivery_expired")
    ));
}

/// With `[sip] sample`.
fn requests(member: &MemberRow, sip: Option<&SipReport>, silence: &mut Silence) {
    let rows = sip.iter().flat_map(|sip| &sip.rows);
    let mine = rows.filter(|row| row.member.as_ref() == Some(&member.name) && row.asked_by == SipSide::Clients);
    for row in mine {
        let asked: u64 = row.requests.iter().filter(|request| request.name != "ACK").map(|request| request.count).sum();
        if row.responses.is_empty() && row.unanswered > 0 {
            silence.sure = true;
            silence.evidence.push(format!(
                "fairlead sip: virtual server {}: {asked} requests read, {} of them never answered, no response passed",
                row.virtual_server, row.unanswered
            ));
        }
    }
}

pub(super) fn asymmetric(facts: &Facts, found: &mut Found) -> Looked {
    let flows: Vec<FlowRow> = facts.tables.rows("flows")?;
    let half = flows.iter().filter(|flow| flow.protocol == "tcp" && flow.state == "answered" && flow.idle_ms >= STILL);
    let mut clients: BTreeMap<String, Vec<&FlowRow>> = BTreeMap::new();
    half.for_each(|flow| clients.entry(flow.original.src.ip().to_string()).or_default().push(flow));
    for (client, flows) in clients.iter().take(8) {
        found.warning(
            format!(
                "the SYN-ACK for {client} passed, and nothing came of it: what Fairlead sends there is lost or takes another way, or \
                 somebody forges the address"
            ),
            format!("fairlead flows --client {client}: {}", shown(flows[0])),
            format!("see the way back: fairlead routes, the router's route to the virtual address, and a firewall that saw only one direction; fairlead explain tcp {} {}", flows[0].original.dst, flows[0].original.src),
        );
    }
    untold(facts, found)?;
    super::alarms::next_hops(facts, found)
}

/// What members send that answers something which did not pass.
fn untold(facts: &Facts, found: &mut Found) -> Looked {
    let counters = facts.tables.counters()?;
    let rows = [
        (
            "event_unmatched_from_member",
            "members answer connections whose SYN did not pass Fairlead: visitors reach them another way than the answers take",
            "route the members' network through Fairlead's outer address at the routers; on one arm this is usual for visitors of members' own addresses",
        ),
        (
            "drop_outward_no_flow",
            "members send on in TCP connections that Fairlead does not know: it was restarted, or their beginning took another way",
            "if it goes on rising: look for a second way around Fairlead (a second NIC, a more specific route of the member's)",
        ),
    ];
    for (name, what, remedy) in rows.into_iter().filter(|(name, ..)| counters.of(name) > 0) {
        match counters.rise(name) > 0 && !is_one_arm(facts)? {
            true => found.warning(what, counters.shown(name), remedy),
            false => found.info(what, counters.shown(name), remedy),
        }
    }
    Ok(())
}

/// Some members and the router of the default route are on one interface.
fn is_one_arm(facts: &Facts) -> Result<bool, LeftOut> {
    let intent = facts.intent()?;
    let outward = intent.routes.iter().filter(|route| route.to == Ipv4Net::default()).map(|route| route.interface);
    let inside: Vec<_> = intent.members.iter().map(|member| member.interface).collect();
    Ok(outward.into_iter().any(|interface| inside.contains(&interface)))
}
