//! The page about `--json` says what the rows say: it is made from their documentation.

use std::fmt::Write;
use std::path::Path;

/// Where rows are, and which structs of a file are rows, if not all.
const SOURCES: &[(&str, &[&str])] = &[
    ("src/admin/rows.rs", &[]),
    ("src/admin/overview.rs", &[]),
    ("src/admin/latency.rs", &[]),
    ("src/config/difference.rs", &["Change"]),
    ("src/admin/drill.rs", &[]),
    ("src/admin/pair.rs", &[]),
    ("src/admin/drain.rs", &[]),
    ("src/admin/traffic.rs", &[]),
    ("src/admin/sip.rs", &[]),
    ("src/admin/configurations.rs", &[]),
    ("src/admin/explain.rs", &[]),
    ("src/admin/capture.rs", &["CaptureBegun", "CapturedRow", "CaptureLine", "CaptureTotals"]),
    ("src/admin/recorder.rs", &[]),
    ("src/replay/summary.rs", &[]),
    ("src/doctor/finding.rs", &[]),
    ("src/cli/checked.rs", &["CheckReport", "MistakeRow"]),
    ("src/cli/commands/talkers.rs", &["TalkerRow", "Talkers"]),
    ("src/admin/events.rs", &["EventRow", "EventsPage", "AlarmRow", "AcknowledgedRow"]),
];
const PAGE: &str = "dpdk-config/json.md";

const HEAD: &str = "# What `--json` prints

Made from the source (`tests/json.rs`): do not edit. Every command that asks the appliance takes `--json` and prints an object or a list
of the objects below; on the admin socket the same stands under `data`. A key that ends with `_s`, `_ms`, `_us` or `_ns` is in seconds,
milliseconds, microseconds or nanoseconds; a time is an RFC 3339 text in UTC; counts are since the start. Keys may be added in later
versions, and none changes its meaning or unit: `status` has the `version`.

| command | prints |
|---|---|
| `status` | one Status |
| `members`, `member ...`, `pool ...` | a list of MemberRow |
| `member drain --wait` | a DrainReport a line, one for each change |
| `virtual-servers` | a list of VirtualServerRow |
| `probes`, `probe now` | a list of ProbeRow |
| `probe history` | a list of PastProbeRow, oldest first |
| `flows` | an object: `rows`, a list of FlowRow; `total`, how many there are; `exact`, false if there may be more; with `--port`, `searched`, among how many they were looked for if not among all |
| `flows --top` | Talkers |
| `flows clear` | one Cleared |
| `explain ...` | one Explanation |
| `capture` | a CaptureLine a line, one for each frame; on the socket see CaptureBegun |
| `recorder list`, `recorder freeze` | a list of RecordingRow, oldest first |
| `snat` | a list of SnatRow |
| `neighbours`, `routes`, `ports`, `interfaces`, `counters` | a list of NeighbourRow, RouteRow, PortRow, InterfaceRow, CounterRow |
| `alarms`, `alarms acknowledge` | a list of AlarmRow |
| `events` | a list of EventRow, oldest first; with `--follow` an EventRow a line, and `{\"lost\": N}` where N are missing |
| `switchovers` | a list of SwitchoverRow, oldest first; the marks of one of before a restart are of that start |
| `latency` | a list of LatencyRow |
| `traffic` | a list of TrafficRow, virtual servers first |
| `sip` | one SipReport |
| `pair`, `pair active`, `pair standby` | one PairReport |
| `health` | one HealthReport |
| `drill --shadow`, `drill` | one DrillPlan, one DrillReport |
| `exclude ...` | a list of ExcludeRow |
| `state show`, `state drop` | a list of SettingRow |
| `state lines` | one StateLines |
| `log level` | one Logging |
| `diff` | one Preview |
| `reload`, `rollback`, `save`, `pair push` (of the other appliance) | one Reloaded |
| `confirm` | one Confirmed |
| `history` | a list of HistoryRow, oldest first |
| `history show` | one HistoryText |
| `replay` | one ReplaySummary |
| `doctor` | one Diagnosis |
| `check` | one CheckReport |
| `/status.json` over HTTP, at the address of `metrics` | one Overview: what the status page there shows |
";

/// A struct's name and page.
fn structs(source: &str) -> Vec<String> {
    let (mut pages, mut docs, mut rename, mut page) = (Vec::new(), Vec::new(), None, None::<String>);
    for line in source.lines().take_while(|line| !line.starts_with("#[cfg(test)]")) {
        let line = line.trim();
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc.trim().to_owned());
        } else if let Some(name) = line.strip_prefix("#[serde(rename = \"") {
            rename = name.split('"').next().map(str::to_owned);
        } else if line.starts_with("#[") {
        } else if let Some(name) = line.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {")) {
            let about = plain(&std::mem::take(&mut docs).join(" "));
            page = Some(format!("\n## {name}\n\n{about}\n\n| key | holds | meaning |\n|---|---|---|\n"));
        } else if let (Some(text), Some(field)) = (&mut page, line.strip_prefix("pub ")) {
            let (name, kind) = field.split_once(": ").expect("a name and a type");
            let name = rename.take().unwrap_or_else(|| name.to_owned());
            let about = plain(&std::mem::take(&mut docs).join(" "));
            _ = writeln!(text, "| `{name}` | {} | {about} |", holds(kind.trim_end_matches(',')));
        } else if line == "}" {
            pages.extend(page.take());
            docs.clear();
        } else {
            docs.clear();
        }
    }
    pages
}

/// Documentation without links.
fn plain(text: &str) -> String {
    let text = text.replace("[`", "`").replace("`]", "`").replace("`None`", "`null`");
    text.split("(super::").next().unwrap_or(&text).replace('|', "\\|")
}

fn holds(kind: &str) -> String {
    let inside = |of: &str| kind.strip_prefix(of).and_then(|rest| rest.strip_suffix('>'));
    match kind {
        _ if inside("Option<").is_some() => format!("{} or null", holds(inside("Option<").unwrap_or_default())),
        _ if inside("Vec<").is_some() => format!("list of {}", holds(inside("Vec<").unwrap_or_default())),
        "u64" | "u32" | "u16" | "f64" => "number".into(),
        "bool" => "true or false".into(),
        "Wall" => "time".into(),
        "String" | "Arc<str>" | "&'static str" | "Ipv4Addr" | "Ipv4Net" | "SocketAddrV4" => "text".into(),
        "Status" | "PairReport" | "Ends" | "ExplainedEgress" | "ExplainedStep" | "Change" | "Spread" | "Bucket" => {
            kind.into()
        }
        _ if kind.ends_with("Row") || kind.starts_with("Replay") || kind == "MemberProbe" => kind.into(),
        // What remains are words.
        _ => "word".into(),
    }
}

#[test]
fn the_page_about_json_is_what_the_rows_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows_of = |&(source, only): &(&str, &[&str])| {
        let text = std::fs::read_to_string(root.join(source)).expect(source);
        let is_row =
            |page: &String| only.is_empty() || only.iter().any(|name| page.starts_with(&format!("\n## {name}\n")));
        structs(&text).into_iter().filter(is_row).collect::<String>()
    };
    let page = HEAD.to_owned() + &SOURCES.iter().map(rows_of).collect::<String>();
    for part in ["| `detected_us` | number |", "## SettingRow", "| `udp_idle_ms` | number or null |", "## Change\n"] {
        assert!(page.contains(part), "{part}");
    }
    if std::env::var_os("FAIRLEAD_BLESS").is_some() {
        std::fs::write(root.join(PAGE), &page).expect("the page is written");
    }
    let found = std::fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    assert!(found == page, "{PAGE} is not what the rows say: run this test with FAIRLEAD_BLESS=1");
}
