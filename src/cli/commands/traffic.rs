//! `fairlead traffic`: how much is forwarded for each virtual server and member, and which connections they have.

use super::arguments::View;
use super::kit::*;
use super::narrow::Narrow;
use super::question::Question;
use crate::admin::Request;

const OFF: &str =
    "Packets and bytes are not counted: write [limits] traffic_counters = true and run `fairlead reload`.";

const NOTE: &str = "In is towards members, out is from them; bytes are counted from the IP header on. Rates are of the last full second, \
                    counts since the start. A virtual server has what passes its service ports; a member has also what it opens \
                    itself and what others send to its own address. UDP of a service with one active member makes no connections.";

pub(super) fn question(view: View, server: Option<String>, member: Option<String>, pool: Option<String>) -> Question {
    let narrow = Narrow::Traffic { server, member, pool };
    Question { narrow: Some(narrow), ..view.of(Request::Traffic {}, show) }
}

fn show(data: Value, _: Wall) -> Shown {
    let rows: Vec<TrafficRow> = from_value(data)?;
    let Some(first) = rows.first() else { return Ok("no virtual server, no member\n".to_owned()) };
    let mut parts = Vec::new();
    for (of, title) in [(TrafficOf::VirtualServer, "VIRTUAL SERVER"), (TrafficOf::Member, "MEMBER")] {
        let chosen: Vec<&TrafficRow> = rows.iter().filter(|row| row.of == of).collect();
        if !chosen.is_empty() && first.counting {
            parts.push(forwarded(title, &chosen));
        }
        if !chosen.is_empty() {
            parts.push(connections_of(title, &chosen));
        }
    }
    parts.push(paragraph(if first.counting { NOTE } else { OFF }));
    Ok(parts.join("\n"))
}

fn forwarded(title: &'static str, rows: &[&TrafficRow]) -> String {
    grid(rows, |row| {
        let TrafficRates { packets_in, packets_out, bytes_in, bytes_out, .. } = row.per_second;
        [
            left(title, &row.name),
            right("PKT/s IN", count(packets_in)),
            right("PKT/s OUT", count(packets_out)),
            right("BIT/s IN", count(bytes_in.saturating_mul(8))),
            right("BIT/s OUT", count(bytes_out.saturating_mul(8))),
            right("PKT IN", count(row.packets_in)),
            right("PKT OUT", count(row.packets_out)),
            right("BYTES IN", bytes(row.bytes_in)),
            right("BYTES OUT", bytes(row.bytes_out)),
        ]
    })
}

fn connections_of(title: &'static str, rows: &[&TrafficRow]) -> String {
    grid(rows, |row| {
        [
            left(title, &row.name),
            left("POOL", &row.pool),
            right("CONNECTIONS", count(row.connections)),
            right("MAX", count(row.connections_max)),
            right("TOTAL", count(row.connections_total)),
            right("NEW/s", count(row.per_second.connections)),
        ]
    })
}
