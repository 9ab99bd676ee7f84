//! Which cores there are, and binding a thread to one.
//!
//! Owns the calls to the scheduler. Starting DPDK binds the calling thread and threads inherit that, so what ran where
//! before is kept and given back ([`CoreSet::apply`]).

use super::error::Fault;
use std::fmt::Write;

/// A set of cores, as the scheduler counts them.
#[derive(Clone)]
pub(super) struct CoreSet(libc::cpu_set_t);

impl CoreSet {
    /// The cores the calling thread may run on.
    pub(super) fn current() -> CoreSet {
        // SAFETY: an all-zero set is the empty set; the call writes no more than its size.
        let set = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::sched_getaffinity(0, size_of_val(&set), &mut set);
            set
        };
        CoreSet(set)
    }

    fn one(core: usize) -> CoreSet {
        // SAFETY: as above; the caller has checked that `core` fits the set.
        let set = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(core, &mut set);
            set
        };
        CoreSet(set)
    }

    /// The cores in the set, ascending.
    pub(super) fn list(&self) -> Vec<usize> {
        // SAFETY: every index is below the set's size.
        (0..limit()).filter(|core| unsafe { libc::CPU_ISSET(*core, &self.0) }).collect()
    }

    /// Lets the calling thread run on these cores only.
    pub(super) fn apply(&self) -> std::io::Result<()> {
        // SAFETY: the set is valid for reads of its size; 0 is the calling thread.
        let rc = unsafe { libc::sched_setaffinity(0, size_of_val(&self.0), &self.0) };
        if rc == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    }
}

/// One more than the highest core a [`CoreSet`] can hold.
const fn limit() -> usize {
    size_of::<libc::cpu_set_t>() * 8
}

/// Binds the calling thread to `core`; returns where it could run before.
pub(super) fn pin(core: usize, allowed: &CoreSet) -> Result<CoreSet, Fault> {
    check(core, allowed)?;
    let before = CoreSet::current();
    CoreSet::one(core).apply().map_err(|error| Fault::Pinning { core, reason: error.to_string() })?;
    Ok(before)
}

/// Whether `core` is on this machine and in `allowed`.
pub(super) fn check(core: usize, allowed: &CoreSet) -> Result<(), Fault> {
    let present = present();
    if !present.contains(&core) || core >= limit() {
        return Err(Fault::NoSuchCore { core, present: ranges(&present) });
    }
    let allowed = allowed.list();
    if !allowed.contains(&core) {
        return Err(Fault::CoreNotAllowed { core, allowed: ranges(&allowed) });
    }
    Ok(())
}

/// The machine's cores that are online.
fn present() -> Vec<usize> {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let listed = parse(online.trim());
    if listed.is_empty() { CoreSet::current().list() } else { listed }
}

/// Reads `0-3,8`; what is not a number or a range is left out.
fn parse(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

/// Writes ascending cores as `0-3,8`.
fn ranges(cores: &[usize]) -> String {
    let mut text = String::new();
    for run in cores.chunk_by(|one, next| one + 1 == *next) {
        let separator = if text.is_empty() { "" } else { "," };
        let _ = match run {
            [one] => write!(text, "{separator}{one}"),
            _ => write!(text, "{separator}{}-{}", run[0], run[run.len() - 1]),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_written_as_the_kernel_writes_them() {
        for text in ["0", "0-1", "0-3,8", "1,3,5-7"] {
            assert_eq!(ranges(&parse(text)), text);
        }
        assert_eq!(parse(""), Vec::<usize>::new());
    }

    #[test]
    fn a_thread_is_bound_and_given_back() {
        let all = CoreSet::current();
        let first = all.list()[0];
        let before = pin(first, &all).expect("a core of our own");
        assert_eq!(CoreSet::current().list(), [first]);
        before.apply().expect("back");
        assert_eq!(CoreSet::current().list(), all.list());
    }

    #[test]
    fn a_core_that_is_not_there_is_named() {
        let all = CoreSet::current();
        let error = check(100_000, &all).expect_err("no such core").to_string();
        assert!(error.starts_with("core 100000 is not on this machine, which has cores 0"), "{error}");
        let none = CoreSet(CoreSet::one(1023).0);
        let error = check(0, &none).expect_err("not allowed").to_string();
        assert!(error.starts_with("core 0 is closed to this process, which may run on cores 1023: "), "{error}");
    }
}
