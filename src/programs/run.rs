//! One program, from its start to its end, which has come when [`outcome`] returns: what cannot be killed is waited for.
//!
//! Owns the waiting, the reading of what it prints, and the killing. What it may do is for the starter to say.

use super::starter;
use crate::control::{Exit, ProgramExit, ProgramRun};
use crate::time::Duration;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitId, WaitIdOptions, dumpable_behavior, geteuid, kill_process_group,
    set_dumpable_behavior, waitid,
};
use rustix::thread::{CapabilitySet, capabilities};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::time::Instant;

/// Bytes of its output that are kept.
const OUTPUT: usize = 4096;
/// Bytes that a pipe holds.
const PIPE: usize = 64 << 10;
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Has `starter` become the program, and says how that ended.
pub fn outcome(starter: &Path, run: &ProgramRun) -> ProgramExit {
    let began = Instant::now();
    let how = started(starter, run)
        .and_then(|child| to_its_end(child, began + run.limit))
        .unwrap_or_else(|why| why.of(&run.program));
    ProgramExit { how, took: began.elapsed() }
}

/// Why there is no program.
enum Why {
    /// Whoever named it, or set Fairlead up, must mend that.
    Refused(String),
    /// It was not to be had this time.
    Unable(String),
}

impl Why {
    fn of(self, program: &str) -> Exit {
        match self {
            Why::Refused(why) => Exit::NotStarted(format!("{program} cannot be run: {why}")),
            Why::Unable(why) => Exit::NotRun(why),
        }
    }
}

fn started(starter: &Path, run: &ProgramRun) -> Result<Child, Why> {
    may_run()?;
    // No hook runs between the two processes: so std need not copy the tables of all our memory to start one.
    let spawned = starter::command(starter, run)
        .current_dir("/")
        .stdin(if run.input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = spawned
        .map_err(|error| Why::Unable(format!("{}, which becomes it, cannot be started: {error}", starter.display())))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A pipe takes so much at once, whether anybody reads it or not; closed, that is all there is.
        let _ = pipe.write_all(&run.input[..run.input.len().min(PIPE)]);
    }
    Ok(child)
}

/// Whoever starts it can also end it, and cannot be looked into by it.
fn may_run() -> Result<(), Why> {
    if geteuid().is_root() {
        return match capabilities(None) {
            Ok(ours) if !ours.effective.contains(CapabilitySet::KILL) => Err(Why::Refused(
                "Fairlead could not end it, which runs as nobody: it lacks CAP_KILL; add that to its unit's CapabilityBoundingSet="
                    .into(),
            )),
            _ => Ok(()),
        };
    }
    // It is of our own user then, and could trace us.
    let unable = |error| Why::Unable(format!("Fairlead's memory cannot be kept from it (PR_SET_DUMPABLE): {error}"));
    keep_programs_out().map_err(unable)
}

fn keep_programs_out() -> Result<(), Errno> {
    match dumpable_behavior()? {
        DumpableBehavior::Dumpable => set_dumpable_behavior(DumpableBehavior::NotDumpable),
        _ => Ok(()),
    }
}

fn to_its_end(mut child: Child, until: Instant) -> Result<Exit, Why> {
    let (mut out, mut report) = (child.stdout.take(), child.stderr.take());
    let (mut output, mut words) = (Vec::new(), Vec::new());
    let is_program = read_report(&mut report, &mut words, until);
    let has_ended = is_program && watch(&child, &mut out, &mut output, until);
    let status = end(&mut child);
    let status = status.and_then(|status| status.code());
    if let Some(why) = starter::why_not(status, &words, is_program) {
        return Err(match status {
            Some(starter::REFUSED) => Why::Refused(why),
            _ => Why::Unable(why),
        });
    }
    Ok(if has_ended { Exit::Status { status, output } } else { Exit::Killed })
}

/// Reads what the starter says, until it has become the program or has ended. Says whether that was in time.
fn read_report(report: &mut Option<ChildStderr>, words: &mut Vec<u8>, until: Instant) -> bool {
    while report.is_some() && Instant::now() < until {
        read(report, words);
    }
    report.is_none()
}

/// Reads what it prints until it ends, and leaves it there to be reaped. Says whether that was in time.
fn watch(child: &Child, out: &mut Option<ChildStdout>, output: &mut Vec<u8>, until: Instant) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    loop {
        read(out, output);
        if let Ok(Some(_)) = waitid(WaitId::Pid(Pid::from_child(child)), look) {
            read(out, output);
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        // What is not kept is no reason to hurry.
        if out.is_none() || output.len() == OUTPUT {
            std::thread::sleep(LOOK);
        }
    }
}

/// Kills it, even where it has left its group, and what it has left behind there. It is reaped after that: until then nobody else can
/// have its number.
fn end(child: &mut Child) -> Option<ExitStatus> {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
    child.wait().ok()
}

/// Reads what is there, or comes soon. What goes beyond the bound is read and dropped, so that it is not what stops the program.
fn read(from: &mut Option<impl Read + AsFd>, kept: &mut Vec<u8>) {
    let Some(pipe) = from else { return };
    let look = Timespec { tv_sec: 0, tv_nsec: LOOK.as_nanos().try_into().unwrap_or_default() };
    let mut wait = [PollFd::new(&*pipe, PollFlags::IN)];
    if !poll(&mut wait, Some(&look)).is_ok_and(|ready| ready > 0) {
        return;
    }
    let mut buffer = [0; PIPE];
    match pipe.read(&mut buffer) {
        Ok(0) | Err(_) => *from = None,
        Ok(length) => {
            let room = OUTPUT - kept.len();
            kept.extend_from_slice(&buffer[..length.min(room)]);
        }
    }
}
