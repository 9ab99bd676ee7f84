//! `fairlead capture`: packets as they pass, as lines, JSON or a file; `fairlead recorder save`: a recording as a file.
//!
//! Owns the course of it: the filter is compiled here, the appliance is asked, what comes is shown until enough has come, and the end says
//! how much that was. Whatever ends it, what was written is whole.

mod filter;
mod lines;
mod part;
mod sink;
mod stop;

use super::client::{self, Failure};
use super::commands::capture::Capture;
use super::exit::{BAD, FAILED, fail};
use crate::admin::Request;
use crate::admin::capture::{CaptureAsked, CaptureBegun, CapturePart, CaptureTotals};
use crate::admin::rows::VirtualServerRow;
use part::Parts;
use serde_json::Value;
use sink::Sink;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long nothing may come: the appliance says each second that it is there.
const PATIENCE: u64 = 5;

/// Captures what is wanted.
///
/// # Errors
/// When the appliance cannot be asked, or refuses, or is gone before the end.
pub fn run(socket: &Path, timeout: Option<u64>, wanted: &Capture) -> Result<ExitCode, Failure> {
    if let Some(why) = wrong_output(wanted) {
        return Ok(fail(BAD, &why));
    }
    let patience = Duration::from_secs(timeout.unwrap_or(PATIENCE));
    told(capture(socket, patience, wanted))
}

/// Saves a recording.
///
/// # Errors
/// As of [`run`].
pub fn save(socket: &Path, timeout: Option<u64>, id: u64, file: &Path) -> Result<ExitCode, Failure> {
    told(saved(socket, Duration::from_secs(timeout.unwrap_or(PATIENCE)), id, file))
}

fn saved(socket: &Path, patience: Duration, id: u64, file: &Path) -> Result<ExitCode, Ended> {
    let mut parts = Parts::open(socket, &Request::RecorderSave { id }, patience)?;
    let begun = begun(&mut parts)?;
    let mut sink = Sink::recording(file, &begun).map_err(Ended::Output)?;
    let outcome = show(&mut parts, &mut sink, u64::MAX);
    let ended = sink.end();
    let Shown { frames, .. } = outcome?;
    ended.map_err(Ended::Output)?;
    let whereto = if file == Path::new("-") { String::new() } else { format!(" in {}", file.display()) };
    let _ = writeln!(io::stderr(), "recording {id}: {}{whereto}", counted(frames));
    Ok(ExitCode::SUCCESS)
}

fn begun(parts: &mut Parts) -> Result<CaptureBegun, Failure> {
    serde_json::from_value(parts.begun.take()).map_err(|why| client::unreadable(&why.to_string()))
}

fn counted(frames: u64) -> String {
    format!("{frames} {}", if frames == 1 { "frame" } else { "frames" })
}

fn told(outcome: Result<ExitCode, Ended>) -> Result<ExitCode, Failure> {
    match outcome {
        Ok(code) => Ok(code),
        Err(Ended::Failed(failure)) => Err(failure),
        Err(Ended::Filter(why)) => Ok(fail(BAD, &why)),
        Err(Ended::Output(why)) if why.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(Ended::Output(why)) => Ok(fail(FAILED, &format!("what is captured cannot be written: {why}"))),
    }
}

/// Why what is captured cannot go where it is wanted.
fn wrong_output(wanted: &Capture) -> Option<String> {
    let size = wanted.file_size.filter(|_| wanted.write.as_deref() == Some(Path::new("-")))?;
    Some(format!(
        "--file-size {size} begins files, and `-w -` writes none: name a file with -w, or leave out --file-size"
    ))
}

enum Ended {
    Failed(Failure),
    Filter(String),
    Output(io::Error),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        Ended::Failed(failure)
    }
}

fn capture(socket: &Path, patience: Duration, wanted: &Capture) -> Result<ExitCode, Ended> {
    let ports = || service_ports(client::ask(socket, &Request::VirtualServers {}, patience)?);
    let program = filter::compile(&wanted.filter, ports).map_err(|why| match why {
        filter::Wrong::Ports(failure) => Ended::Failed(failure),
        why => Ended::Filter(why.to_string()),
    })?;
    let asked = CaptureAsked {
        program,
        client: wanted.client,
        member: wanted.member.clone(),
        virtual_server: wanted.virtual_server.clone(),
        verdict: wanted.verdict,
        reason: wanted.reason.clone(),
        side: wanted.side(),
        snaplen: wanted.snaplen,
    };
    let mut parts = Parts::open(socket, &Request::Capture(Box::new(asked)), patience)?;
    let begun = begun(&mut parts)?;
    stop::watch(&parts, wanted.duration);
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "capturing on {}; Ctrl-C ends it", begun.interfaces.join(", "));
    }
    let mut sink = Sink::open(wanted, &begun).map_err(Ended::Output)?;
    let outcome = show(&mut parts, &mut sink, wanted.count.unwrap_or(u64::MAX));
    // Whatever came of it, what was written until then is whole.
    let ended = sink.end();
    let shown = outcome?;
    ended.map_err(Ended::Output)?;
    let Shown { frames, lost } = shown;
    let _ = writeln!(io::stderr(), "{}", summary(frames, lost, wanted));
    Ok(ExitCode::SUCCESS)
}

struct Shown {
    frames: u64,
    lost: u64,
}

/// Shows what comes until it ends, or so many frames were shown.
fn show(parts: &mut Parts, sink: &mut Sink, most: u64) -> Result<Shown, Ended> {
    let (mut shown, mut is_enough) = (Shown { frames: 0, lost: 0 }, false);
    loop {
        match parts.next()? {
            // More may have been under way.
            (CapturePart::Frame(_), _) if is_enough => {}
            (CapturePart::Frame(row), bytes) => {
                sink.frame(&row, bytes).map_err(Ended::Output)?;
                shown.frames += 1;
                shown.lost += row.lost;
                if shown.frames >= most {
                    is_enough = true;
                    parts.stop();
                }
            }
            (CapturePart::Waiting(_), _) => {}
            (CapturePart::End(CaptureTotals { lost, .. }), _) => {
                // Of what came after enough nothing was wanted.
                shown.lost = if is_enough { shown.lost } else { lost };
                return Ok(shown);
            }
        }
        if parts.is_drained() {
            sink.flush().map_err(Ended::Output)?;
        }
    }
}

fn summary(frames: u64, lost: u64, wanted: &Capture) -> String {
    let whereto = wanted.write.as_ref().filter(|path| path.as_os_str() != "-");
    let whereto = whereto.map_or_else(String::new, |path| format!(" in {}", path.display()));
    let remedy = match lost {
        0 => "",
        _ => ": they came faster than they were read; narrow the filter, or lower --snaplen",
    };
    format!("{}, {lost} lost{whereto}{remedy}", counted(frames))
}

/// The service ports of all virtual servers, as `udp port 5060`.
fn service_ports(data: Value) -> Result<Vec<String>, Failure> {
    let rows: Vec<VirtualServerRow> =
        serde_json::from_value(data).map_err(|why| client::unreadable(&why.to_string()))?;
    let mut ports: Vec<String> = Vec::new();
    for (protocol, port) in rows.iter().flat_map(|row| &row.listen).filter_map(|listen| listen.split_once('/')) {
        let text = format!("{protocol} port {port}");
        if !ports.contains(&text) {
            ports.push(text);
        }
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        capture: Capture,
    }

    fn typed(words: &str) -> Capture {
        Typed::parse_from(std::iter::once("capture").chain(words.split_whitespace())).capture
    }

    #[test]
    fn what_goes_to_the_standard_output_is_not_cut_into_files() {
        let why = wrong_output(&typed("-w - --file-size 10MB arp")).unwrap();
        assert!(why.contains("`-w -`") && why.contains("leave out --file-size"), "{why}");
        for fine in ["-w -", "-w ./- --file-size 10MB", "-w x.pcapng --file-size 10MB", "arp"] {
            assert_eq!(wrong_output(&typed(fine)), None, "{fine}");
        }
    }

    #[test]
    fn frames_are_counted_and_called_so() {
        assert_eq!(summary(1, 0, &typed("arp")), "1 frame, 0 lost");
        let lost = summary(2, 3, &typed("-w x.pcapng"));
        assert!(lost.starts_with("2 frames, 3 lost in x.pcapng: they came faster"), "{lost}");
    }
}
