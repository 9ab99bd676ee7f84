//! `fairlead snat`

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    table(data, "no SNAT", |row: &SnatRow| {
        [
            left("POOL", &row.pool),
            left("ADDRESS", row.address),
            left("PROTO", &row.protocol),
            right("PORTS USED", exact(row.used)),
            right("PEAK", exact(row.peak)),
            right("FREE", exact(row.free)),
            left("FORECAST", forecast(row)),
            right("FAILURES", exact(row.exhausted)),
            right("EXCLUDED", exact(row.excluded)),
        ]
    })
}

/// When no port will be free.
fn forecast(row: &SnatRow) -> String {
    match (row.forecast, row.exhausted_in_s) {
        (Forecast::Growing, Some(seconds)) => format!("in {}", span(Duration::from_secs(seconds))),
        (Forecast::Unknown, _) => "-".to_owned(),
        (word, _) => word.to_string(),
    }
}
