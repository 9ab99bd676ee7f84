//! What stands as an alarm, and what ARP tells of others.
//!
//! Owns which alarm is which: by its words, in one place.

use crate::admin::rows::{AlarmRow, NeighbourRow, NeighbourState, Status};
use crate::config::count;
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, LeftOut, Looked};
use std::collections::BTreeMap;

/// Whose an alarm is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Duplicate,
    ProxyArp,
    Other,
}

fn kind(alarm: &AlarmRow) -> Kind {
    let words = &alarm.message;
    match () {
        () if words.contains("switch proxy ARP off") => Kind::ProxyArp,
        () if words.starts_with("duplicate address:") || words.contains("itself, which is ours") => Kind::Duplicate,
        () => Kind::Other,
    }
}

fn standing(facts: &Facts, wanted: Kind) -> Result<Vec<AlarmRow>, LeftOut> {
    let status: Status = facts.tables.get("status")?;
    Ok(status.alarms.into_iter().filter(|alarm| kind(alarm) == wanted).collect())
}

/// What, and the remedy behind the last colon of an alarm's words.
fn split(alarm: &AlarmRow) -> (String, String) {
    let (what, remedy) = alarm.message.rsplit_once(": ").unwrap_or((&alarm.message, ""));
    (what.to_owned(), remedy.to_owned())
}

fn since(alarm: &AlarmRow) -> String {
    format!("fairlead status: alarm since {}", alarm.since)
}

pub(super) fn others(facts: &Facts, found: &mut Found) -> Looked {
    for alarm in standing(facts, Kind::Other)? {
        found.warning(alarm.message.clone(), since(&alarm), "");
    }
    Ok(())
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
