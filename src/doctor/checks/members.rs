//! Members that answer, but hardly in time, and clients that are hardly kept.

use crate::admin::rows::{MemberState, PastProbeRow, ProbeResult, ProbeRow, SipReport};
use crate::doctor::facts::{Facts, history_of};
use crate::doctor::found::{Found, LeftOut, Looked};
use std::collections::BTreeMap;
use std::time::Duration;

/// Answers before which nothing is said of a member.
const ENOUGH: usize = 3;
/// Answers by which it is judged: the latest.
const LATEST: usize = 8;

pub(super) fn late(facts: &Facts, found: &mut Found) -> Looked {
    let probes: Vec<ProbeRow> = facts.tables.get("probes")?;
    let timeouts: BTreeMap<&str, Duration> =
        facts.intent()?.monitors.iter().map(|monitor| (monitor.name.as_str(), monitor.timeout)).collect();
    let mut unknown = 0;
    for probe in &probes {
        let Some(timeout) = timeouts.get(probe.monitor.as_str()) else { continue };
        let Ok(past) = facts.tables.get::<Vec<PastProbeRow>>(&history_of(&probe.member)) else {
            unknown += 1;
            continue;
        };
        let past: Vec<&PastProbeRow> = past.iter().filter(|row| row.monitor == probe.monitor).collect();
        judge(probe, &past, *timeout, found);
    }
    match unknown {
        0 => Ok(()),
        _ => Err(LeftOut::because(format!(
            "the latest answers of {unknown} monitors are not known: too many members to ask for all"
        ))),
    }
}

fn judge(probe: &ProbeRow, past: &[&PastProbeRow], timeout: Duration, found: &mut Found) {
    let timeout_us = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX).max(1);
    let mut times: Vec<u64> = past.iter().rev().filter_map(|row| row.rtt_us).take(LATEST).collect();
    times.sort_unstable();
    if times.len() < ENOUGH {
        return;
    }
    let (half, longest) = (times[times.len() / 2], times[times.len() - 1]);
    let missed = past.iter().filter(|row| matches!(row.result, ProbeResult::Failed | ProbeResult::Silent)).count();
    let percent = half.saturating_mul(100) / timeout_us;
    let evidence = format!(
        "fairlead probe history {}: of the last {} answers to {} half took {} ms or more, the longest {} ms; {missed} of {} probes failed; \
         timeout {} ms",
        probe.member,
        times.len(),
        probe.monitor,
        half / 1_000,
        longest / 1_000,
        past.len(),
        timeout_us / 1_000
    );
    let remedy = format!(
        "find what keeps the server (CPU, disk, garbage collection, a database), with its own log; until then a longer [[monitor]] {} \
         timeout and interval keeps it from being found dead",
        probe.monitor
    );
    let member = &probe.member;
    match percent {
        90.. => found.error(
            format!("member {member} answers probes so late that they nearly time out: it is sick, and the next delay makes a switchover"),
            evidence,
            remedy,
        ),
        50.. => found.warning(
            format!("member {member} answers probes late: it takes {percent} % of the timeout"),
            evidence,
            remedy,
        ),
        // One that answers at all is not a standby whose port is closed.
        _ if missed > 0 && probe.state == MemberState::Up => {
            found.warning(format!("member {member} is up and misses probes"), evidence, remedy);
        }
        _ => {}
    }
}

pub(super) fn keep_alives(facts: &Facts, found: &mut Found) -> Looked {
    let report: SipReport = facts.tables.get("sip")?;
    if report.sample == 0 {
        return Err(LeftOut::because(
            "SIP is not counted: write [sip] sample = 1 (or 100 under load), reload, and ask again later",
        ));
    }
    for warning in &report.warnings {
        let (what, remedy) = warning.rsplit_once(": ").unwrap_or((warning, ""));
        found.warning(what, format!("fairlead sip, counted since {}", report.since), remedy);
    }
    Ok(())
}
