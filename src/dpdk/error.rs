//! Everything that can be wrong with a machine, as one sentence that says what to do.
//!
//! Owns the words. An error names the thing, the value, the limit and the remedy; what DPDK itself said is quoted at the
//! end when it adds something.

use std::ffi::CStr;
use std::fmt::Write;
use thiserror::Error;

/// Why DPDK, a NIC or a core cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DpdkError {
    /// A core of the configuration does not exist.
    #[error("core {core} is not on this machine, which has cores {present}: name others in [cores]")]
    NoSuchCore {
        /// As configured.
        core: usize,
        /// The machine's cores, as ranges.
        present: String,
    },
    /// A core exists, and this process may not run there.
    #[error(
        "core {core} is closed to this process, which may run on cores {allowed}: name others in [cores], or widen the \
         process's CPU set (taskset, CPUAffinity=, cpuset)"
    )]
    CoreNotAllowed {
        /// As configured.
        core: usize,
        /// The cores of the process, as ranges.
        allowed: String,
    },
    /// The operating system refused to pin a thread or to name its cores.
    #[error("a thread cannot be bound to core {core}: {reason}")]
    Pinning {
        /// The core.
        core: usize,
        /// The system's words.
        reason: String,
    },
    /// DPDK has no slot for another worker thread.
    #[error("DPDK cannot take another worker thread, for core {core}: {reason}; name fewer cores in [cores] workers")]
    TooManyThreads {
        /// The worker's core.
        core: usize,
        /// DPDK's words.
        reason: String,
    },
    /// [`super::Eal::init`] was called before.
    #[error("DPDK can be started once in the life of a process, and it was: start a new process")]
    StartedBefore,
    /// An argument that cannot be given to DPDK, or that Fairlead gives itself.
    #[error("[dpdk] eal: {argument:?} {reason}")]
    Argument {
        /// The argument.
        argument: String,
        /// What is wrong with it, and the remedy.
        reason: String,
    },
    /// Hugepages are asked for and there are none.
    #[error(
        "no hugepages are free: reserve {megabytes} MB of them (for 2 MB pages: sysctl vm.nr_hugepages={pages}), or set \
         hugepages = false in [dpdk]{said}"
    )]
    NoHugepages {
        /// How much memory was asked for.
        megabytes: u32,
        /// The same in pages of 2 MB.
        pages: u32,
        /// What DPDK said.
        said: Said,
    },
    /// The memory DPDK took is too small, or it could take none.
    #[error(
        "{what} needs {megabytes} MB of memory that DPDK does not have: lower mbufs in [dpdk], or free memory{said}"
    )]
    NoMemory {
        /// For what.
        what: String,
        /// About so much.
        megabytes: u32,
        /// What DPDK said.
        said: Said,
    },
    /// The user may not do this.
    #[error("{what} needs a permission this user lacks: run as root, or give the program {capabilities}{said}")]
    NoPermission {
        /// What was tried.
        what: String,
        /// What would be enough.
        capabilities: &'static str,
        /// What DPDK said.
        said: Said,
    },
    /// DPDK did not start, for a reason of its own.
    #[error("DPDK does not start: {reason}{said}")]
    NotStarted {
        /// What the return code means.
        reason: String,
        /// What DPDK said.
        said: Said,
    },
    /// A device that cannot be.
    #[error("port {port}: {device}: {reason}{said}")]
    Device {
        /// The `[[port]]`.
        port: String,
        /// Its device, without arguments.
        device: String,
        /// What is wrong, and the remedy.
        reason: String,
        /// What DPDK said.
        said: Said,
    },
    /// A driver wants more memory locked than this user may lock.
    #[error(
        "port {port}: {device} cannot lock its ring in memory: run as root, raise the limit (ulimit -l, LimitMEMLOCK=), or \
         make the ring smaller (framecnt=){said}"
    )]
    LockedMemory {
        /// The `[[port]]`.
        port: String,
        /// Its device, without arguments.
        device: String,
        /// What DPDK said.
        said: Said,
    },
    /// A port cannot be set up as asked.
    #[error("port {port}: {reason}{said}")]
    Port {
        /// The `[[port]]`.
        port: String,
        /// What is wrong, and the remedy.
        reason: String,
        /// What DPDK said.
        said: Said,
    },
    /// The pool is smaller than what the NICs' rings and the workers hold.
    #[error("mbufs = {mbufs} is too few: the ports' rings and the workers hold up to {needed}; raise mbufs in [dpdk]")]
    TooFewMbufs {
        /// As configured.
        mbufs: u32,
        /// The least that works.
        needed: u32,
    },
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
