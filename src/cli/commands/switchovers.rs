//! `fairlead switchovers`

use super::arguments::View;
use super::kit::*;
use super::narrow::Narrow;
use super::question::Question;
use crate::admin::Request;

pub(super) fn question(view: View, pool: Option<String>, last: Option<u64>) -> Question {
    Question { narrow: Some(Narrow::Switchovers { pool, last }), ..view.of(Request::Switchovers {}, show) }
}

fn show(data: Value, _: Wall) -> Shown {
    let rows: Vec<SwitchoverRow> = from_value(data)?;
    if rows.is_empty() {
        return Ok("no switchover is known\n".to_owned());
    }
    let newest_first: Vec<&SwitchoverRow> = rows.iter().rev().collect();
    Ok(grid_over(&newest_first, |row| cells(row), |row| row.reason.clone()))
}

fn cells(row: &SwitchoverRow) -> [Cell; 9] {
    [
        left("TIME (UTC)", moment(row.time)),
        left("POOL", &row.pool),
        left("FROM", or_dash(row.from.as_ref())),
        left("TO", or_dash(row.to.as_ref())),
        left("CAUSE", row.cause),
        right("DETECTED", step(row.last_good_answer, row.lost.or(Some(row.detected)))),
        right("GAP", step(row.lost, Some(row.detected))),
        right("INSTALLED", step(Some(row.detected), row.installed)),
        right("REDELIVERED", row.redelivered),
    ]
}

/// How long after one mark the next was set.
fn step(from: Option<u64>, to: Option<u64>) -> String {
    or_dash(from.zip(to).map(|(from, to)| format!("+{}", micros(Some(to.saturating_sub(from))))))
}
