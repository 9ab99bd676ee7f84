//! What a program of the operator's is before it is that program: Fairlead's own file, started anew with one thread.
//!
//! Owns what is given up between the two, and its order. Starts no other process, opens no NIC and reads no file of ours: it becomes
//! the program, or says why it cannot. Nobody types its argument; to whoever does, it can only take rights away.

use crate::control::ProgramRun;
use rustix::io::Errno;
use rustix::process::{
    Gid, Pid, Resource, Rlimit, Signal, Uid, geteuid, getppid, nice, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// The first argument that makes Fairlead a starter. Behind it stand the process that waits for the program, the program, and its
/// arguments.
pub const ARGUMENT: &str = "start-program-of-a-monitor";
/// The exit status of one that could not become the program, as the dynamic linker's; its words are on standard error.
const CANNOT: i32 = 127;
/// And of one for whom whoever named the program, or set Fairlead up, must mend that.
pub(super) const REFUSED: i32 = 126;
/// What it says before it becomes the program. Whoever ends without has never been near it.
const BEGINS: &[u8] = b"\n";

/// Bytes of memory that a program may take.
const MEMORY: u64 = 512 << 20;
/// Processes that its user may have, all programs together: what one leaves behind outside its group cannot pile up without end.
const PROCESSES: u64 = 1_024;
/// How much less urgent it is than what else runs there.
const NICE: i32 = 10;
/// Files and the like that it may have open.
const FILES: u64 = 256;
/// Bytes of a file that it may write.
const FILE: u64 = 64 << 20;
/// Who goes first where memory runs out, of -1000 to 1000.
const OUT_OF_MEMORY: &str = "500";
/// Who has no right anywhere: `nobody`.
const NOBODY: u32 = 65_534;
/// Where the dynamic linker also looks: what Fairlead was started with it needs here as well, the program does not get.
const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// Starts `starter` so that it becomes the program, with its environment.
pub(super) fn command(starter: &Path, run: &ProgramRun) -> Command {
    let mut command = Command::new(starter);
    command.arg0("fairlead").arg(ARGUMENT).arg(std::process::id().to_string()).arg(&run.program).args(&run.arguments);
    command.env_clear().envs(run.environment.iter().map(|(name, value)| (name, value)));
    if let Some(path) = std::env::var_os(LIBRARIES) {
        command.env(LIBRARIES, path);
    }
    command
}

/// Becomes the program that `words`, the arguments of this process, name behind [`ARGUMENT`]; returns only if it cannot, or if they
/// do not begin so. `keep_files` keeps all files that are open from the program. Must be called before there is another thread.
pub fn start(words: impl IntoIterator<Item = OsString>, keep_files: fn() -> io::Result<()>) -> Option<ExitCode> {
    let words: Vec<OsString> = words.into_iter().skip(1).collect();
    let (first, words) = words.split_first()?;
    if first != ARGUMENT {
        return None;
    }
    // The program's own standard error is another.
    let Ok(report) = io::stderr().as_fd().try_clone_to_owned() else { return Some(ExitCode::from(CANNOT as u8)) };
    let mut report = File::from(report);
    let Err((status, why)) = become_program(words, &mut report, keep_files);
    let _ = report.write_all(why.as_bytes());
    Some(ExitCode::from(status as u8))
}

/// Why one that ended with `status`, or was ended, after these words, was never the program. `None`: it was. `in_time`: all its words
/// have been heard.
pub(super) fn why_not(status: Option<i32>, words: &[u8], in_time: bool) -> Option<String> {
    let said = String::from_utf8_lossy(words);
    let said = said.trim();
    match status {
        Some(CANNOT | REFUSED) if !said.is_empty() => Some(said.to_owned()),
        _ if !in_time => Some(
            "its time was up before it was started: is the machine overloaded, or the monitor's timeout too short?"
                .into(),
        ),
        _ if words.starts_with(BEGINS) => None,
        Some(status) => Some(format!("what becomes it ended with status {status} before it was the program: {said}")),
        None => Some("what becomes it was ended by a signal before it was the program: is memory short?".into()),
    }
}

fn become_program(
    words: &[OsString],
    report: &mut File,
    keep_files: fn() -> io::Result<()>,
) -> Result<Infallible, (i32, String)> {
    let unable = |why| (CANNOT, why);
    let [parent, program, arguments @ ..] = words else {
        return Err(unable(format!(
            "`{ARGUMENT}` is Fairlead's own, with the process that waits, a program and its arguments"
        )));
    };
    let mut command = Command::new(program);
    command.args(arguments).env_remove(LIBRARIES).stderr(Stdio::null());
    keep_files()
        .map_err(|error| unable(format!("files of ours cannot be kept from it: {error} (close_range, Linux 5.11)")))?;
    yield_to_others();
    give_up_rights().map_err(|(what, error)| {
        // A capability is missing.
        let status = if error == Errno::PERM { REFUSED } else { CANNOT };
        (status, format!("{what}: {error}"))
    })?;
    // A change of user takes this back, and so comes before it.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| unable(format!("it cannot be ended with Fairlead (PR_SET_PDEATHSIG): {error}")))?;
    if !is(getppid(), parent) {
        return Err(unable("Fairlead has ended".into()));
    }
    limit(Resource::Memlock, 0);
    limit(Resource::Nofile, FILES);
    limit(Resource::Fsize, FILE);
    limit(Resource::As, MEMORY);
    report.write_all(BEGINS).map_err(|error| unable(format!("nobody can be told that it begins: {error}")))?;
    let error = command.exec();
    Err(match Errno::from_io_error(&error) {
        Some(Errno::AGAIN) => unable(format!(
            "{error}: its user has {PROCESSES} processes already, such as children of programs that outlive them"
        )),
        // Of the moment: what the machine lacks, and a file that is being written.
        Some(Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::IO | Errno::TXTBSY) => unable(error.to_string()),
        _ => (REFUSED, error.to_string()),
    })
}

fn is(process: Option<Pid>, number: &OsStr) -> bool {
    process.is_some_and(|process| number == OsStr::new(&process.as_raw_nonzero().to_string()))
}

/// As far as the system allows it.
fn yield_to_others() {
    let _ = std::fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY);
    let _ = nice(NICE);
    limit(Resource::Core, 0);
    // Where it keeps our user, our own processes would count.
    if geteuid().is_root() {
        limit(Resource::Nproc, PROCESSES);
    }
}

fn limit(of: Resource, most: u64) {
    let _ = setrlimit(of, Rlimit { current: Some(most), maximum: Some(most) });
}

/// This process has no right of ours from now on, nor has what it becomes. Says what cannot be done.
fn give_up_rights() -> Result<(), (&'static str, Errno)> {
    let cannot = |what| move |error| (what, error);
    set_no_new_privs(true).map_err(cannot("no_new_privs cannot be set"))?;
    // A kernel that has none keeps none either.
    let _ = clear_ambient_capability_set();
    // Needs CAP_SETPCAP. Without it no_new_privs sees to it that none is gained.
    for capability in CapabilitySet::all().iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
    if geteuid().is_root() {
        let (gid, uid) = (Gid::from_raw(NOBODY), Uid::from_raw(NOBODY));
        set_thread_groups(&[]).map_err(cannot("Fairlead's groups cannot be left (CAP_SETGID)"))?;
        set_thread_res_gid(gid, gid, gid).map_err(cannot("it cannot have the group 65534 (CAP_SETGID)"))?;
        set_thread_res_uid(uid, uid, uid).map_err(cannot("it cannot have the user 65534, nobody (CAP_SETUID)"))?;
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(cannot("Fairlead's capabilities cannot be given up"))
}
