//! `fairlead members`, and the commands that change one: `member` and `pool`, answered with the members concerned.

use super::drain::seconds;
use super::kit::*;

pub(super) fn show(data: Value, now: Wall) -> Shown {
    let rows: Vec<MemberRow> = from_value(data.clone())?;
    let members = table(data, "no members", |row: &MemberRow| {
        [
            left("MEMBER", &row.name),
            left("POOL", &row.pool),
            left("ADDRESS", row.address),
            left("STATE", row.state),
            left("ADMIN", row.admin),
            left("ROLE", row.role),
            right("FLOWS", count(row.flows)),
            right("DIRECT", count(row.direct)),
            right("UDP", udp(row)),
            right("FOR", span(now.since(row.since))),
            prose("REASON", &row.reason),
        ]
    })?;
    let limited = connections("MEMBER", rows.iter().map(|row| (&row.name, row.connections)));
    Ok(members + &not_enabled(&rows) + &limited)
}

/// How long ago the last datagram of a service port was.
fn udp(row: &MemberRow) -> String {
    match (row.role, row.udp_idle_ms) {
        (Role::Active, Some(_)) => "now".to_owned(),
        (_, Some(idle)) => span(Duration::from_millis(idle)),
        (_, None) => "-".to_owned(),
    }
}

/// Who is not enabled, or not as the file has him; and whether anything is left of one that is not.
fn not_enabled(rows: &[MemberRow]) -> String {
    let line = |row: &MemberRow| {
        let MemberRow { name, admin, admin_file, .. } = row;
        let is_set = admin != admin_file || row.drain_left_s.is_some();
        let said = match (admin, is_set) {
            (AdminState::Enabled, false) => return String::new(),
            (AdminState::Enabled, true) => format!("{name} is enabled by the operator; the file has it {admin_file}"),
            (_, false) => format!("{name} is {admin} by the file: {}", remains(row)),
            (_, true) => {
                let (limit, remains) = (limit(row), remains(row));
                format!("{name} is {admin} by the operator{limit}, which is not in the file: {remains}")
            }
        };
        paragraph(&said)
    };
    rows.iter().map(line).collect()
}

/// For how long a member is drained, if for a time.
fn limit(row: &MemberRow) -> String {
    match row.drain_left_s {
        None => String::new(),
        Some(0) => " (its time is up: offline once another member is up)".into(),
        Some(left) => format!(" for another {}, then offline", seconds(left)),
    }
}

/// What is left of a member that was taken out.
fn remains(row: &MemberRow) -> String {
    const REST: &str = "nothing of it is left here, it may be powered off";
    if row.drained && row.direct > 0 {
        return format!("drained completely, but for {} of visitors of its own address", plural(row.direct));
    }
    // Of a drained one the appliance says when that is so: what had a connection before its start may yet speak.
    let rests = if row.admin == AdminState::Draining { row.drained } else { is_at_rest(row) };
    if rests {
        return if row.drained { format!("drained completely, {REST}") } else { REST.into() };
    }
    let udp = match (row.role, row.udp_idle_ms) {
        (Role::Active, Some(_)) => "now".to_owned(),
        (_, Some(idle)) => format!("{} ago", span(Duration::from_millis(idle))),
        (_, None) => "none".to_owned(),
    };
    let role = if row.role == Role::Active { "active until another member is up, " } else { "" };
    format!("{role}{} flows, {} direct, last service datagram {udp}", exact(row.flows), exact(row.direct))
}

fn plural(flows: u64) -> String {
    crate::config::count(flows as usize, "flow")
}

/// No connection stands, and every SIP transaction that a datagram can have begun is over (64·T1, RFC 3261 17).
fn is_at_rest(row: &MemberRow) -> bool {
    const OVER: u64 = 32_000;
    row.role != Role::Active && row.flows + row.direct == 0 && row.udp_idle_ms.is_none_or(|idle| idle > OVER)
}

/// After `pool force`: nobody takes over from a member that is forced, and one that is down serves nobody.
pub(super) fn forced(data: Value, now: Wall) -> Shown {
    let rows: Vec<MemberRow> = from_value(data.clone())?;
    let mut text = show(data, now)?;
    for row in rows.iter().filter(|row| row.role == Role::Active) {
        text += &paragraph(&format!("{} is forced: no fail-over until `fairlead pool auto {}`", row.name, row.pool));
    }
    for row in rows.iter().filter(|row| row.role == Role::Active && row.state == MemberState::Down) {
        text += &paragraph(&format!("warning: {} is active but down: {}", row.name, row.reason));
    }
    Ok(text)
}
