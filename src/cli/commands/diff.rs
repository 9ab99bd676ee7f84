//! `fairlead diff`

use super::kit::*;
use crate::admin::configurations::{ImpactRow, LostServiceRow, Preview};
use crate::admin::rows::ServiceLoss;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let preview: Preview = from_value(data)?;
    if preview.changes.is_empty() {
        return Ok("no difference\n".to_owned());
    }
    let line = |change: &Change| {
        let restart = if change.live { "" } else { "  (only a restart can apply this)" };
        visible(&change.to_string()) + restart + "\n"
    };
    let changes: String = preview.changes.iter().map(line).collect();
    let rest = match &preview.refused {
        Some(why) => paragraph(&format!("a reload would be refused: {why}")),
        None => impact(&preview),
    };
    Ok(format!("{changes}\n{rest}"))
}

fn impact(preview: &Preview) -> String {
    let Preview { resteered, cut, keep_source, unchanged, .. } = preview;
    let counts = [resteered, cut, keep_source, unchanged].map(|count| exact(*count));
    let [resteered, cut, keep_source, unchanged] = counts;
    let least = if preview.exact { "" } else { "at least: not every worker had looked at all of its flows in time. " };
    let total = paragraph(&format!(
        "{least}{resteered} flows would be re-steered, {cut} cut, {keep_source} keep a source that new ones do not get; {unchanged} \
         unchanged"
    ));
    let rows = preview.impact.iter().filter(|row| row.resteered + row.cut + row.keep_source > 0);
    let table = grid(rows, |row: &ImpactRow| {
        [
            left("POOL", or_dash(row.pool.as_ref())),
            left("VIRTUAL SERVER", or_dash(row.virtual_server.as_ref())),
            right("RE-STEERED", exact(row.resteered)),
            right("CUT", exact(row.cut)),
            right("KEEP SOURCE", exact(row.keep_source)),
            right("UNCHANGED", exact(row.unchanged)),
        ]
    });
    let loses = |pool: &String| {
        paragraph(&format!(
            "pool {pool} loses its active member: the datagrams of its virtual servers go to whoever is chosen then"
        ))
    };
    let lose: String = preview.lose_active.iter().map(loses).collect();
    let services: String = preview.lose_services.iter().map(lost_service).collect();
    total + &table + &lose + &services
}

fn lost_service(lost: &LostServiceRow) -> String {
    let why = match lost.why {
        ServiceLoss::Removed => "is not in the file: what comes there is nobody's",
        ServiceLoss::Disabled => "is disabled: what comes there is refused",
        ServiceLoss::NotListening => "is not there any more: what comes there is nobody's",
        ServiceLoss::AnotherPool => "leads to another pool: what comes there goes to whoever is active in that",
    };
    paragraph(&format!("virtual server {lost} {why}"))
}
