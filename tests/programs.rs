//! Programs of `external` monitors by the way they are really started: Fairlead's own file becomes them. As root what is given up is more.

use fairlead::control::{Exit, ProbeId, ProgramExit, ProgramRun};
use fairlead::programs::{Ended, Programs, starter};
use fairlead::time::Duration;
use rustix::process::{DumpableBehavior, dumpable_behavior, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, CpuSet, remove_capability_from_bounding_set, sched_setaffinity, set_capabilities,
};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const FAIRLEAD: &str = env!("CARGO_BIN_EXE_fairlead");
/// Long enough on the slowest machine.
const LONG: u64 = 60_000;

fn shell(script: &str, limit: u64) -> ProgramRun {
    ProgramRun {
        probe: ProbeId(7),
        input: Vec::new(),
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into(), "probe".into(), "10.20.0.11".into(), "5060".into()],
        environment: vec![("PATH", "/usr/bin:/bin".into()), ("FAIRLEAD_MEMBER", "sip-a".into())],
        limit: Duration::from_millis(limit),
    }
}

fn ended(run: ProgramRun) -> ProgramExit {
    ended_by(FAIRLEAD, run)
}

/// With another file as the starter.
fn ended_by(starter: &str, run: ProgramRun) -> ProgramExit {
    let mut programs = Programs::new(starter);
    programs.run(run);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let Ended::Probe(probe, exit) = runtime.block_on(programs.ended()) else { panic!("it carries a probe") };
    assert_eq!(probe, ProbeId(7));
    exit
}

fn run(run: ProgramRun) -> Exit {
    ended(run).how
}

fn exited(status: i32, output: &str) -> Exit {
    Exit::Status { status: Some(status), output: output.into() }
}

fn printed(script: &str) -> String {
    let Exit::Status { status: Some(0), output } = run(shell(script, LONG)) else { panic!("{script}") };
    String::from_utf8(output).unwrap()
}

#[test]
fn a_program_says_how_it_ended_and_what_it_printed() {
    assert_eq!(run(shell("echo \"$1 $2 $FAIRLEAD_MEMBER\"", LONG)), exited(0, "10.20.0.11 5060 sip-a\n"));
    assert_eq!(run(shell("echo no; echo hidden >&2; exit 3", LONG)), exited(3, "no\n"));
    assert_eq!(run(shell("echo hidden >&2; exit 127", LONG)), exited(127, ""));
    assert_eq!(run(shell("kill -9 $$", LONG)), Exit::Status { status: None, output: vec![] });
    let none = run(ProgramRun { program: "/nowhere/probe".into(), ..shell("", LONG) });
    assert!(
        matches!(&none, Exit::NotStarted(why) if why.starts_with("/nowhere/probe cannot be run: No such")),
        "{none:?}"
    );
}

/// None of it is the program's doing, nor says anything of whom it would have asked.
#[test]
fn what_comes_of_fairlead_itself_is_told_from_what_the_program_cannot() {
    let not_run = |starter: &str, limit: u64| match ended_by(starter, shell("echo ran", limit)).how {
        Exit::NotRun(why) => why,
        how => panic!("{starter}: {how:?}"),
    };
    assert!(not_run(FAIRLEAD, 0).contains("its time was up before it was started"));
    assert!(
        not_run("/nowhere/fairlead", LONG)
            .starts_with("/nowhere/fairlead, which becomes it, cannot be started: No such")
    );
    let directory = tempfile::tempdir().unwrap();
    // As where a library is missing, where memory runs out, and where another file has come into its place.
    let rows = [
        ("echo 'no libsuch.so' >&2; exit 127", "no libsuch.so"),
        ("kill -9 $$", "ended by a signal before it was the program"),
        ("exit 0", "ended with status 0 before it was the program"),
    ];
    for (at, (script, why)) in rows.into_iter().enumerate() {
        let starter = directory.path().join(format!("starter{at}"));
        // Whoever else starts a process meanwhile may hold it open for writing.
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" >"$2"; chmod 755 "$2""#;
        let written = Command::new("/bin/sh").args(["-c", write, "sh", script]).arg(&starter).status().unwrap();
        assert!(written.success());
        let said = not_run(starter.to_str().unwrap(), LONG);
        assert!(said.contains(why), "{said}");
    }
    for program in ["/nowhere/probe", "/", "/etc/passwd", "/etc/passwd/probe"] {
        let how = run(ProgramRun { program: program.into(), ..shell("", LONG) });
        assert!(matches!(how, Exit::NotStarted(_)), "{program}: {how:?}");
    }
}

#[test]
fn it_has_none_of_our_rights_and_nothing_of_our_environment() {
    let before = geteuid();
    let text =
        printed("id -u; id -G; env; pwd; nice; cat /proc/self/oom_score_adj /proc/self/status /proc/self/limits");
    let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expect = |line: &str| assert!(lines.iter().any(|one| one == line), "{line}: {text}");
    let none = "0000000000000000";
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb", "SigBlk"] {
        expect(&format!("{set}: {none}"));
    }
    for line in [
        "NoNewPrivs: 1",
        "/",
        "500",
        "Max address space 536870912 536870912 bytes",
        "Max core file size 0 0 bytes",
        "Max locked memory 0 0 bytes",
        "Max open files 256 256 files",
        "Max file size 67108864 67108864 bytes",
    ] {
        expect(line);
    }
    if before.is_root() {
        assert_eq!(lines[..2], ["65534", "65534"], "{text}");
        for line in ["Uid: 65534 65534 65534 65534", "Groups:", "Max processes 1024 1024 processes"] {
            expect(line);
        }
        expect(&format!("CapBnd: {none}"));
    }
    assert!(!text.contains("CARGO"), "{text}");
    assert_eq!(geteuid(), before);
}

/// One of our threads that had the program's user could be killed by it, and all of us with that.
#[test]
fn it_can_do_nothing_to_any_thread_of_ours_while_programs_run() {
    if !geteuid().is_root() {
        return;
    }
    let other = std::thread::spawn(|| run(shell("sleep 1", LONG)));
    let look = "for task in /proc/$PPID/task/*; do echo task; kill -0 ${task##*/} && echo mine; cat $task/maps; done; sleep 0.2";
    for _ in 0..4 {
        let text = printed(&format!("{look}; {look}; true"));
        assert!(text.lines().count() >= 4 && text.lines().all(|line| line == "task"), "{text}");
    }
    assert_eq!(other.join().unwrap(), exited(0, ""));
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable, "we may still be traced by root's choice");
}

/// It has our user then.
#[test]
fn where_we_are_not_root_it_cannot_look_into_us() {
    if geteuid().is_root() {
        return;
    }
    assert_eq!(printed("cat /proc/$PPID/task/*/maps | wc -l").trim(), "0");
}

#[test]
fn its_time_is_measured_by_who_runs_it() {
    let slept = ended(shell("sleep 0.3", LONG)).took;
    assert!(slept >= Duration::from_millis(300) && slept < Duration::from_secs(30), "{slept:?}");
    let killed = ended(shell("sleep 60", 1_000)).took;
    assert!(killed >= Duration::from_millis(1_000) && killed < Duration::from_secs(30), "{killed:?}");
}

/// Such as under a unit without one of them among its capabilities.
#[test]
fn who_cannot_give_up_rights_or_end_a_program_runs_none_and_says_which_it_lacks() {
    if !geteuid().is_root() {
        return;
    }
    let without = |lost: CapabilitySet| {
        let without = move || {
            remove_capability_from_bounding_set(lost).unwrap();
            let kept = CapabilitySet::all() - lost;
            let mut ours = rustix::thread::capabilities(None).unwrap();
            ours = CapabilitySets { effective: ours.effective & kept, permitted: ours.permitted & kept, ..ours };
            set_capabilities(None, ours).unwrap();
            run(shell("echo ran", LONG))
        };
        std::thread::spawn(without).join().unwrap()
    };
    let rows = [
        (CapabilitySet::SETGID, "Fairlead's groups cannot be left (CAP_SETGID): Operation not permitted"),
        (CapabilitySet::SETUID, "it cannot have the user 65534, nobody (CAP_SETUID): Operation not permitted"),
        (
            CapabilitySet::KILL,
            "Fairlead could not end it, which runs as nobody: it lacks CAP_KILL; add that to its unit's",
        ),
    ];
    for (lost, why) in rows {
        let how = without(lost);
        let expected = format!("/bin/sh cannot be run: {why}");
        assert!(matches!(&how, Exit::NotStarted(said) if said.starts_with(&expected)), "{how:?}");
    }
}

#[cfg(feature = "dpdk")]
#[test]
fn it_inherits_no_file_of_ours() {
    // As DPDK opens its own.
    let file = std::fs::File::open("/proc/self/maps").unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let text = printed("for file in /proc/self/fd/*; do readlink $file; done; true");
    assert!(text.contains("/dev/null") && !text.contains("maps"), "{text}");
}

#[test]
fn it_runs_where_management_does() {
    std::thread::spawn(|| {
        let mut one = CpuSet::new();
        one.set(0);
        sched_setaffinity(None, &one).unwrap();
        assert_eq!(printed("grep Cpus_allowed_list /proc/self/status"), "Cpus_allowed_list:\t0\n");
    })
    .join()
    .unwrap();
}

#[test]
fn what_takes_too_long_or_prints_too_much_is_bounded() {
    let began = Instant::now();
    assert_eq!(run(shell("sleep 60 & sleep 60", 1_000)), Exit::Killed);
    assert!(began.elapsed() < Duration::from_secs(30));
    let Exit::Status { status, output } = run(shell("head -c 1000000 /dev/zero", LONG)) else { panic!() };
    assert_eq!((status, output.len()), (Some(0), 4096));
}

/// Whoever prints without end takes no core from management by it.
#[test]
fn what_is_not_kept_is_read_slowly() {
    let exit = ended(shell("head -c 16777216 /dev/zero", LONG));
    let Exit::Status { status: Some(0), output } = exit.how else { panic!() };
    // A pipe holds 64 KiB, and is emptied each 5 ms.
    assert_eq!(output.len(), 4096);
    assert!(exit.took >= Duration::from_millis(1_000), "{:?}", exit.took);
}

#[test]
fn what_it_leaves_behind_is_killed_and_does_not_hold_us_up() {
    let began = Instant::now();
    let text = printed("sleep 60 & echo $!");
    assert!(began.elapsed() < Duration::from_secs(30));
    // It was killed, and dies as soon as it has a core; who reaps it is not ours to say.
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", text.trim())).unwrap_or_default();
        stat.contains("(sleep)") && !stat.contains(" Z ") && !stat.contains(" X ")
    };
    while lives() {
        assert!(began.elapsed() < Duration::from_secs(30), "{text}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_that_joins_another_group_is_killed_all_the_same() {
    let began = Instant::now();
    let script = "exec perl -e 'setpgrp(0, getpgrp(getppid())) or exit 1; sleep 60'";
    assert_eq!(run(shell(script, 2_000)), Exit::Killed);
    assert!(began.elapsed() < Duration::from_secs(30));
}

/// What the thread that waits would do.
fn started(parent: u32, script: &str) -> Child {
    let mut command = Command::new(FAIRLEAD);
    command.arg(starter::ARGUMENT).arg(parent.to_string()).args(["/bin/sh", "-c", script]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn it_ends_with_fairlead() {
    let start = || {
        let mut child = started(std::process::id(), "echo runs; exec sleep 60");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "runs\n");
        child
    };
    let mut child = std::thread::spawn(start).join().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    // One that ended before the starter had seen to that.
    let late = started(1, "echo runs").wait_with_output().unwrap();
    assert_eq!(
        (late.status.code(), late.stdout.as_slice(), late.stderr.as_slice()),
        (Some(127), &b""[..], &b"Fairlead has ended"[..])
    );
}

#[test]
fn what_it_is_given_stands_on_its_standard_input_and_ends() {
    let input = b"{\"event\":\"switchover\"}\n".to_vec();
    let exit = run(ProgramRun { input: input.clone(), ..shell("cat", 20_000) });
    assert_eq!(exit, Exit::Status { status: Some(0), output: input });
    // Whoever does not read it delays nobody.
    let exit = run(ProgramRun { input: vec![b'x'; 60_000], ..shell("echo done", 20_000) });
    assert_eq!(exit, Exit::Status { status: Some(0), output: b"done\n".to_vec() });
    assert_eq!(run(shell("cat", 20_000)), Exit::Status { status: Some(0), output: Vec::new() });
}
