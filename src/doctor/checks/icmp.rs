//! Whether ICMP gets through: packets too large, ports that are closed, echoes.

use crate::admin::rows::{MemberState, NeighbourRow, NeighbourState, ProbeRow};
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, Looked};
use crate::policy::intent::Intent;
use std::collections::BTreeMap;

pub(super) fn mtu_hole(facts: &Facts, found: &mut Found) -> Looked {
    let counters = facts.tables.counters()?;
    let mtus = facts.intent().map(mtus).unwrap_or_default();
    if counters.of("drop_too_big") > 0 {
        let evidence = format!("{}; {mtus}", counters.shown("drop_too_big"));
        match counters.rise("drop_too_big") {
            0 => found.info(
                "packets with DF were larger than the MTU of their way out: their senders were told (ICMP fragmentation needed)",
                evidence,
                "nothing, if it does not go on: that is path MTU discovery",
            ),
            _ => found.warning(
                "packets with DF go on being larger than the MTU of their way out: their senders do not hear of it or do not heed it \
                 (MTU hole): ICMP type 3 code 4 is filtered between here and there",
                evidence,
                "let ICMP type 3 code 4 pass firewalls towards the senders; or make the MTU of both sides the same",
            ),
        }
    }
    if counters.of("event_fragmented") > 0 {
        let evidence = format!("{}; {mtus}", counters.shown("event_fragmented"));
        found.info("datagrams are cut for a smaller MTU", evidence, "make the MTU of both sides the same");
    }
    for name in ["drop_icmp_limited", "drop_icmp_error_no_flow"] {
        if counters.rise(name) > 0 {
            let what = match name {
                "drop_icmp_limited" => "ICMP errors are dropped since there are too many",
                _ => "ICMP errors come about packets that no flow is known of",
            };
            found.info(
                what,
                counters.shown(name),
                "a rise for long is a host that is scanned or misled: fairlead counters",
            );
        }
    }
    Ok(())
}

fn mtus(intent: &Intent) -> String {
    let all: Vec<String> = intent.interfaces.iter().map(|it| format!("{} {}", it.name, it.mtu)).collect();
    format!("MTU of interfaces: {}", all.join(", "))
}

pub(super) fn filtered(facts: &Facts, found: &mut Found) -> Looked {
    let probes: Vec<ProbeRow> = facts.tables.get("probes")?;
    let neighbours: Vec<NeighbourRow> = facts.tables.get("neighbours")?;
    let mut members: BTreeMap<&str, Vec<&ProbeRow>> = BTreeMap::new();
    probes.iter().for_each(|probe| members.entry(&probe.member).or_default().push(probe));
    for (member, probes) in members {
        let echo = probes.iter().find(|probe| probe.kind.starts_with("icmp"));
        let other = probes.iter().find(|probe| !probe.kind.starts_with("icmp"));
        if let (Some(echo), Some(other)) = (echo, other)
            && (echo.state, other.state) == (MemberState::Down, MemberState::Up)
        {
            found.warning(
                format!("member {member} answers {} and no echo request: ICMP is filtered on the way, or by its host's firewall", other.kind),
                format!("fairlead probes: {}: {}; {}: {}", echo.monitor, echo.reason, other.monitor, other.reason),
                "let echo requests from Fairlead's self-IP in, and port unreachable out: without it a loss is found later",
            );
        }
        let on_link = |row: &&NeighbourRow| {
            row.role == format!("member {member}")
                && matches!(row.state, NeighbourState::Reachable | NeighbourState::Static)
        };
        let silent = |probe: &&&ProbeRow| {
            probe.kind.starts_with("sip/udp") && probe.state == MemberState::Down && probe.reason.contains("no answer")
        };
        if let (Some(silent), Some(row)) = (probes.iter().find(silent), neighbours.iter().find(on_link))
            && other.is_none_or(|other| other.state != MemberState::Up)
        {
            found.info(
                format!(
                    "member {member} is on the link and says nothing to probes of its UDP port: a standby's kernel would say that it is \
                     closed (ICMP port unreachable), so its firewall drops the probe or the refusal, or its process hangs"
                ),
                format!("fairlead probes: {}: {}; fairlead neighbours: {} is {}", silent.monitor, silent.reason, row.address, row.state),
                "let ICMP type 3 code 3 out of the members: a switchover then begins at once, not after the timeout",
            );
        }
    }
    Ok(())
}
