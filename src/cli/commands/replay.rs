//! `fairlead replay`: what is typed, and how what came of it is shown.

use crate::cli::grid::{grid, labelled, left, paragraph, prose, right};
use crate::cli::readable::{exact, span};
use crate::policy::words::Word;
use crate::replay::{Moment, NeighbourSource, ReplayCount, ReplaySummary, Settings};
use crate::time::Duration;
use crate::wire::Mac;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use std::path::PathBuf;

const EXAMPLE: &str = "Example:
  fairlead replay trouble.pcap out.pcapng --config fairlead.toml --active sip-b
  fairlead replay trouble.pcap --config fairlead.toml --expect out.pcapng";

/// `replay ...`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct Replay {
    /// The capture, pcap or pcapng of Ethernet
    #[arg(value_name = "IN", value_hint = ValueHint::FilePath)]
    pub capture: PathBuf,
    /// Write what came in, with its verdict, and what was sent to this pcapng file
    #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// The appliance's file, TOML
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// Frames of this interface of the capture, by name or number from 0, come in on this interface of the file [default: the one of the
    /// same name, else by their source]
    #[arg(long = "interface", value_name = "CAPTURED=NAME", value_parser = pair)]
    pub interfaces: Vec<(String, String)>,
    /// Our MAC on this interface or port [default: as the capture shows it]
    #[arg(long = "mac", value_name = "NAME=MAC", value_parser = own_mac)]
    pub macs: Vec<(String, Mac)>,
    /// MACs of members and routers: assumed (as the capture shows, else made up), learned (not made up), arp (only from ARP in it)
    #[arg(long, value_name = "SOURCE", default_value = "assumed", hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(NeighbourSource::WORDS).try_map(|word| word.parse::<NeighbourSource>().map_err(|_| word)))]
    pub neighbours: NeighbourSource,
    /// This member is active at the beginning [default: the one that is chosen if all are up]
    #[arg(long, value_name = "MEMBER")]
    pub active: Vec<String>,
    /// This member is down
    #[arg(long, value_name = "MEMBER")]
    pub down: Vec<String>,
    /// At this time the active member is lost and this one takes over; TIME counts from the first packet (12.5, 2m), or is RFC 3339
    #[arg(long = "switchover", value_name = "TIME=MEMBER", value_parser = switchover)]
    pub switchovers: Vec<(Moment, String)>,
    /// Compare what is sent with what the appliance sent in this capture, whole frames; exit 1 at a difference
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub expect: Option<PathBuf>,
    /// Do not compare IPv4 identifications, which the appliance chooses for what leaves from a virtual address
    #[arg(long, requires = "expect")]
    pub any_id: bool,
    /// Print what came of it as JSON
    #[arg(long)]
    pub json: bool,
}

impl Replay {
    /// What is said of the capture.
    pub fn settings(&self) -> Settings {
        Settings {
            interfaces: self.interfaces.clone(),
            macs: self.macs.clone(),
            neighbours: self.neighbours,
            active: self.active.clone(),
            down: self.down.clone(),
            switchovers: self.switchovers.clone(),
            any_id: self.any_id,
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let both = text.split_once('=').filter(|(captured, name)| !captured.is_empty() && !name.is_empty());
    let (captured, name) =
        both.ok_or("write the capture's interface and the file's, such as eth0=outside or 0=outside")?;
    Ok((captured.into(), name.into()))
}

fn own_mac(text: &str) -> Result<(String, Mac), String> {
    let wanted = "write an interface and its MAC, such as outside=02:00:00:00:00:01";
    let (name, mac) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(wanted)?;
    let mac: Mac = mac.parse().map_err(|_| wanted)?;
    if mac.is_group() || mac == Mac::ZERO { Err(wanted.into()) } else { Ok((name.into(), mac)) }
}

fn switchover(text: &str) -> Result<(Moment, String), String> {
    let wanted = "write a time and a member, such as 12.5=sip-b, 2m=sip-b or 2026-11-20T12:00:00Z=sip-b";
    let (time, member) = text.split_once('=').filter(|(_, member)| !member.is_empty()).ok_or(wanted)?;
    Ok((moment(time).ok_or(wanted)?, member.into()))
}

fn moment(text: &str) -> Option<Moment> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok().map(Moment::After);
    }
    if let Ok(after) = humantime::parse_duration(text) {
        return Some(Moment::After(after));
    }
    let at = humantime::parse_rfc3339(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(at.as_nanos()).ok().map(Moment::At)
}

/// The report.
pub(in crate::cli) fn text(it: &ReplaySummary) -> String {
    let time = span(Duration::try_from_secs_f64(it.span_s).unwrap_or_default());
    let skipped: u64 = it.skipped.iter().map(|row| row.frames).sum();
    let sum = |rows: &[ReplayCount]| exact(rows.iter().map(|row| row.frames).sum());
    let macs: Vec<String> = it.macs.iter().map(|row| format!("{} {} ({})", row.port, row.mac, row.from)).collect();
    let rows = [
        ("captured", format!("{} in {time}", frames(it.captured))),
        ("skipped", exact(skipped)),
        ("received", exact(it.received)),
        ("forwarded", exact(it.forwarded)),
        ("answered", exact(it.answered)),
        ("dropped", sum(&it.dropped)),
        ("ignored", sum(&it.ignored)),
        ("for management", sum(&it.punted)),
        ("waiting", exact(it.waiting)),
        ("sent by ourselves", exact(it.originated)),
        ("our MACs", macs.join(", ")),
    ];
    let tables = [("skipped", &it.skipped), ("drop", &it.dropped), ("ignored", &it.ignored), ("punted", &it.punted)];
    let all: Vec<(&str, &ReplayCount)> =
        tables.into_iter().flat_map(|(kind, rows)| rows.iter().map(move |row| (kind, row))).collect();
    let table = grid(all, |(kind, row)| {
        let first = row.first.map_or_else(|| "-".into(), |first| first.to_string());
        [
            left("KIND", kind),
            left("REASON", &row.reason),
            right("FRAMES", exact(row.frames)),
            right("FIRST", first),
            prose("MEANING", &row.explanation),
        ]
    });
    let gap = if table.is_empty() { "" } else { "\n" };
    let notes: String = it.notes.iter().map(|note| paragraph(&format!("note: {note}"))).collect();
    labelled(&rows) + gap + &table + &notes + &compared(it)
}

fn compared(it: &ReplaySummary) -> String {
    match (&it.difference, it.compared) {
        (Some(first), _) => {
            let by = first.frame.map_or_else(String::new, |frame| format!(", caused by frame {frame}"));
            let expected = first.expected.map_or_else(String::new, |frame| format!(", expected as frame {frame}"));
            paragraph(&format!("different: first on port {}{by}{expected}: {}", first.port, first.says))
        }
        (None, Some(count)) => format!("as expected: {} compared, no difference\n", frames(count)),
        (None, None) => String::new(),
    }
}

fn frames(count: u64) -> String {
    if count == 1 { "1 frame".into() } else { format!("{} frames", exact(count)) }
}
