//! `fairlead member drain --wait`: one line about how far a drain has come.

use super::kit::*;
use crate::admin::drain::DrainReport;
use crate::admin::rows::DrainState;

/// How far it has come, to be shown now.
pub struct Progress {
    /// One line, without its end.
    pub line: String,
    /// What has to change for another line to be worth reading: not how much time has passed.
    pub key: String,
    /// It is over: as it was meant, or because something came between.
    pub over: Option<bool>,
}

/// What the report comes to.
///
/// # Errors
/// When it is none.
pub fn progress(data: Value) -> serde_json::Result<Progress> {
    let report: DrainReport = from_value(data)?;
    let over = match report.state {
        DrainState::Running | DrainState::Active => None,
        DrainState::Drained | DrainState::Offline => Some(true),
        DrainState::Ended => Some(false),
    };
    let DrainReport { member, outcome, .. } = &report;
    if over.is_some() {
        let line = visible(&format!("{member}: {outcome}"));
        return Ok(Progress { key: line.clone(), line, over });
    }
    let more = if report.connections == 1 { "" } else { "s" };
    let (connections, others) = (exact(report.connections), exact(report.others));
    let has = format!("{connections} TCP connection{more}, {others} {}", report.counted);
    let is_late = report.left_s == Some(0);
    let keeps = if report.state == DrainState::Active { format!("{outcome}; ") } else { String::new() };
    let late = if is_late { "; its time is up: offline once another member is up" } else { "" };
    let key = visible(&format!("{member}: {keeps}{has}{late}"));
    Ok(Progress { line: format!("{key}{}", times(&report)), key, over })
}

/// What passes by itself: since the last datagram, where there is no flow to count, and until the limit.
fn times(report: &DrainReport) -> String {
    let datagram = match (report.state, report.udp_idle_ms) {
        (DrainState::Running, Some(idle)) => {
            format!("; last service datagram {} ago", span(Duration::from_millis(idle)))
        }
        _ => String::new(),
    };
    let left = report.left_s.filter(|left| *left > 0);
    let left = left.map_or_else(String::new, |left| format!("; {} left", seconds(left)));
    datagram + &left
}

/// Whole seconds as [`span`] has them, without tenths.
pub(super) fn seconds(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { span(Duration::from_secs(seconds)) }
}

/// What somebody is told who stops waiting.
pub fn interrupted(data: Value) -> String {
    let report: Option<DrainReport> = from_value(data).ok();
    let Some(DrainReport { member, left_s, .. }) = report else {
        return "interrupted: the drain stays as it is".into();
    };
    let limit = match left_s {
        None => String::new(),
        Some(0) => ", and taken offline once another member is up".into(),
        Some(left) => format!(", and taken offline in {}", seconds(left)),
    };
    format!("interrupted: {member} is still drained{limit}; `fairlead member enable {member}` ends that")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> DrainReport {
        DrainReport {
            member: "sip-a".into(),
            pool: "pair-1".into(),
            state: DrainState::Running,
            outcome: "draining: 1,204 TCP connections, 3 SNAT mappings".into(),
            connections: 1_204,
            others: 3,
            counted: "SNAT mappings".into(),
            direct: 2,
            udp_idle_ms: Some(4_200),
            until: Some(Wall(0)),
            left_s: Some(843),
        }
    }

    fn shown(report: DrainReport) -> (String, String, Option<bool>) {
        let Progress { line, key, over } = progress(serde_json::to_value(report).unwrap()).unwrap();
        (line, key, over)
    }

    #[test]
    fn a_line_says_what_is_left_and_for_how_long_and_only_what_is_left_makes_it_another() {
        let (line, key, over) = shown(report());
        assert_eq!(
            (line.as_str(), key.as_str(), over),
            (
                "sip-a: 1,204 TCP connections, 3 SNAT mappings; last service datagram 4.2s ago; 14m03s left",
                "sip-a: 1,204 TCP connections, 3 SNAT mappings",
                None
            )
        );
        let later = DrainReport { udp_idle_ms: Some(5_200), left_s: Some(842), ..report() };
        assert_eq!(shown(later).1, key);
        let (line, ..) = shown(DrainReport { connections: 1, udp_idle_ms: None, left_s: None, ..report() });
        assert_eq!(line, "sip-a: 1 TCP connection, 3 SNAT mappings");
        let (line, ..) = shown(DrainReport { udp_idle_ms: None, left_s: Some(42), ..report() });
        assert_eq!(line, "sip-a: 1,204 TCP connections, 3 SNAT mappings; 42s left");
    }

    #[test]
    fn whoever_keeps_its_work_is_said_to() {
        let outcome = "keeps the active role: no other member is up";
        let active =
            DrainReport { state: DrainState::Active, outcome: outcome.into(), udp_idle_ms: Some(0), ..report() };
        let (line, _, over) = shown(active.clone());
        let has = "1,204 TCP connections, 3 SNAT mappings";
        assert_eq!((line, over), (format!("sip-a: {outcome}; {has}; 14m03s left"), None));
        let (line, ..) = shown(DrainReport { left_s: Some(0), ..active });
        assert_eq!(line, format!("sip-a: {outcome}; {has}; its time is up: offline once another member is up"));
    }

    #[test]
    fn the_end_is_in_the_appliances_words() {
        for (state, over) in [(DrainState::Drained, true), (DrainState::Offline, true), (DrainState::Ended, false)] {
            let ended = DrainReport { state, outcome: "as it is\x1b[2J".into(), ..report() };
            assert_eq!(shown(ended), ("sip-a: as it is?[2J".into(), "sip-a: as it is?[2J".into(), Some(over)));
        }
        assert!(progress(serde_json::json!({ "member": 7 })).is_err());
    }

    #[test]
    fn who_stops_waiting_is_told_that_the_drain_stays() {
        for (left_s, limit) in [
            (None, ""),
            (Some(843), ", and taken offline in 14m03s"),
            (Some(0), ", and taken offline once another member is up"),
        ] {
            let said = interrupted(serde_json::to_value(DrainReport { left_s, ..report() }).unwrap());
            let expected =
                format!("interrupted: sip-a is still drained{limit}; `fairlead member enable sip-a` ends that");
            assert_eq!(said, expected);
        }
    }
}
