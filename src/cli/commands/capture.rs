//! `fairlead capture`: what is typed. What is done with it: `cli/capture`.

use super::arguments::{number, parse_client};
use crate::admin::capture::{CaptureSide, CaptureVerdict, SNAPLEN_MAX, SNAPLEN_MIN};
use crate::policy::words::Word;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use ipnet::Ipv4Net;
use std::path::PathBuf;
use std::time::Duration;

/// What stands below the options.
const MORE: &str = "\
Each frame is shown twice, as it came (before) and as it left (after); both have the packet's number. The filter and all options
must hold for the packet, as it came or as it left: a call is seen whole, whether by the virtual address or by the member's.

  fairlead capture sip and host 172.16.5.5
  fairlead capture --member sip-a --verdict drop
  fairlead capture -w calls.pcapng --file-size 10MB --files 5 udp port 5060
  fairlead capture -w - --duration 30s arp | tshark -r -

FILTER is that of pcap-filter(7), compiled by libpcap; quote what the shell would read, such as parentheses. What is to be known:
  * Frames keep their VLAN tags. `udp port 5060` does not match a tagged frame, `vlan and udp port 5060` no other, and behind `vlan`
    all that follows is looked for behind a tag: write `udp port 5060 or (vlan and udp port 5060)`, in this order.
  * `sip` stands for the service ports of all virtual servers. A filter with it is applied to untagged frames and, behind the tag,
    to tagged ones, as a whole.
  * `and` and `or` bind alike, from left to right: use parentheses.
  * A port is never found in a fragment but the first, nor behind an extension header of IPv6.
Times are those of a worker's loop: the frames of one burst have one time. What waits (for a MAC, for fragments) is shown when it
begins to wait and when it leaves or is dropped; one that gave way to another, or waited too long, has the reason. With -w, verdict,
reason, member and packet are the frame's comment, to be found by
`frame.comment contains \"verdict=drop\"`.";

/// `capture ...`
#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub struct Capture {
    /// Which frames, in the language of pcap-filter(7); `sip` stands for the service ports [default: all]
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Write a pcapng file, or with `-` to the standard output, instead of a line for each frame
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub write: Option<PathBuf>,
    /// Only packets from or to this member, by name
    #[arg(long, value_name = "NAME")]
    pub member: Option<String>,
    /// Only packets from or to these addresses, such as 172.16.5.5 or 172.16.0.0/16
    #[arg(long, value_name = "ADDRESS", value_parser = parse_client)]
    pub client: Option<Ipv4Net>,
    /// Only packets to this virtual server, or from it, by name
    #[arg(long, value_name = "NAME")]
    pub virtual_server: Option<String>,
    /// Only what comes to this: forward, answer, originate, drop, ignore, punt or wait
    #[arg(long, value_name = "VERDICT", hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(CaptureVerdict::WORDS).try_map(|word| word.parse::<CaptureVerdict>().map_err(|_| word)))]
    pub verdict: Option<CaptureVerdict>,
    /// Only what was dropped, ignored or punted for this reason, such as no_route: `fairlead counters --all` lists them
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// Frames as they came (before), as they left (after), or both
    #[arg(long, value_name = "SIDE", default_value = "both", hide_possible_values = true)]
    #[arg(value_parser = ["before", "after", "both"])]
    pub side: String,
    /// Keep so many bytes of each frame, 18 (Ethernet header and VLAN tag) to 65535 [default: all]
    #[arg(long, value_name = "BYTES", value_parser = number::<u32>(SNAPLEN_MIN.into()..=SNAPLEN_MAX.into()))]
    pub snaplen: Option<u32>,
    /// End after so many frames
    #[arg(long, value_name = "FRAMES", value_parser = number::<u64>(1..=u64::MAX))]
    pub count: Option<u64>,
    /// End after so long, such as 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Begin another file at this size, such as 10MB; they are called FILE.1, FILE.2, with the ending kept; not with `-w -`
    #[arg(long, value_name = "SIZE", value_parser = size, requires = "write")]
    pub file_size: Option<u64>,
    /// Keep so many files, and overwrite the oldest, 2 to 1000 [default: 10]
    #[arg(long, value_name = "FILES", value_parser = number::<u32>(2..=1_000), requires = "file_size")]
    pub files: Option<u32>,
    /// Print a JSON object for each frame
    #[arg(long, conflicts_with = "write")]
    pub json: bool,
}

impl Capture {
    /// The side that is wanted, if it is one.
    pub fn side(&self) -> Option<CaptureSide> {
        self.side.parse().ok()
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|why| format!("{why}: write 1s or more, such as 30s or 5m"))?;
    if span.is_zero() { Err("write 1s or more, such as 30s or 5m".into()) } else { Ok(span) }
}

fn size(text: &str) -> Result<u64, String> {
    const WANTED: &str = "write 100kB to 1TB, such as 10MB or 1GB";
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().map_err(|_| WANTED)?;
    let unit: u64 = match text[digits..].trim() {
        "kB" | "KB" | "k" => 1_000,
        "MB" | "M" => 1_000_000,
        "GB" | "G" => 1_000_000_000,
        "TB" | "T" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("a size has a unit: {WANTED}")),
    };
    let bytes = number.checked_mul(unit).filter(|bytes| (100_000..=1_000_000_000_000).contains(bytes));
    bytes.ok_or_else(|| WANTED.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_and_bounds() {
        assert_eq!([size("10MB"), size("1GiB"), size("100 kB")], [Ok(10_000_000), Ok(1 << 30), Ok(100_000)]);
        for wrong in ["10", "MB", "1kB", "2TB", "99999999999999999999GB", "1.5MB", ""] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert!(duration("0s").is_err() && duration("soon").is_err());
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
    }
}
