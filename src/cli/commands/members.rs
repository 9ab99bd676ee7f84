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
            right("SINCE", span(now.since(row.since))),
            prose("REASON", &row.reason),
        ]
    })?;
    Ok(members + &by_operator(&rows))
}

/// What is not as the file has it: there, every member is enabled.
fn by_operator(rows: &[MemberRow]) -> String {
    let set = rows.iter().filter(|row| row.admin != AdminState::Enabled);
    let set: Vec<String> = set.map(|row| format!("{} {}", row.name, row.admin)).collect();
    match set.is_empty() {
        true => String::new(),
        false => paragraph(&format!("Set by the operator, kept over restarts, not in the file: {}.", set.join(", "))),
    }
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
