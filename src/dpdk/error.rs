//! Everything that can be wrong with a machine, as one sentence that says what to do.
//!
//! Owns the words. An error names the thing, the value, the limit and the remedy; what DPDK itself said is quoted at the
//! end when it adds something.

use std::ffi::CStr;
use std::fmt::Write;
use thiserror::Error;

/// Why DPDK, a NIC or a core cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(transparent)]
pub struct DpdkError(#[from] Fault);

/// The same, told apart. `said` is what DPDK said.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error("core {core} is not on this machine, which has cores {present}: name others in [cores]")]
    NoSuchCore { core: usize, present: String },
    #[error(
        "core {core} is closed to this process, which may run on cores {allowed}: name others in [cores], or widen the \
         process's CPU set (taskset, CPUAffinity=, cpuset)"
    )]
    CoreNotAllowed { core: usize, allowed: String },
    /// The operating system refused to pin a thread or to name its cores.
    #[error("a thread cannot be bound to core {core}: {reason}")]
    Pinning { core: usize, reason: String },
    #[error("DPDK cannot take another worker thread, for core {core}: {reason}; name fewer cores in [cores] workers")]
    TooManyThreads { core: usize, reason: String },
    #[error("DPDK can be started once in the life of a process, and it was: start a new process")]
    StartedBefore,
    /// An argument that cannot be given to DPDK, or that Fairlead gives itself.
    #[error("[dpdk] eal: {argument:?} {reason}")]
    Argument { argument: String, reason: String },
    /// Hugepages are asked for and there are none. `pages` are of 2 MB.
    #[error(
        "no hugepages are free: reserve {megabytes} MB of them (for 2 MB pages: sysctl vm.nr_hugepages={pages}), or set \
         hugepages = false in [dpdk]{said}"
    )]
    NoHugepages { megabytes: u32, pages: u32, said: Said },
    /// There are huge pages, and too few. `pages` are of 2 MB.
    #[error(
        "DPDK needs {megabytes} MB of huge pages, and fewer are free: raise memory_mib in [dpdk] (and the reserved huge pages) to that (for \
         2 MB pages: sysctl vm.nr_hugepages={pages}), or lower mbufs{said}"
    )]
    FewHugepages { megabytes: u32, pages: u32, said: Said },
    /// The memory DPDK took is too small, or it could take none.
    #[error(
        "{what} needs {megabytes} MB of memory that DPDK does not have: lower mbufs in [dpdk], or free memory{said}"
    )]
    NoMemory { what: String, megabytes: u32, said: Said },
    /// The user may not do this; these capabilities would be enough.
    #[error("{what} needs a permission this user lacks: run as root, or give the program {capabilities}{said}")]
    NoPermission { what: String, capabilities: &'static str, said: Said },
    /// DPDK did not start, for a reason of its own.
    #[error("DPDK does not start: {reason}{said}")]
    NotStarted { reason: String, said: Said },
    /// A device that cannot be.
    #[error("port {port}: {device}: {reason}{said}")]
    Device { port: String, device: String, reason: String, said: Said },
    /// A driver wants more memory locked than this user may lock.
    #[error(
        "port {port}: {device} cannot lock its ring in memory: run as root, raise the limit (ulimit -l, LimitMEMLOCK=), or \
         make the ring smaller (framecnt=){said}"
    )]
    LockedMemory { port: String, device: String, said: Said },
    /// A port cannot be set up as asked.
    #[error("port {port}: {reason}{said}")]
    Port { port: String, reason: String, said: Said },
    /// The pool is smaller than what the NICs' rings and the workers hold.
    #[error("mbufs = {mbufs} is too few: the ports' rings and the workers hold up to {needed}; raise mbufs in [dpdk]")]
    TooFewMbufs { mbufs: u32, needed: u32 },
}

/// What DPDK wrote to its log while something failed; prints as a parenthesis, or as nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said(pub(super) Vec<String>);

impl Said {
    /// Whether any line contains one of `words`.
    pub(super) fn mentions(&self, words: &[&str]) -> bool {
        self.0.iter().any(|line| words.iter().any(|word| line.contains(word)))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((first, others)) = self.0.split_first() else { return Ok(()) };
        write!(f, " (DPDK: {first}")?;
        for line in others {
            f.write_str("; ")?;
            f.write_str(line)?;
        }
        f.write_char(')')
    }
}

/// DPDK's error number of the calling thread.
pub(super) fn errno() -> i32 {
    // SAFETY: reads a thread-local variable.
    unsafe { dpdk_sys::shim_errno() }
}

/// What an error number, positive or negative, means.
pub(super) fn error_text(code: i32) -> String {
    // SAFETY: the function returns a C string in a buffer of this thread, copied before it is used again.
    unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(code.abs())) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dpdk_said_is_a_parenthesis_or_nothing() {
        assert_eq!(Said::default().to_string(), "");
        let said = Said(vec!["EAL: one".to_owned(), "two".to_owned()]);
        assert_eq!(said.to_string(), " (DPDK: EAL: one; two)");
        assert!(said.mentions(&["none", "two"]));
        assert!(!said.mentions(&["three"]));
    }
}
