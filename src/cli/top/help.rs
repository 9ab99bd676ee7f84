//! The help: keys, and what the figures are.
//!
//! Owns its words.

use super::table::{Pieces, Tone};
use crate::config::wrap;

const KEYS: &[(&str, &str)] = &[
    ("q, Ctrl-C", "leave"),
    ("Esc", "one step back; from the overview, leave"),
    ("p, space", "pause, resume"),
    ("+ and -", "longer or shorter interval, 500ms to 1m"),
    ("Tab, Shift-Tab", "next or previous panel"),
    ("1 to 6", "this panel alone; again, or 0: all panels"),
    ("arrows, PgUp, PgDn, Home, End", "select a row, scroll"),
    (
        "Enter",
        "the row at length: a member's probes and who has most of its flows, a drop reason's meaning and remedy, the members of a virtual server's pool",
    ),
    ("s", "sort by the next column, after the last one as at first"),
    ("r", "reverse the order"),
    ("/", "only rows with this text in a name; Enter keeps it, Esc ends it"),
    ("Ctrl-L", "draw the screen anew"),
    ("?, h", "this help"),
];

const FIGURES: &[(&str, &str)] = &[
    ("+3, 12-30/45 in a title", "rows that there is no room for; which rows of how many are shown"),
    (
        "pkt/s, bit/s",
        "frames and bits a second between the last two samples, bits without preamble and gap; `-`: not known, since it is the first sample, the count was reset, or the appliance has restarted",
    ),
    (
        "DROP/s of a port",
        "what its NIC lost: no worker took it in time, or an error. Of a worker: frames dropped for any reason",
    ),
    ("busy", "of the last second, the part that the worker spent on packets"),
    (
        "FLOWS, TCP",
        "entries in the flow tables now, and the TCP connections among them. UDP to the service ports of a pair needs no flow",
    ),
    ("SIP/s", "SIP requests over UDP in a second, where [sip] sample is set; a sample stands for all"),
    (
        "TREND",
        "drops in the last minute, as far as this program has seen it; the longest bar is the most of this reason",
    ),
    (
        "MEAN NOW",
        "of the frames between the last two samples; percentiles are of all since the measurement began (`fairlead latency --reset` starts a new one)",
    ),
    ("RTT", "of probes: the longest of the latest round-trip times of its monitors"),
];

/// The help in lines of at most `width` columns.
pub fn lines(width: usize) -> Vec<Pieces> {
    let label = if width < 60 { 16 } else { 30 };
    let section = |rows: &[(&str, &str)]| -> Vec<Pieces> {
        let room = width.saturating_sub(label + 2).max(1);
        let entry = |(what, means): &(&str, &str)| {
            let (labels, texts) = (wrap(what, label, label), wrap(means, room, room));
            let at = |lines: &[String], place: usize| lines.get(place).cloned().unwrap_or_default();
            let line = |place| {
                vec![(format!("{:<label$}  ", at(&labels, place)), Tone::Head), (at(&texts, place), Tone::Plain)]
            };
            (0..labels.len().max(texts.len())).map(line).collect::<Vec<_>>()
        };
        rows.iter().flat_map(entry).collect()
    };
    let mut lines = section(KEYS);
    lines.push(Pieces::new());
    lines.extend(section(FIGURES));
    lines
}
