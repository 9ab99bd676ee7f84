//! Profiles: how long idle connections are kept.
//!
//! Owns which profiles count, those of virtual servers that are carried over, and the least that Fairlead takes. The longest of
//! them all is written, for its time-outs are those of the whole appliance.

use super::objects::{Object, Objects};
use super::profiles::Profile;
use crate::import::draft::{Draft, Entry};
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note};

/// RFC 4787 REQ-5, and what Fairlead takes at least.
const UDP_LEAST: u64 = 120;
/// RFC 5382 REQ-5.
const TCP_LEAST: u64 = 124 * 60;
/// The most that Fairlead takes.
const UDP_MOST: u64 = 24 * 3_600;
/// Likewise.
const TCP_MOST: u64 = 30 * UDP_MOST;

/// Writes the time-outs of these virtual servers' profiles.
pub fn convert(servers: &[&Object], objects: &Objects, draft: &mut Draft, findings: &mut Findings) {
    let (mut udp, mut tcp) = (Vec::new(), Vec::new());
    for server in servers {
        for item in server.block("profiles") {
            let Some(name) = item.words.first() else { continue };
            let Some(Idle { kind, seconds, title }) = idle_timeout(objects, name, findings) else { continue };
            let is_udp = kind == "udp" || (kind == "fastl4" && server.word("ip-protocol") == Some("udp"));
            if is_udp { udp.push((seconds, title)) } else { tcp.push((seconds, title)) }
        }
    }
    let mut entry: Option<Entry> = None;
    for (key, found, least, most, source) in [
        ("udp", udp, UDP_LEAST, UDP_MOST, "RFC 4787 REQ-5"),
        ("tcp_established", tcp, TCP_LEAST, TCP_MOST, "RFC 5382 REQ-5"),
    ] {
        let Some(&(seconds, ref title)) = found.iter().max() else { continue };
        for (seconds, title) in found.iter().filter(|_| seconds < least) {
            let message = format!(
                "its idle time-out of {seconds} s is less than the {least} s that Fairlead takes at least ({source}): the \
                 default of {key} stays"
            );
            findings.add(Note, title, message, "");
        }
        if seconds < least {
            continue;
        }
        let kept = seconds.min(most);
        let entry = entry.get_or_insert_with(|| Entry::new("timeouts", title));
        entry.set(key, format!("{kept}s")).also_from(title);
        found.iter().for_each(|(_, shorter)| entry.has_part_of(shorter));
    }
    entry.into_iter().for_each(|entry| draft.add(entry));
}

/// What a profile says of idle connections.
struct Idle {
    /// `fastl4`, `udp` or `tcp`.
    kind: String,
    seconds: u64,
    title: String,
}

/// The time-out of a profile, its own or inherited.
fn idle_timeout(objects: &Objects, name: &str, findings: &mut Findings) -> Option<Idle> {
    let profile = Profile::of(name, objects);
    let default = match profile.kind.as_str() {
        "fastl4" | "tcp" => 300,
        "udp" => 60,
        _ => return None,
    };
    let text = profile.word("idle-timeout");
    let Profile { kind, title, .. } = profile;
    let seconds = match text {
        Some(text) if text.parse::<u64>().is_err() => {
            findings.add(
                Check,
                title,
                format!("an idle time-out of `{text}` is not carried over"),
                "look at [timeouts]",
            );
            return None;
        }
        text => text.and_then(|text| text.parse().ok()).unwrap_or(default),
    };
    Some(Idle { kind, seconds, title })
}
