//! `fairlead members`, and the commands that change one: `member` and `pool`, answered with the members concerned.

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
            right("SINCE", span(now.since(row.since))),
            prose("REASON", &row.reason),
        ]
    })?;
    let limited = connections("MEMBER", rows.iter().map(|row| (&row.name, row.connections)));
    Ok(members + &by_operator(&rows) + &limited)
}

/// How long ago the last datagram of a service port was.
fn udp(row: &MemberRow) -> String {
    match (row.role, row.udp_idle_ms) {
        (Role::Active, Some(_)) => "now".to_owned(),
        (_, Some(idle)) => span(Duration::from_millis(idle)),
        (_, None) => "-".to_owned(),
    }
}

/// What is not as the file has it, where every member is enabled; and whether anything is left of such a member.
fn by_operator(rows: &[MemberRow]) -> String {
    let set = rows.iter().filter(|row| row.admin != AdminState::Enabled);
    let line = |row: &MemberRow| {
        let left = match is_at_rest(row) {
            true => "nothing of it is left here, it may be powered off".to_owned(),
            false => {
                let udp = row
                    .udp_idle_ms
                    .map_or("none".to_owned(), |idle| format!("{} ago", span(Duration::from_millis(idle))));
                let is_now = row.role == Role::Active && row.udp_idle_ms.is_some();
                let udp = if is_now { "now".to_owned() } else { udp };
                format!("{} flows, {} direct, last service datagram {udp}", exact(row.flows), exact(row.direct))
            }
        };
        paragraph(&format!("{} is {} by the operator, which is not in the file: {left}", row.name, row.admin))
    };
    set.map(line).collect()
}

/// No connection stands, and every SIP transaction that a datagram can have begun is over (64·T1, RFC 3261 17).
fn is_at_rest(row: &MemberRow) -> bool {
    const OVER: u64 = 32_000;
    row.role != Role::Active && row.flows + row.direct == 0 && row.udp_idle_ms.is_none_or(|idle| idle > OVER)
}

/// After `pool force`: a member that is forced although it is down serves nobody, and the operator should know.
pub(super) fn forced(data: Value, now: Wall) -> Shown {
    let rows: Vec<MemberRow> = from_value(data.clone())?;
    let mut text = show(data, now)?;
    for row in rows.iter().filter(|row| row.role == Role::Active && row.state == MemberState::Down) {
        text += &paragraph(&format!("warning: {} is active but down: {}", row.name, row.reason));
    }
    Ok(text)
}
