//! Programs that carry probes, each on a thread of its own: management starts one and hears of its end.
//!
//! Owns what a program is given: no shell, no right of ours, no file of ours, the least urgency, a process group of its own that is
//! killed whole, a bounded time and a bounded output. Decides nothing; how many run at once is the controller's to say.

use crate::control::{Exit, ProbeId, ProgramExit, ProgramRun};
use crate::dpdk::keep_files_from_programs;
use crate::time::Duration;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Gid, Pid, Resource, Rlimit, Signal, Uid, dumpable_behavior, geteuid, kill_process_group, nice,
    prlimit, set_dumpable_behavior,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Instant;
use tokio::sync::mpsc;

/// Bytes of its output that are kept.
const OUTPUT: usize = 4096;
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);
/// Bytes of memory it may take.
const MEMORY: u64 = 512 << 20;
/// Who has no right anywhere: `nobody`.
const NOBODY: u32 = 65_534;

/// The programs that run.
pub struct Programs {
    done: mpsc::UnboundedSender<(ProbeId, ProgramExit)>,
    ended: mpsc::UnboundedReceiver<(ProbeId, ProgramExit)>,
}

impl Programs {
    /// Nothing runs yet.
    pub fn new() -> Programs {
        let (done, ended) = mpsc::unbounded_channel();
        Programs { done, ended }
    }

    /// Has it run. Its end is said by [`Programs::ended`], whatever it is.
    pub fn run(&self, run: ProgramRun) {
        let (probe, done) = (run.probe, self.done.clone());
        let work = move || _ = done.send((run.probe, outcome(&run)));
        if std::thread::Builder::new().name("probe".into()).spawn(work).is_err() {
            let how = Exit::NotStarted("no thread is to be had to run it".into());
            _ = self.done.send((probe, ProgramExit { how, took: Duration::ZERO }));
        }
    }

    /// The next one that has ended.
    pub async fn ended(&mut self) -> (ProbeId, ProgramExit) {
        match self.ended.recv().await {
            Some(ended) => ended,
            // Never: this end holds a sender.
            None => std::future::pending().await,
        }
    }
}

/// Runs it to its end, which has come when this returns: what cannot be killed is waited for.
fn outcome(run: &ProgramRun) -> ProgramExit {
    let began = Instant::now();
    let not_started = |why: String| {
        let how = Exit::NotStarted(format!("{} cannot be run: {why}", run.program));
        ProgramExit { how, took: began.elapsed() }
    };
    // What is open by now is all that DPDK opens; what std opens is never inherited.
    if let Err(error) = keep_files_from_programs() {
        return not_started(format!("files of ours cannot be kept from it: {error} (close_range, Linux 5.11)"));
    }
    if let Err((what, error)) = give_up_rights() {
        return not_started(format!("{what}: {error}"));
    }
    let started = Command::new(&run.program)
        .args(&run.arguments)
        .env_clear()
        .envs(run.environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return not_started(error.to_string()),
    };
    let group = Pid::from_child(&child);
    bound(group);
    let (status, output) = watch(&mut child, run.limit);
    let took = began.elapsed();
    // It, and whatever it has left behind.
    let _ = kill_process_group(group, Signal::KILL);
    let how = match status {
        Some(status) => Exit::Status { status: status.code(), output },
        None => {
            let _ = child.wait();
            Exit::Killed
        }
    };
    ProgramExit { how, took }
}

/// Memory that it takes is bounded, and it goes first where there is none left. As far as the system allows it.
fn bound(program: Pid) {
    let most = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    let _ = prlimit(Some(program), Resource::As, most(MEMORY));
    let _ = prlimit(Some(program), Resource::Core, most(0));
    let _ = std::fs::write(format!("/proc/{}/oom_score_adj", program.as_raw_nonzero()), "500");
}

/// This thread, and what it starts, has no right of ours from now on. Other threads keep theirs: on Linux each has its own. Says
/// what cannot be done.
fn give_up_rights() -> Result<(), (&'static str, Errno)> {
    let cannot = |what| move |error| (what, error);
    set_no_new_privs(true).map_err(cannot("no_new_privs cannot be set"))?;
    // A kernel that has none keeps none either.
    let _ = clear_ambient_capability_set();
    let _ = nice(19);
    if geteuid().is_root() {
        let (gid, uid) = (Gid::from_raw(NOBODY), Uid::from_raw(NOBODY));
        set_thread_groups(&[]).map_err(cannot("Fairlead's groups cannot be left (CAP_SETGID)"))?;
        set_thread_res_gid(gid, gid, gid).map_err(cannot("it cannot have the group 65534 (CAP_SETGID)"))?;
        set_thread_res_uid(uid, uid, uid).map_err(cannot("it cannot have the user 65534, nobody (CAP_SETUID)"))?;
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(cannot("Fairlead's capabilities cannot be given up"))?;
    keep_programs_out().map_err(cannot("Fairlead's memory cannot be kept from it (PR_SET_DUMPABLE)"))
}

/// A thread without rights shares the memory of all others, and a program with the same user could trace it: nobody but root may,
/// from the first program on. Where a change of the user has seen to that, the system's choice about core dumps stays.
fn keep_programs_out() -> Result<(), Errno> {
    match dumpable_behavior()? {
        DumpableBehavior::Dumpable => set_dumpable_behavior(DumpableBehavior::NotDumpable),
        _ => Ok(()),
    }
}

/// Reads what it prints until it ends; `None`: its time is up before.
fn watch(child: &mut Child, limit: Duration) -> (Option<ExitStatus>, Vec<u8>) {
    let (until, mut output) = (Instant::now() + limit, Vec::new());
    let mut out = child.stdout.take();
    loop {
        read(&mut out, &mut output);
        if let Ok(Some(status)) = child.try_wait() {
            read(&mut out, &mut output);
            return (Some(status), output);
        }
        if Instant::now() >= until {
            return (None, output);
        }
        if out.is_none() {
            std::thread::sleep(LOOK);
        }
    }
}

/// Reads what is there, or comes soon. What goes beyond the bound is read and dropped, so that it is not what stops the program.
fn read(out: &mut Option<ChildStdout>, output: &mut Vec<u8>) {
    let Some(pipe) = out else { return };
    let look = Timespec { tv_sec: 0, tv_nsec: LOOK.as_nanos().try_into().unwrap_or_default() };
    let mut wait = [PollFd::new(&*pipe, PollFlags::IN)];
    if !poll(&mut wait, Some(&look)).is_ok_and(|ready| ready > 0) {
        return;
    }
    let mut buffer = [0; OUTPUT];
    match pipe.read(&mut buffer) {
        Ok(0) | Err(_) => *out = None,
        Ok(length) => {
            let room = OUTPUT - output.len();
            output.extend_from_slice(&buffer[..length.min(room)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: u64) -> ProgramRun {
        ProgramRun {
            probe: ProbeId(7),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into(), "probe".into(), "10.20.0.11".into(), "5060".into()],
            environment: vec![("PATH", "/usr/bin:/bin".into()), ("FAIRLEAD_MEMBER", "sip-a".into())],
            limit: Duration::from_millis(limit),
        }
    }

    /// Each on a thread of its own, as it always is: it loses its rights.
    fn run(run: ProgramRun) -> Exit {
        std::thread::spawn(move || outcome(&run)).join().unwrap().how
    }

    fn exited(status: i32, output: &str) -> Exit {
        Exit::Status { status: Some(status), output: output.into() }
    }

    #[test]
    fn a_program_says_how_it_ended_and_what_it_printed() {
        assert_eq!(run(shell("echo \"$1 $2 $FAIRLEAD_MEMBER\"", 5_000)), exited(0, "10.20.0.11 5060 sip-a\n"));
        assert_eq!(run(shell("echo no; echo hidden >&2; exit 3", 5_000)), exited(3, "no\n"));
        assert_eq!(run(shell("kill -9 $$", 5_000)), Exit::Status { status: None, output: vec![] });
        let none = run(ProgramRun { program: "/nowhere/probe".into(), ..shell("", 100) });
        assert!(matches!(&none, Exit::NotStarted(why) if why.starts_with("/nowhere/probe cannot be run: No such")));
    }

    #[test]
    fn it_has_none_of_our_rights_and_nothing_of_our_environment() {
        let before = geteuid();
        let Exit::Status { output, .. } =
            run(shell("id -u; id -G; env; pwd; grep -E 'NoNewPrivs|CapEff' /proc/self/status", 5_000))
        else {
            panic!()
        };
        let text = String::from_utf8(output).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        if geteuid().is_root() {
            assert_eq!(lines[..2], ["65534", "65534"], "{text}");
        }
        assert!(lines.contains(&"NoNewPrivs:\t1") && lines.contains(&"CapEff:\t0000000000000000"), "{text}");
        assert!(lines.contains(&"/") && !text.contains("CARGO"), "{text}");
        assert_eq!(geteuid(), before, "other threads keep theirs");
    }

    #[test]
    fn its_time_is_measured_by_who_runs_it() {
        let took = |run: ProgramRun| std::thread::spawn(move || outcome(&run)).join().unwrap().took;
        let slept = took(shell("sleep 0.3", 10_000));
        assert!(slept >= Duration::from_millis(300) && slept < Duration::from_secs(5), "{slept:?}");
        let killed = took(shell("sleep 60", 200));
        assert!(killed >= Duration::from_millis(200) && killed < Duration::from_secs(5), "{killed:?}");
    }

    /// A program of the same user could read and change the appliance through the thread that has given up its rights.
    #[test]
    fn nobody_but_root_may_look_into_us_once_a_program_was_run() {
        assert_eq!(run(shell("exit 0", 5_000)), exited(0, ""));
        assert_ne!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable);
        let look = "cat /proc/$PPID/task/*/maps | wc -l";
        let Exit::Status { output, .. } = run(shell(look, 5_000)) else { panic!() };
        assert_eq!(String::from_utf8(output).unwrap().trim(), "0");
    }

    /// Such as under a unit without CAP_SETGID among its capabilities.
    #[test]
    fn who_cannot_give_up_rights_runs_nothing_and_says_which() {
        let without = |kept: CapabilitySet| {
            let without = move || {
                set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: kept }).unwrap();
                outcome(&shell("echo ran", 5_000)).how
            };
            std::thread::spawn(without).join().unwrap()
        };
        if !geteuid().is_root() {
            return;
        }
        let none = "/bin/sh cannot be run: Fairlead's groups cannot be left (CAP_SETGID): Operation not permitted";
        let group =
            "/bin/sh cannot be run: it cannot have the user 65534, nobody (CAP_SETUID): Operation not permitted";
        for (kept, expected) in [(CapabilitySet::empty(), none), (CapabilitySet::SETGID, group)] {
            let how = without(kept);
            assert!(matches!(&how, Exit::NotStarted(why) if why.starts_with(expected)), "{how:?}");
        }
    }

    #[test]
    fn it_inherits_no_file_of_ours() {
        // As DPDK opens its own.
        let file = std::fs::File::open("/proc/self/maps").unwrap();
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
        let script = "for file in /proc/self/fd/*; do readlink $file; done";
        let Exit::Status { output, .. } = run(shell(script, 5_000)) else { panic!() };
        let text = String::from_utf8(output).unwrap();
        assert!(text.contains("/dev/null") && !text.contains("maps"), "{text}");
    }

    #[test]
    fn what_takes_too_long_or_prints_too_much_is_bounded() {
        let began = Instant::now();
        assert_eq!(run(shell("sleep 60 & sleep 60", 200)), Exit::Killed);
        assert!(began.elapsed() < Duration::from_secs(10));
        let Exit::Status { status, output } = run(shell("head -c 1000000 /dev/zero", 10_000)) else { panic!() };
        assert_eq!((status, output.len()), (Some(0), OUTPUT));
        // What it leaves behind holds its output open, and does not hold us up.
        let began = Instant::now();
        assert_eq!(run(shell("sleep 60 & echo up", 30_000)), exited(0, "up\n"));
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn the_end_is_heard_of() {
        let mut programs = Programs::new();
        programs.run(shell("exit 4", 5_000));
        let (probe, exit) = programs.ended().await;
        assert_eq!((probe, exit.how), (ProbeId(7), exited(4, "")));
    }
}
