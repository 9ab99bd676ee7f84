//! What stands as an alarm, and what ARP tells of others.
//!
//! Owns which alarm is which check's: by its code, or by its words where an older appliance says none.

use crate::admin::rows::{AlarmRow, NeighbourRow, NeighbourState, RouteRow, Status};
use crate::config::count;
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, LeftOut, Looked};
use crate::events::{AlarmCode, Severity};
use std::collections::BTreeMap;

/// Whose an alarm is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Duplicate,
    ProxyArp,
    NextHop,
    Other,
}

fn kind(alarm: &AlarmRow) -> Kind {
    let words = &alarm.message;
    match alarm.code.parse::<AlarmCode>() {
        Ok(AlarmCode::AddressDuplicate) => Kind::Duplicate,
        Ok(AlarmCode::AddressProxyArp) => Kind::ProxyArp,
        Ok(AlarmCode::NextHopUnreachable) => Kind::NextHop,
        Err(_) if !alarm.code.is_empty() => Kind::Other,
        Err(_) if words.contains("switch proxy ARP off") => Kind::ProxyArp,
        Err(_) if words.starts_with("duplicate address:") || words.contains("itself, which is ours") => Kind::Duplicate,
        _ => Kind::Other,
    }
}

fn standing(facts: &Facts, wanted: Kind) -> Result<Vec<AlarmRow>, LeftOut> {
    let status: Status = facts.tables.get("status")?;
    Ok(status.alarms.into_iter().filter(|alarm| kind(alarm) == wanted).collect())
}

/// What, and the remedy: that of its words, behind the last colon, else that of its code.
fn split(alarm: &AlarmRow) -> (String, String) {
    let (what, remedy) = alarm.message.rsplit_once(": ").unwrap_or((&alarm.message, &alarm.remedy));
    (what.to_owned(), remedy.to_owned())
}

fn since(alarm: &AlarmRow) -> String {
    match alarm.code.as_str() {
        "" => format!("fairlead status: alarm since {}", alarm.since),
        code => format!("fairlead alarms: {code} ({}) since {}", alarm.severity, alarm.since),
    }
}

pub(super) fn others(facts: &Facts, found: &mut Found) -> Looked {
    let mut alarms = standing(facts, Kind::Other)?;
    // Of those whose route says the same, the check of routes tells.
    let lost = lost_next_hops(facts).unwrap_or_default();
    let tells = |alarm: &AlarmRow| lost.iter().any(|route| is_about(alarm, route));
    alarms.extend(standing(facts, Kind::NextHop)?.into_iter().filter(|alarm| !tells(alarm)));
    for alarm in alarms {
        let (what, evidence, remedy) = (alarm.message.clone(), since(&alarm), alarm.remedy.clone());
        match alarm.severity {
            Severity::Critical => found.error(what, evidence, remedy),
            Severity::Warning => found.warning(what, evidence, remedy),
        }
    }
    Ok(())
}

/// Routes whose next hop does not answer ARP, one for each next hop, and how many more lead there.
pub(super) fn next_hops(facts: &Facts, found: &mut Found) -> Looked {
    let alarms = standing(facts, Kind::NextHop).unwrap_or_default();
    let lost = lost_next_hops(facts)?;
    let mut ways: BTreeMap<(&str, String), Vec<&RouteRow>> = BTreeMap::new();
    for route in &lost {
        let via = route.via.map_or_else(String::new, |via| via.to_string());
        ways.entry((&route.interface, via)).or_default().push(route);
    }
    for ((interface, via), routes) in ways {
        let to: Vec<String> = routes.iter().map(|route| route.to.to_string()).collect();
        let alarm = alarms.iter().find(|alarm| is_about(alarm, routes[0]));
        let stands = alarm.map_or_else(String::new, |alarm| format!("; {}", since(alarm)));
        let what =
            format!("nobody answers ARP for {via}, the next hop towards {}: what is for there is lost", to.join(", "));
        let evidence = format!("fairlead routes: {} via {via} on {interface}, failed{stands}", to.join(", "));
        let remedy = format!("look at router, cable and VLAN of interface {interface}; or correct [[route]] via");
        match alarm.is_some_and(|alarm| alarm.severity == Severity::Critical) {
            true => found.error(what, evidence, remedy),
            false => found.warning(what, evidence, remedy),
        }
    }
    Ok(())
}

fn lost_next_hops(facts: &Facts) -> Result<Vec<RouteRow>, LeftOut> {
    let routes: Vec<RouteRow> = facts.tables.get("routes")?;
    Ok(routes.into_iter().filter(|route| route.next_hop == Some(NeighbourState::Failed)).collect())
}

/// The alarm is about the next hop of this route.
fn is_about(alarm: &AlarmRow, route: &RouteRow) -> bool {
    let here = alarm.interface.as_ref().is_none_or(|interface| *interface == route.interface);
    here && alarm.object.is_some() && alarm.object == route.via.map(|via| via.to_string())
}

pub(super) fn duplicates(facts: &Facts, found: &mut Found) -> Looked {
    let standing = standing(facts, Kind::Duplicate)?;
    for alarm in &standing {
        let (what, remedy) = split(alarm);
        found.error(what, since(alarm), remedy);
    }
    let counters = facts.tables.counters()?;
    if standing.is_empty() && counters.of("punt_arp_conflict") > 0 {
        found.info(
            "somebody has claimed an address of Fairlead's since the start",
            counters.shown("punt_arp_conflict"),
            "the log names the MAC: journalctl -u fairlead | grep 'duplicate address'",
        );
    }
    Ok(())
}

pub(super) fn proxies(facts: &Facts, found: &mut Found) -> Looked {
    for alarm in standing(facts, Kind::ProxyArp)? {
        let (what, remedy) = split(&alarm);
        found.warning(what, since(&alarm), remedy);
    }
    let neighbours: Vec<NeighbourRow> = facts.tables.get("neighbours")?;
    let mut stations: BTreeMap<(&str, &str), Vec<&NeighbourRow>> = BTreeMap::new();
    for row in neighbours.iter().filter(|row| row.state == NeighbourState::Reachable) {
        if let Some(mac) = &row.mac {
            stations.entry((&row.interface, mac)).or_default().push(row);
        }
    }
    for ((interface, mac), rows) in stations {
        let known = rows.iter().filter(|row| !row.role.is_empty()).count();
        // A host may have several addresses; that of a member or router is not another host's as well.
        if rows.len() < 2 || known == 0 {
            continue;
        }
        let named = |row: &&NeighbourRow| match row.role.as_str() {
            "" => row.address.to_string(),
            role => format!("{} ({role})", row.address),
        };
        let named: Vec<String> = rows.iter().map(named).collect();
        let shown = named.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        let what = format!(
            "{mac} on interface {interface} answers ARP for {} addresses: one host has them all, or somebody answers for others (proxy ARP)",
            rows.len()
        );
        let remedy =
            "switch proxy ARP off at that host or router (Linux: net.ipv4.conf.*.proxy_arp=0; Cisco: no ip proxy-arp)";
        // Two addresses of a router, or of one server, are usual.
        match known > 1 || rows.len() > 3 {
            true => found.warning(what, format!("fairlead neighbours: {shown}"), remedy),
            false => found.info(what, format!("fairlead neighbours: {shown}"), remedy),
        }
    }
    Ok(())
}

pub(super) fn operator(facts: &Facts, found: &mut Found) -> Looked {
    let status: Status = facts.tables.get("status")?;
    if status.settings > 0 {
        let times = usize::try_from(status.settings).unwrap_or(usize::MAX);
        let what = format!("{} set by an operator: not as the file says", count(times, "thing"));
        found.info(what, "fairlead state show", "fairlead state lines prints what makes the file say the same");
    }
    if let Some(awaited) = &status.awaited {
        let evidence = format!("fairlead status: configuration {} waits until {}", awaited.number, awaited.until);
        found.info("a configuration waits for its confirmation, and is undone without", evidence, "fairlead confirm");
    }
    Ok(())
}
